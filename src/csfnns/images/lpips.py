"""LPIPS: the perceptual distance of two pictures in the features of a classification network.

Richard Zhang, Phillip Isola, Alexei A. Efros, Eli Shechtman and Oliver Wang, "The unreasonable effectiveness of deep
features as a perceptual metric", CVPR 2018; version 0.1 of its weights. The weights are not shipped: users
provide a backbone, in torchvision's names, and heads, in those of the package `lpips`, as files:

    network   backbone                         heads
    alex      alexnet.safetensors              alex.safetensors
    vgg       vgg16.safetensors                vgg.safetensors
    squeeze   squeezenet.safetensors           squeeze.safetensors

in the folder CSFNNS_LPIPS, or in torch hub's cache, also under their downloaded names. They are published as `.pth`:
pickles, which are not read. Whoever trusts one converts it:

    weights = torch.load("alex.pth", weights_only=True)
    safetensors.torch.save_file(weights, "alex.safetensors")

Where one is missing, the result is the reason instead of a figure.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from csfnns.errors import UsageError
from csfnns.extras import require
from csfnns.images.io import Picture, check_picture
from csfnns.tensors import FLOATS, BadTensorsError, Spec, read_tensors, specs

require("network", "LPIPS")  # a better error than that of the import below

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

Network = Literal["alex", "vgg", "squeeze"]

ENVIRONMENT = "CSFNNS_LPIPS"
LEAST_SIDE = 32  # smaller pictures leave nothing after the last pooling
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPSILON = 1e-10


@dataclass(frozen=True)
class Missing:
    """The reason why there is no figure."""

    reason: str


class Lpips:
    """The metric with its weights; `load_lpips` makes it."""

    def __init__(self, backbone: "Backbone", heads: list[Tensor]) -> None:
        self._backbone = backbone
        self._heads = heads  # (C,) for each tap

    def __call__(self, a: Picture, b: Picture) -> float:
        """Return the distance of two pictures: 0 for equal ones, about 0.7 for unrelated ones.

        Raises UsageError for shapes that differ or sides below 32.
        """
        for picture in (a, b):
            check_picture(picture)
        if a.shape != b.shape or min(a.shape[:2]) < LEAST_SIDE:
            sizes = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in (a, b))
            hint = f"It needs two of one size, {LEAST_SIDE} pixels a side at least."
            raise UsageError(f"LPIPS cannot compare {sizes}.", hint)
        with torch.inference_mode():
            features = zip(*(self._backbone(_image(picture)) for picture in (a, b)), self._heads, strict=True)
            parts = [((_unit(f) - _unit(g)).square() * h[:, None, None]).sum(1).mean() for f, g, h in features]
            return float(torch.stack(parts).sum())


def lpips(a: Picture, b: Picture, network: Network = "alex", *, folder: Path | None = None) -> float | Missing:
    """Distance of two pictures, or the reason why there is none. For many pairs, load the metric once.

    Raises UsageError for pictures that cannot be compared, and for files with other content.
    """
    metric = load_lpips(network, folder=folder)
    return metric if isinstance(metric, Missing) else metric(a, b)


def load_lpips(network: Network = "alex", *, folder: Path | None = None) -> Lpips | Missing:
    """Metric from the files in `folder`, by default CSFNNS_LPIPS's, and in torch hub's cache.

    Raises UsageError for an unknown network and for files with other content.
    """
    if network not in get_args(Network):
        raise UsageError(f"There is no network {network!r}.", f"Choose one of: {', '.join(get_args(Network))}.")
    with torch.device("meta"):  # no random numbers are drawn
        backbone = _BACKBONES[network]()
    found = {}
    for what, names in zip(("backbone", "heads"), _FILES[network], strict=True):
        path = _find(names, folder)
        if path is None:
            return Missing(_reason(network, what, names, folder))
        found[what] = path
    backbone.load_state_dict(_read(found["backbone"], specs(backbone.state_dict())), assign=True)
    return Lpips(backbone.eval(), _heads(found["heads"], backbone.widths))


class Backbone(nn.Module):
    """Layers under torchvision's names, `features.N`; the taps are outputs of some ReLUs."""

    taps: tuple[int, ...]
    widths: tuple[int, ...]
    """Channels at each tap."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Scaled picture (N, 3, H, W) → features at each tap."""
        tapped = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taps:
                tapped.append(x)
        return tapped


class AlexNet(Backbone):
    """Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014."""

    taps, widths = (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)

    def __init__(self) -> None:
        first, *rest = zip((3, *self.widths), self.widths, strict=False)
        layers: list[nn.Module] = [nn.Conv2d(*first, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
        for i, (before, width) in enumerate(rest):
            layers += [nn.Conv2d(before, width, 5 if i == 0 else 3, padding=2 if i == 0 else 1), nn.ReLU()]
            if i == 0:
                layers.append(nn.MaxPool2d(3, 2))
        super().__init__(layers)


class Vgg16(Backbone):
    """Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015."""

    taps, widths = (3, 8, 15, 22, 29), (64, 128, 256, 512, 512)

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        before = 3
        for width, convolutions in zip(self.widths, (2, 2, 3, 3, 3), strict=True):
            for _ in range(convolutions):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2, 2))
        super().__init__(layers[:-1])


class SqueezeNet(Backbone):
    """Version 1.1 of Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016."""

    taps, widths = (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512)

    def __init__(self) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
        before = 64
        for fires in ((16, 16), (32, 32), (48, 48, 64, 64)):
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            for few in fires:
                layers.append(_Fire(before, few, 4 * few))
                before = 8 * few
        super().__init__(layers)


class _Fire(nn.Module):
    """Few channels, then many by two kernel sizes: (N, before, H, W) → (N, 2 * half, H, W)."""

    def __init__(self, before: int, few: int, half: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, few, 1)
        self.expand1x1 = nn.Conv2d(few, half, 1)
        self.expand3x3 = nn.Conv2d(few, half, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


_BACKBONES = {"alex": AlexNet, "vgg": Vgg16, "squeeze": SqueezeNet}

# Of the backbone and of the heads: the name here, then downloaded names.
_FILES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "alex": (("alexnet", "alexnet-owt-7be5be79"), ("alex",)),
    "vgg": (("vgg16", "vgg16-397923af"), ("vgg",)),
    "squeeze": (("squeezenet", "squeezenet1_1-b8a52dc0", "squeezenet1_1-f364aa15"), ("squeeze",)),
}


def _folders(folder: Path | None) -> list[Path]:
    """Where to look, in this order."""
    own = folder or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    return [hub] if own is None else [own, hub]


def _find(names: tuple[str, ...], folder: Path | None) -> Path | None:
    return next((path for path in _places(names, folder, ".safetensors") if path.is_file()), None)


def _places(names: tuple[str, ...], folder: Path | None, suffix: str) -> list[Path]:
    return [place / f"{name}{suffix}" for place in _folders(folder) for name in names]


def _reason(network: str, what: str, names: tuple[str, ...], folder: Path | None) -> str:
    for path in _places(names, folder, ".pth"):
        if path.is_file():
            return f"no {what} for {network}: {path} is a pickle, which is not read; convert it to .safetensors"
    searched = " and ".join(map(str, _folders(folder)))
    return f"no {what} for {network}: {names[0]}.safetensors is not in {searched} (set {ENVIRONMENT})"


def _read(path: Path, expected: Mapping[str, Spec]) -> dict[str, Tensor]:
    """These tensors of a file in float32; others, such as classifiers, are not read. Raises UsageError."""
    try:
        return {name: value.float() for name, value in read_tensors(path, expected, others=True).items()}
    except (BadTensorsError, OSError) as error:
        reason = f"{path} does not hold these weights: {error}."
        raise UsageError(reason, "Get it again from its source.") from error


def _heads(path: Path, widths: tuple[int, ...]) -> list[Tensor]:
    """Weights (C,) of each tap's 1x1 convolution."""
    content = _read(path, {f"lin{i}.model.1.weight": ((1, width, 1, 1), FLOATS) for i, width in enumerate(widths)})
    return [tensor.flatten() for tensor in content.values()]


def _image(picture: Picture) -> Tensor:
    """(H, W, 3) uint8 → [-1, 1] → scaled as the backbones were trained, (1, 3, H, W)."""
    levels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()
    shift, scale = (torch.tensor(each, dtype=torch.float32, device="cpu")[:, None, None] for each in (_SHIFT, _SCALE))
    return ((levels / 127.5 - 1 - shift) / scale)[None]


def _unit(features: Tensor) -> Tensor:
    """Features (N, C, H, W) of length 1 at each place."""
    return features / (features.square().sum(1, keepdim=True).sqrt() + _EPSILON)

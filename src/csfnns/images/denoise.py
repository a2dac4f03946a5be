"""The receiver's denoiser, which removes noise from a recovered picture (Sec. 4.1).

A convolutional network estimates noise of any strength, which is subtracted: residual learning after Zhang, Zuo, Chen,
Meng and Zhang, "Beyond a Gaussian denoiser: residual learning of deep CNN for image denoising" (DnCNN), IEEE Trans. Image
Processing 26 (2017). It works at half the resolution, for a wider view at a quarter of the cost, and has skip connections
instead of batch normalisation. training/denoiser.py trains it; weights/README.md is its card.

A DnCNN of somebody else's can take its place (`csfnns weights convert --as dncnn`).
"""

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from csfnns.errors import UsageError
from csfnns.extras import require
from csfnns.images.io import Picture, check_picture
from csfnns.profile import Profile
from csfnns.tensors import FLOATS, BadTensorsError, read_header, read_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

ENVIRONMENT = "CSFNNS_DENOISER"
"""Environment variable: file of a DnCNN that takes the place of the network of this package."""
DNCNN = "dncnn"
"""Entry of such a file's metadata."""
BLOCKS, CHANNELS = 4, 48
TILE = 512
_WINDOW = 9
_LARGEST = 0.6  # power of a good estimate over that of the noise; 0.15 to 0.5 on real pairs


def denoise(picture: Picture, expected_psnr: float | None = None) -> Picture:
    """Remove the noise of a picture, uint8 (H, W, 3) of any size.

    The network takes a secret's own grain for noise, too. With `expected_psnr` in dB, the receiver's estimate, no more than
    noise of that power is removed anywhere, and grain stays. Raises UsageError for an array that is no picture, without
    the extra `network`, and where `CSFNNS_DENOISER` names something else than a denoiser.
    """
    require("network", "The denoiser")
    import torch

    check_picture(picture)
    external = external_weights()
    net = _trained() if external is None else _dncnn(external)
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    result = np.empty_like(padded)
    # A pixel depends on two pixels a layer and half a window around it; with this margin tiles leave no seam.
    margin = 2 * sum(isinstance(layer, torch.nn.Conv2d) for layer in net.modules()) + _WINDOW - 1
    for y in range(0, padded.shape[0], TILE):
        for x in range(0, padded.shape[1], TILE):
            top, left = max(0, y - margin), max(0, x - margin)
            around = padded[top : y + TILE + margin, left : x + TILE + margin]
            inside = _tile(net, around, expected_psnr)[y - top :, x - left :]
            target = result[y : y + TILE, x : x + TILE]
            target[:] = inside[: target.shape[0], : target.shape[1]]
    return np.ascontiguousarray(result[:height, :width])


def _tile(net: "nn.Sequential", picture: Picture, expected_psnr: float | None) -> Picture:
    """Denoise a whole picture with even sides."""
    import torch

    image = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)[None]  # (1, 3, H, W)
    with torch.inference_mode():
        noise = noise_of(net, image)
        if expected_psnr is not None:
            noise = _limited(noise, 10 ** (-expected_psnr / 10))
        levels = (255 * (image - noise)).round().clamp(0, 255).to(torch.uint8)
    return levels[0].permute(1, 2, 0).numpy()


def _limited(noise: "Tensor", power: float) -> "Tensor":
    """Estimated noise (1, 3, H, W), scaled down where it is stronger than noise of this power can be.

    A stronger estimate is noise plus uncorrelated grain; the best estimate of the noise in it is its share of the power.
    """
    from torch.nn.functional import avg_pool2d

    square = noise.square().mean(1, keepdim=True)  # (1, 1, H, W)
    local = avg_pool2d(square, _WINDOW, stride=1, padding=_WINDOW // 2, count_include_pad=False)
    return noise * (_LARGEST * power / local.clamp(min=1e-12)).clamp(max=1)


HELPS = frozenset({"shuffle"})
"""Decoders whose pictures are closer to the secret after `denoise` (benchmarks/denoiser.py)."""


def helps(profile: Profile) -> bool:
    """Whether pictures of this profile are closer to the secret after `denoise`."""
    return profile.decoder in HELPS


def network(blocks: int = BLOCKS, channels: int = CHANNELS) -> "nn.Sequential":
    """Untrained network that estimates noise, (N, 3, H, W) → (N, 3, H, W), H and W even."""
    from torch import nn

    def convolution(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
        layer = nn.Conv2d(inputs, outputs, 3, padding=1)
        kernel, bias = layer.parameters()
        nn.init.kaiming_normal_(kernel, nonlinearity="relu")
        nn.init.zeros_(bias)
        kernel.data *= gain
        return layer

    class Block(nn.Module):
        """Two convolutions and a skip connection."""

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                convolution(channels, channels), nn.ReLU(), convolution(channels, channels, 0.3)
            )

        def forward(self, x: "Tensor") -> "Tensor":
            return x + self.layers(x)

    return nn.Sequential(
        nn.PixelUnshuffle(2),  # (N, 12, H/2, W/2)
        convolution(12, channels),
        *(Block() for _ in range(blocks)),
        convolution(channels, 12, 0.05),
        nn.PixelShuffle(2),  # (N, 3, H, W)
    )


def _shift() -> "nn.Module":
    from torch import nn

    class Shift(nn.Module):
        """Undoes the shift of `noise_of`, for networks that see [0, 1]."""

        def forward(self, x: "Tensor") -> "Tensor":
            return x + 0.5

    return Shift()


def noise_of(net: "nn.Sequential", image: "Tensor") -> "Tensor":
    """Estimate the noise in an image in [0, 1]; both (N, 3, H, W)."""
    return net(image - 0.5)  # around 0, where bfloat16 is fine enough for training


def external_weights() -> Path | None:
    """File that takes the place of this package's weights; None where none is set."""
    path = os.environ.get(ENVIRONMENT)
    return Path(path) if path else None


@cache
def _dncnn(path: Path) -> "nn.Sequential":
    """A DnCNN in a file of `csfnns weights convert`: convolutions of 3x3 with a ReLU between them."""
    import torch
    from torch import nn

    hint = "Convert a checkpoint: csfnns weights convert FILE --as dncnn -o dncnn.safetensors."
    try:
        header = read_header(path)
        if DNCNN not in header.metadata or not header.shapes:
            raise BadTensorsError("it is of something else")
        tensors = read_tensors(path, {name: (shape, FLOATS) for name, shape in header.shapes.items()})
        layers: list[nn.Module] = [_shift()]
        for i in range(len(tensors) // 2):
            kernel, bias = tensors[f"{i}.weight"].float(), tensors[f"{i}.bias"].float()
            with torch.device("meta"):
                layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            layer.load_state_dict({"weight": kernel, "bias": bias}, assign=True)
            layers += [layer, nn.ReLU()]
        net = nn.Sequential(*layers[:-1])
        with torch.inference_mode():
            net(torch.zeros(1, 3, 4, 4)).reshape(1, 3, 4, 4)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        reason = f": {error}" if isinstance(error, BadTensorsError) else ""
        raise UsageError(f"{path}, which {ENVIRONMENT} names, is no denoiser{reason}.", hint) from error
    return net.eval()


@cache
def _trained() -> "nn.Sequential":
    """The network with this package's weights, in float32."""
    import torch
    from safetensors.torch import load

    weights = load((files("csfnns") / "weights" / "denoiser.safetensors").read_bytes())
    kernels = [tensor for tensor in weights.values() if tensor.ndim == 4]
    with torch.device("meta"):  # no random numbers are drawn
        net = network(len(kernels) // 2 - 1, max(len(kernel) for kernel in kernels))
    net.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    return net.eval()

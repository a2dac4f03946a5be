"""What the networks share: how they are taught, and filters for each colour by itself."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from csfnns.steganalysis.base import F64


class Network(nn.Module):
    """Judges pictures: float32 levels 0…255, (N, 3, H, W) with sides of at least 16 → logits (N, 2): cover, stego."""

    rate: ClassVar[float] = 1e-3
    """Adam's learning rate at its highest, unless a lesson says another."""

    def loss(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, a scalar; labels (N,) are 0 for covers and 1 for stegos."""
        return functional.cross_entropy(self(pictures), labels)


class FilterBank(nn.Module):
    """Filters (K, 5, 5) for each colour by itself, without padding: (N, 3, H, W) → (N, 3K, H − 4, W − 4)."""

    def __init__(self, filters: F64, *, trained: bool) -> None:
        super().__init__()
        kernels = torch.from_numpy(np.ascontiguousarray(filters, np.float32))[:, None]
        self.kernels = nn.Parameter(kernels, requires_grad=trained)  # (K, 1, 5, 5)

    def forward(self, pictures: Tensor) -> Tensor:
        """Residuals, those of the first colour first."""
        number, colours, height, width = pictures.shape
        residuals = functional.conv2d(pictures.reshape(-1, 1, height, width), self.kernels)
        return residuals.reshape(number, colours * len(self.kernels), *residuals.shape[2:])


def convolution(inputs: int, outputs: int, side: int, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """Convolution that keeps the size but for its stride, with weights after He for ReLU and no or zero bias."""
    layer = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def oppose_colours(layer: nn.Conv2d) -> nn.Conv2d:
    """Make every other kernel of a layer behind a filter bank begin blind to residuals that all three colours share.

    Colours of a picture share much, and those of a message nothing.
    """
    kernels = layer.weight.data
    maps, _, *sides = kernels[::2].shape
    every_other = kernels[::2].reshape(maps, 3, -1, *sides)  # (maps, colours, filters, side, side)
    kernels[::2] = (every_other - every_other.mean(1, keepdim=True)).flatten(1, 2)
    return layer


def global_mean(maps: Tensor) -> Tensor:
    """Mean of each map, (N, C, H, W) → (N, C), for pictures of any size."""
    return maps.mean((2, 3))

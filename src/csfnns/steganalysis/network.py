"""What the networks share: their base class, the high-pass filters of the rich model, layers.

Fridrich and Kodovský, "Rich models for steganalysis of digital images", IEEE Trans. Information Forensics and Security
7 (2012): differences of first, second and third order along lines, and squares and edges of 3x3 and 5x5.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from csfnns.steganalysis.base import F64


class Network(nn.Module):
    """Classifies pictures: float32 levels 0…255, (N, 3, H, W), sides from 16 → logits (N, 2): cover, stego."""

    rate: ClassVar[float] = 1e-3
    """Adam's highest learning rate unless the training config sets another."""

    def loss(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy, a scalar; labels (N,) are 0 for covers and 1 for stegos."""
        return functional.cross_entropy(self(pictures), labels)


class FilterBank(nn.Module):
    """Filters (K, 5, 5) applied to each colour separately, without padding: (N, 3, H, W) → (N, 3K, H − 4, W − 4)."""

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
    """Convolution that keeps the size but for its stride; He initialisation for ReLU, bias zero if any."""
    layer = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def oppose_colours(layer: nn.Conv2d) -> nn.Conv2d:
    """Make every other kernel of a layer after a filter bank start blind to residuals that all colours share.

    The colours of a picture share much, those of a message nothing.
    """
    kernels = layer.weight.data
    maps, _, *sides = kernels[::2].shape
    every_other = kernels[::2].reshape(maps, 3, -1, *sides)  # (maps, colours, filters, side, side)
    kernels[::2] = (every_other - every_other.mean(1, keepdim=True)).flatten(1, 2)
    return layer


def classifier(features: int) -> nn.Linear:
    """Last layer to two logits, with small random weights and zero bias."""
    layer = nn.Linear(features, 2)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def global_mean(maps: Tensor) -> Tensor:
    """Mean of each map, (N, C, H, W) → (N, C), for pictures of any size."""
    return maps.mean((2, 3))


_SIDE, _CENTRE = 5, 2
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # down, right
_SECOND = np.array([0.0, 1, -2, 1, 0])
_FOURTH = np.array([1.0, -4, 6, -4, 1])


def srm_filters() -> F64:
    """The 30 linear filters, (30, 5, 5): each sums to zero, and its largest coefficient is 1 or −1.

    8 of first order, 4 of second, 8 of third, then SQUARE 3x3, four EDGE 3x3, SQUARE 5x5 (`kv_filter`), four EDGE 5x5.
    """
    small, large = -np.outer(_SECOND, _SECOND), kv_filter()
    filters = [
        *(_along((-1, 1), 0, *step) for step in _AROUND),
        *(_along((1, -2, 1), -1, *step) for step in _AROUND[:4]),
        *(_along((1, -3, 3, -1), -1, *step) for step in _AROUND),
        *(small, *_edges(small), large, *_edges(large)),
    ]
    return np.array([kernel / abs(kernel).max() for kernel in filters])


def kv_filter() -> F64:
    """SQUARE 5x5, the filter of Ker and Böhme (KV), (5, 5), with −1 in the centre and a sum of zero."""
    mixed = np.outer(_SECOND, _FOURTH)
    kernel = np.outer(_FOURTH, _FOURTH) + 2 * (mixed + mixed.T) + 6 * np.outer(_SECOND, _SECOND)
    return -kernel / 12


def _along(coefficients: tuple[int, ...], first: int, down: int, right: int) -> F64:
    """Coefficients on a line through the centre, the first of them `first` steps from it."""
    kernel = np.zeros((_SIDE, _SIDE))
    for k, value in enumerate(coefficients, first):
        kernel[_CENTRE + k * down, _CENTRE + k * right] = value
    return kernel


def _edges(square: F64) -> list[F64]:
    """Upper half of a square filter with its middle row, turned four times."""
    upper = np.where(np.arange(_SIDE)[:, None] <= _CENTRE, square, 0.0)
    return [np.rot90(upper, k).copy() for k in range(4)]

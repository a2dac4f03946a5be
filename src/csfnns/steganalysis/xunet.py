"""Xu-Net: a fixed high-pass filter, absolute values, and five groups of convolutions.

Xu, Wu and Shi, "Structural design of convolutional neural networks for steganalysis", IEEE Signal Processing Letters
23 (2016). Here the filter is applied to each colour, and the first group takes three residuals instead of one.
"""

from typing import ClassVar

from torch import Tensor, nn

from csfnns.steganalysis.network import FilterBank, Network, convolution, global_mean, kv_filter


class XuNet(Network):
    """15 000 weights; convolutions have no bias, as published."""

    rate: ClassVar[float] = 2e-3

    def __init__(self) -> None:
        super().__init__()
        self.residuals = FilterBank(kv_filter()[None], trained=False)
        self.first = convolution(3, 8, 5)
        self.groups = nn.Sequential(
            nn.BatchNorm2d(8), nn.Tanh(), _halve(),
            convolution(8, 16, 5), nn.BatchNorm2d(16), nn.Tanh(), _halve(),
            convolution(16, 32, 1), nn.BatchNorm2d(32), nn.ReLU(), _halve(),
            convolution(32, 64, 1), nn.BatchNorm2d(64), nn.ReLU(), _halve(),
            convolution(64, 128, 1), nn.BatchNorm2d(128), nn.ReLU(),
        )  # fmt: skip
        self.classes = nn.Linear(128, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 2) of levels (N, 3, H, W)."""
        # The sign of a residual carries no information: absolute values make the distribution one-sided.
        maps = self.first(self.residuals(pictures)).abs()
        return self.classes(global_mean(self.groups(maps)))


def _halve() -> nn.AvgPool2d:
    return nn.AvgPool2d(5, stride=2, padding=2, count_include_pad=False)

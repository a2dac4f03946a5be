"""Ye-Net: the 30 filters of the spatial rich model as first weights, and a truncated linear unit.

Ye, Ni and Yi, "Deep learning hierarchical representations for image steganalysis", IEEE Trans. Information Forensics
and Security 12 (2017). Here the filters are applied to each colour, and the second layer takes 90 residuals.
"""

from typing import ClassVar

from torch import Tensor, nn

from csfnns.steganalysis.network import (
    FilterBank,
    Network,
    convolution,
    global_mean,
    oppose_colours,
    srm_filters,
)

_THRESHOLD = 3.0


class YeNet(Network):
    """Nine layers of convolutions without batch normalisation; the filters are trained with the rest."""

    rate: ClassVar[float] = 2e-3

    def __init__(self) -> None:
        super().__init__()
        self.residuals = FilterBank(srm_filters(), trained=True)
        self.truncate = nn.Hardtanh(-_THRESHOLD, _THRESHOLD)
        self.layers = nn.Sequential(
            oppose_colours(convolution(90, 30, 3, bias=True)), nn.ReLU(),
            _layer(30, 30, 3),
            _layer(30, 30, 3), nn.AvgPool2d(2, ceil_mode=True),
            _layer(30, 32, 5), _halve(),
            _layer(32, 32, 5), _halve(),
            _layer(32, 32, 5), _halve(),
            _layer(32, 16, 3),
            _layer(16, 16, 3, stride=3),
        )  # fmt: skip
        self.classes = nn.Linear(16, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 2) of levels (N, 3, H, W)."""
        return self.classes(global_mean(self.layers(self.truncate(self.residuals(pictures)))))


def _layer(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, outputs, side, stride, bias=True), nn.ReLU())


def _halve() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

"""SRNet: a deep residual network without fixed filters, and without pooling in its first seven layers.

Boroumand, Chen and Fridrich, "Deep residual network for steganalysis of digital images", IEEE Trans. Information
Forensics and Security 14 (2019). Here the first layer takes three colours.
"""

import torch
from torch import Tensor, nn

from csfnns.steganalysis.network import Network, classifier, convolution, global_mean


class SrNet(Network):
    """Twelve layers: two plain, five with a skip connection, four that halve the size, one with a global mean.

    The first kernels start blind to smooth areas, so that the network sees residuals from the first step.
    """

    def __init__(self) -> None:
        super().__init__()
        first = convolution(3, 64, 3)
        first.weight.data = _rough(first.weight.data)
        self.layers = nn.Sequential(
            first, nn.BatchNorm2d(64), nn.ReLU(),
            convolution(64, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
            *(_Residual(_two(16, 16), nn.Sequential()) for _ in range(5)),
            *(_halving(inputs, outputs) for inputs, outputs in ((16, 16), (16, 64), (64, 128), (128, 256))),
            *_two(256, 512),
        )  # fmt: skip
        self.classes = classifier(512)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 2) of levels (N, 3, H, W)."""
        return self.classes(global_mean(self.layers(pictures)))


def _rough(kernels: Tensor) -> Tensor:
    """Kernels (…, 3, 3) without their response to flat areas, slopes and parabolas; the total power is kept."""
    y, x = (each.flatten() for each in torch.meshgrid(torch.arange(-1.0, 2), torch.arange(-1.0, 2), indexing="ij"))
    smooth = torch.stack([torch.ones(9), x, y, x * y, x * x, y * y], 1)  # (9, 6)
    basis = torch.linalg.qr(smooth).Q
    flat = kernels.flatten(-2)
    rest = (flat - flat @ basis @ basis.T).reshape(kernels.shape)
    return rest * (kernels.norm() / rest.norm())


class _Residual(nn.Module):
    """Sum of layers and a skip connection."""

    def __init__(self, layers: nn.Module, skip: nn.Module) -> None:
        super().__init__()
        self.layers, self.skip = layers, skip

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps) + self.skip(maps)


def _two(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        convolution(inputs, outputs, 3), nn.BatchNorm2d(outputs), nn.ReLU(),
        convolution(outputs, outputs, 3), nn.BatchNorm2d(outputs),
    )  # fmt: skip


def _halving(inputs: int, outputs: int) -> _Residual:
    pooled = nn.Sequential(*_two(inputs, outputs), nn.AvgPool2d(3, stride=2, padding=1))
    return _Residual(pooled, nn.Sequential(convolution(inputs, outputs, 1, 2), nn.BatchNorm2d(outputs)))

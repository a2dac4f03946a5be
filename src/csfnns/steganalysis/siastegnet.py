"""SiaStegNet: one network sees both halves of a picture and classifies it by what their features have in common.

You, Zhang and Zhao, "A Siamese CNN for image steganalysis", IEEE Trans. Information Forensics and Security 16 (2020).
Here the filters are applied to each colour, and a convolution of 1x1 makes 30 maps of the 90 residuals.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from csfnns.steganalysis.network import (
    FilterBank,
    Network,
    classifier,
    convolution,
    global_mean,
    oppose_colours,
    srm_filters,
)

_MARGIN = 1.0
_CONTRAST = 0.1
"""Weight of the contrastive loss beside the cross-entropy."""


class SiaStegNet(Network):
    """The left and the right half go through the same weights: `features` is both of the twins."""

    rate: ClassVar[float] = 2e-3

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            FilterBank(srm_filters(), trained=True),
            oppose_colours(convolution(90, 30, 1)),
            nn.BatchNorm2d(30), nn.ReLU(),
            _Block(30, 30), _Block(30, 30), _Block(30, 30),
            _Block(30, 64), _Block(64, 64),
            _Block(64, 128), _Block(128, 128),
        )  # fmt: skip
        self.drop = nn.Dropout(0.5)
        self.classes = classifier(4 * 128 + 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 2) of levels (N, 3, H, W)."""
        return self._classify(*self.halves(pictures))

    def halves(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean features of the left and the right half, both (N, 128)."""
        middle = pictures.shape[3] // 2
        left, right = (self.features(half) for half in (pictures[..., :middle], pictures[..., middle:]))
        return global_mean(left), global_mean(right)

    def loss(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy and contrastive loss, which draws halves of covers together and those of stegos apart."""
        left, right = self.halves(pictures)
        distance = functional.pairwise_distance(left, right)
        apart = (_MARGIN - distance).clamp(min=0).square()
        contrast = torch.where(labels == 1, apart, distance.square()).mean()
        return functional.cross_entropy(self._classify(left, right), labels) + _CONTRAST * contrast

    def _classify(self, left: Tensor, right: Tensor) -> Tensor:
        both = torch.stack([left, right])  # (2, N, 128)
        distance = functional.pairwise_distance(left, right, keepdim=True)
        joined = [distance, both.mean(0), both.var(0), both.amin(0), both.amax(0)]
        return self.classes(self.drop(torch.cat(joined, 1)))


class _Block(nn.Module):
    """Two convolutions beside a skip connection; where the number of maps changes, the size is halved."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        last = nn.BatchNorm2d(outputs)
        self.layers = nn.Sequential(
            convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU(),
            convolution(outputs, outputs, 3), last,
        )  # fmt: skip
        self.skip = nn.Sequential()
        if stride == 1:
            nn.init.zeros_(last.weight)  # the block starts as the identity
        else:
            self.skip = nn.Sequential(convolution(inputs, outputs, 1, 2), nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        return functional.relu(self.layers(maps) + self.skip(maps))

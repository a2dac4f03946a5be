"""The paper's decoders: three convolutions with LeakyReLU and instance normalisation, in two variants.

The text fixes neither the kernel nor the order of LeakyReLU and InstanceNorm: in both variants they are as in the authors'
code. The strides set the capacity (Sec. 4.1).
"""

from functools import partial

import torch
from torch import Tensor, nn

from csfnns.decoders.base import Decoder, InstanceNorm
from csfnns.decoders.initialise import initialise
from csfnns.profile import Profile
from csfnns.stream import Seed

SLOPE = 0.01
STRIDES = {"24": (1, 1, 1), "6": (1, 1, 2), "1.5": (1, 2, 2)}
"""Strides of the three convolutions at each capacity."""


class _PaperDecoder(Decoder):
    def __init__(self, profile: Profile, seed: Seed, *, shuffle: int) -> None:
        super().__init__()
        edge, c = 3 * shuffle**2, profile.channels
        s1, s2, s3 = STRIDES[profile.bpp]
        # Without torch's own initialisation, which would draw from the generator of the calling program.
        convolution = partial(
            nn.utils.skip_init, nn.Conv2d, kernel_size=3, padding=1, device="cpu", dtype=torch.float32
        )
        layers: list[nn.Module] = [
            convolution(in_channels=edge, out_channels=c, stride=s1),
            nn.LeakyReLU(SLOPE),
            InstanceNorm(),
            convolution(in_channels=c, out_channels=c, stride=s2),
            nn.LeakyReLU(SLOPE),
            InstanceNorm(),
            convolution(in_channels=c, out_channels=edge, stride=s3),
            nn.Sigmoid(),
        ]
        if shuffle > 1:
            layers = [nn.PixelUnshuffle(shuffle), *layers, nn.PixelShuffle(shuffle)]
        self.layers = nn.Sequential(*layers)
        initialise(self, seed, profile.weights, slope=SLOPE)

    def forward(self, delta: Tensor) -> Tensor:
        """δ (N, 3, Hc, Wc) → picture in [0, 1], (N, 3, Hs, Ws)."""
        return self.layers(delta)


class PlainDecoder(_PaperDecoder):
    """The network of the paper's text and Fig. 2, on the pixels of δ."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__(profile, seed, shuffle=1)


class ShuffleDecoder(_PaperDecoder):
    """The network of the authors' public code, which produced every table of the paper: at half the resolution."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__(profile, seed, shuffle=2)

"""Our decoder for pictures that are compressed, scaled or made noisy on their way.

    δ ─ tiles ─ luminance ─ DCT of 8x8 blocks ─ u + v < 7, in steps of JPEG's table ─ keyed permutation ─┐
                                                                                  (28, h/8, w/8)         │
        ┌────────────────────────────────────────────────────────────────────────────────────────────────┘
        └─ Conv1x1 ─ LeakyReLU ─ InstanceNorm ─ Conv1x1 ─ keyed permutation ─ Hadamard ─ signs ─ keyed places
                                               (12)

It is the decoder of spectral.py on other numbers than the levels of δ (docs/research.md has the measurements):

- Channels leave low frequencies of the luminance best. JPEG's table of steps says how well: in its steps, what a
  channel adds is about as strong in each frequency, so the orthonormal mixing behind weighs each as it deserves.
- Chrominance is not looked at: its resolution is halved by most programs that write JPEG.
- The network has no 3x3 kernel: numbers at permuted places have no neighbours, and 1x1 was measured to be better.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from csfnns.decoders.base import InstanceNorm
from csfnns.decoders.initialise import initialise
from csfnns.decoders.tiles import Interleave, Spread, TiledDecoder
from csfnns.jpeg_steps import LUMINANCE_STEPS
from csfnns.profile import Profile
from csfnns.stream import Seed, Stream

SLOPE = 0.5
SIDE = 8
BELOW = 7
"""Frequencies (u, v) with u + v below this are looked at: 28 of 64."""
OUTPUTS = 12
"""Outputs of a block of 8x8 pixels, at 1.5 bpp."""

LUMINANCE = (0.299, 0.587, 0.114)


class RobustDecoder(TiledDecoder):
    """δ (N, 3, Hc, Wc) → coefficients (N, 3, Hs, Ws), in the order of the codec."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        spectrum = Spectrum()
        network = nn.Sequential(
            nn.Conv2d(len(spectrum.basis), profile.channels, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            InstanceNorm(),
            nn.Conv2d(profile.channels, OUTPUTS, 1, bias=False),
            nn.Flatten(),
        )
        initialise(network, seed, profile.weights, slope=SLOPE)

        def grow(stream: Stream, height: int, width: int) -> nn.Sequential:
            height, width = height // SIDE, width // SIDE
            interleave = Interleave(len(spectrum.basis), height, width, stream)
            return nn.Sequential(spectrum, interleave, network, Spread(OUTPUTS * height * width, stream))

        super().__init__(profile, seed, grow)


class Spectrum(nn.Module):
    """Low frequencies of the luminance of 8x8 blocks, in JPEG's steps: (N, 3, h, w) → (N, 28, h/8, w/8)."""

    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(_basis()).float())

    def forward(self, delta: Tensor) -> Tensor:
        """Return the coefficients, frequencies row by row."""
        return functional.conv2d(delta, self.basis, stride=SIDE)


@cache
def _basis() -> npt.NDArray[np.float64]:
    """Rows of the orthonormal DCT-II of 255 times the luminance, over the steps: (28, 3, 8, 8)."""
    k = np.arange(SIDE)
    dct = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    dct[0] /= np.sqrt(2)
    u, v = np.nonzero(k[:, None] + k[None] < BELOW)
    waves = dct[u, :, None] * dct[v, None, :]  # (28, 8, 8)
    gains = 255 / np.array(LUMINANCE_STEPS)[u, v]
    basis: npt.NDArray[np.float64] = np.einsum("f,c,fyx->fcyx", gains, LUMINANCE, waves)
    return basis

"""Our decoder: a shallow random network whose outputs, spread and interleaved by the key, are spectral coefficients.

    δ ─ tiles ─ keyed permutation ─ Conv1x1 ─ LeakyReLU ─ InstanceNorm ─ Conv3x3 ─┐
                (48, h/4, w/4)                                      (12 at 6 bpp) │
    coefficients ─ keyed places over all tiles ─ signs ─ Hadamard ─ permutation ──┘

Why each part is there is measured in docs/research.md:

- The levels of a tile are permuted first: all patches share the network's weights, which would show in δ as
  correlations of neighbouring pixels and colours, small but enough for a detector.
- Orthogonal weights and a steep LeakyReLU keep the map from δ to the coefficients well conditioned, so that a
  search of few steps on the integer grid finds small perturbations; in the 3x3 kernel neighbours share the work.
- The outputs are not pixels but coefficients of an orthonormal transform of the secret (payloads/spectral.py).
- Every coefficient is a sum of many outputs with keyed signs at keyed places, so the perturbation is
  equally strong everywhere, whatever the secret shows and wherever it shows it.
- Tiles of at most 512x512 decode on their own: time a pixel and memory do not grow with the picture.
"""

from torch import nn

from csfnns.decoders.base import InstanceNorm
from csfnns.decoders.initialise import initialise
from csfnns.decoders.tiles import Interleave, Spread, TiledDecoder
from csfnns.profile import Profile
from csfnns.stream import Seed, Stream

SLOPE = 0.5
PATCH = 4
OUTPUTS = {"24": 48, "6": 12, "1.5": 3}
"""Outputs of 48 levels, a patch of 4x4 pixels' worth."""


class SpectralDecoder(TiledDecoder):
    """δ (N, 3, Hc, Wc) → coefficients (N, 3, Hs, Ws), in the order of the codec."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        levels, outputs = 3 * PATCH**2, OUTPUTS[profile.bpp]
        network = nn.Sequential(
            nn.Conv2d(levels, profile.channels, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            InstanceNorm(),
            nn.Conv2d(profile.channels, outputs, 3, padding=1, bias=False),
            nn.Flatten(),
        )
        initialise(network, seed, profile.weights, slope=SLOPE)

        def grow(stream: Stream, height: int, width: int) -> nn.Sequential:
            height, width = height // PATCH, width // PATCH
            interleave = Interleave(levels, height, width, stream)
            return nn.Sequential(interleave, network, Spread(outputs * height * width, stream))

        super().__init__(profile, seed, grow)

"""The decoding network as the paper's text and Fig. 2 give it."""

from torch import Tensor, nn

from csfnns.decoders.base import PAPER_SLOPE, PAPER_STRIDES, Decoder, InstanceNorm
from csfnns.decoders.initialise import initialise
from csfnns.profile import Profile
from csfnns.stream import Seed


class PlainDecoder(Decoder):
    """Conv → LeakyReLU → InstanceNorm, twice, then Conv → Sigmoid on the pixels of δ.

    The text fixes neither the kernel nor the order of LeakyReLU and InstanceNorm: both are as in the authors'
    code, whose networks work on shuffled pixels (see shuffle.py). The strides set the capacity (Sec. 4.1).
    """

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__()
        c = profile.channels
        s1, s2, s3 = PAPER_STRIDES[profile.bpp]
        self.layers = nn.Sequential(
            nn.Conv2d(3, c, 3, stride=s1, padding=1),
            nn.LeakyReLU(PAPER_SLOPE),
            InstanceNorm(),
            nn.Conv2d(c, c, 3, stride=s2, padding=1),
            nn.LeakyReLU(PAPER_SLOPE),
            InstanceNorm(),
            nn.Conv2d(c, 3, 3, stride=s3, padding=1),
            nn.Sigmoid(),
        )
        initialise(self, seed, profile.weights, slope=PAPER_SLOPE)

    def forward(self, delta: Tensor) -> Tensor:
        """δ (N, 3, Hc, Wc) → picture in [0, 1], (N, 3, Hs, Ws)."""
        return self.layers(delta)

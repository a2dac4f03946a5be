"""The decoding network of the authors' public code, which made every table of the paper."""

from torch import Tensor, nn

from csfnns.decoders.base import PAPER_SLOPE, PAPER_STRIDES, Decoder, InstanceNorm
from csfnns.decoders.initialise import initialise
from csfnns.profile import Profile
from csfnns.stream import Seed


class ShuffleDecoder(Decoder):
    """PixelUnshuffle(2), the three convolutions of Fig. 2 at half resolution, Sigmoid, PixelShuffle(2)."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__()
        c = profile.channels
        s1, s2, s3 = PAPER_STRIDES[profile.bpp]
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),  # (N, 12, Hc/2, Wc/2)
            nn.Conv2d(12, c, 3, stride=s1, padding=1),
            nn.LeakyReLU(PAPER_SLOPE),
            InstanceNorm(),
            nn.Conv2d(c, c, 3, stride=s2, padding=1),
            nn.LeakyReLU(PAPER_SLOPE),
            InstanceNorm(),
            nn.Conv2d(c, 12, 3, stride=s3, padding=1),
            nn.Sigmoid(),
            nn.PixelShuffle(2),  # (N, 3, Hs, Ws)
        )
        initialise(self, seed, profile.weights, slope=PAPER_SLOPE)

    def forward(self, delta: Tensor) -> Tensor:
        """δ (N, 3, Hc, Wc) → picture in [0, 1], (N, 3, Hs, Ws)."""
        return self.layers(delta)

"""Interface of picture codecs."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from csfnns.images.io import Picture, Shape

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """Wanted output of a decoder: the search minimises the mean of weights * (output - values)^2."""

    values: F32
    """(3, Hs, Ws)."""
    weights: F32
    """(3, Hs, Ws), scaled so that the weighted mean is the mean squared error of the secret in [0, 1]."""


@dataclass(frozen=True)
class Decoded:
    """A picture decoded from a decoder's output."""

    grid: Picture
    """uint8 (Hs, Ws, 3), as transmitted."""
    shape: Shape
    """Height and width of the secret to restore."""
    expected_psnr: float | None
    """PSNR in dB that the receiver estimates without the secret; None where that is impossible."""
    unchanged: bool = True
    """Whether the stego is bit for bit the one that was sent; True where that cannot be checked."""
    sent: int = 0
    """Time of sending in seconds since 1970, as the sender states it; 0: not stated."""
    name: str | None = None
    """Name of the picture without its suffix, if it was sent."""


class PictureCodec(Protocol):
    """Encodes a secret picture as a decoder's target, and decodes a decoder's output."""

    def encode(self, secret: Picture, sent: int = 0) -> Target:
        """Target for the secret, of any size, and the time of sending if the codec has a header. Raises CapacityError."""
        ...

    def decode(self, output: F32) -> Decoded:
        """Decode an output (3, Hs, Ws). Raises NoMessageError where it holds no picture."""
        ...

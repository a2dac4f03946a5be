"""What a codec of payloads is."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from csfnns.picture import Picture, Shape

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """What a decoder shall put out: the search minimises the mean of weights * (output - values)^2."""

    values: F32
    """(3, Hs, Ws)."""
    weights: F32
    """(3, Hs, Ws); such that the weighted mean is the mean squared error of the secret in [0, 1]."""


@dataclass(frozen=True)
class Decoded:
    """A picture taken out of a decoder's output."""

    grid: Picture
    """uint8 (Hs, Ws, 3), as it was carried."""
    shape: Shape
    """Height and width to give it back in."""
    expected_psnr: float | None
    """PSNR in dB that the receiver expects without knowing the secret; None where they cannot tell."""
    unchanged: bool = True
    """Whether the stego is what was sent, to the last bit; True where that cannot be told."""


class PictureCodec(Protocol):
    """Turns a secret picture into a decoder's target, and a decoder's output back into the picture."""

    def encode(self, secret: Picture) -> Target:
        """Target for the secret, of any size. Raises CapacityError."""
        ...

    def decode(self, output: F32) -> Decoded:
        """Picture from an output (3, Hs, Ws). Raises NoMessageError when there is none."""
        ...

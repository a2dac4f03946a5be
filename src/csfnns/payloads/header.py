"""The header of the profile `robust`: shape and spectrum of the secret, and a check value.

    check 6 | kind 1 | height 2 | width 2 | time 5 | mean colour 3 | spectrum 15 (3 colours x 8 bands x 5 bits)  big-endian

The check value is the start of HMAC-SHA256 over the rest, under a key of this receiver and message: a wrong key passes with
probability 2^-48.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.errors import DamagedError, NoMessageError
from csfnns.stream import Seed

BANDS = 8
LEVELS = 32
SIZE = 34
PICTURE = 1
_CHECK = 6


@dataclass(frozen=True)
class Header:
    """Shape and spectrum of a secret picture."""

    height: int
    width: int
    mean: tuple[int, int, int]
    """Mean of each channel, 0…255."""
    spectrum: npt.NDArray[np.int64]
    """Level of each band, 0…31, (3, 8); see payloads/spectral.py."""
    sent: int = 0
    """Time of sending in seconds since 1970; 0: not stated."""

    def to_bytes(self, seed: Seed) -> bytes:
        """34 bytes with the seed's check value."""
        shape = self.height.to_bytes(2, "big") + self.width.to_bytes(2, "big")
        packed = sum(int(level) << (5 * i) for i, level in enumerate(self.spectrum.flat)).to_bytes(15, "big")
        rest = bytes([PICTURE]) + shape + self.sent.to_bytes(5, "big") + bytes(self.mean) + packed
        return _check(seed, rest) + rest

    @classmethod
    def from_bytes(cls, data: bytes, seed: Seed) -> "Header":
        """Parse 34 bytes. Raises NoMessageError for a wrong check value or an unknown kind, DamagedError for no shape."""
        check, rest = data[:_CHECK], data[_CHECK:]
        if not hmac.compare_digest(check, _check(seed, rest)):
            raise NoMessageError(
                "This key finds no message in the picture.",
                "Check that it is the right key and that the picture arrived unchanged, not re-saved or resized.",
            )
        if rest[0] != PICTURE:
            raise NoMessageError(f"The message is of kind {rest[0]}, unknown here.", "Update csfnns.")
        packed = int.from_bytes(rest[13:], "big")
        levels = [(packed >> (5 * i)) % LEVELS for i in range(3 * BANDS)]
        height, width = int.from_bytes(rest[1:3], "big"), int.from_bytes(rest[3:5], "big")
        if not height or not width:
            raise DamagedError("The message is no picture of csfnns.", "Ask for it again, with the sender's version.")
        sent = int.from_bytes(rest[5:10], "big")
        return cls(height, width, (rest[10], rest[11], rest[12]), np.array(levels).reshape(3, BANDS), sent)


def _check(seed: Seed, rest: bytes) -> bytes:
    return hmac.new(seed.data, rest, sha256).digest()[:_CHECK]

"""A cover as the JPEG file that holds it: quantised DCT coefficients, computed in integers.

Encoders may round differently, and a coefficient that is off by one is a change. So no encoder is called: colours, means
of four and the DCT [ITU-T T.81, JFIF 1.02] are computed here in integers. They are rounded as libjpeg rounds them with its
slow integer DCT, so that its files look like those of most programs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.images.jpeg_file import Coefficients, Subsampling, standard_tables

__all__ = ["Coefficients", "Encoded", "Subsampling", "compress", "standard_tables"]

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

MAX_SIDE = 65_500  # libjpeg's limit

_BITS = 16  # of fractions in the colours' weights
_HALF = 1 << (_BITS - 1)

# Left half of the DCT's basis, a frequency a row, times √8 · 2^13. The right half mirrors it, odd rows with the other
# sign. Some are off by one, as in libjpeg's fast algorithm with its constants of 13 bits.
_BASIS = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A cover as a JPEG file, and what rounding took from it."""

    file: Coefficients
    remainders: tuple[I16, ...]
    """What rounding took from each coefficient, in eighths of a step of 1: -4 q…4 q."""


def compress(cover: Picture, tables: U8, subsampling: Subsampling) -> Encoded:
    """Encode a cover, uint8 (H, W, 3), with any tables: the same on every machine.

    Raises UsageError for sides that no JPEG file has.
    """
    check_picture(cover)
    height, width = cover.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise UsageError(f"The sides of a JPEG file must be at most {MAX_SIDE} pixels, got {width}x{height}.")
    unit = 2 if subsampling == "420" else 1
    padded = np.pad(cover, ((0, -height % unit), (0, -width % (8 * unit)), (0, 0)), mode="edge")
    y, cb, cr = _colours(padded)
    if subsampling == "420":
        cb, cr = _halved(cb), _halved(cr)
    y = y[:, : width + -width % 8]
    parts = [_quantised(y, tables[0]), _quantised(cb, tables[1]), _quantised(cr, tables[1])]
    planes, remainders = zip(*parts, strict=True)
    return Encoded(Coefficients((height, width), subsampling, tables, planes), remainders)


def _colours(picture: Picture) -> tuple[I64, I64, I64]:
    """Y, Cb and Cr of JFIF, 0…255, (H, W) each."""
    r, g, b = (picture[..., i].astype(np.int64) for i in range(3))
    middle = (128 << _BITS) + _HALF - 1
    y = (19595 * r + 38470 * g + 7471 * b + _HALF) >> _BITS
    cb = (-11059 * r - 21709 * g + 32768 * b + middle) >> _BITS
    cr = (32768 * r - 27439 * g - 5329 * b + middle) >> _BITS
    return y, cb, cr


def _halved(plane: I64) -> I64:
    """Means of 2x2: (H, W) → (H/2, W/2), halves down and up in turn."""
    sums = plane[::2, ::2] + plane[::2, 1::2] + plane[1::2, ::2] + plane[1::2, 1::2]
    return (sums + 1 + np.arange(sums.shape[1]) % 2) >> 2


def _quantised(plane: I64, table: U8) -> tuple[I16, I16]:
    """Quantised coefficients of levels 0…255, and remainders: (H, W) → (⌈H/8⌉, W/8, 8, 8) each; halves away from 0."""
    plane = np.pad(plane, ((0, -len(plane) % 8), (0, 0)), mode="edge")
    height, width = plane.shape
    blocks = (plane - 128).reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)  # (H/8, W/8, 8, 8)
    rows = (blocks @ _DCT.T + (1 << 10)) >> 11
    eighths = (_DCT @ rows + (1 << 14)) >> 15
    divisors = table.astype(np.int64)
    whole = np.sign(eighths) * ((np.abs(eighths) + 4 * divisors) // (8 * divisors))
    return whole.astype(np.int16), (eighths - 8 * divisors * whole).astype(np.int16)


_LEFT = np.array(_BASIS, np.int64)
_DCT = np.concatenate([_LEFT, _LEFT[:, ::-1] * np.tile([[1], [-1]], (4, 1))], axis=1)  # (8, 8)

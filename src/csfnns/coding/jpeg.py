"""A cover as the JPEG file that holds it: quantised DCT coefficients, computed in integers.

Encoders may round differently, and a coefficient that is off by one is a change. So no encoder is asked: colours, means
of four and the DCT [ITU-T T.81, JFIF 1.02] are computed here, with nothing but integers. They are rounded as libjpeg
rounds them with its slow integer DCT, so that what csfnns writes cannot be told from what most programs write.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.jpeg_steps import CHROMINANCE_STEPS, LUMINANCE_STEPS
from csfnns.picture import Picture, Shape, check_picture

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

Subsampling = Literal["420", "444"]
"""Chrominance at half the resolution both ways, or at the full one."""

MAX_SIDE = 65_500  # as far as libjpeg goes

_BITS = 16  # of fractions in the colours' weights
_HALF = 1 << (_BITS - 1)

# Left half of the DCT's basis, a frequency a row, times √8 · 2^13. The right half mirrors it, odd rows with the other
# sign. Some are off by one: so they come out of libjpeg's fast algorithm with its constants of 13 bits.
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
class Coefficients:
    """All that a colour JPEG file tells of its picture."""

    shape: Shape
    """Height and width of the picture."""
    subsampling: Subsampling
    tables: U8
    """Divisors of luminance and of chrominance, (2, 8, 8), 1…255; the vertical frequency first."""
    planes: tuple[I16, ...]
    """Quantised coefficients of Y, Cb and Cr, (rows, columns, 8, 8) each: blocks, then frequencies, vertical first."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A cover as a JPEG file, and what the file does not tell of it."""

    file: Coefficients
    remainders: tuple[I16, ...]
    """What rounding took away, of each coefficient, in eighths of what a divisor of 1 would count: -4 q…4 q."""


def standard_tables(quality: int) -> U8:
    """Divisors of luminance and chrominance at a quality 1…100, (2, 8, 8). Raises UsageError."""
    if not 1 <= quality <= 100:
        raise UsageError(f"There is no JPEG quality {quality}.", "Choose one from 1 to 100.")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = np.full((2, 8, 8), 99)
    base[0] = LUMINANCE_STEPS
    base[1, :4, :4] = CHROMINANCE_STEPS
    return np.clip((base * percent + 50) // 100, 1, 255).astype(np.uint8)


def compress(cover: Picture, tables: U8, subsampling: Subsampling) -> Encoded:
    """File of a cover, uint8 (H, W, 3): the same on every machine, for any tables.

    Raises UsageError for sides that no JPEG file has.
    """
    check_picture(cover)
    height, width = cover.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise UsageError(f"A JPEG file has at most {MAX_SIDE} pixels a side.", "Choose a smaller cover.")
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


def _dct_matrix() -> I64:
    left = np.array(_BASIS, np.int64)
    right = left[:, ::-1].copy()
    right[1::2] *= -1
    return np.concatenate([left, right], axis=1)  # (8, 8)


_DCT = _dct_matrix()

"""Pictures: reading common formats, and scaling secrets to their grid and back."""

import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.errors import PictureError, UsageError
from csfnns.images.colour import flatten
from csfnns.images.decode import decode_shown, decode_stored, open_file, opened, to_8_bits
from csfnns.images.header import MAX_SIDE, check_size, picture_format, read_header

if TYPE_CHECKING:
    from PIL import Image as Pil

Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), RGB."""

Shape = tuple[int, int]
"""Height and width."""

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Pil.Image | npt.NDArray[Any]"
"""Path, bytes of a file, Pillow image or array."""

RESTORE_LIMIT = 4  # most restored pixels for a pixel of the secret's grid

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".ppm", ".pgm")
"""Suffixes of files that `read_picture` reads. It goes by the bytes, so another suffix does no harm."""

_START = 1 << 12  # bytes in which the size is, for these formats
_MOST = 1 << 28  # bytes in which it is for the others
_AT_START = ("PNG", "WEBP", "BMP")
_HIDDEN = 0.1  # share of the outlines of a transparent picture that may vanish without a word


def read_picture(source: ImageSource, *, as_stored: bool = False) -> Picture:
    """Read a path, the bytes of a file, a Pillow image or an array as RGB, a new uint8 (H, W, 3).

    Greys, palettes, 16-bit levels (rounded to 8), CMYK and Lab become RGB; alpha is laid over white, or over black where
    white would hide the picture; an animation gives its first frame; the EXIF orientation is applied; colours are
    converted to sRGB as ICC profile, cICP, gAMA and cHRM say. With `as_stored`, colour tags, orientation and alpha of a
    file or image are ignored, and HEIC is refused: a stego's levels are what the file stores.
    Arrays are uint8 or uint16, (H, W) or (H, W, C): grey, grey + alpha, RGB, RGB + alpha.

    Raises PictureError for what is missing, no picture, cut short, empty, larger than 256 megapixels or 65535 a side, or
    too large for the memory that is free.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)[0]
    if not as_stored:
        return decode_shown(source)[0]
    return np.array(decode_stored(source))


def load(source: ImageSource) -> tuple[Picture, str | None]:
    """Read a secret as `read_picture` does, and say what of it vanishes where it has no transparency."""
    picture, hidden = _from_array(source) if isinstance(source, np.ndarray) else decode_shown(source)[:2]
    return picture, lost_with_alpha(hidden)


def lost_with_alpha(hidden: float) -> str | None:
    """What to say of a picture of whose outlines this share vanishes."""
    said = "It arrives without its transparency, and parts of it do not stand out from the ground."
    return said if hidden > _HIDDEN else None


def picture_size(source: ImageSource, check: Callable[[str | None, str], None] | None = None) -> Shape:
    """Height and width of what `read_picture` reads, as stored, from the header alone. Raises PictureError.

    `check` is called first, with the format that a file begins like (None for no picture) and its name in errors.
    """
    if isinstance(source, np.ndarray):
        return (int(source.shape[0]), int(source.shape[1])) if source.ndim >= 2 else (0, 0)
    file: IO[bytes]
    if isinstance(source, bytes):
        name, file = "The picture", io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        name, file = str(source), open_file(Path(source))
    else:
        with opened(source) as (image, _):
            return image.height, image.width
    with file:
        data = file.read(_START)
        kind = picture_format(data)
        if check is not None:
            check(kind, name)
        if kind is not None and kind not in _AT_START:
            data += file.read(_MOST)
    header = read_header(data, name)
    return header.height, header.width


def _from_array(array: npt.NDArray[Any]) -> tuple[Picture, float]:
    """Levels of an array, and the share of its outlines that vanish without alpha."""
    if array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"An array of {array.dtype} is no picture.", "Give uint8 levels from 0 to 255.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise PictureError(f"An array of shape {array.shape} is no picture.", "Give one of shape (H, W, 3).")
    check_size("The array", *array.shape[:2])
    levels = array.reshape(*array.shape[:2], -1)
    levels = to_8_bits(levels) if levels.dtype == np.uint16 else levels
    channels = levels.shape[2]
    colour = np.array(levels[..., :3] if channels >= 3 else np.repeat(levels[..., :1], 3, axis=2), order="C")
    return (colour, 0.0) if channels in (1, 3) else flatten(colour, levels[..., -1])


def check_picture(picture: Picture) -> None:
    """Raise UsageError unless `picture` is uint8 (H, W, 3) with at least one pixel."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise UsageError(
            f"An array of {picture.dtype}, shape {picture.shape}, is no RGB picture.",
            "Make it one with read_picture.",
        )


def fit(picture: Picture, height: int, width: int) -> Picture:
    """Resize to (height, width) by Lanczos, without keeping the aspect ratio; uint8 (height, width, 3).

    A secret so fills its whole grid; `restore` undoes that. Raises UsageError for a wrong array or sides outside 1…65535.
    """
    from PIL import Image

    check_picture(picture)
    _check_sides(height, width)
    image = Image.fromarray(picture)
    if height < image.height:  # rows first: a tall narrow picture would become huge in between
        image = image.resize((image.width, height), Image.Resampling.LANCZOS)
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


def restore(picture: Picture, shape: Shape) -> Picture:
    """Scale a decoded secret from its grid to the shape of `restored_shape`; uint8 (*shape, 3)."""
    return fit(picture, *shape)


def restored_shape(height: int, width: int, grid_height: int, grid_width: int) -> Shape:
    """Shape to restore a secret of (height, width) to from its grid.

    The true shape if it has at most 4 times the grid's pixels; otherwise the largest one of the same aspect ratio that
    does, its long side off by at most a pixel. Raises UsageError for sides outside 1…65535.
    """
    _check_sides(height, width)
    _check_sides(grid_height, grid_width)
    limit = RESTORE_LIMIT * grid_height * grid_width
    if height * width <= limit:
        return height, width
    true_short, true_long = sorted((height, width))
    short = max(1, math.isqrt(limit * true_short // true_long))
    long = min(_divide(short * true_long, true_short), limit // short)
    return (short, long) if height <= width else (long, short)


def _check_sides(*sides: int) -> None:
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise UsageError(f"Sides must be in 1…{MAX_SIDE}, got {' x '.join(map(str, sides))}.")


def _divide(a: int, b: int) -> int:
    """a / b, rounded with halves up."""
    return (2 * a + b) // (2 * b)

"""Pictures as files hold them: reads what is common, and fits secrets to their grid."""

import contextlib
import io
import math
import os
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from csfnns.errors import PictureError, UsageError

if TYPE_CHECKING:
    from PIL import Image as Pil

Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), RGB."""

Shape = tuple[int, int]
"""Height and width."""

MAX_PIXELS = 100_000_000
MAX_SIDE = 65_535  # a secret's true sides travel as two bytes each
RESTORE_LIMIT = 4  # pixels given back for one pixel of the secret's grid, at most

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".ppm", ".pgm")
"""Names of files that `read_picture` reads; it looks at the bytes, so another name does no harm."""

# Pillow reads many more, but one of those starts another program (EPS) and few people look after the rest.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")


def read_picture(source: "str | os.PathLike[str] | bytes | Pil.Image | npt.NDArray[Any]") -> Picture:
    """Read a path, the bytes of a file, a Pillow image or an array as RGB, a new uint8 (H, W, 3).

    Greys, palettes, 16-bit levels (rounded to 8) and CMYK become RGB; alpha is laid over white; an animation
    gives its first frame; the EXIF orientation is applied; an ICC profile is converted to sRGB.
    Arrays are uint8 or uint16, (H, W) or (H, W, C): grey, grey + alpha, RGB, RGB + alpha.

    Raises PictureError for what is missing, no picture, cut short, empty, or larger than 100 megapixels or
    65535 a side.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    from PIL import Image

    if isinstance(source, Image.Image):
        with _as_picture_error("The image"):
            return _decode(source, "The image")
    file: IO[bytes]
    if isinstance(source, bytes):
        name, file = "The picture", io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        name, file = str(source), _open_file(Path(source))
    else:
        raise PictureError(f"A {type(source).__name__} is no picture.", "Give a path, bytes, image or array.")
    with file, _as_picture_error(name), Image.open(file, formats=_FORMATS) as image:
        return _decode(image, name)


def _open_file(path: Path) -> IO[bytes]:
    """Regular file opened for reading. A pipe or a device would block, or never end."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise PictureError(f"{path} is {what}.", "Give the path of a picture file.")
        return path.open("rb")
    except FileNotFoundError as error:
        raise PictureError(f"There is no file {path}.", "Check the path.") from error
    except OSError as error:
        raise PictureError(f"{path} cannot be opened: {error.strerror}.", "Check its permissions.") from error


_warnings_lock = threading.RLock()  # catch_warnings changes the state of the whole process


@contextlib.contextmanager
def _as_picture_error(name: str) -> Iterator[None]:
    """Turn whatever Pillow's decoders raise into PictureError, and keep their warnings to ourselves."""
    from PIL import Image, UnidentifiedImageError

    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise _too_large(name) from error
        except UnidentifiedImageError as error:
            raise PictureError(
                f"{name} is not a picture that csfnns can read.", f"It reads {', '.join(_FORMATS)}."
            ) from error
        except Exception as error:  # decoders raise nearly every built-in exception on a damaged file
            raise PictureError(
                f"{name} cannot be decoded: {error}.",
                "It is damaged or cut short; get it again from its source.",
            ) from error


def _too_large(name: str) -> PictureError:
    return PictureError(
        f"{name} is larger than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE} pixels a side.",
        "Make it smaller first.",
    )


def _check_size(name: str, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise PictureError(f"{name} has no pixels ({width}x{height}).", "Give a picture of at least 1x1.")
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise _too_large(name)


def _decode(image: "Pil.Image", name: str) -> Picture:
    _check_size(name, image.height, image.width)  # from the header: nothing is decoded yet
    image.load()
    image = _upright(_eight_bits(image))
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    colour = np.array(_srgb(image))
    return colour if alpha is None else _over_white(colour, np.asarray(alpha))


def _eight_bits(image: "Pil.Image") -> "Pil.Image":
    """The same image with 16-bit greys rounded to 8 bits; other modes as they are."""
    from PIL import Image

    if not image.mode.startswith(("I", "F")):
        return image
    levels = np.asarray(image)
    if image.mode == "F" or levels.min() < 0 or levels.max() > 65535:
        raise PictureError(
            f"Grey levels of mode {image.mode} have no known white.", "Save it with 8 or 16 bits."
        )
    eight = Image.fromarray(_from_16_bits(levels))
    clear = image.info.get("transparency")
    if clear is not None:
        eight.putalpha(Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8)))
    eight.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return eight


def _from_16_bits(levels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return ((levels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _upright(image: "Pil.Image") -> "Pil.Image":
    """Turn as the EXIF orientation says; EXIF data that cannot be read say nothing."""
    from PIL import ExifTags, Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        turn = None
    return image if turn is None else image.transpose(turn)


def _srgb(image: "Pil.Image") -> "Pil.Image":
    """Colours without alpha, converted from the embedded ICC profile to sRGB where that can be done."""
    from PIL import ImageCms

    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
    profile = image.info.get("icc_profile")
    if profile:
        # A broken profile, or one for other channels, says nothing about these colours.
        with contextlib.suppress(ImportError, OSError, ImageCms.PyCMSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
            if image.mode != "RGB" or _changes_colours(transform):
                return ImageCms.applyTransform(image, transform) or image
    return image.convert("RGB")


def _changes_colours(transform: Any) -> bool:
    """Whether a transform does more than round: a stego that someone marked as sRGB must keep its bytes."""
    from PIL import Image, ImageCms

    steps = np.linspace(0, 255, 16).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
    out = np.asarray(ImageCms.applyTransform(Image.fromarray(lattice), transform))
    return bool(np.abs(out.astype(int) - lattice).max() > 2)


def _over_white(colour: Picture, alpha: npt.NDArray[np.uint8]) -> Picture:
    """Colours (H, W, 3) with alpha (H, W) on a white ground."""
    a = alpha[..., None].astype(np.uint16)
    return ((colour * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def _from_array(array: npt.NDArray[Any]) -> Picture:
    if array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"An array of {array.dtype} is no picture.", "Give uint8 levels from 0 to 255.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise PictureError(f"An array of shape {array.shape} is no picture.", "Give one of shape (H, W, 3).")
    _check_size("The array", *array.shape[:2])
    levels = array.reshape(*array.shape[:2], -1)
    levels = _from_16_bits(levels) if levels.dtype == np.uint16 else levels
    channels = levels.shape[2]
    colour = levels[..., :3] if channels >= 3 else np.repeat(levels[..., :1], 3, axis=2)
    return np.array(colour, order="C") if channels in (1, 3) else _over_white(colour, levels[..., -1])


def check_picture(picture: Picture) -> None:
    """Raise UsageError unless `picture` is uint8 (H, W, 3) with at least one pixel."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise UsageError(
            f"An array of {picture.dtype}, shape {picture.shape}, is no RGB picture.",
            "Make it one with read_picture.",
        )


def fit(picture: Picture, height: int, width: int) -> Picture:
    """Resize to exactly (height, width) whatever the aspect, by Lanczos; uint8 (height, width, 3).

    A secret is squeezed so that it fills its whole grid and no capacity is wasted; `restore` undoes that.
    Raises UsageError for a wrong array or sides outside 1…65535.
    """
    from PIL import Image

    check_picture(picture)
    _check_sides(height, width)
    image = Image.fromarray(picture)
    if height < image.height:  # rows first, or a tall narrow picture would become huge in between
        image = image.resize((image.width, height), Image.Resampling.LANCZOS)
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


def restore(picture: Picture, shape: Shape) -> Picture:
    """Secret as decoded, in its grid, back in the shape that `restored_shape` gives; uint8 (*shape, 3)."""
    return fit(picture, *shape)


def restored_shape(height: int, width: int, grid_height: int, grid_width: int) -> Shape:
    """Shape in which a secret of (height, width) comes back from its grid.

    The true shape if it has at most 4 times the grid's pixels; otherwise the largest of the same aspect that
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
        raise UsageError(f"No picture is {' x '.join(map(str, sides))}.", f"Sides go from 1 to {MAX_SIDE}.")


def _divide(a: int, b: int) -> int:
    """a / b to the nearest integer, halves up."""
    return (2 * a + b) // (2 * b)

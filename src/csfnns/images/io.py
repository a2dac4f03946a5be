"""Pictures: reading common formats, and scaling secrets to their grid and back."""

import contextlib
import io
import math
import os
import stat
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.errors import PictureError, UsageError
from csfnns.extras import has
from csfnns.images.colour import flatten, open_png, to_srgb

if TYPE_CHECKING:
    from PIL import Image as Pil

Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), RGB."""

Shape = tuple[int, int]
"""Height and width."""

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | Pil.Image | npt.NDArray[Any]"
"""Path, bytes of a file, Pillow image or array."""

MAX_PIXELS = 256_000_000
MAX_SIDE = 65_535  # headers hold two bytes a side
RESTORE_LIMIT = 4  # most restored pixels for a pixel of the secret's grid

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".ppm", ".pgm")
"""Suffixes of files that `read_picture` reads. It goes by the bytes, so another suffix does no harm."""

PHONE = (".heic", ".heif", ".hif")
"""Suffixes of pictures of phones, which need the extra `phone`."""

# Pillow reads many more, but one of them starts another program (EPS), and the others are little tested.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")

_MUCH = 64_000_000  # pixels from which the memory for them is checked
_BYTES_A_PIXEL = 32  # that reading and hiding take; measured: 31 for a JPEG of 108 megapixels
_MOST_PROFILE = 1 << 24  # bytes of an ICC profile
_HIDDEN = 0.1  # share of the outlines of a transparent picture that may vanish without a word
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


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
        return load(source)[0]
    with _opened(source, _FORMATS) as (image, name):
        return np.array(_loaded(image, name, source).convert("RGB"))


def load(source: ImageSource, longest: int | None = None) -> tuple[Picture, str | None]:
    """Read a secret as `read_picture` does, and say what of it vanishes where it has no transparency.

    A large JPEG of which only `longest` pixels a side are needed is decoded at a lower resolution, with no less than that.
    """
    if isinstance(source, np.ndarray):
        picture, hidden = _from_array(source)
    else:
        with _opened(source, (*_FORMATS, *_phone_formats())) as (image, name):
            _check_size(name, image.height, image.width)
            if longest is not None and image.width * image.height > _MUCH:
                scale = longest / max(image.size)
                image.draft(None, (math.ceil(scale * image.width), math.ceil(scale * image.height)))
            decoded = _upright(_loaded(image, name, source), image)
            alpha = decoded.convert("RGBA").getchannel("A") if decoded.has_transparency_data else None
            picture, hidden = to_srgb(decoded), 0.0
            if alpha is not None:
                picture, hidden = flatten(picture, np.asarray(alpha))
    lost = "It arrives without its transparency, and parts of it do not stand out from the ground."
    return picture, lost if hidden > _HIDDEN else None


def frames(source: ImageSource) -> int:
    """Number of pictures in a file: frames of an animation, pages of a TIFF. Raises PictureError."""
    if isinstance(source, np.ndarray):
        return 1
    with _opened(source, (*_FORMATS, *_phone_formats())) as (image, _):
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a photo and its depth or preview


def picture_size(source: ImageSource) -> Shape:
    """Height and width of what `read_picture` reads, as stored, from the header alone. Raises PictureError."""
    if isinstance(source, np.ndarray):
        return (int(source.shape[0]), int(source.shape[1])) if source.ndim >= 2 else (0, 0)
    with _opened(source, _FORMATS) as (image, _):
        return image.height, image.width


@contextlib.contextmanager
def _opened(
    source: "str | os.PathLike[str] | bytes | Pil.Image", formats: tuple[str, ...]
) -> "Iterator[tuple[Pil.Image, str]]":
    """The image of a source and what to call it in errors."""
    from PIL import Image

    if isinstance(source, Image.Image):
        with _as_picture_error("The image"):
            yield source, "The image"
        return
    file: IO[bytes]
    if isinstance(source, bytes):
        name, file = "The picture", io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        name, file = str(source), _open_file(Path(source))
    else:
        raise PictureError(f"A {type(source).__name__} is no picture.", "Give a path, bytes, image or array.")
    with file, _as_picture_error(name):
        _check_format(name, file, formats)
        opened, cicp = open_png(file)
        with Image.open(opened, formats=formats) as image:
            if cicp is not None:
                image.info["cicp"] = cicp
            yield image, name


def _phone_formats() -> tuple[str, ...]:
    """Formats that the extra `phone` adds to Pillow's."""
    if not has("phone"):
        return ()
    import pi_heif  # type: ignore[import-untyped]

    pi_heif.register_heif_opener()
    return ("HEIF",)


def _check_format(name: str, file: IO[bytes], formats: tuple[str, ...]) -> None:
    """Raise PictureError for what phones and new cameras write, where it cannot be read."""
    suffixes = picture_suffixes(file.read(64))
    file.seek(0)
    if ".jxl" in suffixes:
        raise PictureError(f"{name} is a JPEG XL picture.", "Convert it to PNG or JPEG first.")
    if ".heic" in suffixes and "HEIF" not in formats:
        hint = "Install csfnns[phone], or convert it to JPEG first."
        if has("phone"):
            hint = "A stego never is one: ask for the file as it was written."
        raise PictureError(f"{name} is an iPhone picture (HEIC).", hint)


def picture_suffixes(data: bytes) -> tuple[str, ...]:
    """Suffixes of the format that bytes begin like, the usual one first; none for what is no picture."""
    if data[4:8] == b"ftyp":  # the brands of the ISO base media format
        size = max(12, min(int.from_bytes(data[:4], "big"), 64))
        brands = {data[i : i + 4] for i in range(8, size, 4)}
        if brands & {b"avif", b"avis"}:
            return (".avif",)
        return PHONE if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"} else ()
    if data.startswith(b"RIFF"):
        return (".webp",) if data[8:12] == b"WEBP" else ()
    return next((suffixes for start, suffixes in _STARTS if data.startswith(start)), ())


_STARTS: tuple[tuple[tuple[bytes, ...], tuple[str, ...]], ...] = (
    ((b"\x89PNG\r\n\x1a\n",), (".png", ".apng")),
    ((b"\xff\xd8\xff",), (".jpg", ".jpeg", ".jpe", ".jfif")),
    ((b"GIF87a", b"GIF89a"), (".gif",)),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), (".tif", ".tiff")),
    ((b"BM",), (".bmp",)),
    (tuple(b"P%d" % i for i in range(1, 7)), (".ppm", ".pgm", ".pbm", ".pnm")),
    ((b"\xff\x0a", b"\0\0\0\x0cJXL "), (".jxl",)),
)
PICTURE_SUFFIXES = {*(suffix for _, suffixes in _STARTS for suffix in suffixes), ".webp", ".avif", *PHONE}
"""Suffixes that say that a file is a picture of a certain format."""


def _open_file(path: Path) -> IO[bytes]:
    """Open a regular file for reading. Pipes and devices might block or never end."""
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


_warnings_lock = threading.RLock()  # catch_warnings is global


def _renew_lock() -> None:
    """After a fork, the thread that held the lock is gone."""
    global _warnings_lock  # noqa: PLW0603
    _warnings_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextlib.contextmanager
def _as_picture_error(name: str) -> Iterator[None]:
    """Turn everything that Pillow's decoders raise into PictureError, and suppress their warnings."""
    from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = MAX_PIXELS, False
        PngImagePlugin.MAX_TEXT_CHUNK = _MOST_PROFILE
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
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK = usual


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


def _check_memory(name: str, height: int, width: int) -> None:
    if height * width > _MUCH and height * width * _BYTES_A_PIXEL > (free := free_memory()):
        raise PictureError(
            f"{name} has {height * width / 1e6:.0f} megapixels, and this computer has memory for"
            f" {free / _BYTES_A_PIXEL / 1e6:.0f} now.",
            "Make it smaller first; a JPEG can be scaled as it is read: --resize 4000.",
        )


def free_memory() -> float:
    """Bytes of memory that are free now; infinite where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        found = Path("/proc/meminfo").read_text("ascii").partition("MemAvailable:")[2]
        return 1024.0 * int(found.split(maxsplit=1)[0])
    return math.inf


def _loaded(image: "Pil.Image", name: str, source: ImageSource) -> "Pil.Image":
    """The image decoded, with 8 bits a level; 1-bit, palette and other modes as they are. Raises PictureError."""
    _check_size(name, image.height, image.width)  # from the header, before decoding
    _check_memory(name, image.height, image.width)
    raw = str(_raw_mode(image))
    tags = getattr(image, "tag_v2", {})
    if tags.get(339, (1,))[0] not in (1, 4):  # SampleFormat: signed or floating point
        raise _no_white(image)
    image.load()
    clear = image.info.get("transparency")
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image, tags)
    if raw[-3:] in _SWAPPED and not isinstance(source, np.ndarray) and not raw.startswith("RGBa"):
        return _from_deep_colour(image, raw, source)
    if raw in ("L;2", "L;4") and isinstance(clear, int):  # Pillow scales the levels, but not the clear one
        image.info["transparency"] = clear * (85 if raw == "L;2" else 17)
    return image


def _raw_mode(image: "Pil.Image") -> Any:
    """How the file's pixels are packed, in Pillow's words."""
    tiles = getattr(image, "tile", None)
    args = tiles[0][3] if tiles else ""
    return args[0] if isinstance(args, tuple) and args else args


def _from_deep_grey(image: "Pil.Image", tags: Any) -> "Pil.Image":
    """Greys of 12 or 16 bits rounded to 8. Raises PictureError for levels without a known white."""
    from PIL import Image

    levels = np.asarray(image)
    bits = tags.get(258, (16,))[0]  # BitsPerSample
    if image.mode == "F" or bits > 16 or levels.min() < 0 or levels.max() >= 1 << bits:
        raise _no_white(image)
    eight = _to_8_bits(levels, (1 << bits) - 1)
    if tags.get(262) == 0:  # PhotometricInterpretation: white is zero, which Pillow overlooks
        eight = 255 - eight
    rounded = Image.fromarray(eight)
    clear = image.info.get("transparency")
    if clear is not None:
        rounded.putalpha(Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8)))
    return _with_info(rounded, image)


def _from_deep_colour(
    image: "Pil.Image", raw: str, source: "str | os.PathLike[str] | bytes | Pil.Image"
) -> "Pil.Image":
    """Colours of 16 bits rounded to 8, where Pillow takes the upper byte: the lower one is read by the other byte order."""
    from PIL import Image

    if isinstance(source, Image.Image):
        return image
    with _opened(source, _FORMATS) as (low, _):
        wanted = "RGBA" if raw.startswith("LA") else raw[:-3] + _SWAPPED[raw[-3:]]
        low.tile = [  # type: ignore[attr-defined]
            tile._replace(args=wanted if isinstance(tile.args, str) else (wanted, *tile.args[1:]))
            for tile in low.tile  # type: ignore[attr-defined]
        ]
        low.load()
        pair = np.asarray(image), np.asarray(low)
    if raw.startswith("LA"):  # grey and alpha, the upper byte first
        pair = pair[1][..., ::2], pair[1][..., 1::2]
    clear = image.info.get("transparency")
    height, width, channels = pair[0].shape
    eight = np.empty((height, width, channels + (clear is not None)), np.uint8)
    for row in range(height):
        levels = pair[0][row].astype(np.uint16) << 8 | pair[1][row]
        eight[row, :, :channels] = _to_8_bits(levels)
        if clear is not None:
            eight[row, :, -1] = np.where((levels == clear).all(axis=-1), 0, 255)
    mode = "CMYK" if image.mode == "CMYK" else {2: "LA", 3: "RGB", 4: "RGBA"}[eight.shape[2]]
    return _with_info(Image.frombytes(mode, (width, height), eight.tobytes()), image)


def _no_white(image: "Pil.Image") -> PictureError:
    return PictureError(f"Grey levels of mode {image.mode} have no known white.", "Save it with 8 or 16 bits.")


def _with_info(rounded: "Pil.Image", image: "Pil.Image") -> "Pil.Image":
    """The rounded image with what the original says about its colours."""
    rounded.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return rounded


def _to_8_bits(levels: npt.NDArray[Any], white: int = 65535) -> npt.NDArray[np.uint8]:
    return ((levels.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def _upright(image: "Pil.Image", original: "Pil.Image") -> "Pil.Image":
    """Apply the EXIF orientation of the original; ignore EXIF data that cannot be read."""
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
        turn = turns.get(original.getexif().get(ExifTags.Base.Orientation, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        turn = None
    return image if turn is None else image.transpose(turn)


def _from_array(array: npt.NDArray[Any]) -> tuple[Picture, float]:
    """Levels of an array, and the share of its outlines that vanish without alpha."""
    if array.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"An array of {array.dtype} is no picture.", "Give uint8 levels from 0 to 255.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise PictureError(f"An array of shape {array.shape} is no picture.", "Give one of shape (H, W, 3).")
    _check_size("The array", *array.shape[:2])
    levels = array.reshape(*array.shape[:2], -1)
    levels = _to_8_bits(levels) if levels.dtype == np.uint16 else levels
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

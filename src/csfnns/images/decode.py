"""Pictures decoded by Pillow, whose levels become 8 bits and RGB.

NumPy is loaded where it is needed, since the process that decodes strangers' pictures (sandbox.py) rarely does.
"""

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
from typing import IO, TYPE_CHECKING, Any

from csfnns.errors import PictureError
from csfnns.extras import has
from csfnns.images.header import (
    FORMATS,
    MAX_PIXELS,
    MAX_PROFILE,
    check_size,
    essential_jpeg,
    essential_png,
    not_readable,
    picture_format,
    too_large,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image as Pil

    FileSource = str | os.PathLike[str] | bytes | Pil.Image

LARGE = 64_000_000
"""Pixels from which the memory for them is checked, and a JPEG is decoded at a lower resolution where less is needed."""

_BYTES_A_PIXEL = 32  # that reading and hiding take; measured: 31 for a JPEG of 108 megapixels
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def decode_stored(source: "FileSource", name: str = "The picture") -> "Pil.Image":
    """Levels as the file stores them, as an RGB image. `name` is what errors call bytes. Raises PictureError."""
    with opened(source, name) as (image, called):
        return _loaded(image, called, source).convert("RGB")


def decode_shown(
    source: "FileSource", longest: int | None = None, name: str = "The picture"
) -> "tuple[npt.NDArray[np.uint8], float, int]":
    """What a viewer shows, opaque and in sRGB: uint8 (H, W, 3), the share of its outlines that vanish, pictures of a HEIC.

    A large JPEG of which only `longest` pixels a side are needed is decoded at a lower resolution, with no less than that.
    """
    import numpy as np

    from csfnns.images.colour import flatten, to_srgb

    with opened(source, name, phone=True) as (image, called):
        check_size(called, image.height, image.width)
        if longest is not None and image.width * image.height > LARGE:
            scale = longest / max(image.size)
            image.draft(None, (math.ceil(scale * image.width), math.ceil(scale * image.height)))
        decoded = _upright(_loaded(image, called, source), image)
        alpha = decoded.convert("RGBA").getchannel("A") if decoded.has_transparency_data else None
        picture, hidden = to_srgb(decoded), 0.0
        if alpha is not None:
            picture, hidden = flatten(picture, np.asarray(alpha))
        return picture, hidden, getattr(image, "n_frames", 1) if image.format == "HEIF" else 1


@contextlib.contextmanager
def opened(
    source: "FileSource", name: str = "The picture", *, phone: bool = False
) -> "Iterator[tuple[Pil.Image, str]]":
    """The image of a source, with `phone` one of a phone too, and what to call it in errors."""
    from PIL import Image

    if isinstance(source, Image.Image):
        with as_picture_error("The image"):
            yield source, "The image"
        return
    file: IO[bytes]
    if isinstance(source, bytes):
        file = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        name, file = str(source), open_file(Path(source))
    else:
        raise PictureError(f"A {type(source).__name__} is no picture.", "Give a path, bytes, image or array.")
    with file, as_picture_error(name):
        kind = picture_format(file.read(64))
        file.seek(0)
        _check_format(kind, name, phone=phone)
        file, cicp = _without_ballast(file, kind)
        with Image.open(file, formats=FORMATS if kind is None else (kind,)) as image:
            if cicp is not None:
                image.info["cicp"] = cicp
            yield image, name


def _check_format(kind: str | None, name: str, *, phone: bool) -> None:
    """Raise PictureError for what phones and new cameras write, where it cannot be read."""
    if kind == "JXL":
        raise PictureError(f"{name} is a JPEG XL picture.", "Convert it to PNG or JPEG first.")
    if kind == "HEIF":
        check_phone(kind, name)
        if not phone:
            hint = "A stego never is one: ask for the file as it was written."
            raise PictureError(f"{name} is an iPhone picture (HEIC).", hint)
        load_heif()


def check_phone(kind: str, name: str) -> None:
    """Raise PictureError for HEIC where the extra `phone` is not installed."""
    if kind == "HEIF" and not has("phone"):
        reason = f"{name} is an iPhone picture (HEIC)."
        raise PictureError(reason, "Install csfnns[phone], or convert it to JPEG first.")


def load_heif() -> None:
    """Let Pillow read HEIC."""
    import pi_heif  # type: ignore[import-untyped]

    pi_heif.register_heif_opener()


def _without_ballast(file: IO[bytes], kind: str | None) -> tuple[IO[bytes], bytes | None]:
    """A PNG or JPEG without what Pillow need not read, and the cICP chunk of a PNG; other files as they are."""
    if kind == "PNG":
        data, cicp = essential_png(file.read())
        return io.BytesIO(data), cicp
    return (io.BytesIO(essential_jpeg(file.read())) if kind == "JPEG" else file), None


def open_file(path: Path) -> IO[bytes]:
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
def as_picture_error(name: str) -> Iterator[None]:
    """Turn everything that Pillow's decoders raise into PictureError, and suppress their warnings."""
    from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = MAX_PIXELS, False
        PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE
        try:
            yield
        except (PictureError, MemoryError):
            raise
        except Image.DecompressionBombError as error:
            raise too_large(name) from error
        except UnidentifiedImageError as error:
            raise not_readable(name) from error
        except Exception as error:  # decoders raise nearly every built-in exception on a damaged file
            raise PictureError(
                f"{name} cannot be decoded: {error}.",
                "It is damaged or cut short; get it again from its source.",
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK = usual


def check_memory(name: str, height: int, width: int) -> None:
    """Raise PictureError for a large picture that would take more memory than is free."""
    if height * width > LARGE and height * width * _BYTES_A_PIXEL > (free := free_memory()):
        raise PictureError(
            f"{name} has {height * width / 1e6:.0f} megapixels, and this computer has memory for"
            f" {free / _BYTES_A_PIXEL / 1e6:.0f} now.",
            "Make it smaller first; a JPEG can be scaled as it is read: --resize 4000.",
        )


def free_memory() -> float:
    """Bytes of memory that this process may still take; infinite where the system does not say."""
    free = math.inf
    with contextlib.suppress(OSError, ValueError, IndexError):
        found = Path("/proc/meminfo").read_text("ascii").partition("MemAvailable:")[2]
        free = 1024.0 * int(found.split(maxsplit=1)[0])
    with contextlib.suppress(OSError, ValueError):  # of a container
        most, used = (int(Path(f"/sys/fs/cgroup/memory.{each}").read_text("ascii")) for each in ("max", "current"))
        free = min(free, most - used)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            used = os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text("ascii").split()[0])
            free = min(free, most - used)
    return free


def _loaded(image: "Pil.Image", name: str, source: "FileSource") -> "Pil.Image":
    """The image decoded, with 8 bits a level; 1-bit, palette and other modes as they are. Raises PictureError."""
    check_size(name, image.height, image.width)  # from the header, before decoding
    check_memory(name, image.height, image.width)
    raw = str(_raw_mode(image))
    tags = getattr(image, "tag_v2", {})
    if tags.get(339, (1,))[0] not in (1, 4):  # SampleFormat: signed or floating point
        raise _no_white(image)
    image.load()
    clear = image.info.get("transparency")
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image, tags)
    if raw[-3:] in _SWAPPED and not raw.startswith("RGBa"):
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
    import numpy as np
    from PIL import Image

    levels = np.asarray(image)
    bits = tags.get(258, (16,))[0]  # BitsPerSample
    if image.mode == "F" or bits > 16 or levels.min() < 0 or levels.max() >= 1 << bits:
        raise _no_white(image)
    eight = to_8_bits(levels, (1 << bits) - 1)
    if tags.get(262) == 0:  # PhotometricInterpretation: white is zero, which Pillow overlooks
        eight = 255 - eight
    rounded = Image.fromarray(eight)
    clear = image.info.get("transparency")
    if clear is not None:
        rounded.putalpha(Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8)))
    return _with_info(rounded, image)


def _from_deep_colour(image: "Pil.Image", raw: str, source: "FileSource") -> "Pil.Image":
    """Colours of 16 bits rounded to 8, where Pillow takes the upper byte: the lower one is read by the other byte order."""
    import numpy as np
    from PIL import Image

    if isinstance(source, Image.Image):
        return image
    with opened(source) as (low, _):
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
        eight[row, :, :channels] = to_8_bits(levels)
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


def to_8_bits(levels: "npt.NDArray[Any]", white: int = 65535) -> "npt.NDArray[np.uint8]":
    """Levels up to `white`, rounded to 0…255."""
    import numpy as np

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

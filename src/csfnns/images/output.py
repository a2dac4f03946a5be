"""Writing lossless pictures without metadata, atomically."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

from csfnns.errors import PictureError
from csfnns.files import DISK_HINT, Input, kept_file, write_whole
from csfnns.images.io import Picture, check_picture

_LOSSY = {".jpg", ".jpeg", ".jpe", ".jfif", ".avif", ".heic", ".heif", ".jxl", ".jp2"}


JPEG = (".jpg", ".jpeg")
JPEG_QUALITY = 95
"""Of a revealed picture that is saved as .jpg."""


def check_output_name(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[Input] = (),
    jpeg: bool = False,
) -> Path:
    """Check before any work that `write_picture` can write to a path; with `jpeg`, it may also end in .jpg.

    Raises PictureError for a lossy or unknown format, a missing or read-only folder, an existing file (unless
    `overwrite`), and always for what nothing may replace (`kept_file`), such as one of `inputs`.
    """
    path = Path(path)
    if not (jpeg and path.suffix.lower() in JPEG):
        _check_format(path)
    check_place(path, overwrite=overwrite, inputs=inputs)
    return path


def check_place(path: Path, *, overwrite: bool = False, inputs: Iterable[Input] = ()) -> None:
    """Raise PictureError like `check_output_name`, but for any format."""
    if not path.parent.is_dir():
        raise PictureError(f"There is no folder {path.parent}.", "Make it first, or choose another.")
    if what := kept_file(path, inputs):
        raise PictureError(f"{path} is {what}.", "Choose another output name. Standard output is -.")
    if os.path.lexists(path) and not overwrite:
        raise _exists(path)
    if not os.access(path.parent, os.W_OK):
        raise PictureError(f"Nothing can be written into {path.parent}.", "Check its permissions.")


def _check_format(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in (".png", ".webp"):
        return
    if suffix in _LOSSY:
        reason = f"{suffix} is a lossy format: it would destroy what is hidden."
    elif suffix == ".gif":
        reason = ".gif keeps 256 colours only: it would destroy what is hidden."
    else:
        reason = f"csfnns does not write {suffix} pictures." if suffix else f"{path} names no picture format."
    raise PictureError(reason, "Name the file .png, or .webp (written lossless).")


def _exists(path: Path) -> PictureError:
    return PictureError(f"{path} already exists.", "Choose another name, or allow overwriting: --force.")


def write_picture(picture: Picture, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write `picture`, uint8 (H, W, 3), as lossless .png or .webp without metadata, atomically.

    Raises UsageError for a wrong array, and PictureError like `check_output_name`, for sides over WebP's 16383, and when
    the disk refuses.
    """
    check_picture(picture)
    path = check_output_name(path, overwrite=overwrite)
    write_atomically(encode_picture(picture, path.suffix.lower()), path, overwrite=overwrite)


def encode_picture(picture: Picture, suffix: str) -> bytes:
    """Encode the pixels without metadata: PNG for .png, lossless WebP for .webp, quality 95 for .jpg."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    if suffix == ".png":
        image.save(buffer, "PNG")
    elif suffix in JPEG:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    elif max(image.size) > 16383:
        raise PictureError("A .webp picture has at most 16383 pixels a side.", "Name the file .png.")
    else:
        image.save(buffer, "WEBP", lossless=True, exact=True)
    return buffer.getvalue()


def write_atomically(data: bytes, path: Path, *, overwrite: bool = False, from_elsewhere: bool = False) -> None:
    """Write `data` atomically: even if the process is killed, `path` holds all of it or is unchanged.

    Without `overwrite`, a file that appeared meanwhile is kept. Data `from_elsewhere` is marked as `write_whole` does.
    Raises PictureError when the disk refuses.
    """
    try:
        write_whole(path, data, overwrite=overwrite, from_elsewhere=from_elsewhere)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror}.", DISK_HINT) from error

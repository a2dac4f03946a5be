"""JPEG files by their coefficients: read and written without loss, by jpeglib.

What is written is what most programs write: a baseline file with the usual Huffman tables and a JFIF header, nothing
else in it. What is read may be coded in any way, progressive or with other tables, as programs do that make files
smaller without loss.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from csfnns.coding.jpeg import Coefficients, Subsampling
from csfnns.errors import NoMessageError, PictureError, UsageError
from csfnns.picture import read_picture

INSTALL = "pip install 'csfnns[jpeg]'"

_SOI = b"\xff\xd8"
_SOF, _SOS, _COM = 0xC0, 0xDA, 0xFE
_APPS = range(0xE0, 0xF0)
_LIBRARY = "turbo210"  # of those that jpeglib has: kept up longer than its first choice, of 1998
_FACTORS: dict[Subsampling, list[int]] = {"420": [2, 2, 1, 1, 1, 1], "444": [1, 1, 1, 1, 1, 1]}


def is_jpeg(data: bytes) -> bool:
    """Whether these bytes begin as a JPEG file does."""
    return data.startswith(_SOI + b"\xff")


def jpeg_start(path: Path) -> bool:
    """Whether a file that can be read begins as a JPEG file does."""
    with path.open("rb") as file:
        return is_jpeg(file.read(3))


def has_jpeglib() -> bool:
    """Whether jpeglib is installed."""
    try:
        check_jpeglib()
    except UsageError:
        return False
    return True


def check_jpeglib() -> None:
    """Raise UsageError unless jpeglib is installed."""
    _jpeglib()


def read_coefficients(data: bytes) -> Coefficients:
    """Coefficients of a JPEG file.

    Raises PictureError for what is no sound JPEG file, NoMessageError for a kind that csfnns never writes (grey, CMYK,
    other subsampling), UsageError without jpeglib.
    """
    jpeglib = _jpeglib()
    if not is_jpeg(data):
        raise PictureError("This is no JPEG file.", "Give the file as it was sent.")
    read_picture(data)  # finds damage that jpeglib lets pass
    with tempfile.TemporaryDirectory() as folder, jpeglib.version(_LIBRARY):
        path = Path(folder) / "picture.jpg"
        path.write_bytes(_without_metadata(data))
        try:
            file = jpeglib.read_dct(str(path))
            return _coefficients(file)
        except OSError as error:
            raise PictureError("This JPEG file cannot be read.", "Get it again from its source.") from error


def write_coefficients(picture: Coefficients) -> bytes:
    """JPEG file with these coefficients. Raises UsageError without jpeglib."""
    jpeglib = _jpeglib()
    y, cb, cr = map(np.ascontiguousarray, picture.planes)
    with tempfile.TemporaryDirectory() as folder, jpeglib.version(_LIBRARY):
        path = Path(folder) / "picture.jpg"
        tables = picture.tables.astype(np.uint16)
        file = jpeglib.from_dct(Y=y, Cb=cb, Cr=cr, qt=tables, quant_tbl_no=np.array([0, 1, 1]))
        file.height, file.width = picture.shape
        file.samp_factor = np.array(_FACTORS[picture.subsampling]).reshape(3, 2)
        file.write_dct(str(path))
        return _with_usual_numbers(path.read_bytes())


def _jpeglib() -> ModuleType:
    try:
        import jpeglib  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(
            "JPEG files need jpeglib, which is not installed.", f"Install it with: {INSTALL}."
        ) from error
    return jpeglib


def _coefficients(file: Any) -> Coefficients:
    factors = np.asarray(file.samp_factor).reshape(-1).tolist()
    if factors not in _FACTORS.values():
        raise _other_kind()
    tables = file.qt[file.quant_tbl_no]  # of each component
    if not np.array_equal(tables[1], tables[2]) or tables.min() < 1 or tables.max() > 255:
        raise _other_kind()
    subsampling: Subsampling = "444" if factors == _FACTORS["444"] else "420"
    planes = (file.Y, file.Cb, file.Cr)
    return Coefficients((file.height, file.width), subsampling, tables[:2].astype(np.uint8), planes)


def _other_kind() -> NoMessageError:
    return NoMessageError(
        "This JPEG file is of a kind that csfnns does not write.", "Use the file as it was sent."
    )


def _without_metadata(data: bytes) -> bytes:
    """The same picture; jpeglib trusts what a file says of its metadata."""
    return _SOI + b"".join(part for marker, part in _parts(data) if marker not in (*_APPS, _COM))


def _with_usual_numbers(data: bytes) -> bytes:
    """The file with its components numbered 1, 2, 3, as JFIF wants, where jpeglib begins with 0."""
    parts = []
    for marker, part in _parts(data):
        numbered = bytearray(part)
        if marker == _SOF:
            numbered[10:19:3] = b"\x01\x02\x03"
        elif marker == _SOS:
            numbered[5:11:2] = b"\x01\x02\x03"
        parts.append(bytes(numbered))
    return _SOI + b"".join(parts)


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and their segments up to the first scan, which comes with all that follows it."""
    at = len(_SOI)
    while data[at : at + 1] == b"\xff" and len(data) >= at + 4:
        marker = data[at + 1]
        if marker == _SOS:
            yield marker, data[at:]
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 1 if marker == 0xFF else at + 2 + length  # one 0xFF more is a filling
        if marker != 0xFF:
            yield marker, data[at:end]
        at = end
    raise PictureError("This JPEG file cannot be read.", "Get it again from its source.")

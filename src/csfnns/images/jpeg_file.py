"""JPEG files by their coefficients: read and written without loss, by jpeglib.

Files are written as most programs write them: baseline, with the usual Huffman tables and a JFIF header, nothing else.
Files that are read may be coded in any way, progressive or with other tables.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from csfnns.errors import NoMessageError, PictureError, UsageError
from csfnns.images.decode import decode_stored
from csfnns.images.header import jpeg_parts, read_header
from csfnns.images.io import Shape
from csfnns.images.sandbox import ask_coefficients, is_numbers

Subsampling = Literal["420", "444"]
"""Chrominance at half the resolution both ways, or at the full one."""

INSTALL = "pip install 'csfnns[jpeg]'"

LUMINANCE_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation steps of luminance by vertical and horizontal frequency: ITU-T T.81, Table K.1."""
CHROMINANCE_STEPS = (
    (17, 18, 24, 47),
    (18, 21, 26, 66),
    (24, 26, 56, 99),
    (47, 66, 99, 99),
)
"""Quantisation steps of chrominance at the lowest 4x4 frequencies: Table K.2. All others are 99."""

_SOI = b"\xff\xd8"
_SOF, _SOS, _COM = 0xC0, 0xDA, 0xFE
_APPS = range(0xE0, 0xF0)
_MOST_BLOCKS = 8193  # along a side
_LARGEST = 1024  # of a coefficient: a picture of 8 bits has none beyond, and a damaged file may
LIBRARY = "turbo210"
"""The library that jpeglib uses: maintained longer than its default, of 1998."""
_FACTORS: dict[Subsampling, list[int]] = {"420": [2, 2, 1, 1, 1, 1], "444": [1, 1, 1, 1, 1, 1]}


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A colour JPEG file without its metadata."""

    shape: Shape
    """Height and width of the picture."""
    subsampling: Subsampling
    tables: npt.NDArray[np.uint8]
    """Divisors of luminance and of chrominance, (2, 8, 8), 1…255; the vertical frequency first."""
    planes: tuple[npt.NDArray[np.int16], ...]
    """Quantised coefficients of Y, Cb and Cr, (rows, columns, 8, 8) each: blocks, then frequencies, vertical first."""


def standard_tables(quality: int) -> npt.NDArray[np.uint8]:
    """Divisors of luminance and chrominance at a quality 1…100, (2, 8, 8). Raises UsageError."""
    if not 1 <= quality <= 100:
        raise UsageError(f"The JPEG quality must be in 1…100, got {quality}.")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = np.full((2, 8, 8), 99)
    base[0] = LUMINANCE_STEPS
    base[1, :4, :4] = CHROMINANCE_STEPS
    return np.clip((base * percent + 50) // 100, 1, 255).astype(np.uint8)


def positions(picture: Coefficients) -> Iterator[Coefficients]:
    """The file as it is, then turned and mirrored without loss in all seven other ways, as jpegtran does."""
    for each in (picture, _transposed(picture)):
        for rows in (1, -1):
            for columns in (1, -1):
                yield _mirrored(each, rows, columns)


def _transposed(picture: Coefficients) -> Coefficients:
    height, width = picture.shape
    planes = tuple(plane.transpose(1, 0, 3, 2) for plane in picture.planes)
    return Coefficients((width, height), picture.subsampling, picture.tables.transpose(0, 2, 1), planes)


def _mirrored(picture: Coefficients, rows: int, columns: int) -> Coefficients:
    """The file upside down where `rows` is -1, and left to right where `columns` is: odd frequencies change sign."""
    signs = np.multiply.outer(np.array([1, rows] * 4), np.array([1, columns] * 4)).astype(np.int16)
    planes = tuple(plane[::rows, ::columns] * signs for plane in picture.planes)
    return replace(picture, planes=planes)


def is_jpeg(data: bytes) -> bool:
    """Whether these bytes begin like a JPEG file."""
    return data.startswith(_SOI + b"\xff")


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
    """Read the coefficients of a JPEG file.

    Raises PictureError for damaged and other files, NoMessageError for kinds that csfnns never writes (grey, CMYK, other
    subsampling), UsageError without jpeglib.
    """
    jpeglib = _jpeglib()
    if not is_jpeg(data):
        raise PictureError("This is no JPEG file.", "Give the file as it was sent.")
    with _scratch_file() as path, jpeglib.version(LIBRARY):
        path.write_bytes(without_metadata(data))
        return coefficients_in(data, str(path))


def read_foreign_coefficients(data: bytes) -> Coefficients:
    """The same for a stranger's file, in a child process where there can be one (sandbox.py)."""
    check_jpeglib()
    answer = ask_coefficients(data)
    if answer is None:
        return read_coefficients(data)
    about, body = answer
    header = read_header(data, "The picture")
    height, width = header.height, header.width
    subsampling: Any = about.get("subsampling")
    tables: Any = about.get("tables")
    sizes: Any = about.get("planes")
    if not (
        about.get("shape") == [height, width]
        and subsampling in ("420", "444")
        and is_numbers(tables, (2, 8, 8), 1, 255)
        and is_numbers(sizes, (3, 2), 1, _MOST_BLOCKS)
        and 128 * sum(rows * columns for rows, columns in sizes) == len(body)
    ):
        raise _unreadable()
    planes, at = [], 0
    levels = np.frombuffer(body, "<i2").astype(np.int16)
    for factors, (rows, columns) in zip(((1, 1), *2 * [_FACTORS[subsampling][:2]]), sizes, strict=True):
        least = tuple(-(-side // (8 * factor)) for side, factor in zip((height, width), factors, strict=True))
        if not (least[0] <= rows <= least[0] + 1 and least[1] <= columns <= least[1] + 1):
            raise _unreadable()
        planes.append(levels[at : at + 64 * rows * columns].reshape(rows, columns, 8, 8))
        at += 64 * rows * columns
    return Coefficients((height, width), subsampling, np.array(tables, np.uint8), tuple(planes))


def coefficients_in(data: bytes, path: str) -> Coefficients:
    """Coefficients of a JPEG file, which is also at a path without its metadata. `LIBRARY` is set."""
    decode_stored(data)  # finds damage that jpeglib ignores
    try:
        return _coefficients(_jpeglib().read_dct(path))
    except OSError as error:
        raise _unreadable() from error


def write_coefficients(picture: Coefficients) -> bytes:
    """Return the JPEG file with these coefficients. Raises UsageError without jpeglib."""
    jpeglib = _jpeglib()
    y, cb, cr = map(np.ascontiguousarray, picture.planes)
    with _scratch_file() as path, jpeglib.version(LIBRARY):
        tables = picture.tables.astype(np.uint16)
        file = jpeglib.from_dct(Y=y, Cb=cb, Cr=cr, qt=tables, quant_tbl_no=np.array([0, 1, 1]))
        file.height, file.width = picture.shape
        file.samp_factor = np.array(_FACTORS[picture.subsampling]).reshape(3, 2)
        file.write_dct(str(path))
        return _with_usual_numbers(path.read_bytes())


@contextmanager
def _scratch_file() -> Iterator[Path]:
    """A file for jpeglib, which takes names alone; in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("csfnns")
        try:
            path = Path(f"/proc/self/fd/{descriptor}")
            if path.exists():
                yield path
                return
        finally:
            os.close(descriptor)
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "picture.jpg"


def _jpeglib() -> ModuleType:
    try:
        import jpeglib  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("JPEG files need jpeglib, which is not installed.", f"Install it with: {INSTALL}.") from error
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
    if any(np.abs(plane.astype(np.int32)).max(initial=0) > _LARGEST for plane in planes):
        raise _other_kind()
    return Coefficients((file.height, file.width), subsampling, tables[:2].astype(np.uint8), planes)


def _other_kind() -> NoMessageError:
    return NoMessageError("This JPEG file is of a kind that csfnns does not write.", "Use the file as it was sent.")


def _unreadable() -> PictureError:
    return PictureError("This JPEG file cannot be read.", "Get it again from its source.")


def without_metadata(data: bytes) -> bytes:
    """The same picture without metadata, whose lengths jpeglib trusts. Raises PictureError."""
    return _SOI + b"".join(part for marker, part in jpeg_parts(data) if marker not in (*_APPS, _COM))


def _with_usual_numbers(data: bytes) -> bytes:
    """The file with its components numbered 1, 2, 3 as JFIF requires; jpeglib begins with 0."""
    parts = []
    for marker, part in jpeg_parts(data):
        numbered = bytearray(part)
        if marker == _SOF:
            numbered[10:19:3] = b"\x01\x02\x03"
        elif marker == _SOS:
            numbered[5:11:2] = b"\x01\x02\x03"
        parts.append(bytes(numbered))
    return _SOI + b"".join(parts)

"""Files of pictures: whatever they are, a picture of the size in the header, or an error."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from csfnns.errors import NoMessageError, PictureError
from csfnns.images import sandbox
from csfnns.images.header import check_parts, essential_png, read_header
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import read_coefficients, read_foreign_coefficients, write_coefficients
from fuzz.fields import Fields, check
from fuzz.mutate import split

CORPUS = Path(__file__).parents[1] / "corpus" / "pictures"
NAME = "The picture"
_MOST = 1 << 21
"""Pixels of a picture that is decoded: larger ones cost time and find the same."""
_DECIDING = (b"IHDR", b"PLTE", b"IDAT")
"""Chunks of a PNG that decide the levels as they are stored."""


def in_process() -> Any:
    """Decode in this process, as where no child can be started: a child takes a tenth of a second."""
    return mock.patch.object(sandbox, "_start", return_value=None)


def pictures(data: bytes) -> None:
    """A file is a picture as a stego and as a secret, or an error; tags of a PNG change nothing of a stego."""
    with suppress(PictureError), in_process():
        header = read_header(data, NAME)
        check(check_parts(data, header, NAME) >= 1, "a picture without frames")
        if header.height * header.width > _MOST:
            return
        with suppress(PictureError):
            stored = sandbox.read_stored(data, NAME)
            check(stored.dtype == np.uint8 and stored.shape == (header.height, header.width, 3), "another size")
            known = _known().get(_levels(data))
            check(known is None or np.array_equal(known, stored), "tags changed the levels of a stego")
        shown = sandbox.read_shown(data, NAME)
        check(shown.picture.dtype == np.uint8 and shown.picture.shape[2:] == (3,), "a secret that is no picture")
        check(shown.picture.size <= 3 * header.height * header.width, "a picture larger than its header")
        check(0 <= shown.hidden <= 1 and shown.frames >= 1, "impossible figures")


def headers(data: bytes) -> None:
    """What a file says of itself is read or an error, and a PNG stays the same without its ballast."""
    with suppress(PictureError):
        header = read_header(data, NAME)
        check(header.height * header.width > 0, "no pixels")
        check_parts(data, header, NAME)
    if data.startswith(b"\x89PNG"):
        once, _ = essential_png(data)
        check(essential_png(once)[0] == once and len(once) <= len(data) + 4, "a PNG grows")


def strangers(data: bytes) -> None:
    """Decoding in a child is an error where decoding here is, and else the same picture."""
    found: list[Any] = []
    with suppress(PictureError):
        header = read_header(data, NAME)
        if header.height * header.width > _MOST:
            return
    for how in (in_process(), mock.patch.object(sandbox, "_LINE", sandbox._LINE)):
        picture = None
        with how, suppress(PictureError):
            picture = sandbox.read_shown(data, NAME).picture
        found.append(picture)
    here, there = found
    check(here is not None or there is None, "a child decodes what is an error here")
    check(there is None or np.array_equal(here, there), "a child decodes another picture")


class _Child:
    """A child that was taken over: it answers whatever it likes."""

    def __init__(self, answer: bytes) -> None:
        reading, writing = os.pipe()
        os.write(writing, (b"ready\n" + answer)[: 1 << 15])
        os.close(writing)
        self.stdout, self.stdin = os.fdopen(reading, "rb", 0), os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", 0)

    def kill(self) -> None:
        """It has ended."""

    def wait(self, timeout: float = 0) -> int:
        """It has ended."""
        return 0


def answers(data: bytes) -> None:
    """Whatever a child answers, there is a picture that the header allows, or an error."""
    fields = Fields(data)
    kind, answer = fields.number(3), fields.rest()
    png, jpeg = _example("00.png"), _example("06")
    child = mock.patch.object(sandbox, "_start", return_value=_Child(answer))
    with suppress(PictureError, NoMessageError), child:
        if kind == 0:
            check(sandbox.read_stored(png, NAME).size <= 3 * 24 * 32, "more pixels than the header has")
        elif kind == 1:
            shown = sandbox.read_shown(png, NAME)
            check(shown.picture.size <= 3 * 24 * 32, "more pixels than the header has")
        else:
            found = read_foreign_coefficients(jpeg)
            check(found.shape == (24, 32) and found.planes[0].shape[2:] == (8, 8), "another shape")


@cache
def _example(name: str) -> bytes:
    return (CORPUS / name).read_bytes()


@cache
def _known() -> dict[bytes | None, Picture]:
    files = [path.read_bytes() for path in sorted(CORPUS.glob("*.png"))]
    return {_levels(data): sandbox.read_stored(data, NAME) for data in files}


def _levels(data: bytes) -> bytes | None:
    """What decides the levels of a PNG; None for other files."""
    parts = split(data) if data.startswith(b"\x89PNG") else None
    return b"".join(part for part in parts if part[:4] in _DECIDING) if parts else None


def jpegs(data: bytes) -> None:
    """A JPEG file is coefficients that are written as they read, or an error."""
    with suppress(PictureError, NoMessageError):
        header = read_header(data, NAME)
        if header.height * header.width > _MOST:
            return
        found = read_coefficients(data)
        check(all(plane.ndim == 4 and plane.shape[2:] == (8, 8) for plane in found.planes), "planes of another shape")
        check(found.shape == (header.height, header.width), "another size than the header has")
        rows, columns = -(-found.shape[0] // 8), -(-found.shape[1] // 8)
        least = found.planes[0].shape[:2]
        check(least[0] >= rows and least[1] >= columns, "fewer blocks than the picture has")
        again = read_coefficients(write_coefficients(found))
        check(again.shape == found.shape and again.subsampling == found.subsampling, "another shape was written")
        check(all(map(np.array_equal, again.planes, found.planes)), "other coefficients were written")

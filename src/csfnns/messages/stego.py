"""A stego as it arrived, and the address in it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csfnns import address
from csfnns.errors import NoMessageError, PictureError
from csfnns.images import jpeg_file
from csfnns.images.decode import open_file
from csfnns.images.io import Picture, picture_size, read_picture
from csfnns.images.jpeg_file import has_jpeglib, is_jpeg, read_coefficients, read_foreign_coefficients
from csfnns.images.sandbox import check_stego, read_stored
from csfnns.methods.base import Carrier, context_of
from csfnns.payloads.frame import MAX_CONTENT
from csfnns.profile import Profile
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.coding.jpeg import Coefficients
    from csfnns.keys import Key, Route

_LARGER = 4  # times the sides of a robust key's cover that a stego may have, and the part of them


@dataclass(frozen=True)
class Found:
    """Address in a stego."""

    route: "Route"
    nonce: bytes
    carrier: Carrier
    content: Any
    """Picture as it was sent, uint8 (H, W, 3), or coefficients of the JPEG file: what a method extracts from."""


class Stego:
    """Path, bytes, array or image of a stego. Pixels and coefficients are decoded when they are first used.

    A file is a stranger's, and decoded in a process of its own, unless it is `own`: just written by this program.
    """

    def __init__(self, source: Any, *, own: bool = False) -> None:
        self._source, self._own = source, own
        self._name = str(source) if isinstance(source, str | os.PathLike) else "The picture"

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width, from the header of a file. Raises PictureError."""
        return picture_size(self._source, check_stego)

    @cached_property
    def picture(self) -> Picture:
        """Levels as the file stores them, whatever colour profile or tag it has, uint8 (H, W, 3). Raises PictureError."""
        if self._own or self._file is None:
            return read_picture(self._source, as_stored=True)
        return read_stored(self._file, self._name)

    @cached_property
    def _file(self) -> bytes | None:
        """Bytes of a file; None for arrays and images. Raises PictureError."""
        if isinstance(self._source, bytes):
            return self._source
        if not isinstance(self._source, str | os.PathLike):
            return None
        with open_file(Path(self._source)) as file:
            if os.fstat(file.fileno()).st_size > MAX_CONTENT:
                reason = f"{self._source} holds more than {MAX_CONTENT >> 20} MiB, and a stego never does."
                raise PictureError(reason, "Ask for the file as it was written.")
            return file.read()

    @property
    def is_jpeg(self) -> bool:
        """Whether it is a JPEG file. Raises PictureError."""
        return is_jpeg(self._file or b"")

    @cached_property
    def coefficients(self) -> "Coefficients | None":
        """Coefficients of the file; None where it is not a JPEG of a kind that csfnns writes, and without jpeglib."""
        if self._file is None or not self.is_jpeg or not has_jpeglib():
            return None
        try:
            return read_coefficients(self._file) if self._own else read_foreign_coefficients(self._file)
        except (NoMessageError, PictureError):
            return None

    def fits(self, profile: Profile) -> bool:
        """Whether a stego of the profile can have this size."""
        own, usual = sorted(self.size), sorted((profile.height, profile.width))
        if profile.decoder != "robust":
            return own == usual
        return all(a <= _LARGER * b and b <= _LARGER * a for a, b in zip(own, usual, strict=True))


def find_address(stego: Stego, key: "Key") -> Found | None:
    """Address for one of the key's routes, None where there is none. Raises PictureError.

    A picture that was turned or mirrored on its way is turned back.
    """
    if not stego.fits(key.profile):
        return None
    routes = key.incoming()
    for carrier, content, read in _readers(stego, key.profile):
        for route in routes:
            nonce = read(route.link.address_key())
            if nonce is not None:
                return Found(route, nonce, carrier, content)
    return None


def read_nonce(stego: Stego, profile: Profile, key: Seed, carrier: Carrier) -> tuple[bytes, Any] | None:
    """Nonce that an address key finds in one carrier of a stego, and what a method extracts from; None where none is."""
    for name, content, read in _readers(stego, profile):
        if name == carrier:
            nonce = read(key)
            return None if nonce is None else (nonce, content)
    return None


def _readers(stego: Stego, profile: Profile) -> Iterator[tuple[Carrier, Any, Callable[[Seed], bytes | None]]]:
    """Carriers that the stego can have, each with its content and with what reads the nonce for an address key."""
    height, width = profile.height, profile.width

    def decoder(carrier: Carrier, read: Callable[[Seed], Any]) -> Callable[[Seed], bytes | None]:
        context = context_of(carrier, height, width)
        return lambda key: address.decode(key, read(key), context)

    for coefficients in () if stego.coefficients is None else jpeg_file.positions(stego.coefficients):
        if coefficients.shape == (height, width):
            read = partial(_read_coefficients, coefficients=coefficients)
            yield "coefficients", coefficients, decoder("coefficients", read)
    robust = profile.decoder == "robust"
    for picture in positions(stego.picture):
        if picture.shape[:2] == (height, width):
            levels = partial(_read_levels, picture=picture)
            yield "levels", picture, decoder("levels", levels)
        if robust and (picture.shape[0] > picture.shape[1]) == (height > width):
            frequencies = address.low_frequencies(picture, height, width)
            projections = partial(_read_projections, frequencies=frequencies, height=height, width=width)
            yield "projections", picture, decoder("projections", projections)


def _read_coefficients(key: Seed, coefficients: "Coefficients") -> Any:
    return address.CoefficientAddress(key, *coefficients.shape).read(coefficients)


def _read_levels(key: Seed, picture: Picture) -> Any:
    return address.LevelAddress(key, *picture.shape[:2]).read(picture)


def _read_projections(key: Seed, frequencies: Any, height: int, width: int) -> Any:
    return address.ProjectionAddress(key, height, width).read(frequencies)


def positions(picture: Picture) -> Iterator[Picture]:
    """The picture as it is, then turned and mirrored in all seven other ways."""
    for mirrored in (picture, picture[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(mirrored, turns))

"""Covers from an album of pictures that both ends hold: a folder, copied once."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csfnns.errors import CoverError, PictureError, UsageError
from csfnns.picture import READABLE, Picture, read_picture
from csfnns.stream import Seed

CACHED = 4  # decoded pictures kept in memory


class FolderCovers:
    """Pictures of a folder (not of folders in it), cut to their central (height, width), each used once.

    A picture is what its pixels are: names, formats and order do not matter, and copies count once. Hidden
    files and files with no picture's name are left out, and so are pictures smaller than the covers.
    """

    exact = True
    """True: every cover's bytes are compared, through the album's fingerprint and again when it is read."""

    def __init__(self, album: Path, height: int, width: int, fingerprint: str | None = None) -> None:
        """Read every picture of `album`. `fingerprint`, from the key, is what the album must have.

        Raises CoverError for a folder that is missing, empty, not the expected one or with a damaged picture.
        """
        if height < 1 or width < 1:
            raise UsageError(f"No cover is {width}x{height}.", "Give sides of at least one pixel.")
        self._album, self._height, self._width = Path(album), height, width
        self._files = self._index()
        self._identities = sorted(self._files)
        self._read = lru_cache(CACHED)(self._read_again)
        if fingerprint is not None and fingerprint != self.album_fingerprint:
            raise CoverError(
                f"The album {album} is not the one this key was made with: it has {len(self)} different "
                f"pictures of at least {width}x{height}, with fingerprint {self.album_fingerprint[:16]}….",
                "Copy the other end's folder file by file, nothing added, removed or saved anew. "
                "If it still differs, make a new album of PNG files: JPEG decoders may disagree.",
            )

    def __len__(self) -> int:
        """Number of different pictures; messages 1…len - 1 can be sent."""
        return len(self._identities)

    @property
    def album_fingerprint(self) -> str:
        """SHA-256 over the cover size and the sorted identities of all pictures, 64 hexadecimal digits."""
        digest = hashlib.sha256(b"csfnns/1/album" + _size_bytes(self._height, self._width))
        for identity in self._identities:
            digest.update(identity)
        return digest.hexdigest()

    def __call__(self, key: Seed, message: int) -> Picture:
        """Cover of message 0, 1, 2, …, uint8 (height, width, 3). Raises CoverError when used up."""
        return self._read(self._choose(key, message)).copy()

    def probe(
        self, key: Seed, message: int, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        """Colours of that cover at n pixels, uint8 (n, 3). Raises CoverError when used up."""
        return self._read(self._choose(key, message))[rows, columns]

    def _choose(self, key: Seed, message: int) -> bytes:
        if message < 0:
            raise UsageError(f"There is no message {message}.", "Messages count from 0.")
        if message >= len(self):
            raise CoverError(
                f"The album {self._album} is used up: {self._spent()}.",
                "Make a new key with an album of new pictures; a cover must never be used twice.",
            )
        order = key.derive("csfnns/1/cover/folder").stream().permutation(len(self))
        return self._identities[int(order[message])]

    def _spent(self) -> str:
        if len(self) == 1:
            return "its one picture is the check cover and no more"
        return f"its {len(self)} pictures are the check cover and the covers of messages 1 to {len(self) - 1}"

    def _index(self) -> dict[bytes, Path]:
        """Identity → file of each different picture that is large enough."""
        files: dict[bytes, Path] = {}
        too_small = 0
        for path in self._list():
            cover = self._cut(_read_or_name(path))
            if cover is None:
                too_small += 1
            else:
                files.setdefault(_identity(cover), path)
        if not files:
            raise CoverError(
                f"The album {self._album} has no picture of at least {self._width}x{self._height}"
                + (f": {too_small} are smaller." if too_small else "."),
                "Add larger pictures, or make a key for smaller covers.",
            )
        return files

    def _list(self) -> list[Path]:
        try:
            paths = sorted(self._album.iterdir())
        except OSError as error:
            raise CoverError(
                f"The album {self._album} cannot be read: {error.strerror}.", "Give a folder of pictures."
            ) from error
        return [
            p for p in paths if p.is_file() and p.suffix.lower() in READABLE and not p.name.startswith(".")
        ]

    def _cut(self, picture: Picture) -> Picture | None:
        """Central part of (height, width), or None if the picture is smaller."""
        top = (picture.shape[0] - self._height) // 2
        left = (picture.shape[1] - self._width) // 2
        if top < 0 or left < 0:
            return None
        return np.ascontiguousarray(picture[top : top + self._height, left : left + self._width])

    def _read_again(self, identity: bytes) -> Picture:
        path = self._files[identity]
        cover = self._cut(_read_or_name(path))
        if cover is None or _identity(cover) != identity:
            raise CoverError(
                f"{path} has changed since the album was read.", "Put the picture back as it was."
            )
        return cover


def _read_or_name(path: Path) -> Picture:
    try:
        return read_picture(path)
    except PictureError as error:
        raise CoverError(
            f"The album has a picture that cannot be used: {error.message}",
            "Replace it or take it out, at both ends.",
        ) from error


def _identity(cover: Picture) -> bytes:
    return hashlib.sha256(b"csfnns/1/picture" + _size_bytes(*cover.shape[:2]) + cover.tobytes()).digest()


def _size_bytes(height: int, width: int) -> bytes:
    return height.to_bytes(4, "big") + width.to_bytes(4, "big")

"""Covers from an album of pictures that both ends hold: a folder, copied once."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from csfnns.covers.register import AlbumRegister
from csfnns.errors import CoverError, PictureError, UsageError
from csfnns.images.io import READABLE, Picture, read_picture
from csfnns.profile import Profile
from csfnns.stream import Seed

_DRAWS = 200  # nonces for each picture of the album; one free picture is missed with probability e^-200


class FolderCovers:
    """Pictures of a folder (not of its subfolders), scaled to the cover and cropped to its middle.

    A picture is identified by its scaled pixels: names, formats and order do not matter, and copies count once. Hidden
    files, files without a picture's suffix and pictures smaller than the cover are left out.
    """

    def __init__(self, album: Path, height: int, width: int, fingerprint: str | None = None) -> None:
        """Read and scale every picture of `album`. `fingerprint`, from the key, is what the album must have.

        Raises UsageError for sides below 1, and CoverError for a folder that is missing, empty, not the expected one
        or with a damaged picture.
        """
        if height < 1 or width < 1:
            raise UsageError(f"The size of a cover must be at least 1x1, got {width}x{height}.")
        self._album, self._height, self._width = Path(album), height, width
        self._files = self._read_all()
        self._identities = sorted(self._files)
        if fingerprint is not None and fingerprint != self.album_fingerprint:
            raise CoverError(
                f"The album {album} is not the one this key was made with: it has {len(self)} different "
                f"pictures of at least {width}x{height}, with fingerprint {self.album_fingerprint[:16]}….",
                "Copy the other end's folder file by file, with nothing added, removed or saved again. "
                "If it still differs, make a new album of PNG files: JPEG decoders may disagree.",
            )

    def __len__(self) -> int:
        """Number of different pictures. One of them is the check cover's."""
        return len(self._identities)

    @property
    def album_fingerprint(self) -> str:
        """SHA-256 of the cover size and the identities of all scaled pictures, sorted; 64 hexadecimal digits."""
        digest = hashlib.sha256(b"csfnns/2/album" + _size_bytes(self._height, self._width))
        for identity in self._identities:
            digest.update(identity)
        return digest.hexdigest()

    def index(self, seed: Seed) -> int:
        """Number of the picture that a cover seed chooses, 0…len - 1 in the order of identities."""
        return int(seed.derive("csfnns/2/cover/folder").stream().integers(1, len(self))[0])

    def __call__(self, seed: Seed) -> Picture:
        """Cover of a cover seed, uint8 (height, width, 3). Raises CoverError for a file that has changed."""
        identity = self._identities[self.index(seed)]
        path = self._files[identity]
        cover = self._read(path)
        if cover is None or _identity(cover) != identity:
            raise CoverError(f"{path} has changed since the album was read.", "Restore the original picture.")
        return cover

    def _read_all(self) -> dict[bytes, Path]:
        """Identity → file of each different picture that is large enough."""
        files: dict[bytes, Path] = {}
        too_small = 0
        for path in self._list():
            cover = self._read(path)
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
        return [p for p in paths if p.is_file() and p.suffix.lower() in READABLE and not p.name.startswith(".")]

    def _read(self, path: Path) -> Picture | None:
        """Scaled picture, or None if it is smaller than the cover."""
        try:
            picture = read_picture(path)
        except PictureError as error:
            raise CoverError(
                f"The album has a picture that cannot be used: {error.message}",
                "Replace it or remove it, at both ends.",
            ) from error
        if picture.shape[0] < self._height or picture.shape[1] < self._width:
            return None
        return scale_to_cover(picture, self._height, self._width)


def from_profile(profile: Profile, album: Path) -> FolderCovers:
    """Generator of a key with generator `folder`."""
    return FolderCovers(album, profile.height, profile.width, profile.album)


def choose_nonce(
    make_nonce: Callable[[], bytes],
    cover_seed: Callable[[bytes], Seed],
    covers: FolderCovers,
    register: AlbumRegister,
    key_id: str,
    check_index: int,
) -> bytes:
    """Nonce whose picture was not used before and is claimed in the register when this returns.

    `check_index` is the picture of the check cover, which is never used. Raises CoverError if this computer may not
    write with the key, for a register that cannot be used, and if no picture is left.
    """
    i, n = register.take_share(key_id)
    free = set(range(i - 1, len(covers), n)) - register.used(key_id) - {check_index}
    for _ in range(_DRAWS * len(covers) if free else 0):
        nonce = make_nonce()
        index = covers.index(cover_seed(nonce))
        if index in free and register.claim(key_id, index):
            return nonce
        free.discard(index)  # if it was free, another process has just claimed it
    which = "" if n == 1 else f" of share {i}/{n}"
    raise CoverError(
        f"The album is used up: no unused picture{which} is left of its {len(covers)}, one of which is the check cover.",
        "Make a new key with an album of new pictures; a cover must never be used twice.",
    )


def scale_to_cover(picture: Picture, height: int, width: int) -> Picture:
    """Area average over the largest central part with the cover's proportions; uint8 (height, width, 3).

    Each level is Σ(overlap · level) / Σ(overlap), rounded once, halves up, all in integers. A pixel of the cover covers
    p / q pixels of the picture each way, and overlaps are counted in 1 / (2q) of a pixel. The picture must be at least
    as large as the cover.
    """
    rows, columns = picture.shape[:2]
    p, q = (rows, height) if rows * width <= columns * height else (columns, width)
    down, across = ((n * q - m * p) + 2 * p * np.arange(m + 1) for n, m in ((rows, height), (columns, width)))
    whole, part = np.divmod(across, 2 * q)
    cover = np.empty((height, width, 3), np.uint8)
    for i in range(height):
        first, last = down[i] // (2 * q), -(-down[i + 1] // (2 * q))
        borders = np.clip(2 * q * np.arange(first, last + 1), down[i], down[i + 1])
        line = np.einsum("k,kwc->wc", np.diff(borders), picture[first:last])
        total = np.concatenate([np.zeros((1, 3), np.int64), np.cumsum(line, axis=0)])
        integral = 2 * q * total[whole] + part[:, None] * line[np.minimum(whole, columns - 1)]
        cover[i] = (np.diff(integral, axis=0) + 2 * p * p) // (4 * p * p)
    return cover


def _identity(cover: Picture) -> bytes:
    return hashlib.sha256(b"csfnns/2/picture" + _size_bytes(*cover.shape[:2]) + cover.tobytes()).digest()


def _size_bytes(height: int, width: int) -> bytes:
    return height.to_bytes(4, "big") + width.to_bytes(4, "big")

"""Covers that take long to make, kept on this disk, encrypted.

A cover is a secret: whoever has it and the stego picture sees what was changed. So each is kept under a key of its
own, which follows from the cover key. Without the key file, what lies here is noise; with it, everybody could make
the covers anyway.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from csfnns.files import write_whole
from csfnns.picture import Picture
from csfnns.stream import Seed

SWITCH = "CSFNNS_COVER_CACHE"
KEPT = 32  # covers, the latest

_NONCE = 12


class CoverCache:
    """The latest 32 covers, 0600 in a folder of 0700. It never fails: what cannot be kept is made again.

    `folder` is by default `covers` in CSFNNS_HOME, else in the user's cache folder. With CSFNNS_COVER_CACHE=off,
    nothing is read or written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.on = os.environ.get(SWITCH, "") != "off"
        self.folder = folder or _default_folder()

    def get(self, seed: Seed, height: int, width: int) -> Picture | None:
        """Cover kept under the seed, uint8 (height, width, 3), or None."""
        try:
            data = self._file(seed).read_bytes() if self.on else b""
            pixels = _cipher(seed).decrypt(data[:_NONCE], data[_NONCE:], None)
            return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()
        except (OSError, ValueError, InvalidTag):  # not there, cut short, or not what was written
            return None

    def put(self, seed: Seed, cover: Picture) -> None:
        """Keep the cover under the seed, from which its name and its key follow."""
        nonce = secrets.token_bytes(_NONCE)
        self._write(self._file(seed), nonce + _cipher(seed).encrypt(nonce, cover.tobytes(), None))

    def noted(self, fact: str) -> bool:
        """Whether this public fact, in hex, was noted here."""
        return self.on and (self.folder / f"{fact}.noted").exists()

    def note(self, fact: str) -> None:
        """Note a public fact."""
        self._write(self.folder / f"{fact}.noted", b"")

    def _file(self, seed: Seed) -> Path:
        return self.folder / f"{seed.derive('csfnns/1/cover/cache/name').data[:16].hex()}.cover"

    def _write(self, path: Path, data: bytes) -> None:
        if not self.on:
            return
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, data, mode=0o600, overwrite=True)
            old = sorted(self.folder.glob(f"*{path.suffix}"), key=lambda file: file.stat().st_mtime)
            for file in old[:-KEPT]:
                file.unlink(missing_ok=True)


def _cipher(seed: Seed) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(seed.derive("csfnns/1/cover/cache/key").data)


def _default_folder() -> Path:
    from platformdirs import user_cache_dir

    home = os.environ.get("CSFNNS_HOME") or user_cache_dir("csfnns", appauthor=False)
    return Path(home).expanduser() / "covers"

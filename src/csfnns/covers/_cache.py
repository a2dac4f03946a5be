"""Encrypted cache of covers that take long to make.

A cover is a secret: whoever has it and the stego picture sees what was changed. So each is encrypted under a key of its
own, which follows from the cover seed. Without the key file the cache is noise; with it, the covers can be made anyway.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from csfnns.errors import UsageError
from csfnns.files import own_folder, write_whole
from csfnns.images.io import Picture
from csfnns.stream import Seed

SWITCH = "CSFNNS_COVER_CACHE"
KEPT = 32  # covers, the latest

_NONCE = 12


class CoverCache:
    """The latest 32 covers, in files of mode 0600 in a folder of mode 0700. Never raises OSError: it then misses.

    `folder` is by default `covers` in CSFNNS_HOME, else in the user's cache folder. With CSFNNS_COVER_CACHE=off
    nothing is read or written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        found = folder or _default_folder()
        self.on = found is not None and os.environ.get(SWITCH, "") != "off"
        self.folder = found or Path()

    def get(self, seed: Seed, height: int, width: int) -> Picture | None:
        """Cover stored under the seed, uint8 (height, width, 3), or None."""
        try:
            data = self._file(seed).read_bytes() if self.on else b""
            pixels = _cipher(seed).decrypt(data[:_NONCE], data[_NONCE:], None)
            return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()
        except (OSError, ValueError, InvalidTag):  # absent, truncated or damaged
            return None

    def put(self, seed: Seed, cover: Picture) -> None:
        """Store the cover. The name of its file and its key are derived from the seed."""
        nonce = secrets.token_bytes(_NONCE)
        self._write(self._file(seed), nonce + _cipher(seed).encrypt(nonce, cover.tobytes(), None))

    def noted(self, fact: str) -> bool:
        """Whether `note` was called for this public fact, in hex."""
        return self.on and (self.folder / f"{fact}.noted").exists()

    def note(self, fact: str) -> None:
        """Record a public fact."""
        self._write(self.folder / f"{fact}.noted", b"")

    def _file(self, seed: Seed) -> Path:
        return self.folder / f"{seed.derive('csfnns/2/cover/cache/name').data[:16].hex()}.cover"

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
    return ChaCha20Poly1305(seed.derive("csfnns/2/cover/cache/key").data)


def _default_folder() -> Path | None:
    try:
        return own_folder("cache") / "covers"
    except UsageError:
        return None

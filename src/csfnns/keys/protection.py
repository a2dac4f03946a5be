"""Passphrases on key files: Argon2id turns the passphrase into a key, under which the secrets are encrypted.

Cost and salt stand in the file. The cost is bounded before anything is computed: a hostile file takes at most 512 MiB,
and about 10 seconds of one processor.
"""

import secrets
from typing import Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from pydantic import BaseModel, ConfigDict, Field, model_validator

from csfnns.keys.passphrase import slow_hash

TAG_BYTES = 16
MAX_MEMORY = 512 * 1024
"""Most KiB that a key file may ask for."""
MAX_WORK = 8 * MAX_MEMORY
"""Most KiB times passes."""

_NONCE = bytes(12)  # a salt serves once, so the key does, too


class Protection(BaseModel):
    """How the secrets of a key file are encrypted. Frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cipher: Literal["argon2id/chacha20-poly1305"]
    memory: int = Field(ge=8, le=MAX_MEMORY)
    """KiB."""
    passes: int = Field(ge=1, le=MAX_WORK)
    lanes: int = Field(ge=1, le=16)
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")

    @classmethod
    def new(cls) -> Self:
        """Second recommendation of RFC 9106, with a new salt."""
        salt = secrets.token_hex(16)
        return cls(cipher="argon2id/chacha20-poly1305", memory=64 * 1024, passes=3, lanes=4, salt=salt)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        asked = f"this file asks for {self.memory} KiB, {self.passes} passes and {self.lanes} lanes"
        if self.memory * self.passes > MAX_WORK:
            raise ValueError(f"memory times passes must be at most {MAX_WORK} KiB; {asked}")
        if self.memory < 8 * self.lanes:
            raise ValueError(f"memory must be at least 8 KiB for each lane; {asked}")
        return self

    def seal(self, data: bytes, passphrase: str, public: bytes) -> bytes:
        """Encrypt secrets and authenticate what is public: TAG_BYTES longer. Raises KeyFileError for no passphrase."""
        return self._cipher(passphrase).encrypt(_NONCE, data, public)

    def open(self, sealed: bytes, passphrase: str, public: bytes) -> bytes | None:
        """Undo `seal`; None for another passphrase, and after any change."""
        try:
            return self._cipher(passphrase).decrypt(_NONCE, sealed, public)
        except InvalidTag:
            return None

    def _cipher(self, passphrase: str) -> ChaCha20Poly1305:
        salt, cost = bytes.fromhex(self.salt), {"memory": self.memory, "passes": self.passes}
        return ChaCha20Poly1305(slow_hash(passphrase, salt, **cost, lanes=self.lanes))

"""Seals: encrypted and authenticated bytes, uniformly random to everybody without the key.

    header = fields ⊕ keystream | check 6                 its receiver recognises it
    sealed = ChaCha20-Poly1305 of the data | tag 16       with the header as associated data

A seed seals only one message, that of one receiver and one nonce, so the cipher's nonce can be 0.
"""

import hmac
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from csfnns.errors import DamagedError, NoMessageError
from csfnns.stream import Seed

CHECK_BYTES = 6
TAG_BYTES = 16

_NONCE = bytes(12)


def seal_header(fields: bytes, seed: Seed) -> bytes:
    """Mask fields and append a check value of 48 bits: CHECK_BYTES longer."""
    return _masked(fields, seed) + _check(fields, seed)


def open_header(header: bytes, seed: Seed) -> bytes:
    """Return the fields of a header. Raises NoMessageError where the check value differs."""
    fields = _masked(header[:-CHECK_BYTES], seed)
    if not hmac.compare_digest(header[-CHECK_BYTES:], _check(fields, seed)):
        raise NoMessageError(
            "This key finds no message in the picture.",
            "Check that it is the right key and that the picture arrived unchanged, not re-saved or resized.",
        )
    return fields


def seal(data: bytes, seed: Seed, header: bytes) -> bytes:
    """Encrypt data and authenticate it together with the header: TAG_BYTES longer."""
    return _cipher(seed).encrypt(_NONCE, data, header)


def unseal(sealed: bytes, seed: Seed, header: bytes) -> bytes:
    """Undo `seal`. Raises DamagedError after any change and for another seed."""
    try:
        return _cipher(seed).decrypt(_NONCE, sealed, header)
    except InvalidTag:
        raise DamagedError(
            "The picture holds a message for this key, but it was changed on its way.",
            "Ask for the file as it was written.",
        ) from None


def _cipher(seed: Seed) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(seed.derive("csfnns/2/sealed/body").data)


def _masked(fields: bytes, seed: Seed) -> bytes:
    keystream = seed.derive("csfnns/2/sealed/header").stream().take(len(fields))
    return bytes(a ^ b for a, b in zip(fields, keystream, strict=True))


def _check(fields: bytes, seed: Seed) -> bytes:
    return hmac.new(seed.derive("csfnns/2/sealed/check").data, fields, sha256).digest()[:CHECK_BYTES]

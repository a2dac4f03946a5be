"""What schemes that carry bits share: a secret's pixels as bytes that arrive exactly, or not at all.

    check 6 | height 2 | width 2 | pixels of the grid    bytes, big-endian, whitened with a keystream

The check value is the start of HMAC-SHA256 over the rest, under a key of this receiver and message: a wrong key, or one
changed bit, gives an error.
"""

import hmac
import math
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.errors import CapacityError, NoMessageError
from csfnns.images.io import Picture, fit, restored_shape
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded
from csfnns.profile import Profile
from csfnns.stream import Seed

Bits = npt.NDArray[np.uint8]

_CHECK = 6
_HEADER = _CHECK + 4


def message_bits(profile: Profile) -> int:
    """Bits of every message under that profile."""
    return 8 * (_HEADER + 3 * math.prod(profile.secret_size))


def write_message(name: str, profile: Profile, secret: Picture, seeds: ReceiverSeeds) -> Bits:
    """Bits of a secret of any size, which look random. `name` is the scheme's. Raises CapacityError."""
    if max(secret.shape) >= 2**16:
        raise CapacityError("A secret's sides must be at most 65535 pixels.", "Scale it down first.")
    rest = b"".join(side.to_bytes(2, "big") for side in secret.shape[:2]) + fit(secret, *profile.secret_size).tobytes()
    message = np.frombuffer(_check_value(name, seeds.header, rest) + rest, np.uint8)
    return np.unpackbits(message) ^ _keystream(name, profile, seeds.decoder)


def read_message(name: str, profile: Profile, bits: Bits, seeds: ReceiverSeeds) -> Decoded:
    """Secret of these bits. Raises NoMessageError for a wrong key or bit."""
    data = np.packbits(bits ^ _keystream(name, profile, seeds.decoder)).tobytes()
    if not hmac.compare_digest(data[:_CHECK], _check_value(name, seeds.header, data[_CHECK:])):
        raise no_message()
    height, width = (int.from_bytes(data[i : i + 2], "big") for i in (_CHECK, _CHECK + 2))
    grid = np.frombuffer(data[_HEADER:], np.uint8).reshape(*profile.secret_size, 3).copy()
    return Decoded(grid, restored_shape(height, width, *profile.secret_size), math.inf)


def no_message() -> NoMessageError:
    """The error for bits that are no message."""
    return NoMessageError(
        "This key finds no message in the picture.",
        "Check that it is the right key and that the picture arrived unchanged, not re-saved or resized.",
    )


def _keystream(name: str, profile: Profile, seed: Seed) -> Bits:
    """One element a bit: hidden bits look random whatever the secret."""
    stream = seed.derive(f"csfnns/2/{name}/bits").stream()
    return np.unpackbits(np.frombuffer(stream.take(message_bits(profile) // 8), np.uint8))


def _check_value(name: str, seed: Seed, rest: bytes) -> bytes:
    return hmac.new(seed.derive(f"csfnns/2/{name}/check").data, rest, sha256).digest()[:_CHECK]

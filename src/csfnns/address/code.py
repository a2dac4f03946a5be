"""Nonce and check value as 384 coded bits that look random to everybody without the key, and back.

The bits are those of an LDPC word, XORed with a keystream that is the same for all messages of a key. That is enough:
nonce and check value are outputs of HMAC, so that any few bits are uniform from message to message. What stays the same
are the code's 192 parity checks, each over 6 bits, so over 6 g values of the picture at keyed places. Somebody without
the key who looks for such sums has one equation a picture for as many unknowns as there are values: with fewer pictures
than that (12,288 of the smallest, 786,432 of 512x512), countless other sums are constant too.
"""

import hmac
import os
from functools import cache
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.coding.ldpc import Ldpc, Rate
from csfnns.stream import Seed, Stream

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

NONCE_BYTES = 16
CHECK_BYTES = 8
CODED = 384
"""Bits of an address as it stands in a picture."""

_BITS = 8 * (NONCE_BYTES + CHECK_BYTES)
_RATE = Rate(1, 2, 4, 6)  # fewest failures of those tried at 384 bits, 3…7 % of them wrong
_TRIES = 16
_UNLIKE = 80  # checks that fail of 192: noise fails 96 ± 7, an address with 8 % wrong bits 62 ± 7


def make_nonce(key: Seed, payload_digest: bytes) -> bytes:
    """Draw a nonce, 16 bytes: from the system's random numbers, the key and the payload.

    A random generator that repeats itself, on a cloned machine for instance, so repeats no nonce for another payload.
    """
    secret = key.derive("csfnns/2/address/nonce").data
    return hmac.digest(secret, os.urandom(32) + payload_digest, "sha256")[:NONCE_BYTES]


def encode(key: Seed, nonce: bytes, context: bytes) -> U8:
    """Coded, whitened bits of a nonce, (CODED,), 0 and 1."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"nonce must have {NONCE_BYTES} bytes, got {len(nonce)}")
    content = np.frombuffer(nonce + _check(key, nonce, context), np.uint8)
    return _code().encode(np.unpackbits(content)) ^ _mask(key)


def decode(key: Seed, llr: F64, context: bytes) -> bytes | None:
    """Nonce of soft bits (CODED,), or of several candidates (K, CODED), the likeliest first; None where there is none.

    `llr` are log P(bit is 0) / P(bit is 1) of the whitened bits. At most 16 words are tried against the check value, so a
    foreign picture passes once in 2^60.
    """
    candidates = np.atleast_2d(llr) * (1 - 2.0 * _mask(key))
    alike = [each for each in candidates if _failed_checks(each) <= _UNLIKE]
    for i in range(_TRIES):
        if not alike:
            return None
        each = alike[i % len(alike)]
        # Noise, from the second try on, leads belief propagation out of the loops in which it is caught.
        noise = _noise()[i // len(alike)] * np.abs(each).mean()
        bits = _code().decode((each + noise).astype(np.float32))
        if bits is not None:
            content = np.packbits(bits).tobytes()
            nonce = content[:NONCE_BYTES]
            if hmac.compare_digest(content[NONCE_BYTES:], _check(key, nonce, context)):
                return nonce
    return None


def draw_distinct(stream: Stream, n: int, bound: int) -> I64:
    """First n different numbers of 0…bound-1 that a stream gives, in their order, (n,)."""
    if 2 * n > bound:
        return stream.permutation(bound)[:n]
    drawn = np.empty(0, np.int64)
    while True:
        drawn = np.concatenate([drawn, stream.integers(n + n // 2, bound)])
        first = np.sort(np.unique(drawn, return_index=True)[1])
        if len(first) >= n:
            return drawn[first[:n]]


def _failed_checks(llr: F64) -> int:
    """How many of the code's checks the hard decisions fail."""
    hard = (llr < 0).astype(np.uint8)
    wrong = _code().encode(hard[:_BITS])[_BITS:] ^ hard[_BITS:]
    return int(wrong[0]) + int(np.count_nonzero(wrong[1:] != wrong[:-1]))


def _check(key: Seed, nonce: bytes, context: bytes) -> bytes:
    return hmac.digest(key.derive("csfnns/2/address/check").data, nonce + context, "sha256")[:CHECK_BYTES]


def _mask(key: Seed) -> U8:
    stream = key.derive("csfnns/2/address/mask").stream()
    return np.unpackbits(np.frombuffer(stream.take(CODED // 8), np.uint8))


@cache
def _code() -> Ldpc:
    return Ldpc(_RATE, _BITS, Seed(sha256(b"csfnns/2/address/code").digest()))


@cache
def _noise() -> F64:
    """Noise of each try, (_TRIES, CODED): none for the first."""
    stream = Seed(sha256(b"csfnns/2/address/noise").digest()).stream()
    noise = 0.5 * stream.normals(_TRIES * CODED).reshape(_TRIES, CODED)
    noise[0] = 0
    return noise

import numpy as np
import pytest

from csfnns.errors import DamagedError, NoMessageError
from csfnns.payloads.seal import CHECK_BYTES, TAG_BYTES, open_header, seal, seal_header, unseal
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
HEADER = seal_header(b"seven b", SEED)


def test_bytes_are_these_for_ever() -> None:
    assert HEADER.hex() == "6be060de85fcc2d5a865d17004"
    assert seal(b"abc", SEED, HEADER).hex() == "2d9e674488e8b35d50b6375ae63d4d8caebe80"


@pytest.mark.parametrize("data", [b"", b"x", bytes(1000)])
def test_what_was_sealed_comes_back(data: bytes) -> None:
    sealed = seal(data, SEED, HEADER)
    assert len(sealed) == len(data) + TAG_BYTES
    assert unseal(sealed, SEED, HEADER) == data
    assert open_header(HEADER, SEED) == b"seven b"
    assert len(HEADER) == 7 + CHECK_BYTES


def test_every_changed_bit_is_noticed() -> None:
    sealed = seal(b"abc", SEED, HEADER)
    for i in range(8 * len(sealed)):
        with pytest.raises(DamagedError):
            unseal(flipped(sealed, i), SEED, HEADER)
    for i in range(8 * len(HEADER)):
        with pytest.raises(NoMessageError):
            open_header(flipped(HEADER, i), SEED)
        with pytest.raises(DamagedError):
            unseal(sealed, SEED, flipped(HEADER, i))


def flipped(data: bytes, i: int) -> bytes:
    changed = bytearray(data)
    changed[i // 8] ^= 1 << i % 8
    return bytes(changed)


def test_another_seed_opens_nothing() -> None:
    other = SEED.derive("other")
    with pytest.raises(NoMessageError):
        open_header(HEADER, other)
    with pytest.raises(DamagedError):
        unseal(seal(b"abc", SEED, HEADER), other, HEADER)


def test_seals_look_random_whatever_is_in_them() -> None:
    headers = b"".join(seal_header(bytes(7), SEED.derive(f"{i}")) for i in range(4000))
    sealed = seal(bytes(60_000), SEED, HEADER)
    for data in (headers, sealed):
        counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
        expected = len(data) / 256
        # 255 degrees of freedom: above 330.5 with probability 0.001.
        assert ((counts - expected) ** 2 / expected).sum() < 330.5

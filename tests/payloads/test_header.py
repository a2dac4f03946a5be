import hmac
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csfnns.errors import NoMessageError
from csfnns.payloads.header import BANDS, LEVELS, SIZE, Header
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
HEADER = Header(480, 640, (12, 128, 255), np.arange(24).reshape(3, BANDS), 0x0123456789)

# A compatibility promise: check 6 | kind 1 | height 2 | width 2 | time 5 | mean 3 | spectrum 15.
GOLDEN = "56a69a68efa3 01 01e0 0280 0123456789 0c80ff bdab49ca307b9ac5a928398a418820"


def same(a: Header, b: Header) -> bool:
    plain = (a.height, a.width, a.mean, a.sent) == (b.height, b.width, b.mean, b.sent)
    return plain and np.array_equal(a.spectrum, b.spectrum)


def test_bytes_are_these_for_ever() -> None:
    assert HEADER.to_bytes(SEED) == bytes.fromhex(GOLDEN)


def test_bytes_are_laid_out_as_documented() -> None:
    """Level i of the spectrum stands in bits 5i…5i+4 of the last 15 bytes, read as one big-endian number."""
    data = HEADER.to_bytes(SEED)
    spectrum = sum(i << (5 * i) for i in range(24))
    rest = bytes([1]) + (480).to_bytes(2, "big") + (640).to_bytes(2, "big")
    rest += bytes.fromhex("0123456789") + bytes([12, 128, 255]) + spectrum.to_bytes(15, "big")
    assert data == hmac.new(SEED.data, rest, sha256).digest()[:6] + rest
    assert len(data) == SIZE


@given(
    sides=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
    mean=st.tuples(*[st.integers(0, 255)] * 3),
    levels=st.lists(st.integers(0, LEVELS - 1), min_size=24, max_size=24),
    sent=st.integers(0, 2**40 - 1),
)
@settings(max_examples=50, deadline=None)
def test_every_header_comes_back(
    sides: tuple[int, int], mean: tuple[int, int, int], levels: list[int], sent: int
) -> None:
    header = Header(*sides, mean, np.array(levels).reshape(3, BANDS), sent)
    assert same(Header.from_bytes(header.to_bytes(SEED), SEED), header)


@pytest.mark.parametrize("bit", range(8 * SIZE))
def test_every_single_flipped_bit_is_refused(bit: int) -> None:
    data = bytearray(HEADER.to_bytes(SEED))
    data[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(NoMessageError, match="no message"):
        Header.from_bytes(bytes(data), SEED)


def test_another_seed_is_refused() -> None:
    with pytest.raises(NoMessageError, match="no message") as error:
        Header.from_bytes(HEADER.to_bytes(SEED), SEED.derive("other"))
    assert "key" in error.value.hint


@pytest.mark.parametrize("data", [bytes(SIZE), b"\xff" * SIZE])
def test_no_header_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(NoMessageError):
        Header.from_bytes(data, SEED)


def test_a_kind_of_a_later_version_is_named() -> None:
    rest = b"\x07" + HEADER.to_bytes(SEED)[7:]
    data = hmac.new(SEED.data, rest, sha256).digest()[:6] + rest
    with pytest.raises(NoMessageError, match="kind 7") as error:
        Header.from_bytes(data, SEED)
    assert "Update" in error.value.hint

import random

import pytest

from csfnns.coding import reed_solomon as rs


@pytest.mark.parametrize(("size", "checks"), [(1, 2), (19, 10), (100, 22), (180, 32), (235, 20)])
def test_as_many_wrong_bytes_as_half_the_checks_are_corrected(size: int, checks: int) -> None:
    draw = random.Random(size)
    for errors in range(checks // 2 + 1):
        message = draw.randbytes(size)
        word = bytearray(rs.encode(message, checks))
        for place in draw.sample(range(len(word)), min(errors, len(word))):
            word[place] ^= draw.randint(1, 255)
        assert rs.decode(bytes(word), checks) == (message, min(errors, len(word)))


def test_the_code_is_the_usual_one() -> None:
    # Check bytes of the QR code standard's example (ISO/IEC 18004, Annex I: version 1-M, "01234567").
    message = bytes.fromhex("10200c566180ec11ec11ec11ec11ec11")
    assert rs.encode(message, 10)[16:].hex() == "a524d4c1ed36c7872c55"


def test_words_of_noise_are_refused() -> None:
    draw = random.Random(1)
    assert [rs.decode(draw.randbytes(28), 10) for _ in range(200)] == [None] * 200


def test_too_many_wrong_bytes_never_pass_for_another_message_silently() -> None:
    draw = random.Random(2)
    message = draw.randbytes(18)
    for _ in range(100):
        word = bytearray(rs.encode(message, 10))
        for place in draw.sample(range(len(word)), 7):
            word[place] ^= draw.randint(1, 255)
        assert rs.decode(bytes(word), 10) is None


def test_a_word_longer_than_the_code_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 255 bytes, got 256"):
        rs.encode(bytes(246), 10)

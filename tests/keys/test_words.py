import pytest
from hypothesis import given
from hypothesis import strategies as st

from csfnns.errors import UsageError
from csfnns.keys.fingerprint import words


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", "lusab-babad"),
        ("63.84.220.193", "gutih-tugad"),
        ("63.118.7.35", "gutuk-bisog"),
        ("140.98.193.141", "mudof-sakat"),
        ("64.255.6.200", "haguz-biram"),
        ("128.30.52.45", "mabiv-gibot"),
        ("147.67.119.2", "natag-lisaf"),
        ("212.58.253.68", "tibup-zujah"),
        ("216.35.68.215", "tobog-higil"),
        ("216.68.232.21", "todah-vobij"),
        ("198.81.129.136", "sinid-makam"),
        ("12.110.110.204", "budov-kuras"),
    ],
)
def test_the_published_addresses_have_their_published_proquints(address: str, expected: str) -> None:
    assert words(bytes(int(byte) for byte in address.split(".")), 2) == expected


def test_all_65536_words_differ() -> None:
    assert len({words(value.to_bytes(2, "big"), 1) for value in range(65536)}) == 65536


@given(st.binary(min_size=2, max_size=32))
def test_each_word_has_five_letters_and_depends_on_its_two_bytes_alone(data: bytes) -> None:
    n = len(data) // 2
    spoken = words(data, n).split("-")
    assert len(spoken) == n
    assert all(len(word) == 5 for word in spoken)
    assert spoken == [words(data[2 * i :], 1) for i in range(n)]


@pytest.mark.parametrize(("data", "n"), [(b"", 1), (b"abc", 2), (b"abcd", 0), (b"abcd", -1)])
def test_a_number_of_words_that_the_bytes_do_not_make_is_refused(data: bytes, n: int) -> None:
    with pytest.raises(UsageError, match="do not make"):
        words(data, n)

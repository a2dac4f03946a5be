"""Fingerprints in words that two people can read to each other on the phone."""

from csfnns.errors import UsageError

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"


def words(data: bytes, n: int) -> str:
    """First 2n bytes of `data` as n proquints joined by hyphens, such as lusab-babad.

    A proquint is five letters for 16 bits, highest bits first: a consonant takes 4 bits, a vowel 2 (D. S.
    Wilkerson, "A Proposal for Proquints", arXiv:0901.4016). Raises UsageError unless 1 ≤ n ≤ len(data) / 2.
    """
    if not 1 <= n <= len(data) // 2:
        raise UsageError(f"{len(data)} bytes do not make {n} words.", "A word takes two bytes.")
    return "-".join(_proquint(int.from_bytes(data[2 * i : 2 * i + 2], "big")) for i in range(n))


def _proquint(value: int) -> str:
    """Word of 16 bits: consonant 4, vowel 2, consonant 4, vowel 2, consonant 4."""
    return (
        _CONSONANTS[value >> 12]
        + _VOWELS[value >> 10 & 3]
        + _CONSONANTS[value >> 6 & 15]
        + _VOWELS[value >> 4 & 3]
        + _CONSONANTS[value & 15]
    )

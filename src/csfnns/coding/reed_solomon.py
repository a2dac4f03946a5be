"""Reed-Solomon codes over bytes: n check bytes after a message correct n/2 wrong bytes anywhere.

I. S. Reed and G. Solomon, "Polynomial codes over certain finite fields", J. SIAM 8 (1960); decoded after J. L. Massey,
"Shift-register synthesis and BCH decoding", IEEE Trans. Information Theory 15 (1969), and G. D. Forney, "On decoding
BCH codes", IEEE Trans. Information Theory 11 (1965). The field is GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, the
generator's roots are 2^0, 2^1, …
"""

from collections.abc import Sequence
from itertools import zip_longest

LONGEST = 255
"""Most bytes of a word, check bytes included."""

_EXP = [1] * 510
for _i in range(1, 510):
    _EXP[_i] = _EXP[_i - 1] << 1 ^ (0x11D if _EXP[_i - 1] & 0x80 else 0)
_LOG = {_EXP[_i]: _i for _i in range(255)}


def encode(message: bytes, checks: int) -> bytes:
    """Append check bytes to a message. Raises ValueError for more than LONGEST bytes in all."""
    if len(message) + checks > LONGEST:
        raise ValueError(f"a word must have at most {LONGEST} bytes, got {len(message) + checks}")
    generator = [1]
    for i in range(checks):
        generator = _multiply(generator, [1, _EXP[i]])
    rest = [*message, *[0] * checks]
    for i in range(len(message)):
        if factor := rest[i]:
            for j, g in enumerate(generator[1:], i + 1):
                rest[j] ^= _times(g, factor)
    return message + bytes(rest[len(message) :])


def decode(word: bytes, checks: int) -> tuple[bytes, int] | None:
    """Return the message of a word and the number of wrong bytes; None where too many are wrong."""
    size = len(word) - checks
    syndromes = [_at(word, _EXP[i]) for i in range(checks)]
    if not any(syndromes):
        return word[:size], 0
    locator = _locator(syndromes)
    # Powers of 2 that stand for wrong bytes: the inverse roots of Λ.
    wrong = [x for x in range(len(word)) if _at(locator[::-1], _EXP[(255 - x) % 255]) == 0]
    if not 2 * len(wrong) == 2 * (len(locator) - 1) <= checks:
        return None
    # Forney: the error at X is X Ω(1/X) / Λ'(1/X), for generators whose first root is 2^0.
    evaluator = _multiply(syndromes[::-1], locator[::-1])[-checks:]  # Ω, highest power first
    slopes = [c if i % 2 else 0 for i, c in enumerate(locator)][:0:-1]  # Λ', highest power first
    repaired = bytearray(word)
    for x in wrong:
        inverse = _EXP[(255 - x) % 255]
        slope = _at(slopes, inverse)
        if slope == 0:
            return None
        repaired[len(word) - 1 - x] ^= _times(_EXP[x], _divide(_at(evaluator, inverse), slope))
    if any(_at(repaired, _EXP[i]) for i in range(checks)):
        return None
    return bytes(repaired[:size]), len(wrong)


def _locator(syndromes: Sequence[int]) -> list[int]:
    """Shortest Λ, lowest power first, that generates the syndromes (Berlekamp and Massey)."""
    current, previous = [1], [1]
    length, gap, last = 0, 1, 1
    for i in range(len(syndromes)):
        discrepancy = 0
        for coefficient, syndrome in zip(current, syndromes[i::-1], strict=False):
            discrepancy ^= _times(coefficient, syndrome)
        if discrepancy == 0:
            gap += 1
            continue
        factor = _divide(discrepancy, last)
        shifted = [0] * gap + [_times(factor, p) for p in previous]
        changed = [a ^ b for a, b in zip_longest(current, shifted, fillvalue=0)]
        if 2 * length <= i:
            previous, last, gap, length = current, discrepancy, 1, i + 1 - length
        else:
            gap += 1
        current = changed
    return (current + [0] * length)[: length + 1]


def _at(polynomial: Sequence[int], x: int) -> int:
    """Value of a polynomial, highest power first."""
    value = 0
    for coefficient in polynomial:
        value = _times(value, x) ^ coefficient
    return value


def _multiply(a: Sequence[int], b: Sequence[int]) -> list[int]:
    product = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] ^= _times(x, y)
    return product


def _times(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def _divide(a: int, b: int) -> int:
    return _EXP[_LOG[a] - _LOG[b] + 255] if a else 0

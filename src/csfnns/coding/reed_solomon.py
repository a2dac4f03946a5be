"""Reed-Solomon codes over bytes: some check bytes behind a message correct half as many wrong bytes anywhere.

I. S. Reed and G. Solomon, "Polynomial codes over certain finite fields", J. SIAM 8 (1960); decoded after J. L. Massey,
"Shift-register synthesis and BCH decoding", IEEE Trans. Information Theory 15 (1969), and G. D. Forney, "On decoding
BCH codes", IEEE Trans. Information Theory 11 (1965). The field is GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, the
generator's roots are 2^0, 2^1, …
"""

from collections.abc import Sequence

LONGEST = 255
"""Bytes of a word, check bytes included."""

_EXP = [1] * 510
for _i in range(1, 510):
    _EXP[_i] = _EXP[_i - 1] << 1 ^ (0x11D if _EXP[_i - 1] & 0x80 else 0)
_LOG = {_EXP[_i]: _i for _i in range(255)}


def encode(message: bytes, checks: int) -> bytes:
    """Message with so many check bytes behind it, LONGEST in all at most."""
    if len(message) + checks > LONGEST:
        raise ValueError(f"a word has {LONGEST} bytes at most, not {len(message) + checks}")
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
    """Message of a word and how many bytes were wrong; None where more are wrong than can be corrected."""
    syndromes = [_at(word, _EXP[i]) for i in range(checks)]
    if not any(syndromes):
        return word[: len(word) - checks], 0
    locator = _locator(syndromes)
    errors = len(locator) - 1
    if 2 * errors > checks:
        return None
    n = len(word)
    places = [i for i in range(n) if _at(locator[::-1], _EXP[(255 - (n - 1 - i)) % 255]) == 0]
    if len(places) != errors:
        return None
    # Forney: the error at X is X Ω(1/X) / Λ'(1/X), for generators whose first root is 2^0.
    evaluator = _multiply(syndromes[::-1], locator[::-1])[-checks:]  # Ω, highest power first
    repaired = bytearray(word)
    for i in places:
        x = (n - 1 - i) % 255
        inverse = _EXP[(255 - x) % 255]
        slope = 0
        for power in range(1, len(locator), 2):
            slope ^= _times(locator[power], _power(inverse, power - 1))
        if slope == 0:
            return None
        repaired[i] ^= _times(_EXP[x], _divide(_at(evaluator, inverse), slope))
    if any(_at(repaired, _EXP[i]) for i in range(checks)):
        return None
    return bytes(repaired[: n - checks]), errors


def _locator(syndromes: Sequence[int]) -> list[int]:
    """Shortest Λ, lowest power first, that the syndromes obey (Berlekamp and Massey)."""
    current, previous = [1], [1]
    length, gap, last = 0, 1, 1
    for i, syndrome in enumerate(syndromes):
        discrepancy = syndrome
        for j in range(1, length + 1):
            discrepancy ^= _times(current[j] if j < len(current) else 0, syndromes[i - j])
        if discrepancy == 0:
            gap += 1
            continue
        factor = _divide(discrepancy, last)
        shifted = [0] * gap + [_times(factor, p) for p in previous]
        size = max(len(current), len(shifted))
        changed = [
            (current[k] if k < len(current) else 0) ^ (shifted[k] if k < len(shifted) else 0)
            for k in range(size)
        ]
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


def _power(a: int, n: int) -> int:
    return _EXP[_LOG[a] * n % 255] if a else int(n == 0)

"""Erasure code: of k pieces and any number of parity pieces, any k give all back.

A Cauchy matrix (J. Blömer, M. Kalfane, R. Karp, M. Karpinski, M. Luby and D. Zuckerman, "An XOR-based erasure-resilient
coding scheme", ICSI TR-95-048, 1995) over GF(2^16) modulo x^16 + x^12 + x^3 + x + 1. Pieces are words of 16 bits,
big-endian. Parity piece j is the sum of all piece_i / (i ⊕ (65535 - j)).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

U16 = npt.NDArray[np.uint16]
I32 = npt.NDArray[np.int32]

MOST_PIECES = 65535
"""Of data and parity together."""

_ORDER = 65535  # of the field's multiplicative group
_POLYNOMIAL = 0x1100B


class Parity:
    """Parity pieces that grow while pieces pass: in memory are these alone."""

    def __init__(self, numbers: Sequence[int], size: int) -> None:
        """Parity pieces of these numbers, 0 or more, of pieces of `size` bytes, which is even."""
        self._numbers = numbers
        self._sums = np.zeros((len(numbers), size // 2), np.uint16)

    def add(self, index: int, piece: bytes) -> None:
        """Add the piece of an index, 0 or more."""
        logs = _logs(np.frombuffer(piece, ">u2"))
        for row, number in enumerate(self._numbers):
            self._sums[row] ^= _times(logs, _inverse(_difference(index, number)))

    def piece(self, number: int) -> bytes:
        """The parity piece of a number."""
        return self._sums[self._numbers.index(number)].astype(">u2").tobytes()


def recover(
    missing: Sequence[int], parity: Mapping[int, bytes], others: Iterable[tuple[int, bytes]]
) -> dict[int, bytes]:
    """Return the missing pieces by their index.

    `parity` has as many parity pieces as are missing, by number; `others` are all pieces that are not, which pass once.
    """
    numbers = [*parity]
    rest = Parity(numbers, len(next(iter(parity.values()), b"")))
    for index, piece in others:
        rest.add(index, piece)
    sums = [np.frombuffer(parity[j], ">u2") ^ np.frombuffer(rest.piece(j), ">u2") for j in numbers]
    found = _solve([[_inverse(_difference(i, j)) for i in missing] for j in numbers], sums)
    return {i: piece.astype(">u2").tobytes() for i, piece in zip(missing, found, strict=True)}


def _solve(matrix: Sequence[Sequence[int]], sums: Sequence[npt.NDArray[np.uint16]]) -> list[U16]:
    """Solve a square system whose every minor is regular, so that no pivot is 0 (Gauss and Jordan)."""
    n = len(matrix)
    width = n + (len(sums[0]) if n else 0)
    rows = np.empty((n, width), np.uint16)
    for row, coefficients, total in zip(rows, matrix, sums, strict=True):
        row[:n], row[n:] = coefficients, total
    for i in range(n):
        rows[i] = _times(_logs(rows[i]), _inverse(int(rows[i, i])))
        logs = _logs(rows[i])
        for other in range(n):
            if other != i and rows[other, i]:
                rows[other] ^= _times(logs, int(rows[other, i]))
    return [row[n:] for row in rows]


def _difference(index: int, number: int) -> int:
    """What the coefficient of a piece in a parity piece is the inverse of."""
    return index ^ (_ORDER - number)


@cache
def _tables() -> tuple[I32, U16]:
    """Logarithms, and powers of 2; the logarithm of 0 is so large that all powers from there on are 0."""
    powers = np.zeros(4 * _ORDER, np.uint16)
    logs = np.full(_ORDER + 1, 2 * _ORDER, np.int32)
    power = 1
    for i in range(_ORDER):
        powers[i] = powers[i + _ORDER] = power
        logs[power] = i
        power = power << 1 ^ (_POLYNOMIAL if power & 0x8000 else 0)
    return logs, powers


def _logs(piece: npt.NDArray[np.uint16]) -> I32:
    return _tables()[0][piece]


def _times(logs: I32, factor: int) -> U16:
    """Product of elements, given by their logarithms, and a factor other than 0."""
    table, powers = _tables()
    return powers[logs + table[factor]]


def _inverse(element: int) -> int:
    logs, powers = _tables()
    return int(powers[_ORDER - logs[element]])

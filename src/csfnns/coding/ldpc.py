"""Error correction for soft bits: irregular repeat-accumulate codes (Jin, Khandekar, McEliece, ISTC 2000) of any length.

    information bits ─ each in 3 or more checks, at random ─ sums of `check_size` bits ─ running sum ─ parity bits

The parity bits form a staircase, so that encoding takes two lines. Shares and degrees of the bits in many checks are
close to those of ETSI EN 302 307 (DVB-S2), Tables 5 and 7; a seed assigns bits to checks, so there is a code for every
length. Decoding is belief propagation in float32 (sum-product).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csfnns.stream import Seed

Bits = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

ITERATIONS = 100
LEAST_BITS = 88
"""Information bits of a word, at least: with fewer, some bits would belong to more checks than there are."""

_LEAST_DEGREE = 3
_SURE = np.float32(30)  # log-likelihood of a certain bit: tanh is 1 in float32 much earlier


@dataclass(frozen=True, slots=True)
class Rate:
    """Information bits for each bit sent, and the shape of the codes."""

    numerator: int
    denominator: int
    check_size: int
    """Information bits in a check."""
    degree: int
    """Checks of an information bit that belongs to many."""

    def parities(self, bits: int) -> int:
        """Parity bits for this many information bits."""
        return -(-bits * (self.denominator - self.numerator) // self.numerator)


RATES = (Rate(1, 4, 2, 12), Rate(1, 2, 5, 8), Rate(2, 3, 8, 13), Rate(3, 4, 12, 12), Rate(5, 6, 20, 13))
"""Lowest first."""


class Ldpc:
    """The code of a rate for `bits` information bits, LEAST_BITS or more, drawn from a seed."""

    def __init__(self, rate: Rate, bits: int, seed: Seed) -> None:
        if bits < LEAST_BITS:
            raise ValueError(f"bits must be at least {LEAST_BITS}, got {bits}")
        self.bits = bits
        self.length = bits + rate.parities(bits)
        """Bits of a word: information, then parity."""
        self._members = _draw_members(rate, bits, seed)

    def encode(self, bits: Bits) -> Bits:
        """Return the word (length,) of information bits (bits,)."""
        sums = np.bitwise_xor.reduce(bits[self._members], axis=1)
        return np.concatenate([bits, np.bitwise_xor.accumulate(sums)])

    def decode(self, llr: F32) -> Bits | None:
        """Return the information bits of a received word; None if ITERATIONS find no word.

        `llr` (length,) are log P(bit is 0) / P(bit is 1).
        """
        given = np.clip(llr, -_SURE, _SURE).astype(np.float32)
        members, k = self._members, self.bits
        # Messages from each check to its information bits, its own parity bit and the one before.
        messages = np.zeros((len(members), members.shape[1] + 2), np.float32)
        for _ in range(ITERATIONS):
            sums = np.bincount(members.ravel(), messages[:, :-2].ravel(), k).astype(np.float32)
            belief = given + np.concatenate([sums, messages[:, -2]])
            belief[k:-1] += messages[1:, -1]
            bits = (belief < 0).astype(np.uint8)
            if np.array_equal(self.encode(bits[:k]), bits):
                return bits[:k]
            previous = np.concatenate([[_SURE], belief[k:-1]])  # the bit before the first parity bit is 0
            incoming = np.column_stack([belief[members], belief[k:], previous]) - messages
            messages = _check(np.clip(incoming, -_SURE, _SURE))
        return None


def _check(incoming: F32) -> F32:
    """Messages of each check to its bits, (M, D): each bit is the sum of the others."""
    soft = np.tanh(incoming / 2)
    before, after = np.ones_like(soft), np.ones_like(soft)
    np.multiply.accumulate(soft[:, :-1], axis=1, out=before[:, 1:])
    after[:, :-1] = np.multiply.accumulate(soft[:, :0:-1], axis=1)[:, ::-1]
    limit = np.float32(1 - 1e-6)
    sums: F32 = 2 * np.arctanh(np.clip(before * after, -limit, limit))
    return sums


def _draw_members(rate: Rate, bits: int, seed: Seed) -> npt.NDArray[np.int64]:
    """Information bits of each check, (parities, check_size), none twice in one check."""
    checks = rate.parities(bits)
    more = checks * rate.check_size - _LEAST_DEGREE * bits  # left after three for each bit
    degrees = np.full(bits, _LEAST_DEGREE)
    many, rest = divmod(more, rate.degree - _LEAST_DEGREE)
    degrees[:many] = rate.degree
    degrees[many] += rest
    stream = seed.stream()
    places = np.repeat(np.arange(bits), degrees)[stream.permutation(degrees.sum())]
    while len(twice := _repeated(places.reshape(checks, -1))):
        for here, there in zip(twice, stream.integers(len(twice), len(places)), strict=True):
            places[here], places[there] = places[there], places[here]
    return places.reshape(checks, -1)


def _repeated(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Flat indices, in order, of numbers that occur further to the left in their row, too."""
    order = np.argsort(rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, 1)
    row, column = np.nonzero(ranked[:, 1:] == ranked[:, :-1])
    return np.sort(row * rows.shape[1] + order[row, column + 1])

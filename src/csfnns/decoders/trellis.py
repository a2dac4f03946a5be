"""The trellis decoder: a fixed random recurrent decoder, grown from a key, that turns changes of ±1 into coefficients.

Its state is a keyed running sum of δ, and each coefficient reads a random table at that state, one scale after another:

    level l    of variance b = D 2^l, from the largest variance of a coefficient down to D, one after another
               coefficients with a variance above b take part: u = 2b if a higher level coded it, else its own, u ≤ 2b
    state      s ← (s + a_t δ_t) mod S, a_t random and odd; every `memory` sub-pixels s ← 2s mod S, which forgets
    output     ŷ_j ← ŷ_j + g F[o_j + s] once the coefficient is due, g = √(u − b), F a table with heavy tails

The sub-pixels of a level are cut into pieces, each begun from state 0, so that a search can treat them in parallel. A
level gets sub-pixels in proportion to the bits that its coefficients gain. All numbers, values included, are integers, so
that both ends agree to the last bit on every machine. Where C kernels were built, _trellis.c runs the inner loop.

The idea joins a trellis source code with random labels (Pearlman and Chou, "Trellis source codes designed by conventional
and random codes", after Viterbi and Omura 1974) to successive refinement (Equitz and Cover 1991); what is new is that few
changes of a cover walk the trellis instead of bits.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, ROUND_HALF_EVEN, Context, Decimal
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.kernels import find_kernel
from csfnns.stream import Seed

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

OCTAVE = 128
"""Steps of the water level D in an octave: D = 2^(step / OCTAVE - 6) levels²."""
MOST_STATES = 8192
FRACTION = 24
"""Fractional bits of a coefficient, in levels."""
SCALE = 1448
"""1 in units of the table. Its square is 2^21: a squared error without its low 16 bits is in 32nds."""
LARGEST = 16383
"""Largest number of the table: the difference of two fits in 16 bits."""
PIECE, LEAST_PIECE, SIDE_BY_SIDE = 2048, 256, 16

_TABLE = 1 << 16
_EXTRA = 64
_HEAVY = 1 / 20  # share of the table's numbers that are three times as large, so that few changes reach far values
# Memory of levels 0, 1, … 5, and of all above: a short one keeps damage from spreading.
_MEMORY = (16, 16, 8, 8, 8, 8, 4)
_EXACT = Context(60, ROUND_HALF_EVEN, -MAX_EMAX, MAX_EMAX, 1, 0, [], [])


@dataclass(frozen=True)
class Level:
    """One scale: which coefficients gain a number, and after which of the level's sub-pixels."""

    size: int
    """Sub-pixels."""
    memory: int
    moves: I32
    """a_t of each position in a piece, (PIECE,)."""
    coefficients: I32
    """Coefficients that take part, in the order in which they are due, (n,)."""
    strong: npt.NDArray[np.bool_]
    """Whether u = 2b and g = √b; u = √2 b for the others, (n,)."""
    due: I32
    """Number of sub-pixels after which each gains its number, 1…size, rising, (n,)."""
    offsets: I32
    """o_j, (n,)."""
    gains: tuple[int, int]
    """g in units of 2^-FRACTION / SCALE levels: of coefficients that are not strong, and of those that are."""

    @property
    def pieces(self) -> int:
        """Number of equal pieces: of at most PIECE sub-pixels, up to SIDE_BY_SIDE of them of LEAST_PIECE or more."""
        return max(-(-self.size // PIECE), min(SIDE_BY_SIDE, self.size // LEAST_PIECE), 1)

    @cached_property
    def starts(self) -> I64:
        """First sub-pixel of each piece, and the level's size, (pieces + 1,)."""
        return self.size * np.arange(self.pieces + 1, dtype=np.int64) // self.pieces

    @property
    def piece_of(self) -> I32:
        """Piece in which each coefficient is due, (n,)."""
        ends = np.searchsorted(self.due, self.starts, side="right")
        return np.repeat(np.arange(self.pieces, dtype=np.int32), np.diff(ends))

    def states(self, delta: I8, states: int) -> I64:
        """Return the state that each coefficient reads, (n,), for changes (size,)."""
        longest = int(np.diff(self.starts).max())
        blocks = -(-longest // self.memory)
        moved = np.zeros((self.pieces, blocks * self.memory), np.int32)
        inside = np.arange(longest) < np.diff(self.starts)[:, None]
        moved[:, :longest][inside] = delta
        moved[:, :longest] *= self.moves[:longest]
        sums = np.cumsum(moved.reshape(self.pieces, blocks, self.memory), axis=2, dtype=np.int32)
        start = np.zeros((self.pieces, blocks + 1), np.int32)
        for back in range(1, min(blocks, states.bit_length() - 1) + 1):  # older blocks are forgotten
            start[:, back:] += (sums[:, : blocks + 1 - back, -1] & (states - 1)) << back
        piece = self.piece_of
        block, rest = np.divmod(self.due - self.starts[piece], self.memory)
        partial = np.where(rest > 0, sums[piece, np.minimum(block, blocks - 1), rest - 1], 0)
        return (start[piece, block].astype(np.int64) + partial) & (states - 1)


@dataclass(frozen=True)
class TrellisDecoder:
    """Changes (size,) → coefficients (n,), for one receiver's part of one message."""

    levels: Sequence[Level]
    """From the highest to the lowest."""
    table: I16
    """F, in units of 1 / SCALE."""
    size: int
    """Number of sub-pixels."""
    coefficients: int
    """Number of coefficients."""
    states: int
    water: int
    """Step of D."""

    @classmethod
    def grow(cls, seed: Seed, heights: U8, water: int, size: int, states: int) -> "TrellisDecoder":
        """Grow the decoder of coefficients with variances D 2^(height / 2), heights (n,) ≥ 1, from `size` sub-pixels.

        `water` is the step of D, `states` a power of two in 4…MOST_STATES. Every level needs a sub-pixel.
        """
        order = seed.derive("csfnns/2/trellis/order").stream().permutation(len(heights)).astype(np.int32)
        ranked = heights[order].astype(np.int8)
        count = (int(ranked.max(initial=0)) + 1) // 2
        of_height = np.bincount(ranked)
        known = np.arange(len(of_height))
        # Nothing averages out in levels of few coefficients: all get some sub-pixels more.
        extra = min(_EXTRA, size // (4 * _EXTRA))
        halves = [int((of_height * np.clip(known - 2 * level, 0, 2)).sum()) for level in range(count)]  # of bits
        work = np.cumsum(halves[::-1])
        shared = size - extra * count
        ends = [0, *(extra * (i + 1) + int(done) * shared // int(work[-1]) for i, done in enumerate(work))]
        for i in range(1, count + 1):
            ends[i] = max(ends[i], ends[i - 1] + 1)
        for i in range(count, 0, -1):
            ends[i] = min(ends[i], size - (count - i))
        levels = []
        for i, level in enumerate(range(count - 1, -1, -1)):
            stream = seed.derive(f"csfnns/2/trellis/level/{level}").stream()
            there = np.flatnonzero(ranked > 2 * level)
            gain = np.minimum(ranked[there] - np.int8(2 * level), 2)
            own = ends[i + 1] - ends[i]
            done = np.cumsum(gain, dtype=np.int64)
            due = np.maximum(-(-done * own // halves[level]), 1).astype(np.int32)
            moves = np.frombuffer(stream.take(2 * PIECE), "<u2").astype(np.int32) & (states - 1) | 1
            offsets = np.frombuffer(stream.take(2 * len(there)), "<u2").astype(np.int32)
            gains = _gain(water, level, strong=False), _gain(water, level, strong=True)
            memory = _MEMORY[min(level, len(_MEMORY) - 1)]
            levels.append(Level(own, memory, moves, order[there], gain == 2, due, offsets, gains))
        return cls(levels, _table(seed), size, len(heights), states, water)

    def parts(self, sequence: npt.NDArray[np.generic]) -> Iterator[tuple[Level, npt.NDArray[np.generic]]]:
        """Each level with its part of a value per sub-pixel, (size,)."""
        first = 0
        for level in self.levels:
            yield level, sequence[first : first + level.size]
            first += level.size

    def decode(self, delta: I8) -> I64:
        """Changes of any magnitude, (size,) → coefficients (n,) in units of 2^-FRACTION levels."""
        values = np.zeros(self.coefficients, np.int64)
        for level, part in self.parts(delta):
            self.add(values, level, part.astype(np.int8))
        return values // SCALE

    def add(self, values: I64, level: Level, delta: I8) -> None:
        """Decode a level's changes and add the result to the values (n,) in units of 2^-FRACTION / SCALE levels."""
        if (kernel := _kernel()) is not None:
            arrays = level.starts, delta, level.moves, level.due, level.coefficients, level.offsets, level.strong
            pointers = [array.ctypes.data for array in (*arrays, self.table, values)]
            kernel(self.states, level.memory, level.pieces, len(level.due), *level.gains, *pointers)
            return
        read = self.table[level.offsets + level.states(delta, self.states)].astype(np.int64)
        values[level.coefficients] += np.where(level.strong, level.gains[1], level.gains[0]) * read


@cache
def _kernel() -> Any:
    return find_kernel("csfnns_add_level", [ctypes.c_int] * 4 + [ctypes.c_int64] * 2 + [ctypes.c_void_p] * 9)


def water_level(step: int) -> float:
    """D of a step, in levels²."""
    return float(2.0 ** (step / OCTAVE - 6))


def _table(seed: Seed) -> I16:
    stream = seed.derive("csfnns/2/trellis/table").stream()
    size = _TABLE + MOST_STATES
    values = stream.normals(size)
    values = np.where(stream.uniforms(size) < _HEAVY, 3 * values, values) / np.sqrt(1 + 8 * _HEAVY)
    return np.clip(np.rint(SCALE * values), -LARGEST, LARGEST).astype(np.int16)


def _gain(water: int, level: int, *, strong: bool) -> int:
    """g = √(u − b) in units of 2^-FRACTION levels, rounded: decimals have the same digits on every machine."""
    root = Decimal(2)
    for _ in range(OCTAVE.bit_length() - 1):
        root = _EXACT.sqrt(root)  # 2^(1 / OCTAVE)
    variance = _EXACT.multiply(_EXACT.power(root, water), _EXACT.power(Decimal(2), level - 6))
    if not strong:
        variance = _EXACT.multiply(variance, _EXACT.subtract(_EXACT.sqrt(Decimal(2)), Decimal(1)))
    gain = _EXACT.multiply(_EXACT.sqrt(variance), Decimal(1 << FRACTION))
    return int(gain.to_integral_value(ROUND_HALF_EVEN, _EXACT))

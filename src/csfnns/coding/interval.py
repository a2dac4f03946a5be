"""Bits to symbols of given laws, and back: an arithmetic decoder run by the sender, its encoder by the receiver.

Uniform bits, read as the digits of a number in [0, 1), choose symbols with exactly the laws' probabilities; a
receiver who knows the laws gets the bits back from the symbols (J. Rissanen and G. G. Langdon, "Arithmetic coding",
IBM J. Research and Development 23, 1979; used this way round by P. Sallee, "Model-based steganography", IWDW 2003).

A law is a row of cumulative frequencies, 0 = c_0 ≤ c_1 ≤ … ≤ c_S = 2^30, symbol s having the integers c_s … c_{s+1}-1.
Everything is integers, so that both ends agree on every machine. The state is an interval [low, low + span) of a
96-bit window on the bits, with span in 2^64 … 2^96: probabilities are met to 2^-34, and nothing but the last one or
two bits that the symbols determine only in part is lost.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.errors import DamagedError

I64 = npt.NDArray[np.int64]
Rows = npt.NDArray[np.integer[Any]]
"""Which row of some laws is a symbol's, (G,)."""

TOTAL_BITS = 30
TOTAL = 1 << TOTAL_BITS
"""Sum of the frequencies of every law."""

_WINDOW, _WORD = 96, 32
_LEAST = 1 << (_WINDOW - _WORD)
_REST = _LEAST - 1
_ASK = "Ask for the file as it was written."


def nest(laws: I64, members: int) -> I64:
    """Laws of `members` independent symbols taken as one, the first the most significant digit.

    (C, S + 1) → (C, S^members + 1): each symbol's interval is divided as the whole is.
    """
    nested = np.array([[0, TOTAL]], np.int64).repeat(len(laws), axis=0)
    for _ in range(members):
        width = np.diff(nested)[:, :, None]  # (C, S^i, 1)
        inner = nested[:, :-1, None] + (width * laws[:, None, :-1] >> TOTAL_BITS)  # (C, S^i, S)
        nested = np.concatenate([inner.reshape(len(laws), -1), nested[:, -1:]], axis=1)
    return nested


@dataclass(frozen=True)
class Drawn:
    """Symbols that some bits chose."""

    symbols: I64
    """One for each law, or fewer where drawing stopped early."""
    determined: bool
    """Whether the bits follow from the symbols."""


def draw(laws: I64, choice: Rows, stream: bytes, bits: int, *, stop: bool) -> Drawn:
    """Symbols, one of each law `laws[choice[i]]`, that the stream chooses.

    `stream` is uniformly random: the message, its first `bits` bits, and what follows it; zeros follow its end.
    With `stop`, drawing ends as soon as the symbols determine the message. laws (C, S + 1), choice (G,).
    """
    tables = {i: _table(laws[i].tolist()) for i in np.flatnonzero(np.bincount(choice)).tolist()}
    words = _words(stream)
    code, span = 0, 1 << _WINDOW
    for _ in range(_WINDOW // _WORD):
        code = code << _WORD | next(words)
    spare = _WINDOW - bits  # bits of the window behind the message's end: not in it yet while negative
    tail = code & ((1 << spare) - 1) if spare > 0 else 0
    symbols: list[int] = []
    determined = False
    for i in choice.tolist():
        starts, widths, names = tables[i]
        step = span >> TOTAL_BITS
        at = bisect_right(starts, code // step) - 1
        start = starts[at] * step
        code -= start
        span = widths[at] * step if widths[at] else span - start
        symbols.append(names[at])
        # Everything in [low, low + span) begins with the message; low = window's value - code.
        if spare >= 0 and not determined and code <= tail and span - code <= (1 << spare) - tail:
            determined = True
            if stop:
                break
        if span < _LEAST:
            word = next(words)
            span <<= _WORD
            code = code << _WORD | word
            if not determined:
                spare += _WORD
                if spare > 0:
                    tail = tail << _WORD | word & ((1 << min(spare, _WORD)) - 1)
    return Drawn(np.array(symbols, np.int64), determined)


def recover(laws: I64, choice: Rows, symbols: I64, bits: int) -> bytes:
    """First `bits` bits, whole bytes, of the stream that chose these symbols; laws (C, S + 1), choice and symbols (G,).

    Raises DamagedError for a symbol that its law never gives, and for symbols that do not determine so many bits.
    """
    starts, ends = laws[choice, symbols], laws[choice, symbols + 1]
    if np.any(starts == ends):
        raise DamagedError("The picture holds changes that no message makes.", _ASK)
    low, span = 0, 1 << _WINDOW
    words: list[int] = []  # a word can be 2^32: the carry into the one before
    enough = bits // _WORD + 4  # words behind which the message cannot change any more
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        step = span >> TOTAL_BITS
        low += start * step
        span = (end - start) * step if end < TOTAL else span - start * step
        if span < _LEAST:
            words.append(low >> (_WINDOW - _WORD))
            low = (low & _REST) << _WORD
            span <<= _WORD
            if len(words) > enough:
                break
    first = (_join(words) << _WINDOW) + low
    length = _WORD * len(words) + _WINDOW
    common = length - (first ^ (first + span - 1)).bit_length()
    if common < bits:
        raise DamagedError("The picture holds a part of a message only.", _ASK)
    return (first >> (length - bits)).to_bytes(bits // 8, "big")


_Table = tuple[list[int], list[int], list[int]]


def _table(law: Sequence[int]) -> _Table:
    """Starts, widths and names of the symbols that the law gives; the last has width 0: it takes what is left."""
    names = [s for s in range(len(law) - 1) if law[s] < law[s + 1]]
    widths = [law[s + 1] - law[s] for s in names]
    return [law[s] for s in names], [*widths[:-1], 0], names


def _words(stream: bytes) -> Iterator[int]:
    """Words of 32 bits, big-endian, then zeros without end."""
    yield from np.frombuffer(stream + bytes(-len(stream) % 4), ">u4").tolist()
    while True:
        yield 0


def _join(words: Sequence[int]) -> int:
    """Number with these digits of base 2^32, the first the highest; digits may be 2^32 and more."""
    each = np.array(words, np.uint64)
    digits = int.from_bytes((each & np.uint64(2**_WORD - 1)).astype(">u4").tobytes(), "big")
    carries = int.from_bytes((each >> np.uint64(_WORD)).astype(">u4").tobytes(), "big")
    return digits + (carries << _WORD)

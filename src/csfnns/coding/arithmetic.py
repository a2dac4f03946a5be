"""Arithmetic coding of bits as symbols of given distributions: the sender decodes, the receiver encodes.

The sender reads uniform bits as a number in [0, 1) and decodes it into symbols, which so have exactly the given
distributions; a receiver who knows the distributions encodes the symbols and gets the bits back (J. Rissanen and G. G.
Langdon, "Arithmetic coding", IBM J. Research and Development 23, 1979; in this direction P. Sallee, "Model-based
steganography", IWDW 2003).

A distribution is a row of cumulative frequencies 0 = c_0 ≤ c_1 ≤ … ≤ c_S = 2^30; symbol s has the integers
c_s … c_{s+1}-1. Both ends agree on every machine because everything is computed in integers. The state is an interval
[low, low + span) of a 96-bit window, with span in 2^64 … 2^96: probabilities are exact to 2^-34, and only the last one or
two bits, which the symbols determine in part, are lost. Where C kernels were built, _arithmetic.c runs the loops.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.errors import DamagedError
from csfnns.kernels import find_kernel

I64 = npt.NDArray[np.int64]
Rows = npt.NDArray[np.integer[Any]]
"""Row of the distributions for each symbol, (G,)."""

TOTAL_BITS = 30
TOTAL = 1 << TOTAL_BITS
"""Sum of the frequencies of a distribution."""

_WINDOW, _WORD = 96, 32
_LEAST = 1 << (_WINDOW - _WORD)
_REST = _LEAST - 1
_HINT = "Ask for the file as it was written."


def joint(distributions: I64, group_size: int) -> I64:
    """Joint distributions of `group_size` independent symbols, the first the most significant digit.

    (C, S + 1) → (C, S^group_size + 1): each symbol's interval is divided as the whole is.
    """
    nested = np.array([[0, TOTAL]], np.int64).repeat(len(distributions), axis=0)
    for _ in range(group_size):
        width = np.diff(nested)[:, :, None]  # (C, S^i, 1)
        inner = nested[:, :-1, None] + (width * distributions[:, None, :-1] >> TOTAL_BITS)  # (C, S^i, S)
        nested = np.concatenate([inner.reshape(len(distributions), -1), nested[:, -1:]], axis=1)
    return nested


@dataclass(frozen=True)
class Decoded:
    """Symbols that bits were decoded into."""

    symbols: I64
    """One for each row, or fewer where decoding stopped early."""
    determined: bool
    """Whether the symbols determine the message's bits."""


def decode(distributions: I64, rows: Rows, stream: bytes, bits: int, *, stop: bool) -> Decoded:
    """Decode a uniformly random stream into symbols, the i-th of the distribution `distributions[rows[i]]`.

    The first `bits` bits of the stream are the message; zeros follow its end. With `stop`, decoding ends as soon as the
    symbols determine the message. distributions (C, S + 1), rows (G,).
    """
    kernel = _decoder()
    if kernel is None:
        return _decode_in_python(distributions, rows, stream, bits, stop=stop)
    bounds, which = np.ascontiguousarray(distributions, np.int64), np.ascontiguousarray(rows, np.int64)
    words = _words(stream)
    symbols, determined = np.empty(len(which), np.int64), ctypes.c_int()
    about = len(which), words.ctypes.data, len(words), bits, stop, symbols.ctypes.data, ctypes.byref(determined)
    count = kernel(bounds.ctypes.data, bounds.shape[1], which.ctypes.data, *about)
    return Decoded(symbols[:count], bool(determined.value))


def _decode_in_python(distributions: I64, rows: Rows, stream: bytes, bits: int, *, stop: bool) -> Decoded:
    tables = {i: _table(distributions[i].tolist()) for i in np.flatnonzero(np.bincount(rows)).tolist()}
    words = chain(_words(stream).tolist(), repeat(0))
    code, span = 0, 1 << _WINDOW
    for _ in range(_WINDOW // _WORD):
        code = code << _WORD | next(words)
    spare = _WINDOW - bits  # bits of the window after the end of the message, negative until it comes into view
    tail = code & ((1 << spare) - 1) if spare > 0 else 0
    symbols: list[int] = []
    determined = False
    for i in rows.tolist():
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
    return Decoded(np.array(symbols, np.int64), determined)


def encode(distributions: I64, rows: Rows, symbols: I64, bits: int) -> bytes:
    """Return the first `bits` bits, whole bytes, of the stream that `decode` made these symbols of.

    distributions (C, S + 1), rows and symbols (G,). Raises DamagedError for a symbol of probability 0, and for symbols that
    do not determine that many bits.
    """
    starts, ends = distributions[rows, symbols], distributions[rows, symbols + 1]
    if np.any(starts == ends):
        raise DamagedError("The picture holds changes that no message makes.", _HINT)
    most = bits // _WORD + 5  # words after which no carry reaches the message
    words, low, span = (_encode_in_python if _encoder() is None else _encode_in_c)(starts, ends, most)
    first = (_join(words) << _WINDOW) + low
    length = _WORD * len(words) + _WINDOW
    common = length - (first ^ (first + span - 1)).bit_length()
    if common < bits:
        raise DamagedError("The picture holds only a part of a message.", _HINT)
    return (first >> (length - bits)).to_bytes(bits // 8, "big")


def _encode_in_c(starts: I64, ends: I64, most: int) -> tuple[Sequence[int], int, int]:
    words, state = np.empty(most, np.uint64), np.empty(4, np.uint64)
    first, last = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
    pointers = words.ctypes.data, state.ctypes.data
    count = _encoder()(first.ctypes.data, last.ctypes.data, len(first), most, *pointers)
    low, low_rest, span, span_rest = state.tolist()
    return words[:count].tolist(), low << 64 | low_rest, span << 64 | span_rest


def _encode_in_python(starts: I64, ends: I64, most: int) -> tuple[Sequence[int], int, int]:
    """Words, of which one can be 2^32: a carry into the one before; and what is left, low and span."""
    low, span = 0, 1 << _WINDOW
    words: list[int] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        step = span >> TOTAL_BITS
        low += start * step
        span = (end - start) * step if end < TOTAL else span - start * step
        if span < _LEAST:
            words.append(low >> (_WINDOW - _WORD))
            low = (low & _REST) << _WORD
            span <<= _WORD
            if len(words) == most:
                break
    return words, low, span


@cache
def _decoder() -> Any:
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    types = [pointer, integer, pointer, integer, pointer, integer, integer, ctypes.c_int, pointer, pointer]
    return find_kernel("csfnns_decode", types, integer)


@cache
def _encoder() -> Any:
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    return find_kernel("csfnns_encode", [pointer, pointer, integer, integer, pointer, pointer], integer)


def _table(distribution: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Starts, widths and names of the symbols with a frequency; width 0 for the last, which takes what is left."""
    names = [s for s in range(len(distribution) - 1) if distribution[s] < distribution[s + 1]]
    widths = [distribution[s + 1] - distribution[s] for s in names]
    return [distribution[s] for s in names], [*widths[:-1], 0], names


def _words(stream: bytes) -> npt.NDArray[np.uint32]:
    """Words of 32 bits, big-endian; the last is filled up with zeros."""
    return np.frombuffer(stream + bytes(-len(stream) % 4), ">u4").astype(np.uint32)


def _join(words: Sequence[int]) -> int:
    """Number with these digits of base 2^32, the highest first; a digit may be 2^32 or more."""
    each = np.array(words, np.uint64)
    digits = int.from_bytes((each & np.uint64(2**_WORD - 1)).astype(">u4").tobytes(), "big")
    carries = int.from_bytes((each >> np.uint64(_WORD)).astype(">u4").tobytes(), "big")
    return digits + (carries << _WORD)

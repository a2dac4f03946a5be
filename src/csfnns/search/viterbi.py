"""The search of the trellis decoder: the cheapest changes for each piece of a level, exactly, by Viterbi's algorithm.

The cost of a path is the squared errors of its coefficients over b, in 32nds, plus a price for each change. A C kernel
(_viterbi.c) runs the inner loop where it was built; the NumPy form treats pieces side by side and finds the same changes.

A. J. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", IEEE Trans.
Information Theory 13 (1967).
"""

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from itertools import pairwise
from threading import local
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from csfnns.decoders.trellis import FRACTION, I16, LARGEST, SCALE, Level, TrellisDecoder
from csfnns.errors import Cancelled
from csfnns.kernels import find_kernel
from csfnns.process import cores
from csfnns.search import Progress

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

Form = Literal["c", "numpy"]
Adjust = Callable[[I64, I8, float], float]
"""Called with the values (n,) in units of 2^-FRACTION / SCALE levels, the changes (size,) and the factor on the last
level's prices; returns the factor to try next, the same one to finish."""

TRIES = 3
"""Most searches of the last level."""
UNIT = 32
"""Cost of a squared error of b."""
CAP = 0x9FFF
"""Largest cost of a path, and the cost of states that no path reaches."""
FORBIDDEN = 0x5FFF
"""Price of a forbidden change."""
MAX_PRICE = 0x1FFF
"""Largest price of an allowed change."""

_WEAK = np.sqrt(np.sqrt(2) - 1)  # g / √b where u = √2 b: the weight of such a coefficient's error
_GROUP = 64  # pieces that the NumPy form treats at once, for the memory of their choices


def search(
    decoder: TrellisDecoder,
    targets: F64,
    up: U16,
    down: U16,
    *,
    form: Form | None = None,
    adjust: Adjust | None = None,
    progress: Progress | None = None,
) -> I8:
    """Find changes -1, 0 and 1, (size,), that bring the decoder near the targets (n,), in levels, at the least cost.

    `up` and `down` are the prices (size,) of a change of each sub-pixel, in UNITs of b: at most MAX_PRICE, or FORBIDDEN.
    `adjust` may have the last level searched again at other prices, TRIES times in all, which is cheap and moves the
    result a little. `form` is the kernel, by default C where it was built. Raises Cancelled.
    """
    run = _run_c if (form or default_form()) == "c" else _run_numpy
    values = np.zeros(decoder.coefficients, np.int64)
    # One table for coefficients that are strong and, behind it, one for the others.
    table = np.concatenate([decoder.table, np.rint(decoder.table * _WEAK).astype(np.int16)])
    delta = np.zeros(decoder.size, np.int8)
    done = 0
    with _threads() as pool:
        for level in decoder.levels:
            here = slice(done, done + level.size)
            unit = np.where(level.strong, level.gains[1], level.gains[1] * _WEAK) / 2.0**FRACTION  # g
            missing = targets[level.coefficients] - values[level.coefficients] / float(SCALE << FRACTION)
            scaled = np.rint(missing / unit * np.where(level.strong, SCALE, SCALE * _WEAK))
            aims = np.clip(scaled, -LARGEST, LARGEST).astype(np.int16)
            offsets = level.offsets + np.where(level.strong, 0, len(decoder.table)).astype(np.int32)
            starts, before, factor = level.starts, values.copy(), 1.0
            for tries in range(TRIES):
                prices = _scaled(up[here], factor), _scaled(down[here], factor)
                groups = run(level, decoder.states, *prices, aims, offsets, table)
                for first, last, changes in _all(pool, groups):
                    delta[done + starts[first] : done + starts[last]] = changes
                    if progress is not None and progress(done + int(starts[last]), decoder.size) is False:
                        raise Cancelled("The search was cancelled.", "Nothing was written.")
                values[:] = before
                decoder.add(values, level, delta[here])
                if adjust is None or level is not decoder.levels[-1] or tries == TRIES - 1:
                    break
                wanted = adjust(values, delta, factor)
                if wanted == factor:
                    break
                factor = wanted
            done += level.size
    return delta


def _threads() -> "AbstractContextManager[ThreadPoolExecutor | None]":
    try:
        from concurrent.futures import ThreadPoolExecutor
    except RuntimeError:  # the interpreter ends, and takes no new threads
        return nullcontext()
    return ThreadPoolExecutor(cores())


def _all(pool: "ThreadPoolExecutor | None", jobs: "Sequence[Job]") -> "Iterator[tuple[int, int, I8]]":
    """Results of the jobs, in order."""
    if pool is None:
        return (job() for job in jobs)
    try:
        return pool.map(lambda job: job(), jobs)
    except RuntimeError:  # no thread can be started: a limit, or the end of the interpreter
        return (job() for job in jobs)


def _scaled(prices: U16, factor: float) -> U16:
    if factor == 1:
        return prices
    scaled = np.clip(np.rint(np.arange(FORBIDDEN + 1) * factor), 1, MAX_PRICE).astype(np.uint16)
    scaled[FORBIDDEN] = FORBIDDEN
    return scaled[prices]


@cache
def default_form() -> Form:
    """Return "c" where the kernel was built and CSFNNS_KERNEL is not "numpy", else "numpy"."""
    if os.environ.get("CSFNNS_KERNEL") == "numpy":
        return "numpy"
    return "c" if _kernel() is not None else "numpy"


@cache
def _kernel() -> Any:
    return find_kernel("csfnns_search_piece", [ctypes.c_int] * 5 + [ctypes.c_void_p] * 11)


Job = Callable[[], tuple[int, int, I8]]
"""Searches some pieces: returns the first, the one after the last, and their changes."""

_buffers = local()


def _run_c(level: Level, states: int, up: U16, down: U16, aims: I16, offsets: I32, table: I16) -> Sequence[Job]:
    starts = level.starts.tolist()
    ends = np.searchsorted(level.due, level.starts, side="right").tolist()
    due = (level.due - level.starts[level.piece_of]).astype(np.int32)

    def job(piece: int) -> tuple[int, int, I8]:
        first, last = starts[piece], starts[piece + 1]
        a, b = ends[piece], ends[piece + 1]
        changes = np.empty(last - first, np.int8)
        inputs = up[first:last], down[first:last], level.moves, due[a:b], aims[a:b], offsets[a:b], table
        size = last - first
        buffers = getattr(_buffers, "arrays", None)
        if buffers is None or len(buffers[0]) < 4 * states or len(buffers[1]) < size * states:
            lengths = (4 * states, np.uint16), (size * states, np.uint8), (size * states // 2, np.uint8)
            buffers = _buffers.arrays = [np.empty(*each) for each in lengths]
        pointers = (array.ctypes.data for array in (*inputs, changes, *buffers))
        _kernel()(states, level.memory, CAP, size, b - a, *pointers)
        return piece, piece + 1, changes

    return [partial(job, piece) for piece in range(level.pieces)]


def _run_numpy(level: Level, states: int, up: U16, down: U16, aims: I16, offsets: I32, table: I16) -> Sequence[Job]:
    edges = [*range(0, level.pieces, _GROUP), level.pieces]
    windows = np.lib.stride_tricks.sliding_window_view(table, states)

    def job(first: int, last: int) -> tuple[int, int, I8]:
        starts = level.starts[first : last + 1]
        sizes = np.diff(starts)
        span = slice(int(starts[0]), int(starts[-1]))
        longest = int(sizes.max())
        inside = np.arange(longest) < sizes[:, None]  # pieces differ by one sub-pixel at most
        raised, lowered = np.full((2, last - first, longest), FORBIDDEN, np.uint16)
        raised[inside], lowered[inside] = up[span], down[span]
        mine = slice(*np.searchsorted(level.piece_of, [first, last]).tolist())
        piece = level.piece_of[mine] - first
        due = level.due[mine] - starts[piece]
        order = np.argsort(due, kind="stable")
        rounds = np.searchsorted(due[order], np.arange(1, longest + 2))
        piece, aim, offset = piece[order], aims[mine][order], offsets[mine][order]

        half, cap = states // 2, np.uint16(CAP)
        a, b = np.full((2, last - first, 2 * states), cap, np.uint16)  # costs before and behind a step, each twice
        a[:, 0] = a[:, states] = 0
        raised_there, lowered_there = np.empty((2, longest, last - first, states), np.bool_)
        halves = np.empty((longest // level.memory, last - first, half), np.bool_)
        other, best = np.empty((2, last - first, states), np.uint16)
        end = np.empty(last - first, np.int64)
        for t in range(longest):
            if t == longest - 1:
                short = np.flatnonzero(sizes < longest)
                end[short] = a[short, :states].argmin(1)
            move, stay, behind = int(level.moves[t]), a[:, :states], b[:, :states]
            np.add(a[:, states - move : 2 * states - move], raised[:, t, None], out=other)
            np.less(other, stay, out=raised_there[t])
            np.minimum(other, stay, out=best)
            np.add(a[:, move : states + move], lowered[:, t, None], out=other)
            np.less(other, best, out=lowered_there[t])
            np.minimum(best, other, out=behind)
            if (t + 1) % level.memory == 0:
                behind -= behind.min(1, keepdims=True)
                np.less(behind[:, half:], behind[:, :half], out=halves[t // level.memory])
                a[:, 0:states:2] = np.minimum(behind[:, half:], behind[:, :half])
                a[:, 1:states:2] = cap
            else:
                a, b = b, a
            if rounds[t] < rounds[t + 1]:
                _charge(a, states, rounds[t], rounds[t + 1], piece, aim, offset, windows)
            a[:, states:] = a[:, :states]
        long = np.flatnonzero(sizes == longest)
        end[long] = a[long, :states].argmin(1)
        return first, last, _trace(level, states, sizes, end, raised_there, lowered_there, halves)[inside]

    return [partial(job, first, last) for first, last in pairwise(edges) if first < last]


def _charge(a: U16, states: int, first: int, last: int, piece: Any, aim: I16, offset: I32, windows: Any) -> None:
    """Add the errors of the coefficients first…last-1 to the states of their pieces; a piece may have several."""
    while first < last:
        here = piece[first:last]
        once = np.flatnonzero(np.r_[True, here[1:] != here[:-1]]) if last - first > 1 else np.zeros(1, np.int64)
        # One coefficient of each piece in a round: they are sorted by piece.
        rows = here[once]
        error = (aim[first:last][once, None] - windows[offset[first:last][once]]).astype(np.int32)
        error *= error
        error >>= 16
        costs = a[rows, :states] + error.astype(np.uint16)
        a[rows, :states] = np.minimum(costs, np.uint16(CAP))
        if len(once) == last - first:
            return
        rest = np.ones(last - first, np.bool_)
        rest[once] = False
        piece, aim, offset = here[rest], aim[first:last][rest], offset[first:last][rest]
        first, last = 0, len(piece)


def _trace(level: Level, states: int, sizes: Any, end: Any, raised: Any, lowered: Any, halves: Any) -> I8:
    """Changes (pieces, longest) of the best paths, from their end states (pieces,)."""
    rows, s = np.arange(len(sizes)), end.copy()
    changes = np.zeros((len(sizes), len(raised)), np.int8)
    for t in range(len(raised) - 1, -1, -1):
        there = t < sizes
        before = s
        if (t + 1) % level.memory == 0:
            before = s // 2 + np.where(halves[t // level.memory, rows, s // 2], states // 2, 0)
        change = np.where(lowered[t, rows, before], -1, raised[t, rows, before].astype(np.int8))
        before = (before - change * level.moves[t].astype(np.int64)) & (states - 1)
        changes[there, t] = change[there]
        s = np.where(there, before, s)
    return changes

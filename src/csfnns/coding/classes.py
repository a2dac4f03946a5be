"""Counting and sorting of positions by their class, in pieces: NumPy alone makes 64-bit copies of all of them."""

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]

_PIECE = 1 << 16


def count_classes(classes: U16, number: int) -> I64:
    """Count the elements of each class 0…number-1, (number,)."""
    counts = np.zeros(number, np.int64)
    for first in range(0, len(classes), _PIECE):
        counts += np.bincount(classes[first : first + _PIECE], minlength=number)
    return counts


def sum_classes(classes: U16, values: F64, number: int) -> F64:
    """Sum the values (n,) of each class 0…number-1, (number,)."""
    sums = np.zeros(number)
    for first in range(0, len(classes), _PIECE):
        piece = slice(first, first + _PIECE)
        sums += np.bincount(classes[piece], values[piece], number)
    return sums


def sort_by_class(positions: I32, classes: U16, counts: I64) -> I32:
    """Positions (n,) in the order of their classes (n,), and within a class as they were; `counts` is of each class."""
    found = np.empty_like(positions)
    free = np.cumsum(counts) - counts
    for first in range(0, len(positions), _PIECE):
        here = classes[first : first + _PIECE]
        order = np.argsort(here, kind="stable")
        number = np.bincount(here, minlength=len(counts))
        shift = free - np.cumsum(number) + number
        found[np.arange(len(here)) + shift[here[order]]] = positions[first : first + _PIECE][order]
        free += number
    return found

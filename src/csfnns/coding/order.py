"""A keyed order of all sub-pixels of a cover, in linear time: rows and columns are turned against each other.

Each column is moved down by a random number of rows, around the edge, then each row to the right, and so on. Every such
step is a permutation, and after a few of them neighbours are anywhere.
"""

import numpy as np
import numpy.typing as npt

from csfnns.stream import Seed

I32 = npt.NDArray[np.int32]

ROUNDS = 3
BAND = 1 << 20
"""Places that are computed at a time, about."""


def keyed_order(seed: Seed, rows: int, columns: int) -> I32:
    """Permutation of 0…rows * columns - 1; (rows * columns,). Sides up to 2^16; well mixed from 64 on."""
    stream = seed.stream()
    order = np.empty(rows * columns, np.int32)
    shifts = [(stream.integers(columns, rows), stream.integers(rows, columns)) for _ in range(ROUNDS)]
    band = max(1, BAND // columns)
    for first in range(0, rows, band):
        last = min(first + band, rows)
        x = np.tile(np.arange(columns, dtype=np.int32), last - first)
        y = np.repeat(np.arange(first, last, dtype=np.int32), columns)
        for down, right in shifts:
            y += down.astype(np.int32)[x]
            y -= np.where(y >= rows, np.int32(rows), np.int32(0))
            x += right.astype(np.int32)[y]
            x -= np.where(x >= columns, np.int32(columns), np.int32(0))
        order[first * columns : last * columns] = y * np.int32(columns) + x
    return order

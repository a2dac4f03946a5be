"""Layout: which positions of a cover belong to which receiver, and in which keyed order they are used.

A hash of the cover deals all positions into eight partitions, so that everybody who has the cover agrees on them. A
receiver has one partition or more, and an order of their own that follows from their key.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.coding.classes import count_classes, sort_by_class
from csfnns.coding.models import Model
from csfnns.errors import CapacityError
from csfnns.images.io import Picture
from csfnns.stream import Seed

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

PARTITIONS = 8
ALL_PARTITIONS = (1 << PARTITIONS) - 1
"""Mask of all partitions."""
NOBODY = 255
"""Partition of positions that no receiver uses."""
_CHEAP = 16
_ROUNDS = 3
_BAND = 1 << 16  # positions computed at a time, about: what a processor keeps near it


def partitions(cover: Picture) -> U8:
    """Partition 0…7 of each sub-pixel, (n,): the low bits of a keystream seeded with the cover's pixels."""
    return hash_partitions("csfnns/2/direct/partitions", cover, cover.size)


def hash_partitions(label: str, cover: Picture, n: int) -> U8:
    """Partition 0…7 of each of n positions, (n,), from a hash of the label and the cover."""
    seed = Seed(sha256(label.encode() + cover.tobytes()).digest())
    return np.frombuffer(seed.stream().take(n), np.uint8) % PARTITIONS


@dataclass(frozen=True)
class Layout:
    """The positions of a cover in one receiver's order."""

    model: Model
    partition: U8
    """Partition of each position, (n,); NOBODY where none may use it."""
    seed: Seed

    @cached_property
    def order(self) -> I32:
        """All positions in the receiver's order, (n,)."""
        return _shuffled(self.seed.derive("csfnns/2/direct/order"), self.partition.size)

    @cached_property
    def _partition_in_order(self) -> U8:
        return self.partition[self.order]

    def header(self, partition: int) -> I32:
        """Positions of a header in a partition: the first in order of its cheapest sixteenth, (model.header_size,).

        Raises CapacityError where the partition is too small.
        """
        inside = self.order[self._partition_in_order == partition]
        size = self.model.header_size
        if len(inside) < size:
            raise CapacityError("This cover is too small for a message.", "Choose a larger one.")
        cheap = np.argsort(self.model.cost_ranks[inside], kind="stable")[: max(len(inside) // _CHEAP, size)]
        return inside[np.sort(cheap)[:size]]

    def groups(self, mask: int, home: int) -> I32:
        """Positions of the partitions in `mask` without headers', (G, model.group_size), each group of one class.

        With all partitions, one header is left out, in `home`; with fewer, one in each partition, so that no partition
        shows whether it holds the header. What is left over in a class is not used.
        """
        body = self.order[self._used(mask, home)[self.order]]
        classes, size = self.model.classes[body], self.model.group_size
        counts = count_classes(classes, int(classes.max(initial=0)) + 1)
        body = sort_by_class(body, classes, counts)
        fits = counts // size * size
        is_used = np.repeat(np.tile([True, False], len(counts)), np.stack([fits, counts - fits], axis=1).reshape(-1))
        whole = body[is_used].reshape(-1, size)
        return whole[_shuffled(self.seed.derive("csfnns/2/direct/groups"), len(whole))]

    def count_groups(self, mask: int, home: int, number: int) -> I64:
        """Count the positions in `groups` of each class 0…number-1, (number,), without making the groups."""
        size = self.model.group_size
        return count_classes(self.model.classes[self._used(mask, home)], number) // size * size

    def _used(self, mask: int, home: int) -> npt.NDArray[np.bool_]:
        mine = [i for i in range(PARTITIONS) if mask >> i & 1]
        used = np.isin(np.arange(NOBODY + 1), mine)[self.partition]
        for i in [home] if mask == ALL_PARTITIONS else mine:
            used[self.header(i)] = False
        return used


def _shuffled(seed: Seed, n: int) -> I32:
    """Permutation of 0…n-1: the keyed order of the smallest square that holds n, without what is n or more."""
    side = math.isqrt(max(n - 1, 0)) + 1
    order = keyed_order(seed, side, side)
    return order[order < n]


def keyed_order(seed: Seed, rows: int, columns: int) -> I32:
    """Permutation of 0…rows * columns - 1 in linear time. Sides up to 2^16; well mixed from 64 on.

    Each column is rotated by a random number of rows, then each row by a random number of columns, three times over: every
    step is a permutation, and after the last one neighbours are anywhere.
    """
    stream = seed.stream()
    order = np.empty(rows * columns, np.int32)
    shifts = [
        (stream.integers(columns, rows).astype(np.uint32), stream.integers(rows, columns).astype(np.uint32))
        for _ in range(_ROUNDS)
    ]
    height, width = np.uint32(rows), np.uint32(columns)
    band = max(1, _BAND // columns)
    for first in range(0, rows, band):
        last = min(first + band, rows)
        x = np.tile(np.arange(columns, dtype=np.uint32), last - first)
        y = np.repeat(np.arange(first, last, dtype=np.uint32), columns)
        for down, right in shifts:
            y += down[x]
            np.minimum(y, y - height, out=y)  # what is negative becomes large
            x += right[y]
            np.minimum(x, x - width, out=x)
        order[first * columns : last * columns] = y * width + x
    return order

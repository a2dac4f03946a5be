"""Places: which sub-pixels are whose, and in which order. Keyed, so that nobody without the key knows them.

Every sub-pixel belongs to one of eight slots, which a hash of the cover deals out: all who know the cover agree. A
receiver has one slot or more, and goes through them in an order of his own.
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.coding.models import Model
from csfnns.errors import CapacityError
from csfnns.picture import Picture
from csfnns.stream import Seed

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

SLOTS = 8
EVERY = (1 << SLOTS) - 1
"""Mask of all slots."""
_CHEAP = 16


def slots(cover: Picture) -> U8:
    """Slot 0…7 of each sub-pixel, (n,): the low bits of a keystream that the cover's pixels start."""
    seed = Seed(sha256(b"csfnns/1/direct/slots" + cover.tobytes()).digest())
    return np.frombuffer(seed.stream().take(cover.size), np.uint8) % SLOTS


@dataclass(frozen=True)
class Places:
    """One receiver's sub-pixels in a cover."""

    model: Model
    slot: U8
    """Slot of each sub-pixel, (n,)."""
    seed: Seed

    @cached_property
    def order(self) -> I64:
        """All sub-pixels in the receiver's order, (n,)."""
        return self.seed.derive("csfnns/1/direct/order").stream().permutation(self.slot.size)

    @cached_property
    def _slot_in_order(self) -> U8:
        return self.slot[self.order]

    def block(self, slot: int) -> I64:
        """Sub-pixels for a header in that slot: the first in order of its cheapest sixteenth, (model.block,).

        Raises CapacityError where a slot has fewer.
        """
        inside = self.order[self._slot_in_order == slot]
        size = self.model.block
        if len(inside) < size:
            raise CapacityError("This cover is too small for a message.", "Choose a larger one.")
        cheap = np.argsort(self.model.ranks[inside], kind="stable")[: max(len(inside) // _CHEAP, size)]
        return inside[np.sort(cheap)[:size]]

    def groups(self, mask: int, home: int) -> I64:
        """Sub-pixels of the slots in `mask` but for headers', as (G, members), the members of a group of one class.

        Who has all slots keeps those of one header free, others one in each of their slots, so that no slot shows
        whether a header is in it. What is left over in a class is not used.
        """
        mine = [i for i in range(SLOTS) if mask >> i & 1]
        used = np.array([i in mine for i in range(SLOTS)])[self.slot]
        for i in [home] if mask == EVERY else mine:
            used[self.block(i)] = False
        body = self.order[used[self.order]]
        body = body[np.argsort(self.model.classes[body], kind="stable")]
        classes = self.model.classes[body]
        counts = np.bincount(classes)
        rank = np.arange(len(body)) - (np.cumsum(counts) - counts)[classes]
        members = self.model.members
        whole = body[rank < (counts // members * members)[classes]].reshape(-1, members)  # (G, members)
        return whole[self.seed.derive("csfnns/1/direct/groups").stream().permutation(len(whole))]

"""What a cover generator is."""

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from csfnns.picture import Picture
from csfnns.stream import Seed


class CoverGenerator(Protocol):
    """Makes the cover of each message of a key. Settings (size, folder) go to the constructor."""

    exact: bool
    """Whether the bytes are the same on every machine."""

    def __call__(self, key: Seed, message: int) -> Picture:
        """Cover of message 0, 1, 2, … of the cover key, uint8 (height, width, 3).

        Message 0 is the check cover: both ends compare it, it is never sent. Raises CoverError when there is none.
        """
        ...

    def probe(
        self, key: Seed, message: int, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        """Colours of that cover at n pixels, uint8 (n, 3): how a receiver finds the right message quickly.

        Equal to `self(key, message)[rows, columns]`, only faster where the generator allows.
        """
        ...


@runtime_checkable
class Slow(Protocol):
    """A generator whose probes take as long as covers, so that a receiver must not try many numbers."""

    window: int
    """How many numbers on each side of the last known one are worth a look."""

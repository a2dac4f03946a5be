"""Bytes in the parities of changes: four bits cost at most one change at 15 positions.

The bits are the syndrome of a Hamming code (Crandall, "Some notes on steganography", 1998; Westfeld, F5, IH 2001): the
XOR of the numbers 1…15 of those positions that changed by an odd amount.
"""

import numpy as np
import numpy.typing as npt

I8 = npt.NDArray[np.int8]

GROUP = 15
PER_BYTE = 2 * GROUP
"""Positions that hold a byte."""
_NUMBERS = np.arange(1, GROUP + 1, dtype=np.uint8)


def write(data: bytes, signs: I8, flips: npt.NDArray[np.bool_] | None = None) -> I8:
    """Changes (PER_BYTE * len(data),) that hold the bytes; `signs`, -1 or 1, are the directions of possible changes.

    Positions in `flips` change before the bytes are written, so that headers change as often as the rest.
    """
    nibbles = np.frombuffer(data, np.uint8)
    numbers = np.stack([nibbles >> 4, nibbles & 15], 1).reshape(-1)  # (groups,)
    changes = np.zeros((len(numbers), GROUP), np.bool_)
    if flips is not None:
        changes[:] = flips[: changes.size].reshape(changes.shape)
    numbers = numbers ^ np.bitwise_xor.reduce(changes * _NUMBERS, axis=1)
    moved = np.flatnonzero(numbers)
    changes[moved, numbers[moved] - 1] ^= True
    return changes.reshape(-1) * signs[: changes.size]


def read(changes: npt.NDArray[np.signedinteger]) -> bytes:
    """Bytes in changes (PER_BYTE * n,)."""
    odd = (changes.reshape(-1, GROUP) & 1).astype(np.uint8)
    numbers = np.bitwise_xor.reduce(odd * _NUMBERS, axis=1)
    return (numbers[0::2] << 4 | numbers[1::2]).astype(np.uint8).tobytes()

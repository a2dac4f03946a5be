"""HILL costs of changing each sub-pixel: high where its neighbours predict it, low in texture.

Li, Wang, Huang and Li, "A new cost function for spatial image steganography", ICIP 2014: the residual of the Ker-Böhme
filter, averaged over 3x3; its reciprocal, averaged over 15x15. Computed in integers, so that both ends agree.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture

I64 = npt.NDArray[np.int64]
Integers = TypeVar("Integers", npt.NDArray[np.int32], npt.NDArray[np.int64])

LEAST_SIDE = 16
_ONE = 1 << 28
_STEPS = 16  # classes in an octave
_BAND = 1 << 19  # levels computed at a time, about
_REACH = 1 + 1 + 7  # rows above and below on which a cost depends
_FIRST = (1023 + 21) * _STEPS  # class 0 begins at 2^21: no sum is smaller


def hill_costs(cover: Picture) -> I64:
    """Cost of ±1 at each sub-pixel, (H, W, 3), 3289275 … 225 · 2^28; each channel by itself.

    Raises UsageError for sides below 16.
    """
    return np.stack([hill_channel(cover[..., c]) for c in range(3)], axis=-1)


def hill_channel(levels: npt.NDArray[np.uint8]) -> I64:
    """Costs (H, W) of one channel, (H, W). Raises UsageError for sides below 16."""
    height, width = levels.shape
    if min(height, width) < LEAST_SIDE:
        raise UsageError(
            f"The cover's sides must be at least {LEAST_SIDE} pixels, got {width}x{height}.", "Use a larger one."
        )
    costs = np.empty(levels.shape, np.int64)
    rows = max(_BAND // width, LEAST_SIDE)
    for first in range(0, height, rows):  # a band at a time, for the memory of large covers
        top = max(first - _REACH, 0)
        costs[first : first + rows] = _costs(levels[top : first + rows + _REACH])[first - top :][:rows]
    return costs


def _costs(levels: npt.NDArray[np.uint8]) -> I64:
    p = np.pad(levels.astype(np.int32), 1, mode="symmetric")
    across = p[:, :-2] - 2 * p[:, 1:-1] + p[:, 2:]  # (H + 2, W)
    residual = across[:-2] - 2 * across[1:-1] + across[2:]  # (H, W)
    return _box((_ONE // (1 + _box(np.abs(residual), 1))).astype(np.int64), 7)


def cost_classes(costs: I64) -> npt.NDArray[np.uint16]:
    """Class of each cost: 16 to an octave, equally wide within it; class 0 begins at 2^21."""
    # The exponent and the first four digits of the significand, as IEEE 754 stores them.
    digits = costs.astype(np.float64).view(np.int64) >> (52 - 4)
    return (digits - _FIRST).astype(np.uint16)


def class_cost(number: int) -> int:
    """Cost in the middle of a class, which stands for all of it."""
    octave, step = divmod(number, _STEPS)
    return (2 * (_STEPS + step) + 1) << (octave + 21 - 5)


def _box(x: Integers, radius: int) -> Integers:
    """Sum over the (2 radius + 1)² around each element, mirrored at the border: (H, W) → (H, W)."""
    side = 2 * radius + 1
    return _windows(_windows(np.pad(x, radius, mode="symmetric"), side).T, side).T


def _windows(x: Integers, n: int) -> Integers:
    """Sums of n neighbours down the columns, (H, W) → (H - n + 1, W): of two halves, each made from its own halves."""
    if n == 1:
        return x
    half = n // 2
    sums = _windows(x, half)
    sums = sums[:-half] + sums[half:]
    return sums if n % 2 == 0 else sums[:-1] + x[2 * half :]

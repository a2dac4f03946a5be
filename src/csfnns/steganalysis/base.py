"""What a detector is, and what those that estimate a rate of LSB replacement share."""

import math
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from csfnns.picture import Picture

LEVELS = 256

F64 = npt.NDArray[np.float64]


class Detector(Protocol):
    """Judges one picture. Settings and what was learned go to the constructor."""

    def score(self, picture: Picture) -> float:
        """How likely a picture, uint8 (H, W, 3), holds something: in [0, 1], higher for more likely.

        NaN where the picture is too small to tell. Raises UsageError for an array that is no picture.
        """
        ...


def as_rate(estimates: Iterable[float]) -> float:
    """One rate in [0, 1] from the channels' estimates: the size of their mean, at most 1; NaN if any is."""
    mean = float(np.mean(list(estimates)))
    return mean if math.isnan(mean) else min(1.0, abs(mean))


def smaller_root(a: float, b: float, c: float) -> float:
    """Root of ax² + bx + c = 0 with the smaller size; of complex ones the real part; NaN if none is there."""
    square = b * b - 4 * a * c
    if square < 0:
        return -b / (2 * a)
    q = (
        -(b + math.copysign(math.sqrt(square), b)) / 2
    )  # the roots are q / a and c / q, and c / q is the smaller
    if q == 0:
        return 0.0 if a else math.nan
    return c / q


def pair_counts(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> F64:
    """How often level u in `first` meets level v in `second`, at the same place: (256, 256), indexed [u, v]."""
    codes = first.astype(np.intp) * LEVELS + second
    counts = np.bincount(codes.reshape(-1), minlength=LEVELS * LEVELS)
    return counts.reshape(LEVELS, LEVELS).astype(np.float64)

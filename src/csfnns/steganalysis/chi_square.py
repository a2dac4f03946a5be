"""Chi-square attack: whether the levels 2k and 2k + 1 are as frequent as each other, as replaced lowest bits are.

Westfeld and Pfitzmann, "Attacks on steganographic systems", Information Hiding 1999. It sees messages that fill the
picture from its beginning; of bits at random places only those that fill nearly all.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.picture import Picture, check_picture
from csfnns.steganalysis.base import F64, LEVELS

_BLOCK = 1024  # levels by which the sample grows
_LEAST = 4  # expected count that a pair of levels must exceed


@dataclass(frozen=True)
class ChiSquare:
    """Mean probability of embedding over growing samples, from the picture's first levels to all of them."""

    def score(self, picture: Picture) -> float:
        """About the share that a message from the beginning fills; NaN if no two pairs of levels are frequent enough.

        Levels are read row by row, three channels to a pixel, into one histogram. Raises UsageError for an array that
        is no picture.
        """
        check_picture(picture)
        statistic, degrees = _statistics(_histograms(picture.reshape(-1)))
        known = degrees > 0
        return float(chi_square_tail(statistic[known], degrees[known]).mean()) if known.any() else math.nan


def _histograms(levels: Picture) -> F64:
    """Histograms of the first 1024, 2048, … levels; of all where there are fewer: (N, 256)."""
    blocks = max(1, levels.size // _BLOCK)
    size = min(_BLOCK, levels.size)
    codes = levels[: blocks * size].reshape(blocks, size) + LEVELS * np.arange(blocks)[:, None]
    counts = np.bincount(codes.reshape(-1), minlength=blocks * LEVELS).reshape(blocks, LEVELS)
    return counts.cumsum(axis=0).astype(np.float64)


def _statistics(counts: F64) -> tuple[F64, npt.NDArray[np.intp]]:
    """Of histograms (N, 256), χ² of the even levels against their pairs' means, and degrees of freedom: (N,)."""
    even, expected = counts[:, ::2], (counts[:, ::2] + counts[:, 1::2]) / 2  # (N, 128)
    frequent = expected > _LEAST
    terms = np.where(frequent, (even - expected) ** 2 / np.where(frequent, expected, 1), 0)
    return terms.sum(axis=1), np.maximum(frequent.sum(axis=1) - 1, 0)


def chi_square_tail(statistic: F64, degrees: npt.NDArray[Any]) -> F64:
    """Probability that χ² with 1…127 degrees of freedom exceeds the statistic: both (N,), result in [0, 1].

    By the finite sums for half the degrees whole (Abramowitz & Stegun 26.4.5) and not (26.4.4).
    """
    half = np.maximum(statistic, 1e-300) / 2
    odd = degrees % 2
    order = np.arange(LEVELS // 4)[None] + odd[:, None] / 2  # (N, 64): 0, 1, … or ½, 3/2, …
    logarithm = order * np.log(half)[:, None] - half[:, None] - _log_factorials()[odd]
    terms = np.where(order < degrees[:, None] / 2, np.exp(logarithm), 0)
    first = np.array([math.erfc(math.sqrt(value)) for value in half]) * odd
    return np.minimum(first + terms.sum(axis=1), 1)


@cache
def _log_factorials() -> F64:
    """Logarithms of Γ(s + 1) for s = 0, 1, … and for s = ½, 3/2, …: (2, 64)."""
    orders = range(LEVELS // 4)
    return np.array([[math.lgamma(s + 1 + offset) for s in orders] for offset in (0, 0.5)])

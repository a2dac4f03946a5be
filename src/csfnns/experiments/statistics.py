"""Means with their intervals, and what scores of detectors say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, stdev

import numpy as np

# 97.5 % quantiles of Student's t with 1…10 degrees of freedom.
_SMALL = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139)

FOUND = 0.55
"""Accuracy from which a scheme counts as detected."""

Scores = Sequence[float | None]
"""Of pictures, in [0, 1]; None for a picture that the detector cannot score."""


@dataclass(frozen=True)
class Estimate:
    """Mean over pictures with the half width of its 95 % t-interval."""

    mean: float
    half_width: float | None
    """None where it is unknown: one picture, or an infinite value."""
    values: tuple[float, ...]

    @property
    def count(self) -> int:
        """Pictures."""
        return len(self.values)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean ± t(n - 1) s / √n of at least one value."""
    count, every = len(values), tuple(values)
    if count < 2 or not all(map(math.isfinite, values)):
        return Estimate(fmean(values), None, every)
    return Estimate(fmean(values), t_quantile(count - 1) * stdev(values) / math.sqrt(count), every)


def t_quantile(freedom: int) -> float:
    """97.5 % quantile of Student's t, to 1e-5 (Abramowitz & Stegun, 26.7.5, above 10 degrees of freedom)."""
    if freedom <= len(_SMALL):
        return _SMALL[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (i + 1) for i, term in enumerate(terms))


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` independent draws (Wilson, J. American Statistical Association 22, 1927)."""
    z = NormalDist().inv_cdf(0.975)
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


def accuracy(covers: Scores, stegos: Scores) -> float:
    """Share of right decisions at 0.5; half for a score of exactly that. Pictures without a score count as covers."""
    c, s = (np.array([0.0 if score is None else score for score in side]) for side in (covers, stegos))
    right = np.concatenate([np.sign(0.5 - c), np.sign(s - 0.5)])
    return float((right + 1).mean() / 2)


def area(covers: Scores, stegos: Scores) -> float:
    """How often a stego scores above a cover, half for ties: the AUC. Pictures without a score rank lowest."""
    c, s = (np.sort([-np.inf if score is None else score for score in side]) for side in (covers, stegos))
    return float((np.searchsorted(c, s, "left") + np.searchsorted(c, s, "right")).mean() / (2 * len(c)))


def crossing(points: Sequence[tuple[float, float]], level: float = FOUND) -> tuple[str, float] | None:
    """Payload at which the accuracy reaches the level, from (payload, accuracy) points; None without points.

    ("=", payload) between two measured payloads, interpolated over their logarithm; ("<", least payload) or
    (">", greatest payload) outside.
    """
    if not points:
        return None
    ordered = sorted(points)
    if ordered[0][1] >= level:
        return "<", ordered[0][0]
    for (low, below), (high, above) in pairwise(ordered):
        if above >= level:
            share = (level - below) / (above - below)
            return "=", low * (high / low) ** share
    return ">", ordered[-1][0]

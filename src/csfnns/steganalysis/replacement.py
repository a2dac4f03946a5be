"""Detectors of LSB replacement: three estimate its rate, one finds where it begins, StegExpose averages all four."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64, Detector

_LEVELS = 256
_U, _V = np.indices((_LEVELS, _LEVELS))


class _Estimator(ABC):
    """Share of the levels whose lowest bit was replaced, estimated for each channel."""

    def score(self, picture: Picture) -> float:
        """Size of the channels' mean estimate, at most 1; NaN if any is. Raises UsageError for a non-picture."""
        check_picture(picture)
        mean = float(np.mean([self.rate(channel) for channel in np.moveaxis(picture, 2, 0)]))
        return mean if math.isnan(mean) else min(1.0, abs(mean))

    @abstractmethod
    def rate(self, levels: npt.NDArray[np.uint8]) -> float:
        """Estimate for one channel, (H, W): may lie outside [0, 1]; NaN where there are too few levels."""


@dataclass(frozen=True)
class PrimarySets(_Estimator):
    """Dumitrescu, Wu and Memon, "On steganalysis of random LSB embedding in continuous-tone images", ICIP 2002.

    Pairs of each level and its right neighbour, in sets that replacement of a lowest bit moves pairs between.
    """

    def rate(self, levels: npt.NDArray[np.uint8]) -> float:
        """Rate p by γ/2 p² + (2|X| − |P|) p + |Y| − |X| = 0 with γ = |W| + |Z|."""
        counts = pair_counts(levels[:, :-1], levels[:, 1:])
        odd = _V % 2 == 1
        x = counts[np.where(odd, _U > _V, _U < _V)].sum()
        y = counts[np.where(odd, _U < _V, _U > _V)].sum()
        gamma = counts[_U // 2 == _V // 2].sum()  # W: both levels of a pair 2k, 2k + 1; Z: equal levels
        return smaller_root(gamma / 2, 2 * x - counts.sum(), y - x)


@dataclass(frozen=True)
class SamplePairs(_Estimator):
    """Dumitrescu, Wu and Wang, "Detection of LSB steganography via sample pair analysis", IEEE TSP 51 (2003).

    All horizontal and vertical neighbours. A pair differs by n, and its halves, rounded down, by m. Among pairs that
    differ by 2m + 1, those whose larger level is even (X) are about as many as those whose larger level is odd (Y),
    until lowest bits are replaced.
    """

    last: int = 30
    """Largest m (j in the paper)."""

    def rate(self, levels: npt.NDArray[np.uint8]) -> float:
        """Rate p by the sum of the paper's quadratic equations for m = 0…j."""
        counts = pair_counts(levels[:, :-1], levels[:, 1:]) + pair_counts(levels[:-1], levels[1:])
        apart, halves = abs(_U - _V), abs(_U // 2 - _V // 2)
        near = (apart % 2 == 1) & (apart <= 2 * self.last + 1)
        larger_is_odd = np.maximum(_U, _V) % 2 == 1
        x, y = counts[near & ~larger_is_odd].sum(), counts[near & larger_is_odd].sum()
        c0, c_last = counts[halves == 0].sum(), counts[halves == self.last + 1].sum()
        d0, d_last = counts[apart == 0].sum(), counts[apart == 2 * self.last + 2].sum()
        return smaller_root((2 * c0 - c_last) / 4, -(2 * d0 - d_last + 2 * (y - x)) / 2, y - x)


@dataclass(frozen=True)
class Rs(_Estimator):
    """Fridrich, Goljan and Du, "Reliable detection of LSB steganography in color and grayscale images", 2001.

    ACM Workshop on Multimedia and Security. Groups are all squares of 2x2 levels; masks are the two diagonals.
    """

    def rate(self, levels: npt.NDArray[np.uint8]) -> float:
        """Rate p by 2(d₁ + d₀)z² + (d₋₀ − d₋₁ − d₁ − 3d₀)z + d₀ − d₋₀ = 0 and p = z / (z − 1/2)."""
        x = levels.astype(np.int16)
        d0, d1 = regular_minus_singular(x, _flip), regular_minus_singular(x ^ 1, _flip)
        n0, n1 = regular_minus_singular(x, _shifted_flip), regular_minus_singular(x ^ 1, _shifted_flip)
        z = smaller_root(2 * (d1 + d0), n0 - n1 - d1 - 3 * d0, d0 - n0)
        return math.inf if z == 0.5 else z / (z - 0.5)


def _flip(levels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """F₁: 0 ↔ 1, 2 ↔ 3, …"""
    return levels ^ 1


def _shifted_flip(levels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """F₋₁: −1 ↔ 0, 1 ↔ 2, …"""
    return ((levels + 1) ^ 1) - 1


def regular_minus_singular(
    levels: npt.NDArray[np.int16], flip: Callable[[npt.NDArray[np.int16]], npt.NDArray[np.int16]]
) -> float:
    """Groups that get rougher minus those that get smoother when `flip` changes one diagonal, then the other."""
    a, b, c, d = (x for row in (levels[:-1], levels[1:]) for x in (row[:, :-1], row[:, 1:]))
    flipped = flip(levels)
    e, f, g, h = (x for row in (flipped[:-1], flipped[1:]) for x in (row[:, :-1], row[:, 1:]))
    before = _roughness(a, b, c, d)
    changes = (_roughness(e, b, c, h) - before, _roughness(a, f, g, d) - before)
    return float(sum(int(np.sign(change).sum(dtype=np.int64)) for change in changes))


def _roughness(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Sum of the differences around squares of levels a b over c d."""
    return abs(a - b) + abs(b - d) + abs(d - c) + abs(c - a)


def pair_counts(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> F64:
    """How often level u in `first` meets level v in `second`, at the same place: (256, 256), indexed [u, v]."""
    codes = first.astype(np.intp) * _LEVELS + second
    counts = np.bincount(codes.reshape(-1), minlength=_LEVELS**2)
    return counts.reshape(_LEVELS, _LEVELS).astype(np.float64)


def smaller_root(a: float, b: float, c: float) -> float:
    """Root of ax² + bx + c = 0 with the smaller size; the real part of complex ones; NaN if there is none."""
    square = b * b - 4 * a * c
    if square < 0:
        return -b / (2 * a)
    q = -(b + math.copysign(math.sqrt(square), b)) / 2  # the roots are q / a and c / q; c / q is the smaller
    if q == 0:
        return 0.0 if a else math.nan
    return c / q


_BLOCK = 1024  # levels by which the sample grows
_LEAST = 4  # expected count that a pair of levels must exceed


@dataclass(frozen=True)
class ChiSquare:
    """Whether the levels 2k and 2k + 1 are equally frequent, as replaced lowest bits make them.

    Westfeld and Pfitzmann, "Attacks on steganographic systems", Information Hiding 1999. It finds messages that fill
    the picture from its beginning; of bits at random places only those that fill nearly all.
    """

    def score(self, picture: Picture) -> float:
        """Mean probability of embedding over growing samples: about the share that a message fills.

        Levels are read row by row, three channels to a pixel, into one histogram. NaN where fewer than two pairs of
        levels are frequent enough. Raises UsageError for an array that is no picture.
        """
        check_picture(picture)
        statistic, degrees = chi_square_statistics(_histograms(picture.reshape(-1)))
        known = degrees > 0
        return float(chi_square_tail(statistic[known], degrees[known]).mean()) if known.any() else math.nan


def _histograms(levels: Picture) -> F64:
    """Histograms of the first 1024, 2048, … levels; of all where there are fewer: (N, 256)."""
    blocks = max(1, levels.size // _BLOCK)
    size = min(_BLOCK, levels.size)
    codes = levels[: blocks * size].reshape(blocks, size) + _LEVELS * np.arange(blocks)[:, None]
    counts = np.bincount(codes.reshape(-1), minlength=blocks * _LEVELS).reshape(blocks, _LEVELS)
    return counts.cumsum(axis=0).astype(np.float64)


def chi_square_statistics(counts: F64) -> tuple[F64, npt.NDArray[np.intp]]:
    """Histograms (N, 256) → χ² of the even levels against their pairs' means, and degrees of freedom: (N,) each.

    Only pairs that are expected more than 4 times count.
    """
    even, expected = counts[:, ::2], (counts[:, ::2] + counts[:, 1::2]) / 2  # (N, 128)
    frequent = expected > _LEAST
    terms = np.where(frequent, (even - expected) ** 2 / np.where(frequent, expected, 1), 0)
    return terms.sum(axis=1), np.maximum(frequent.sum(axis=1) - 1, 0)


def chi_square_tail(statistic: F64, degrees: npt.NDArray[Any]) -> F64:
    """Probability that χ² with 1…127 degrees of freedom exceeds the statistic: both (N,), result in [0, 1].

    By finite sums (Abramowitz & Stegun 26.4.5 for even degrees of freedom, 26.4.4 for odd ones).
    """
    half = np.maximum(statistic, 1e-300) / 2
    odd = degrees % 2
    order = np.arange(_LEVELS // 4)[None] + odd[:, None] / 2  # (N, 64): 0, 1, … or ½, 3/2, …
    logarithm = order * np.log(half)[:, None] - half[:, None] - _log_factorials()[odd]
    terms = np.where(order < degrees[:, None] / 2, np.exp(logarithm), 0)
    first = np.array([math.erfc(math.sqrt(value)) for value in half]) * odd
    return np.minimum(first + terms.sum(axis=1), 1)


@cache
def _log_factorials() -> F64:
    """Logarithms of Γ(s + 1) for s = 0, 1, … and for s = ½, 3/2, …: (2, 64)."""
    return np.array([[math.lgamma(s + 1 + offset) for s in range(_LEVELS // 4)] for offset in (0, 0.5)])


@dataclass(frozen=True)
class StegExpose:
    """Mean of the detectors' scores without those that are NaN. The tool suspects pictures above 0.2.

    Boehm, "StegExpose: a tool for detecting LSB steganography", arXiv 1410.6656 (2014), in its standard mode.
    """

    detectors: Sequence[Detector] = field(default_factory=lambda: (PrimarySets(), ChiSquare(), SamplePairs(), Rs()))

    def score(self, picture: Picture) -> float:
        """Mean score in [0, 1]; NaN where no detector has one. Raises UsageError for an array that is no picture."""
        scores = [detector.score(picture) for detector in self.detectors]
        known = [score for score in scores if not math.isnan(score)]
        return sum(known) / len(known) if known else math.nan

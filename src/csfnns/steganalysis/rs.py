"""RS analysis: the rate of LSB replacement from how flipped bits change the smoothness of small groups.

Fridrich, Goljan and Du, "Reliable detection of LSB steganography in color and grayscale images", ACM Workshop on
Multimedia and Security 2001. Groups are all squares of 2x2 levels, masks the two diagonals.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.picture import Picture, check_picture
from csfnns.steganalysis.base import as_rate, smaller_root

_Levels: TypeAlias = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Rs:
    """Estimated share of levels that were used, mean over channels."""

    def score(self, picture: Picture) -> float:
        """Estimated rate in [0, 1]; NaN below 2x2. Raises UsageError for an array that is no picture."""
        check_picture(picture)
        return as_rate(_rate(x) for x in np.moveaxis(picture.astype(np.int16), 2, 0))


def _rate(levels: _Levels) -> float:
    """Rate p by 2(d₁ + d₀)z² + (d₋₀ − d₋₁ − d₁ − 3d₀)z + d₀ − d₋₀ = 0 and p = z / (z − 1/2)."""
    flipped = _flip(levels)
    d0, d1 = _regular_less_singular(levels, _flip), _regular_less_singular(flipped, _flip)
    n0, n1 = _regular_less_singular(levels, _shifted_flip), _regular_less_singular(flipped, _shifted_flip)
    z = smaller_root(2 * (d1 + d0), n0 - n1 - d1 - 3 * d0, d0 - n0)
    return math.inf if z == 0.5 else z / (z - 0.5)


def _flip(levels: _Levels) -> _Levels:
    """F₁: 0 ↔ 1, 2 ↔ 3, …"""
    return levels ^ 1


def _shifted_flip(levels: _Levels) -> _Levels:
    """F₋₁: −1 ↔ 0, 1 ↔ 2, …"""
    return ((levels + 1) ^ 1) - 1


def _regular_less_singular(levels: _Levels, flip: Callable[[_Levels], _Levels]) -> float:
    """Groups that get rougher less those that get smoother when `flip` changes one diagonal, then the other."""
    a, b, c, d = (x for row in (levels[:-1], levels[1:]) for x in (row[:, :-1], row[:, 1:]))
    flipped = flip(levels)
    e, f, g, h = (x for row in (flipped[:-1], flipped[1:]) for x in (row[:, :-1], row[:, 1:]))
    before = _roughness(a, b, c, d)
    changes = (_roughness(e, b, c, h) - before, _roughness(a, f, g, d) - before)
    return float(sum(int(np.sign(change).sum(dtype=np.int64)) for change in changes))


def _roughness(a: _Levels, b: _Levels, c: _Levels, d: _Levels) -> _Levels:
    """Sum of the differences around squares of levels a b over c d."""
    return abs(a - b) + abs(b - d) + abs(d - c) + abs(c - a)

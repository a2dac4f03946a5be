"""Primary sets: the rate of LSB replacement from neighbours whose order depends on a lowest bit.

Dumitrescu, Wu and Memon, "On steganalysis of random LSB embedding in continuous-tone images", ICIP 2002.
"""

from dataclasses import dataclass

import numpy as np

from csfnns.picture import Picture, check_picture
from csfnns.steganalysis.base import F64, LEVELS, as_rate, pair_counts, smaller_root

_U, _V = np.indices((LEVELS, LEVELS))
_ABOVE, _BELOW = _U > _V, _U < _V
_ODD = _V % 2 == 1
_X = np.where(_ODD, _ABOVE, _BELOW)
_Y = np.where(_ODD, _BELOW, _ABOVE)
_W = (_U ^ _V) == 1  # both values of one pair 2k, 2k + 1
_Z = _U == _V


@dataclass(frozen=True)
class PrimarySets:
    """Estimated share of levels that were used, from each level and its right neighbour, mean over channels."""

    def score(self, picture: Picture) -> float:
        """Estimated rate in [0, 1]; NaN below two columns. Raises UsageError for an array that is no picture."""
        check_picture(picture)
        return as_rate(_rate(pair_counts(x[:, :-1], x[:, 1:])) for x in np.moveaxis(picture, 2, 0))


def _rate(counts: F64) -> float:
    """Rate p by γ/2 p² + (2|X| − |P|) p + |Y| − |X| = 0 with γ = |W| + |Z|."""
    x, y, w, z = (float(counts[members].sum()) for members in (_X, _Y, _W, _Z))
    return smaller_root((w + z) / 2, 2 * x - float(counts.sum()), y - x)

"""Sample pairs: the rate of LSB replacement from the trace sets of neighbouring levels.

Dumitrescu, Wu and Wang, "Detection of LSB steganography via sample pair analysis", IEEE Trans. Signal Processing 51
(2003). A pair differs by n, and its halves, rounded down, by m. Among pairs that differ by 2m + 1, those whose larger
level is even (X) are about as many as those whose larger level is odd (Y), until lowest bits are replaced.
"""

from dataclasses import dataclass

import numpy as np

from csfnns.picture import Picture, check_picture
from csfnns.steganalysis.base import F64, LEVELS, as_rate, pair_counts, smaller_root

_LAST = 30  # j of the paper

_U, _V = np.indices((LEVELS, LEVELS))
_APART = abs(_U - _V)  # n of the sets D_n
_HALVES = abs(_U // 2 - _V // 2)  # m of the sets C_m
_NEAR_AND_ODD = (_APART % 2 == 1) & (_APART <= 2 * _LAST + 1)
_LARGER_IS_ODD = np.maximum(_U, _V) % 2 == 1


@dataclass(frozen=True)
class SamplePairs:
    """Estimated share of levels that were used, from all horizontal and vertical neighbours, mean over channels."""

    def score(self, picture: Picture) -> float:
        """Estimated rate in [0, 1]; NaN for one pixel. Raises UsageError for an array that is no picture."""
        check_picture(picture)
        return as_rate(
            _rate(pair_counts(x[:, :-1], x[:, 1:]) + pair_counts(x[:-1], x[1:]))
            for x in np.moveaxis(picture, 2, 0)
        )


def _rate(counts: F64) -> float:
    """Rate p by the paper's quadratic equations for m = 0…j, added up."""
    x, y, c0, c_last, d0, d_last = (
        float(counts[members].sum())
        for members in (
            _NEAR_AND_ODD & ~_LARGER_IS_ODD,
            _NEAR_AND_ODD & _LARGER_IS_ODD,
            _HALVES == 0,
            _HALVES == _LAST + 1,
            _APART == 0,
            _APART == 2 * _LAST + 2,
        )
    )
    return smaller_root((2 * c0 - c_last) / 4, -(2 * d0 - d_last + 2 * (y - x)) / 2, y - x)

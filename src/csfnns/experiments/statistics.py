"""Mean and interval of a figure over pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

# 97.5 % quantiles of Student's t with 1…10 degrees of freedom.
_SMALL = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139)


@dataclass(frozen=True)
class Estimate:
    """Mean over pictures with the half width of its 95 % t-interval."""

    mean: float
    half_width: float | None
    """None where it is not known: one picture, or an infinite value."""
    count: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean ± t(n - 1) s / √n of at least one value."""
    count = len(values)
    if count < 2 or not all(map(math.isfinite, values)):
        return Estimate(fmean(values), None, count)
    return Estimate(fmean(values), t_quantile(count - 1) * stdev(values) / math.sqrt(count), count)


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

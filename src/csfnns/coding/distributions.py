"""Distributions of the change δ of a sub-pixel, as integer frequencies that both ends agree on.

With costs ρ, the probability of a change is proportional to exp(-ρ/Λ): no other distribution carries as many bits at the
same expected cost (Filler, Judas and Fridrich, "Minimizing additive distortion in steganography using syndrome-trellis
codes", IEEE Trans. Information Forensics and Security 6, 2011). Grain has a discrete normal distribution, clipped at black
and white. Exponentials are floor(2^30 e^-x), computed with enough digits to be exact.
"""

from collections.abc import Sequence
from decimal import MAX_EMAX, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from csfnns.coding.arithmetic import TOTAL, TOTAL_BITS
from csfnns.images.io import Picture
from csfnns.stream import Stream

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

KINDS = 3
"""Kinds of levels for changes of ±1: 0 in between, 1 black (only +1), 2 white (only -1)."""
GRAIN = 3
"""Largest grain, in levels."""
GRAIN_SIGMA = Fraction(1)
"""σ in levels of the grain of decoys, files and pictures: version 1 of the distribution (docs/grain.md)."""

_DIGITS = Context(50, ROUND_HALF_EVEN, -MAX_EMAX, MAX_EMAX, 1, 0, [], [])


def rate_scale(rate: int) -> int:
    """Λ of a rate in 0…65535, which grows by at most 0.1 % a step: a higher rate means more bits and more changes."""
    octave, step = divmod(rate, 1024)
    return (1024 + step) << octave


def kinds(levels: Picture) -> npt.NDArray[np.uint8]:
    """Kind of each level, in the same shape."""
    return (levels == 0) + 2 * (levels == 255).astype(np.uint8)


def change_distributions(costs: Sequence[int], rate: int) -> I64:
    """Distributions of δ = -1, 0, +1 for each cost and kind, (KINDS · C, 4); the kind runs fastest."""
    scale = rate_scale(rate)
    rows = [row for cost in costs for row in _change_distributions(_exp(Fraction(cost, scale)))]
    return np.array(rows, np.int64)


def even_distributions() -> I64:
    """Distributions of δ = -1, 0, +1 in which all values that a kind allows are equally likely, (KINDS, 4)."""
    return np.array(_change_distributions(TOTAL), np.int64)


def _change_distributions(weight: int) -> list[list[int]]:
    """Distribution of each kind, where a change is `weight / 2^30` times as likely as none."""
    both = weight * TOTAL // (TOTAL + 2 * weight)
    one = weight * TOTAL // (TOTAL + weight)
    return [[0, both, TOTAL - both, TOTAL], [0, 0, TOTAL - one, TOTAL], [0, one, TOTAL, TOTAL]]


def grain_classes(levels: Picture) -> npt.NDArray[np.uint8]:
    """Class of each level by its distance to black and white, in the same shape: 0, 1, 2, 3 in between, 4, 5, 6."""
    below = np.minimum(levels, GRAIN)
    return below + GRAIN - np.minimum(255 - levels, GRAIN)


def grain_distributions(sigma: Fraction) -> I64:
    """Distributions of δ = -3…3 for the classes of grain, (7, 8).

    Weights are proportional to exp(-δ²/2σ²); a level that would pass black or white stays on it.
    """
    weights = [_exp(Fraction(delta * delta) / (2 * sigma * sigma)) for delta in range(GRAIN + 1)]
    whole = weights[0] + 2 * sum(weights[1:])
    tail = [weight * TOTAL // whole for weight in weights[:0:-1]]  # δ = -3, -2, -1
    frequencies = [*tail, TOTAL - 2 * sum(tail), *reversed(tail)]
    rows = []
    for number in range(2 * GRAIN + 1):
        lowest, highest = -min(number, GRAIN), min(2 * GRAIN - number, GRAIN)
        clipped = [0] * (2 * GRAIN + 1)
        for i, frequency in enumerate(frequencies):
            clipped[min(max(i - GRAIN, lowest), highest) + GRAIN] += frequency
        rows.append([0, *np.cumsum(clipped).tolist()])
    return np.array(rows, np.int64)


def grain_delta(levels: Picture, sigma: Fraction, stream: Stream) -> npt.NDArray[np.int8]:
    """Draw the grain of each level from `grain_distributions`, in the same shape."""
    draws = (stream.words(levels.size) >> np.uint64(64 - TOTAL_BITS)).astype(np.int64).reshape(levels.shape)
    classes = grain_classes(levels)
    delta = np.zeros(levels.shape, np.int8)
    for i, distribution in enumerate(grain_distributions(sigma)):
        inside = classes == i
        delta[inside] = np.searchsorted(distribution[1:-1], draws[inside], side="right") - GRAIN
    return delta


def entropies(distributions: I64) -> tuple[F64, F64]:
    """Mean and variance of -log2 p of a symbol of each distribution, in bits and bits²; (C,) each."""
    p = np.diff(distributions) / TOTAL
    bits = -np.log2(np.where(p > 0, p, 1))
    mean = (p * bits).sum(1)
    return mean, (p * bits * bits).sum(1) - mean**2


def energies(distributions: I64) -> F64:
    """Mean of δ² under each distribution, (C,); the symbols are -s … s."""
    max_change = distributions.shape[1] // 2 - 1
    return (np.diff(distributions) / TOTAL) @ (np.arange(-max_change, max_change + 1) ** 2.0)


def _exp(x: Fraction) -> int:
    """floor(2^30 e^-x) for x ≥ 0."""
    power = _DIGITS.exp(_DIGITS.divide(Decimal(-x.numerator), Decimal(x.denominator)))
    return int(_DIGITS.multiply(power, Decimal(TOTAL)).to_integral_value(ROUND_FLOOR, _DIGITS))

"""Laws of the change δ of a sub-pixel, as integer frequencies that both ends agree on.

With costs, changes are drawn with probabilities in proportion to exp(-ρ/Λ), ρ being the cost: no other law carries as
many bits at the same expected cost (Filler, Judas and Fridrich, "Minimizing additive distortion in steganography using
syndrome-trellis codes", IEEE Trans. Information Forensics and Security 6, 2011). Grain is a discrete normal law, clipped
to what is left to black or white. Exponentials are floor(2^30 e^-x), computed with enough digits to be exact.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from csfnns.coding.interval import TOTAL, TOTAL_BITS
from csfnns.picture import Picture
from csfnns.stream import Stream

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

KINDS = 3
"""Kinds of levels for changes of ±1: between, black (only +1) and white (only -1)."""
GRAIN = 3
"""Grain is at most this many levels."""

GRAIN_SIGMA = Fraction(1)
"""σ in levels of the grain that decoys, files and pictures share: version 1 of the law (docs/grain.md)."""

_DIGITS = Context(prec=50)


def rate_scale(rate: int) -> int:
    """Λ of a rate 0…65535: more is more bits and more changes, in steps of at most 0.1 %."""
    octave, step = divmod(rate, 1024)
    return (1024 + step) << octave


def kinds(levels: Picture) -> npt.NDArray[np.uint8]:
    """Kind of each level: 0 between, 1 black, 2 white; the same shape."""
    return (levels == 0) + 2 * (levels == 255).astype(np.uint8)


def change_laws(costs: Sequence[int], rate: int) -> I64:
    """Laws of δ = -1, 0, +1 for each cost and kind, (KINDS · C, 4): kinds run fastest."""
    scale = rate_scale(rate)
    return np.array([law for cost in costs for law in _change_laws(_exp(Fraction(cost, scale)))], np.int64)


def even_laws() -> I64:
    """Laws of δ = -1, 0, +1 with all that a kind can be equally likely, (KINDS, 4)."""
    return np.array(_change_laws(TOTAL), np.int64)


def _change_laws(weight: int) -> list[list[int]]:
    """Laws of the kinds for a change `weight / 2^30` times as likely as none."""
    both = weight * TOTAL // (TOTAL + 2 * weight)
    one = weight * TOTAL // (TOTAL + weight)
    return [[0, both, TOTAL - both, TOTAL], [0, 0, TOTAL - one, TOTAL], [0, one, TOTAL, TOTAL]]


def grain_classes(levels: Picture) -> npt.NDArray[np.uint8]:
    """Class of each level, by its distance to black and white: 0, 1, 2, 3 between, 4, 5, 6; the same shape."""
    below = np.minimum(levels, GRAIN)
    return below + GRAIN - np.minimum(255 - levels, GRAIN)


def grain_laws(sigma: Fraction) -> I64:
    """Laws of δ = -3…3 for the classes of grain, (7, 8).

    Weights are in proportion to exp(-δ²/2σ²); a level that would fall beyond black or white stays on it.
    """
    weights = [_exp(Fraction(delta * delta) / (2 * sigma * sigma)) for delta in range(GRAIN + 1)]
    whole = weights[0] + 2 * sum(weights[1:])
    tail = [weight * TOTAL // whole for weight in weights[:0:-1]]  # δ = -3, -2, -1
    frequencies = [*tail, TOTAL - 2 * sum(tail), *reversed(tail)]
    return np.array([_clipped(frequencies, i) for i in range(2 * GRAIN + 1)], np.int64)


def grain_delta(levels: Picture, sigma: Fraction, stream: Stream) -> npt.NDArray[np.int8]:
    """Grain for each level, drawn from the laws of `grain_laws`; the same shape."""
    dice = (stream.words(levels.size) >> np.uint64(64 - TOTAL_BITS)).astype(np.int64).reshape(levels.shape)
    classes = grain_classes(levels)
    delta = np.zeros(levels.shape, np.int8)
    for i, law in enumerate(grain_laws(sigma)):
        inside = classes == i
        delta[inside] = np.searchsorted(law[1:-1], dice[inside], side="right") - GRAIN
    return delta


def _clipped(frequencies: Sequence[int], number: int) -> list[int]:
    """Cumulative law of a class of grain: what would go beyond the lowest or highest δ stays on it."""
    lowest, highest = -min(number, GRAIN), min(2 * GRAIN - number, GRAIN)
    law = [0] * (2 * GRAIN + 1)
    for i, frequency in enumerate(frequencies):
        law[min(max(i - GRAIN, lowest), highest) + GRAIN] += frequency
    return [0, *np.cumsum(law).tolist()]


def entropies(laws: I64) -> tuple[F64, F64]:
    """Mean and variance of -log2 p of one symbol of each law, bits and bits²; (C,) each."""
    p = np.diff(laws) / TOTAL
    bits = -np.log2(np.where(p > 0, p, 1))
    mean = (p * bits).sum(1)
    return mean, (p * bits * bits).sum(1) - mean**2


def energies(laws: I64) -> F64:
    """Mean of δ² under each law, (C,); the symbols are -s … s."""
    reach = laws.shape[1] // 2 - 1
    return (np.diff(laws) / TOTAL) @ (np.arange(-reach, reach + 1) ** 2.0)


def _exp(x: Fraction) -> int:
    """floor(2^30 e^-x) for x ≥ 0."""
    power = _DIGITS.exp(_DIGITS.divide(Decimal(-x.numerator), Decimal(x.denominator)))
    return int(_DIGITS.multiply(power, Decimal(TOTAL)).to_integral_value(ROUND_FLOOR))

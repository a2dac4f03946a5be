"""Models: the distribution of each sub-pixel's change, and how many bits the changes carry at each rate."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from csfnns.coding.classes import count_classes
from csfnns.coding.distributions import (
    GRAIN,
    KINDS,
    change_distributions,
    entropies,
    even_distributions,
    grain_classes,
    grain_distributions,
    kinds,
)
from csfnns.coding.hill import class_cost, cost_classes, hill_channel
from csfnns.images.io import Picture

I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]

ModelName = Literal["cost", "uniform", "grain"]

RATES = 1 << 16
"""Rates are 0…RATES-1."""


@dataclass(frozen=True)
class Model:
    """Distribution of the change δ at each of n positions.

    Positions are the sub-pixels of a picture row by row, the channel running fastest, or the coefficients of a JPEG file.
    """

    max_change: int
    """δ is in -max_change…max_change."""
    group_size: int
    """Number of positions of one class that are coded as one symbol."""
    cost_ranks: U16
    """How expensive a change is, (n,). Headers go to cheap positions."""
    classes: U16
    """Row of `distributions` for each position, (n,)."""
    distributions: Callable[[int], I64]
    """Distributions at a rate in 0…65535, (C, 2 max_change + 2)."""
    header_size: int
    """Number of positions that hold any header."""
    header_classes: U16
    """Row of `header_distributions` for each position, (n,)."""
    header_distributions: I64
    """Distributions at the positions of a header, (B, 2 max_change + 2)."""


def make_model(name: ModelName, cover: Picture, sigma: Fraction) -> Model:
    """Model of a cover, uint8 (H, W, 3). `sigma` is that of grain, in levels. Raises UsageError for sides below 16."""
    if name == "grain":
        return _grain_model(cover, sigma)
    costs = np.zeros(cover.shape, np.uint16)
    if name == "cost":
        for channel in range(3):
            costs[..., channel] = cost_classes(hill_channel(cover[..., channel]))
    return change_model(costs.reshape(-1), kinds(cover).reshape(-1).astype(np.uint16))


def change_model(costs: U16, kind: U16) -> Model:
    """Model of changes of ±1 at positions of these cost classes and kinds, (n,) each."""
    found = count_classes(costs, int(costs.max(initial=0)) + 1) > 0
    ranks = (np.cumsum(found) - 1).astype(np.uint16)[costs]  # among the classes that occur
    prices = [class_cost(int(number)) for number in np.flatnonzero(found)]
    return Model(
        max_change=1,
        group_size=5,
        cost_ranks=ranks,
        classes=KINDS * ranks + kind,
        distributions=lambda rate: change_distributions(prices, rate),
        header_size=128,  # 104 bits of a header at 1 bit or more each: fails once in 2^24
        header_classes=kind,
        header_distributions=even_distributions(),
    )


def _grain_model(cover: Picture, sigma: Fraction) -> Model:
    classes = grain_classes(cover).reshape(-1).astype(np.uint16)
    distributions = grain_distributions(sigma)
    return Model(
        max_change=GRAIN,
        group_size=3,
        cost_ranks=np.zeros(classes.size, np.uint16),
        classes=classes,
        distributions=lambda rate: distributions,
        header_size=1024,  # 0.16 bits or more each, with σ = 0.5 on black and white
        header_classes=classes,
        header_distributions=distributions,
    )


def capacity(model: Model, counts: I64, rate: int, deviations: float) -> float:
    """Bits carried at a rate by `counts` positions of each class, (C,), less some standard deviations."""
    mean, variance = entropies(model.distributions(rate))
    # The variance of equal chances is 0, and rounding may leave it negative.
    return float(counts @ mean - deviations * np.sqrt(max(float(counts @ variance), 0.0)))


def least_rate(model: Model, counts: I64, bits: float, deviations: float) -> int:
    """Lowest rate whose `capacity` is at least `bits`; RATES if there is none."""
    return bisect_left(range(RATES), bits, key=lambda rate: capacity(model, counts, rate, deviations))

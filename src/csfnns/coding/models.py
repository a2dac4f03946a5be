"""Models: how the changes of a cover's sub-pixels are distributed."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from csfnns.coding.costs import class_cost, cost_classes, cost_map
from csfnns.coding.laws import (
    GRAIN,
    KINDS,
    change_laws,
    even_laws,
    grain_classes,
    grain_laws,
    kinds,
)
from csfnns.picture import Picture

I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]

ModelName = Literal["cost", "uniform", "grain"]


@dataclass(frozen=True)
class Model:
    """Law of each sub-pixel's δ. Sub-pixels are numbered row by row, the channel running fastest: n in all."""

    reach: int
    """δ is in -reach…reach."""
    members: int
    """So many sub-pixels of one class are coded as one symbol."""
    ranks: U16
    """(n,): how dear a sub-pixel is. Headers go to cheap ones."""
    classes: U16
    """(n,): which row of `laws` is a sub-pixel's."""
    laws: Callable[[int], I64]
    """Laws at a rate 0…65535, (C, 2 reach + 2)."""
    block: int
    """Sub-pixels that hold a header whatever it is."""
    block_classes: U16
    """(n,): which row of `block_laws` is a sub-pixel's, should it hold a part of a header."""
    block_laws: I64
    """Laws of a header's sub-pixels, (B, 2 reach + 2)."""


def make_model(name: ModelName, cover: Picture, sigma: Fraction) -> Model:
    """Model of that name for a cover, uint8 (H, W, 3); `sigma` is of the grain. Raises UsageError for tiny covers."""
    if name == "grain":
        return _grain(cover, sigma)
    costs = cost_classes(cost_map(cover)) if name == "cost" else np.zeros(cover.shape, np.uint16)
    return _changes(cover, costs)


def _changes(cover: Picture, costs: U16) -> Model:
    """±1 with probabilities that follow the costs' classes, (H, W, 3)."""
    found = np.bincount(costs.reshape(-1)) > 0
    row = np.cumsum(found) - 1  # of each class of costs that there is
    kind = kinds(cover).reshape(-1).astype(np.uint16)
    prices = [class_cost(int(number)) for number in np.flatnonzero(found)]
    ranks = row[costs.reshape(-1)].astype(np.uint16)
    return Model(
        reach=1,
        members=5,
        ranks=ranks,
        classes=KINDS * ranks + kind,
        laws=lambda rate: change_laws(prices, rate),
        block=128,  # 104 bits of a header at 1 bit at least, and a failure in 2^24 even then
        block_classes=kind,
        block_laws=even_laws(),
    )


def _grain(cover: Picture, sigma: Fraction) -> Model:
    """δ is grain, whatever the message."""
    classes = grain_classes(cover).reshape(-1).astype(np.uint16)
    laws = grain_laws(sigma)
    return Model(
        reach=GRAIN,
        members=3,
        ranks=np.zeros(classes.size, np.uint16),
        classes=classes,
        laws=lambda rate: laws,
        block=1024,  # 0.16 bits each at least, with σ = 0.5 on black and white
        block_classes=classes,
        block_laws=laws,
    )

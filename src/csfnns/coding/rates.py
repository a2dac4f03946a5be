"""Rates: how many bits sub-pixels carry at each, and which rate a message needs. The sender's own affair."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from csfnns.coding.laws import energies, entropies
from csfnns.coding.models import Model

I64 = npt.NDArray[np.int64]

RATES = 1 << 16
_PEAK = 255.0


def carried(model: Model, counts: I64, rate: int, deviations: float) -> float:
    """Bits that so many sub-pixels of each class carry at a rate, less some standard deviations; counts (C,)."""
    mean, variance = entropies(model.laws(rate))
    # Of laws with equal chances the variance is 0, and rounding may leave it below.
    return float(counts @ mean - deviations * np.sqrt(max(float(counts @ variance), 0.0)))


def least_rate(model: Model, counts: I64, bits: float, deviations: float) -> int:
    """Lowest rate that carries so many bits, less some standard deviations; RATES where none does."""
    return _first(lambda rate: carried(model, counts, rate, deviations) >= bits)


def capacity_at(model: Model, counts: I64, psnr: float, deviations: float) -> float:
    """Bits that are carried, less some standard deviations, where the stego has that PSNR in dB or a better one."""
    size = model.classes.size
    most = _PEAK**2 * 10 ** (-psnr / 10) * size
    rate = _first(lambda rate: float(counts @ energies(model.laws(rate))) > most) - 1
    return carried(model, counts, rate, deviations) if rate >= 0 else 0.0


def _first(holds: Callable[[int], bool]) -> int:
    """First rate for which a condition holds that then goes on holding; RATES if there is none."""
    low, high = 0, RATES
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from csfnns.coding.distributions import energies
from csfnns.coding.models import RATES, Model, capacity, capacity_at, least_rate, make_model
from csfnns.images.io import Picture

Scene = Callable[..., Picture]


@pytest.fixture
def model(scene: Scene) -> Model:
    return make_model("cost", scene(64, 64, 5), Fraction(1))


@pytest.fixture
def counts(model: Model) -> np.ndarray:
    return np.bincount(model.classes, minlength=len(model.distributions(0)))


def test_the_least_rate_carries_the_bits_and_the_one_below_does_not(model: Model, counts: np.ndarray) -> None:
    rate = least_rate(model, counts, 5000, 2)
    assert capacity(model, counts, rate, 2) >= 5000 > capacity(model, counts, rate - 1, 2)


def test_no_rate_carries_more_than_three_values_hold(model: Model, counts: np.ndarray) -> None:
    assert least_rate(model, counts, 64 * 64 * 3 * 1.6, 0) == RATES


def test_capacity_at_a_fidelity_just_keeps_it(model: Model, counts: np.ndarray) -> None:
    bits = capacity_at(model, counts, 56, 0)
    mse = 255**2 * 10**-5.6
    rate = least_rate(model, counts, bits, 0)
    assert counts @ energies(model.distributions(rate)) <= mse * 64 * 64 * 3
    assert counts @ energies(model.distributions(rate + 1)) > mse * 64 * 64 * 3


def test_grain_of_one_level_cannot_keep_more_than_48_db(scene: Scene) -> None:
    model = make_model("grain", scene(64, 64, 5), Fraction(1))
    counts = np.bincount(model.classes, minlength=7)
    assert capacity_at(model, counts, 50, 0) == 0
    assert capacity_at(model, counts, 48, 0) > 20_000

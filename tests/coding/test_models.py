from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from csfnns.coding.models import RATES, Model, capacity, least_rate, make_model
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

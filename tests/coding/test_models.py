from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from csfnns.coding.models import RATES, Model, capacity, change_model, least_rate, make_model
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


def test_a_cost_class_of_a_single_position_has_a_rank() -> None:
    costs = np.array([7, 0, 0, 3, 3], np.uint16)
    assert change_model(costs, np.zeros(5, np.uint16)).cost_ranks.tolist() == [2, 0, 0, 1, 1]

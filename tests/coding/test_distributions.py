from fractions import Fraction
from itertools import pairwise
from math import erf, exp

import numpy as np
import pytest

from csfnns.coding.arithmetic import TOTAL
from csfnns.coding.distributions import (
    change_distributions,
    energies,
    entropies,
    even_distributions,
    grain_classes,
    grain_delta,
    grain_distributions,
    kinds,
    rate_scale,
)
from csfnns.coding.hill import class_cost
from csfnns.stream import Seed


def floor_exp(x: Fraction) -> int:
    """floor(2^30 e^-x) from the series of e^x, in fractions."""
    total = term = Fraction(1)
    for k in range(1, 400):
        term = term * x / k
        total += term
    return int(TOTAL / total)


@pytest.mark.parametrize("rate", [0, 12345, 22000, 24321, 31000, 65535])
def test_changes_are_as_likely_as_their_cost_says(rate: int) -> None:
    costs = [class_cost(number) for number in (0, 71, 130, 236)]
    between, black, white = np.diff(change_distributions(costs, rate)).reshape(4, 3, 3).transpose(1, 0, 2)
    for i, cost in enumerate(costs):
        x = Fraction(cost, rate_scale(rate))
        weight = floor_exp(x) if x < 60 else 0
        both, one = weight * TOTAL // (TOTAL + 2 * weight), weight * TOTAL // (TOTAL + weight)
        assert between[i].tolist() == [both, TOTAL - 2 * both, both]
        assert black[i].tolist() == [0, TOTAL - one, one]
        assert white[i].tolist() == [one, TOTAL - one, 0]


def test_rates_go_from_nothing_to_all_that_three_values_hold() -> None:
    costs = [class_cost(number) for number in range(236)]
    bits = [entropies(change_distributions(costs, rate))[0][::3] for rate in range(0, 65536, 4369)]
    assert bits[0].max() == 0
    np.testing.assert_allclose(bits[-1], np.log2(3), atol=1e-8)
    assert all((more > less - 1e-8).all() for less, more in pairwise(bits))


def test_kinds_are_what_room_a_level_has() -> None:
    assert kinds(np.array([0, 1, 128, 254, 255], np.uint8)).tolist() == [1, 0, 0, 0, 2]


def test_even_distributions_are_even() -> None:
    np.testing.assert_allclose(
        np.diff(even_distributions()) / TOTAL, [[1 / 3] * 3, [0, 0.5, 0.5], [0.5, 0.5, 0]], atol=1e-8
    )


@pytest.mark.parametrize("sigma", [Fraction(1, 2), Fraction(7, 10), Fraction(2)])
def test_grain_is_a_discrete_normal_law(sigma: Fraction) -> None:
    weights = np.array([exp(-(k * k) / (2 * float(sigma) ** 2)) for k in range(-3, 4)])
    np.testing.assert_allclose(np.diff(grain_distributions(sigma))[3] / TOTAL, weights / weights.sum(), atol=1e-8)


def test_grain_of_one_level_is_nearly_a_rounded_normal_law() -> None:
    edges = np.array([erf((k - 0.5) / 2**0.5) / 2 for k in range(-3, 5)])
    np.testing.assert_allclose(np.diff(grain_distributions(Fraction(1)))[3] / TOTAL, np.diff(edges), atol=0.02)


@pytest.mark.parametrize("level", [0, 1, 2, 3, 128, 252, 253, 254, 255])
def test_grain_beyond_black_and_white_stays_on_them(level: int) -> None:
    free, own = np.diff(grain_distributions(Fraction(1)))[[3, grain_classes(np.array([level], np.uint8))[0]]]
    expected = np.zeros(7, np.int64)
    for delta, frequency in zip(range(-3, 4), free, strict=True):
        expected[min(max(level + delta, 0), 255) - level + 3] += frequency
    assert own.tolist() == expected.tolist()


def test_drawn_grain_has_the_laws() -> None:
    levels = np.repeat(np.array([0, 2, 90, 255], np.uint8), 20_000)
    delta = grain_delta(levels, Fraction(1), Seed(bytes(32)).stream()).reshape(4, -1)
    for own, law in zip(delta, np.diff(grain_distributions(Fraction(1)))[[0, 2, 3, 6]], strict=True):
        expected = 20_000 * law / TOTAL
        counts = np.bincount(own.astype(int) + 3, minlength=7)
        assert (counts[expected == 0] == 0).all()
        seen = expected > 0
        assert ((counts - expected)[seen] ** 2 / expected[seen]).sum() < 22.5  # 6 degrees of freedom, 0.001


def test_entropy_and_energy_of_laws_that_are_known() -> None:
    quarter = np.array([[0, TOTAL // 4, 3 * TOTAL // 4, TOTAL]], np.int64)
    mean, variance = entropies(quarter)
    assert (mean[0], variance[0], energies(quarter)[0]) == (1.5, 0.25, 0.5)

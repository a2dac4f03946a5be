import math

import numpy as np
import pytest
from scipy import stats

from csfnns.experiments.statistics import estimate, t_quantile


@pytest.mark.parametrize("freedom", [*range(1, 40), 99, 999])
def test_the_quantile_is_students(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-5)


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).normal(40, 2, 20)
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    found = estimate(values.tolist())
    assert found.half_width is not None
    assert found.mean - found.half_width == pytest.approx(low, abs=1e-5)
    assert found.mean + found.half_width == pytest.approx(high, abs=1e-5)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(2)
    held = 0
    for _ in range(2000):
        found = estimate(random.normal(0, 1, 5).tolist())
        assert found.half_width is not None
        held += abs(found.mean) <= found.half_width
    assert 0.93 < held / 2000 < 0.97


@pytest.mark.parametrize("values", [[3.0], [1.0, math.inf]])
def test_where_the_spread_is_not_known_there_is_no_interval(values: list[float]) -> None:
    assert estimate(values).half_width is None

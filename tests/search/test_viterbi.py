import itertools

import numpy as np
import pytest

from csfnns.decoders.trellis import FRACTION, SCALE, TrellisDecoder, water_level
from csfnns.errors import Cancelled
from csfnns.search import viterbi
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
WATER = 320

needs_kernel = pytest.mark.skipif(viterbi.default_form() != "c", reason="no C compiler built the kernel")


def problem(coefficients: int, places: int, states: int, seed: int = 0) -> tuple[TrellisDecoder, np.ndarray]:
    """A decoder of coefficients of several heights, and targets of their variances."""
    draw = np.random.default_rng(seed)
    heights = np.clip(draw.exponential(3, coefficients) + 1, 1, 14).astype(np.uint8)
    decoder = TrellisDecoder.grow(SEED, heights, WATER, places, states)
    return decoder, draw.standard_normal(coefficients) * np.sqrt(water_level(WATER) * 2.0 ** (heights / 2))


def prices(places: int, price: int = 150) -> tuple[np.ndarray, np.ndarray]:
    return np.full(places, price, np.uint16), np.full(places, price, np.uint16)


def error(decoder: TrellisDecoder, targets: np.ndarray, delta: np.ndarray) -> float:
    return float(np.mean((targets - decoder.decode(delta) / 2.0**FRACTION) ** 2)) / water_level(WATER)


@needs_kernel
@pytest.mark.parametrize(
    ("coefficients", "places", "states"),
    [(1, 40, 4), (3, 90, 16), (100, 3000, 64), (900, 9001, 256), (3000, 25013, 1024), (9000, 8000, 128)],
)
def test_the_kernel_and_numpy_find_the_same_changes(coefficients: int, places: int, states: int) -> None:
    decoder, targets = problem(coefficients, places, states)
    draw = np.random.default_rng(1)
    up, down = draw.integers(1, 500, (2, places)).astype(np.uint16)
    up[draw.random(places) < 0.1] = viterbi.FORBIDDEN
    down[draw.random(places) < 0.1] = viterbi.FORBIDDEN
    found = {form: viterbi.search(decoder, targets, up, down, form=form) for form in ("c", "numpy")}
    assert np.array_equal(found["c"], found["numpy"])
    assert not np.any(found["c"][up == viterbi.FORBIDDEN] == 1)
    assert not np.any(found["c"][down == viterbi.FORBIDDEN] == -1)


def test_the_changes_are_the_best_there_are() -> None:
    # One level of ten places: all 3^10 changes are tried.
    heights = np.array([1, 2, 2, 1], np.uint8)
    decoder = TrellisDecoder.grow(SEED, heights, WATER, 10, 16)
    targets = np.array([0.7, -1.1, 2.3, 0.4]) * np.sqrt(water_level(WATER))
    up, down = np.array([[40, 90, 20, 60, 70, 30, 80, 50, 60, 40], [60, 20, 70, 30, 40, 90, 50, 60, 20, 80]], np.uint16)

    def cost(delta: np.ndarray) -> float:
        missing = targets - decoder.decode(delta) / 2.0**FRACTION
        return float(
            viterbi.UNIT * (missing**2).sum() / water_level(WATER)
            + np.where(delta > 0, up, np.where(delta < 0, down, 0)).sum()
        )

    best = min(cost(np.array(each, np.int8)) for each in itertools.product((-1, 0, 1), repeat=10))
    found = cost(viterbi.search(decoder, targets, up, down, form="numpy"))
    assert best <= found <= best + len(targets)  # squares lose less than a unit each


def test_dearer_changes_are_fewer_and_bring_less() -> None:
    decoder, targets = problem(1500, 20000, 256)
    found = [viterbi.search(decoder, targets, *prices(20000, price)) for price in (60, 150, 400)]
    shares = [float((delta != 0).mean()) for delta in found]
    errors = [error(decoder, targets, delta) for delta in found]
    assert shares[0] > 1.2 * shares[1] > 1.4 * shares[2]
    assert errors[0] < errors[1] < errors[2]


def test_the_search_is_as_good_as_a_code_of_its_size() -> None:
    decoder, targets = problem(6000, 90000, 256)
    delta = viterbi.search(decoder, targets, *prices(90000))
    assert error(decoder, targets, delta) < 1.2
    assert float((delta != 0).mean()) < 0.06


def test_changes_go_where_they_are_cheap() -> None:
    decoder, targets = problem(3000, 40000, 256)
    up, down = prices(40000)
    up[::2] *= 2
    down[::2] *= 2
    delta = viterbi.search(decoder, targets, up, down)
    dear, cheap = (float((part != 0).mean()) for part in (delta[::2], delta[1::2]))
    assert cheap > 5 * dear


@pytest.mark.parametrize("form", ["numpy", pytest.param("c", marks=needs_kernel)])
def test_the_last_level_may_be_searched_again_at_other_prices(form: viterbi.Form) -> None:
    decoder, targets = problem(600, 9000, 64)

    def tried(growth: float) -> list[tuple[float, np.ndarray]]:
        """Factors and changes of every search, where each is to be `growth` times as dear as the one before."""
        seen: list[tuple[float, np.ndarray]] = []

        def adjust(values: np.ndarray, delta: np.ndarray, factor: float) -> float:
            assert np.array_equal(values // SCALE, decoder.decode(delta))
            seen.append((factor, delta.copy()))
            return growth * factor

        found = viterbi.search(decoder, targets, *prices(9000), form=form, adjust=adjust)
        return [*seen, (growth ** len(seen), found)]

    (_, first), (_, same) = tried(1)
    assert np.array_equal(first, same)
    factors, deltas = zip(*tried(2), strict=True)
    assert factors == (1, 2, 4)
    last = decoder.levels[-1].size
    assert all(np.array_equal(delta[:-last], first[:-last]) for delta in deltas)
    counts = [np.count_nonzero(delta[-last:]) for delta in deltas]
    assert counts[0] > counts[1] > counts[2]


def test_progress_reaches_the_end_and_can_cancel() -> None:
    decoder, targets = problem(600, 9000, 64)
    seen: list[tuple[int, int]] = []
    viterbi.search(decoder, targets, *prices(9000), progress=lambda done, all_of: seen.append((done, all_of)))
    assert seen == sorted(seen)
    assert seen[-1] == (9000, 9000)
    with pytest.raises(Cancelled):
        viterbi.search(decoder, targets, *prices(9000), progress=lambda done, all_of: False)


def test_without_a_kernel_numpy_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viterbi, "_kernel", lambda: None)
    viterbi.default_form.cache_clear()
    try:
        assert viterbi.default_form() == "numpy"
    finally:
        monkeypatch.undo()
        viterbi.default_form.cache_clear()

from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest

from csfnns.decoders import trellis
from csfnns.decoders.trellis import FRACTION, OCTAVE, PIECE, SCALE, Level, TrellisDecoder, water_level
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))


def grow(coefficients: int = 500, size: int = 30_000, states: int = 256, seed: Seed = SEED) -> TrellisDecoder:
    heights = (1 + np.arange(coefficients) % 19).astype(np.uint8)
    return TrellisDecoder.grow(seed, heights, 300, size, states)


def changes(size: int, share: float = 0.1) -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.choice([-1, 0, 1], size, p=[share / 2, 1 - share, share / 2]).astype(np.int8)


def walked(level: Level, delta: np.ndarray, states: int) -> list[int]:
    """States that each coefficient reads, by walking through the sub-pixels one after another."""
    starts = level.starts.tolist()
    after: dict[int, int] = {}
    for first, last in pairwise(starts):
        state = 0
        for t in range(first, last):
            state = (state + int(level.moves[t - first]) * int(delta[t])) % states
            if (t - first + 1) % level.memory == 0:
                state = 2 * state % states
            after[t + 1] = state
    return [after[int(due)] for due in level.due]


@pytest.mark.parametrize(("coefficients", "size", "states"), [(1, 20, 4), (40, 700, 16), (500, 30_000, 1024)])
def test_states_are_the_running_sum_that_forgets(coefficients: int, size: int, states: int) -> None:
    decoder = grow(coefficients, size, states)
    delta = changes(size)
    for level, part in decoder.parts(delta):
        assert level.states(part.astype(np.int8), states).tolist() == walked(level, part, states)


@pytest.mark.parametrize(("coefficients", "size", "states"), [(1, 20, 4), (40, 700, 16), (500, 30_000, 1024)])
@pytest.mark.parametrize("form", ["c", "numpy"])
def test_values_are_sums_of_table_entries(
    coefficients: int, size: int, states: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "numpy":
        monkeypatch.setattr(trellis, "_kernel", lambda: None)
    elif trellis._kernel() is None:
        pytest.skip("the C kernels were not built")
    decoder = grow(coefficients, size, states)
    delta = np.random.default_rng(1).integers(-128, 128, decoder.size).astype(np.int8)  # damage has any magnitude
    values = [0] * decoder.coefficients
    for level, part in decoder.parts(delta):
        for i, state in enumerate(walked(level, part, decoder.states)):
            gain = level.gains[int(level.strong[i])]
            values[level.coefficients[i]] += gain * int(decoder.table[level.offsets[i] + state])
    assert decoder.decode(delta).tolist() == [value // SCALE for value in values]


def test_levels_share_the_size_by_what_they_say() -> None:
    decoder = grow()
    sizes = [level.size for level in decoder.levels]
    bits = [int(level.strong.sum()) + int((~level.strong).sum()) / 2 for level in decoder.levels]
    assert sum(sizes) == decoder.size
    extra = 64  # of each: with few coefficients nothing averages out
    shared = decoder.size - extra * len(sizes)
    assert np.allclose((np.array(sizes) - extra) / shared, np.array(bits) / sum(bits), atol=0.001)


def test_each_level_halves_the_variance() -> None:
    decoder = grow()
    gains = [level.gains[1] / 2.0**FRACTION for level in decoder.levels]
    assert gains[-1] == pytest.approx(np.sqrt(water_level(300)), rel=1e-6)
    assert np.allclose(np.array(gains[:-1]) / gains[1:], np.sqrt(2), rtol=1e-6)


def test_a_coefficient_takes_part_from_its_own_level_down() -> None:
    heights = np.array([1, 2, 3, 4], np.uint8)
    decoder = TrellisDecoder.grow(SEED, heights, 300, 400, 16)
    part = {int(m): bool(s) for m, s in zip(decoder.levels[0].coefficients, decoder.levels[0].strong, strict=True)}
    assert part == {2: False, 3: True}
    part = {int(m): bool(s) for m, s in zip(decoder.levels[1].coefficients, decoder.levels[1].strong, strict=True)}
    assert part == {0: False, 1: True, 2: True, 3: True}


def test_a_change_matters_to_its_neighbours_only() -> None:
    decoder = grow(3000, 60_000)
    delta = changes(decoder.size, 0.05)
    moved = delta.copy()
    moved[-30_000] += 1
    assert 0 < int((decoder.decode(delta) != decoder.decode(moved)).sum()) < 60


def test_other_keys_and_heights_give_other_decoders() -> None:
    delta = changes(30_000)
    first = grow().decode(delta)
    assert float((grow(seed=Seed(bytes(32))).decode(delta) == first).mean()) < 0.05


def test_the_table_has_heavy_tails_and_unit_variance() -> None:
    table = grow(1, 20).table / SCALE
    assert table.std() == pytest.approx(1, abs=0.01)
    assert float(np.mean(table**4)) == pytest.approx(7.65, abs=0.8)  # 3 for a normal distribution


def test_small_levels_get_a_place_each() -> None:
    heights = np.full(1, 40, np.uint8)
    decoder = TrellisDecoder.grow(SEED, heights, 0, 25, 16)
    assert [level.size >= 1 for level in decoder.levels] == [True] * 20
    assert sum(level.size for level in decoder.levels) == 25


def test_pieces_are_even_and_short() -> None:
    for level in grow(2000, 90_000).levels:
        sizes = np.diff(level.starts)
        assert sizes.max() - sizes.min() <= 1
        assert sizes.max() <= PIECE


def test_decoded_values_are_the_same_on_every_machine() -> None:
    values = grow().decode(changes(30_000))
    assert sha256(values.astype("<i8").tobytes()).hexdigest()[:16] == "c265e14305660157"


def test_water_levels_are_fine_steps() -> None:
    assert water_level(6 * OCTAVE) == 1
    assert 10 * np.log10(water_level(301) / water_level(300)) == pytest.approx(0.0235, abs=0.001)

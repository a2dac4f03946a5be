"""Primary sets, sample pairs, RS, chi-square and StegExpose: on known rates, and on pictures worked out by hand."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from csfnns.images.io import Picture, read_picture
from csfnns.steganalysis import ChiSquare, Detector, PrimarySets, Rs, SamplePairs, StegExpose
from csfnns.steganalysis.replacement import (
    chi_square_statistics,
    chi_square_tail,
    regular_minus_singular,
    smaller_root,
)

Scene = Callable[..., Picture]
ESTIMATES = pytest.mark.parametrize("kind", [PrimarySets, SamplePairs, Rs])


def replaced(cover: Picture, rate: float, seed: int = 0) -> Picture:
    """Random lowest bits at a share of random places."""
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2, cover.shape, np.uint8)
    return np.where(random.random(cover.shape) < rate, (cover & 254) | bits, cover)


def scenes(scene: Scene, count: int = 6) -> list[Picture]:
    """Synthetic pictures with grain, so that neighbours differ."""
    grain = np.random.default_rng(0).normal(0, 2, (count, 256, 256, 3))
    return [np.clip(np.rint(scene(256, 256, i) + g), 0, 255).astype(np.uint8) for i, g in enumerate(grain)]


def kodak(data: Path, count: int) -> list[Path]:
    files = sorted((data / "kodak").glob("*.png"))[:count]
    if not files:
        pytest.skip(f"no pictures in {data / 'kodak'}")
    return files


def mean_score(detector: Detector, pictures: Iterable[Picture]) -> float:
    return float(np.mean([detector.score(each) for each in pictures]))


def root(a: float, b: float, c: float) -> float:
    """The smaller root of ax² + bx + c = 0 by NumPy's eigenvalues; the real part of complex ones."""
    return float(min(np.roots([a, b, c]), key=abs).real)


def grey(levels: object) -> Picture:
    """Picture with the same levels in its three channels."""
    return np.repeat(np.asarray(levels, np.uint8)[..., None], 3, axis=2)


@ESTIMATES
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.8])
def test_the_rate_of_replacement_is_estimated(kind: type, rate: float, scene: Scene) -> None:
    stegos = [replaced(each, rate, i) for i, each in enumerate(scenes(scene))]
    assert mean_score(kind(), stegos) == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize("kind", [SamplePairs, Rs])
@pytest.mark.parametrize("rate", [0.1, 0.4, 0.8])
def test_the_rate_is_estimated_from_photographs(kind: type, rate: float, data: Path) -> None:
    files = kodak(data, 12)
    stegos = [replaced(read_picture(path)[:384, :384], rate, i) for i, path in enumerate(files)]
    assert mean_score(kind(), stegos) == pytest.approx(rate, abs=0.05)


@ESTIMATES
def test_steps_of_one_in_either_direction_are_not_replacement(kind: type, scene: Scene) -> None:
    """These detectors see that 2k goes up and 2k + 1 goes down, not that levels change."""
    random = np.random.default_rng(0)
    moved = [np.clip(each + random.integers(-1, 2, each.shape), 0, 255).astype(np.uint8) for each in scenes(scene)]
    assert mean_score(kind(), moved) < 0.06


def test_rs_masks_are_the_two_diagonals_of_a_group() -> None:
    """One group of 2x2 by hand: +1 for each mask that makes it rougher, −1 for each that makes it smoother.

    Roughness is the sum of the four differences around the group.
    """
    for group, main, other in (
        ([[4, 4], [4, 4]], 1, 1),  # 5 4 / 4 5 and 4 5 / 5 4: 0 → 4
        ([[5, 4], [4, 5]], -1, -1),  # 4 4 / 4 4 and 5 5 / 5 5: 4 → 0
        ([[4, 4], [4, 6]], 1, 0),  # 5 4 / 4 7: 4 → 8; 4 5 / 5 6: 4 → 4. One mask twice would give 2 or 0
        ([[4, 4], [6, 4]], 0, 1),  # its mirror image
        ([[4, 4], [5, 5]], 0, 0),  # 5 4 / 5 4 and 4 5 / 4 5: 2 → 2; rows as masks would give −2
        ([[4, 5], [4, 5]], 0, 0),  # columns as masks would give −2
    ):
        found = regular_minus_singular(np.array(group, np.int16), lambda x: x ^ 1)
        assert found == main + other, group


def test_rs_agrees_with_groups_counted_one_by_one(scene: Scene) -> None:
    levels = scene(12, 10)[..., 0].astype(int)
    flips = {1: lambda x: x ^ 1, -1: lambda x: ((x + 1) ^ 1) - 1}

    def rough(group: np.ndarray) -> int:
        return int(np.abs(np.diff(group, axis=0)).sum() + np.abs(np.diff(group, axis=1)).sum())

    def counted(x: np.ndarray, flip: Callable[[np.ndarray], np.ndarray]) -> int:
        total = 0
        for i in range(x.shape[0] - 1):
            for j in range(x.shape[1] - 1):
                group = x[i : i + 2, j : j + 2]
                for mask in (np.eye(2, dtype=bool), ~np.eye(2, dtype=bool)):
                    total += int(np.sign(rough(np.where(mask, flip(group), group)) - rough(group)))
        return total

    d0, d1 = counted(levels, flips[1]), counted(levels ^ 1, flips[1])
    n0, n1 = counted(levels, flips[-1]), counted(levels ^ 1, flips[-1])
    z = root(2 * (d1 + d0), n0 - n1 - d1 - 3 * d0, d0 - n0)
    assert Rs().score(grey(levels)) == pytest.approx(min(1, abs(z / (z - 0.5))))


def test_sample_pairs_equations_hold_with_sets_counted_one_by_one(scene: Scene) -> None:
    x = scene(14, 11, 3)[..., 1].astype(int)
    pairs = [*zip(x[:, :-1].flat, x[:, 1:].flat, strict=True), *zip(x[:-1].flat, x[1:].flat, strict=True)]
    a = b = c = 0.0
    for m in range(31):
        share = 2 if m == 0 else 1
        odd = [max(u, v) % 2 for u, v in pairs if abs(u - v) == 2 * m + 1]
        here, above = (sum(abs(u // 2 - v // 2) == k for u, v in pairs) for k in (m, m + 1))
        even, next_even = (sum(abs(u - v) == k for u, v in pairs) for k in (2 * m, 2 * m + 2))
        gain = odd.count(1) - odd.count(0)
        a += (share * here - above) / 4
        b -= (share * even - next_even + 2 * gain) / 2
        c += gain
    assert SamplePairs().score(grey(x)) == pytest.approx(min(1, abs(root(a, b, c))))


def test_chi_square_finds_how_far_a_message_from_the_beginning_reaches(scene: Scene) -> None:
    values = np.random.default_rng(1).choice([0, 2, 3], (256, 256, 3))
    cover = (scene(256, 256) // 4 * 4 + values).astype(np.uint8)
    assert ChiSquare().score(cover) < 0.01
    for share in (0.25, 0.5):
        rows = int(share * 256)
        stego = np.concatenate([replaced(cover[:rows], 1), cover[rows:]])
        assert ChiSquare().score(stego) == pytest.approx(share, abs=0.05)
    assert ChiSquare().score(replaced(cover, 1)) > 0.95


def test_chi_square_counts_pairs_that_are_expected_more_than_four_times() -> None:
    """By hand: (6, 4) gives (6 − 5)²/5 and (9, 1) gives (9 − 5)²/5; (8, 0) is expected 4 times and does not count."""
    histogram = np.zeros((1, 256))
    histogram[0, [10, 11, 20, 21, 30, 31]] = 6, 4, 9, 1, 8, 0
    statistic, degrees = chi_square_statistics(histogram)
    assert (statistic[0], degrees[0]) == (pytest.approx(1 / 5 + 16 / 5), 1)
    histogram[0, 31] = 1  # now expected 4.5 times
    statistic, degrees = chi_square_statistics(histogram)
    assert (statistic[0], degrees[0]) == (pytest.approx(17 / 5 + 3.5**2 / 4.5), 2)
    # A picture of these 20 + 8 levels and two more: 30 levels, one sample.
    levels = [10] * 6 + [11] * 4 + [20] * 9 + [21] + [30] * 8 + [40] * 2
    picture = np.array(levels, np.uint8).reshape(2, 5, 3)
    assert ChiSquare().score(picture) == pytest.approx(chi2.sf(17 / 5, 1))
    # With one pair alone no degree of freedom is left.
    assert math.isnan(ChiSquare().score(np.array([10] * 6 + [11] * 6, np.uint8).reshape(2, 2, 3)))


def test_the_tail_of_chi_square_agrees_with_scipy() -> None:
    random = np.random.default_rng(0)
    degrees = random.integers(1, 128, 500)
    values = random.uniform(0, 300, 500) * (np.arange(500) > 0)
    assert chi_square_tail(values, degrees) == pytest.approx(chi2.sf(values, degrees), abs=1e-12)


def test_stegexpose_finds_replacement_in_photographs(data: Path) -> None:
    covers = [read_picture(path)[:256, :256] for path in kodak(data, 8)]
    for i, cover in enumerate(covers):
        assert StegExpose().score(cover) < StegExpose().score(replaced(cover, 0.3, i))


class Constant:
    """A detector with one score."""

    def __init__(self, score: float) -> None:
        self._score = score

    def score(self, picture: Picture) -> float:
        return self._score


def test_stegexpose_is_the_mean_of_the_scores_that_there_are(scene: Scene) -> None:
    picture = scene(16, 16)
    assert StegExpose([Constant(0.1), Constant(math.nan), Constant(0.5)]).score(picture) == pytest.approx(0.3)
    assert math.isnan(StegExpose([Constant(math.nan)]).score(picture))
    expected = np.mean([kind().score(picture) for kind in (PrimarySets, ChiSquare, SamplePairs, Rs)])
    assert StegExpose().score(picture) == pytest.approx(expected)


def test_estimates_are_averaged_over_channels_and_negative_ones_count_by_size() -> None:
    class Given(SamplePairs):
        """Estimates that the upper left level of each channel chooses."""

        def rate(self, levels: np.ndarray) -> float:
            return (0.1, -0.7, 0.0, 1.5, math.nan)[levels[0, 0]]

    def scored(*channels: int) -> float:
        return Given().score(np.array(channels, np.uint8).reshape(1, 1, 3))

    assert scored(0, 1, 2) == pytest.approx(0.2)
    assert scored(3, 3, 3) == 1
    assert math.isnan(scored(0, 4, 0))


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.1, 10))
def test_the_smaller_root_is_a_root(x: float, y: float, a: float) -> None:
    assert abs(smaller_root(a, -a * (x + y), a * x * y)) == pytest.approx(min(abs(x), abs(y)), abs=1e-5)


def test_roots_in_special_cases() -> None:
    assert smaller_root(0, 2, 1) == -0.5
    assert smaller_root(1, -2, 5) == 1  # 1 ± 2i
    assert smaller_root(3, 0, 0) == 0
    assert math.isnan(smaller_root(0, 0, 1))

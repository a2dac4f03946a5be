"""Primary sets, sample pairs, RS, chi-square and StegExpose: they are asked for rates that are known."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from csfnns.errors import UsageError
from csfnns.picture import Picture, read_picture
from csfnns.steganalysis import (
    DETECTORS,
    NETWORKS,
    UNTRAINED,
    ChiSquare,
    Detector,
    PrimarySets,
    Rs,
    SamplePairs,
    StegExpose,
    make_detector,
)
from csfnns.steganalysis.base import as_rate, smaller_root
from csfnns.steganalysis.chi_square import chi_square_tail

Scene = Callable[..., Picture]
QUANTITATIVE = (PrimarySets, SamplePairs, Rs)
ESTIMATES = pytest.mark.parametrize("kind", QUANTITATIVE)


def replaced(cover: Picture, rate: float, seed: int = 0) -> Picture:
    """Random lowest bits at a share of random places."""
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2, cover.shape, np.uint8)
    return np.where(random.random(cover.shape) < rate, (cover & 254) | bits, cover)


def scenes(scene: Scene, count: int = 6) -> list[Picture]:
    """Made-up pictures with grain, so that neighbours are not equal."""
    random = np.random.default_rng(0)
    grain = random.normal(0, 2, (count, 256, 256, 3))
    return [np.clip(np.rint(scene(256, 256, i) + g), 0, 255).astype(np.uint8) for i, g in enumerate(grain)]


def mean_score(detector: Detector, pictures: Iterable[Picture]) -> float:
    return float(np.mean([detector.score(each) for each in pictures]))


@ESTIMATES
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.8])
def test_the_rate_of_replacement_comes_back(kind: Callable[[], Detector], rate: float, scene: Scene) -> None:
    stegos = [replaced(each, rate, i) for i, each in enumerate(scenes(scene))]
    assert mean_score(kind(), stegos) == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize("kind", [SamplePairs, Rs])
@pytest.mark.parametrize("rate", [0.1, 0.4, 0.8])
def test_the_rate_comes_back_from_photographs(kind: Callable[[], Detector], rate: float, data: Path) -> None:
    files = sorted((data / "kodak").glob("*.png"))
    if not files:
        pytest.skip(f"no pictures in {data / 'kodak'}")
    stegos = [replaced(read_picture(path)[:384, :384], rate, i) for i, path in enumerate(files[:12])]
    assert mean_score(kind(), stegos) == pytest.approx(rate, abs=0.05)


@ESTIMATES
def test_a_step_of_one_in_either_direction_is_no_replacement(
    kind: Callable[[], Detector], scene: Scene
) -> None:
    """These detectors see that 2k goes up and 2k + 1 goes down, not that levels change."""
    random = np.random.default_rng(0)
    moved = [
        np.clip(each + random.integers(-1, 2, each.shape), 0, 255).astype(np.uint8) for each in scenes(scene)
    ]
    assert mean_score(kind(), moved) < 0.06


def test_rs_agrees_with_groups_counted_one_by_one(scene: Scene) -> None:
    levels = scene(12, 10)[..., 0].astype(int)
    flips = {1: lambda x: x ^ 1, -1: lambda x: ((x + 1) ^ 1) - 1}

    def counted(x: np.ndarray, flip: Callable[[np.ndarray], np.ndarray]) -> int:
        total = 0
        for i in range(x.shape[0] - 1):
            for j in range(x.shape[1] - 1):
                group = x[i : i + 2, j : j + 2]
                for mask in (np.eye(2, dtype=bool), ~np.eye(2, dtype=bool)):
                    total += int(np.sign(rough(np.where(mask, flip(group), group)) - rough(group)))
        return total

    def rough(group: np.ndarray) -> int:
        return int(np.abs(np.diff(group, axis=0)).sum() + np.abs(np.diff(group, axis=1)).sum())

    d0, d1 = counted(levels, flips[1]), counted(levels ^ 1, flips[1])
    n0, n1 = counted(levels, flips[-1]), counted(levels ^ 1, flips[-1])
    z = smaller_root(2 * (d1 + d0), n0 - n1 - d1 - 3 * d0, d0 - n0)
    grey = np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)
    assert Rs().score(grey) == pytest.approx(min(1, abs(z / (z - 0.5))))


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
    grey = np.repeat(x[..., None], 3, axis=2).astype(np.uint8)
    assert SamplePairs().score(grey) == pytest.approx(min(1, abs(smaller_root(a, b, c))))


def test_chi_square_tells_how_far_a_message_from_the_beginning_goes(scene: Scene) -> None:
    cover = (scene(256, 256) // 4 * 4 + np.random.default_rng(1).choice([0, 2, 3], (256, 256, 3))).astype(
        np.uint8
    )
    assert ChiSquare().score(cover) < 0.01
    for share in (0.25, 0.5):
        rows = int(share * 256)
        stego = np.concatenate([replaced(cover[:rows], 1), cover[rows:]])
        assert ChiSquare().score(stego) == pytest.approx(share, abs=0.05)
    assert ChiSquare().score(replaced(cover, 1)) > 0.95


def test_the_tail_of_chi_square_agrees_with_scipy() -> None:
    random = np.random.default_rng(0)
    degrees = random.integers(1, 128, 500)
    values = random.uniform(0, 300, 500) * (np.arange(500) > 0)
    assert chi_square_tail(values, degrees) == pytest.approx(chi2.sf(values, degrees), abs=1e-12)


def test_stegexpose_finds_replacement_in_photographs(data: Path) -> None:
    files = sorted((data / "kodak").glob("*.png"))[:8]
    if not files:
        pytest.skip(f"no pictures in {data / 'kodak'}")
    covers = [read_picture(path)[:256, :256] for path in files]
    detector = make_detector("stegexpose")
    clean = [detector.score(each) for each in covers]
    found = [detector.score(replaced(each, 0.3, i)) for i, each in enumerate(covers)]
    assert all(low < high for low, high in zip(clean, found, strict=True))


class Says:
    """A detector that says one thing."""

    def __init__(self, score: float) -> None:
        self._score = score

    def score(self, picture: Picture) -> float:
        return self._score


def test_stegexpose_is_the_mean_of_those_that_can_tell(scene: Scene) -> None:
    picture = scene(16, 16)
    assert StegExpose([Says(0.1), Says(math.nan), Says(0.5)]).score(picture) == pytest.approx(0.3)
    assert math.isnan(StegExpose([Says(math.nan)]).score(picture))
    four = [UNTRAINED[name]() for name in ("primary-sets", "chi-square", "sample-pairs", "rs")]
    expected = np.mean([each.score(picture) for each in four])
    assert UNTRAINED["stegexpose"]().score(picture) == pytest.approx(expected)


def test_estimates_are_averaged_over_channels_and_negative_ones_count_by_size() -> None:
    assert as_rate([0.1, -0.7, 0.0]) == pytest.approx(0.2)
    assert as_rate([1.5, 1.5, 1.5]) == 1
    assert math.isnan(as_rate([0.1, math.nan, 0.1]))


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0.1, 10))
def test_the_smaller_root_is_a_root(x: float, y: float, a: float) -> None:
    found = smaller_root(a, -a * (x + y), a * x * y)
    assert abs(found) == pytest.approx(min(abs(x), abs(y)), abs=1e-5)


def test_roots_in_special_cases() -> None:
    assert smaller_root(0, 2, 1) == -0.5
    assert smaller_root(1, -2, 5) == 1  # 1 ± 2i
    assert smaller_root(3, 0, 0) == 0
    assert math.isnan(smaller_root(0, 0, 1))


@pytest.mark.parametrize("name", UNTRAINED)
def test_scores_are_shares_whatever_the_picture(name: str) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (40, 31, 3), np.uint8)
    flat = np.full((16, 16, 3), 200, np.uint8)
    for picture in (noise, flat, noise & 254, noise | 1, noise[:2, :2], noise[:, ::-1]):
        score = UNTRAINED[name]().score(picture)
        assert math.isnan(score) or 0 <= score <= 1


@pytest.mark.parametrize("name", UNTRAINED)
def test_one_pixel_tells_nothing(name: str) -> None:
    assert math.isnan(UNTRAINED[name]().score(np.zeros((1, 1, 3), np.uint8)))


@pytest.mark.parametrize("name", UNTRAINED)
def test_what_is_no_picture_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no RGB picture"):
        UNTRAINED[name]().score(np.zeros((8, 8), np.uint8))


def test_detectors_are_made_by_name(tmp_path: Path) -> None:
    assert [name for name in DETECTORS if name not in UNTRAINED] == ["spam", *NETWORKS]
    for name, model, reason in (
        ("rs", tmp_path / "x", "needs no model"),
        ("spam", None, "comes from a model"),
        ("srnet", None, "comes from a model"),
        ("eyes", None, "no detector 'eyes'"),
    ):
        with pytest.raises(UsageError, match=reason):
            make_detector(name, model)

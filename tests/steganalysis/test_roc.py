"""Curves, areas and intervals."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from csfnns.errors import UsageError
from csfnns.steganalysis import draw, roc


def test_the_area_is_how_often_a_stego_scores_higher() -> None:
    random = np.random.default_rng(0)
    covers, stegos = random.integers(0, 9, 30) / 8, random.integers(2, 11, 40) / 8
    wins = [float(s > c) + (s == c) / 2 for s in stegos for c in covers]
    result = roc(covers, stegos)
    assert result.auc == pytest.approx(np.mean(wins))
    area = np.sum(np.diff(result.false_alarms) * (result.detections[1:] + result.detections[:-1]) / 2)
    assert result.auc == pytest.approx(area)
    assert (result.false_alarms[0], result.detections[0]) == (0, 0)
    assert (result.false_alarms[-1], result.detections[-1]) == (1, 1)


def test_perfect_useless_and_inverted_scores() -> None:
    assert (roc([0, 1], [2, 3]).auc, roc([0, 1], [2, 3]).error) == (1, 0)
    assert (roc([1, 1], [1, 1]).auc, roc([1, 1], [1, 1]).error) == (0.5, 0.5)
    assert (roc([2, 3], [0, 1]).auc, roc([2, 3], [0, 1]).error) == (0, 0.5)


def test_the_interval_of_one_cover_is_known_exactly() -> None:
    """With one cover at 0.5, the area is the share of the stegos above it: binomial when they are resampled.

    Of 8 stegos 4 win, and of B(8, ½): P(≤ 0) = 0.004 < 0.025 < P(≤ 1) = 0.035 < 0.05, and P(≤ 6) = 0.965 < 0.975.
    """
    for seed in range(5):
        result = roc([0.5], [0.0, 1.0] * 4, seed=seed)
        assert (result.auc, result.low, result.high) == (0.5, pytest.approx(1 / 8), pytest.approx(7 / 8))


def test_the_interval_of_pairs_is_known_exactly() -> None:
    """Two pairs whose stegos win: (0, 1) against everything, (2, 3) against everything: 3 of 4 comparisons.

    Resampled, each pair is drawn twice with probability 1/4 (area 1) and both once with 1/2 (area 3/4). Drawn apart,
    cover 2 and stego 1 alone also meet, with probability 1/16 (area 0).
    """
    paired, apart = (roc([0.0, 2.0], [1.0, 3.0], paired=paired) for paired in (True, False))
    assert (paired.auc, paired.low, paired.high) == (0.75, 0.75, 1)
    assert (apart.auc, apart.low, apart.high) == (0.75, 0, 1)


def test_the_interval_covers_the_truth_about_as_often_as_it_claims() -> None:
    """Two normals a standard deviation apart have an area of Φ(1/√2) = 0.760. Of 100 intervals, about 95 hold it."""
    random = np.random.default_rng(1)
    truth = 0.5 * (1 + math.erf(0.5))
    results = [roc(random.normal(0, 1, 50), random.normal(1, 1, 50)) for _ in range(100)]
    covered = sum(each.low <= truth <= each.high for each in results)
    assert 90 <= covered <= 99


def test_pairs_are_drawn_together() -> None:
    """Where each stego scores a little more than its own cover, the interval of pairs is much narrower."""
    covers = np.random.default_rng(0).normal(0, 1, 60)
    paired, apart = (roc(covers, covers + 0.5, paired=paired) for paired in (True, False))
    assert paired.auc == apart.auc
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_the_seed_decides_the_interval() -> None:
    covers, stegos = np.random.default_rng(0).normal(0, 1, (2, 60))
    lows = [roc(covers, stegos, seed=seed).low for seed in (1, 1, 2)]
    assert lows[0] == lows[1] != lows[2]


def test_pictures_without_a_score_are_least_suspicious() -> None:
    assert roc([math.nan, 0.2], [0.1, math.nan]).auc == pytest.approx((1 + 0 + 0.5 + 0) / 4)


def test_missing_scores_are_refused() -> None:
    for covers, stegos, paired in (([], [1.0], False), ([1.0], [], False), ([1.0], [1.0, 2.0], True)):
        with pytest.raises(UsageError, match="A curve takes scores of both sides"):
            roc(covers, stegos, paired=paired)


def test_the_curve_is_drawn_as_a_picture() -> None:
    with Image.open(io.BytesIO(draw(roc([0.1, 0.4], [0.3, 0.9]), "rs"))) as image:
        assert (image.format, image.size) == ("PNG", (675, 675))


def test_detections_go_up_and_false_alarms_to_the_right() -> None:
    """A detector that is nearly perfect: its curve is in the upper left."""
    with Image.open(io.BytesIO(draw(roc([0.1, 0.2, 0.3], [0.8, 0.9, 0.7]), "rs"))) as image:
        blue = np.argwhere(np.abs(np.asarray(image.convert("RGB")).astype(int) - (0x1F, 0x5F, 0xA8)).max(axis=2) < 8)
    down, right = blue.mean(axis=0) / 675
    assert down < 0.4
    assert right < 0.5

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


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Two normals a standard deviation apart have an area of Φ(1/√2) = 0.760."""
    random = np.random.default_rng(1)
    truth = 0.5 * (1 + math.erf(0.5))
    results = [roc(random.normal(0, 1, 50), random.normal(1, 1, 50)) for _ in range(40)]
    covered = sum(each.low <= truth <= each.high for each in results)
    assert 33 <= covered <= 40
    assert all(each.low <= each.auc <= each.high for each in results)


def test_pairs_are_drawn_together() -> None:
    """Where each stego scores a little more than its own cover, pairs tell much more than two crowds."""
    covers = np.random.default_rng(0).normal(0, 1, 60)
    stegos = covers + 0.5
    paired, crowds = roc(covers, stegos, paired=True), roc(covers, stegos)
    assert paired.auc == crowds.auc
    assert paired.high - paired.low < 0.7 * (crowds.high - crowds.low)


def test_the_seed_decides_the_interval() -> None:
    covers, stegos = np.arange(20.0), np.arange(20.0) + 3
    assert roc(covers, stegos, seed=1).low == roc(covers, stegos, seed=1).low


def test_pictures_that_cannot_be_judged_are_least_suspicious() -> None:
    assert roc([math.nan, 0.2], [0.1, math.nan]).auc == pytest.approx((1 + 0 + 0.5 + 0) / 4)


def test_no_scores_make_no_curve() -> None:
    for covers, stegos, paired in (([], [1.0], False), ([1.0], [], False), ([1.0], [1.0, 2.0], True)):
        with pytest.raises(UsageError, match="no curve"):
            roc(covers, stegos, paired=paired)


def test_the_curve_is_drawn_as_a_picture() -> None:
    with Image.open(io.BytesIO(draw(roc([0.1, 0.4], [0.3, 0.9]), "rs"))) as image:
        assert (image.format, image.size) == ("PNG", (675, 675))

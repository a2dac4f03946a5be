"""Residual: what its features say of plain noise, and what an ensemble finds with them."""

from collections.abc import Callable

import numpy as np
import pytest

from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.steganalysis import cross_scores, residual_features
from csfnns.steganalysis.residual import FEATURES

Scene = Callable[..., Picture]


def grainy(picture: Picture, sigma: float, random: np.random.Generator, weight: float = 0.0) -> Picture:
    """With normal noise, each level's a little like its right neighbour's."""
    height, width, colours = picture.shape
    noise = random.standard_normal((height, width + 1, colours))
    noise = (noise[:, :-1] + weight * noise[:, 1:]) / np.hypot(1, weight)
    return np.clip(np.rint(picture + sigma * noise), 0, 255).astype(np.uint8)


def test_plain_noise_has_the_variance_and_the_correlations_of_the_filter() -> None:
    random = np.random.default_rng(0)
    features = residual_features(grainy(np.full((256, 256, 3), 128, np.uint8), 4, random)).reshape(6, 15)
    assert features.size == FEATURES
    # The filter's weights squared sum to 36; rounding adds 1/12; differences of two colours have twice the variance.
    means = np.exp(features[:, 5:10]) - 1
    assert means[:3] == pytest.approx(36 * (16 + 1 / 12), rel=0.12)
    assert means[3:] == pytest.approx(2 * 36 * (16 + 1 / 12), rel=0.12)
    assert (np.diff(features[:, :5]) > 0).all()
    expected = [-2 / 3, -2 / 3, 4 / 9, 1 / 6, 1 / 6]  # of the rows 1 -2 1 with themselves, less the blocks' edges
    assert features[:, 10:] == pytest.approx(np.tile(expected, (6, 1)), abs=0.05)


def test_an_ensemble_sees_stronger_and_correlated_grain_and_nothing_else(scene: Scene) -> None:
    covers = [scene(128, 128, i) // 2 + np.uint8(60) for i in range(24)]
    right = {}
    for name, sigma, weight in (("same", 1.0, 0.0), ("stronger", 1.1, 0.0), ("correlated", 1.0, 0.1)):
        random = np.random.default_rng(1)
        plain, flawed = ([grainy(each, s, random, w) for each in covers] for s, w in ((1.0, 0.0), (sigma, weight)))
        sides = cross_scores(*(np.array([residual_features(each) for each in side]) for side in (plain, flawed)))
        right[name] = float(np.mean([sides[0] < 0.5, sides[1] > 0.5]))
    assert right["same"] < 0.7
    assert min(right["stronger"], right["correlated"]) > 0.85


def test_small_pictures_have_no_features() -> None:
    with pytest.raises(UsageError, match="at least 32"):
        residual_features(np.zeros((31, 64, 3), np.uint8))

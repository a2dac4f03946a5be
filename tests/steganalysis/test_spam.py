"""SPAM: features, ensemble, training and files."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.steganalysis import Spam, cross_scores, make_detector, spam_features
from csfnns.steganalysis.ensemble import Ensemble, best_threshold

Scene = Callable[..., Picture]
Pairs = tuple[list[Picture], list[Picture]]


@pytest.fixture(scope="module")
def pairs(scene: Scene) -> Pairs:
    """24 covers with grain, and the same with ±1 in every second level."""
    random = np.random.default_rng(0)
    covers = [scene(64, 64, i) // 2 + random.integers(60, 66, (64, 64, 3), np.uint8) for i in range(24)]
    return covers, [moved(each, 0.5, random) for each in covers]


def moved(cover: Picture, share: float, random: np.random.Generator) -> Picture:
    steps = random.choice([-1, 1], cover.shape) * (random.random(cover.shape) < share)
    return (cover + steps).astype(np.uint8)


def direction(x: np.ndarray, down: int, right: int) -> np.ndarray:
    """P(third | second, first) of clipped differences along one direction, counted one by one."""
    counts = np.zeros((7, 7, 7))
    height, width = x.shape
    for i in range(height):
        for j in range(width):
            line = [(i + k * down, j + k * right) for k in range(4)]
            if all(0 <= a < height and 0 <= b < width for a, b in line):
                levels = [int(x[place]) for place in line]
                d = [max(-3, min(3, a - b)) + 3 for a, b in pairwise(levels)]
                counts[tuple(d)] += 1
    totals = counts.sum(axis=2, keepdims=True)
    return np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0).reshape(-1)


def test_features_agree_with_transitions_counted_one_by_one(scene: Scene) -> None:
    picture = scene(11, 14)
    straight, diagonal = [(0, 1), (0, -1), (1, 0), (-1, 0)], [(1, 1), (-1, -1), (1, -1), (-1, 1)]
    expected = np.mean(
        [
            np.concatenate([np.mean([direction(x, *step) for step in steps], axis=0) for steps in (straight, diagonal)])
            for x in np.moveaxis(picture.astype(int), 2, 0)
        ],
        axis=0,
    )
    features = spam_features(picture)
    assert features.shape == (686,)
    assert features == pytest.approx(expected)


def test_another_program_has_the_same_features(scene: Scene, other_program: Any) -> None:
    picture = scene(30, 41)
    theirs = other_program("spam.spam").extract(picture[..., 0])
    ours = spam_features(np.repeat(picture[..., :1], 3, 2), joint=True)
    for half, name in zip(ours.reshape(2, 7, 7, 7), ("straight", "diagonal"), strict=True):
        assert half == pytest.approx(theirs[name].reshape((7, 7, 7), order="F").transpose(2, 1, 0), abs=1e-9)


def test_features_do_not_change_when_a_picture_is_turned_or_mirrored(scene: Scene) -> None:
    picture = scene(40, 40)
    for other in (np.rot90(picture), picture[::-1], picture[:, ::-1]):
        assert spam_features(np.ascontiguousarray(other)) == pytest.approx(spam_features(picture))


@pytest.mark.parametrize("shape", [(3, 40, 3), (40, 3, 3), (40, 40)])
def test_pictures_without_features_are_refused(shape: tuple[int, ...]) -> None:
    picture = np.zeros(shape, np.uint8)
    with pytest.raises(UsageError):
        spam_features(picture)
    detector = Spam(Ensemble(np.zeros((1, 686)), np.zeros(1), 0.5))
    if picture.ndim == 3:
        assert math.isnan(detector.score(picture))
    else:
        with pytest.raises(UsageError):
            detector.score(picture)


def test_it_detects_in_other_pictures_what_it_was_trained_on(pairs: Pairs) -> None:
    covers, stegos = pairs
    detector = Spam.train(covers[:16], stegos[:16])
    assert np.mean([detector.score(each) for each in covers[16:]]) < 0.3
    assert np.mean([detector.score(each) for each in stegos[16:]]) > 0.7
    assert detector.ensemble.error < 0.3


def test_no_fold_sees_its_own_pairs() -> None:
    """Random features: an ensemble is right about pairs that it was trained on, cross-validation is at chance."""
    random = np.random.default_rng(0)
    covers, stegos = random.standard_normal((2, 60, 686))
    ensemble = Ensemble.fit(covers, stegos, members=21)
    assert (ensemble.votes(stegos) > ensemble.votes(covers)).mean() > 0.95
    c, s = cross_scores(covers, stegos, members=21)
    assert 0.3 < (s > c).mean() < 0.7
    assert 0.35 < ensemble.error < 0.65  # so is the out-of-bag error


def test_training_is_decided_by_the_seed(pairs: Pairs) -> None:
    covers, stegos = (np.array([spam_features(each) for each in side[:10]]) for side in pairs)
    first, again, other = (Ensemble.fit(covers, stegos, seed=seed, members=5) for seed in (1, 1, 2))
    assert (first.weights == again.weights).all()
    assert not (first.weights == other.weights).all()


def test_a_model_is_read_back_from_its_file(pairs: Pairs, tmp_path: Path) -> None:
    covers, stegos = pairs
    detector = Spam.train(covers[:8], stegos[:8])
    detector.save(tmp_path / "model")
    loaded = make_detector("spam", tmp_path / "model")
    assert isinstance(loaded, Spam)
    assert loaded.score(stegos[9]) == detector.score(stegos[9])
    assert loaded.ensemble.error == detector.ensemble.error
    with pytest.raises(UsageError, match="already exists"):
        detector.save(tmp_path / "model")
    detector.save(tmp_path / "model", overwrite=True)
    with pytest.raises(UsageError, match="cannot be written"):
        detector.save(tmp_path / "nowhere" / "model")


def test_other_files_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "model"
    about = {"format": "csfnns-spam-1", "error": "0.1"}
    good = {"weights": np.zeros((3, 686)), "thresholds": np.zeros(3)}
    contents: list[tuple[dict[str, np.ndarray], dict[str, str] | None]] = [
        (good, None),
        (good, {**about, "format": "other"}),
        (good, {**about, "error": "much"}),
        ({"weights": np.zeros((3, 686))}, about),
        ({**good, "thresholds": np.zeros(4)}, about),
        ({"weights": np.zeros((0, 686)), "thresholds": np.zeros(0)}, about),
    ]
    for tensors, metadata in contents:
        save_file(tensors, path, metadata)
        with pytest.raises(UsageError, match="not a model of spam"):
            Spam.load(path)
    path.write_bytes(b"no tensors")
    for file in (path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="not a model of spam"):
            Spam.load(file)


@pytest.mark.parametrize(("covers", "stegos"), [(3, 3), (5, 6), (0, 0)])
def test_too_few_pairs_are_refused(covers: int, stegos: int) -> None:
    with pytest.raises(UsageError, match="Training takes 4 pairs"):
        Ensemble.fit(np.zeros((covers, 686)), np.zeros((stegos, 686)))
    with pytest.raises(UsageError, match="Cross-validation takes 10 pairs"):
        cross_scores(np.zeros((covers, 686)), np.zeros((stegos, 686)))


def test_the_best_threshold_has_the_fewest_errors() -> None:
    random = np.random.default_rng(0)
    covers, stegos = random.normal(0, 1, 40), random.normal(1, 1, 40)
    threshold = best_threshold(covers, stegos)
    every = np.concatenate([covers, stegos])
    errors = [(covers > t).sum() + (stegos <= t).sum() for t in every]
    assert (covers > threshold).sum() + (stegos <= threshold).sum() == min(errors)
    assert best_threshold(np.array([0.0, 1.0]), np.array([3.0, 4.0])) == 2

"""What every detector promises, and how they are made by name."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.coding.jpeg import compress, standard_tables
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.steganalysis import (
    DETECTORS,
    Deep,
    Detector,
    DetectorEntry,
    TrainingConfig,
    make_detector,
    make_network,
    networks,
    shipped_networks,
    train_network,
)
from csfnns.steganalysis.ensemble import Ensemble
from csfnns.steganalysis.network import Network, convolution, global_mean


def make(name: str, folder: Path) -> Detector:
    """Any detector of the registry; trained ones from a random model."""
    kind, model = DETECTORS[name].kind, folder / "model"
    if kind == "network":
        Deep(name, make_network(name, 1)).save(model)
    elif kind == "model":
        factory = DETECTORS.load(name)
        weights = np.random.default_rng(0).standard_normal((9, factory.size))
        factory(Ensemble(weights, np.zeros(9), 0.5)).save(model)
    return make_detector(name, None if kind == "statistic" else model)


def shown(name: str, picture: Picture) -> Any:
    """A picture as the detector reads it."""
    return picture if DETECTORS[name].reads == "levels" else compress(picture, standard_tables(90), "420").file


@pytest.mark.parametrize("name", DETECTORS)
def test_scores_are_shares_for_any_picture(name: str, tmp_path: Path) -> None:
    detector = make(name, tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 31, 3), np.uint8)
    flat = np.full((16, 16, 3), 200, np.uint8)
    for picture in (noise, flat, noise & 254, noise | 1, noise[:2, :2], noise[:, ::-1]):
        before, score = picture.copy(), detector.score(shown(name, picture))
        assert math.isnan(score) or 0 <= score <= 1
        assert (picture == before).all()
    assert detector.score(shown(name, noise)) == detector.score(shown(name, noise.copy()))
    assert math.isnan(detector.score(shown(name, noise[:1, :1])))
    with pytest.raises(UsageError, match=r"no RGB picture|this is none"):
        detector.score(noise[..., 0])


@pytest.mark.parametrize("name", DETECTORS)
def test_every_entry_describes_its_member(name: str) -> None:
    entry = DETECTORS[name]
    assert entry.help
    assert entry.meaning.endswith(".")
    needed = ("network",) * (entry.kind != "statistic") + ("jpeg",) * (entry.reads == "coefficients")
    assert entry.extras == needed
    assert entry.threshold == (0.2 if entry.kind == "statistic" else 0.5)  # Boehm's for the statistics


def test_detectors_are_made_by_name(tmp_path: Path) -> None:
    assert networks() == ("xunet", "yenet", "siastegnet", "srnet")
    for name, model, reason in (
        ("rs", tmp_path / "x", "takes no model"),
        ("spam", None, "needs a model"),
        ("srnet", None, "needs a model"),
        ("eyes", None, "no detector 'eyes'"),
    ):
        with pytest.raises(UsageError, match=reason):
            make_detector(name, model)


def test_some_networks_are_pretrained() -> None:
    assert shipped_networks()
    for name, path in shipped_networks().items():
        first, second = make_detector(name), Deep.load(path, detector=name)
        assert isinstance(first, Deep)
        picture = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
        assert 0 <= first.score(picture) == second.score(picture) <= 1
        assert {"pictures", "licence", "pairs", "accuracy", "held_out_pictures"} <= set(first.about)


class Brightness:
    def score(self, picture: Picture) -> float:
        return float(picture.mean() / 255)


class Tiny(Network):
    def __init__(self) -> None:
        super().__init__()
        self.layer = convolution(3, 2, 3)

    def forward(self, pictures):  # type: ignore[no-untyped-def]
        return global_mean(self.layer(pictures))


def test_members_may_be_added_at_run_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DETECTORS, "_entries", dict(DETECTORS._entries))
    DETECTORS.add("brightness", DetectorEntry(Brightness, "mean level", meaning="Scores are mean levels."))
    DETECTORS.add("tiny", DetectorEntry(Tiny, "one layer", ("network",), kind="network"))
    assert make_detector("brightness").score(np.full((4, 4, 3), 51, np.uint8)) == 0.2
    assert "tiny" in networks()
    covers = [np.full((16, 16, 3), i, np.uint8) for i in range(4)]
    result = train_network(covers, covers, TrainingConfig("tiny", steps=2, batch=1, crop=16))
    result.detector.save(tmp_path / "model")
    assert make_detector("tiny", tmp_path / "model").score(covers[0]) == result.detector.score(covers[0])

"""How networks are taught: easier pairs of the same covers first, where they need it, and a stop changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.experiments.judging import JudgingPlan, Teaching, describe_judge
from csfnns.experiments.teaching import STAGES, Stage, moved, stage_lessons, teach
from csfnns.experiments.verdicts import make_result
from csfnns.picture import Picture
from csfnns.steganalysis import NETWORKS, Lesson, learning


class Stop(Exception):
    """A teaching is stopped."""


def noise(count: int, side: int = 32) -> list[Picture]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (side, side, 3), np.uint8) for _ in range(count)]


COVERS = noise(6)
STEGOS = [255 - cover for cover in COVERS]
NAMES = [f"{i}@0" for i in range(6)]


def scores(detector: str, states: Path, steps: int = 5) -> list[float]:
    lesson = Lesson(detector, steps=steps, batch=2, crop=16, checks=1)
    judge = teach(COVERS, STEGOS, NAMES, lesson, states)
    return [judge.score(picture) for picture in (*COVERS, *STEGOS)]


@pytest.mark.parametrize("strength", [1, 2, 4])
def test_half_of_the_levels_are_moved_and_none_beyond_the_scale(strength: int) -> None:
    ends = np.array([0, 1, 3, 4, 251, 252, 254, 255], np.uint8)
    cover = np.resize(ends, (64, 64, 3))
    (stego,) = moved([cover], strength, 1)
    delta = stego.astype(int) - cover
    assert set(np.unique(np.abs(delta))) == {0, strength}
    assert np.count_nonzero(delta) / delta.size == pytest.approx(0.5, abs=0.02)
    within = (cover >= strength) & (cover <= 255 - strength)
    assert abs(delta[within].mean()) < 0.1 * strength
    assert (delta[cover < strength] >= 0).all()
    assert (delta[cover > 255 - strength] <= 0).all()


def test_covers_are_moved_alike_again_and_each_in_its_own_way() -> None:
    cover = np.full((16, 16, 3), 100, np.uint8)
    two, one = moved([cover, cover], 2, 7), moved([cover], 2, 7)
    assert np.array_equal(two[0], one[0])
    assert not np.array_equal(two[0], two[1])
    assert not np.array_equal(one[0], moved([cover], 2, 8)[0])


@pytest.mark.parametrize("detector", NETWORKS)
def test_stages_have_all_steps_together_and_end_with_the_pairs(detector: str) -> None:
    for steps in range(1, 40):
        stages = stage_lessons(Lesson(detector, steps=steps))
        assert sum(lesson.steps for _, lesson in stages) == steps
        strengths = [strength for strength, _ in stages]
        assert strengths == sorted(set(strengths), reverse=True)
        assert strengths[-1] == 0
    hundred = [(strength, lesson.steps) for strength, lesson in stage_lessons(Lesson(detector, steps=100))]
    assert hundred == [(each.strength, each.percent) for each in STAGES[detector]]


@pytest.mark.parametrize("detector", NETWORKS)
def test_the_same_covers_are_learned_from_in_every_stage(
    detector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, shown = learning.train, []

    def watched(network: Any, pairs: learning.Pairs, *others: Any) -> Any:
        assert pairs.covers is COVERS
        assert pairs.taught == tuple(range(6))
        difference = np.abs(np.array(pairs.stegos).astype(int) - COVERS)
        shown.append(0 if pairs.stegos is STEGOS else int(difference.max()))
        return train(network, pairs, *others)

    monkeypatch.setattr(learning, "train", watched)
    scores(detector, tmp_path)
    assert shown == [each.strength for each in STAGES[detector]]


def test_a_teaching_that_is_stopped_at_any_step_ends_in_the_same_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores("yenet", tmp_path / "through")
    monkeypatch.setattr(learning, "SAVE_EVERY", 0.0)
    draw, drawn = learning.draw_batch, []

    def interrupted(*each: Any) -> Any:
        drawn.append(each[2])
        if len(drawn) % 2 == 0:
            raise Stop
        return draw(*each)

    monkeypatch.setattr(learning, "draw_batch", interrupted)
    for _ in range(4):
        with pytest.raises(Stop):
            scores("yenet", tmp_path / "stopped")
    assert scores("yenet", tmp_path / "stopped") == expected
    assert drawn == [0, 0, 0, 0, 0, 1, 1, 2, 2]


def test_settings_tell_stages_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {judge: describe_judge(judge, Teaching(steps=300)) for judge in NETWORKS}
    assert all(f"detector={judge}, steps=300" in told[judge] for judge in NETWORKS)
    assert told["xunet"].endswith("steps by 100 % pairs")
    assert told["srnet"].endswith("steps by 20 % ±4 → 20 % ±2 → 60 % pairs")
    monkeypatch.setitem(STAGES, "srnet", (Stage(1, 10), Stage(0, 90)))
    assert describe_judge("srnet", Teaching(steps=300)) == told["srnet"].replace(
        "20 % ±4 → 20 % ±2 → 60 % pairs", "10 % ±1 → 90 % pairs"
    )
    assert "rate=0.0005" in told["yenet"]
    assert "rate=0.002" in describe_judge("yenet", Teaching(rate=2e-3))


@pytest.mark.parametrize(("judge", "said"), [("xunet", False), ("yenet", True)])
def test_a_result_says_what_easier_pairs_are(judge: str, said: bool) -> None:
    plan = JudgingPlan((), (judge,), (8,), 1, {judge: describe_judge(judge, Teaching())}, ())
    assert any("Steps by ±4 are of easier pairs" in note for note in make_result(plan, {}).notes) == said

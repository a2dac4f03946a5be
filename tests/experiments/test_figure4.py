"""Figure 4: who learns from what, what the scores say, and that a run can be stopped."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from csfnns.errors import UsageError
from csfnns.experiments import (
    JudgingPlan,
    PairSet,
    Ran,
    Store,
    Teaching,
    load_pairs,
    plan_judging,
    run_judging,
    verdict_chart,
)
from csfnns.experiments.figure4 import NAME, markdown, render_figure4
from csfnns.experiments.judging import About, Job, split
from csfnns.experiments.pair_set import source_of
from csfnns.experiments.statistics import wilson
from csfnns.experiments.verdicts import Result, accuracy, area, crossing, make_result
from csfnns.picture import Picture, read_picture
from csfnns.steganalysis import Spam, StegExpose, make_detector, roc

Change = Callable[[Picture, np.random.Generator], Picture]

SPAM = Teaching(judges=("spam",), numbers=(12,), seeds=1)


def louder(picture: Picture, random: np.random.Generator) -> Picture:
    """A change that every judge sees."""
    noise = random.integers(-40, 41, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def unseen(picture: Picture, random: np.random.Generator) -> Picture:
    """Another picture of the same kind: what tells it from the cover can be learned by heart alone."""
    return np.clip(random.normal(128, 30, picture.shape), 0, 255).astype(np.uint8)


def make_set(
    folder: Path, change: Change, *, sources: int = 12, crops: int = 2, side: int = 32, **about: Any
) -> PairSet:
    """Set of pairs on noise, as another program may have made it."""
    random = np.random.default_rng(list(folder.name.encode()))
    for name in ("covers", "stegos"):
        (folder / name).mkdir(parents=True)
    for name in (f"{i}@{k}" for k in range(crops) for i in range(sources)):
        cover = unseen(np.empty((side, side, 3), np.uint8), random)
        Image.fromarray(cover).save(folder / "covers" / f"{name}.png")
        Image.fromarray(change(cover, random)).save(folder / "stegos" / f"{name}.png")
    content = {"version": 1, "scheme": "mine", "label": "my scheme", "payload": 2.0} | about
    (folder / "pairs.json").write_text(json.dumps(content))
    return load_pairs(folder)


def run(
    sets: list[PairSet], out: Path, teaching: Teaching = SPAM, notify: Callable[[Job], None] | None = None
) -> tuple[JudgingPlan, Store, Ran]:
    plan, store = plan_judging(sets, teaching), Store(out)
    plan.save(out / f"{NAME}.json")
    return plan, store, run_judging(plan, sets, teaching, store, notify)


def scores(store: Store) -> dict[str, Any]:
    return {key: (row["covers"], row["stegos"]) for key, row in store.rows().items()}


def row_of(store: Store, judge: str) -> Mapping[str, Any]:
    (row,) = (row for row in store.rows().values() if row["judge"] == judge)
    return row


NAMES = tuple(f"{source}@{k}" for source in ("a", "b", "c d", "e", "f", "g") for k in range(5))


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_picture_is_on_both_sides(seed: int) -> None:
    parts = split(NAMES, seed)
    assert sorted(parts.taught + parts.held) == sorted(NAMES)
    sources = [set(map(source_of, side)) for side in (parts.taught, parts.held)]
    assert not sources[0] & sources[1]
    assert (len(sources[0]), len(sources[1])) == (4, 2)


def test_crops_of_crops_are_of_one_picture() -> None:
    names = [f"{source}@{i}@{k}" for source in "abc" for i in range(3) for k in range(2)]
    parts = split(names, 1)
    assert len(parts.held) == 6
    assert len({name[0] for name in parts.held}) == 1


def test_every_picture_is_learned_from_once_before_any_is_again() -> None:
    taught = [source_of(name) for name in split(NAMES, 1).taught]
    for turn in range(5):
        assert len(set(taught[4 * turn : 4 * turn + 4])) == 4


def test_seeds_split_differently_and_sets_of_the_same_pictures_alike() -> None:
    assert len({frozenset(split(NAMES, seed).held) for seed in range(1, 9)}) > 4
    fewer = split([name for name in NAMES if not name.endswith("4")], 3)
    assert set(fewer.held) < set(split(NAMES, 3).held)
    with pytest.raises(UsageError, match="come from one picture"):
        split(["a@0", "a@1"], 1)


def test_what_is_learned_by_heart_is_of_no_use(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", unseen, sources=60, crops=1)
    _, store, _ = run([pairs], tmp_path / "out", Teaching(judges=("spam",), numbers=(40,), seeds=1))
    row = row_of(store, "spam")
    assert len(row["taught"]) == 40
    assert len(row["names"]) == 20
    assert accuracy(row["covers"], row["stegos"]) == pytest.approx(0.5, abs=0.2)
    learned = Spam.train(map(pairs.cover, row["taught"]), map(pairs.stego, row["taught"]))
    known = [[learned.score(side(name)) for name in row["taught"]] for side in (pairs.cover, pairs.stego)]
    assert accuracy(*known) > 0.9


def test_scores_are_those_of_a_judge_taught_by_these_pairs(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    plan, store, _ = run([pairs], tmp_path / "out")
    parts, row = split(pairs.names, 1), row_of(store, "spam")
    judge = Spam.train(map(pairs.cover, parts.taught[:12]), map(pairs.stego, parts.taught[:12]), seed=1)
    assert row["names"] == list(parts.held)
    assert row["covers"] == [judge.score(pairs.cover(name)) for name in parts.held]
    assert row["stegos"] == [judge.score(pairs.stego(name)) for name in parts.held]
    (point,) = make_result(plan, store.rows()).points
    assert point.shares == (accuracy(row["covers"], row["stegos"]),)
    assert point.shares[0] > 0.75
    assert point.areas == (roc(row["covers"], row["stegos"]).auc,)
    known = [[judge.score(side(name)) for name in parts.taught[:12]] for side in (pairs.cover, pairs.stego)]
    assert point.known == (accuracy(*known),)
    assert row["gpu"] is None
    assert point.verdicts == 2 * len(parts.held)
    assert point.interval == wilson(point.shares[0], 2 * len(parts.held))


def test_stegexpose_judges_every_pair(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    plan, store, _ = run([pairs], tmp_path / "out")
    judge = make_detector("stegexpose")
    assert isinstance(judge, StegExpose)
    sides = [[judge.score(side(name)) for name in pairs.names] for side in (pairs.cover, pairs.stego)]
    assert make_result(plan, store.rows()).curves["mine-2"].auc == roc(*sides, paired=True).auc


def test_networks_learn_from_all_pairs_that_they_are_given(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    teaching = Teaching(judges=("xunet",), numbers=(8, 12), seeds=1, steps=25, batch=4, crop=32)
    plan, store, _ = run([pairs], tmp_path / "out", teaching)
    result = make_result(plan, store.rows())
    assert [point.number for point in result.points] == [8, 12]
    assert result.points[1].estimate.mean > 0.8
    assert not (tmp_path / "out" / "learning").exists()
    assert "detector=xunet, steps=25, batch=4, crop=32" in plan.settings["xunet"]


def test_a_network_that_diverges_gives_no_row(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    wild = Teaching(judges=("xunet",), numbers=(8,), seeds=1, steps=6, batch=2, crop=32, rate=1e30)
    with pytest.raises(UsageError, match="diverged"):
        run([pairs], tmp_path / "out", wild)
    assert {row["judge"] for row in Store(tmp_path / "out").rows().values()} == {"stegexpose"}


def test_a_network_whose_scores_are_no_numbers_gives_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from csfnns.steganalysis import learning

    def ruin(network: Any, *others: Any) -> None:
        for weights in network.parameters():
            weights.data.fill_(math.nan)

    monkeypatch.setattr(learning, "train", ruin)
    pairs = make_set(tmp_path / "set", louder)
    teaching = Teaching(judges=("xunet",), numbers=(8,), seeds=1, crop=32)
    with pytest.raises(UsageError, match="xunet diverged on mine-2") as caught:
        run([pairs], tmp_path / "out", teaching)
    assert "--rate" in caught.value.hint
    assert {row["judge"] for row in Store(tmp_path / "out").rows().values()} == {"stegexpose"}


ABOUT = About("mine-2", "mine", "mine", 2.0, (), "mine", 90, 0, 90, "64x64", None, None, None, None, 0)


def told(*scores: Mapping[str, Any], judge: str = "yenet", sets: tuple[About, ...] = (ABOUT,)) -> Result:
    """Result of a judge with these scores, one row for each set."""
    jobs = tuple(Job(each.key, judge, 8, 1, str(i)) for i, each in enumerate(sets))
    text = f"detector={judge}, steps=300, batch=8, crop=32, rate=None, device=cpu"
    plan = JudgingPlan(sets, (judge,), (8,), 1, {judge: text}, jobs)
    made = {"csfnns": "1", "commit": None, "torch": "2", "machine": "x", "threads": 1}
    rows = [{"judge": judge, "names": row["covers"], **made, **row} for row in scores]
    return make_result(plan, {str(i): row for i, row in enumerate(rows)})


BLIND = {"covers": [0.4, 0.5, 0.4, 0.4], "stegos": [0.4, 0.4, 0.5, 0.4]}
SEES = {"covers": [0.1, 0.1, 0.4, 0.4], "stegos": [0.9, 0.9, 0.9, 0.9]}


def test_a_judge_that_found_nothing_anywhere_is_no_evidence() -> None:
    other = replace(ABOUT, key="other-2", scheme="other")
    both = told(BLIND, {**BLIND, "known": BLIND}, sets=(ABOUT, other))
    assert any(
        "may have learned nothing: YeNet (50 % right on pairs that it learned from)." in warning
        for warning in both.warnings
    )
    one = told(BLIND, SEES, sets=(ABOUT, other))
    assert not any("learned nothing" in warning for warning in one.warnings)


def test_rows_of_networks_that_diverged_are_left_out() -> None:
    nothing = {"covers": [None] * 4, "stegos": [None] * 4}
    result = told(nothing)
    assert not result.points
    assert "Left out: 1 judgements of networks that diverged." in result.warnings
    (point,) = told(nothing, judge="spam").points
    assert point.shares == (0.5,)


def test_the_area_shows_what_the_threshold_hides() -> None:
    hidden = {"covers": [0.6, 0.7, None], "stegos": [0.8, 0.9, 0.7]}
    assert area(**hidden) == pytest.approx(8.5 / 9)
    expected = roc([0.6, 0.7, math.nan], hidden["stegos"], paired=True).auc
    result = told(hidden, judge="spam")
    (point,) = result.points
    assert point.areas == (pytest.approx(expected),)
    (line,) = (line for line in markdown(result).splitlines() if line.startswith("| SPAM"))
    assert line.endswith("), AUC 0.944 |")


def test_networks_that_learned_little_are_said() -> None:
    assert (
        "networks taught by 300 steps of 8 pairs, squares of 32 (YeNet) and not by tens of thousands of steps."
        in told(SEES).warnings[0]
    )
    assert "taught" not in told(SEES, judge="spam").warnings[0]


def test_a_crossing_that_is_not_sure_says_so() -> None:
    sets = (replace(ABOUT, key="mine-1", payload=1.0), ABOUT)
    assert "| mine | > 2? |" in markdown(told(BLIND, BLIND, sets=sets))
    surely = {"covers": [0.1] * 300, "stegos": [0.9] * 300}
    assert "| mine | < 1 |" in markdown(told(surely, surely, sets=sets))
    never = {"covers": [0.4] * 2000, "stegos": [0.4] * 2000}
    assert "| mine | > 2 |" in markdown(told(never, never, sets=sets))


def test_all_accuracies_have_one_scale_and_met_judges_are_marked() -> None:
    from matplotlib.figure import Figure

    sets = (replace(ABOUT, key="mine-1", payload=1.0, met=("yenet",)), ABOUT)
    surely = {"covers": [0.1] * 300, "stegos": [0.9] * 300}
    for scores in (BLIND, surely):
        for draw in (verdict_chart._draw_numbers, verdict_chart._draw_payloads):
            axes = Figure().subplots()
            draw(axes, told(scores, scores, sets=sets), "yenet")
            low, high = axes.get_ylim()
            assert low <= 40
            assert high > 100
            legend = axes.get_legend()
            assert legend is not None
            assert any(text.get_text().endswith(", met") for text in legend.get_texts())


class Stop(Exception):
    """A run is stopped."""


def test_a_run_that_is_stopped_ends_in_the_same_result(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / f"{payload}", louder, payload=payload) for payload in (1.0, 2.0)]
    teaching = Teaching(judges=("spam", "xunet"), numbers=(8,), seeds=1, steps=3, batch=2, crop=32)
    _, through, ran = run(sets, tmp_path / "through", teaching)
    assert (ran.done, ran.reused) == (6, 0)
    for done in range(3):
        with pytest.raises(Stop):
            run(sets, tmp_path / "stopped", teaching, stop)
        assert len(Store(tmp_path / "stopped").rows()) == done + 1
    _, stopped, ran = run(sets, tmp_path / "stopped", teaching)
    assert (ran.done, ran.reused) == (3, 3)
    assert scores(stopped) == scores(through)
    tables = [
        [line for line in render_figure4(store).markdown.splitlines() if not line.startswith("- Measured")]
        for store in (stopped, through)
    ]
    assert tables[0] == tables[1]


def stop(job: Job) -> None:
    raise Stop


def test_a_network_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from csfnns.steganalysis import learning

    sets = [make_set(tmp_path / "set", louder)]
    teaching = Teaching(judges=("xunet",), numbers=(8,), seeds=1, steps=6, batch=2, crop=32)
    _, through, _ = run(sets, tmp_path / "through", teaching)
    monkeypatch.setattr(learning, "SAVE_EVERY", 0.0)
    draw, steps = learning.draw_batch, []

    def interrupted(pairs: Any, lesson: Any, step: int) -> Any:
        steps.append(step)
        if len(steps) == 4:
            raise Stop
        return draw(pairs, lesson, step)

    monkeypatch.setattr(learning, "draw_batch", interrupted)
    with pytest.raises(Stop):
        run(sets, tmp_path / "stopped", teaching)
    _, stopped, _ = run(sets, tmp_path / "stopped", teaching)
    assert steps == [0, 1, 2, 3, 3, 4, 5]
    assert scores(stopped) == scores(through)


def test_other_pairs_seeds_and_settings_are_other_rows(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / "set", louder)]
    base = Teaching(judges=("spam", "xunet"), numbers=(8,), seeds=1, crop=32)

    def ids(teaching: Teaching) -> dict[tuple[str, int], str]:
        return {(job.judge, job.seed): job.id for job in plan_judging(sets, teaching).jobs}

    before, two = ids(base), ids(replace(base, seeds=2))
    assert before.items() < two.items()
    assert len(set(two.values())) == 5
    for other in ({"steps": 7}, {"rate": 1e-4}):
        slower = ids(replace(base, **other))
        assert {key for key in before if before[key] != slower[key]} == {("xunet", 1)}
    name = split(sets[0].names, 1).held[0]
    Image.new("RGB", (32, 32)).save(tmp_path / "set" / "stegos" / f"{name}.png")
    assert not set(before.values()) & set(ids(base).values())


def test_judges_that_a_search_has_met_stand_apart(tmp_path: Path) -> None:
    sets = [
        make_set(tmp_path / "naive", louder),
        make_set(tmp_path / "sly", louder, scheme="sly", label="a sly scheme", met=["spam"]),
    ]
    _, store, _ = run(sets, tmp_path / "out")
    text = render_figure4(store, ["md"]).markdown
    never, met = text.split("Judges that never met the search")[1].split(
        "Judges whose gradients the search used"
    )
    assert "SPAM: my scheme" in never
    assert "SPAM: a sly scheme" not in never
    assert "SPAM: a sly scheme" in met


def test_the_result_has_curves_intervals_and_crossings(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / f"{payload}", louder, payload=payload, count=30) for payload in (1.0, 4.0)]
    _, store, _ = run(sets, tmp_path / "out", Teaching(judges=("spam",), numbers=(8,), seeds=2))
    rendered = render_figure4(store)
    assert [path.name for path in rendered.files] == ["figure4.md", "figure4.tex", "figure4.png"]
    assert read_picture(rendered.files[2]).shape[1] > 1000
    text = rendered.markdown
    assert "| my scheme | < 1" in text
    assert "NOT THE PUBLISHED SETTINGS: 24 pairs and not 3000 and pictures of 32x32 and not 512x512." in text
    assert "Pairs that were asked for and are missing: my scheme, 1: 6; my scheme, 4: 6." in text
    assert "| my scheme | 4 | 24 | 12 | – | – | – | – |" in text
    tex = rendered.files[1].read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 4
    assert "NOT THE PUBLISHED SETTINGS" in tex


def test_a_result_that_is_not_finished_says_so(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        run([make_set(tmp_path / "set", louder)], tmp_path / "out", notify=stop)
    text = render_figure4(Store(tmp_path / "out"), ["md"]).markdown
    assert "Not finished: 1 of 2 judgements are made." in text


def test_accuracy_counts_ties_half_and_what_cannot_be_told_as_cover() -> None:
    assert accuracy([0.1, 0.2], [0.9, 0.6]) == 1
    assert accuracy([0.5, 0.5], [0.5, 0.5]) == 0.5
    assert accuracy([0.9, 0.2], [0.9, 0.1]) == 0.5
    assert accuracy([None], [None]) == 0.5


def test_a_crossing_lies_between_the_payloads_around_it() -> None:
    assert crossing([]) is None
    assert crossing([(1, 0.56), (2, 0.9)]) == ("<", 1)
    assert crossing([(2, 0.54), (1, 0.5)]) == (">", 2)
    kind, payload = crossing([(4, 0.6), (1, 0.5)]) or ("", math.nan)
    assert (kind, payload) == ("=", pytest.approx(2))


@pytest.mark.parametrize(("right", "count"), [(10, 20), (0, 12), (37, 40), (9, 9)])
def test_wilsons_interval(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert wilson(right / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("teaching", "message"),
    [
        (Teaching(judges=("magic",)), "no judge 'magic'"),
        (Teaching(numbers=(8, 17), crop=32), "Of mine-2, 16 pairs are there to learn from, not 17"),
        (Teaching(numbers=(3,)), "Nobody learns from 3 pairs"),
        (Teaching(seeds=0), "0 seeds"),
        (Teaching(judges=("xunet",), steps=0), "0 is no steps"),
        (Teaching(judges=("xunet",), rate=0.0), "0.0 is no rate"),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path: Path, teaching: Teaching, message: str) -> None:
    pairs = make_set(tmp_path / "set", louder)
    with pytest.raises(UsageError, match=message):
        plan_judging([pairs], teaching)


@pytest.mark.parametrize("crop", [None, 48])
def test_squares_larger_than_the_pictures_are_refused(tmp_path: Path, crop: int | None) -> None:
    pairs = make_set(tmp_path / "set", louder)
    with pytest.raises(UsageError, match=f"mine-2 have 32x32 pixels, and no squares of {crop or 64}"):
        plan_judging([pairs], Teaching(judges=("xunet",), numbers=(8,), crop=crop))


def test_a_stego_of_another_size_is_refused(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    teaching = Teaching(judges=("xunet",), numbers=(8,), seeds=1, steps=1, batch=2, crop=32)
    # One in the midst is seen when it is learned from, the first one before anything is done.
    name = next(each for each in split(pairs.names, 1).taught[:8] if each != pairs.names[0])
    Image.new("RGB", (48, 40)).save(tmp_path / "set" / "stegos" / f"{name}.png")
    with pytest.raises(UsageError, match="are no pair"):
        run([pairs], tmp_path / "out", teaching)
    Image.new("RGB", (48, 40)).save(tmp_path / "set" / "stegos" / f"{pairs.names[0]}.png")
    with pytest.raises(UsageError, match="has 32x32 pixels, and its stego 48x40"):
        plan_judging([pairs], SPAM)


def test_sets_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / name, louder) for name in ("one", "two")]
    with pytest.raises(UsageError, match="two sets of mine-2"):
        plan_judging(sets, SPAM)


def test_numbers_double_up_to_all(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder, sources=6, crops=60, side=16)
    assert plan_judging([pairs], Teaching(judges=("spam",))).numbers == (50, 100, 200, 240)


@pytest.mark.parametrize("text", ["no JSON", '{"version": 2}', '{"version": 1}'])
def test_a_plan_that_is_damaged_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="no run of figure4"):
        render_figure4(Store(tmp_path))
    (tmp_path / "figure4.json").write_text(text)
    with pytest.raises(UsageError, match=r"damaged|another version"):
        render_figure4(Store(tmp_path))

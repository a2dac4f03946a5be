"""Figure 4: who is trained on what, what the scores say, and that a run can be stopped."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import binomtest

from csfnns.errors import UsageError
from csfnns.experiments import (
    EvaluationConfig,
    EvaluationPlan,
    PairSet,
    RunResult,
    Store,
    load_pairs,
    plan_evaluation,
    render_figure4,
    run_evaluation,
)
from csfnns.experiments.evaluation import (
    PLAIN,
    STAGES,
    Job,
    SetSummary,
    Stage,
    easier_stegos,
    split,
    stage_configs,
)
from csfnns.experiments.figure4 import Result, draw_curves, draw_pairs, draw_payloads
from csfnns.experiments.pairs import source_of
from csfnns.experiments.statistics import accuracy, area, crossing, wilson
from csfnns.images.io import Picture, read_picture
from csfnns.steganalysis import (
    DETECTORS,
    DetectorEntry,
    Spam,
    TrainingConfig,
    networks,
    roc,
)
from csfnns.steganalysis import training as training_module

Change = Callable[[Picture, np.random.Generator], Picture]

SPAM = EvaluationConfig(detectors=("spam",), pairs=(12,), seeds=1)


def louder(picture: Picture, random: np.random.Generator) -> Picture:
    """A change that every detector sees."""
    noise = random.integers(-40, 41, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def unseen(picture: Picture, random: np.random.Generator) -> Picture:
    """Another picture of the same kind: what tells it from the cover can be learned by heart alone."""
    return np.clip(random.normal(128, 30, picture.shape), 0, 255).astype(np.uint8)


def make_set(
    folder: Path,
    change: Change,
    *,
    sources: int = 12,
    crops: int = 2,
    side: int = 32,
    suffix: str = ".png",
    **about: Any,
) -> PairSet:
    """Set of pairs on noise, as another program may have made it."""
    random = np.random.default_rng(list(folder.name.encode()))
    for name in ("covers", "stegos"):
        (folder / name).mkdir(parents=True)
    for name in (f"{i}@{k}" for k in range(crops) for i in range(sources)):
        cover = unseen(np.empty((side, side, 3), np.uint8), random)
        Image.fromarray(cover).save(folder / "covers" / f"{name}{suffix}")
        Image.fromarray(change(cover, random)).save(folder / "stegos" / f"{name}{suffix}")
    content = {"version": 2, "scheme": "mine", "label": "my scheme", "payload": 2.0} | about
    (folder / "pairs.json").write_text(json.dumps(content))
    return load_pairs(folder)


def run(
    sets: list[PairSet], out: Path, config: EvaluationConfig = SPAM, done: Callable[[Job], object] = print
) -> tuple[EvaluationPlan, Store, RunResult]:
    plan, store = plan_evaluation(sets, config), Store(out)
    plan.save(out)
    return plan, store, run_evaluation(plan, sets, config, store, done)


def scores(store: Store) -> dict[str, Any]:
    return {key: (row["covers"], row["stegos"]) for key, row in store.rows().items()}


def row_of(store: Store, detector: str) -> Mapping[str, Any]:
    (row,) = (row for row in store.rows().values() if row["detector"] == detector)
    return row


NAMES = tuple(f"{source}@{k}" for source in ("a", "b", "c d", "e", "f", "g") for k in range(5))


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_picture_is_on_both_sides(seed: int) -> None:
    parts = split(NAMES, seed)
    assert sorted(parts.training + parts.held_out) == sorted(NAMES)
    sources = [set(map(source_of, side)) for side in (parts.training, parts.held_out)]
    assert not sources[0] & sources[1]
    assert (len(sources[0]), len(sources[1])) == (4, 2)


def test_every_picture_is_trained_on_once_before_any_is_again() -> None:
    trained = [source_of(name) for name in split(NAMES, 1).training]
    for turn in range(5):
        assert len(set(trained[4 * turn : 4 * turn + 4])) == 4


def test_seeds_split_differently_and_sets_of_the_same_pictures_alike() -> None:
    assert len({frozenset(split(NAMES, seed).held_out) for seed in range(1, 9)}) > 4
    fewer = split([name for name in NAMES if not name.endswith("4")], 3)
    assert set(fewer.held_out) < set(split(NAMES, 3).held_out)
    with pytest.raises(UsageError, match="come from one picture"):
        split(["a@0", "a@1"], 1)


def test_what_is_learned_by_heart_is_of_no_use(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", unseen, sources=60, crops=1)
    _, store, _ = run([pairs], tmp_path / "out", EvaluationConfig(detectors=("spam",), pairs=(40,), seeds=1))
    row = row_of(store, "spam")
    assert len(row["trained_on"]) == 40
    assert len(row["names"]) == 20
    assert accuracy(row["covers"], row["stegos"]) == pytest.approx(0.5, abs=0.2)
    learned = Spam.train(map(pairs.cover, row["trained_on"]), map(pairs.stego, row["trained_on"]))
    known = [[learned.score(side(name)) for name in row["trained_on"]] for side in (pairs.cover, pairs.stego)]
    assert accuracy(*known) > 0.9


def test_scores_are_those_of_a_detector_trained_on_these_pairs(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    plan, store, _ = run([pairs], tmp_path / "out")
    parts, row = split(pairs.names, 1), row_of(store, "spam")
    detector = Spam.train(map(pairs.cover, parts.training[:12]), map(pairs.stego, parts.training[:12]), seed=1)
    assert row["names"] == list(parts.held_out)
    assert row["covers"] == [detector.score(pairs.cover(name)) for name in parts.held_out]
    assert row["stegos"] == [detector.score(pairs.stego(name)) for name in parts.held_out]
    (point,) = Result(plan, store.rows()).points
    assert point.shares == (accuracy(row["covers"], row["stegos"]),)
    assert point.shares[0] > 0.75
    assert point.areas == (roc(row["covers"], row["stegos"]).auc,)
    known = [[detector.score(side(name)) for name in parts.training[:12]] for side in (pairs.cover, pairs.stego)]
    assert point.training == (accuracy(*known),)
    assert row["gpu"] is None
    assert point.decisions == 2 * len(parts.held_out)
    assert point.interval == wilson(point.shares[0], 2 * len(parts.held_out))


def test_networks_learn_from_all_pairs_that_they_are_given(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder)
    config = EvaluationConfig(detectors=("xunet",), pairs=(8, 12), seeds=1, steps=25, batch=4, crop=32)
    plan, store, _ = run([pairs], tmp_path / "out", config)
    result = Result(plan, store.rows())
    assert [point.pairs for point in result.points] == [8, 12]
    assert result.points[1].estimate.mean > 0.8
    assert not (tmp_path / "out" / "training").exists()
    assert "detector=xunet, steps=25, batch=4, crop=32" in plan.settings["xunet"]


def test_a_network_whose_scores_are_no_numbers_gives_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ruin(network: Any, *others: Any) -> None:
        for weights in network.parameters():
            weights.data.fill_(math.nan)

    monkeypatch.setattr(training_module, "train", ruin)
    pairs = make_set(tmp_path / "set", louder)
    config = EvaluationConfig(detectors=("xunet",), pairs=(8,), seeds=1, crop=32)
    with pytest.raises(UsageError, match="xunet diverged on mine-2") as caught:
        run([pairs], tmp_path / "out", config)
    assert "--rate" in caught.value.hint
    assert {row["detector"] for row in Store(tmp_path / "out").rows().values()} == {"stegexpose"}


SET = SetSummary("mine-2", "mine", "mine", 2.0, (), None, "mine", 90, 0, 90, "64x64", None, None, None, 0)


def result_of(*scores: Mapping[str, Any], detector: str = "yenet", sets: tuple[SetSummary, ...] = (SET,)) -> Result:
    """Result of a detector with these scores, one row for each set."""
    jobs = tuple(Job(each.key, detector, 8, 1, str(i)) for i, each in enumerate(sets))
    text = f"detector={detector}, steps=300, batch=8, crop=32, rate=None, device=cpu"
    text = detector if detector == "spam" else text
    plan = EvaluationPlan(sets, (detector,), (), (8,), 1, {detector: text}, jobs)
    made = {"csfnns": "1", "commit": None, "torch": "2", "machine": "x", "threads": 1}
    rows = [{"detector": detector, "names": row["covers"], **made, **row} for row in scores]
    return Result(plan, {str(i): row for i, row in enumerate(rows)})


BLIND = {"covers": [0.4, 0.5, 0.4, 0.4], "stegos": [0.4, 0.4, 0.5, 0.4]}
SEES = {"covers": [0.1, 0.1, 0.4, 0.4], "stegos": [0.9, 0.9, 0.9, 0.9]}


def test_a_detector_that_found_nothing_anywhere_is_no_evidence() -> None:
    other = replace(SET, key="other-2", scheme="other")
    both = result_of(BLIND, {**BLIND, "training": BLIND}, sets=(SET, other))
    assert any(
        "may have learned nothing: YeNet (50 % right on pairs trained on)." in warning for warning in both.warnings
    )
    one = result_of(BLIND, SEES, sets=(SET, other))
    assert not any("learned nothing" in warning for warning in one.warnings)


def test_rows_of_networks_that_diverged_are_left_out() -> None:
    nothing = {"covers": [None] * 4, "stegos": [None] * 4}
    result = result_of(nothing)
    assert not result.points
    assert "Left out: 1 evaluations of networks that diverged." in result.warnings
    (point,) = result_of(nothing, detector="spam").points
    assert point.shares == (0.5,)


def test_the_area_shows_what_the_threshold_hides() -> None:
    hidden = {"covers": [0.6, 0.7, None], "stegos": [0.8, 0.9, 0.7]}
    assert area(**hidden) == pytest.approx(8.5 / 9)
    expected = roc([0.6, 0.7, math.nan], hidden["stegos"], paired=True).auc
    result = result_of(hidden, detector="spam")
    (point,) = result.points
    assert point.areas == (pytest.approx(expected),)
    (line,) = (line for line in result.report().markdown().splitlines() if line.startswith("| SPAM"))
    assert line.endswith("), AUC 0.944 |")


def test_networks_with_little_training_are_reported() -> None:
    assert (
        "networks trained by 300 steps of 8 pairs, squares of 32 (YeNet) and not by tens of thousands of steps."
        in result_of(SEES).warnings[0]
    )
    assert "trained" not in result_of(SEES, detector="spam").warnings[0]


def test_a_crossing_that_is_not_sure_says_so() -> None:
    sets = (replace(SET, key="mine-1", payload=1.0), SET)
    assert "| mine | > 2? |" in result_of(BLIND, BLIND, sets=sets).report().markdown()
    surely = {"covers": [0.1] * 300, "stegos": [0.9] * 300}
    assert "| mine | < 1 |" in result_of(surely, surely, sets=sets).report().markdown()
    never = {"covers": [0.4] * 2000, "stegos": [0.4] * 2000}
    assert "| mine | > 2 |" in result_of(never, never, sets=sets).report().markdown()
    half = {"covers": [0.1] * 300, "stegos": [0.4] * 150 + [0.9] * 150}
    assert "| mine | 1.1 |" in result_of(never, half, sets=sets).report().markdown()  # one seed has no range


def test_curves_show_detections_over_false_alarms_and_rows_of_others_are_counted() -> None:
    plan = EvaluationPlan((SET,), (), ("rs",), (8,), 1, {"rs": "rs"}, (Job(SET.key, "rs", 0, 0, "0"),))
    row = {"detector": "rs", "names": ["a"] * 4, "covers": [0.1, 0.2, 0.6, 0.3], "stegos": [0.4, 0.5, 0.9, 0.7]}
    made = {"csfnns": "1", "commit": None, "torch": "2", "machine": "x", "threads": 1}
    result = Result(plan, {"0": row | made})
    axes = Figure().subplots()
    draw_curves(axes, result, "rs")
    guessing, curve = (line.get_xydata().tolist() for line in axes.lines)
    assert guessing == [[0, 0], [1, 1]]
    assert curve == [[0, 0], [0, 0.25], [0, 0.5], [0.25, 0.5], [0.25, 0.75], [0.25, 1], [0.5, 1], [0.75, 1], [1, 1]]
    assert not any("not used" in note for note in result.notes)
    more = Result(plan, {"0": row | made, "1": row | made, "2": row | made})
    assert any("not used: 2 rows" in note for note in more.notes)


def test_easier_stegos_have_half_of_their_levels_moved() -> None:
    covers = list(np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), np.uint8))
    for cover, stego in zip(covers, easier_stegos(covers, 4, 1), strict=True):
        moved = stego.astype(int) - cover
        assert set(np.unique(moved)) == {-4, 0, 4}
        assert np.count_nonzero(moved) == cover.size // 2


def test_all_accuracies_have_one_scale_and_evaded_detectors_are_marked() -> None:
    sets = (replace(SET, key="mine-1", payload=1.0, trained_against=("yenet",)), SET)
    surely = {"covers": [0.1] * 300, "stegos": [0.9] * 300}
    for scores in (BLIND, surely):
        for draw in (draw_pairs, draw_payloads):
            axes = Figure().subplots()
            draw(axes, result_of(scores, scores, sets=sets), "yenet")
            low, high = axes.get_ylim()
            assert low <= 40
            assert high > 100
            _, labels = axes.get_legend_handles_labels()
            assert any(label.endswith(", evaded") for label in labels)


class Stop(Exception):
    """A run is stopped."""


def test_a_run_that_is_stopped_ends_in_the_same_result(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / f"{payload}", louder, payload=payload) for payload in (1.0, 2.0)]
    config = EvaluationConfig(detectors=("spam", "xunet"), pairs=(8,), seeds=1, steps=3, batch=2, crop=32)
    _, through, ran = run(sets, tmp_path / "through", config)
    assert (ran.done, ran.reused) == (6, 0)
    for done in range(3):
        with pytest.raises(Stop):
            run(sets, tmp_path / "stopped", config, stop)
        assert len(Store(tmp_path / "stopped").rows()) == done + 1
        text = render_figure4(Store(tmp_path / "stopped"), ["md"]).markdown
        assert f"Not finished: {done + 1} of 6 evaluations are done." in text
    _, stopped, ran = run(sets, tmp_path / "stopped", config)
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
    sets = [make_set(tmp_path / "set", louder)]
    config = EvaluationConfig(detectors=("xunet",), pairs=(8,), seeds=1, steps=6, batch=2, crop=32)
    _, through, _ = run(sets, tmp_path / "through", config)
    monkeypatch.setattr(training_module, "SAVE_EVERY", 0.0)
    draw, steps = training_module.draw_batch, []

    def interrupted(pairs: Any, settings: Any, step: int) -> Any:
        steps.append(step)
        if len(steps) == 4:
            raise Stop
        return draw(pairs, settings, step)

    monkeypatch.setattr(training_module, "draw_batch", interrupted)
    with pytest.raises(Stop):
        run(sets, tmp_path / "stopped", config)
    _, stopped, _ = run(sets, tmp_path / "stopped", config)
    assert steps == [0, 1, 2, 3, 3, 4, 5]
    assert scores(stopped) == scores(through)


def test_other_pairs_seeds_and_settings_are_other_rows(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / "set", louder)]
    base = EvaluationConfig(detectors=("spam", "xunet"), pairs=(8,), seeds=1, crop=32)

    def ids(config: EvaluationConfig) -> dict[tuple[str, int], str]:
        return {(job.detector, job.seed): job.id for job in plan_evaluation(sets, config).jobs}

    before, two = ids(base), ids(replace(base, seeds=2))
    assert before.items() < two.items()
    assert len(set(two.values())) == 5
    for other in ({"steps": 7}, {"rate": 1e-4}):
        slower = ids(replace(base, **other))
        assert {key for key in before if before[key] != slower[key]} == {("xunet", 1)}
    name = split(sets[0].names, 1).held_out[0]
    Image.new("RGB", (32, 32)).save(tmp_path / "set" / "stegos" / f"{name}.png")
    assert not set(before.values()) & set(ids(base).values())


def test_detectors_that_a_search_evades_stand_apart(tmp_path: Path) -> None:
    sets = [
        make_set(tmp_path / "naive", louder),
        make_set(tmp_path / "sly", louder, scheme="sly", label="a sly scheme", trained_against=["spam"]),
    ]
    _, store, _ = run(sets, tmp_path / "out")
    text = render_figure4(store, ["md"]).markdown
    unknown, evaded = text.split("Detectors unknown to the search")[1].split("Detectors that the search evades")
    assert "SPAM: my scheme" in unknown
    assert "SPAM: a sly scheme" not in unknown
    assert "SPAM: a sly scheme" in evaded


def test_the_result_has_curves_intervals_and_crossings(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / f"{at}", louder, payload=at, count=count) for at, count in ((1.0, 30), (4.0, 24))]
    _, store, _ = run(sets, tmp_path / "out", EvaluationConfig(detectors=("spam",), pairs=(8,), seeds=2))
    rendered = render_figure4(store)
    assert [path.name for path in rendered.files] == ["figure4.md", "figure4.tex", "figure4.png"]
    assert read_picture(rendered.files[2]).shape[1] > 1000
    text = rendered.markdown
    assert "| my scheme | < 1" in text
    assert "NOT THE PUBLISHED SETTINGS: 24 pairs and not 3000 and pictures of 32x32 and not 512x512." in text
    assert "Pairs that were asked for and are missing: my scheme, 1: 6." in text
    assert "| my scheme | 4 | 24 | 12 | – | – | – | – |" in text
    tex = rendered.files[1].read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 4
    assert "NOT THE PUBLISHED SETTINGS" in tex


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
    ("choices", "message"),
    [
        ({"detectors": ("magic",)}, "no detector 'magic'"),
        ({"pairs": (8, 17), "crop": 32}, "mine-2 has 16 pairs to train on, not 17"),
        ({"pairs": (3,)}, "pairs must be 8 or more, got 3"),
        ({"seeds": 0}, "seeds must be 1 or more, got 0"),
        ({"detectors": ("xunet",), "steps": 0}, "steps must be"),
        ({"detectors": ("xunet",), "rate": 0.0}, "rate must be"),
    ],
)
def test_impossible_training_is_refused(tmp_path: Path, choices: dict[str, Any], message: str) -> None:
    pairs = make_set(tmp_path / "set", louder)
    with pytest.raises(UsageError, match=message):
        plan_evaluation([pairs], EvaluationConfig(**choices))


def test_numbers_double_up_to_all(tmp_path: Path) -> None:
    pairs = make_set(tmp_path / "set", louder, sources=6, crops=60, side=16)
    assert plan_evaluation([pairs], EvaluationConfig(detectors=("spam",))).pairs == (50, 100, 200, 240)


@pytest.mark.parametrize("text", ["no JSON", '{"version": 1}', '{"version": 2}'])
def test_a_damaged_plan_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="no run of figure4"):
        render_figure4(Store(tmp_path))
    (tmp_path / "figure4.json").write_text(text)
    with pytest.raises(UsageError, match=r"damaged|another version"):
        render_figure4(Store(tmp_path))


def test_detectors_of_other_packages_take_part(tmp_path: Path) -> None:
    class Mean:
        def score(self, picture: Picture) -> float:
            return float(picture.std() / 128)

    DETECTORS.add("mean", DetectorEntry(Mean, "mine"))
    try:
        config = EvaluationConfig(detectors=("mean", "spam"), pairs=(12,), seeds=1)
        plan, store, _ = run([make_set(tmp_path / "set", louder)], tmp_path / "out", config)
        text = render_figure4(store, ["md"]).markdown
    finally:
        DETECTORS.remove("mean")
    assert plan.untrained == ("stegexpose", "mean")
    assert "| mean: my scheme | 2 | 24 | 1.000" in text


def test_detectors_of_jpeg_files_take_part(tmp_path: Path) -> None:
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    pngs, jpegs = make_set(tmp_path / "a", louder), make_set(tmp_path / "b", louder, suffix=".jpg", scheme="other")
    config = EvaluationConfig(detectors=("dctr", "spam"), pairs=(12,), seeds=1)
    with pytest.raises(
        UsageError, match=r"dctr looks at coefficients of JPEG files, and the pairs of mine-2 are \.png"
    ):
        plan_evaluation([jpegs, pngs], config)
    assert "dctr" not in EvaluationConfig().detectors
    _, store, _ = run([jpegs], tmp_path / "out", config)
    row = row_of(store, "dctr")
    assert accuracy(row["covers"], row["stegos"]) > 0.9
    assert "| DCTR: my scheme | 2 |" in render_figure4(store, ["md"]).markdown


@pytest.mark.parametrize("detector", networks())
def test_stages_have_all_steps_together_and_end_with_the_pairs(detector: str) -> None:
    for steps in range(1, 40):
        stages = stage_configs(TrainingConfig(detector, steps=steps))
        assert sum(config.steps for _, config in stages) == steps
        strengths = [strength for strength, _ in stages]
        assert strengths == sorted(set(strengths), reverse=True)
        assert strengths[-1] == 0
    hundred = [(strength, config.steps) for strength, config in stage_configs(TrainingConfig(detector, steps=100))]
    assert hundred == [(each.strength, each.percent) for each in STAGES.get(detector, PLAIN)]


def test_the_same_covers_are_trained_on_in_every_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, shown = training_module.train, []

    def watched(network: Any, pairs: Any, *others: Any) -> Any:
        assert pairs.training == tuple(range(8))
        difference = np.abs(np.array(pairs.stegos).astype(int) - pairs.covers)
        shown.append(int(difference.max()))
        return train(network, pairs, *others)

    monkeypatch.setattr(training_module, "train", watched)
    config = EvaluationConfig(("yenet",), (8,), seeds=1, steps=5, batch=2, crop=16)
    run([make_set(tmp_path / "set", louder)], tmp_path / "out", config)
    assert shown == [4, 2, 40]


def test_settings_name_stages_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {name: EvaluationConfig(steps=300).describe(name) for name in networks()}
    assert all(f"detector={name}, steps=300" in text for name, text in found.items())
    assert found["xunet"].endswith("steps by 100 % pairs")
    assert found["srnet"].endswith("steps by 20 % ±4 → 20 % ±2 → 60 % pairs")
    assert "rate=0.0005" in found["yenet"]
    assert "rate=0.002" in EvaluationConfig(rate=2e-3).describe("yenet")
    monkeypatch.setitem(STAGES, "srnet", (Stage(1, 10), Stage(0, 90)))
    assert EvaluationConfig().describe("srnet").endswith("10 % ±1 → 90 % pairs")


def test_sets_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sets = [make_set(tmp_path / name, louder) for name in ("one", "two")]
    with pytest.raises(UsageError, match="two sets of mine-2"):
        plan_evaluation(sets, SPAM)
    with pytest.raises(UsageError, match="crop is 64, and pictures of mine-2 have 32x32"):
        plan_evaluation(sets[:1], EvaluationConfig(("xunet",), (8,)))
    # A wrong size is noticed when that pair is trained on, and of the first pair before anything is done.
    config = EvaluationConfig(("xunet",), (8,), seeds=1, steps=1, batch=2, crop=32)
    other = next(each for each in split(sets[0].names, 1).training[:8] if each != sets[0].names[0])
    for name, reason in ((other, "has a stego of 48x40"), (sets[0].names[0], "its stego 48x40")):
        Image.new("RGB", (48, 40)).save(tmp_path / "one" / "stegos" / f"{name}.png")
        with pytest.raises(UsageError, match=reason):
            run(sets[:1], tmp_path / "out", config)

"""What a run shall do. `world` is made in conftest.py."""

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from csfnns.errors import PictureError, UsageError
from csfnns.experiments import EXPERIMENTS, METHODS, Plan, provenance


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_declarations_fit_together(name: str) -> None:
    experiment = EXPERIMENTS[name]
    cases, columns = (
        {case.name for case in experiment.cases},
        {column.key for column in experiment.columns},
    )
    assert experiment.name == name
    assert set(experiment.methods) <= set(METHODS)
    assert experiment.rows_of in EXPERIMENTS
    for row in experiment.published:
        assert row.method in METHODS
        assert row.case in cases
        assert all(set(figures) <= columns for figures in row.figures.values())
    keys = [(row.method, row.case, dataset) for row in experiment.published for dataset in row.figures]
    assert len(keys) == len(set(keys))


def test_there_is_a_job_for_each_picture(world: Any) -> None:
    plan = world.plan("table5", datasets=("imagenet", "celebahq"), methods=["lsb", "paper"])
    every = Counter((job.case, job.method, job.dataset, job.pair) for job in plan.jobs)
    assert len(every) == 3 * 2 * 2 * 2
    assert set(every.values()) == {1}
    assert len({job.id for job in plan.jobs}) == len(plan.jobs)
    assert [job.pair for job in plan.jobs] == sorted(job.pair for job in plan.jobs)


def test_pairs_are_in_name_order_and_receivers_take_the_next_secrets(world: Any) -> None:
    jobs = world.plan("table5", methods=["paper"], pairs=4).jobs
    last = next(job for job in jobs if (job.case, job.pair) == ("three", 3))
    assert Path(last.cover).name == "3.png"
    assert [Path(secret).name for secret in last.secrets] == ["3.png", "0.png", "1.png"]


def test_a_plan_comes_back_from_its_file(world: Any, tmp_path: Path) -> None:
    plan = world.plan("table6")
    plan.save(tmp_path)
    assert Plan.load(tmp_path, "table6") == plan
    with pytest.raises(UsageError, match="no run of table1"):
        Plan.load(tmp_path, "table1")


@pytest.mark.parametrize("content", ["{", "[1]", '"text"', '{"version": 1}', '{"version": 1, "jobs": [2]}'])
def test_a_damaged_plan_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "table6.json").write_text(content)
    with pytest.raises(UsageError, match="damaged"):
        Plan.load(tmp_path, "table6")


def test_a_row_belongs_to_pictures_and_settings_and_not_to_paths(world: Any, tmp_path: Path) -> None:
    def ids(**choices: Any) -> set[str]:
        return {job.id for job in world.plan("table1", **{"methods": ["paper"]} | choices).jobs}

    before = ids()
    for changed in ({"steps": 3}, {"side": 80}, {"methods": ["luo"]}, {"device": "cuda"}):
        assert not before & ids(**changed)
    assert before < ids(pairs=3)
    assert {job.id for job in world.plan("table2", methods=["paper"]).jobs} == before
    shutil.move(tmp_path / "covers", tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "covers")
    (tmp_path / "covers" / "0.png").write_bytes((tmp_path / "covers" / "3.png").read_bytes())
    after = ids()  # the same paths: what was read of them before must not be believed
    assert len(before & after) == 1


@pytest.mark.parametrize("name", ["denoiser_setting", "lpips_setting"])
def test_a_row_belongs_to_the_weights_that_measure_it(
    world: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {job.id for job in world.plan("table1", methods=["paper"]).jobs}
    monkeypatch.setattr(f"csfnns.experiments.plan.{name}", lambda: "other weights")
    assert not before & {job.id for job in world.plan("table1", methods=["paper"]).jobs}


def test_a_row_belongs_to_the_code_that_measures_it(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(shutil.copytree(provenance.PACKAGE, tmp_path / "csfnns"))
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def ids(name: str) -> set[str]:
        return {job.id for job in world.plan(name, side=128, methods=["paper"]).jobs}

    def touched(name: str, source: str) -> bool:
        path, before = package / source, ids(name)
        assert ids(name) == before
        path.write_text(path.read_text() + "# changed\n")
        return ids(name) != before

    for source in ("search/sps.py", "schemes/csfnns.py", "measure.py", "experiments/run.py"):
        assert touched("table1", source)
    assert touched("table3", "experiments/table3.py")
    assert not touched("table1", "experiments/table3.py")
    assert not touched("table1", "experiments/sheet.py")
    assert touched("table4", "covers/abstract.py")
    assert not touched("table1", "covers/abstract.py")


def test_times_belong_to_the_machine_and_other_figures_do_not(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ids(name: str) -> set[str]:
        return {job.id for job in world.plan(name, side=128, methods=["paper"]).jobs}

    times, figures = ids("table4"), ids("table1")
    assert ids("table4") == times
    monkeypatch.setattr(
        provenance, "machine", lambda device: {"machine": "quicker", "threads": 8, "gpu": None}
    )
    assert not ids("table4") & times
    assert ids("table1") == figures


def test_only_pictures_that_are_used_are_read_and_all_that_are_broken_are_named(
    world: Any, tmp_path: Path
) -> None:
    whole = (tmp_path / "imagenet" / "0.png").read_bytes()
    (tmp_path / "imagenet" / "0.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "covers" / "1.png").write_bytes(b"no picture")
    (tmp_path / "imagenet" / "3.png").write_bytes(b"no picture")
    with pytest.raises(PictureError) as error:
        world.plan("table1", methods=["paper"])
    assert f"imagenet{os.sep}0.png" in error.value.message
    assert f"covers{os.sep}1.png" in error.value.message
    assert "3.png" not in error.value.message
    with pytest.raises(PictureError, match="cannot be decoded"):
        world.plan("table1", methods=["paper"], pairs=1)


def test_the_pictures_of_a_run_are_not_taken_for_its_covers(world: Any, tmp_path: Path) -> None:
    out = tmp_path / "covers" / "0-first-by-name"
    (out / "pictures").mkdir(parents=True)
    shutil.copy(tmp_path / "covers" / "0.png", out / "pictures" / "stego.png")

    def first(out: Path | None) -> str:
        return Path(world.plan("table1", methods=["lsb"], pairs=1, out=out).jobs[0].cover).name

    assert first(None) == "stego.png"
    assert first(out) == "0.png"
    assert first(tmp_path) == "stego.png"  # a folder around the covers leaves none of them out
    with pytest.raises(UsageError, match="pictures to measure"):
        first(world.covers)


def test_methods_that_lack_something_are_left_out_and_said(world: Any) -> None:
    plan = world.plan("table5")
    assert plan.methods == ("paper", "standard")
    assert set(plan.left_out) == {"udh/two", "udh/three", "udh/four"}
    assert "training/udh.py --secrets 3 --bpp 6" in plan.left_out["udh/three"]
    with pytest.raises(UsageError, match="udh cannot run here: no weights"):
        world.plan("table5", methods=["udh"])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"side": 100}, "100x100"),
        ({"side": 16}, "16x16"),
        ({"steps": 0}, "0 steps"),
        ({"pairs": 0}, "0 pairs"),
        ({"pairs": 5}, "There are 4 pairs"),
        ({"methods": ["magic"]}, "no method 'magic'"),
    ],
)
def test_what_cannot_be_is_refused(world: Any, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        world.plan("table1", **choices)


def test_table4_needs_sizes_that_halve(world: Any) -> None:
    assert world.plan("table4", side=128, methods=["paper"]).side == 128
    with pytest.raises(UsageError, match="64x64") as error:
        world.plan("table4")
    assert "32, 64, 128" in error.value.hint


def test_folders_without_pictures_are_refused(world: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no pictures in"):
        world.plan("table1", datasets=("empty",))
    with pytest.raises(PictureError, match="no folder"):
        world.plan("table1", datasets=("missing",))
    for i in (2, 3):
        (tmp_path / "imagenet" / f"{i}.png").unlink()
    with pytest.raises(UsageError, match="4 receivers need 4 secrets"):
        world.plan("table5", pairs=None)

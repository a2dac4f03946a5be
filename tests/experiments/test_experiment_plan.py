"""What a run shall do. `world` is made in conftest.py."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from csfnns.errors import PictureError, UsageError
from csfnns.experiments import EXPERIMENTS, METHODS, Plan


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
    plan = world.plan("table5", datasets=("imagenet", "celebahq"), methods=["paper", "standard"])
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
    (tmp_path / "table6.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        Plan.load(tmp_path, "table6")


def test_a_row_belongs_to_pictures_and_settings_and_not_to_paths(world: Any, tmp_path: Path) -> None:
    def ids(**choices: Any) -> set[str]:
        return {job.id for job in world.plan("table1", **{"methods": ["paper"]} | choices).jobs}

    before = ids()
    for changed in ({"steps": 3}, {"side": 80}, {"methods": ["standard"]}):
        assert not before & ids(**changed)
    assert before < ids(pairs=3)
    assert {job.id for job in world.plan("table2", methods=["paper"]).jobs} == before
    shutil.move(tmp_path / "covers", tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "covers")
    (tmp_path / "covers" / "0.png").write_bytes((tmp_path / "covers" / "3.png").read_bytes())
    after = ids()  # the same paths: what was read of them before must not be believed
    assert len(before & after) == 1


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
    assert world.plan("table4", side=128, methods=["standard"]).side == 128
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

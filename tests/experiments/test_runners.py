"""Experiments by several processes, and in parts: the same rows as those of one run."""

from pathlib import Path
from typing import Any

import pytest

from csfnns.batch.run import Runner
from csfnns.errors import UsageError
from csfnns.experiments import EXPERIMENTS, PairSpec, Store, load_pairs, make_pairs, render, run
from csfnns.experiments.join import join

CHOSEN = ["lsb", "standard"]


def values(store: Store) -> dict[str, Any]:
    return {key: (row["values"], row["error"]) for key, row in store.rows().items()}


def test_workers_shards_and_one_run_measure_the_same(world: Any) -> None:
    plan, through, ran = world.run("figure3", "through", methods=CHOSEN)
    assert ran.done == len(plan.jobs) == 4
    experiment, parts = EXPERIMENTS["figure3"], [world.root / name for name in ("a", "b")]
    for i, folder in enumerate(parts, 1):
        store = Store(folder)
        plan.save(folder)
        done = run(experiment, plan, store, runner=Runner(2 if i == 1 else 1, (i, 2)))
        assert (done.done, done.reused) == (2, 0)
    assert join(world.root / "whole", parts) == 4
    assert join(world.root / "whole", parts) == 0
    whole = Store(world.root / "whole")
    assert values(whole) == values(through)
    assert run(experiment, plan, whole).done == 0
    pictures = {each.relative_to(whole.folder) for each in (whole.folder / "pictures").rglob("*.png")}
    assert len(pictures) >= 4 * 4
    for each in pictures:
        assert (whole.folder / each).read_bytes() == (through.folder / each).read_bytes()
    assert render(experiment, whole, ["md"]).markdown == render(experiment, through, ["md"]).markdown


def test_pairs_of_shards_are_those_of_one_run(world: Any) -> None:
    spec, out = PairSpec("matching", world.covers, rate=1.0), world.root
    made = make_pairs(spec, 6, out / "through")
    assert made.done == 6
    for i in (1, 2):
        assert make_pairs(spec, 6, out / f"{i}", runner=Runner(2, (i, 2))).done == 3
    join(out / "1", [out / "2"])
    assert load_pairs(out / "1").names == load_pairs(out / "through").names
    for each in (out / "through" / "stegos").iterdir():
        assert (out / "1" / "stegos" / each.name).read_bytes() == each.read_bytes()
    make_pairs(PairSpec("matching", world.covers, rate=0.5), 2, out / "others")
    with pytest.raises(UsageError, match="other settings"):
        join(out / "1", [out / "others"])


def test_a_broken_picture_ends_the_run_of_workers_with_its_own_error(world: Any) -> None:
    plan = world.plan("table1", methods=["lsb"])
    Path(plan.jobs[-1].cover).write_bytes(b"no picture")
    with pytest.raises(Exception, match=Path(plan.jobs[-1].cover).name):
        run(EXPERIMENTS["table1"], plan, Store(world.root / "out"), runner=Runner(2))

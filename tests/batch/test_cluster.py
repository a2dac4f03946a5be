"""The same jobs on a Ray cluster: a real one, of this computer."""

import json
import os
import signal
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_hide_many import SIZE, csfnns_command, output
from test_run import JOBS, Note

import csfnns
from csfnns.batch.run import Runner
from csfnns.batch.store import Store
from csfnns.errors import UsageError
from csfnns.workers import MOST_ATTEMPTS

if find_spec("ray") is None and os.environ.get("CSFNNS_RAY") != "required":
    pytest.skip("needs the extra 'cluster'", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[str]:
    """Address of two processors, for all tests of this module. Its token is in the environment."""
    from csfnns.batch.cluster import connected

    with connected("local", 2) as ray:
        yield ray.get_runtime_context().gcs_address


class Late(Note):
    """Kills its worker the first time."""

    def _work(self, job: object) -> int:
        first = self.file.with_name("first")
        if job == JOBS[3] and not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._work(job)  # type: ignore[arg-type]


def test_each_job_is_done_once_beside_local_workers_and_after_a_kill(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    note, reported = Late(tmp_path / "done", 0.05), list[object]()
    with ThreadPoolExecutor() as pool:
        other = pool.submit(Runner(2), JOBS, Store(tmp_path), note)
        ran = Runner(ray="local")(JOBS, Store(tmp_path), note, reported.append)
        other.result()
    assert (ran.done, ran.reused) == (len(JOBS), 0)
    assert (tmp_path / "first").exists()
    assert len(reported) == len(JOBS)
    assert sorted(note.file.read_text().split()) == [job.id for job in JOBS]
    assert len({row["process"] for row in Store(tmp_path).rows().values()} - {os.getpid()}) >= 3


def test_a_job_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    note = Note(tmp_path / "done", deadly=("02",))
    Runner(ray="local")(JOBS[:6], Store(tmp_path), note)
    rows = Store(tmp_path).rows()
    assert f"killed {MOST_ATTEMPTS} times" in rows.pop("02")["error"]
    assert sorted(note.file.read_text().split()) == sorted(rows)


class Refused(Note):
    """Raises on the node."""

    def _work(self, job: object) -> int:
        raise UsageError("Not on this node.", "Choose another.")


def test_what_a_job_raises_ends_the_run_and_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Not on this node"):
        Runner(ray="local")(JOBS, Store(tmp_path), Refused(tmp_path / "done"))
    assert Store(tmp_path).claimed() == 0
    assert Store(tmp_path).claim(JOBS[0].id) == 1


def test_a_cluster_without_tokens_or_out_of_reach_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note, store = Note(tmp_path / "done"), Store(tmp_path)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UsageError, match="without token authentication"):
        Runner(ray="10.0.0.1:6379")(JOBS, store, note)


def test_secrets_are_hidden_by_the_cluster_and_a_killed_coordinator_loses_nothing(tmp_path: Path, cluster: str) -> None:
    key = csfnns.Key.new(SIZE)
    csfnns.write_key(key, tmp_path / "my.key")
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    for i in range(8):
        (tmp_path / "in" / f"{i}.txt").write_text(str(i))
    output("batch", "plan", "in", "jobs.db", "-o", "out", folder=tmp_path)
    run = ("batch", "run", "jobs.db", "-k", "my.key", "--ray", cluster)
    with csfnns_command(*run, "--workers", 1, folder=tmp_path) as coordinator:
        while len([*(tmp_path / "out").iterdir()]) < 2:
            assert coordinator.poll() is None, coordinator.communicate()
            time.sleep(0.02)
        coordinator.kill()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert len(before) < 8
    made = json.loads(output(*run, "--json", folder=tmp_path))
    assert (made["done"], made["failed"]) == (8, 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [csfnns.reveal(tmp_path / "out" / f"{i}.png", key).content for i in range(8)] == [
        b"%d" % i for i in range(8)
    ]


def test_figures_of_an_experiment_are_those_of_one_process(tmp_path: Path, scene: Any) -> None:
    from csfnns.experiments import EXPERIMENTS, make_plan, run

    covers = tmp_path / "covers"
    covers.mkdir()
    for i in range(2):
        Image.fromarray(scene(64, 64, i)).save(covers / f"{i}.png")
    experiment = EXPERIMENTS["figure3"]
    plan = make_plan(experiment, covers, {"own": covers}, side=64, steps=2, pairs=2, methods=["lsb"])
    stores = [Store(tmp_path / name) for name in ("here", "there")]
    for store, runner in zip(stores, (Runner(), Runner(ray="local")), strict=True):
        run(experiment, plan, store, runner=runner)
    here, there = ({key: (row["values"], row["error"]) for key, row in store.rows().items()} for store in stores)
    assert here == there
    pictures = [each.relative_to(tmp_path / "here") for each in (tmp_path / "here").rglob("*.png")]
    assert len(pictures) >= 2 * 4
    for each in pictures:
        assert (tmp_path / "here" / each).read_bytes() == (tmp_path / "there" / each).read_bytes()

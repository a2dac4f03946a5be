"""Jobs that are shared out: each done once, whoever is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from csfnns.batch.local import run_workers
from csfnns.batch.run import Runner, RunResult, run_jobs
from csfnns.batch.store import Store
from csfnns.errors import SearchError, UsageError
from csfnns.workers import MOST_ATTEMPTS


@dataclass(frozen=True)
class Job:
    id: str


@dataclass(frozen=True)
class Note:
    """Appends the job to a file: what is done twice stands there twice."""

    file: Path
    seconds: float = 0.0
    deadly: tuple[str, ...] = ()

    def pack(self, job: Job) -> partial[int]:
        return partial(self._work, job)

    def _work(self, job: Job) -> int:
        if job.id in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        with self.file.open("a") as file:
            file.write(f"{job.id}\n")
        return os.getpid()

    def unpack(self, job: Job, result: int) -> dict[str, object]:
        return {"process": result}

    def lost(self, job: Job, reason: str) -> dict[str, object]:
        return {"error": reason}


class Broken(Note):
    def pack(self, job: Job) -> partial[int]:
        raise RuntimeError(job.id)


class Refusing(Note):
    def unpack(self, job: Job, result: int) -> dict[str, object]:
        raise UsageError(f"Not {job.id}.", "Leave it out.")


JOBS = [Job(f"{i:02}") for i in range(24)]


def test_two_runs_of_one_folder_share_its_jobs(tmp_path: Path) -> None:
    note = Note(tmp_path / "done", 0.1)

    ran: list[RunResult] = []
    runs = (run_jobs, lambda *of: run_workers(*of, 2))  # type: ignore[arg-type]
    threads = [threading.Thread(target=lambda run=run: ran.append(run(JOBS, Store(tmp_path), note))) for run in runs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(each.done - each.others for each in ran) == len(JOBS)
    assert any(each.others for each in ran)
    assert sorted(note.file.read_text().split()) == [job.id for job in JOBS]


def test_workers_do_each_job_once_and_report_it(tmp_path: Path) -> None:
    note, reported = Note(tmp_path / "done", 0.02), []
    ran = run_workers(JOBS, Store(tmp_path), note, 2, reported.append)
    assert (ran.done, ran.reused) == (len(JOBS), 0)
    assert sorted(note.file.read_text().split()) == sorted(job.id for job in reported) == [job.id for job in JOBS]
    assert len({row["process"] for row in Store(tmp_path).rows().values()} - {os.getpid()}) == 2


def test_jobs_that_kill_their_workers_are_given_up_and_cost_nothing_else(tmp_path: Path) -> None:
    note = Note(tmp_path / "done", deadly=("05", "06"))
    run_workers(JOBS, Store(tmp_path), note, 2)
    rows = Store(tmp_path).rows()
    for deadly in note.deadly:
        assert f"killed {MOST_ATTEMPTS} times" in rows.pop(deadly)["error"]
    assert sorted(note.file.read_text().split()) == sorted(rows)


def test_what_a_task_raises_ends_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"Not 0\d\."):
        run_workers(JOBS, Store(tmp_path), Refusing(tmp_path / "done"), 2)
    with pytest.raises(SearchError, match="failed"):
        run_workers(JOBS, Store(tmp_path), Broken(tmp_path / "done"), 2)
    assert "RuntimeError: 00" in capfd.readouterr().err


def test_workers_that_cannot_even_start_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SearchError, match="end at once"):
        run_workers(JOBS, Store(tmp_path), Note(tmp_path / "done"), 2)


def test_what_stops_a_job_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run_jobs(JOBS, Store(tmp_path), Broken(tmp_path / "done"))
    assert run_jobs(JOBS, Store(tmp_path), Note(tmp_path / "done")).done == len(JOBS)


def test_shards_are_parts_of_the_jobs(tmp_path: Path) -> None:
    parts = [Runner(shard=(i, 3)).part(JOBS) for i in (1, 2, 3)]
    assert sorted(job.id for part in parts for job in part) == [job.id for job in JOBS]
    assert {len(part) for part in parts} == {8}
    assert all(len({int(job.id) % 3 for job in part}) > 1 for part in parts)  # not every third: methods come in turn
    with pytest.raises(UsageError, match="4/3"):
        Runner(shard=(4, 3))


def test_a_process_that_is_gone_holds_no_claim_and_one_that_lives_does(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from csfnns.batch.store import Store; import time\n"
    program += "print(Store(Path(sys.argv[1])).claim('a'), flush=True); time.sleep(60)"
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        store = Store(tmp_path)
        store.end_dead_claims()
        assert (store.claim("a"), store.claimed()) == (0, 1)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked for its status
        store.end_dead_claims()
        assert (store.claim("a"), store.claimed()) == (2, 1)


_COORDINATOR = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_run import JOBS, Note
from csfnns.batch.local import run_workers
from csfnns.batch.store import Store
folder = Path(sys.argv[1])
run_workers(JOBS, Store(folder), Note(folder / "done", 0.1), 2)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_finish_their_jobs_when_whoever_started_them_ends(tmp_path: Path, how: signal.Signals) -> None:
    here = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path])}
    script = _COORDINATOR.format(here=here)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, stderr=subprocess.DEVNULL
    ) as coordinator:
        while len(Store(tmp_path).ids()) < 4:
            assert coordinator.poll() is None
            time.sleep(0.02)
        coordinator.send_signal(how)
    time.sleep(0.5)
    stopped = Store(tmp_path).ids()
    assert len(stopped) < len(JOBS)
    run_jobs(JOBS, Store(tmp_path), Note(tmp_path / "done"))
    assert sorted((tmp_path / "done").read_text().split()) == [job.id for job in JOBS]

"""Workers: results in order, whatever dies, and no process that outlives the work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from csfnns import workers
from csfnns.errors import SearchError, UsageError
from csfnns.process import python
from csfnns.workers import MOST_ATTEMPTS, Pool, can_start


class Recorded(workers.Worker):
    """A worker that tests know of."""

    all: list["Recorded"] = []  # noqa: RUF012 - emptied by each test

    def __init__(self, module: str, count: int) -> None:
        super().__init__(module, count)
        self.all.append(self)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Workers that the test started."""
    monkeypatch.setattr(workers, "Worker", Recorded)
    Recorded.all.clear()
    return Recorded.all


def later(number: int) -> tuple[int, int]:
    """The number, after a time that is longer for even ones, and who says so."""
    os.write(1, b"what a library prints")
    time.sleep(0.03 * (1 + number % 2))
    return number, os.getpid()


def refuse(number: int) -> int:
    if number == 3:
        raise UsageError("Not 3.", "Leave it out.")
    return number


def fail(number: int) -> int:
    return 1 // number


def die(path: Path) -> str:
    """Die where there is no such file, which the next call then finds; where it is a folder, each time."""
    if not path.is_file():
        with suppress(OSError):
            path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def where(name: str) -> tuple[str, str]:
    return __import__(name).__file__, os.environ["CSFNNS_THREADS"]


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def test_results_come_in_order_and_arguments_are_read_a_little_ahead(started: list[Recorded]) -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(12):
            read.append(number)
            yield number

    ahead = []
    with Pool(later, 2) as pool:
        found = []
        for each in pool.map(numbers()):
            found.append(each)
            ahead.append(len(read) - len(found))
    assert [number for number, _ in found] == list(range(12))
    assert len({process for _, process in found} - {os.getpid()}) == 2
    assert max(ahead) == 3
    assert len(started) == 2


def test_the_error_of_a_call_arrives_in_its_turn_and_ends_the_workers(started: list[Recorded]) -> None:
    found: list[int] = []
    with pytest.raises(UsageError, match=r"Not 3\. Leave it out\."), Pool(refuse, 2) as pool:
        found.extend(pool.map(range(20)))
    assert found == [0, 1, 2]
    with pytest.raises(SearchError, match=r"A worker process failed\."), Pool(fail, 2) as pool:
        list(pool.map([1, 0]))
    assert all(worker.process.returncode is not None for worker in started)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_worker_that_dies_costs_its_call_alone(tmp_path: Path, started: list[Recorded]) -> None:
    names = [f"{i}" for i in range(6)]
    for name in names:
        if name != "2":
            (tmp_path / name).touch()
    with Pool(die, 2) as pool:
        assert list(pool.map(tmp_path / name for name in names)) == names
    assert len(started) == 3
    started.clear()
    with pytest.raises(SearchError, match=rf"ended {MOST_ATTEMPTS} times, with exit status -9"), Pool(die, 1) as pool:
        list(pool.map([tmp_path]))
    assert len(started) == MOST_ATTEMPTS


def test_the_end_of_the_pool_kills_what_is_busy(started: list[Recorded]) -> None:
    begun = time.monotonic()
    with Pool(sleep, 2) as pool:
        next(pool.map([0.0, 0.0, 300.0, 300.0]))
    assert time.monotonic() - begun < 60
    assert started
    assert all(worker.process.returncode is not None for worker in started)


def test_no_file_of_the_present_folder_stands_for_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "colorsys.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with Pool(where, 1) as pool:
        ((path, threads),) = pool.map(["colorsys"])
    assert Path(path).parent != tmp_path
    assert threads == str(workers.cores())


def test_workers_find_what_the_present_folder_gives_to_a_script(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("def double(x):\n    return 2 * x\n")
    program = "import task\nfrom csfnns.workers import Pool\nwith Pool(task.double, 1) as pool: print(*pool.map([4]))\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-c", program]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout == "8\n", ran.stderr


def test_a_program_that_contains_python_starts_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_start()
    for executable in ("", "/usr/bin/application"):
        monkeypatch.setattr(sys, "executable", executable)
        assert python() is None
        assert not can_start()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SearchError, match="cannot be started"), Pool(later, 1) as pool:
        list(pool.map([1]))

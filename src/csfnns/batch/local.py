"""Workers: processes of this computer that share a folder's jobs. One that dies costs the job that it had."""

import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from csfnns.batch.run import MOST_ATTEMPTS, PAUSE, RunResult, Task, never, run_jobs, unfinished
from csfnns.batch.store import Store
from csfnns.errors import CsfnnsError, SearchError
from csfnns.process import THREADS, cores

_FAILED = 70
"""Exit status of a worker whose task raised an exception, which it has written to standard output."""


def run_workers(
    jobs: Sequence[Any],
    store: Store,
    task: Task,
    workers: int,
    done: Callable[[Any], object] = lambda job: None,
    *,
    stopped: Callable[[], bool] = never,
) -> RunResult:
    """Do the jobs whose rows the store lacks by `workers` processes; `done` is called with each job.

    One worker is this process itself. A worker that is killed is replaced. When `stopped` returns True, and after
    KeyboardInterrupt, workers finish what they are at. Raises what the task raises, and SearchError where workers die
    at once, again and again.
    """
    if workers == 1:
        return run_jobs(jobs, store, task, done, stopped=stopped)
    left = {job.id: job for job in unfinished(jobs, store)}
    before = len(left)
    order = pickle.dumps((str(store.folder), store.name, [*left.values()], task))
    running = [_start(order, workers) for _ in range(min(workers, len(left)))]
    deaths, own, told = 0, 0, True
    try:
        while running and not stopped():
            time.sleep(PAUSE)
            finished = left.keys() & store.ids()
            for key in finished:
                done(left.pop(key))
            deaths = 0 if finished else deaths
            for place, worker in enumerate(running):
                if worker.poll() is None:
                    continue
                if worker.returncode == _FAILED:
                    raise _failure_of(worker)
                own, told = own + _end(worker), told and worker.returncode == 0
                if worker.returncode == 0 or not left:
                    del running[place]
                    break
                deaths += 1
                if deaths > MOST_ATTEMPTS * workers + workers:  # more than jobs that kill their workers explain
                    reason = f"Worker processes end at once, with exit status {worker.returncode}."
                    raise SearchError(reason, "Run with one worker: it says what is wrong.")
                running[place] = _start(order, workers)
    finally:
        for worker in running:  # the end of its input tells a worker to stop after its job
            _close(worker)
        for worker in running:
            own += _end(worker)
    for key in left.keys() & store.ids():
        done(left.pop(key))
    return RunResult(before - len(left), len(jobs) - before, before - len(left) - own if told else 0)


def _start(order: bytes, workers: int) -> "subprocess.Popen[bytes]":
    """A worker that gets its orders. It is in a session of its own: an interrupt is for this process alone."""
    threads = str(max(1, cores() // workers))
    worker = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import work; work()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {THREADS: threads, "OMP_NUM_THREADS": threads, "PYTHONPATH": modules()},
    )

    def send() -> None:
        assert worker.stdin is not None
        with suppress(OSError, ValueError):  # it died or was stopped: whoever waits for it sees that
            worker.stdin.write(len(order).to_bytes(8, "big") + order)
            worker.stdin.flush()

    threading.Thread(target=send, daemon=True).start()  # it reads once it has loaded its modules
    return worker


def modules() -> str:
    """PYTHONPATH with which another process finds what this one finds, the modules of a script's own tasks too."""
    return os.pathsep.join(each for each in sys.path if each)


def _close(worker: "subprocess.Popen[bytes]") -> None:
    assert worker.stdin is not None
    with suppress(OSError):
        worker.stdin.close()


def _end(worker: "subprocess.Popen[bytes]") -> int:
    """Wait for its end; return how many jobs it says that it did."""
    _close(worker)
    worker.wait()
    assert worker.stdout is not None
    count = int.from_bytes(worker.stdout.read()) if worker.returncode == 0 else 0
    worker.stdout.close()
    return count


def _failure_of(worker: "subprocess.Popen[bytes]") -> CsfnnsError:
    assert worker.stdout is not None
    try:
        error = pickle.loads(worker.stdout.read())
    except (EOFError, pickle.UnpicklingError):
        error = SearchError("A worker process failed.", "Run with one worker: it says what is wrong.")
    assert isinstance(error, CsfnnsError)
    return error


def work() -> None:
    """Be a worker: read orders from standard input, and do jobs until all are done or that input ends."""
    source, answer = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    folder, name, jobs, task = pickle.loads(source.read(int.from_bytes(source.read(8), "big")))
    ended = threading.Event()

    def watch(source: IO[bytes]) -> None:
        source.read()
        ended.set()

    threading.Thread(target=watch, args=(source,), daemon=True).start()
    status = 0
    try:
        did = run_jobs(jobs, Store(Path(folder), name), task, stopped=ended.is_set)
        answer.write((did.done - did.others).to_bytes(8))
    except CsfnnsError as error:
        answer.write(pickle.dumps(error))
        status = _FAILED
    except Exception:  # noqa: BLE001 - whatever a task raises ends the run
        traceback.print_exc()
        status = _FAILED
    answer.close()
    sys.stderr.flush()
    os._exit(status)  # the thread that reads would keep the interpreter from its end

"""Workers: processes of this computer that share a folder's jobs. One that dies costs the job that it had."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from csfnns.batch.run import PAUSE, RunResult, Task, never, run_jobs, unfinished
from csfnns.batch.store import Store
from csfnns.errors import CsfnnsError, SearchError
from csfnns.workers import MOST_ATTEMPTS, Worker, answer_of, own_pipe


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
    order = str(store.folder), store.name, [*left.values()], task
    running = [_start(order, workers) for _ in range(min(workers, len(left)))]
    deaths, own, all_answered = 0, 0, True
    try:
        while running and not stopped():
            time.sleep(PAUSE)
            finished = left.keys() & store.ids()
            for key in finished:
                done(left.pop(key))
            deaths = 0 if finished else deaths
            for place, worker in enumerate(running):
                if worker.process.poll() is None:
                    continue
                del running[place]
                did = _end(worker)
                if isinstance(did, CsfnnsError):
                    raise did
                own += did or 0
                all_answered = all_answered and did is not None
                if did is not None or not left:
                    break
                deaths += 1
                if deaths > MOST_ATTEMPTS * workers + workers:  # more than jobs that kill their workers explain
                    reason = f"Worker processes end at once, with exit status {worker.process.returncode}."
                    raise SearchError(reason, "Run with one worker: it says what is wrong.")
                running.insert(place, _start(order, workers))
    finally:
        for worker in running:  # the end of its input tells a worker to stop after its job
            worker.close()
        for worker in running:
            did = _end(worker)
            own += did if isinstance(did, int) else 0
    for key in left.keys() & store.ids():
        done(left.pop(key))
    return RunResult(before - len(left), len(jobs) - before, before - len(left) - own if all_answered else 0)


def _start(order: Any, workers: int) -> Worker:
    """A worker that gets its orders."""
    worker = Worker(__name__, workers)

    def send() -> None:
        with suppress(OSError, ValueError):  # it died or was stopped: whoever waits for it sees that
            worker.send(order)

    threading.Thread(target=send, daemon=True).start()  # it reads once it has loaded its modules
    return worker


def _end(worker: Worker) -> "int | CsfnnsError | None":
    """Wait for its end; return how many jobs it did, or its error; None where it was killed."""
    worker.close()
    try:
        said: int | CsfnnsError | None = worker.receive()
    except EOFError:
        said = None
    worker.end()
    return said


def work() -> None:
    """Be a worker: read orders from standard input, and do jobs until all are done or that input ends."""
    pipe, ended = own_pipe(), threading.Event()
    try:
        folder, name, jobs, task = pipe.receive()
    except EOFError:  # the process that started this one died before it gave orders
        os._exit(0)
    pipe.on_end(ended.set)
    did = answer_of(partial(run_jobs, jobs, Store(Path(folder), name), task, stopped=ended.is_set))
    with suppress(OSError):  # nobody is there any more who wants to know
        pipe.send(did if isinstance(did, CsfnnsError) else did.done - did.others)
    sys.stderr.flush()
    os._exit(0)  # the thread that reads would keep the interpreter from its end

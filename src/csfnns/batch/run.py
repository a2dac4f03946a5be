"""Does jobs that are not stored yet, alone or beside other processes that share their folder."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from csfnns.batch.store import Row, Store
from csfnns.errors import UsageError
from csfnns.workers import MOST_ATTEMPTS

PAUSE = 0.2
"""Seconds between looks at what others do."""


class Task(Protocol):
    """What to do with a job, in three steps. The task itself is pickled for workers of this computer."""

    def pack(self, job: Any) -> Callable[[], Any]:
        """Read what the job needs; return its work, which any computer can do: a cluster pickles it."""
        ...

    def unpack(self, job: Any, result: Any) -> Row:
        """Write the files of what the work returned; return the job's row."""
        ...

    def lost(self, job: Any, reason: str) -> Row:
        """Row of a job that was given up."""
        ...


@dataclass(frozen=True)
class RunResult:
    """What a run did."""

    done: int
    """Jobs that were done while it ran, by other processes that share the folder too."""
    reused: int
    """Jobs whose rows were there before."""
    others: int = 0
    """Of `done`, those that other runs did; 0 where a worker was killed, as nobody knows."""


def never() -> bool:
    """Say that a run is not to stop."""
    return False


@dataclass(frozen=True)
class Runner:
    """Who does the jobs of a run, and which of them. Raises UsageError for values out of range."""

    workers: int | None = 1
    """Processes of this computer; one is this process itself. On a cluster, the most jobs at once; None: one a core."""
    shard: tuple[int, int] = (1, 1)
    """(i, n): do the i-th of n parts of the jobs, from 1."""
    ray: str | None = None
    """Address of a Ray cluster that does the work, or "local" for one of this computer."""
    gpus: float = 0
    """Of Ray's GPUs, what one job takes."""
    stopped: Callable[[], bool] = never
    """Asked between jobs: True ends the run when what is begun is done."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers must be 1 or more, got {self.workers}.", "Give a larger number.")
        part, parts = self.shard
        if not 1 <= part <= parts:
            raise UsageError(f"shard must be like 2/4, got {part}/{parts}.", "Give the part, and how many there are.")

    def __call__(
        self, jobs: Sequence[Any], store: Store, task: Task, done: Callable[[Any], object] = lambda job: None
    ) -> RunResult:
        """Do the jobs of the shard whose rows the store lacks; `done` is called with each job once its row is on disk.

        Any number of runs may share the store: each job is done once. Raises what the task raises, UsageError for a
        cluster that cannot be used, and SearchError where workers die at once, again and again.
        """
        jobs = self.part(jobs)
        if self.ray is not None:
            from csfnns.batch.cluster import run_on_ray

            return run_on_ray(jobs, store, task, self.ray, done, self)
        from csfnns.batch.local import run_workers
        from csfnns.process import cores

        return run_workers(jobs, store, task, self.workers or cores(), done, stopped=self.stopped)

    def part(self, jobs: Sequence[Any]) -> Sequence[Any]:
        """Jobs of the shard. Which these are depends on their ids alone; long and short ones are spread evenly."""
        i, n = self.shard
        if n == 1:
            return jobs
        order = sorted(jobs, key=lambda job: sha256(job.id.encode()).digest())
        chosen = {job.id for job in order[i - 1 :: n]}
        return [job for job in jobs if job.id in chosen]


def run_jobs(
    jobs: Sequence[Any],
    store: Store,
    task: Task,
    done: Callable[[Any], object] = lambda job: None,
    *,
    stopped: Callable[[], bool] = never,
) -> RunResult:
    """Do the jobs whose rows the store lacks and that nobody else does; wait for those of others.

    Each row is on disk before `done` is called with its job. Where `stopped` returns True, the run ends after the
    present job. What the task raises ends the run, and gives its job back.
    """
    left = {job.id: job for job in unfinished(jobs, store)}
    before, others = len(left), 0
    with store.renewed_claims():
        while left and not stopped():
            store.end_dead_claims()
            for key in left.keys() & store.ids():  # somebody else did it
                done(left.pop(key))
                others += 1
            for key, job in [*left.items()]:
                if stopped():
                    break
                attempts = store.claim(key)
                if attempts:
                    store.add(key, _perform(task, job, attempts, store))
                    done(left.pop(key))
            if left and not stopped():
                time.sleep(PAUSE)
    return RunResult(before - len(left), len(jobs) - before, others)


def _perform(task: Task, job: Any, attempts: int, store: Store) -> Row:
    if attempts > MOST_ATTEMPTS:
        return give_up(task, job)
    try:
        return task.unpack(job, task.pack(job)())
    except BaseException:
        store.release(job.id)
        raise


def give_up(task: Task, job: Any) -> Row:
    """Row of a job whose process was killed too often."""
    return task.lost(job, f"Its process was killed {MOST_ATTEMPTS} times, by a lack of memory perhaps.")


def unfinished(jobs: Sequence[Any], store: Store) -> list[Any]:
    """Jobs whose rows the store lacks."""
    stored = store.ids()
    return [job for job in jobs if job.id not in stored]

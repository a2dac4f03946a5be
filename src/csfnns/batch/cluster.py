"""Jobs done by a Ray cluster. What they read and write is here: Ray's workers need no folder of ours, and no key.

Ray repeats nothing. A worker that dies costs the job that it had, which is claimed again like any other, so that runs on
a cluster and processes without one can share a store.
"""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import csfnns
from csfnns.batch.run import PAUSE, Runner, RunResult, Task, give_up, unfinished
from csfnns.batch.store import Store
from csfnns.errors import CsfnnsError, UsageError
from csfnns.extras import require
from csfnns.process import THREADS, cores
from csfnns.workers import MOST_ATTEMPTS, modules

LOCAL = "local"
"""Address of a cluster of this computer alone, which ends with the run."""
_SPARE = 2  # jobs that wait at the cluster, so that none of its processors does


def run_on_ray(
    jobs: Sequence[Any],
    store: Store,
    task: Task,
    address: str,
    done: Callable[[Any], object],
    runner: Runner,
) -> RunResult:
    """Do the jobs whose rows the store lacks by a Ray cluster; `done` is called with each job.

    Raises what the task raises, and UsageError for a cluster that cannot be reached, has no token authentication, or
    has another version of csfnns.
    """
    left = {job.id: job for job in unfinished(jobs, store)}
    before, others = len(left), 0
    with connected(address, runner.workers) as ray, store.renewed_claims():
        remote = ray.remote(max_retries=0, num_gpus=runner.gpus)(_perform)
        places = _places(ray, runner)
        running: dict[Any, Any] = {}  # job by what Ray calls its result
        try:
            while running or (left and not runner.stopped()):
                if not runner.stopped():
                    store.end_dead_claims()
                    for key in left.keys() & store.ids():  # somebody else did it
                        done(left.pop(key))
                        others += 1
                    for job in _claimed(left, store, task, done, places - len(running)):
                        running[remote.remote(csfnns.__version__, _packed(task, job, store))] = job
                if not running:
                    time.sleep(PAUSE)
                    continue
                ready, _ = ray.wait([*running], timeout=1)
                for each in ready:
                    job = running.pop(each)
                    if _finish(ray, each, job, store, task):
                        done(job)
                    else:
                        left[job.id] = job
        finally:
            for job in running.values():
                store.release(job.id)
    return RunResult(before - len(left), len(jobs) - before, others)


def _claimed(
    left: dict[str, Any], store: Store, task: Task, done: Callable[[Any], object], count: int
) -> Iterator[Any]:
    """Take up to `count` jobs that nobody else does out of `left`."""
    for key, job in [*left.items()]:
        if count <= 0:
            return
        attempts = store.claim(key)
        if not attempts:
            continue
        del left[key]
        if attempts > MOST_ATTEMPTS:
            store.add(key, give_up(task, job))
            done(job)
            continue
        count -= 1
        yield job


def _packed(task: Task, job: Any, store: Store) -> Callable[[], Any]:
    try:
        return task.pack(job)
    except BaseException:
        store.release(job.id)
        raise


def _finish(ray: Any, each: Any, job: Any, store: Store, task: Task) -> bool:
    """Write what a job returned; give it back and return False where its worker died."""
    gone = ray.exceptions
    try:
        result = ray.get(each)
        if isinstance(result, CsfnnsError):
            raise result
        store.add(job.id, task.unpack(job, result))
    except (gone.WorkerCrashedError, gone.NodeDiedError, gone.OutOfMemoryError, gone.ObjectLostError):
        store.release(job.id, failed=True)
        return False
    except BaseException:
        store.release(job.id)
        raise
    return True


def _places(ray: Any, runner: Runner) -> int:
    """Jobs that the cluster gets at once."""
    resources = ray.cluster_resources()
    most = resources.get("CPU", 0)
    if runner.gpus:
        most = min(most, resources.get("GPU", 0) / runner.gpus)
    if most < 1:
        what = "GPU" if runner.gpus else "processor"
        raise UsageError(f"The cluster has no {what} for jobs.", "Add nodes that have: docs/cluster.md.")
    return min(int(most) + _SPARE, runner.workers or int(most) + _SPARE)


@contextmanager
def connected(address: str, workers: int | None = None) -> Iterator[Any]:
    """Ray, connected to a cluster, or to one that this process uses already. Raises UsageError."""
    require("cluster", "A Ray cluster")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    loaded = "ray" in sys.modules  # which looks at its environment then
    if os.environ.get("RAY_AUTH_MODE") != "token" and (address != LOCAL or loaded):
        reason = f"The cluster {address} would be used without token authentication."
        hint = "Set RAY_AUTH_MODE=token here, before Ray is imported, and on every node: docs/cluster.md."
        raise UsageError(reason, hint)
    before = os.environ.get("PYTHONPATH")
    if address == LOCAL:  # its processes inherit these
        os.environ["RAY_AUTH_MODE"] = "token"
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["PYTHONPATH"] = modules()
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # on Linux too, this is the loopback interface alone
    import ray

    own = not ray.is_initialized()
    try:
        if own:
            _start(ray, address, workers)
        error = ray.get(ray.remote(max_retries=0)(_check).remote(csfnns.__version__))
        if error is not None:
            raise error
        yield ray
    finally:
        if own:
            ray.shutdown()
        if address == LOCAL:
            os.environ.pop("PYTHONPATH")
            os.environ.update({} if before is None else {"PYTHONPATH": before})


def _start(ray: Any, address: str, workers: int | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(num_cpus=workers or cores(), include_dashboard=False, **quiet)
        else:
            ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        hint = "Check the address, and RAY_AUTH_TOKEN or ~/.ray/auth_token: docs/cluster.md."
        raise UsageError(f"The cluster {address} cannot be used: {str(error).splitlines()[0]}", hint) from error


def _check(version: str) -> UsageError | None:
    """Why a node may not work; None if it may."""
    if csfnns.__version__ != version:
        reason = f"A node of the cluster has csfnns {csfnns.__version__}, and this computer {version}."
        return UsageError(reason, "Install the same on all.")
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return UsageError("A node of the cluster has no token authentication.", "Start it with RAY_AUTH_MODE=token.")
    return None


def _perform(version: str, work: Callable[[], Any]) -> Any:
    """Do a job's work on a node; an error of csfnns is a result."""
    if error := _check(version):
        return error
    os.environ[THREADS] = "1"  # as Ray does for OpenMP
    try:
        return work()
    except CsfnnsError as error:
        return error

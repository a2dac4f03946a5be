"""Work that takes long: one job at a time in a thread of its own, with progress, and shorter work beside it."""

import queue
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from csfnns.errors import Cancelled, CsfnnsError
from csfnns.web.security import error_content

if TYPE_CHECKING:
    from csfnns.search import Progress

T = TypeVar("T")
State = Literal["waiting", "running", "done", "failed", "cancelled"]
MOST_WAITING = 8
_KEPT = 15 * 60.0  # seconds after its end
_MOST_ENDED = 64
_JOIN_SECONDS = 1.0


class Full(Exception):
    """There are as many jobs waiting as there may be."""


class Lane:
    """A thread that does one thing after another. It does not keep the program from ending."""

    def __init__(self, name: str) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Do this behind all that was submitted before."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)

        self._waiting.put(run)
        return future

    def close(self) -> None:
        """Wait a moment for what is being done."""
        self._waiting.put(None)
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()
            del work  # it may hold a secret


class Job:
    """Work with a state that can be watched."""

    def __init__(self, work: "Callable[[Progress], Any] | None") -> None:
        self.id = secrets.token_urlsafe(16)
        self.state: State = "waiting"
        self.done, self.total = 0, 0
        self.result: Any = None
        self.error: dict[str, str] = {}
        self.ended: float | None = None
        self._work = work
        self._cancelled = False
        self._lock = Lock()

    def cancel(self) -> None:
        """Stop at the next step, or never begin."""
        self._cancelled = True
        with self._lock:
            if self.state == "waiting":
                self._end("cancelled")

    def progress(self, done: int, total: int) -> bool:
        """Note the steps done; False where the job is to stop."""
        self.done, self.total = done, total
        return not self._cancelled

    def run(self) -> None:
        """Do the work, unless it was cancelled."""
        with self._lock:
            work, self._work = self._work, None
            if work is None:
                return
            self.state = "running"
        try:
            result = work(self.progress)
            if self._cancelled:
                raise Cancelled("Stopped.")
            self.result = result
            self._end("done")
        except Cancelled:
            self._end("cancelled")
        except Exception as error:  # noqa: BLE001 - the page shows it
            self.error = describe(error)["error"]
            self._end("failed")

    def _end(self, state: State) -> None:
        self._work = None  # it holds the secret
        self.ended = time.monotonic()
        self.state = state


class Jobs:
    """Jobs in the order in which they came."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._lane = Lane("jobs")
        self._most = most_waiting
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()

    def start(self, work: "Callable[[Progress], Any]") -> Job:
        """Put a job behind the others. Raises Full."""
        job = Job(work)
        with self._lock:
            self._forget()
            if sum(each.state == "waiting" for each in self._jobs.values()) >= self._most:
                raise Full
            self._jobs[job.id] = job
        self._lane.submit(job.run)
        return job

    def get(self, identity: str) -> Job | None:
        """Job with that id, if it is known."""
        return self._jobs.get(identity)

    def position(self, job: Job) -> int:
        """Number of jobs before this one."""
        before = 0
        for each in list(self._jobs.values()):
            if each is job:
                break
            before += each.ended is None
        return before

    def sweep(self) -> None:
        """Forget jobs that ended long ago, and with them what they gave."""
        with self._lock:
            self._forget()

    def cancel(self) -> None:
        """Cancel all jobs."""
        for each in list(self._jobs.values()):
            each.cancel()

    def close(self) -> None:
        """Wait a moment for the job that runs."""
        self._lane.close()

    def _forget(self) -> None:
        ended = [each for each in self._jobs.values() if each.ended is not None]
        old = time.monotonic() - _KEPT
        for job in ended[:-_MOST_ENDED] + [each for each in ended if (each.ended or 0) < old]:
            self._jobs.pop(job.id, None)


def describe(error: Exception) -> dict[str, dict[str, str]]:
    """What is wrong, for the page. A defect of csfnns is printed by its place alone: its text may hold a secret."""
    if isinstance(error, CsfnnsError):
        return error_content(type(error).__name__, error.message, error.hint)
    calls = [each for each in traceback.extract_tb(error.__traceback__) if "csfnns" in each.filename]
    where = "".join(f"  {each.filename}, line {each.lineno}, in {each.name}\n" for each in calls)
    sys.stderr.write(f"error: csfnns has a defect: {type(error).__name__}\n{where}")
    return error_content("Defect", "csfnns has a defect: the terminal says where.", "Report it, without secrets.")

"""Worker processes of this computer, which are told what to do through pipes: nothing of it is on disk or in a command.

A worker is `python -c "from MODULE import work; work()"`, so that a script that starts some needs no guard for `__main__`.
It is in a session of its own, since an interrupt is for the process that started it, and it ends with its input.
"""

import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import IO, Any, Generic, Self, TypeVar

from csfnns.errors import Cancelled, CsfnnsError, SearchError
from csfnns.process import THREADS, cores, python

T = TypeVar("T")
R = TypeVar("R")

MOST_ATTEMPTS = 3
"""Times that something is tried whose process is killed."""

_LENGTH = 8  # bytes that state the length of a message


class Pipe:
    """Messages to another process and from it, pickled."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink

    def send(self, message: Any) -> None:
        """Send a message. Raises OSError, or ValueError, where the other end or this one is closed."""
        data = pickle.dumps(message)
        self._sink.write(len(data).to_bytes(_LENGTH, "big") + data)
        self._sink.flush()

    def receive(self) -> Any:
        """Wait for the next message. Raises EOFError where none comes any more."""
        length = int.from_bytes(self._source.read(_LENGTH), "big")
        data = self._source.read(length)
        if not data or len(data) < length:
            raise EOFError("the other end is gone")
        return pickle.loads(data)

    def on_end(self, call: Callable[[], object]) -> None:
        """Read nothing more, and call this once the other end is closed."""

        def watch() -> None:
            self._source.read()
            call()

        threading.Thread(target=watch, daemon=True).start()


class Worker(Pipe):
    """A process that runs `work` of a module."""

    def __init__(self, module: str, workers: int) -> None:
        """Start one of so many workers, among which the cores are divided. Raises OSError."""
        threads = str(max(1, cores() // workers))
        # -P: else a file of the present folder could stand for a module.
        command = [sys.executable, "-P", "-c", f"from {module} import work; work()"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {THREADS: threads, "OMP_NUM_THREADS": threads, "PYTHONPATH": modules()},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        super().__init__(self.process.stdout, self.process.stdin)

    def close(self) -> None:
        """End its input."""
        with suppress(OSError):
            self._sink.close()

    def end(self) -> int:
        """Wait for its end, to which the end of its input leads; return its exit status."""
        self.close()
        status = self.process.wait()
        self._source.close()
        return status


class Pool(Generic[T, R]):
    """Workers that call a function. One that dies costs the call that it was at. Used with `with`, whose end kills them."""

    def __init__(self, function: Callable[[T], R], workers: int) -> None:
        """So many workers, each started with its first call; the function is pickled."""
        self._function, self._workers = function, workers
        self._threads = ThreadPoolExecutor(workers)  # each waits for a worker of its own
        self._own = threading.local()
        self._lock = threading.Lock()
        self._running: set[Worker] = set()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            for worker in self._running:
                worker.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._running:
            worker.end()

    def map(self, arguments: Iterable[T]) -> Iterator[R]:
        """Results in the order of the arguments, of which at most two for each worker are on their way.

        Raises what the function raises, and SearchError for a call whose worker died again and again.
        """
        waiting: deque[Future[R]] = deque()
        for each in arguments:
            waiting.append(self._threads.submit(self._call, each))
            if len(waiting) == 2 * self._workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _call(self, argument: T) -> R:
        status = 0
        for _ in range(MOST_ATTEMPTS):
            worker = self._worker()
            try:
                worker.send(argument)
                answer = worker.receive()
            except (EOFError, OSError):
                status = self._bury(worker)
                continue
            if isinstance(answer, CsfnnsError):
                raise answer
            result: R = answer
            return result
        reason = f"A worker process ended {MOST_ATTEMPTS} times, with exit status {status}."
        raise SearchError(reason, "Memory may be lacking: use fewer workers. A single one says what is wrong.")

    def _worker(self) -> Worker:
        """The worker of this thread."""
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            with self._lock:
                if self._is_over:
                    raise Cancelled("The workers were stopped.")
                try:
                    worker = Worker(__name__, self._workers)
                except OSError as error:
                    reason = f"A worker process cannot be started: {error.strerror}."
                    raise SearchError(reason, "Use fewer workers.") from error
                self._running.add(worker)
            self._own.worker = worker
            with suppress(OSError):  # whoever sends the next message sees that it died
                worker.send(self._function)
        return worker

    def _bury(self, worker: Worker) -> int:
        """Wait for the end of a worker that has died; return its exit status."""
        status = worker.end()
        with self._lock:
            self._running.discard(worker)
        self._own.worker = None
        return status


def work() -> None:
    """Be a worker of a pool."""
    pipe = own_pipe()
    with suppress(EOFError, OSError):  # the process that started this one is gone, or needs it no more
        function = pipe.receive()
        while True:
            pipe.send(answer_of(partial(function, pipe.receive())))
    os._exit(0)


def own_pipe() -> Pipe:
    """A worker's pipe to the process that started it. What libraries print goes to standard error instead."""
    pipe = Pipe(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    return pipe


def answer_of(call: Callable[[], R]) -> R | CsfnnsError:
    """What a call in a worker returns, or the error that it raises."""
    try:
        return call()
    except CsfnnsError as error:
        return error
    except Exception:  # noqa: BLE001 - whatever is wrong here ends the work of all
        traceback.print_exc()
        sys.stderr.flush()
        return SearchError("A worker process failed.", "Run with one worker: it says what is wrong.")


def modules() -> str:
    """PYTHONPATH with which another process finds what this one finds, the modules of a script's own tasks too."""
    return os.pathsep.join(map(os.path.abspath, sys.path))


def can_start() -> bool:
    """Whether this process can start workers: a program that contains Python cannot."""
    return python() is not None

"""Options of commands that do many jobs: by how many processes, which part of them, and on which cluster."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.batch.run import Runner

Workers: TypeAlias = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Processes, among which the cores are divided.")
]
Shard: TypeAlias = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Do the I-th of N parts, on one of several computers.")
]
Ray: TypeAlias = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="Ray cluster that does the work; local: one of this computer."),
]


@contextmanager
def make_runner(
    workers: int | None, shard: str = "1/1", ray: str | None = None, *, device: str = "cpu"
) -> "Iterator[Runner]":
    """Runner with these options, which the first Ctrl-C stops once what is begun is finished, and a second at once.

    Raises UsageError for values out of range, and at the end KeyboardInterrupt for a run that was stopped.
    """
    from csfnns.batch.run import Runner

    told = nullcontext() if ray is None else redirect_stdout(sys.stderr)  # what Ray says of workers that died
    with _stopped_by_interrupt() as stopped, told:
        yield Runner(workers, _shard(shard), ray, int(device.startswith("cuda")), stopped)


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not all(each.isascii() and each.isdigit() and len(each) < 6 for each in (part, parts)):
        raise UsageError(f"shard must be like 2/4, got {text!r}.", "Give the part, and how many there are.")
    return int(part), int(parts)


@contextmanager
def _stopped_by_interrupt() -> Iterator[Callable[[], bool]]:
    interrupts: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.signal(signal.SIGINT, before)
        with suppress(OSError):  # anything else might be in the middle of what this would do again
            os.write(2, b"Stopping when what is begun is finished; Ctrl-C again stops at once.\n")

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt

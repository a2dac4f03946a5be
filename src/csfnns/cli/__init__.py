"""The command line: parses, calls the package, shows. Only `main` is for others.

app.py        the commands put together; every error becomes a message and an exit code
help.py       help in two tiers, `csfnns help`, completion
config.py     settings of the user
options.py    options that several commands share
keys.py       the key that the options name: a file, or a passphrase and a profile
streams.py    standard input and output, pipes
show.py       what is printed: text for people, JSON for programs
the others    a command or a group each

No module imports torch, NumPy or rich before a command needs it: `csfnns --help` answers at once.
"""

import os
import signal
import sys
from contextlib import suppress
from io import BytesIO, StringIO, TextIOWrapper
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that sys.argv names, and end the process with its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    _forbid_core_dumps()
    # Where other programs share the processor, threads that wait by spinning slow a search down twofold and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _prepare_streams()
    try:
        from csfnns.cli.app import app

        if "_CSFNNS_COMPLETE" in os.environ:
            from typer._completion_classes import completion_init

            completion_init()
        app(prog_name="csfnns")
    except KeyboardInterrupt:  # while a library was loading
        sys.exit(130)
    except (ImportError, MemoryError, RecursionError) as error:
        lines = str(error).strip().splitlines() or ["there is too little memory"]
        hint = "Raise the limits of memory (ulimit -v), or install csfnns again."
        sys.stderr.write(f"error: csfnns cannot run here: {lines[-1].rstrip('.')}.\nhint: {hint}\n")
        sys.exit(1)
    finally:
        # CPython ends by SIGINT, whatever the exit code, where the last code to run in an exec() was interrupted there,
        # and dataclasses of a library that is loading are made so.
        exec("")
    raise AssertionError("typer always ends with SystemExit")


def _forbid_core_dumps() -> None:
    """Let no crash write keys to the disk."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _prepare_streams() -> None:
    """Let a file name that the terminal cannot show, or a closed stream, be no reason to fail."""
    sys.stdin = sys.stdin or TextIOWrapper(BytesIO())
    sys.stdout = sys.stdout or StringIO()
    sys.stderr = sys.stderr or StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End as an exception does, so that half-written files are removed on the way out."""
    sys.exit(128 + number)

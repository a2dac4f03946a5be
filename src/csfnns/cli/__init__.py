"""The command line: parses, calls csfnns.api, shows. Only `main` is for others.

app.py        the commands put together; every error becomes a message and an exit code
options.py    options that several commands share
unlock.py     the key that the options name: a file, or a passphrase and a profile
show.py       what is printed: text for people, JSON for programs
key.py · hide.py · reveal.py · measure.py · experiment.py · steganalysis.py · doctor.py    the commands

No module imports torch, NumPy or rich before a command needs it: `csfnns --help` answers at once.
"""

import os
import signal
import sys
from io import StringIO, TextIOWrapper
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that sys.argv names, and end the process with its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    # Where other programs share the processor, threads that wait by spinning slow a search down twofold and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _prepare_streams()
    try:
        from csfnns.cli.app import app

        app(prog_name="csfnns")
    except KeyboardInterrupt:  # while a library was loading
        sys.exit(130)
    raise AssertionError("typer always ends with SystemExit")


def _prepare_streams() -> None:
    """Let a file name that the terminal cannot show, or a closed stream, be no reason to fail."""
    sys.stdout = sys.stdout or StringIO()
    sys.stderr = sys.stderr or StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End as an exception does, so that half-written files are removed on the way out."""
    sys.exit(128 + number)

"""Standard input and output, which `-` names, and pipes such as <(…)."""

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from csfnns.errors import PictureError, UsageError
from csfnns.files import is_same_file

if TYPE_CHECKING:
    from csfnns.images.io import Picture

STANDARD = "-"


def check_inputs(*names: object) -> None:
    """Raise UsageError where standard input is to be read more than once."""
    if sum(str(name) == STANDARD for name in names) > 1:
        raise UsageError("Standard input can be read once only.", "Name a file instead of one of the -.")


def check_output(out: object, *, json: bool, inputs: Iterable[object] = ()) -> None:
    """Raise UsageError where the result cannot go to standard output, and PictureError where it is one of the inputs."""
    if str(out) != STANDARD:
        files = [0 if str(each) == STANDARD else str(each) for each in inputs if each is not None]
        if out is not None and any(is_same_file(Path(str(out)), each) for each in files):
            raise PictureError(f"{out} is one of the inputs.", "Choose another output name.")
        return
    if json:
        raise UsageError("--json and -o - both write to standard output.", "Leave one out, or name a file: -o FILE.")
    if not hasattr(sys.stdout, "buffer"):
        raise UsageError("Standard output is closed.", "Name a file: -o FILE.")
    if sys.stdout.isatty():
        reason = "The result is not for a terminal."
        raise UsageError(reason, "Name a file: -o FILE; or send it on: -o - | another-command.")


def source(name: str) -> str | bytes:
    """The name of a file as it is, and all that standard input (-) or a pipe holds. Raises PictureError."""
    from csfnns.payloads.frame import MAX_CONTENT

    try:
        if name == STANDARD:
            data = read_standard_input(MAX_CONTENT)
        elif stat.S_ISFIFO(os.stat(name).st_mode):
            with open(name, "rb") as pipe:
                data = pipe.read(MAX_CONTENT + 1)
        else:
            return name
    except (OSError, ValueError):  # the package says what is wrong with the name
        return name
    if len(data) > MAX_CONTENT:
        what = "Standard input" if name == STANDARD else name
        raise PictureError(f"{what} holds more than {MAX_CONTENT >> 20} MiB.", "Send less.")
    return data


def read_standard_input(limit: int) -> bytes:
    """At most `limit` bytes and one of standard input."""
    return sys.stdin.buffer.read(limit + 1)


def write_picture(picture: "Picture", out: object, *, overwrite: bool) -> None:
    """Write to a file, .png or .webp, or as PNG to standard output. Raises PictureError."""
    from csfnns.images import output

    if str(out) == STANDARD:
        write(output.encode_picture(picture, ".png"))
    else:
        output.write_picture(picture, str(out), overwrite=overwrite)


def write(data: bytes) -> None:
    """Write to standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()

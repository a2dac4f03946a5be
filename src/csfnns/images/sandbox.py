"""Strangers' pictures, decoded in a child process that can do nothing else (_child.py).

What the bytes say about themselves is checked first (header.py). The child gives up its rights, gets the file through a
pipe, and returns pixels, whose number was known before; nothing that it says is believed beyond that. Where no child can be
started, the picture is decoded in this process, within the same budgets of pixels and parts. A child that has asked for the
file and fails is a refusal: the file may be why.
"""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import csfnns
from csfnns.errors import CsfnnsError, NoMessageError, PictureError
from csfnns.images.header import (
    MAX_SIDE,
    STEGO_FORMATS,
    Header,
    bmp_has_runs,
    broken,
    check_parts,
    picture_format,
    read_header,
)
from csfnns.process import python

if TYPE_CHECKING:
    from csfnns.images.io import Picture

_START = "import sys; sys.path[:] = sys.argv[2:]; from csfnns.images._child import main; main()"
_READY = b"ready\n"
_LINE = 1 << 16  # bytes of what the child says about its pixels, at most
_WORDS = 120  # characters of what it says of an error, at most
_STARTING = 30  # seconds until it is ready, at most
_MAX_FRAMES = 100_000
_MEBIBYTE = 1 << 20
_MOST_AROUND = 16 * _MEBIBYTE  # bytes of a stego beyond 8 for each pixel
_WINDOWS = sys.platform == "win32"


@dataclass(frozen=True)
class Shown:
    """A stranger's picture as a viewer shows it."""

    picture: "Picture"
    hidden: float
    """Share of the outlines that vanish without alpha."""
    frames: int
    """Pictures in the file."""


def check_stego(kind: str | None, name: str) -> None:
    """Raise PictureError for a picture of a format that no stego has."""
    if kind == "HEIF":
        reason = f"{name} is an iPhone picture (HEIC)."
        raise PictureError(reason, "A stego never is one: ask for the file as it was written.")
    if kind is not None and kind != "JXL" and kind not in STEGO_FORMATS:
        reason = f"{name} is {'an' if kind[0] in 'AI' else 'a'} {kind} picture, and a stego never is one."
        raise PictureError(reason, "Ask for the file as it was written: a .png, .webp or .jpg.")


def _stego_header(data: bytes, name: str) -> Header:
    """Header of a stego. Raises PictureError for what no stego is, and for more bytes and parts than one needs."""
    check_stego(picture_format(data), name)
    header = read_header(data, name)
    if len(data) > _MOST_AROUND + 8 * header.height * header.width:
        reason = f"{name} has {len(data) // _MEBIBYTE} MiB for {header.width}x{header.height} pixels, and no stego has."
        raise PictureError(reason, "Ask for the file as it was written.")
    if header.format == "BMP" and bmp_has_runs(data):
        reason = f"{name} is a BMP picture with runs, and a stego never is one."
        raise PictureError(reason, "Ask for the file as it was written: a .png, .webp or .jpg.")
    if check_parts(data, header, name) > 1 and header.format != "PNG":  # of which the first one is stored apart
        raise PictureError(f"{name} is an animation, and a stego never is one.", "Ask for the file as it was written.")
    return header


def read_stored(data: bytes, name: str) -> "Picture":
    """Levels of a stego as the file stores them, uint8 (H, W, 3). Raises PictureError."""
    from csfnns.images.decode import check_memory, decode_stored

    header = _stego_header(data, name)
    check_memory(name, header.height, header.width)
    deep = header.format == "PNG" and data[24] == 16
    answer = _ask("stored", data, header, name, {"deep": deep})
    import numpy as np

    if answer is None:
        stored = np.array(decode_stored(data, name))
        if stored.shape[:2] != (header.height, header.width):
            raise broken(name, "its parts state different sizes")
        return stored
    return _pixels(answer, [(header.height, header.width)], name)


def read_shown(data: bytes, name: str, longest: int | None = None) -> Shown:
    """A secret as `csfnns.images.io.read_picture` reads it. Raises PictureError.

    A large JPEG of which only `longest` pixels a side are needed is decoded at a lower resolution, with no less than that.
    """
    from csfnns.images.decode import check_memory, check_phone, decode_shown

    header = read_header(data, name)
    check_phone(header.format, name)
    frames = check_parts(data, header, name)
    check_memory(name, header.height, header.width)
    answer = _ask("shown", data, header, name, {"longest": longest})
    if answer is None:
        picture, hidden, several = decode_shown(data, longest, name)
        if picture.size > 3 * header.height * header.width:
            raise broken(name, "its parts state different sizes")
        return Shown(picture, hidden, max(frames, several))
    picture = _pixels(answer, _shapes(answer[0], header, longest), name)
    share: Any = answer[0].get("hidden")
    count: Any = answer[0].get("frames")
    if type(share) not in (int, float) or not 0 <= share <= 1 or not is_numbers(count, (), 1, _MAX_FRAMES):
        raise _crashed(name)
    return Shown(picture, float(share), max(frames, count))


def count_frames(data: bytes, name: str) -> int:
    """Pictures in a file as far as its bytes say, 1 for HEIC. Raises PictureError."""
    return check_parts(data, read_header(data, name), name)


def ask_coefficients(data: bytes) -> "tuple[dict[str, Any], Any] | None":
    """What the child says of the coefficients of a JPEG stego; None where there is no child. Raises as it does."""
    name = "The picture"
    header = _stego_header(data, name)
    return _ask("coefficients", data, header, name, {}) if hasattr(os, "memfd_create") else None


def _shapes(about: dict[str, Any], header: Header, longest: int | None) -> list[tuple[int, int]]:
    """Shapes that a secret can have: its header's, also turned, and for a large JPEG at a lower resolution."""
    from csfnns.images.decode import LARGE

    height, width = header.height, header.width
    if header.format in ("AVIF", "HEIF"):  # whose header states the largest size, and which may be cut
        said: Any = about.get("shape")
        if is_numbers(said, (2,), 1, max(height, width)) and min(said) <= min(height, width):
            return [tuple(said)]
    reduced = longest is not None and header.format == "JPEG" and height * width > LARGE
    sides = [(-(-height // scale), -(-width // scale)) for scale in ((1, 2, 4, 8) if reduced else (1,))]
    return sides + [side[::-1] for side in sides]


def _pixels(answer: "tuple[dict[str, Any], Any]", shapes: Sequence[tuple[int, int]], name: str) -> "Picture":
    """Pixels that a child answers with, in one of these shapes. Raises PictureError."""
    about, body = answer
    said: Any = about.get("shape")
    if not is_numbers(said, (2,), 1, MAX_SIDE) or tuple(said) not in shapes or said[0] * said[1] * 3 != len(body):
        raise _crashed(name)
    picture: Picture = body.reshape(*said, 3)
    return picture


def is_numbers(said: Any, lengths: tuple[int, ...], least: int, most: int) -> bool:
    """Whether it is whole numbers in this range, in lists of these lengths; without lengths, one number."""
    if not lengths:
        return type(said) is int and least <= said <= most
    if type(said) is not list or len(said) != lengths[0]:
        return False
    return all(is_numbers(each, lengths[1:], least, most) for each in said)


# The child


_spare: "list[subprocess.Popen[bytes]]" = []


def prepare(operation: str) -> None:
    """Start a child for the next picture, "stored" or "shown", so that it loads its modules meanwhile."""
    if not _spare and (child := _start(operation)) is not None:
        _spare.append(child)


def _start(operation: str) -> "subprocess.Popen[bytes] | None":
    """A child that awaits a request; None where none can be started."""
    program = python()
    if program is None:
        return None
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONPYCACHEPREFIX")
    environment |= {each: os.environ[each] for each in kept if each in os.environ}
    try:
        own = str(Path(csfnns.__file__).absolute().parents[1])
        folders = [os.path.abspath(each) for each in sys.path if each]
        return subprocess.Popen(
            [program, "-I", "-S", "-B", "-c", _START, operation, *folders, own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for this process, which may want to finish
        )
    except (OSError, ValueError, RuntimeError, MemoryError):
        return None


def _stop(child: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError):
        child.kill()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


@atexit.register
def _stop_spare() -> None:
    while _spare:
        _stop(_spare.pop())


def _forget_spare() -> None:
    """After a fork, the spare child is that of the parent."""
    for child in _spare:
        child.returncode = 0
    _spare.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_spare)


def _ask(
    operation: str, data: bytes, header: Header, name: str, settings: dict[str, Any]
) -> "tuple[dict[str, Any], Any] | None":
    """What a child says of its answer, and the answer as a uint8 array; None where no child can be had.

    Raises PictureError for what the decoder refuses, what takes too much, and what crashes it.
    """
    try:
        child = _spare.pop()
    except IndexError:
        if (started := _start(operation)) is None:
            return None
        child = started
    area = header.height * header.width
    memory = 64 * _MEBIBYTE + 24 * area if operation == "stored" else 256 * _MEBIBYTE + 64 * area
    memory += 4 * len(data)
    seconds = 5 + area // 4_000_000 if operation == "shown" else 1 + area // 3_000_000
    request = {"operation": operation, "format": header.format, "length": len(data), **settings}
    request |= {"memory": memory, "seconds": seconds}
    most = area * 3 if operation != "coefficients" else 6 * (header.height + 31) * (header.width + 31)
    try:
        pipe = _Pipe(child)
        with pipe.limited(_STARTING):
            ready = pipe.write(json.dumps(request).encode() + b"\n") and pipe.read_line() == _READY
        if not ready:  # without a byte of the file
            if time.monotonic() < pipe.deadline and _ended(child) > 0:
                return None  # a module is elsewhere, or there is no memory
            reason = f"{name} cannot be decoded: its decoder did not start."
            raise PictureError(reason, "Try again when the computer is less busy.")
        with pipe.limited(_waiting(seconds)):
            pipe.write(data)
            line = pipe.read_line()
            if not line:
                late = time.monotonic() > pipe.deadline or _ended(child) in (-24, -9)  # by the limit of time
                raise _costly(name, f"{seconds} s") if late else _crashed(name)
            about = _parsed(line, name)
            if "error" in about:
                raise _error(operation, about, name, memory)
            return about, pipe.read_rest(most, name)
    finally:
        _stop(child)


def _waiting(seconds: int) -> float:
    """Seconds to wait for a child that may take so many of the processor: others take some too, and it may sleep."""
    return 10 + 2 * seconds


def _ended(child: "subprocess.Popen[bytes]") -> int:
    """Exit status of a child that has closed its pipe; 0 where it has not ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(1)
    return 0


class _Pipe:
    """Both pipes of a child, until a deadline."""

    deadline = 0.0

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._child, self._in, self._out = child, child.stdin, child.stdout
        self._held = b""

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Wait for at most so long. Where pipes cannot be waited for, a thread ends the child."""
        self.deadline = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._child.kill) if _WINDOWS else None
        if timer is None:
            os.set_blocking(self._in.fileno(), False)
        else:
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    def _wait(self, file: int, event: str) -> bool:
        if _WINDOWS:
            return True
        poll = select.poll()
        poll.register(file, select.POLLOUT if event == "write" else select.POLLIN)
        return bool(poll.poll(max(0.0, 1000 * (self.deadline - time.monotonic()))))

    def write(self, *parts: bytes) -> bool:
        """Write everything; False where the child does not take it."""
        try:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    if not self._wait(self._in.fileno(), "write"):
                        return False
                    rest = rest[os.write(self._in.fileno(), rest[:_MEBIBYTE]) :]
        except OSError:
            return False
        return True

    def _more(self) -> bytes:
        """Some bytes; none at the end and at the deadline."""
        file = self._out.fileno()
        return os.read(file, _MEBIBYTE) if self._wait(file, "read") else b""

    def read_line(self) -> bytes:
        """A line with its end; nothing where the child ends before."""
        while b"\n" not in self._held:
            more = self._more()
            if not more or len(self._held) > _LINE:
                return b""
            self._held += more
        line, _, rest = self._held.partition(b"\n")
        self._held = rest
        return line + b"\n"

    def read_rest(self, most: int, name: str) -> Any:
        """All that follows, at most `most` bytes, as a uint8 array. Raises PictureError for more."""
        import numpy as np

        found = np.empty(most, np.uint8)
        at, more = 0, self._held or self._more()
        while more:
            if at + len(more) > most:
                raise _crashed(name)
            found[at : at + len(more)] = np.frombuffer(more, np.uint8)
            at += len(more)
            more = self._more()
        return found[:at]


def _parsed(line: bytes, name: str) -> dict[str, Any]:
    try:
        about = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _crashed(name) from error
    if not isinstance(about, dict):
        raise _crashed(name)
    return about


def _error(operation: str, about: dict[str, Any], name: str, memory: int) -> CsfnnsError:
    """The child's error; its words come from a process that a stranger may have taken over."""
    if about["error"] == "memory":
        return _costly(name, f"{memory // _MEBIBYTE} MB")
    if about["error"] == "NoMessageError" and operation == "coefficients":
        return NoMessageError(f"{name} is a JPEG that csfnns does not write.", "Use the file as it was sent.")
    message = about.get("message")
    if type(message) is not str or not message:
        return _crashed(name)
    words = "".join(c if c.isprintable() and c != '"' else " " for c in message[:_WORDS])
    return PictureError(
        f'{name} cannot be decoded. Its decoder says: "{words}"',
        "It is damaged, cut short, or of an unusual kind: get it again from its source.",
    )


def _costly(name: str, limit: str) -> PictureError:
    return PictureError(f"{name} needs more than {limit} to decode.", "Save it again with another program.")


def _crashed(name: str) -> PictureError:
    return broken(name, "its decoder gave up")

"""The process that decodes one picture of a stranger for sandbox.py, and can do nothing else.

It reads a request, a line of JSON, loads what the format needs, and gives up all rights. Only then does it ask for the
file, and writes a line of JSON and the pixels. Its modules are few, since it is started for each picture.
"""

import contextlib
import ctypes
import json
import math
import os
import platform
import struct
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

READY = b"ready\n"
_NAME = "The picture"
_FILES = 32  # open files, of which the interpreter and the libraries have about 10
_PLUGINS = {"PNG": "Png", "JPEG": "Jpeg", "WEBP": "WebP", "BMP": "Bmp", "GIF": "Gif", "AVIF": "Avif", "PPM": "Ppm"}


def main() -> None:
    """Answer one request, given on standard input, on standard output."""
    answer_to = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)  # libraries may print
    if "shown" in sys.argv:
        _load("shown", "PNG")
    line = sys.stdin.buffer.readline()
    if not line:
        return
    request = json.loads(line)
    operation: str = request["operation"]
    _load(operation, request["format"])
    work = _WORK[operation](request)
    confine(request["memory"], request["seconds"], files=operation == "coefficients")
    _write(answer_to, READY)  # the parent sends the file once it has read this
    try:
        about, body = work(sys.stdin.buffer.read(request["length"]))
    except Exception as error:  # noqa: BLE001 - every one is told to the parent
        message = str(getattr(error, "message", ""))
        short = isinstance(error, MemoryError) or "out of memory" in message  # as Pillow says it
        about = {"error": "memory" if short else type(error).__name__}
        about, body = about | {"message": message.removeprefix(f"{_NAME} cannot be decoded: ")}, b""
    _write(answer_to, json.dumps(about).encode() + b"\n")
    _write(answer_to, body)
    os._exit(0)  # nothing is left to clean up


def _load(operation: str, kind: str) -> None:
    """Import all that the operation can need: later, nothing can be opened."""
    from importlib import import_module

    names = ["csfnns.images.decode", "PIL.ExifTags", "PIL.ImagePalette", "PIL.TiffImagePlugin"]
    if kind in _PLUGINS:
        names.append(f"PIL.{_PLUGINS[kind]}ImagePlugin")
    if operation == "shown":
        names += ["numpy", "csfnns.images.colour", "PIL.ImageCms"]
        names += ["xml.etree.ElementTree", "pyexpat"]
    if operation == "coefficients":
        names += ["csfnns.images.jpeg_file", "jpeglib", "numpy.ctypeslib"]
    for name in names:
        with contextlib.suppress(ImportError):
            import_module(name)
    from PIL import Image

    Image.preinit()
    if kind in ("AVIF", "TIFF", "WEBP"):
        Image.init()


Work = Callable[[bytes], tuple[dict[str, Any], Any]]


def _stored(request: dict[str, Any]) -> Work:
    from csfnns.images.decode import decode_stored

    if request["deep"]:
        import numpy  # noqa: F401

    def work(data: bytes) -> tuple[dict[str, Any], Any]:
        image = decode_stored(data, _NAME)
        return {"shape": [image.height, image.width]}, image.tobytes()

    return work


def _shown(request: dict[str, Any]) -> Work:
    from csfnns.images.decode import decode_shown, load_heif

    if request["format"] == "HEIF":
        load_heif()

    def work(data: bytes) -> tuple[dict[str, Any], Any]:
        picture, hidden, frames = decode_shown(data, request["longest"], _NAME)
        return {"shape": picture.shape[:2], "hidden": hidden, "frames": frames}, picture.data.cast("B")

    return work


def _coefficients(request: dict[str, Any]) -> Work:
    import mmap
    import tempfile

    import jpeglib  # type: ignore[import-untyped]

    from csfnns.images import jpeg_file

    end = b"\xff\xd9"
    file = os.memfd_create("picture")  # in memory alone
    os.ftruncate(file, request["length"] + len(end))
    content = mmap.mmap(file, 0)
    path = f"/proc/self/fd/{file}"
    # jpeglib copies the file into a temporary one, whose place is taken by the same memory.
    same = SimpleNamespace(name=path, write=lambda content: None, flush=lambda: None, close=lambda: None)
    tempfile.NamedTemporaryFile = lambda *args, **kwargs: same  # type: ignore[assignment]
    os.remove = lambda *args, **kwargs: None
    jpeglib.version.set(jpeg_file.LIBRARY)

    def work(data: bytes) -> tuple[dict[str, Any], Any]:
        content.write(jpeg_file.without_metadata(data) + end)
        found = jpeg_file.coefficients_in(data, path)
        about = {"shape": found.shape, "subsampling": found.subsampling, "tables": found.tables.tolist()}
        about["planes"] = [plane.shape[:2] for plane in found.planes]
        return about, b"".join(plane.astype("<i2").tobytes() for plane in found.planes)

    return work


_WORK = {"stored": _stored, "shown": _shown, "coefficients": _coefficients}


def _write(file: int, content: Any) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest[: 1 << 20]) :]


# Giving up rights


def confine(memory: int, seconds: int, *, files: bool) -> None:
    """Allow this process so many more bytes and seconds (rounded up), and no new file, program, connection or process.

    With `files`, existing files may be opened for reading where Landlock is not there to forbid it: jpeglib reads by path.
    """
    with contextlib.suppress(ImportError):
        _limit(memory, seconds)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(None, use_errno=True)
            library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
            library.prctl(_DUMPABLE, 0, 0, 0, 0)
            _landlock(library)
            _filter_calls(library, files=files)


def _limit(memory: int, seconds: int) -> None:
    import resource  # not on Windows

    limits = {"CORE": 0, "CPU": math.ceil(time.process_time()) + seconds, "NOFILE": _FILES, "FSIZE": 0}
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:
        limits["AS"] = memory + os.sysconf("SC_PAGE_SIZE") * int(file.read().split()[0])
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        with contextlib.suppress(OSError, ValueError):
            hard = resource.getrlimit(kind)[1]
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (allowed, allowed))


_DUMPABLE, _SECCOMP, _NO_NEW_PRIVS = 4, 22, 38  # of prctl
_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # on all processors


def _landlock(library: Any) -> None:
    """Forbid opening files by path, connections and signals, as far as this kernel can."""
    call = library.syscall
    version = call(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return
    access = 0x1FFF if version < 2 else 0x3FFF if version < 3 else 0x7FFF if version < 5 else 0xFFFF
    attributes = struct.pack("=QQQ", access, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if ruleset >= 0:
        call(_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)


# Numbers on x86_64 and aarch64. Those that may open, start, connect or signal anything are not among them.
_CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79), "lseek": (8, 62),
    "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "sched_yield": (24, 124),
    "mremap": (25, 216), "madvise": (28, 233), "exit": (60, 93), "gettimeofday": (96, 169), "sigaltstack": (131, 132),
    "gettid": (186, 178), "futex": (202, 98), "sched_getaffinity": (204, 123), "clock_gettime": (228, 113),
    "exit_group": (231, 94), "set_robust_list": (273, 99), "getrandom": (318, 278), "membarrier": (324, 283),
    "rseq": (334, 293),
}  # fmt: skip
# Numbers, an argument, a mask and what must be left of it: memory that is not run, and threads, not processes.
_CHECKED = (((9, 222), 2, 4, 0), ((10, 226), 2, 4, 0), ((56, 220), 0, 0x10000, 0x10000))
_OPEN_TO_READ = ((257, 56), 2, os.O_WRONLY | os.O_RDWR | os.O_CREAT, 0)
_CLONE3 = 435  # hides its flags in memory: without it, the C library takes clone
_ALLOW, _KILL, _REFUSE, _ABSENT = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def _filter_calls(library: Any, *, files: bool) -> None:
    """Refuse all calls of the kernel but those of `_CALLS` [seccomp(2)]."""
    machines = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
    if platform.machine() not in machines or sys.byteorder != "little":
        return
    column, machine = machines[platform.machine()]

    def equal(value: int, otherwise: int) -> tuple[int, int, int, int]:
        return 0x15, 0, otherwise, value  # jump over the next ones if not

    def load(place: int) -> tuple[int, int, int, int]:
        return 0x20, 0, 0, place

    def end(action: int) -> tuple[int, int, int, int]:
        return 0x06, 0, 0, action

    program = [load(4), (0x15, 1, 0, machine), end(_KILL), load(0), equal(_CLONE3, 1), end(_ABSENT)]
    for numbers in _CALLS.values():
        program += [equal(numbers[column], 1), end(_ALLOW)]
    for numbers, argument, mask, wanted in (*_CHECKED, *((_OPEN_TO_READ,) if files else ())):
        program += [equal(numbers[column], 5), load(16 + 8 * argument), (0x54, 0, 0, mask), equal(wanted, 1)]
        program += [end(_ALLOW), end(_REFUSE)]
    program.append(end(_REFUSE))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    pointer = struct.pack("@HP", len(program), ctypes.addressof(code))
    library.prctl(_SECCOMP, 2, pointer, 0, 0)

"""The process belongs to the program that calls: csfnns neither depends on its settings nor changes them."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from csfnns.errors import CsfnnsError


def _is_fork() -> bool:
    """Whether this process was forked and still runs the same program; False where that is not known."""
    try:
        with open("/proc/self/stat", "rb") as file:
            flags = int(file.read().rpartition(b")")[2].split()[6])
    except (OSError, ValueError, IndexError):
        return False
    return bool(flags & 0x40)  # PF_FORKNOEXEC of Linux


THREADS = "CSFNNS_THREADS"
"""Environment variable: the most threads that a search uses."""


def cores() -> int:
    """Processors that this process may use, at most as many as CSFNNS_THREADS says."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get(THREADS, "")
    return min(available, max(1, int(asked))) if asked.isascii() and asked.isdigit() else available


def python() -> str | None:
    """Path of the program that runs other Python programs; None where this one only contains Python."""
    program = sys.executable
    is_python = program and not getattr(sys, "frozen", False) and re.match("python|pypy", Path(program).name.lower())
    return program if is_python else None


_forked = "torch" in sys.modules and _is_fork()
"""Whether torch was loaded before a fork: its threads are then gone, and whatever uses more than one waits for ever."""


@contextmanager
def undisturbed(too_large: type[CsfnnsError]) -> Iterator[None]:
    """Run under the usual settings of NumPy and torch; lack of memory becomes an error of the class `too_large`.

    Of torch, only the modes of the current thread are changed: gradients, inference and autocast. All else that csfnns
    needs, such as types and devices of tensors, is stated where they are made.
    """
    import numpy as np

    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))
        if sys.modules.get("torch") is not None:  # before it is loaded, nobody can have changed it
            import torch  # another thread may be loading it: this waits until it is whole

            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for device in ("cpu", "cuda"):
                stack.enter_context(torch.autocast(device, enabled=False))
            if _forked:
                stack.callback(torch.set_num_threads, torch.get_num_threads())
                torch.set_num_threads(1)
        try:
            yield
        except (MemoryError, RuntimeError) as error:  # torch's errors for memory are RuntimeErrors
            if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(str(error)):
                raise
            asked = _ASKED.search(str(error))
            size = f": {asked[1]} more were asked for" if asked else ""
            hint = "Use smaller or fewer pictures, or free memory; in place of a GPU: --set device=cpu."
            raise too_large(f"There is too little memory{size}.", hint) from error


_OUT_OF_MEMORY = re.compile("DefaultCPUAllocator|out of memory", re.IGNORECASE)
_ASKED = re.compile(r"allocate ([\d.]+ ?[A-Za-z]+)")


def _note_fork() -> None:
    global _forked  # noqa: PLW0603 - a fact about the process
    _forked = _forked or "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)

"""The C kernels, in one library, where a compiler built it (hatch_build.py)."""

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any


def find_kernel(name: str, arguments: Sequence[Any], result: Any = None) -> Any:
    """The function of that name with these types of ctypes, or None where it was not built."""
    found = getattr(_library(), name, None)
    if found is not None:
        found.argtypes, found.restype = arguments, result
    return found


@cache
def _library() -> ctypes.CDLL | None:
    for suffix in ("so", "dll", "dylib"):
        path = files("csfnns") / f"_kernels.{suffix}"
        if path.is_file():
            try:
                return ctypes.CDLL(str(path))
            except OSError:  # built for another machine
                continue
    return None

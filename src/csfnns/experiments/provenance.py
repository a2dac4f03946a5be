"""What a row is measured with: code, libraries and machine. Part of a row's id as far as its figures depend on it."""

import ast
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import csfnns
from csfnns.extras import has

PACKAGE = Path(csfnns.__file__).parent
HIDING = (
    *("methods", "baselines", "search", "decoders", "payloads", "coding", "images", "address"),
    *("stream.py", "profile.py", "tensors.py", "kernels.py"),
    *("experiments/base.py", "experiments/methods.py", "experiments/changes.py", "experiments/resize.py"),
)
"""Modules, or folders of them, on which stegos and recovered pictures depend; tests hold that none is missing. Networks
that a search evades come on top."""
MEASURING = (*HIDING, "experiments/measures.py", "experiments/run.py")
"""Those on which the figures of tables depend."""
_LIBRARIES = ("torch", "numpy", "pillow")


def code_digest(parts: Iterable[str], outside: Iterable[str] = ()) -> str:
    """SHA-256 of the package's code at these paths, and of the `outside` modules, with their names.

    Docstrings and comments do not count, so that a change of prose measures nothing again. Of a module of another
    package, the whole package counts.
    """
    files = {(path.relative_to(PACKAGE).as_posix(), path) for part in parts for path in _sources(PACKAGE / part)}
    for name in {name.partition(".")[0] for name in outside}:
        home = Path(str(import_module(name).__file__))
        folder = home.parent if home.name == "__init__.py" else home
        files |= {(f"{name}:{path.relative_to(home.parent).as_posix()}", path) for path in _sources(folder)}
    digests = [f"{name} {_digest(path, path.stat().st_mtime_ns)}" for name, path in sorted(files)]
    return sha256("\n".join(digests).encode()).hexdigest()


def outside_modules(*members: object) -> list[str]:
    """Modules of other packages that define these members of registries (functions, classes, "module:name")."""
    names = [
        each.partition(":")[0] if isinstance(each, str) else str(getattr(each, "__module__", "")) for each in members
    ]
    return [name for name in names if name and name.partition(".")[0] not in ("csfnns", "builtins", "functools")]


def _sources(place: Path) -> list[Path]:
    """Source files at a path. Raises FileNotFoundError for a path that does not exist."""
    if not place.is_dir():
        place.stat()
        return [place]
    return [path for path in place.rglob("*") if path.suffix in (".py", ".c")]


@cache
def _digest(path: Path, changed: int) -> str:
    """Of a file's code as it was at that time of change."""
    text = path.read_text("utf-8")
    return sha256(code_of(text, path.suffix).encode()).hexdigest()


def code_of(text: str, suffix: str = ".py") -> str:
    """Source without comments, docstrings and layout; C is only freed of comments and layout."""
    if suffix == ".c":
        return " ".join(re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL).split())
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):  # bare strings are docstrings, of attributes too
            node.body = [each for each in body if not _is_prose(each)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_prose(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def libraries() -> dict[str, str | None]:
    """Versions of the libraries on which figures depend; None for one that is not installed."""
    return {name: _version(name) for name in _LIBRARIES}


@cache
def environment(device: str = "cpu") -> dict[str, Any]:
    """What is kept with each result: version, commit, libraries and machine."""
    return {
        "csfnns": csfnns.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        **libraries(),
        **machine(device),
    }


@cache
def machine(device: str = "cpu") -> dict[str, Any]:
    """Processor, threads, and the GPU if the device is one."""
    instructions, threads, gpu = platform.machine(), None, None
    if has("network"):
        import torch

        instructions += f" {torch.backends.cpu.get_cpu_capability()}"
        threads = torch.get_num_threads()
        gpu = torch.cuda.get_device_name() if device.startswith("cuda") and torch.cuda.is_available() else None
    name = ", ".join(part for part in (_processor(), instructions, f"{os.cpu_count()} cores") if part)
    return {"machine": name, "threads": threads, "gpu": gpu}


def commit() -> str | None:
    """Commit of the source, with -dirty after changes; None without a checkout."""
    root = PACKAGE.parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return result.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Model of the processor, where the system says so."""
    if not sys.platform.startswith("linux"):
        return platform.processor()
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""

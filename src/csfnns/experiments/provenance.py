"""What rows are made with: kept with each of them, and part of its id as far as figures depend on it."""

import os
import platform
import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import csfnns
from csfnns.experiments.base import Experiment

PACKAGE = Path(csfnns.__file__).parent

_FIGURES = (
    *("search", "schemes", "decoders", "payloads", "coding"),
    *("measure.py", "picture.py", "jpeg_steps.py", "denoise.py", "lpips.py", "stream.py", "profile.py"),
    *(f"experiments/{name}.py" for name in ("base", "measures", "methods", "run")),
)
"""Sources, or folders of them, on which figures depend."""
_TIMES = ("covers",)
"""Further ones on which times depend: experiments take their covers from a folder, but time the generator too."""
_LIBRARIES = ("torch", "numpy", "pillow")


def made_with(experiment: Experiment, device: str) -> dict[str, Any]:
    """What a row of that experiment depends on besides its settings and files; of times, the machine too."""
    own = experiment.measure.__module__.removeprefix("csfnns.").replace(".", "/") + ".py"
    found: dict[str, Any] = {**libraries()}
    if not experiment.timed:
        return found | {"code": code_digest((*_FIGURES, own))}
    return found | {"code": code_digest((*_FIGURES, *_TIMES, own)), **machine(device)}


def libraries() -> dict[str, str]:
    """Versions of the libraries on which figures depend."""
    return {name: version(name) for name in _LIBRARIES}


def code_digest(parts: tuple[str, ...]) -> str:
    """SHA-256 of the package's sources at these paths, names included."""
    sources = {
        path
        for part in parts
        for path in (_sources(PACKAGE / part) if (PACKAGE / part).is_dir() else [PACKAGE / part])
    }
    digests = [
        f"{path.relative_to(PACKAGE).as_posix()} {sha256(path.read_bytes()).hexdigest()}" for path in sources
    ]
    return sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".py", ".c")]


@cache
def environment(device: str) -> dict[str, Any]:
    """What is kept with a row for those who compare: version, commit and machine."""
    return {
        "csfnns": csfnns.__version__,
        "commit": _commit(),
        "torch": version("torch"),
        **machine(device),
    }


@cache
def machine(device: str) -> dict[str, Any]:
    """Processor, threads, and GPU where the device is one."""
    import torch

    on_gpu = device.startswith("cuda") and torch.cuda.is_available()
    return {
        "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if on_gpu else None,
    }


def _commit() -> str | None:
    """Commit of the source, with -dirty after changes; None where it is installed and no checkout."""
    root = PACKAGE.parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return result.stdout.strip() or None

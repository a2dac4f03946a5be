"""Optional parts of the package: which are installed, and errors that name the missing extra."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from csfnns.errors import UsageError

_NETWORK = ("torch", "safetensors")
MODULES = {
    "network": _NETWORK,
    "experiments": (*_NETWORK, "matplotlib"),
    "sd": (*_NETWORK, "accelerate", "diffusers", "transformers"),
    "jpeg": ("jpeglib",),
    "phone": ("pi_heif",),
    "web": ("starlette", "uvicorn"),
    "cluster": ("ray",),
}
"""Modules that each extra of pyproject.toml installs."""


def has(extra: str) -> bool:
    """Whether every module of the extra is installed; none is imported."""
    return all(find_spec(name) is not None for name in MODULES[extra])


def require(extra: str, what: str) -> None:
    """Raise UsageError that names `what` and the extra where a module of the extra is missing."""
    if not has(extra):
        raise UsageError(f"{what} needs the extra '{extra}'.", f"Install it: pip install 'csfnns[{extra}]'.")


def load_lazily(package: str, homes: Mapping[str, str], *, extra: str | None = "network") -> Callable[[str], Any]:
    """`__getattr__` of a package whose names are imported when they are first used.

    `homes` gives the submodule of each name. Raises UsageError where the extra that they need is missing.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if extra is not None:
            require(extra, f"{package}.{name}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return load

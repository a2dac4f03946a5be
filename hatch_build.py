"""Build the search's C kernel into the wheel. Without a compiler, csfnns searches with NumPy, at fewer states."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/csfnns/search")
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compile `_viterbi.c` to a shared library without Python's headers: it serves every Python on the platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to what is built, and name the platform in the wheel's tag."""
        if self.target_name != "wheel":
            return
        source, library = (Path(self.root) / FOLDER / f"_viterbi{suffix}" for suffix in (".c", SUFFIX))
        library.unlink(missing_ok=True)
        compiler = next((found for name in _compilers() if (found := _found(name))), None)
        shared = ["-dynamiclib"] if sys.platform == "darwin" else ["-shared", "-fPIC"]
        if compiler is None or not _runs([*compiler, "-O3", *shared, "-o", str(library), str(source)]):
            self.app.display_warning("No C compiler: csfnns will search with NumPy, at fewer states.")
            return
        build_data["artifacts"].append(f"/{FOLDER}/{library.name}")
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def _compilers() -> list[str]:
    """Commands to try; CC alone where it is set."""
    return [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]


def _found(command: str) -> list[str] | None:
    words = shlex.split(command)
    return words if words and shutil.which(words[0]) else None


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0

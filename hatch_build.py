"""Build the C kernels into the wheel. Without a compiler, csfnns searches with NumPy, at fewer states, and codes slower.

Two builds of one source are the same bytes where the compiler is the same: no path and no time gets into the library.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/csfnns")
SOURCES = [FOLDER / name for name in ("coding/_arithmetic.c", "decoders/_trellis.c", "search/_viterbi.c")]
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
FLAGS = {"win32": ["-shared", "-s", "-Wl,--no-insert-timestamp"], "darwin": ["-dynamiclib", "-Wl,-x"]}.get(
    sys.platform, ["-shared", "-fPIC", "-s"]
)


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compile the kernels to one shared library without Python's headers: it serves every Python on the platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to what is built, and name the platform in the wheel's tag."""
        if self.target_name != "wheel":
            return
        library = FOLDER / f"_kernels{SUFFIX}"
        (Path(self.root) / library).unlink(missing_ok=True)
        compiler = next((found for name in _compilers() if (found := _found(name))), None)
        # In the root and with relative names, since some compilers write names into the library.
        if compiler is None or not _runs([*compiler, "-O3", *FLAGS, "-o", str(library), *map(str, SOURCES)], self.root):
            self.app.display_warning("No C compiler: csfnns will search with NumPy, at fewer states, and be slower.")
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


def _runs(command: list[str], folder: str) -> bool:
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0

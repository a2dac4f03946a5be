"""Are abstract covers the same bytes everywhere? `python benchmarks/abstract_exactness.py [python ...]`.

Runs the generator under every combination of instruction-set and thread settings that is known to change
float32 results, in this Python and in each one named, which needs numpy, cryptography and pydantic. Prints
one line a Python and NumPy setting, and ends with 1 when any bytes differ.
"""

import argparse
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"

ATEN = ("default", "avx2", "avx512")
ONEDNN = ("", "AVX2", "AVX512_CORE")
THREADS = ("1", "2")

FEATURES = """
import json, platform, numpy
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
present = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
print(json.dumps([platform.python_version(), numpy.__version__, present]))
"""

COVERS = """
import hashlib
from csfnns.covers.abstract import AbstractCovers
from csfnns.stream import Seed
key, digest = Seed(bytes(range(32))), hashlib.sha256()
for height, width, messages in ((64, 64, 48), (128, 96, 6), (512, 512, 2)):
    for message in range(messages):
        digest.update(AbstractCovers(height, width)(key, message).tobytes())
print(digest.hexdigest())
"""


def run(python: str, code: str, settings: dict[str, str]) -> str:
    """Output of `code` in a fresh interpreter with these environment variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NPY_", "ATEN_", "ONEDNN_"))}
    environment |= {k: v for k, v in settings.items() if v} | {"PYTHONPATH": str(SOURCE)}
    command = [python, "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def digests(python: str, disabled: str) -> set[str]:
    """Digests of the covers over all settings of torch's, oneDNN's and OpenMP's variables."""
    return {
        run(
            python,
            COVERS,
            {
                "ATEN_CPU_CAPABILITY": aten,
                "ONEDNN_MAX_CPU_ISA": onednn,
                "OMP_NUM_THREADS": threads,
                "NPY_DISABLE_CPU_FEATURES": disabled,
            },
        )
        for aten, onednn, threads in product(ATEN, ONEDNN, THREADS)
    }


def main() -> int:
    """Print the table; 1 when the digests are not all one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="*", help="further Python executables")
    seen: set[str] = set()
    print(f"{'Python':8} {'NumPy':7} {'digests':8} {'SHA-256':16} NumPy without")
    for python in (sys.executable, *parser.parse_args().python):
        version, numpy, present = json.loads(run(python, FEATURES, {}))
        wide = [name for name in present if "512" in name or name == "X86_V4"]
        for disabled in dict.fromkeys(("", " ".join(wide), " ".join(present))):
            found = digests(python, disabled)
            seen |= found
            print(f"{version:8} {numpy:7} {len(found):<8} {min(found)[:16]} {disabled or '-'}", flush=True)
    print("all the same bytes" if len(seen) == 1 else f"DIFFERENT: {len(seen)} digests")
    return int(len(seen) != 1)


if __name__ == "__main__":
    sys.exit(main())

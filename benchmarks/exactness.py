"""Do both ends agree, whatever they run on? `python benchmarks/exactness.py [python ...]`.

Makes abstract covers, and hides the same payloads with the same keys and nonces by each method, under instruction-set and
thread settings that are known to change float32 results, in this Python and in each one named; then each setting reads
what every other wrote. Covers, pixels of direct coding and JPEG files must be the same bytes everywhere. Searches are in
floating point: their stegos may differ, as long as everybody reads them.

Every other Python needs the package's dependencies; one without torch leaves `robust` out, and one without jpeglib `jpeg`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "src"
SETTINGS = {
    "as it is, 1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "torch without AVX": {"ATEN_CPU_CAPABILITY": "default"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "oneDNN with SSE 4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "the search in NumPy": {"CSFNNS_KERNEL": "numpy"},
}
LEAST = {"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
COVERS = ((64, 64, 48), (128, 96, 6), (512, 512, 2))
"""Height, width and number of abstract covers."""
FILES = {
    "direct.png": ("direct", 192, 5000),
    "grain.png": ("grain", 192, 5000),
    "jpeg.jpg": ("jpeg", 192, 1000),
    "robust.png": ("robust", 128, 60),
    "trellis.png": ("trellis", 192, 0),
}
"""Method, side of the cover, and bytes; 0 for a picture."""
SEARCHED = ("robust.png", "trellis.png")
FEATURES = """
import json, platform, numpy
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
present = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
print(json.dumps([platform.python_version(), numpy.__version__, present]))
"""


def message(name: str) -> tuple[Any, Any, Any, Any, Any]:
    """Method, cover, seeds, envelope and payload of a file of FILES."""
    from csfnns.covers import AbstractCovers
    from csfnns.methods import METHODS, Envelope, ReceiverSeeds, Robust
    from csfnns.profile import make_profile
    from csfnns.stream import Seed

    method, side, size = FILES[name]
    root = Seed(bytes(range(32))).derive(f"benchmark/exactness/{name}")
    cover, other = (AbstractCovers(side, side)(root.derive(each)) for each in ("cover", "secret"))
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    envelope = Envelope(root.derive("address"), root.derive("nonce").data[:16])
    payload = root.stream().take(size) if size else other[:64, :64].copy()
    if method == "robust":
        return Robust(make_profile("robust", width=side, height=side)), cover, seeds, envelope, payload
    return METHODS.make(method), cover, seeds, envelope, payload


def usable() -> list[str]:
    """Those of FILES that this Python can make."""
    lacking = {name for name, module in (("robust.png", "torch"), ("jpeg.jpg", "jpeglib")) if not find_spec(module)}
    return [name for name in FILES if name not in lacking]


def write(folder: str) -> None:
    """Write each file into a folder; print digests of the covers and of what the files show."""
    from csfnns.covers import AbstractCovers
    from csfnns.images.io import read_picture
    from csfnns.messages.send import encode_file
    from csfnns.stream import Seed

    key, digest = Seed(bytes(range(32))), sha256()
    for height, width, count in COVERS:
        for number in range(count):
            digest.update(AbstractCovers(height, width)(key.derive(str(number))).tobytes())
    found = {"covers": digest.hexdigest()}
    for name in usable():
        method, cover, seeds, envelope, payload = message(name)
        data = encode_file(method, method.embed(cover, {seeds: payload}, envelope=envelope), Path(name).suffix)
        Path(folder, name).write_bytes(data)
        found[name] = sha256(data if name.endswith(".jpg") else read_picture(data).tobytes()).hexdigest()
    print(json.dumps(found))


def read(folders: dict[str, list[str]]) -> None:
    """Read each file in its folders as a receiver does; print how many came back, and which did not."""
    from csfnns.images.io import read_picture
    from csfnns.images.jpeg_file import read_coefficients

    right, wrong = 0, []
    for name in usable():
        method, cover, seeds, envelope, payload = message(name)
        for path in (Path(folder, name) for folder in folders[name]):
            stego: Any = read_coefficients(path.read_bytes()) if path.suffix == ".jpg" else read_picture(path)
            try:
                found = method.extract(stego, cover, seeds, envelope=envelope)
            except Exception as error:  # noqa: BLE001 - whatever it is, the file did not come back
                found = repr(error).encode()
            good = found == payload if isinstance(payload, bytes) else getattr(found, "unchanged", False)
            right += good
            wrong += [] if good else [str(path)]
    print(json.dumps([right, wrong]))


def run(python: str, code: str, settings: dict[str, str]) -> str:
    """Output of `code` in a fresh interpreter with these environment variables."""
    names = ("NPY_", "ATEN_", "ONEDNN_", "OMP_", "CSFNNS_KERNEL")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(names)} | settings
    environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE), str(Path(__file__).parent)])
    command = [python, "-W", "ignore", "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def settings_of(python: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Versions of a Python, and the settings to try with it."""
    version, numpy, present = json.loads(run(python, FEATURES, {}))
    wide = [name for name in present if "512" in name or name == "X86_V4"]
    found = dict(SETTINGS)
    found["NumPy without AVX-512"] = {"NPY_DISABLE_CPU_FEATURES": " ".join(wide)}
    found["NumPy without all"] = {"NPY_DISABLE_CPU_FEATURES": " ".join(present)}
    found["the least of all"] = LEAST | found["NumPy without all"]
    return f"{version}, NumPy {numpy}", found


def main() -> int:
    """Print the table; exit status 1 when something differs that must not, or does not come back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="*", help="further Python executables")
    parser.add_argument("--quick", action="store_true", help="two settings")
    arguments = parser.parse_args()
    tries = []
    for python in (sys.executable, *arguments.python):
        version, settings = settings_of(python)
        chosen = list(settings.items())
        tries += [(python, version, *each) for each in (chosen[:: len(chosen) - 1] if arguments.quick else chosen)]
    kinds: dict[str, dict[str, str]] = {name: {} for name in ("covers", *FILES)}  # digest → folder with such a file
    failed = False
    with tempfile.TemporaryDirectory() as place:
        for i, (python, version, name, variables) in enumerate(tries):
            folder = Path(place) / str(i)
            folder.mkdir()
            digests = json.loads(run(python, f"import exactness; exactness.write({str(folder)!r})", variables))
            for file, digest in digests.items():
                kinds[file].setdefault(digest, str(folder))
            short = ", ".join(f"{file} {digest[:8]}" for file, digest in digests.items())
            print(f"written  {version}, {name}: {short}", flush=True)
        folders = {file: list(kinds[file].values()) for file in FILES}
        for python, version, name, variables in tries:
            right, wrong = json.loads(run(python, f"import exactness; exactness.read({folders!r})", variables))
            failed |= bool(wrong)
            print(f"read     {version}, {name}: {right} files came back, not: {wrong}", flush=True)
    for file, found in kinds.items():
        print(f"{file}: {len(found)} different from {len(tries)} settings")
        failed |= len(found) > 1 and file not in SEARCHED
    print("DIFFERENT" if failed else "both ends agree everywhere")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

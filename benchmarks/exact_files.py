"""Do both ends agree on files, whatever they run on? `python benchmarks/exact_files.py [python ...]`.

Hides the same files with the same keys by every way, under instruction-set and thread settings that are known to change
float32 results, in this Python and in each one named; then each setting reads what every other wrote, by all ways that a
receiver tries. Direct coding must give the same pixels and JPEG files everywhere. Bits go by a search in float32, and may
differ as long as everybody reads them. A Python named needs numpy, pillow, cryptography, pydantic, platformdirs and
jpeglib; one without torch does direct coding alone, with the packages that need torch left out. Prints a line a setting,
and ends with 1 when anything differs that must not, or does not come back.
"""

import argparse
import json
import sys
import tempfile
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from abstract_exactness import FEATURES, SOURCE, run

LEAST = {"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
SETTINGS = {
    "as it is, 1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "torch without AVX": {"ATEN_CPU_CAPABILITY": "default"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "oneDNN with SSE 4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
}
FILES: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    "pixels.png": ("standard", 192, 5000, {}),
    "grain.png": ("standard", 192, 5000, {"grain": True}),
    "jpeg.jpg": ("standard", 192, 1000, {"quality": 90}),
    "bits.png": ("robust", 128, 80, {}),
}
"""Profile, side of the cover, bytes, and how to send them."""


def message(name: str) -> tuple[Any, Any, Any, bytes]:
    """Key, cover, seeds and content of a file of FILES."""
    from csfnns import Key, make_cover, make_profile
    from csfnns.sending import seeds_of
    from csfnns.stream import Seed

    profile, side, size, _ = FILES[name]
    root = Seed(bytes(range(32))).derive(f"benchmark/exact-files/{name}")
    key = Key.from_root(make_profile(profile, width=side, height=side), root)
    return key, make_cover(key, 1).picture, seeds_of(key, key.names[0], 1), root.stream().take(size)


def names() -> list[str]:
    """Those of FILES that this Python can send."""
    if find_spec("torch"):
        return list(FILES)
    _leave_torch_out()
    return [name for name in FILES if not name.startswith("bits")]


def hide(folder: str) -> None:
    """Write each file into a folder; print digests of what must be the same: pixels, and the JPEG file's bytes."""
    usable = names()
    from csfnns.picture import read_picture
    from csfnns.ways import choose

    found = {}
    for name in usable:
        key, cover, seeds, content = message(name)
        path = Path(folder) / name
        path.write_bytes(choose(key.profile, path.suffix, **FILES[name][3]).embed(cover, {seeds: content}))
        same = path.read_bytes() if path.suffix == ".jpg" else read_picture(path).tobytes()
        found[name] = sha256(same).hexdigest()
    print(json.dumps(found))


def read(folders: dict[str, list[str]]) -> None:
    """Read each file in its folders as a receiver does; print how many came back, and what did not."""
    usable = names()
    from csfnns.errors import NoMessageError
    from csfnns.ways import arrive, to_read

    right, wrong = 0, []
    for name in usable:
        key, cover, seeds, content = message(name)
        for path in (Path(folder) / name for folder in folders[name]):
            arrived = arrive(path)
            try:
                found = [way.extract(arrived, cover, seeds) for way in to_read(key.profile, arrived)]
            except NoMessageError as error:
                found = [str(error).encode()]
            if [each for each in found if each is not None] == [content]:
                right += 1
            else:
                wrong.append(str(path))
    print(json.dumps([right, wrong]))


def _leave_torch_out() -> None:
    """Direct coding needs no torch, but shares packages with what does."""
    search: Any = ModuleType("csfnns.search")
    search.Progress = Any
    schemes: Any = ModuleType("csfnns.schemes")
    schemes.__path__ = [str(SOURCE / "csfnns" / "schemes")]
    sys.modules |= {"csfnns.search": search, "csfnns.schemes": schemes}
    for module, name in (("base", "ReceiverSeeds"), ("direct", "Direct"), ("direct_jpeg", "DirectJpeg")):
        setattr(schemes, name, getattr(import_module(f"csfnns.schemes.{module}"), name))


def _here(call: str) -> str:
    """Code for a fresh interpreter."""
    return f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import exact_files; exact_files.{call}"


def settings_of(python: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Version of a Python, and settings to try with it: those of torch where it has it, and less and less of NumPy's."""
    version, numpy, present = json.loads(run(python, FEATURES, {}))
    wide = [name for name in present if "512" in name or name == "X86_V4"]
    has_torch = (
        run(python, "import importlib.util as u; print(u.find_spec('torch') is not None)", {}) == "True"
    )
    found = dict(SETTINGS) if has_torch else {"as it is, no torch": {}}
    found["NumPy without AVX-512"] = {"NPY_DISABLE_CPU_FEATURES": " ".join(wide)}
    found["NumPy without all"] = {"NPY_DISABLE_CPU_FEATURES": " ".join(present)}
    if has_torch:
        found["all of these, 2 threads"] = LEAST | found["NumPy without all"]
    return f"{version}, NumPy {numpy}", found


def main() -> int:
    """Print the table; 1 when something differs or did not come back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", nargs="*", help="further Python executables")
    tries = []
    for python in (sys.executable, *parser.parse_args().python):
        version, settings = settings_of(python)
        tries += [(python, version, name, variables) for name, variables in settings.items()]
    failed = False
    with tempfile.TemporaryDirectory() as place:
        kinds: dict[str, dict[str, str]] = {name: {} for name in FILES}  # digest → a folder with such a file
        for i, (python, version, name, variables) in enumerate(tries):
            folder = Path(place) / str(i)
            folder.mkdir()
            digests = json.loads(run(python, _here(f"hide({str(folder)!r})"), variables))
            for file, digest in digests.items():
                kinds[file].setdefault(digest, str(folder))
            told = ", ".join(f"{file} {digest[:12]}" for file, digest in digests.items())
            print(f"hidden  {version}, {name}: {told}", flush=True)
        for python, version, name, variables in tries:
            folders = {file: list(found.values()) for file, found in kinds.items()}
            right, wrong = json.loads(run(python, _here(f"read({folders!r})"), variables))
            failed |= bool(wrong)
            print(f"read    {version}, {name}: {right} files came back, not: {wrong}", flush=True)
    for file, found in kinds.items():
        print(f"{file}: {len(found)} different from {len(tries)} settings")
        failed |= len(found) > 1 and not file.startswith("bits")
    print("DIFFERENT" if failed else "both ends agree everywhere")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""What a row is measured with: changes of code measure again, changes of prose do not."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import csfnns
from csfnns.experiments import METHODS, Method, provenance
from csfnns.experiments.base import Case
from csfnns.experiments.changes import EVADE
from csfnns.experiments.methods import Setting
from csfnns.experiments.provenance import HIDING, MEASURING, code_digest, code_of, outside_modules

ROOT = Path(__file__).parents[2]
SOURCE = """'Prose.'

VALUE = 1
'Of an attribute.'


def double(x):
    'Prose.'
    return 2 * x  # why
"""
OUTSIDE = """
from csfnns.baselines import Lsb

class Mine(Lsb):
    pass

def build(profile, setting, receivers):
    return Mine(profile)
"""


def test_only_code_counts() -> None:
    plain = code_of("VALUE = 1\ndef double(x): return 2*x")
    assert code_of(SOURCE) == plain
    assert code_of(SOURCE.replace("2 * x", "3 * x")) != plain
    assert code_of('def nothing():\n    """Prose."""') == code_of("def nothing(): pass")
    assert code_of("x = 'text'") != code_of("x = 'other'")
    assert code_of("int x; /* why\n so */ // and", ".c") == code_of("int  x;", ".c") != code_of("int y;", ".c")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, whose sources a test may change."""
    copy = Path(shutil.copytree(provenance.PACKAGE, tmp_path / "csfnns"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    return copy


def test_a_checkout_has_a_commit_and_a_copy_has_none(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.commit() is None
    checkout = package.parent / "checkout"
    (checkout / "src" / "csfnns").mkdir(parents=True)
    git = ["git", "-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    monkeypatch.setattr(provenance, "PACKAGE", checkout / "src" / "csfnns")
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    found = provenance.commit()
    assert found
    assert len(found) >= 7
    assert head.startswith(found)


def test_every_part_exists() -> None:
    assert len(code_digest((*HIDING, *MEASURING, "covers", "steganalysis"))) == 64
    with pytest.raises(FileNotFoundError):
        code_digest(["gone.py"])


def test_a_row_belongs_to_the_code_that_measures_it(world: Any, package: Path) -> None:
    def ids(name: str) -> set[str]:
        return {job.id for job in world.plan(name, side=128, methods=["paper"]).jobs}

    def touched(name: str, source: str, text: str) -> bool:
        path, before = package / source, ids(name)
        path.write_text(path.read_text() + text)
        return ids(name) != before

    for source in ("search/sps.py", "methods/network.py", "images/metrics.py", "experiments/measures.py"):
        assert touched("table1", source, "\nCHANGED = 1\n")
        assert not touched("table1", source, '# prose\n"""Prose."""\n')
    for source in ("experiments/paper.py", "experiments/report.py", "covers/abstract.py"):
        assert not touched("table1", source, "\nCHANGED = 1\n")
    assert touched("table4", "covers/abstract.py", "\nCHANGED = 1\n")


NEUTRAL = {"errors.py", "experiments/provenance.py", "extras.py", "files.py", "process.py", "registry.py"}
"""Modules that code of HIDING imports, and on which no picture depends."""


def imports(path: Path) -> Iterator[str]:
    """Paths of the package's modules that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("csfnns"):
            continue
        for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names)):
            place = provenance.PACKAGE.joinpath(*str(name).split(".")[1:])
            if place.with_suffix(".py").is_file():
                yield place.with_suffix(".py").relative_to(provenance.PACKAGE).as_posix()
            elif (place / "__init__.py").is_file() and place != provenance.PACKAGE:
                yield place.relative_to(provenance.PACKAGE).as_posix()


def test_stegos_depend_on_no_code_that_is_not_counted() -> None:
    """`steganalysis` is counted where a search evades detectors."""
    files = {path for part in HIDING for path in provenance._sources(provenance.PACKAGE / part) if path.suffix == ".py"}
    needed = {name for path in files for name in imports(path)}
    counted = (*HIDING, *NEUTRAL, "steganalysis")
    assert sorted(name for name in needed if not name.startswith(counted)) == []
    assert {name for name in NEUTRAL if name not in needed} == set()


def test_a_search_that_evades_a_network_depends_on_its_code(package: Path) -> None:
    case, setting = Case("one", "one secret"), Setting(64, 2, "cpu", {EVADE: "xunet"})
    before = METHODS["paper"].describe(case, setting)
    source = package / "steganalysis" / "network.py"
    source.write_text(source.read_text() + "\nCHANGED = 1\n")
    assert METHODS["paper"].describe(case, setting) != before
    assert METHODS["paper"].describe(case, replace(setting, changes={})) in before


@pytest.mark.parametrize("changed", ["nothing", "code", "kernel", "benchmark", "common", "picture", "form"])
def test_stegos_of_detection_belong_to_all_that_makes_them(
    changed: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import common  # type: ignore[import-not-found]
    import detection  # type: ignore[import-not-found]

    benchmarks = Path(shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks"))
    for module in (common, detection):
        monkeypatch.setattr(module, "__file__", str(benchmarks / f"{module.__name__}.py"))
    for folder in ("covers/train", *(f"secrets/{each}" for each in detection.SECRETS)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "data" / folder / "a.png")
    arguments = SimpleNamespace(data=tmp_path / "data", covers=1, seed=1, quick=False, work=tmp_path)

    def place() -> Path:
        detection.code_at.cache_clear()
        detection.code_of_functions.cache_clear()
        folder: Path = detection.make_place(arguments).folder("standard")
        return folder

    before = place()
    sources = {
        "code": package / "address" / "parities.py",
        "kernel": package / "search" / "_viterbi.c",
        "common": benchmarks / "common.py",
    }
    if changed in sources:
        text = sources[changed].read_text("utf-8")
        sources[changed].write_text(text + ("\nint changed;\n" if changed == "kernel" else "\nCHANGED = 1\n"), "utf-8")
    elif changed == "benchmark":
        program = benchmarks / "detection.py"
        head, line, rest = program.read_text("utf-8").partition(f"def {detection.MATERIALS['standard'].make.__name__}(")
        program.write_text(f"{head}@cache\n{line}{rest}", "utf-8")
    elif changed == "picture":
        Image.new("RGB", (8, 8), "white").save(tmp_path / "data" / "secrets" / "coco" / "a.png")
    elif changed == "form":
        monkeypatch.setattr(detection, "default_form", lambda: "another")
    assert (place() == before) == (changed == "nothing")


@pytest.mark.parametrize("package", ["csfnns", "torch", "numpy", "pillow"])
def test_a_row_belongs_to_the_versions_that_measure_it(
    world: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ids() -> set[str]:
        return {job.id for job in world.plan("table1", methods=["paper"]).jobs}

    before = ids()
    monkeypatch.setattr(provenance, "version", lambda name: "0" if name == package else version(name))
    if package == "csfnns":
        monkeypatch.setattr(csfnns, "__version__", "0")
    assert not before & ids()


def test_a_row_belongs_to_the_code_of_other_packages(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "outsider.py"
    source.write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    import outsider  # type: ignore[import-not-found]

    assert outside_modules(outsider.build, "outsider:build", METHODS["lsb"].factory) == ["outsider"] * 2
    METHODS.add("mine", Method(outsider.build, "my method", name="mine"))
    try:
        ids = []
        for change in ("", "# prose\n", "VALUE = 1\n"):
            source.write_text(OUTSIDE + change)
            ids.append({job.id for job in world.plan("table1", methods=["mine"]).jobs})
    finally:
        METHODS.remove("mine")
        del sys.modules["outsider"]
    assert ids[0] == ids[1] != ids[2]

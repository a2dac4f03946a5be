"""What a row is measured with: changes of code measure again, changes of prose do not."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import csfnns
from csfnns.experiments import METHODS, Method, provenance
from csfnns.experiments.provenance import HIDING, MEASURING, code_digest, code_of, outside_modules

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

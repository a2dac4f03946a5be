"""The shape of the house: imports point down, families' members do not know each other, heavy libraries load late."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import csfnns

ROOT = Path(csfnns.__file__).parent

# As docs/architecture.md draws it, upside down: who stands in a line may import what stands in the lines above it.
ORDER = [
    {"errors", "stream"},
    {"extras", "files", "kernels", "process", "profile", "tensors"},
    {"images", "keys", "registry", "workers"},
    {"coding", "covers", "decoders", "steganalysis"},
    {"address", "payloads", "search"},
    {"methods"},
    {"baselines", "messages"},
    {"api", "sentences"},
    {"batch"},
    {"experiments"},
    {"web"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, line in enumerate(ORDER) for name in line}
FAMILIES = ("baselines", "covers", "decoders", "payloads", "steganalysis")
SHARED = {"base", "register", "transform", "detectors", "config", "ensemble"}
"""Modules of a family that its members share."""
HEAVY = ("torch", "diffusers", "jpeglib", "matplotlib", "scipy", "skimage")

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def module_of(path: Path) -> list[str]:
    """Name in parts, below csfnns: src/csfnns/keys/files.py → keys, files."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports_of(path: Path) -> Iterator[list[str]]:
    """What a file imports of csfnns, in parts; also inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: write the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1:] for name in names if name.split(".")[0] == "csfnns")


def test_every_part_has_its_place() -> None:
    parts = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__pycache__", "py.typed", "weights"} == set(RANK)


def test_the_architecture_document_draws_this_order() -> None:
    text = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text("utf-8")
    drawing = text.partition("**Order of dependence**")[2].split("```")[1]
    assert [set(line.split(" · ")) for line in drawing.strip().splitlines()] == ORDER[::-1]


@EACH
def test_imports_point_down(path: Path) -> None:
    own = module_of(path)[0]
    for name in imports_of(path):
        if name and name[0] in RANK and name[0] != own:
            assert RANK[name[0]] < RANK[own], f"{own} may not import {name[0]}"


@EACH
def test_private_names_stay_in_their_package(path: Path) -> None:
    own = module_of(path)
    for name in imports_of(path):
        if any(part.startswith("_") and not part.startswith("__") for part in name):
            assert name[0] == own[0], f"{'.'.join(own)} imports {'.'.join(name)}"


def members_of(family: str) -> set[str]:
    """Modules that the family's __init__ offers, but for `base` and the registry."""
    found = {name[1] for name in imports_of(ROOT / family / "__init__.py") if name[:1] == [family]}
    return {name for name in found if (ROOT / family / f"{name}.py").exists()} - SHARED


@pytest.mark.parametrize("family", FAMILIES)
def test_members_of_a_family_do_not_know_each_other(family: str) -> None:
    members = members_of(family)
    assert members
    for member in members:
        others = {name[1] for name in imports_of(ROOT / family / f"{member}.py") if name[:1] == [family]}
        assert not others & (members - {member})


LIGHT = (
    "api",
    "baselines",
    "cli",
    "covers",
    "decoders",
    "experiments",
    "keys",
    "messages",
    "methods",
    "payloads",
    "search",
    "steganalysis",
)


@pytest.mark.parametrize("module", ["csfnns", *(f"csfnns.{name}" for name in LIGHT)])
def test_heavy_libraries_load_when_they_are_needed(module: str) -> None:
    program = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.split() == []


def test_every_public_name_is_there() -> None:
    for name in csfnns.__all__:
        assert getattr(csfnns, name).__name__ == name
        assert name in dir(csfnns)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_such"):
        csfnns.nothing_such  # noqa: B018

"""What csfnns is built from: one version of everything with its hash, known licences, equal wheels, no pickles."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / "constraints.txt").read_text("utf-8")

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-CMU",
    "MIT-0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""Licences that ask for no more than a notice."""
EXCEPTIONS = {
    "certifi": ("MPL-2.0", "a list of certificates, used as it is"),
    "hypothesis": ("MPL-2.0", "development alone"),
    "jpeglib": ("MPL-2.0", "the extra jpeg: used as it is, from its own wheel"),
    "pathspec": ("MPL-2.0", "development alone: of hatchling and mypy"),
    "tqdm": ("MPL-2.0 AND MIT", "the extra sd: used as it is"),
    "pi-heif": ("LGPL-3.0-only", "the extra phone: libheif and libde265 are libraries of their own in its wheel"),
}
"""Packages with other terms, and why csfnns may use them."""
FREE_TEXT = {
    "3-Clause BSD License": "BSD-3-Clause", "Apache": "Apache-2.0", "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0", "Apache 2.0 License": "Apache-2.0", "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0", "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0", "BSD": "BSD-3-Clause", "BSD License": "BSD-3-Clause",
    "BSD-3-Clause License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only", "ISC License (ISCL)": "ISC", "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0", "The Unlicense (Unlicense)": "Unlicense",
}  # fmt: skip
"""Names that packages without a licence expression use."""


def wanted() -> list[Requirement]:
    """What the package, its extras and its groups but docs and fuzz ask for."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    texts += [text for name in ("dev", "demo") for text in groups[name] if isinstance(text, str)]
    return [Requirement(text) for text in texts]


def closure() -> Iterator[Distribution]:
    """Every installed package that those need, directly or not."""
    seen, waiting = {"csfnns"}, wanted()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if name in seen or not any(not requirement.marker or requirement.marker.evaluate({"extra": x}) for x in extras):
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        seen.add(name)
        yield found
        needs = [Requirement(text) for text in found.requires or ()]
        waiting += [each for each in needs if not each.marker or each.marker.evaluate({"extra": ""})]


INSTALLED = sorted(closure(), key=lambda each: each.name.lower())


def licence(package: Distribution) -> str:
    """SPDX expression of a package, from its metadata."""
    about = package.metadata
    classifiers = [c.split(" :: ")[-1] for c in about.get_all("Classifier", []) if c.startswith("License :: ")]
    said = about.get("License-Expression") or ""
    if not said:
        names = [name for name in classifiers if name not in ("OSI Approved", "DFSG approved")] or [
            (about.get("License") or "").strip()
        ]
        said = " AND ".join(FREE_TEXT.get(name, name) for name in names)
    return said


@pytest.mark.parametrize("package", INSTALLED, ids=[each.name for each in INSTALLED])
def test_licences_are_allowed_or_excepted_with_a_reason(package: Distribution) -> None:
    said, name = licence(package), canonicalize_name(package.name)
    if name in EXCEPTIONS:
        assert said == EXCEPTIONS[name][0]
        return
    terms = set(re.split(r" (?:AND|OR|WITH) |[()]", said)) - {"", "LLVM-exception"}
    assert terms, f"{name} states no licence"
    assert terms <= ALLOWED, f"{name} is under {said}: allow it, or except it with a reason"


def locked() -> dict[str, list[tuple[str, str, int]]]:
    """Name → version, marker and number of hashes of each entry of constraints.txt."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", LOCK.partition("\n")[2]):
        head, *rest = entry.replace("\\\n", "\n").splitlines()
        requirement = Requirement(head.partition("#")[0])
        (version,) = requirement.specifier
        assert version.operator == "=="
        hashes = [line for line in rest if re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}\s*", line)]
        assert len(hashes) == len(rest), entry
        found.setdefault(requirement.name, []).append((version.version, str(requirement.marker or ""), len(hashes)))
    return found


def test_every_package_of_development_is_locked_with_its_hashes() -> None:
    """Also those that they need; but torch, whose builds for processors are not on PyPI."""
    entries = locked()
    for package in INSTALLED:
        assert canonicalize_name(package.name) in entries, f"{package.name} is not in constraints.txt: run make lock"
    assert [name for name, each in entries.items() if not all(hashes for *_, hashes in each)] == ["torch"]
    lacking = {canonicalize_name(each.name) for each in wanted()} - entries.keys() - {"csfnns"}
    assert not lacking


def test_no_command_installs_around_the_lock() -> None:
    for name in ("Makefile", "scripts/bare-install.sh"):
        text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
        for line in [line for line in text.splitlines() if "pip install" in line and not line.lstrip().startswith("#")]:
            assert "constraints.txt" in line or "--require-hashes" in line or "'uv==" in line, line


def test_actions_and_images_of_the_workflows_are_pinned() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for used in re.findall(r"uses: (\S+)", path.read_text("utf-8")):
            assert re.search(r"@[0-9a-f]{40}$", used), f"{path.name}: {used}"


def test_the_package_reads_no_pickles_of_strangers() -> None:
    # Of two that may: the converter's unpickler makes arrays and nothing else, and workers read what this program wrote.
    allowed = {ROOT / "src" / "csfnns" / name for name in ("experiments/pickles.py", "workers.py")}
    for path in set((ROOT / "src").rglob("*.py")) - allowed:
        code = ast.unparse(ast.parse(path.read_text("utf-8"), str(path)))
        code = re.sub(r'"""(?s:.*?)"""', "", code)
        assert not re.search(
            r"\b(torch\.load\(|import pickle|trust_remote_code.{1,3}True|use_safetensors.{1,3}False)", code
        ), path


def build(folder: Path, environment: dict[str, str]) -> Path:
    """Wheel of a copy of the sources in this folder."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", "man"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.dylib"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "out")]
    subprocess.run(command, cwd=folder, env=os.environ | environment, check=True, capture_output=True, timeout=120)
    (wheel,) = (folder / "out").glob("*.whl")
    return wheel


def test_two_builds_of_the_wheel_are_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name, mask in (("first", 0o022), ("another/and/longer", 0o077)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        before = os.umask(mask)
        try:
            found.append(build(folder, {"SOURCE_DATE_EPOCH": "1700000000"}))
        finally:
            os.umask(before)
    assert found[0].name == found[1].name
    assert len({hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in found}) == 1
    with zipfile.ZipFile(found[0]) as wheel:
        names = wheel.namelist()
    assert any(name.endswith("data/share/man/man1/csfnns.1") for name in names)
    has_compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    assert any(re.search(r"_kernels\.(so|dll|dylib)$", name) for name in names) == has_compiler

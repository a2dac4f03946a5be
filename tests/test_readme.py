"""README fits on a page, and its commands and programs do what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import csfnns

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SETUP = ("make ", "pip ")
"""Commands that set up the program: CI runs them from a clone."""


def commands() -> list[str]:
    """Shell commands of all blocks, without their comments."""
    lines = [line.split("  #")[0].strip() for kind, block in BLOCKS if kind == "" for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(SETUP)]


@pytest.fixture
def folder(tmp_path: Path, scene) -> Path:
    """Folder of somebody who has a photograph, a document, and `csfnns` on the path."""
    work = tmp_path / "work"
    work.mkdir()
    Image.fromarray(scene(240, 320, 3)).save(work / "photo.jpg", quality=92)
    (work / "report.pdf").write_bytes(b"%PDF-1.7\n" + np.random.default_rng(0).bytes(3000))
    (work / "big.zip").write_bytes(np.random.default_rng(1).bytes(3000))
    program = tmp_path / "bin" / "csfnns"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m csfnns "$@"\n')
    program.chmod(0o755)
    return work


def run(folder: Path, *command: str) -> str:
    """Output of a command that succeeds."""
    environment = os.environ | {
        "PATH": f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(csfnns.__file__).parents[1]),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def difference(one: Path, other: Path) -> float:
    """Mean squared difference of two pictures of one size."""
    a, b = (np.asarray(Image.open(path).convert("RGB"), float) for path in (one, other))
    assert a.shape == b.shape
    return float(np.square(a - b).mean())


@pytest.mark.skipif(os.name == "nt", reason="the commands are for a Unix shell")
def test_commands_work_as_they_are_written(folder: Path) -> None:
    shown = [run(folder, "sh", "-c", f"cp photo.jpg kept.jpg && {command}") for command in commands()]
    assert len(shown) >= 5
    assert difference(folder / "photo.png", folder / "kept.jpg") < 65  # 30 dB
    words = "".join(shown)
    assert not re.search(r"PSNR|\bdB\b|\bmain\b|method|message number", words), words
    run(folder, "csfnns", "reveal", "team.png", "-k", "team.carol.key", "-o", "got.pdf")
    assert (folder / "got.pdf").read_bytes() == (folder / "report.pdf").read_bytes()
    assert len([*(folder / "holiday").iterdir()]) == 3


def test_inline_commands_work_too(folder: Path) -> None:
    run(folder, "csfnns", "key", "new", "mine.key")
    inline = set(re.findall(r"`(csfnns [^`]+)`", README)) - {"csfnns web"}  # which runs until it is stopped
    assert inline
    for command in inline:
        run(folder, *command.split())


def test_program_works(folder: Path) -> None:
    run(folder, "csfnns", "key", "new", "mine.key")
    programs = [block for kind, block in BLOCKS if kind == "python"]
    assert programs
    for program in programs:
        run(folder, sys.executable, "-W", "error", "-c", program)
    assert difference(folder / "photo.png", folder / "photo.jpg") < 65


def test_setup_commands_exist() -> None:
    targets = re.findall(r"^make (\w+)", "\n".join(block for _, block in BLOCKS), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    if shutil.which("make"):
        for target in targets:
            run(ROOT, "make", "--dry-run", target)


def test_readme_is_one_page() -> None:
    shown = re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL)
    assert len(shown.split()) <= 700


def test_links_of_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", README)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []

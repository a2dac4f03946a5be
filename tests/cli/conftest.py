"""Transcripts: commands as a person types them, with all that appears and the exit code if it is not 0."""

import json
import re
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from csfnns.cli.app import app
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture
from csfnns.keys import Key, write_key
from csfnns.profile import make_profile
from csfnns.stream import Seed


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and nothing set in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "CSFNNS_KEY",
        "CSFNNS_PASSPHRASE",
        "CSFNNS_KEY_PASSPHRASE",
        "CSFNNS_COVERS",
        "CSFNNS_DEVICE",
        "CSFNNS_ALLOW_LARGE",
        "FORCE_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def fixed_key(desk: Path) -> Callable[..., None]:
    """Writer of key files that are always the same: of random ones, some have covers like others', or very fine ones."""

    def write(name: str, number: int = 1, profile: str = "standard", *, side: int) -> None:
        choices = make_profile(profile, width=side, height=side)
        write_key(Key.from_root(choices, Seed(bytes([number]) * 32)), desk / name)

    return write


@pytest.fixture
def photo(desk: Path) -> Picture:
    """secret.png, 60x40."""
    picture = AbstractCovers(64, 64)(Seed(bytes(32)))[:40, :60]
    Image.fromarray(np.ascontiguousarray(picture)).save(desk / "secret.png")
    return picture


@pytest.fixture
def drawing(desk: Path) -> Picture:
    """drawing.png, 200x120: few colours and straight edges, as a screenshot has them."""
    picture = np.full((120, 200, 3), 255, np.uint8)
    picture[:20] = 40, 60, 120
    picture[40:100:12, 20:160:3] = 0
    Image.fromarray(picture).save(desk / "drawing.png")
    return picture


@pytest.fixture
def transcript() -> Callable[[str], None]:
    """Run each line that starts with "$ " and compare what appears with the lines below it.

    "..." stands for anything within a line, and alone on a line for any lines. "[exit N]" ends the output of a
    command whose exit code is N instead of 0. Empty lines and the width of gaps do not count.
    """
    return _play


@pytest.fixture
def run() -> Callable[..., str]:
    """Run one command line, with `stdin`: gives all that appears, in order, with "[exit N]" below it if N is not 0."""
    return _run


def _play(text: str) -> None:
    steps = re.split(r"^\$ ", textwrap.dedent(text).strip(), flags=re.MULTILINE)[1:]
    for step in steps:
        command, _, expected = step.partition("\n")
        seen = _run(command)
        assert re.fullmatch(_pattern(expected.strip()), seen), f"$ {command}\n{seen}"


@pytest.fixture
def ask(run: Callable[..., str]) -> Callable[[str], Any]:
    """Run one command line with --json: gives what it says."""
    return lambda line: json.loads(run(f"{line} --json"))


@pytest.fixture
def pipe() -> Callable[..., bytes]:
    """Run one command line with `stdin`: gives the bytes of its standard output. It must succeed."""

    def run(command: str, stdin: bytes = b"") -> bytes:
        result = CliRunner().invoke(app, shlex.split(command)[1:], prog_name="csfnns", input=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout_bytes

    return run


def _run(command: str, stdin: bytes = b"") -> str:
    words = shlex.split(command)
    assert words[0] == "csfnns"
    result = CliRunner().invoke(app, words[1:], prog_name="csfnns", input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = [" ".join(line.split()) for line in result.output.splitlines() if line.strip()]
    return "\n".join(lines + [f"[exit {result.exit_code}]"] * (result.exit_code != 0))


def _pattern(expected: str) -> str:
    lines = [" ".join(line.split()) for line in expected.splitlines()]
    return "\n".join(r"[\s\S]*?" if line == "..." else _line_pattern(line) for line in lines)


def _line_pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))

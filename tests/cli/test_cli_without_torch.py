"""What works where torch is not installed, and what the rest says: run in a process that finds none."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr

FixedKey = Callable[..., None]
Bare = Callable[..., list[tuple[int, str, str]]]

PROGRAM = """
import json, shlex, sys
from importlib.machinery import PathFinder

class Finder:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors"):
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
from typer.testing import CliRunner
from csfnns.cli.app import app

ran = []
for line in json.load(sys.stdin):
    result = CliRunner().invoke(app, shlex.split(line)[1:], prog_name="csfnns")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    ran.append((result.exit_code, result.stdout, result.stderr))
assert "torch" not in sys.modules
print(json.dumps(ran))
"""


@pytest.fixture
def bare(desk: Path) -> Bare:
    """Run command lines in a process without torch: exit code, stdout and stderr of each."""

    def run(*lines: str) -> list[tuple[int, str, str]]:
        words = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(words, input=json.dumps(lines), capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return [(code, out, err) for code, out, err in json.loads(done.stdout)]

    return run


def test_a_standard_key_needs_no_torch(bare: Bare, photo: Picture, desk: Path) -> None:
    (desk / "note.txt").write_text("hello")
    ran = bare(
        "csfnns key new mine.key --size 128",
        "csfnns hide secret.png -k mine.key -o a.png",
        "csfnns reveal a.png -k mine.key -o back.png",
        "csfnns hide note.txt -k mine.key -o b.png",
        "csfnns reveal b.png -k mine.key -o back.txt",
        "csfnns capacity -k mine.key",
        "csfnns cover -k mine.key --decoy -o c.png",
        "csfnns measure secret.png back.png",
        "csfnns steganalysis score a.png",
        "csfnns experiment list",
        "csfnns doctor",
    )
    assert [code for code, _, _ in ran] == [0] * len(ran), ran
    assert psnr(read_picture(desk / "back.png"), photo) > 37
    assert (desk / "back.txt").read_text() == "hello"


def test_a_robust_key_receives_without_torch(bare: Bare, run: Callable[..., str], desk: Path) -> None:
    (desk / "note.txt").write_text("hello")
    run("csfnns key new home.key --profile robust --size 256")
    assert "[exit" not in run("csfnns hide note.txt -k home.key -o a.png --survive jpeg:90/420")
    assert bare("csfnns reveal a.png -k home.key -o there.txt")[0][0] == 0
    assert (desk / "there.txt").read_text() == "hello"


REFUSED = (
    "csfnns hide secret.png -k paper.key -o a.png --set evade=xunet",
    "csfnns hide secret.png -k robust.key -o a.png",
    "csfnns hide note.txt -k robust.key -o a.png",
    "csfnns capacity -k robust.key",
    "csfnns measure secret.png secret.png --lpips alex",
    "csfnns steganalysis score secret.png --detector xunet",
    "csfnns steganalysis train --covers covers --stegos covers --detector xunet -o model",
    "csfnns experiment run table1 --covers . --secrets .",
)


def test_what_needs_torch_says_so_and_does_nothing(bare: Bare, photo: Picture, desk: Path, fixed_key: FixedKey) -> None:
    fixed_key("paper.key", profile="paper", side=64)
    fixed_key("robust.key", profile="robust", side=128)
    (desk / "note.txt").write_text("hello")
    (desk / "covers").mkdir()
    (desk / "covers" / "a.png").write_bytes((desk / "secret.png").read_bytes())
    before = set(desk.iterdir())
    for line, (code, out, err) in zip(REFUSED, bare(*REFUSED), strict=True):
        assert (code, out) == (2, ""), line
        first, hint = err.splitlines()
        assert first.startswith("error: ")
        assert first.endswith(" needs the extra 'network'."), line
        assert "csfnns." not in first
        assert hint == "hint: Install it: pip install 'csfnns[network]'."
    assert set(desk.iterdir()) == before


def test_without_torch_the_missing_part_is_json_too(bare: Bare, photo: Picture, fixed_key: FixedKey) -> None:
    fixed_key("paper.key", profile="paper", side=64)
    code, out, err = bare("csfnns hide secret.png -k paper.key -o a.png --json")[0]
    assert (code, out) == (2, "")
    assert json.loads(err)["error"]["hint"] == "Install it: pip install 'csfnns[network]'."

"""The notebooks of examples/ run from top to bottom, at small sizes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import csfnns

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = ("hide_and_reveal", "detector_roc", "own_members")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(csfnns.__file__).parents[1]), "COUNT": "8"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == [tmp_path / "csfnns-home"] or not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_in_percent_format(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    cells = re.split(r"^# %%(?: \[markdown\])?\n", text, flags=re.MULTILINE)
    assert cells[0] == ""
    assert cells[1].startswith("# # ")
    for kind, cell in zip(re.findall(r"^# %%(.*)$", text, re.MULTILINE), cells[1:], strict=True):
        if kind:
            assert all(not line or line.startswith("#") for line in cell.splitlines()), cell

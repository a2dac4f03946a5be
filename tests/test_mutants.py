"""The program that puts faults into the code."""

import ast
import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SOURCE = '''
def f(x: int | None, y: "Literal[1]" = 2) -> bool | None:
    """Text of 3 - 1 words."""
    if not x:
        raise ValueError(f"{x + 1}", 4 < 5)
    return g(x[y:], 0 < y)
'''
FAULTS = {
    "2 → 3",
    "2 → 1",
    "not x → x",
    "g(x[y:], 0 < y) → None",
    "g(x[y:], 0 < y) → g(0 < y, x[y:])",
    "y → y + 1",
    "0 < y → 0 <= y",
    "0 → 1",
    "0 → -1",
}


def test_faults_are_of_code_and_not_of_texts_types_or_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    faults = runpy.run_path(str(BENCHMARKS / "mutants.py"))["faults"]
    found = [f"{ast.unparse(node)} → {ast.unparse(new)}" for node, new in faults(ast.parse(SOURCE))]
    assert sorted(found) == sorted(FAULTS)

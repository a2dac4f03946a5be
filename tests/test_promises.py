"""The promises of the threat model name tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "threat-model.md"


def test_every_promise_names_its_tests() -> None:
    if not PAGE.is_file():
        pytest.skip("the documentation is not here")
    promises = PAGE.read_text("utf-8").partition("## Promises")[2].partition("**Undetectability is no promise.**")[0]
    each = re.split(r"^(\d+)\. ", promises, flags=re.MULTILINE)[1:]
    assert [int(number) for number in each[::2]] == list(range(1, len(each) // 2 + 1))
    for promise in each[1::2]:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert named, f"no test holds: {promise}"
        for file, function in named:
            assert f"def {function}(" in (ROOT / file).read_text("utf-8"), f"{file}::{function} is gone"

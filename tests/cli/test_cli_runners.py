"""Options of commands that do many jobs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Run = Callable[[str], str]
COMMAND = "csfnns experiment run table2 --covers covers --secrets made=covers --size 64 --methods lsb"


@pytest.fixture(autouse=True)
def pictures(desk: Path, scene: Callable[..., Any]) -> None:
    (desk / "covers").mkdir()
    for i in range(4):
        Image.fromarray(scene(72, 72, i)).save(desk / "covers" / f"{i}.png")


def test_shards_are_joined_into_the_table_of_one_run(run: Run, desk: Path) -> None:
    parts = [json.loads(run(f"{COMMAND} --out {name} --shard {name}/2 --json")) for name in (1, 2)]
    assert [(part["measured"], part["reused"]) for part in parts] == [(2, 0), (2, 0)]
    assert json.loads(run("csfnns experiment join 1 2 --json")) == {"folder": "1", "rows": 2}
    assert "0 pictures to measure, 4 are stored" in run(f"{COMMAND} --out 1")
    run(f"{COMMAND} --out through")
    assert (desk / "1" / "table2.md").read_text() == (desk / "through" / "table2.md").read_text()


def test_what_cannot_be_meant_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    for wrong, reason in (
        ("--workers 0", "workers must be 1 or more, got 0."),
        ("--shard 3/2", "shard must be like 2/4, got 3/2."),
        ("--shard two", "shard must be like 2/4, got 'two'."),
        ("--ray 10.0.0.1:6379", "The cluster 10.0.0.1:6379 would be used without token authentication."),
    ):
        said = run(f"{COMMAND} {wrong}")
        assert "[exit 2]" in said
        assert reason in said or ("--ray" in wrong and "needs the extra 'cluster'" in said)
    assert "No run is stored in 7." in run("csfnns experiment join 1 7")

"""A small world for experiments: made-up covers and secrets, and runs of a few steps."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from csfnns.experiments import EXPERIMENTS, Plan, RunResult, Store, make_plan, run
from csfnns.images.io import Picture

Scene = Callable[..., Picture]


@dataclass(frozen=True)
class World:
    """Folders of four covers, and of four secrets of each of two data sets."""

    root: Path

    @property
    def covers(self) -> Path:
        return self.root / "covers"

    def plan(self, name: str, datasets: tuple[str, ...] = ("imagenet",), **choices: Any) -> Plan:
        secrets = {each: self.root / each for each in datasets}
        return make_plan(EXPERIMENTS[name], self.covers, secrets, **{"side": 64, "steps": 2, "pairs": 2} | choices)

    def run(self, name: str, out: str = "out", **choices: Any) -> tuple[Plan, Store, RunResult]:
        plan, store = self.plan(name, **choices), Store(self.root / out)
        plan.save(store.folder)
        return plan, store, run(EXPERIMENTS[name], plan, store)


@pytest.fixture
def world(tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("CSFNNS_LPIPS", "CSFNNS_UDH", "CSFNNS_STEGANOGAN", "CSFNNS_DENOISER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    for k, folder in enumerate(("covers", "imagenet", "celebahq")):
        (tmp_path / folder).mkdir()
        for i in range(4):
            Image.fromarray(scene(80, 64, 10 * k + i)).save(tmp_path / folder / f"{i}.png")
    return World(tmp_path)

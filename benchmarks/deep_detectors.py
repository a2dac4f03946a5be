"""The networks of csfnns.steganalysis on an easy task: LSB matching at full rate in Stable Diffusion pictures.

Every level gets a random lowest bit by ±1, so that half of the levels change. Of each picture of covers/train four
squares of 128x128 are taken; networks learn from smaller crops of three quarters of the pictures and judge the whole
squares of the others, covers and stegos. Where a plan has several stages, the first ones have steps of ±4 or ±2 instead
of ±1 (a curriculum), and the last one counts. A run that was stopped goes on where it was: empty the folder beside the
result if the networks or their training changed since. Trained models, their cards and curves are kept there. Exit
status 1 when a bar fails.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import ROOT, Log, make_parser, pictures, print_table, save
from csfnns.experiments.statistics import wilson
from csfnns.experiments.teaching import matched
from csfnns.picture import Picture, read_picture
from csfnns.steganalysis import NETWORKS, Learned, Lesson, draw_curve, learn

SIDE = 128
CORNERS = [(top, left) for top in (64, 320) for left in (64, 320)]
BARS = {"xunet": 0.9, "yenet": 0.9, "siastegnet": 0.9, "srnet": 0.85}
MOST_SECONDS = 1800.0
CHECKS = 5


@dataclass(frozen=True)
class Stage:
    """Steps of ±`strength` to learn from, how long, and how fast: the network's own rate unless given."""

    strength: int
    steps: int
    rate: float | None = None


@dataclass(frozen=True)
class Plan:
    """How a network is taught here."""

    stages: tuple[Stage, ...]
    crop: int = 32
    batch: int = 8


PLANS = {
    "xunet": Plan((Stage(1, 400),), crop=64),
    "yenet": Plan((Stage(4, 100), Stage(2, 100, 1e-3), Stage(1, 300, 1e-3)), batch=16),
    "siastegnet": Plan((Stage(2, 100, 2.5e-3), Stage(1, 300, 2.5e-3))),
    "srnet": Plan((Stage(2, 100), Stage(1, 250))),
}


def squares(paths: Sequence[Path]) -> tuple[list[Picture], list[str]]:
    """Squares of all pictures, and the picture that each is from."""
    found, groups = [], []
    for path in paths:
        picture = read_picture(path)
        for top, left in CORNERS:
            found.append(np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE]))
            groups.append(path.stem)
    return found, groups


def measure(name: str, covers: list[Picture], groups: list[str], seed: int, folder: Path) -> dict[str, Any]:
    """Teach a network by its plan; accuracy on held-out pictures, and the processor's time."""
    plan, started, seconds, start = PLANS[name], time.process_time(), 0.0, None
    clock = folder / f"{name}.seconds"
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    for number, stage in enumerate(plan.stages):
        stegos = [
            matched(cover, 1.0, np.random.default_rng([seed, stage.strength, i]), stage.strength)
            for i, cover in enumerate(covers)
        ]
        lesson = Lesson(
            name, stage.steps, plan.batch, plan.crop, stage.rate, seed + number, start=start, checks=CHECKS
        )

        def note(done: int, steps: int) -> None:
            nonlocal seconds
            seconds = before + time.process_time() - started
            clock.write_text(json.dumps(seconds))

        learned = learn(
            covers, stegos, lesson, groups=groups, state=folder / f"{name}-{number}.state", progress=note
        )
        start = folder / f"{name}-{number}.safetensors"
        keep(learned, start, stage)
        print(f"{name}, ±{stage.strength}: right on {100 * learned.accuracy:.1f} %", flush=True)
    for left in (clock, *folder.glob(f"{name}-*.state")):  # or another commit would take these for its own
        left.unlink()
    judged = 2 * len(learned.held_out)
    low, high = wilson(learned.accuracy, judged)
    row = {"name": name, "pairs": len(covers) - judged // 2, "judged": judged, "seconds": seconds}
    row |= {"steps": "+".join(str(stage.steps) for stage in plan.stages)}
    row |= {"strengths": " → ".join(f"±{stage.strength}" for stage in plan.stages)}
    return row | {"accuracy": learned.accuracy, "low": low, "high": high, "curve": learned.curve}


def keep(learned: Learned, path: Path, stage: Stage) -> None:
    """Model, card and curve of a stage."""
    data = f"Stable Diffusion v1 pictures, {SIDE}x{SIDE}; half of the levels moved by ±{stage.strength}"
    learned.detector.save(path, data=data, licence="for measuring only", overwrite=True)
    title = f"{learned.detector.name}, ±{stage.strength}"
    path.with_suffix(".png").write_bytes(draw_curve(learned.curve, title))


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--detectors", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.detectors = ["xunet"]
    name = "deep-detectors"
    folder = (arguments.out or ROOT / "runs" / f"{name}.json").with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    log = Log(name, arguments)
    rows = {row["name"]: row for row in log.rows}
    covers, groups = squares(pictures(arguments.data / "covers" / "train"))
    for detector in arguments.detectors:
        if detector not in rows:
            rows[detector] = log.add(measure(detector, covers, groups, arguments.seed, folder))
    return report([rows[each] for each in arguments.detectors], name, arguments.out)


def report(rows: list[dict[str, Any]], name: str, out: Path | None) -> int:
    """Table; whether the bars hold."""
    table = [
        [
            row["name"],
            row["strengths"],
            row["pairs"],
            row["steps"],
            f"{row['seconds']:.0f}",
            f"{100 * row['accuracy']:.1f}",
            f"{100 * row['low']:.1f}…{100 * row['high']:.1f}",
            row["judged"],
        ]
        for row in rows
    ]
    print_table(("network", "stages", "pairs", "steps", "CPU s", "% right", "95 %", "judged"), table)
    failed = [row["name"] for row in rows if row["accuracy"] < BARS[row["name"]]]
    failed += [row["name"] for row in rows if row["seconds"] > MOST_SECONDS]
    save(name, {"rows": rows, "failed": failed}, out)
    for each in failed:
        print("FAILED", each)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

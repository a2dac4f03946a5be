"""What the trellis method brings on real pairs: clarity, changes, targets, receivers and damage, against their bars.

Covers are those of covers/eval, the i-th with the i-th secret, both in name order, and in one row covers of `abstract`,
which keys have by default; the i-th pair of several receivers takes the secrets i, i + 1, … Secrets are resized by Pillow's
LANCZOS before they are hidden, and compared at that size. Settings are the usual ones unless the row says otherwise,
nothing is denoised, and figures are of PNG files as written and read back. Every row is written down as it ends, and a run
that was stopped goes on where it was. Seconds are of hiding and revealing alone.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, make_parser, pairs, pictures, print_table, save
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import compare
from csfnns.images.output import encode_picture
from csfnns.methods import Envelope, ReceiverSeeds, Trellis
from csfnns.stream import Seed

SETS = ("imagenet", "coco", "celebahq")


@dataclass(frozen=True)
class Case:
    """One row of the table: what is hidden, how, and what the means must reach."""

    name: str
    secrets: str
    side: int
    count: int
    settings: dict[str, Any] = field(default_factory=dict)
    receivers: int = 1
    damage: float = 0.0
    """Share of the sub-pixels moved by ±1 before the receiver reads them."""
    abstract: bool = False
    """Whether the covers are of `abstract`."""
    bars: dict[str, float] = field(default_factory=dict)
    """Least value of a figure; of "missed", the largest."""


def _cases() -> list[Case]:
    usual = {"ssim": 0.9995, "recovered_ssim": 0.96, "least_recovered": 36, "missed": 0.1}
    found = [
        Case(f"{name}, 256x256", name, 256, 20, bars={"stego": 64.3 if name == "celebahq" else 62, **usual})
        for name in SETS
    ]
    found.append(Case("imagenet, covers of abstract", "imagenet", 256, 20, abstract=True))
    targets = (
        ("a stego of 60 dB", {"stego": 60}, {"recovered": 41.5}),
        ("35 dB recovered", {"recovered": 35}, {"stego": 64}),
    )
    found += [Case(f"imagenet, {label}", "imagenet", 256, 20, settings, bars=bars) for label, settings, bars in targets]
    found.append(Case("imagenet, NumPy form", "imagenet", 256, 20, {"form": "numpy"}, bars={"stego": 61}))
    found.append(Case("imagenet, no cost map", "imagenet", 256, 20, {"exponent": 0.0}))
    found.append(Case("kodak 512x512, 35 dB", "kodak", 512, 20, {"recovered": 35}, bars={"stego": 58.8}))
    found.append(Case("imagenet 128x128, 41 dB", "imagenet", 128, 20, {"recovered": 41}, bars={"stego": 66}))
    for receivers, stego, bar in ((2, 58.3, 37.8), (3, 55.8, 37.5), (4, 54.0, 37.0)):
        settings = {"stego": stego}
        bars = {"mean_recovered": bar}
        found.append(Case(f"{receivers} receivers", "imagenet", 256, 8, settings, receivers, bars=bars))
    for damage, bar in ((0.0001, 34), (0.001, 24)):
        label = f"±1 on {100 * damage:g} % on its way"
        found.append(Case(label, "imagenet", 256, 20, damage=damage, bars={"recovered": bar}))
    return found


def measure(case: Case, number: int, data: Path, seed: int) -> dict[str, Any]:
    """Hide one cover's secrets and read them back; figures in dB, means over receivers but for the least."""
    covers = pictures(data / "covers" / "eval")
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/core/{case.name}/{number}")
    cover = AbstractCovers(512, 512)(root) if case.abstract else read_picture(covers[number % len(covers)])
    secrets = {
        ReceiverSeeds(root.derive(f"decoder/{i}"), root.derive(f"header/{i}")): _secret(case, number + i, data)
        for i in range(case.receivers)
    }
    scheme = Trellis(**case.settings)
    envelope = Envelope(root.derive("address"), root.derive("nonce").data[:16], shares=case.receivers)
    start = time.perf_counter()
    file = encode_picture(scheme.embed(cover, secrets, envelope=envelope), ".png")  # type: ignore[arg-type]
    hidden = time.perf_counter()
    stego = read_picture(file)
    outer = compare(cover, stego)
    if case.damage:
        draw = np.random.default_rng(number)
        moved = stego + draw.choice([-1, 1], stego.shape) * (draw.random(stego.shape) < case.damage)
        stego = np.clip(moved, 0, 255).astype(np.uint8)
    before = time.perf_counter()
    found = [scheme.extract(stego, cover, each, envelope=envelope) for each in secrets]
    revealed = time.perf_counter()
    if any(each.unchanged == bool(case.damage) for each in found):
        raise SystemExit(f"{case.name}, pair {number}: the receiver takes a changed stego for another.")
    inner = [compare(each.grid, secret) for each, secret in zip(found, secrets.values(), strict=True)]
    return {
        "stego": outer.psnr,
        "ssim": outer.ssim,
        "changed": outer.changed,
        "recovered": min(each.psnr for each in inner),
        "mean_recovered": float(np.mean([each.psnr for each in inner])),
        "recovered_ssim": float(np.mean([each.ssim for each in inner if each.ssim is not None])),
        "hide_seconds": hidden - start,
        "reveal_seconds": revealed - before,
    }


def _secret(case: Case, number: int, data: Path) -> Picture:
    folder = data / "kodak" if case.secrets == "kodak" else data / "secrets" / case.secrets
    files = pictures(folder)
    secret = read_picture(files[number % len(files)])
    short = min(secret.shape[:2])
    top, left = ((side - short) // 2 for side in secret.shape[:2])
    square = secret[top : top + short, left : left + short]
    return fit(square, case.side, case.side)


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", metavar="TEXT", help="rows whose name has this text")
    arguments = parser.parse_args()
    pairs(arguments.data, "imagenet", 1)  # says what is missing before anything starts
    log = Log("core", arguments)
    done = {(row["case"], row["pair"]): row for row in log.rows}
    cases = [case for case in _cases() if not arguments.only or arguments.only in case.name]
    table, failed, summaries = [], [], []
    for case in cases:
        rows = []
        for number in range(min(case.count, 2) if arguments.quick else case.count):
            row = done.get((case.name, number))
            if row is None:
                row = log.add(
                    {"case": case.name, "pair": number} | measure(case, number, arguments.data, arguments.seed)
                )
            rows.append(row)
        summary = summarise(case, rows)
        summaries.append({"case": case.name, **summary, "rows": rows})
        failed += [
            f"{case.name}: {name} {summary[name]:.6g}, bar {bar}"
            for name, bar in case.bars.items()
            if _fails(name, summary[name], bar)
        ]
        table.append(
            (
                case.name,
                len(rows),
                *(f"{summary[name]:.2f} ± {summary[f'{name}_sd']:.2f}" for name in ("stego", "mean_recovered")),
                f"{summary['least_recovered']:.2f}",
                f"{summary['ssim']:.5f}",
                f"{summary['recovered_ssim']:.4f}",
                f"{100 * summary['changed']:.2f}",
                f"{summary['hide_seconds']:.2f}",
                f"{summary['reveal_seconds']:.2f}",
            )
        )
        print(
            f"{case.name}: stego {summary['stego']:.2f}, recovered {summary['mean_recovered']:.2f}",
            flush=True,
        )
    print_table(
        (
            "row",
            "pairs",
            "stego dB",
            "recovered dB",
            "least",
            "SSIM",
            "SSIM recovered",
            "changed %",
            "hide s",
            "reveal s",
        ),
        table,
    )
    save("core", {"cases": summaries, "failed": failed}, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


def summarise(case: Case, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means, standard deviations and worst values over the pairs."""
    names = [name for name in rows[0] if isinstance(rows[0][name], float)]
    found = {name: float(np.mean([row[name] for row in rows])) for name in names}
    spread = {f"{name}_sd": float(np.std([row[name] for row in rows], ddof=min(1, len(rows) - 1))) for name in names}
    least = {
        "least_recovered": min(row["recovered"] for row in rows),
        "least_stego": min(row["stego"] for row in rows),
    }
    # By how much 38 dB are missed wherever the stego is not what binds.
    missed = max((abs(row["recovered"] - 38) for row in rows if row["stego"] > 56.1), default=0.0)
    return {**found, **spread, **least, "missed": missed}


def _fails(name: str, value: float, bar: float) -> bool:
    return value > bar if name == "missed" else value < bar


if __name__ == "__main__":
    sys.exit(main())

"""Fidelity and time of the profiles on real pairs: the i-th cover of covers/eval with the i-th secret.

Secrets are resized by Pillow's LANCZOS, at 6 bits a pixel to 256x256; nothing is denoised; figures are of files as
written and read back. `paper` runs the authors' 1500 steps and takes minutes a picture. Every pair is written
down as it ends, and a run that was stopped goes on where it was.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, make_method, make_parser, pairs, print_table, save
from csfnns.measure import compare
from csfnns.output import write_picture
from csfnns.picture import fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.stream import Seed

FIGURES = ("stego", "stego_ssim", "recovered", "recovered_ssim", "seconds")
BARS = {"paper": (41.5, 27.0), "standard": (47.0, 33.0)}
SPEEDUP, SECONDS = 12.0, 40.0


def measure_pair(name: str, bpp: str, cover_path: Path, secret_path: Path, seed: int) -> dict[str, Any]:
    """Hide and reveal one pair through a file; figures in dB, time for everything but reading the pictures."""
    cover = read_picture(cover_path)
    scheme, side = make_method(name, bpp, cover.shape[0])
    secret = fit(read_picture(secret_path), side, side)
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/{cover_path.name}/{secret_path.name}")
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stego.png"
        started = time.perf_counter()
        write_picture(scheme.embed(cover, {seeds: secret}), file)
        stego = read_picture(file)
        grid = scheme.extract(stego, cover, seeds).grid
        seconds = time.perf_counter() - started
    outer, inner = compare(cover, stego), compare(grid, secret)
    figures = (outer.psnr, outer.ssim, inner.psnr, inner.ssim, seconds)
    return dict(zip(FIGURES, figures, strict=True))


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=10, help="pairs for standard (default %(default)s)")
    parser.add_argument("--paper-pairs", type=int, default=4, help="pairs for paper (default %(default)s)")
    parser.add_argument("--bpp", default="6", choices=("24", "6", "1.5"))
    arguments = parser.parse_args()
    counts = {"standard": arguments.pairs, "paper": arguments.paper_pairs}
    if arguments.quick:
        counts = {"standard": 2, "paper": 0}

    log = Log(f"core-{arguments.secrets}-{arguments.bpp}", arguments)
    done = {(row["profile"], row["pair"]): row for row in log.rows}
    # Profiles take turns, so that a machine that is busy for a while is busy for both.
    todo = sorted((i, name) for name, count in counts.items() for i in range(count))
    for i, name in todo:
        if (name, i) in done:
            continue
        paths = pairs(arguments.data, arguments.secrets, i + 1)[i]
        row = {"profile": name, "pair": i} | measure_pair(name, arguments.bpp, *paths, arguments.seed)
        done[name, i] = log.add(row)
        print(f"{name} pair {i}: " + ", ".join(f"{key} {row[key]:.4g}" for key in FIGURES), flush=True)
    return report(done, counts, arguments)


def report(done: dict[tuple[str, int], dict[str, Any]], counts: dict[str, int], arguments: Any) -> int:
    """Table of means and spread; whether the bars hold."""
    table, failed, means = [], [], {}
    for name, count in counts.items():
        if not count:
            continue
        values = np.array([[done[name, i][figure] for figure in FIGURES] for i in range(count)])
        mean, spread, worst = values.mean(0), values.std(0, ddof=1 if count > 1 else 0), values.min(0)
        means[name] = dict(zip(FIGURES, mean.tolist(), strict=True))
        cells = [f"{m:.2f} ± {s:.2f}" if m > 1 else f"{m:.4f}" for m, s in zip(mean, spread, strict=True)]
        table.append((name, count, *cells, f"{worst[0]:.2f}", f"{worst[2]:.2f}"))
        if arguments.bpp == "6" and (mean[0] < BARS[name][0] or mean[2] < BARS[name][1]):
            failed.append(f"{name}: below {BARS[name][0]} / {BARS[name][1]} dB")
    print_table(("profile", "pairs", *FIGURES, "least stego", "least recovered"), table)
    if means.get("standard", {}).get("seconds", 0) > SECONDS:
        failed.append(f"standard: over {SECONDS} s a picture")
    if len(means) == 2:
        both = range(min(counts.values()))
        ratios = [done["paper", i]["seconds"] / done["standard", i]["seconds"] for i in both]
        print(f"standard is {np.mean(ratios):.1f} times faster than paper (same pairs, same run)")
        means["speedup"] = float(np.mean(ratios))
        if means["speedup"] < SPEEDUP and arguments.bpp == "6":
            failed.append(f"standard: less than {SPEEDUP} times faster than paper")
    payload = {
        "secrets": arguments.secrets,
        "bpp": arguments.bpp,
        "means": means,
        "rows": list(done.values()),
    }
    save(f"core-{arguments.secrets}-{arguments.bpp}", payload, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

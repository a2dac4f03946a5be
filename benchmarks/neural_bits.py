"""Bytes through channels, exact or an error: how many of schemes/neural_bits.py's messages survive, and at what price.

Covers are those of covers/eval, then those of covers/train, in name order, 512x512; each carries random bytes. For each of
TRIALS one stego is searched and sent through every case listed for it, by Pillow. A case succeeds if the receiver, who
does not know what happened, gets exactly what was sent. `wrong` counts bytes given out that are others: there must be none.

`stego` is the stego as sent against the cover, in dB. Seconds are of processor time, for the search. Every stego is
written down as it is done, and a run that was stopped goes on where it was.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, make_parser, pictures, print_table, save
from csfnns.errors import NoMessageError
from csfnns.measure import compare
from csfnns.picture import Picture, read_picture
from csfnns.profile import make_profile
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.neural_bits import NeuralBits
from csfnns.search import parse_channel
from csfnns.stream import Seed

COMPRESSED = [f"jpeg:{quality}/{sampling}" for quality in (75, 80, 85, 90, 95) for sampling in (420, 444)]
TRIALS: dict[str, tuple[int, str, list[str]]] = {
    "1 kB, jpeg": (1024, "jpeg:75-95", [*COMPRESSED, "noise:2", "mismatch:0.05"]),
    "4 kB, noise": (4096, "noise:2", ["noise:1", "noise:2", "mismatch:0.05", "jpeg:95/420", "jpeg:95/444"]),
    "4 kB, jpeg": (4096, "jpeg:75-95", [*COMPRESSED, "noise:2"]),
    "100 B, jpeg": (100, "jpeg:75-95", [*COMPRESSED, "jpeg:60/420", "noise:2"]),
}
"""Bytes, what the search prepares them for, and what happens to them."""
LEAST_RATE, LEAST_STEGO = 0.99, 36.0


def measure(trial: str, cover_path: Path, seed: int) -> dict[str, Any]:
    """Hide random bytes in one cover and read them behind each case: "exact", "lost" or "wrong"."""
    size, channel, cases = TRIALS[trial]
    scheme = NeuralBits(make_profile("robust"), parse_channel(channel))
    cover = read_picture(cover_path)
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/{trial}/{cover_path.name}")
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    data = root.derive("data").stream().take(size)
    before = time.process_time()
    stego = scheme.embed(cover, {seeds: data})
    row: dict[str, Any] = {
        "seconds": time.process_time() - before,
        "stego": compare(cover, stego).psnr,
        "stego_ssim": compare(cover, stego).ssim,
    }
    for case in cases:
        received = parse_channel(case)(stego, np.random.default_rng(seed))
        row[case] = outcome(scheme, received, cover, seeds, data)
    return row


def outcome(scheme: NeuralBits, received: Picture, cover: Picture, seeds: ReceiverSeeds, data: bytes) -> str:
    """What the receiver gets."""
    try:
        return "exact" if scheme.extract(received, cover, seeds) == data else "wrong"
    except NoMessageError:
        return "lost"


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--covers", type=int, default=100, help="covers a trial (default %(default)s)")
    parser.add_argument("--trials", nargs="+", default=list(TRIALS), choices=TRIALS)
    arguments = parser.parse_args()
    count = 3 if arguments.quick else arguments.covers
    folders = [arguments.data / "covers" / name for name in ("eval", "train")]
    covers = [path for folder in folders for path in pictures(folder)][:count]

    log = Log("neural-bits", arguments)
    done = {(row["trial"], row["cover"]): row for row in log.rows}
    for trial in arguments.trials:
        for path in covers:
            if (trial, path.name) not in done:
                row = {"trial": trial, "cover": path.name} | measure(trial, path, arguments.seed)
                done[trial, path.name] = log.add(row)
                lost = [case for case in TRIALS[trial][2] if row[case] != "exact"]
                print(f"{trial}, {path.name}: stego {row['stego']:.2f}, lost {lost}", flush=True)
    rows = {trial: [done[trial, path.name] for path in covers] for trial in arguments.trials}
    failed = report(rows)
    save("neural-bits", {"rows": rows, "failed": failed}, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


def report(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Print a line a case; bars that fail."""
    table, failed = [], []
    for trial, found in rows.items():
        stego = [row["stego"] for row in found]
        seconds = float(np.median([row["seconds"] for row in found]))
        for case in TRIALS[trial][2]:
            counts = {each: sum(row[case] == each for row in found) for each in ("exact", "lost", "wrong")}
            cells = (f"{np.mean(stego):.2f}", f"{min(stego):.2f}", *counts.values(), seconds)
            table.append((trial, case, len(found), *cells))
            if counts["wrong"]:
                failed.append(f"{trial}, {case}: {counts['wrong']} gave wrong bytes")
            if is_promised(trial, case) and counts["exact"] < LEAST_RATE * len(found):
                failed.append(f"{trial}, {case}: {counts['exact']} of {len(found)} exact")
        if min(stego) < LEAST_STEGO:
            failed.append(f"{trial}: a stego at {min(stego):.2f} dB")
    head = (
        "bytes, for",
        "sent through",
        "covers",
        "stego",
        "least stego",
        "exact",
        "lost",
        "wrong",
        "seconds",
    )
    print_table(head, table)
    return failed


def is_promised(trial: str, case: str) -> bool:
    """Whether the stego was prepared for this case; the others are told for information."""
    return case in COMPRESSED if trial.endswith("jpeg") else case == "noise:2"


if __name__ == "__main__":
    sys.exit(main())

"""What the method `robust` keeps when stegos are compressed by Pillow, made noisy or scaled, and at what PSNR.

Pair i is the i-th cover of covers/eval with the i-th secret, fitted to 128x128 by Pillow's LANCZOS, or with random bytes.
For each trial one stego is searched and sent through every case listed for it. No receiver knows what happened: each
finds the address, subtracts the cover and decodes; nothing is denoised. `wrong` counts bytes other than those sent: there
must be none.

`stego` is the stego as sent against the cover; `compressed`, the received file against the cover after the same
compression. Seconds are of processor time, for the search. A run that was stopped goes on where it was.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, envelope, finish, make_parser, pairs, print_table, receiver, root_of
from csfnns.errors import NoMessageError
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import compare
from csfnns.messages.stego import Stego, read_nonce
from csfnns.methods import Robust
from csfnns.profile import make_profile
from csfnns.search import parse_channel
from csfnns.stream import Seed

UNHARMED = "none"
COMPRESSED = tuple(f"jpeg:{quality}/{sampling}" for quality in (75, 80, 85, 90, 95) for sampling in (420, 444))
LEAST_RATE, LEAST_STEGO = 0.99, 36.0
"""Bars of bytes: share of exact messages in each promised case, and PSNR of every stego in dB."""


@dataclass(frozen=True)
class Trial:
    """What is sent, what the search prepares it for, and what happens to it."""

    survive: str
    cases: tuple[str, ...]
    promised: tuple[str, ...] = ()
    """Cases in which bytes must arrive exactly."""
    bytes: int = 0
    """0 for a picture."""
    pairs: int = 10


TRIALS = {
    "picture, jpeg:90/444": Trial("jpeg:90/444", ("jpeg:90/444",)),
    "picture, jpeg:90/420": Trial("jpeg:90/420", ("jpeg:90/420",)),
    "picture, jpeg:75-95": Trial("jpeg:75-95", (UNHARMED, *COMPRESSED, "noise:2", "mismatch:0.05")),
    "picture, resize:0.5": Trial("resize:0.5", tuple(f"resize:0.5/{f}" for f in ("bilinear", "bicubic", "lanczos"))),
    "100 B, jpeg": Trial("jpeg:75-95", (*COMPRESSED, "noise:2"), COMPRESSED, 100, 20),
    "1 kB, jpeg": Trial("jpeg:75-95", (*COMPRESSED, "noise:2", "mismatch:0.05"), COMPRESSED, 1024, 20),
    "4 kB, jpeg": Trial("jpeg:75-95", (*COMPRESSED, "noise:2"), COMPRESSED, 4096, 20),
    "4 kB, noise": Trial("noise:2", ("noise:1", "noise:2", "jpeg:95/420", "jpeg:95/444"), ("noise:2",), 4096, 20),
}


def measure(trial: Trial, paths: tuple[Path, Path], root: Seed) -> dict[str, Any]:
    """Hide once, and read behind each case: PSNR in dB, 0 for nothing; of bytes "exact", "lost" or "wrong"."""
    profile = make_profile("robust")
    method, cover = Robust(profile, survive=trial.survive), read_picture(paths[0])
    label = f"{trial}/{paths[0].name}/{paths[1].name}"
    seeds, address = receiver(root, label), envelope(root, label)
    data = root.derive(f"benchmark/data/{label}").stream().take(trial.bytes)
    secret: Any = data or fit(read_picture(paths[1]), *profile.secret_size)
    started = time.process_time()
    stego = method.embed(cover, {seeds: secret}, envelope=address)
    figures = compare(cover, stego)
    row: dict[str, Any] = {
        "seconds": time.process_time() - started,
        "stego": figures.psnr,
        "ssim": figures.ssim,
    }
    for case in trial.cases:
        received, plain = (_behind(case, picture) for picture in (stego, cover))
        if case.startswith("jpeg"):
            row[f"compressed, {case}"] = compare(plain, received).psnr
        found: Any = None
        located = read_nonce(Stego(received), profile, address.key, method.carrier)
        if located is not None and located[0] == address.nonce:
            try:
                found = method.extract(located[1], cover, seeds, envelope=address)
            except NoMessageError:
                found = None
        if trial.bytes:
            row[case] = "lost" if found is None else "exact" if found == data else "wrong"
        else:
            row[case] = 0.0 if found is None else compare(found.grid, secret).psnr
    return row


def _behind(case: str, picture: Picture) -> Picture:
    return picture if case == UNHARMED else parse_channel(case)(picture, np.random.default_rng(1))


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, help="pairs a trial (default 10 for pictures, 20 for bytes)")
    parser.add_argument("--trials", nargs="+", default=list(TRIALS), choices=TRIALS, metavar="TRIAL")
    arguments = parser.parse_args()
    name = f"channels-{arguments.secrets}"
    log, rows = Log(name, arguments), dict[str, list[dict[str, Any]]]()
    done = {(row["trial"], row["pair"]): row for row in log.rows}
    for label in arguments.trials:
        trial, rows[label] = TRIALS[label], []
        count = arguments.pairs or (1 if arguments.quick else trial.pairs)
        for i, paths in enumerate(pairs(arguments.data, arguments.secrets, count)):
            if (label, i) not in done:
                found = measure(trial, paths, root_of(arguments))
                done[label, i] = log.add({"trial": label, "pair": i} | found)
                print(f"{label}, pair {i}: stego {found['stego']:.2f} dB", flush=True)
            rows[label].append(done[label, i])
    failed = report(rows)
    return finish(name, {"secrets": arguments.secrets, "rows": rows}, failed, arguments.out)


def report(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Print a line a case; bars that fail."""
    table, failed = [], []
    for label, found in rows.items():
        trial, stego = TRIALS[label], [row["stego"] for row in found]
        seconds = float(np.median([row["seconds"] for row in found]))
        if trial.bytes and min(stego) < LEAST_STEGO:
            failed.append(f"{label}: a stego at {min(stego):.2f} dB")
        for case in trial.cases:
            compressed = [row[f"compressed, {case}"] for row in found if f"compressed, {case}" in row]
            seen = float(np.mean(compressed)) if compressed else float("nan")
            values = [row[case] for row in found]
            if trial.bytes:
                exact, wrong = values.count("exact"), values.count("wrong")
                arrived = (f"{exact} exact", f"{wrong} wrong")
                if wrong or (case in trial.promised and exact < LEAST_RATE * len(found)):
                    failed.append(f"{label}, {case}: {exact} of {len(found)} exact, {wrong} wrong")
            else:
                arrived = (f"{np.mean(values):.2f}", f"{min(values):.2f}")
                least = {name: np.mean([row[name] for row in found]) for name in (UNHARMED,) if name in found[0]}
                failed += [
                    f"{label}, {case}: {what} {value:.2f} dB, below {bar:.2f}"
                    for what, value, bar in _bars(
                        trial, case, float(np.mean(stego)), seen, float(np.mean(values)), least
                    )
                    if value < bar
                ]
            cells = (f"{np.mean(stego):.2f}", f"{min(stego):.2f}", f"{seen:.2f}" if compressed else "")
            table.append((label, case, len(found), *cells, *arrived, seconds))
    head = (
        "sent, prepared for",
        "through",
        "pairs",
        "stego",
        "least stego",
        "compressed",
        "arrived",
        "least, wrong",
    )
    print_table((*head, "seconds"), table)
    return failed


def _bars(
    trial: Trial, case: str, stego: float, seen: float, recovered: float, unharmed: dict[str, Any]
) -> list[tuple[str, float, float]]:
    """Figures of pictures with their bars in dB, all means over pairs."""
    if trial.survive.startswith("jpeg:90"):
        return [("stego", min(stego, seen), 36), ("recovered", recovered, 31)]
    if case in COMPRESSED:
        return [("stego", stego, 30), ("recovered", recovered, 26)]
    if case == "noise:2":
        return [("recovered", recovered, 28)]
    return [("recovered", recovered, unharmed[UNHARMED] - 2)] if case == "mismatch:0.05" else []


if __name__ == "__main__":
    sys.exit(main())

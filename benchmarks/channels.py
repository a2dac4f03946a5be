"""What the profile `robust` keeps when stegos are compressed by Pillow, made noisy or scaled, and at what price.

Pair i is the i-th cover of covers/eval with the i-th secret, fitted to 128x128 by Pillow's LANCZOS. For each channel
of CHANNELS one stego is searched, and sent through every case listed for it. No receiver knows what happened: each
subtracts the cover and decodes. Nothing is denoised.

`stego` is the stego as sent against the cover. `stego, compressed` is the received file against the cover after the
same compression, which is what an observer can compare. Every stego is written down as it is done, and a run that
was stopped goes on where it was.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, make_parser, pairs, print_table, save
from csfnns.errors import NoMessageError
from csfnns.measure import compare
from csfnns.picture import Picture, fit, read_picture
from csfnns.profile import make_profile
from csfnns.schemes import CsFnns, ReceiverSeeds
from csfnns.search import parse_channel, preset
from csfnns.stream import Seed

UNHARMED = "none"
RANGE = "jpeg:75-95"
COMPRESSED = [f"jpeg:{quality}/{sampling}" for quality in (75, 80, 85, 90, 95) for sampling in (420, 444)]
CHANNELS: dict[str, list[str]] = {
    "jpeg:90/444": ["jpeg:90/444"],
    "jpeg:90/420": ["jpeg:90/420"],
    RANGE: [UNHARMED, *COMPRESSED, "noise:2", "mismatch:0.05"],
    "resize:0.5": ["resize:0.5/bilinear", "resize:0.5/bicubic", "resize:0.5/lanczos"],
}
"""What each stego is prepared for, and what happens to it."""


def measure(channel: str, cover_path: Path, secret_path: Path, seed: int) -> dict[str, Any]:
    """Hide one pair for a channel and reveal it behind each case; PSNR in dB, 0 where nothing is found."""
    profile = make_profile("robust")
    cover, secret = read_picture(cover_path), fit(read_picture(secret_path), *profile.secret_size)
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/{cover_path.name}/{secret_path.name}")
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    scheme = CsFnns(profile, replace(preset(profile), channel=parse_channel(channel)))
    stego = scheme.embed(cover, {seeds: secret})
    row: dict[str, Any] = {"stego": compare(cover, stego).psnr, "stego_ssim": compare(cover, stego).ssim}
    for case in CHANNELS[channel]:
        received, sent = (pass_through(case, picture, seed) for picture in (stego, cover))
        row[case] = recovered(scheme, received, cover, seeds, secret)
        if case.startswith("jpeg"):
            row[f"stego, {case}"] = compare(sent, received).psnr
    return row


def pass_through(case: str, picture: Picture, seed: int) -> Picture:
    """Picture behind the channel."""
    return picture if case == UNHARMED else parse_channel(case)(picture, np.random.default_rng(seed))


def recovered(
    scheme: CsFnns, received: Picture, cover: Picture, seeds: ReceiverSeeds, secret: Picture
) -> float:
    """PSNR of what the receiver gets."""
    try:
        return compare(scheme.extract(received, cover, seeds).grid, secret).psnr
    except NoMessageError:
        return 0.0


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=10, help="pairs a channel (default %(default)s)")
    parser.add_argument("--channels", nargs="+", default=list(CHANNELS), choices=CHANNELS)
    arguments = parser.parse_args()
    count = 1 if arguments.quick else arguments.pairs

    name = f"channels-{arguments.secrets}"
    log = Log(name, arguments)
    done = {(row["channel"], row["pair"]): row for row in log.rows}
    for i, paths in enumerate(pairs(arguments.data, arguments.secrets, count)):
        for channel in arguments.channels:
            if (channel, i) in done:
                continue
            row = {"channel": channel, "pair": i} | measure(channel, *paths, arguments.seed)
            done[channel, i] = log.add(row)
            least = min(row[case] for case in CHANNELS[channel])
            print(f"{channel} pair {i}: stego {row['stego']:.2f}, least recovered {least:.2f}", flush=True)
    rows = {channel: [done[channel, i] for i in range(count)] for channel in arguments.channels}
    failed = report(rows)
    save(name, {"secrets": arguments.secrets, "rows": rows, "failed": failed}, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


def report(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Print a line a case, means and worst of all pairs; bars that fail."""
    table, failed = [], []
    for channel, found in rows.items():
        stego = np.mean([row["stego"] for row in found])
        for case in CHANNELS[channel]:
            values = np.array([row[case] for row in found])
            compressed = [row[f"stego, {case}"] for row in found if f"stego, {case}" in row]
            seen = f"{np.mean(compressed):.2f}" if compressed else ""
            cells = (len(found), f"{stego:.2f}", seen, f"{values.mean():.2f}", f"{values.min():.2f}")
            table.append((channel, case, *cells))
            failed += [f"{channel}, {case}: {reason}" for reason in misses(channel, case, found)]
    head = (
        "searched for",
        "sent through",
        "pairs",
        "stego",
        "stego, compressed",
        "recovered",
        "least recovered",
    )
    print_table(head, table)
    return failed


def misses(channel: str, case: str, rows: list[dict[str, Any]]) -> list[str]:
    """What falls short of its bar, in means over the pairs."""
    mean = {
        key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key not in ("channel", "pair")
    }
    bars: list[tuple[str, float, float]] = []
    if channel.startswith("jpeg:90"):
        bars = [("stego", min(mean["stego"], mean[f"stego, {case}"]), 36), ("recovered", mean[case], 31)]
    elif case in COMPRESSED:
        bars = [("stego", mean["stego"], 30), ("recovered", mean[case], 26)]
    elif case == "noise:2":
        bars = [("recovered", mean[case], 28)]
    elif case == "mismatch:0.05":
        bars = [("recovered", mean[case], mean[UNHARMED] - 2)]
    return [f"{what} {value:.2f} dB, below {bar:.2f}" for what, value, bar in bars if value < bar]


if __name__ == "__main__":
    sys.exit(main())

"""Several receivers in one cover, each with a key and a secret of his own (Sec. 3.5, Table 5).

The i-th cover of covers/eval carries the secrets i, i + 1, … of the set; figures are of 8-bit files, read back. Each
receiver also tries the seeds of somebody who is not addressed, which must give an error.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, make_method, make_parser, pictures, print_table, save
from csfnns.errors import NoMessageError
from csfnns.measure import compare
from csfnns.output import write_picture
from csfnns.picture import fit, read_picture
from csfnns.schemes import ReceiverSeeds, Scheme
from csfnns.stream import Seed

BARS = {2: (46.0, 32.0), 3: (43.0, 30.0), 4: (40.0, 28.0)}
PAPER = {2: (40.16, 31.38), 3: (37.54, 28.40), 4: (34.47, 25.02)}


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--receivers", type=int, nargs="+", default=(2, 3, 4))
    parser.add_argument("--bpp", default="6", choices=("6", "1.5"))
    arguments = parser.parse_args()
    count = 1 if arguments.quick else arguments.pairs
    log = Log(f"receivers-{arguments.secrets}-{arguments.bpp}", arguments)
    done = {(row["receivers"], row["pair"]): row for row in log.rows}
    for receivers in arguments.receivers:
        for pair in range(count):
            if (receivers, pair) not in done:
                row = {"receivers": receivers, "pair": pair} | measure(arguments, receivers, pair)
                done[receivers, pair] = log.add(row)
                print(
                    {key: value if isinstance(value, int) else round(value, 3) for key, value in row.items()}
                )
    table, failed = [], []
    for receivers in arguments.receivers:
        rows = [done[receivers, pair] for pair in range(count)]
        names = ("stego", "stego_ssim", "recovered", "recovered_ssim", "seconds")
        means = {name: float(np.mean([row[name] for row in rows])) for name in names}
        paper = PAPER.get(receivers, ("", ""))
        least = min(row["least"] for row in rows)
        wrong = sum(row["refused"] for row in rows)
        table.append((receivers, *means.values(), least, f"{wrong} of {count}", *paper))
        bar = BARS.get(receivers) if arguments.bpp == "6" else None
        if bar and (means["stego"] < bar[0] or means["recovered"] < bar[1]):
            failed.append(f"{receivers} receivers: below {bar[0]} / {bar[1]} dB")
        if wrong < count:
            failed.append(f"{receivers} receivers: a stranger read something")
    heads = (
        "receivers",
        *names,
        "least recovered",
        "strangers refused",
        "paper's stego",
        "paper's recovered",
    )
    print_table(heads, table)
    save(f"receivers-{arguments.secrets}-{arguments.bpp}", {"rows": list(done.values())}, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


def measure(arguments: Any, receivers: int, pair: int) -> dict[str, Any]:
    """Hide and reveal through a file; recovered figures are means over the receivers, `least` is the worst."""
    covers = pictures(arguments.data / "covers" / "eval")
    sources = pictures(arguments.data / "secrets" / arguments.secrets)
    cover = read_picture(covers[pair])
    chosen = [sources[(pair + i) % len(sources)] for i in range(receivers)]
    scheme, side = make_method("standard", arguments.bpp, cover.shape[0])
    secrets = [fit(read_picture(path), side, side) for path in chosen]
    root = Seed(arguments.seed.to_bytes(32, "big")).derive(f"receivers/{pair}")
    seeds = [_seeds(root.derive(f"{i}")) for i in range(receivers)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stego.png"
        started = time.perf_counter()
        write_picture(scheme.embed(cover, dict(zip(seeds, secrets, strict=True))), file)
        stego = read_picture(file)
        found = [scheme.extract(stego, cover, each).grid for each in seeds]
        seconds = time.perf_counter() - started
    outer = compare(cover, stego)
    inner = [compare(grid, secret) for grid, secret in zip(found, secrets, strict=True)]
    return {
        "stego": outer.psnr,
        "stego_ssim": outer.ssim,
        "recovered": float(np.mean([each.psnr for each in inner])),
        "recovered_ssim": float(np.mean([each.ssim for each in inner])),
        "least": min(each.psnr for each in inner),
        "refused": _refused(scheme, stego, cover, _seeds(root.derive("stranger"))),
        "seconds": seconds,
    }


def _seeds(root: Seed) -> ReceiverSeeds:
    return ReceiverSeeds(root.derive("decoder"), root.derive("header"))


def _refused(scheme: Scheme, stego: Any, cover: Any, seeds: ReceiverSeeds) -> int:
    try:
        scheme.extract(stego, cover, seeds)
    except NoMessageError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

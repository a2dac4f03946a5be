"""How many bytes a picture of 512x512 holds in each way, and what that costs it. `python benchmarks/capacity.py`.

Covers are the pictures of covers/eval as they are. Bytes are for one receiver, packed; a file's name and lengths take
some 30 of them. What is said to fit is hidden as random bytes and read back: `stego` is of that file, in a JPEG against
the same file without a message. Of `pixels` and `jpeg`, capacities at a PSNR are told too, as `csfnns capacity` tells
them, and hidden too. `bits` is measured by searches, highest rate first, until all that fills the cover survives every
case.

Every cover is written down as it is done, and a run that was stopped goes on where it was.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common import Log, make_parser, pictures, print_table, save
from csfnns.api import LEAST_JPEG
from csfnns.jpeg_file import read_coefficients, write_coefficients
from csfnns.measure import psnr
from csfnns.output import encode_picture
from csfnns.picture import Picture, read_picture
from csfnns.profile import make_profile
from csfnns.schemes import Direct, DirectJpeg, NeuralBits, ReceiverSeeds
from csfnns.search import parse_channel
from csfnns.stream import Seed

MOST = "the most"
LEVELS = {"pixels": (50.0, 55.0, 60.0, 65.0), "jpeg": (40.0, 45.0, 50.0)}
QUALITIES = (75, 90, 95)
CHANNELS = ("jpeg:75-95", "noise:2")
NEAR = 0.5
"""How far from the PSNR that was asked for a stego may be, in dB; in a JPEG pixels are clipped, and it is better."""

Row = dict[str, Any]


def seeds_for(root: Seed, label: str) -> ReceiverSeeds:
    """Seeds of a message of its own."""
    own = root.derive(f"benchmark/capacity/{label}")
    return ReceiverSeeds(own.derive("decoder"), own.derive("header"))


def in_pixels(cover: Picture, root: Seed, grain: bool) -> list[Row]:
    """Direct coding in a lossless picture."""
    scheme = Direct("grain" if grain else "cost")
    found = scheme.capacity(cover, () if grain else LEVELS["pixels"])

    def send(seeds: ReceiverSeeds, data: bytes) -> tuple[bool, float]:
        stego = read_picture(encode_picture(scheme.embed(cover, {seeds: data}), ".png"))
        return scheme.extract(stego, cover, seeds) == data, psnr(cover, stego)

    return _rows({MOST: found.most} | found.at, root, send)


def in_jpeg(cover: Picture, root: Seed, quality: int) -> list[Row]:
    """Direct coding in a JPEG's coefficients; the most is what csfnns lets in, not what coefficients could hold."""
    scheme = DirectJpeg(quality)
    found = scheme.capacity(cover, [*LEVELS["jpeg"], LEAST_JPEG])
    levels = dict(found.at)
    most = levels.pop(LEAST_JPEG)
    plain = read_picture(write_coefficients(scheme.plain(cover)))

    def send(seeds: ReceiverSeeds, data: bytes) -> tuple[bool, float]:
        file = write_coefficients(scheme.embed(cover, {seeds: data}))
        return scheme.extract(read_coefficients(file), cover, seeds) == data, psnr(plain, read_picture(file))

    return _rows({MOST: most} | levels, root, send)


def in_bits(cover: Picture, root: Seed, channel: str) -> list[Row]:
    """Through the network, so that it survives."""
    scheme = NeuralBits(make_profile("robust"), parse_channel(channel))

    def send(seeds: ReceiverSeeds, data: bytes) -> tuple[bool, float]:
        stego = scheme.embed(cover, {seeds: data})
        return not scheme.losses(stego, cover, {seeds: data}), psnr(cover, stego)

    return _rows({MOST: scheme.capacity(cover)}, root, send)


def _rows(
    sizes: dict[Any, int], root: Seed, send: Callable[[ReceiverSeeds, bytes], tuple[bool, float]]
) -> list[Row]:
    """Capacities, each tried."""
    rows = []
    for at, size in sizes.items():
        exact, stego = send(seeds_for(root, f"{at}"), root.derive(f"data/{at}").stream().take(size))
        rows.append({"at": at, "bytes": size, "exact": exact, "stego": stego})
    return rows


WAYS: dict[str, Callable[[Picture, Seed], list[Row]]] = {
    "pixels": lambda cover, root: in_pixels(cover, root, grain=False),
    "grain": lambda cover, root: in_pixels(cover, root, grain=True),
    **{f"jpeg, quality {q}": lambda cover, root, q=q: in_jpeg(cover, root, q) for q in QUALITIES},
    **{f"bits, {c}": lambda cover, root, c=c: in_bits(cover, root, c) for c in CHANNELS},
}


def main() -> int:
    """Measure, print, save; exit status 1 when something did not come back, or a PSNR is not as it was said."""
    parser = make_parser(__doc__)
    parser.add_argument("--covers", type=int, default=20, help="of direct coding (default %(default)s)")
    parser.add_argument("--bits-covers", type=int, default=5, help="of bits (default %(default)s)")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    arguments = parser.parse_args()
    covers, few = (3, 1) if arguments.quick else (arguments.covers, arguments.bits_covers)
    paths = pictures(arguments.data / "covers" / "eval")
    root = Seed(arguments.seed.to_bytes(32, "big"))

    log = Log("capacity", arguments)
    done = {(row["way"], row["cover"]): row["found"] for row in log.rows}
    found: dict[str, list[list[Row]]] = {}
    for way in arguments.ways:
        chosen = paths[: few if way.startswith("bits") else covers]
        found[way] = [_measured(way, path, root, done, log) for path in chosen]
    failed = report(found)
    save("capacity", {"found": found, "failed": failed}, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


def _measured(
    way: str, path: Path, root: Seed, done: dict[tuple[str, str], list[Row]], log: Log
) -> list[Row]:
    if (way, path.name) not in done:
        row = {"way": way, "cover": path.name}
        row["found"] = WAYS[way](read_picture(path), root.derive(f"{way}/{path.name}"))
        done[way, path.name] = log.add(row)["found"]
        print(f"{way}, {path.name}: {row['found'][0]['bytes']} bytes at most", flush=True)
    return done[way, path.name]


def report(found: dict[str, list[list[Row]]]) -> list[str]:
    """Print a line a way and PSNR; what is not as it was said."""
    table, failed = [], []
    for way, covers in found.items():
        for each in zip(*covers, strict=True):
            at, sizes = each[0]["at"], [row["bytes"] for row in each]
            stego = [row["stego"] for row in each]
            name = at if at == MOST else f"at {at:g} dB"
            exact = sum(row["exact"] for row in each)
            cells = (round(np.mean(sizes)), min(sizes), max(sizes), float(np.mean(stego)), min(stego), exact)
            table.append((way, name, len(each), *cells))
            if exact < len(each):
                failed.append(f"{way}, {name}: {exact} of {len(each)} came back")
            if at != MOST and min(stego) < at - NEAR:
                failed.append(f"{way}, {name}: a stego at {min(stego):.2f} dB")
    head = ("way", "", "covers", "bytes", "least", "most", "stego", "least stego", "exact")
    print_table(head, table)
    return failed


if __name__ == "__main__":
    sys.exit(main())

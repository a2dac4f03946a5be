"""Any bytes in a JPEG file, exactly: fidelity, sizes, time, round trips and refusals of `schemes/direct_jpeg.py`.

Covers are the pictures of covers/eval as they are, 512x512. PSNRs are of the pixels that Pillow shows: of `stego`, the
file against the one that Pillow writes of the cover at the same quality; `lost` is how much farther from the cover it
is. Seconds are of processor time, for hiding and revealing together, keys and covers apart. `growth` is how much longer
the file becomes.
"""

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from common import make_parser, pictures, print_table, save
from csfnns.coding.jpeg_costs import flatten
from csfnns.errors import NoMessageError
from csfnns.jpeg_file import read_coefficients, write_coefficients
from csfnns.measure import psnr
from csfnns.picture import Picture, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct_jpeg import DirectJpeg
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

SCHEMES = (DirectJpeg(), DirectJpeg(90, "444"), DirectJpeg(75), DirectJpeg(95))
SIZES = (1_000, 5_000, 10_000)
LIBRARIES = ("6b", "7", "8d", "9e", "turbo120", "turbo210", "mozjpeg101", "mozjpeg403")
TRIP = 5_000
BAR, MOST_LOST, MOST_SECONDS = 43.0, 0.2, 2.0


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--trips", type=int, default=200, help="round trips of 5 kB (default %(default)s)")
    parser.add_argument(
        "--attacks", type=int, default=40, help="files that must be refused (default %(default)s)"
    )
    arguments = parser.parse_args()
    covers, trips, attacks = 20, arguments.trips, arguments.attacks
    if arguments.quick:
        covers, trips, attacks = 3, min(trips, 20), min(attacks, 5)
    root = Seed(arguments.seed.to_bytes(32, "big"))
    loaded = [read_picture(path) for path in pictures(arguments.data / "covers" / "eval")[:covers]]
    failed: list[str] = []
    content = {
        "fidelity": measure_fidelity(loaded, root, failed),
        "trips": count_trips(loaded, trips, root, failed),
        "attacks": count_refusals(loaded, attacks, root, failed),
    }
    save("direct_jpeg", content, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


def receiver(root: Seed, label: str) -> ReceiverSeeds:
    """Seeds of a message of its own."""
    own = root.derive(f"benchmark/{label}")
    return ReceiverSeeds(own.derive("decoder"), own.derive("header"))


def random_bytes(root: Seed, label: str, n: int) -> bytes:
    """Bytes that nothing compresses."""
    return root.derive(f"benchmark/data/{label}").stream().take(n)


def measure_fidelity(covers: list[Picture], root: Seed, failed: list[str]) -> list[dict[str, Any]]:
    """Settings and sizes on every cover."""
    rows = []
    for scheme in SCHEMES:
        name = f"Q{scheme.quality}/{scheme.subsampling}"
        for n in SIZES:
            each = [measure_one(scheme, cover, n, root, f"{name}/{n}/{i}") for i, cover in enumerate(covers)]
            row: dict[str, Any] = {"file": name, "bytes": n, "covers": len(covers)} | summary(each)
            rows.append(row)
            if not all(one["exact"] and one["ordinary"] for one in each):
                failed.append(f"{name}, {n} bytes: not exact, or no ordinary file")
            if (name, n) == ("Q90/420", TRIP) and (row["stego"] < BAR or row["lost"] > MOST_LOST):
                failed.append(f"{name}, {n} bytes: {row['stego']:.2f} dB, {row['lost']:.2f} dB lost")
            if row["most seconds"] > MOST_SECONDS:
                failed.append(f"{name}, {n} bytes: {row['most seconds']:.2f} s")
    head = (
        "file",
        "bytes",
        "stego",
        "least stego",
        "lost",
        "changed %",
        "from 0 %",
        "bpnzac",
        "growth %",
        "seconds",
    )
    print_table(head, [[row[k] for k in head] for row in rows])
    return rows


def measure_one(scheme: DirectJpeg, cover: Picture, n: int, root: Seed, label: str) -> dict[str, Any]:
    """One message through a file."""
    data, seeds = random_bytes(root, label, n), receiver(root, label)
    started = time.process_time()
    file = write_coefficients(scheme.embed(cover, {seeds: data}))
    exact = DirectJpeg().extract(read_coefficients(file), cover, seeds) == data
    seconds = time.process_time() - started
    plain = encode_jpeg(cover, scheme.quality, scheme.subsampling)
    before, after = (flatten(read_coefficients(each).planes) for each in (plain, file))
    changed = before != after
    return {
        "exact": exact,
        "ordinary": opens(file, plain),
        "stego": psnr(read_picture(plain), read_picture(file)),
        "lost": psnr(cover, read_picture(plain)) - psnr(cover, read_picture(file)),
        "changed %": 100 * changed.mean(),
        "from 0 %": 100 * (before[changed] == 0).mean(),
        "bpnzac": 8 * n / np.count_nonzero(before),
        "growth %": 100 * (len(file) / len(plain) - 1),
        "seconds": seconds,
    }


def summary(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, and the worst."""
    names = ("stego", "lost", "changed %", "from 0 %", "bpnzac", "growth %", "seconds")
    means = {name: float(np.mean([one[name] for one in each])) for name in names}
    least, most = min(one["stego"] for one in each), max(one["seconds"] for one in each)
    return means | {"least stego": least, "most seconds": most}


def opens(file: bytes, plain: bytes) -> bool:
    """Whether Pillow and each libjpeg take the file, and it begins as Pillow's own does."""
    with Image.open(io.BytesIO(file)) as image:
        image.verify()
    start = plain.index(b"\xff\xda") + 14
    return file[:start] == plain[:start] and file[-2:] == b"\xff\xd9" and _libraries_open(file)


def _libraries_open(file: bytes) -> bool:
    """Whether every libjpeg decodes it: to the very same picture, but 7 to 9, which scale chrominance otherwise."""
    import jpeglib

    before = jpeglib.version.get()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as copy:
        copy.write(file)
        copy.flush()
        try:
            for name in LIBRARIES:
                jpeglib.version.set(name)
                found = jpeglib.read_spatial(copy.name).spatial
                same = np.array_equal(found, read_picture(file))
                if found.shape != read_picture(file).shape or not (same or name[0] in "789"):
                    return False
        finally:
            jpeglib.version.set(before)
    return True


def count_trips(covers: list[Picture], count: int, root: Seed, failed: list[str]) -> dict[str, int]:
    """5 kB in a Q90 file, another key and message each time: all must come back exactly."""
    exact = 0
    for i in range(count):
        cover, seeds, data = (
            covers[i % len(covers)],
            receiver(root, f"trip/{i}"),
            random_bytes(root, f"{i}", TRIP),
        )
        file = write_coefficients(DirectJpeg().embed(cover, {seeds: data}))
        exact += DirectJpeg().extract(read_coefficients(file), cover, seeds) == data
    print(f"{exact} of {count} round trips of {TRIP} bytes came back exactly")
    if exact < count:
        failed.append(f"{count - exact} of {count} round trips")
    return {"count": count, "exact": exact}


def count_refusals(covers: list[Picture], count: int, root: Seed, failed: list[str]) -> dict[str, Any]:
    """Wrong keys, plain files and files encoded again: an error, never other bytes."""
    outcomes: dict[str, dict[str, int]] = {}
    for i in range(count):
        cover, seeds, data = (
            covers[i % len(covers)],
            receiver(root, f"attack/{i}"),
            random_bytes(root, f"a{i}", TRIP),
        )
        file = write_coefficients(DirectJpeg().embed(cover, {seeds: data}))
        for name, each, key in attacks(file, cover, seeds, receiver(root, f"other/{i}")):
            try:
                found = DirectJpeg().extract(read_coefficients(each), cover, key)
                outcome = "right bytes" if found == data else "WRONG BYTES"
            except NoMessageError as error:
                outcome = type(error).__name__
            counts = outcomes.setdefault(name, {})
            counts[outcome] = counts.get(outcome, 0) + 1
            if outcome in ("right bytes", "WRONG BYTES"):
                failed.append(f"{name} {i}: {outcome}")
    kinds = ("NoMessageError", "DamagedError", "right bytes", "WRONG BYTES")
    print_table(
        ("refusals", *kinds), [(name, *(each.get(k, 0) for k in kinds)) for name, each in outcomes.items()]
    )
    return outcomes


def attacks(
    file: bytes, cover: Picture, seeds: ReceiverSeeds, other: ReceiverSeeds
) -> Iterator[tuple[str, bytes, ReceiverSeeds]]:
    """Files and keys that hold no message, or a damaged one."""
    yield "wrong key", file, other
    yield "wrong header seed", file, ReceiverSeeds(seeds.decoder, other.header)
    yield "wrong decoder seed", file, ReceiverSeeds(other.decoder, seeds.header)
    yield "plain file", encode_jpeg(cover, 90, "420"), seeds
    yield "plain file, Q75", encode_jpeg(cover, 75, "420"), seeds
    shown = read_picture(file)
    for quality in (75, 90, 95):
        yield f"encoded again, Q{quality}", encode_jpeg(shown, quality, "420"), seeds
    yield "flipped", encode_jpeg(np.ascontiguousarray(shown[:, ::-1]), 90, "420"), seeds


if __name__ == "__main__":
    sys.exit(main())

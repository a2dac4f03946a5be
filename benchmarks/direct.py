"""Bytes by direct coding, in levels and in JPEG files: rates against the bound, fidelity, capacities and time.

Covers are the pictures of covers/eval as they are, 512x512; every stego carries an address. PSNRs are of pixels read back
from the file: of a JPEG against what Pillow writes of the cover at the same quality. Seconds are of processor time, for
hiding and revealing together, keys and covers apart.

levels    models and sizes; the limit is the most bits that any code can carry at the same total cost (Filler, Judas and
          Fridrich 2011) outside the address, in float64 from costs that are not rounded to classes
jpeg      qualities and sizes; `lost` is how much farther from the cover the file is, `growth` how much longer
avif      pictures of secrets/imagenet at 256x256 as AVIF (4:4:4) of the lowest quality that has 38 dB
capacity  the most, and in a JPEG that at several PSNRs, as `capacity` states them: hidden, and read back exactly
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from common import envelope, finish, make_parser, pairs, pictures, print_table, receiver, root_of
from csfnns.address import LevelAddress
from csfnns.coding import ModelName
from csfnns.coding.hill import hill_costs
from csfnns.coding.uerd import flatten
from csfnns.errors import NoMessageError
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.jpeg_file import read_coefficients, write_coefficients
from csfnns.images.metrics import psnr
from csfnns.images.output import encode_picture
from csfnns.methods import Direct, Jpeg
from csfnns.payloads.frame import Kind, pack, unpack
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

Row = dict[str, Any]
Files = Sequence[Picture]

MODELS: tuple[ModelName, ...] = ("cost", "uniform", "grain")
SIZES = (1_000, 5_000, 20_000, 100_000)
LEAST_STEGO = {20_000: 61.0, 100_000: 53.0}
LEAST_OF_LIMIT, MOST_SECONDS = 0.99, 2.0
"""Bars of model `cost`: PSNR by size; from 20 kB on the share of the limit; and of all, seconds for a cover."""
JPEGS = (Jpeg(), Jpeg(90, "444"), Jpeg(75), Jpeg(95))
JPEG_SIZES = (1_000, 5_000, 10_000)
JPEG_LEAST, JPEG_MOST_LOST = 43.0, 0.2
"""Bars of 5,000 bytes at quality 90, 4:2:0, in dB."""
LIBRARIES = ("6b", "7", "8d", "9e", "turbo120", "turbo210", "mozjpeg101", "mozjpeg403")
AVIF_STEGO, AVIF_RECOVERED = 59.0, 38.0
LEVELS = (50.0, 45.0, 40.0, 30.0)
"""PSNRs in dB at which capacities of JPEG files are measured."""


def message(scheme: Direct | Jpeg, cover: Picture, n: int, root: Seed, label: str) -> Row:
    """Figures of one message of `n` bytes through a file."""
    seeds, address = receiver(root, label), envelope(root, label)
    data = root.derive(f"benchmark/data/{label}").stream().take(n)
    started = time.process_time()
    stego: Any = scheme.embed(cover, {seeds: data}, envelope=address)
    seconds = time.process_time() - started
    jpeg = isinstance(scheme, Jpeg)
    file = write_coefficients(stego) if jpeg else encode_picture(stego, ".png")
    arrived: Any = read_coefficients(file) if jpeg else read_picture(file)
    started = time.process_time()
    try:
        exact = scheme.extract(arrived, cover, seeds, envelope=address) == data
    except NoMessageError:
        exact = False
    seconds += time.process_time() - started
    row: Row = {"exact": exact, "seconds": seconds}
    if isinstance(scheme, Jpeg):
        return row | jpeg_figures(scheme, cover, file, n)
    share = 8 * n / limit(scheme, cover, arrived, address.key)
    return row | {"stego": psnr(cover, arrived)} | ({} if scheme.model == "grain" else {"of limit": share})


def jpeg_figures(scheme: Jpeg, cover: Picture, file: bytes, n: int) -> Row:
    """Figures of a JPEG file against the one that Pillow writes of the cover."""
    plain = encode_jpeg(cover, scheme.quality, scheme.subsampling)
    before, after = (flatten(read_coefficients(each).planes) for each in (plain, file))
    changed, shown, usual = before != after, read_picture(file), read_picture(plain)
    return {
        "ordinary": is_ordinary(file, plain),
        "stego": psnr(usual, shown),
        "lost": psnr(cover, usual) - psnr(cover, shown),
        "changed %": 100 * changed.mean(),
        "from 0 %": 100 * (before[changed] == 0).mean(),
        "bpnzac": 8 * n / np.count_nonzero(before),
        "growth %": 100 * (len(file) / len(plain) - 1),
    }


def limit(scheme: Direct, cover: Picture, stego: Picture, key: Seed) -> float:
    """Most bits that changes of this total cost can carry, outside the address of this key."""
    free = np.ones(cover.size, np.bool_)
    free[LevelAddress(key, *cover.shape[:2]).places] = False
    rho = hill_costs(cover).astype(np.float64).reshape(-1) if scheme.model == "cost" else np.ones(cover.size)
    rho = (rho / rho.mean())[free]
    directions = np.where((cover == 0) | (cover == 255), 1, 2).reshape(-1)[free]
    spent = rho[(stego != cover).reshape(-1)[free]].sum()
    low, high = -50.0, 50.0  # logarithm of λ
    for _ in range(50):
        middle = (low + high) / 2
        changed = directions * np.exp(-rho * np.exp(middle))
        changed /= 1 + changed
        low, high = (middle, high) if changed @ rho > spent else (low, middle)
    moving = changed > 0
    bits = -(changed[moving] * np.log2(changed[moving] / directions[moving])).sum()
    return float(bits - ((1 - changed) * np.log2(1 - changed)).sum())


def is_ordinary(file: bytes, plain: bytes) -> bool:
    """Whether every libjpeg opens the file, and it begins and ends as Pillow's own.

    All must show the same picture, except 7 to 9, which scale chrominance differently.
    """
    import jpeglib

    start, shown, before = plain.index(b"\xff\xda") + 14, read_picture(file), jpeglib.version.get()
    if file[:start] != plain[:start] or file[-2:] != b"\xff\xd9":
        return False
    with tempfile.NamedTemporaryFile(suffix=".jpg") as copy:
        copy.write(file)
        copy.flush()
        try:
            for name in LIBRARIES:
                jpeglib.version.set(name)
                found = jpeglib.read_spatial(copy.name).spatial
                if found.shape != shown.shape or not (name[0] in "789" or np.array_equal(found, shown)):
                    return False
        finally:
            jpeglib.version.set(before)
    return True


def summary(each: Sequence[Row]) -> Row:
    """Means, and the worst."""
    found: Row = {"covers": len(each), "exact": sum(one["exact"] for one in each)}
    names = [name for name in each[0] if name not in found and name != "ordinary"]
    found |= {name: float(np.mean([one[name] for one in each])) for name in names}
    least = {f"least {name}": min(one[name] for one in each) for name in ("stego", "of limit") if name in each[0]}
    return found | least | {"most seconds": max(one["seconds"] for one in each)}


def measure_levels(covers: Files, root: Seed, failed: list[str]) -> list[Row]:
    """Models and sizes on every cover."""
    rows = []
    for model in MODELS:
        for n in SIZES:
            each = [message(Direct(model), cover, n, root, f"{model}/{n}/{i}") for i, cover in enumerate(covers)]
            row: Row = {"model": model, "bytes": n} | summary(each)
            rows.append(row)
            if row["exact"] < len(each) or row["most seconds"] > MOST_SECONDS:
                failed.append(f"{model}, {n} bytes: {row['exact']} exact, {row['most seconds']:.2f} s at most")
            if model == "cost" and row["stego"] < LEAST_STEGO.get(n, 0):
                failed.append(f"{n} bytes at {row['stego']:.2f} dB, below {LEAST_STEGO[n]}")
            if n >= 20_000 and row.get("least of limit", 1) < LEAST_OF_LIMIT:
                failed.append(f"{model}, {n} bytes: {row['least of limit']:.4f} of the limit")
    show(rows, ("model", "bytes", "stego", "least stego", "of limit", "least of limit", "seconds"))
    return rows


def measure_jpeg(covers: Files, root: Seed, failed: list[str]) -> list[Row]:
    """Qualities and sizes on every cover."""
    rows = []
    for scheme in JPEGS:
        name = f"Q{scheme.quality}/{scheme.subsampling}"
        for n in JPEG_SIZES:
            each = [message(scheme, cover, n, root, f"{name}/{n}/{i}") for i, cover in enumerate(covers)]
            row: Row = {"file": name, "bytes": n} | summary(each)
            rows.append(row)
            if not all(one["exact"] and one["ordinary"] for one in each) or row["most seconds"] > MOST_SECONDS:
                failed.append(f"{name}, {n} bytes: not exact, no ordinary file, or {row['most seconds']:.2f} s")
            if scheme == Jpeg() and n == 5_000 and (row["stego"] < JPEG_LEAST or row["lost"] > JPEG_MOST_LOST):
                failed.append(f"{name}, {n} bytes: {row['stego']:.2f} dB, {row['lost']:.2f} dB lost")
    names = ("stego", "least stego", "lost", "changed %", "from 0 %", "bpnzac", "growth %", "seconds")
    show(rows, ("file", "bytes", *names))
    return rows


def measure_capacity(covers: Files, root: Seed, failed: list[str]) -> list[Row]:
    """What `capacity` states, hidden and read back, on a third of the covers."""
    few = covers[: -(-len(covers) // 3)]
    cases: list[tuple[str, Direct | Jpeg, float | None]] = [(m, Direct(m), None) for m in ("cost", "grain")]
    cases += [(f"Q{q}, {level:g} dB", Jpeg(q), level) for q in (75, 90, 95) for level in LEVELS]
    rows: list[Row] = []
    for name, scheme, level in cases:
        each: list[Row] = []
        for i, cover in enumerate(few):
            found = scheme.capacity(cover, [level] if level else [])
            n = found.at[level] if level else found.most
            each.append({"bytes": n} | message(scheme, cover, n, root, f"most/{name}/{i}"))
        rows.append({"case": name} | summary(each))
        if rows[-1]["exact"] < len(few):
            failed.append(f"capacity, {name}: {rows[-1]['exact']} of {len(few)} exact")
        if level and min(one["stego"] for one in each) < level - 1:
            failed.append(f"capacity, {name}: a file at {min(one['stego'] for one in each):.1f} dB")
    show(rows, ("case", "covers", "bytes", "stego", "least stego", "exact"))
    return rows


def measure_avif(secrets: Files, covers: Files, root: Seed, failed: list[str]) -> Row:
    """Pictures as AVIF: what arrives, and the stego's PSNR."""
    rows = []
    for i, (cover, secret) in enumerate(zip(covers, secrets, strict=True)):
        packed = pack(as_avif(secret), kind=Kind.PICTURE)
        seeds, address = receiver(root, f"avif/{i}"), envelope(root, f"avif/{i}")
        stego = read_picture(encode_picture(Direct().embed(cover, {seeds: packed}, envelope=address), ".png"))
        shown = read_picture(unpack(Direct().extract(stego, cover, seeds, envelope=address)).content)
        rows.append({"bytes": len(packed), "stego": psnr(cover, stego), "recovered": psnr(secret, shown)})
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    show([{"": "mean"} | means, {"": "least"} | {n: min(row[n] for row in rows) for n in means}], ("", *means))
    if means["stego"] < AVIF_STEGO or means["recovered"] < AVIF_RECOVERED:
        failed.append(f"AVIF: {means['stego']:.2f} dB with {means['recovered']:.2f} dB")
    return {"means": means, "rows": rows}


def as_avif(secret: Picture) -> bytes:
    """AVIF, 4:4:4, of the lowest quality with AVIF_RECOVERED."""

    def encode(quality: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(secret).save(buffer, "AVIF", quality=quality, subsampling="4:4:4", speed=4)
        return buffer.getvalue()

    low, high = 1, 100
    while low < high:
        middle = (low + high) // 2
        good = psnr(secret, read_picture(encode(middle))) >= AVIF_RECOVERED
        low, high = (low, middle) if good else (middle + 1, high)
    return encode(low)


def show(rows: Sequence[Row], head: Sequence[str]) -> None:
    """Print columns of the rows."""
    print_table(
        head,
        [[f"{v:.4f}" if "limit" in k and v else v for k in head for v in [row.get(k, "")]] for row in rows],
    )


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    names = ("levels", "jpeg", "avif", "capacity")
    parser.add_argument("--only", nargs="+", default=names, choices=names, help="(default all)")
    arguments = parser.parse_args()
    count = 2 if arguments.quick else 20
    root, failed = root_of(arguments), list[str]()
    covers = [read_picture(path) for path in pictures(arguments.data / "covers" / "eval")[:count]]
    secrets = [fit(read_picture(secret), 256, 256) for _, secret in pairs(arguments.data, "imagenet", count)]
    parts: dict[str, Callable[[], Any]] = {
        "levels": lambda: measure_levels(covers, root, failed),
        "jpeg": lambda: measure_jpeg(covers, root, failed),
        "avif": lambda: measure_avif(secrets, covers, root, failed),
        "capacity": lambda: measure_capacity(covers, root, failed),
    }
    return finish("direct", {name: parts[name]() for name in arguments.only}, failed, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

"""Any bytes, exactly: fidelity against the limit, time, round trips and refusals of `schemes/direct.py`.

Covers are the pictures of covers/eval as they are, 512x512. Stego figures are of pixels read back from a PNG in memory;
seconds are of processor time, for hiding and revealing together, keys and covers apart. The limit is the most bits that
any code can carry at the same total cost (Filler, Judas and Fridrich 2011), in float64 from costs that are not rounded to
classes. Secrets are the first pictures of secrets/imagenet, fitted to 256x256 (Pillow's LANCZOS), each written as AVIF
(4:4:4) at the lowest quality that has 38 dB. `--only avif` measures these alone.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from common import make_parser, pairs, pictures, print_table, save
from csfnns.coding import ModelName
from csfnns.coding.costs import cost_map
from csfnns.errors import CapacityError, NoMessageError
from csfnns.measure import psnr
from csfnns.output import encode_picture
from csfnns.payloads.file import Kind, pack, unpack
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct import Direct
from csfnns.stream import Seed

BARS = {20_000: 61.0, 100_000: 53.0}
LEAST_OF_LIMIT, MOST_SECONDS = 0.99, 2.0
AVIF_STEGO, AVIF_RECOVERED = 59.0, 38.0
MODELS: tuple[ModelName, ...] = ("cost", "uniform", "grain")
SIZES = (1_000, 5_000, 20_000, 100_000)
SECTIONS = ("fidelity", "avif", "trips", "attacks")


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--trips", type=int, default=2000, help="random round trips (default %(default)s)")
    parser.add_argument(
        "--attacks", type=int, default=500, help="pictures that must be refused (default %(default)s)"
    )
    parser.add_argument("--only", nargs="+", default=list(SECTIONS), choices=SECTIONS, help="default all")
    arguments = parser.parse_args()
    covers, trips, attacks = 20, arguments.trips, arguments.attacks
    if arguments.quick:
        covers, trips, attacks = 3, min(trips, 200), min(attacks, 50)
    root = Seed(arguments.seed.to_bytes(32, "big"))
    loaded = [read_picture(path) for path in pictures(arguments.data / "covers" / "eval")[:covers]]
    failed: list[str] = []
    sections: dict[str, Callable[[], Any]] = {
        "fidelity": lambda: measure_fidelity(loaded, root, failed),
        "avif": lambda: measure_avif(arguments.data, covers, root, failed),
        "trips": lambda: count_trips(loaded, trips, root, failed),
        "attacks": lambda: count_refusals(loaded, attacks, root, failed),
    }
    save("direct", {name: sections[name]() for name in arguments.only}, arguments.out)
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


def travel(stego: Picture) -> Picture:
    """Stego as the receiver reads it."""
    return read_picture(encode_picture(stego, ".png"))


def measure_fidelity(covers: list[Picture], root: Seed, failed: list[str]) -> list[dict[str, Any]]:
    """Models and sizes on every cover: stego PSNR, share of the limit, time."""
    rows = []
    for model in MODELS:
        for n in SIZES:
            scheme = Direct(model)
            each = [measure_one(scheme, cover, n, root, f"{model}/{n}/{i}") for i, cover in enumerate(covers)]
            row: dict[str, Any] = {"model": model, "bytes": n, "covers": len(covers)} | summary(each)
            if model == "grain":
                row |= {"of limit": None, "least of limit": None}
            rows.append(row)
            if not all(one["exact"] for one in each):
                failed.append(f"{model}, {n} bytes: not exact")
            if model == "cost" and row["stego"] < BARS.get(n, 0):
                failed.append(f"{n} bytes at {row['stego']:.2f} dB, below {BARS[n]}")
            if model != "grain" and n >= 20_000 and row["least of limit"] < LEAST_OF_LIMIT:
                failed.append(f"{model}, {n} bytes: {row['least of limit']:.4f} of the limit")
            if row["most seconds"] > MOST_SECONDS:
                failed.append(f"{model}, {n} bytes: {row['most seconds']:.2f} s")
    head = ("model", "bytes", "stego", "least stego", "of limit", "least of limit", "seconds", "most seconds")
    print_table(head, [[_cell(row[k], k) for k in head] for row in rows])
    return rows


def _cell(value: Any, column: str) -> object:
    if value is None:
        return "–"
    return f"{value:.4f}" if "limit" in column else value


def measure_one(scheme: Direct, cover: Picture, n: int, root: Seed, label: str) -> dict[str, Any]:
    """One message through a PNG."""
    data, seeds = random_bytes(root, label, n), receiver(root, label)
    started = time.process_time()
    sent = scheme.embed(cover, {seeds: data})
    hidden = time.process_time()
    stego = travel(sent)
    arrived = time.process_time()
    exact = scheme.extract(stego, cover, seeds) == data
    seconds = hidden - started + time.process_time() - arrived
    share = 1.0 if scheme.model == "grain" else 8 * n / limit(scheme, cover, stego)
    return {"exact": exact, "stego": psnr(cover, stego), "of limit": share, "seconds": seconds}


def summary(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, and the worst. Grain has no costs, and no limit."""
    stego, share, seconds = (np.array([one[k] for one in each]) for k in ("stego", "of limit", "seconds"))
    return {
        "stego": float(stego.mean()),
        "least stego": float(stego.min()),
        "of limit": float(share.mean()),
        "least of limit": float(share.min()),
        "seconds": float(seconds.mean()),
        "most seconds": float(seconds.max()),
    }


def limit(scheme: Direct, cover: Picture, stego: Picture) -> float:
    """Most bits that changes of this total cost can carry."""
    rho = cost_map(cover).astype(np.float64).reshape(-1) if scheme.model == "cost" else np.ones(cover.size)
    rho /= rho.mean()
    ways = np.where((cover == 0) | (cover == 255), 1, 2).reshape(-1)
    spent = rho[(stego != cover).reshape(-1)].sum()
    low, high = -50.0, 50.0  # logarithm of λ
    for _ in range(50):
        middle = (low + high) / 2
        changed = ways * np.exp(-rho * np.exp(middle))
        changed /= 1 + changed
        low, high = (middle, high) if changed @ rho > spent else (low, middle)
    moving = changed > 0
    bits = -(changed[moving] * np.log2(changed[moving] / ways[moving])).sum()
    return float(bits - ((1 - changed) * np.log2(1 - changed)).sum())


def measure_avif(data: Any, count: int, root: Seed, failed: list[str]) -> dict[str, Any]:
    """Pictures as AVIF: what arrives, and what it costs the cover."""
    rows = []
    for i, (cover_path, secret_path) in enumerate(pairs(data, "imagenet", count)):
        cover, secret = read_picture(cover_path), fit(read_picture(secret_path), 256, 256)
        packed = pack(as_avif(secret, AVIF_RECOVERED), kind=Kind.PICTURE)
        seeds = receiver(root, f"avif/{i}")
        stego = travel(Direct().embed(cover, {seeds: packed}))
        shown = read_picture(unpack(Direct().extract(stego, cover, seeds)).content)
        rows.append((len(packed), psnr(cover, stego), psnr(secret, shown)))
    sizes, stego, recovered = np.array(rows).T
    told = [round(each) for each in (sizes.mean(), sizes.min(), sizes.max())]
    print_table(
        ("AVIF", "pairs", "bytes", "least", "most", "stego", "least stego", "recovered", "least recovered"),
        [("cost", count, *told, stego.mean(), stego.min(), recovered.mean(), recovered.min())],
    )
    if stego.mean() < AVIF_STEGO or recovered.mean() < AVIF_RECOVERED:
        failed.append(f"AVIF: {stego.mean():.2f} dB with {recovered.mean():.2f} dB")
    return {"bytes": sizes.tolist(), "stego": stego.tolist(), "recovered": recovered.tolist()}


def as_avif(secret: Picture, wanted: float) -> bytes:
    """AVIF, 4:4:4, of the lowest quality with that PSNR."""
    low, high = 1, 100
    while low < high:
        middle = (low + high) // 2
        good = psnr(secret, read_picture(_avif(secret, middle))) >= wanted
        low, high = (low, middle) if good else (middle + 1, high)
    return _avif(secret, low)


def _avif(secret: Picture, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(secret).save(buffer, "AVIF", quality=quality, subsampling="4:4:4", speed=4)
    return buffer.getvalue()


def count_trips(covers: list[Picture], count: int, root: Seed, failed: list[str]) -> dict[str, int]:
    """Random models, parts of covers, keys and sizes from nothing to the most: all must come back exactly."""
    random = np.random.default_rng(int.from_bytes(root.data[-4:], "big"))
    exact = 0
    for i in range(count):
        scheme, cover = random_scheme(random), random_part(random, covers)
        most = scheme.capacity(cover, ()).most
        n = (0, 1, most, int(random.integers(0, most + 1)))[min(int(random.integers(0, 12)), 3)]
        seeds, data = receiver(root, f"trip/{i}"), random_bytes(root, f"trip/{i}", n)
        try:
            exact += scheme.extract(travel(scheme.embed(cover, {seeds: data})), cover, seeds) == data
        except (CapacityError, NoMessageError) as error:
            print(f"trip {i}: {scheme}, {cover.shape}, {n} of {most} bytes: {error}")
    print(f"{exact} of {count} random round trips came back exactly")
    if exact < count:
        failed.append(f"{count - exact} of {count} round trips")
    return {"count": count, "exact": exact}


def random_scheme(random: np.random.Generator) -> Direct:
    """Any model; grain of any strength."""
    return Direct(MODELS[int(random.integers(3))], sigma=float(random.integers(50, 201)) / 100)


def random_part(random: np.random.Generator, covers: list[Picture]) -> Picture:
    """A part of a cover, 64…192 a side, sometimes much too bright or dark."""
    cover = covers[int(random.integers(len(covers)))]
    height, width = random.integers(64, 193, 2)
    y, x = random.integers(0, 512 - height), random.integers(0, 512 - width)
    part = cover[y : y + height, x : x + width].astype(int) + int(random.choice([0, 0, -120, 120]))
    return np.ascontiguousarray(np.clip(part, 0, 255).astype(np.uint8))


def count_refusals(covers: list[Picture], count: int, root: Seed, failed: list[str]) -> dict[str, Any]:
    """Wrong keys, plain covers and damage of many kinds: an error, or the right bytes after all, but never others."""
    random = np.random.default_rng(int.from_bytes(root.data[-4:], "big") + 1)
    outcomes: dict[str, dict[str, int]] = {}
    for i in range(count):
        scheme, cover = random_scheme(random), random_part(random, covers)
        seeds = receiver(root, f"attack/{i}")
        data = random_bytes(root, f"attack/{i}", scheme.capacity(cover, ()).most * 3 // 4)
        stego = scheme.embed(cover, {seeds: data})
        for name, picture, key in attacks(random, scheme, stego, cover, seeds, receiver(root, f"other/{i}")):
            try:
                outcome = "right bytes" if scheme.extract(picture, cover, key) == data else "WRONG BYTES"
            except NoMessageError as error:
                outcome = type(error).__name__
            counts = outcomes.setdefault(name, {})
            counts[outcome] = counts.get(outcome, 0) + 1
            if outcome == "WRONG BYTES" or (outcome == "right bytes" and "bit" not in name):
                failed.append(f"{name} {i}: {outcome}")
    kinds = ("NoMessageError", "DamagedError", "right bytes", "WRONG BYTES")
    print_table(
        ("refusals", *kinds), [(name, *(each.get(k, 0) for k in kinds)) for name, each in outcomes.items()]
    )
    return outcomes


def attacks(
    random: np.random.Generator,
    scheme: Direct,
    stego: Picture,
    cover: Picture,
    seeds: ReceiverSeeds,
    other: ReceiverSeeds,
) -> Iterator[tuple[str, Picture, ReceiverSeeds]]:
    """Pictures and keys that hold no message, or a damaged one."""
    yield "wrong key", stego, other
    yield "wrong header seed", stego, ReceiverSeeds(seeds.decoder, other.header)
    yield "wrong decoder seed", stego, ReceiverSeeds(other.decoder, seeds.header)
    yield "plain cover", cover, seeds
    if scheme.model == "grain":
        yield "decoy", scheme.decoy(cover, other.decoder), seeds
    yield "one bit", _flipped(random, stego, 1), seeds
    yield "1 % of bits", _flipped(random, stego, stego.size // 100), seeds
    yield "one level up", np.where(stego < 255, stego + 1, stego).astype(np.uint8), seeds
    yield "moved by a pixel", np.roll(stego, 1, axis=1), seeds
    yield "half replaced", np.concatenate([stego[: len(stego) // 2], cover[len(stego) // 2 :]]), seeds
    yield "JPEG 95", _through_jpeg(stego), seeds


def _flipped(random: np.random.Generator, stego: Picture, count: int) -> Picture:
    """Lowest bits of some levels changed."""
    changed = stego.copy().reshape(-1)
    changed[random.choice(changed.size, count, replace=False)] ^= 1
    return changed.reshape(stego.shape)


def _through_jpeg(stego: Picture) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(stego).save(buffer, "JPEG", quality=95)
    return read_picture(buffer.getvalue())


if __name__ == "__main__":
    sys.exit(main())

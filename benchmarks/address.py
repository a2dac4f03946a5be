"""Addresses against their bars: reads, damage, foreign pictures, cost, lossy channels, and the time that a read takes.

    python benchmarks/address.py [--quick] [--only TEXT]

Covers are abstract ones and the pictures of covers/eval, flat and clipped ones; each picture has a key of its own.
"""

import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import make_parser, pictures, print_table, save
from csfnns.address import (
    CoefficientAddress,
    LevelAddress,
    ProjectionAddress,
    decode,
    encode,
    low_frequencies,
    make_nonce,
)
from csfnns.coding.jpeg import Coefficients, compress, standard_tables
from csfnns.coding.models import RATES, ModelName, make_model
from csfnns.coding.uerd import changed, flatten, jpeg_model
from csfnns.covers.abstract import AbstractCovers
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr
from csfnns.search.channel import parse_channel
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]

CONTEXT = b"benchmark"
MODELS: tuple[ModelName, ...] = ("cost", "uniform", "grain")
SIDES = {"levels": (64, 96, 256, 512), "jpeg": (64, 96, 256, 512), "robust": (64, 128, 256, 512)}
RATES_USED = (0, RATES // 2, RATES * 2 // 3, RATES - 1)
CHANNELS = (
    *(f"jpeg:{quality}/{sampling}" for quality in (60, 75, 95) for sampling in ("420", "444")),
    "noise:2",
    *(f"resize:0.5/{name}" for name in ("box", "bilinear", "bicubic", "lanczos")),
    "resize:2/bicubic",
    "resize:4/bilinear+jpeg:80/420",
)
MOST_CHANGES = 230


class Covers:
    """Covers of any side: real pictures' middles, abstract ones, flat and clipped ones in turn."""

    def __init__(self, data: Path, seed: int) -> None:
        self._real = [read_picture(path) for path in pictures(data / "covers" / "eval")]
        self._root = Seed(seed.to_bytes(32, "big"))

    def key(self, label: str) -> Seed:
        """A key of its own for each label."""
        return self._root.derive(f"benchmark/address/{label}")

    def abstract(self, side: int, number: int) -> Picture:
        """An abstract cover."""
        return AbstractCovers(side, side)(self.key(f"cover/{side}/{number}"))

    def any(self, side: int, number: int) -> Picture:
        """Cover of a number."""
        if number % 4 == 0:
            return self.flat(side, number // 4)
        if number % 4 == 1 and side <= 256:
            return self.abstract(side, number)
        real = self._real[number % len(self._real)]
        top = number * 37 % (513 - side)
        return np.ascontiguousarray(real[top : top + side, -side - 1 :][:, :side])

    def flat(self, side: int, number: int) -> Picture:
        """Black, white, grey, of low contrast at black and at white, in turn."""
        level = (0, 255, 128, 1, 254)[number % 5]
        noise = np.random.default_rng(number).integers(-2, 3, (side, side, 3)) if number % 5 > 2 else 0
        return np.clip(np.full((side, side, 3), level) + noise, 0, 255).astype(np.uint8)


def levels(cover: Picture, key: Seed, bits: Any, model: ModelName, rate: int) -> tuple[LevelAddress, Picture]:
    """Address, and the cover with it and no payload."""
    address = LevelAddress(key, *cover.shape[:2])
    flat = cover.reshape(-1).astype(np.int16)
    flat[address.places] += address.changes(cover, bits, make_model(model, cover, Fraction(1)), rate, key)
    if flat.min() < 0 or flat.max() > 255:
        raise SystemExit("An address moved a clipped level outward.")
    return address, flat.reshape(cover.shape).astype(np.uint8)


def coefficients(cover: Picture, key: Seed, bits: Any, number: int) -> tuple[CoefficientAddress, Coefficients]:
    """Address, and the cover's JPEG file with it and no payload."""
    encoded = compress(cover, standard_tables((60, 75, 90, 97)[number % 4]), "444" if number % 3 else "420")
    address = CoefficientAddress(key, *cover.shape[:2])
    delta = np.zeros(flatten(encoded.file.planes).size, np.int8)
    delta[address.places] = address.changes(encoded.file, bits, jpeg_model(encoded), RATES_USED[number % 4], key)
    return address, changed(encoded.file, delta)


def reads(covers: Covers, kind: str, count: int) -> dict[str, Any]:
    """Untouched pictures that are read, of `count`, and the seconds of a read with a key whose places are known."""
    read, seconds = 0, []
    for number in range(count):
        side = SIDES[kind][0 if number % 10 else number // 10 % len(SIDES[kind])]
        key, cover = covers.key(f"{kind}/{number}"), covers.any(side, number)
        nonce = make_nonce(key, b"")
        bits = encode(key, nonce, CONTEXT)
        look: Callable[[], F64]
        if kind == "levels":
            level, stego = levels(cover, key, bits, MODELS[number % 3], RATES_USED[number // 3 % 4])
            look = partial(level.read, stego)
        elif kind == "jpeg":
            coefficient, file = coefficients(cover, key, bits, number)
            look = partial(coefficient.read, file)
        else:
            projection = ProjectionAddress(key, side, side)
            found = projection.write(cover, bits, key)
            look = lambda p=projection, f=found, s=side: p.read(low_frequencies(f, s, s))  # noqa: E731
        start = time.perf_counter()
        read += decode(key, look(), CONTEXT) == nonce
        seconds.append(time.perf_counter() - start)
    return {"read": read, "of": count, "seconds": float(np.mean(seconds)), "failed": read < count}


def damage(covers: Covers, count: int) -> dict[str, Any]:
    """Pictures of 512x512 that are read after ±1 on 0.1 % of the levels, and the levels that an address changes."""
    read, costs, draw = 0, [], np.random.default_rng(1)
    for number in range(count):
        key, cover = covers.key(f"damage/{number}"), covers.any(512, number)
        nonce = make_nonce(key, b"")
        address, stego = levels(cover, key, encode(key, nonce, CONTEXT), "cost", 0)
        costs.append(int((stego != cover).sum()))
        moved = stego + draw.choice([-1, 1], stego.shape) * (draw.random(stego.shape) < 0.001)
        received = np.clip(moved, 0, 255).astype(np.uint8)
        read += decode(key, address.read(received), CONTEXT) == nonce
    failed = read < count or max(costs) > MOST_CHANGES
    return {
        "read": read,
        "of": count,
        "mean_cost": float(np.mean(costs)),
        "most": max(costs),
        "failed": failed,
    }


def foreign(covers: Covers, count: int) -> dict[str, Any]:
    """Keys, of `count`, that take a picture of others for theirs, and the seconds of a refusal with building places."""
    pool = [covers.any(512, number) for number in range(12)]
    spectra = [low_frequencies(picture, 512, 512) for picture in pool]
    accepted, start = 0, time.perf_counter()
    for number in range(count):
        key, which = covers.key(f"foreign/{number}"), number % len(pool)
        if number % 2:
            llr = LevelAddress(key, 512, 512).read(pool[which])
        else:
            llr = ProjectionAddress(key, 512, 512).read(spectra[which])
        accepted += decode(key, llr, CONTEXT) is not None
    seconds = (time.perf_counter() - start) / count
    return {"accepted": accepted, "of": count, "seconds": seconds, "failed": accepted > 0}


def robust(covers: Covers, side: int, count: int, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pictures that are read behind each channel, share of wrong bits, and the stegos' PSNR, by channel."""
    make = covers.abstract if kind == "abstract" else covers.flat
    prepared = [parse_channel(text) for text in CHANNELS if text.startswith("resize:0.5")]
    cases = [partial(channel, random=np.random.default_rng(0)) for channel in prepared]
    rows: dict[str, list[tuple[bool, float]]] = {text: [] for text in CHANNELS}
    quality = []
    for number in range(count):
        key, cover = covers.key(f"robust/{kind}/{side}/{number}"), make(side, number)
        nonce = make_nonce(key, b"")
        bits, address = encode(key, nonce, CONTEXT), ProjectionAddress(key, side, side)
        stego = address.write(cover, bits, key, cases)
        quality.append(psnr(cover, stego))
        for text in CHANNELS:
            received = parse_channel(text)(stego, np.random.default_rng(number))
            llr = address.read(low_frequencies(received, side, side))
            wrong = min(float(np.mean((each < 0) != bits)) for each in llr)
            rows[text].append((decode(key, llr, CONTEXT) == nonce, wrong))
    for text, found in rows.items():
        read = sum(each for each, _ in found)
        wrong = float(np.mean([each for _, each in found]))
        row = {
            "read": read,
            "of": count,
            "wrong": wrong,
            "psnr": float(np.mean(quality)),
            "failed": read < count,
        }
        yield f"{kind} {side}, {text}", row


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="parts whose name has this text")
    arguments = parser.parse_args()
    covers, few = Covers(arguments.data, arguments.seed), 20 if arguments.quick else 1
    results: dict[str, dict[str, Any]] = {}
    for kind, count in (("levels", 2000), ("jpeg", 1500), ("robust", 1500)):
        if arguments.only in f"reads {kind}":
            results[f"reads {kind}"] = reads(covers, kind, count // few)
    if arguments.only in "damage":
        results["damage"] = damage(covers, 1000 // few)
    if arguments.only in "foreign":
        results["foreign"] = foreign(covers, 20_000 // few)
    for kind, side, count in (
        ("abstract", 512, 200),
        ("abstract", 256, 200),
        ("flat", 512, 20),
        ("flat", 256, 20),
    ):
        if arguments.only in f"channels {kind} {side}":
            results |= dict(robust(covers, side, max(count // few, 5), kind))
    rows = [
        (
            name,
            row.get("read", row.get("accepted")),
            row["of"],
            *(row.get(each, "") for each in ("wrong", "psnr", "most")),
        )
        for name, row in results.items()
    ]
    print_table(("part", "read or accepted", "of", "wrong bits", "stego dB", "most changes"), rows)
    failed = [name for name, row in results.items() if row["failed"]]
    save("address", {"results": results, "failed": failed}, arguments.out)
    for name in failed:
        print("FAILED", name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

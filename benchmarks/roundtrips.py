"""Does every picture come back as announced, is every change noticed, and does everything else end in a clear error?

1. Pictures of random shapes (1x1 to 3000x40) and contents (flat, noise, text, photographs) in covers of 64x64 to 2048x2048:
   each is revealed from its file within 0.3 dB of what `hide` announced, or refused below 20 dB with a size that then fits.
2. Untouched stegos are "unchanged"; with one sub-pixel anywhere moved by 1 or 2 they are "changed".
3. Wrong keys, plain covers, foreign pictures and damaged files: `csfnns reveal` gives a message, a hint and no file.

Ends with 1 when anything was not as it should be.
"""

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common import command, make_parser, pictures, save
from csfnns import Key, Ledger, hide, make_cover, make_profile, reveal, write_key
from csfnns.covers import AbstractCovers
from csfnns.errors import CapacityError, SearchError
from csfnns.measure import psnr
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.trellis import Trellis
from csfnns.stream import Seed

SIDES = (64, 80, 128, 192, 256, 384, 512)
KINDS = ("flat", "noise", "text", "photograph")
WRONG = ("another key", "plain cover", "foreign picture", "cut short", "saved as JPEG", "scaled")


class Bench:
    """The random choices of one run, in a folder that is thrown away afterwards."""

    def __init__(self, folder: Path, data: Path, seed: int) -> None:
        self.folder = folder
        self.dice = np.random.default_rng(seed)
        self.photographs = pictures(data / "secrets")
        self.ledger = Ledger(folder / "ledger.sqlite3")

    def secret(self, kind: str) -> Picture:
        """A picture of a random shape."""
        long = int(2 ** self.dice.uniform(0, np.log2(3000)))
        short = max(1, min(long, int(2 ** self.dice.uniform(0, np.log2(min(120_000 / long, 400) + 1)))))
        height, width = (long, short) if self.dice.random() < 0.5 else (short, long)
        if kind == "flat":
            return np.full((height, width, 3), self.dice.integers(0, 256, 3), np.uint8)
        if kind == "noise":
            return self.dice.integers(0, 256, (height, width, 3)).astype(np.uint8)
        if kind == "text":
            image = Image.new("RGB", (width, height), "white")
            words = " ".join(f"{x:x}" for x in self.dice.integers(0, 10**6, 200))
            for y in range(0, height, 14):
                ImageDraw.Draw(image).text((2, y), words[y % 300 :], "black", ImageFont.load_default(12))
            return np.array(image)
        return fit(read_picture(self.photographs[self.dice.integers(len(self.photographs))]), height, width)

    def key(self, side: int, other: int | None = None) -> Key:
        """Key with secrets of the benchmark's seed, so that a failure can be repeated."""
        return Key.from_root(make_profile(width=side, height=other or side), Seed(self.dice.bytes(32)))

    def round_trip(self, number: int) -> tuple[str, str]:
        """Outcome, and what went wrong if anything did."""
        kind = KINDS[number % len(KINDS)]
        secret = self.secret(kind)
        side = 2048 if number % 100 == 99 else 1024 if number % 40 == 39 else int(self.dice.choice(SIDES))
        key, out = self.key(side), self.folder / "stego.png"
        label = f"{kind} {secret.shape[1]}x{secret.shape[0]} in {side}x{side}"
        resize, outcome = None, "recovered"
        try:
            hidden = hide(secret, key, out=out, overwrite=True, send_as="picture", ledger=self.ledger)
        except (SearchError, CapacityError) as error:
            proposed = re.search(r"--resize (\d+)", str(error))
            if proposed is None:
                return "refused", "" if "--size" in str(error) and side < 128 else f"{label}: {error}"
            resize, outcome = int(proposed[1]), "recovered at the size proposed"
            hidden = hide(
                secret, key, out=out, overwrite=True, send_as="picture", resize=resize, ledger=self.ledger
            )
        arrival = hidden.receivers["main"]
        found = reveal(str(out), key, ledger=self.ledger)
        scale = 1.0 if resize is None else resize / max(secret.shape[:2])
        shape = tuple(max(1, round(x * scale)) for x in secret.shape[:2]) if scale < 1 else secret.shape[:2]
        original = secret if scale >= 1 else fit(secret, *shape)
        reached = psnr(found.picture, original) if found.picture.shape[:2] == shape else 0.0
        assert arrival.figures is not None
        if reached != arrival.figures.psnr and not abs(reached - arrival.figures.psnr) < 0.3:
            return "wrong", f"{label}: announced {arrival.figures.psnr:.2f} dB, arrived {reached:.2f}"
        if (
            found.expected_psnr is not None
            and min(reached, 60) < 60
            and abs(found.expected_psnr - reached) > 0.3
        ):
            return (
                "wrong",
                f"{label}: the receiver is told {found.expected_psnr:.2f} dB, arrived {reached:.2f}",
            )
        return outcome, ""

    def integrity(self, number: int) -> str:
        """What is wrong with the verdicts on one stego, untouched and with one sub-pixel moved; "" for nothing."""
        cover = AbstractCovers(128, 128)(Seed(self.dice.bytes(32)), 1)
        seeds = ReceiverSeeds(Seed(self.dice.bytes(32)), Seed(self.dice.bytes(32)))
        scheme = Trellis(states=64)
        side = int(self.dice.integers(8, 64))
        secret = fit(read_picture(self.photographs[number % len(self.photographs)]), side, side)
        stego = scheme.embed(cover, {seeds: secret})
        if not scheme.extract(stego, cover, seeds).unchanged:
            return f"stego {number}: untouched, and taken for changed"
        moved = stego.reshape(-1).astype(np.int16)
        place, step = self.dice.integers(moved.size), self.dice.integers(1, 3) * self.dice.choice([-1, 1])
        moved[place] += step if 0 <= moved[place] + step <= 255 else -step
        if scheme.extract(moved.astype(np.uint8).reshape(stego.shape), cover, seeds).unchanged:
            return f"stego {number}: sub-pixel {place} moved by {step}, and taken for unchanged"
        return ""

    def wrong(self, number: int) -> str:
        """What is wrong with the answer to a wrong input; "" for nothing."""
        kind = WRONG[number % len(WRONG)]
        key = self.key(128)
        hidden = hide(self.secret("photograph")[:64, :64], key, send_as="picture", ledger=self.ledger)
        file, out, key_file = (self.folder / name for name in ("wrong.png", "out.png", "wrong.key"))
        data, asked = hidden.data, key
        if kind == "another key":
            asked = self.key(128)
        elif kind == "cut short":
            data = data[: int(len(data) * self.dice.uniform(0.05, 0.95))]
        elif kind == "saved as JPEG":
            Image.fromarray(hidden.picture).save(
                file.with_suffix(".jpg"), quality=int(self.dice.integers(40, 96))
            )
            data = file.with_suffix(".jpg").read_bytes()
        else:
            picture = {
                "plain cover": lambda: make_cover(key, hidden.message).picture,
                "foreign picture": lambda: fit(
                    read_picture(self.photographs[self.dice.integers(len(self.photographs))]), 128, 128
                ),
                "scaled": lambda: fit(fit(hidden.picture, 96, 96), 128, 128),
            }[kind]()
            Image.fromarray(picture).save(file)
            data = file.read_bytes()
        file.write_bytes(data)
        key_file.unlink(missing_ok=True)
        write_key(asked, key_file)
        ended = command("reveal", file, "-k", key_file, "-o", out)
        if out.exists():
            out.unlink()
            return f"{kind}: a file was written"
        return "" if ended.is_clear_error else f"{kind}: exit {ended.code}, {ended.errors[:200]}"


def main() -> int:
    """Run, print, save."""
    parser = make_parser(__doc__)
    parser.add_argument("--round-trips", type=int, default=500)
    parser.add_argument("--integrity", type=int, default=1000)
    parser.add_argument("--wrong", type=int, default=1000)
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.data, arguments.seed)
        for number in range(arguments.round_trips // share):
            outcome, problem = bench.round_trip(number)
            outcomes[outcome] += 1
            failures += [problem] if problem else []
            _show(number, arguments.round_trips // share, "round trips", failures)
        for number in range(arguments.integrity // share):
            problem = bench.integrity(number)
            outcomes["verdicts right" if not problem else "verdicts wrong"] += 1
            failures += [problem] if problem else []
            _show(number, arguments.integrity // share, "stegos", failures)
        for number in range(arguments.wrong // share):
            problem = bench.wrong(number)
            outcomes["clear errors" if not problem else "unclear"] += 1
            failures += [problem] if problem else []
            _show(number, arguments.wrong // share, "wrong inputs", failures)
    content: dict[str, Any] = {"seed": arguments.seed, "outcomes": dict(outcomes), "failures": failures}
    save("roundtrips", content, arguments.out)
    print(dict(outcomes))
    for each in failures:
        print("FAILED", each)
    return 1 if failures else 0


def _show(number: int, count: int, what: str, failures: list[str]) -> None:
    if (number + 1) % 50 == 0:
        print(f"{number + 1} of {count} {what}, {len(failures)} failures", flush=True)


if __name__ == "__main__":
    sys.exit(main())

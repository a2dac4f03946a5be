"""Does everything come back as announced, is every change noticed, and does everything else end in a clear error?

pictures  Pictures of random shapes (1x1 to 3000x40) and contents in covers of 64x64 to 2048x2048: each is revealed from
          its file within 0.3 dB of what `hide` announced, or refused with a size that then fits.
files     Files of 0 bytes to nearly all that fits, by each method for bytes, to one or several receivers, as answers, and
          by the commands `csfnns hide` and `csfnns reveal`: each comes back byte for byte.
verdicts  Untouched stegos of pictures are "unchanged"; with one sub-pixel anywhere moved by 1 or 2 they are "changed".
refusals  Wrong keys, plain covers, foreign and damaged files (spoilt.py): a clear error, or exactly what was sent; of a
          damaged picture also what is left of it, reported as changed.
bombs     Frames that unpack to far more than they state: refused, without the memory.

Each part of a run draws from a seed of its own and is written down as it ends: a run that was stopped goes on where it
was. Nonces are fresh, so that no two runs have the same covers.
"""

import os
import re
import resource
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import common
from csfnns import (
    CsfnnsError,
    Direct,
    Jpeg,
    Key,
    Robust,
    Trellis,
    capacity,
    hide,
    make_profile,
    reveal,
    write_key,
)
from csfnns.covers import AbstractCovers
from csfnns.errors import CapacityError, SearchError
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr
from csfnns.methods._direct import share_of
from csfnns.payloads.frame import MAX_CONTENT, VERSION, Kind, safe_name, unpack
from csfnns.stream import Seed
from spoilt import Dice, Sent, Spoilt, spoilt

COUNTS = {
    "picture": 600,
    "direct": 600,
    "grain": 300,
    "jpeg": 400,
    "robust": 150,
    "verdict": 1000,
    "refusals": 300,
}
FILES = ("direct", "grain", "jpeg", "robust")
MOST_GROWTH = 3 * MAX_CONTENT
"""Most bytes of memory that bombs and refusals may add."""
SIDES = (64, 80, 128, 192, 256, 384, 512)
KINDS = ("flat", "noise", "text", "photograph")
SMALL = {"direct": 64, "grain": 64, "jpeg": 96, "robust": 256}
FILL, SHARE = 0.95, 0.75
"""Most of the check cover's capacity that a file, and each of several files, may take: covers and parts differ."""
NEAR = 0.3  # dB

Row = dict[str, Any]


def random_picture(dice: Dice, kind: str, photographs: list[Path]) -> Picture:
    """A picture of a random shape."""
    long = int(2 ** dice.uniform(0, np.log2(3000)))
    short = max(1, min(long, int(2 ** dice.uniform(0, np.log2(min(120_000 / long, 400) + 1)))))
    height, width = (long, short) if dice.random() < 0.5 else (short, long)
    if kind == "flat":
        return np.full((height, width, 3), dice.integers(0, 256, 3), np.uint8)
    if kind == "noise":
        return dice.integers(0, 256, (height, width, 3)).astype(np.uint8)
    if kind == "text":
        image = Image.new("RGB", (width, height), "white")
        words = " ".join(f"{x:x}" for x in dice.integers(0, 10**6, 200))
        for y in range(0, height, 14):
            ImageDraw.Draw(image).text((2, y), words[y % 300 :], "black", ImageFont.load_default(12))
        return np.array(image)
    return fit(read_picture(photographs[dice.integers(len(photographs))]), height, width)


def new_key(dice: Dice, side: int, profile: str = "standard", names: tuple[str, ...] = ()) -> Key:
    """Key of a random root."""
    return Key.from_root(make_profile(profile, width=side, height=side), Seed(dice.bytes(32)), names)


class Bench:
    """The parts of a run, in a folder that is thrown away afterwards."""

    def __init__(self, place: Path, data: Path) -> None:
        self.place, self.photographs = place, common.pictures(data / "secrets")

    def measure(self, part: str, dice: Dice, i: int) -> Row:
        """The i-th row of a part, with its `problem` or None."""
        if part in FILES:
            return self.file(dice, part, i)
        return {"picture": self.picture, "verdict": self.verdict, "refusals": self.refusals}[part](dice, i)

    def picture(self, dice: Dice, i: int) -> Row:
        """Hide and reveal a picture, of every three two by the trellis method whatever would be chosen."""
        kind = KINDS[i % len(KINDS)]
        secret = random_picture(dice, kind, self.photographs)
        side = 2048 if i % 100 == 99 else 1024 if i % 40 == 39 else int(dice.choice(SIDES))
        key, out, method = new_key(dice, side), self.place / "stego.png", "trellis" if i // 4 % 3 else None
        row: Row = {"what": f"{kind} {secret.shape[1]}x{secret.shape[0]} in {side}x{side}", "method": method}
        row |= {"outcome": "recovered", "problem": None}
        try:
            hidden = hide(secret, key, out=out, overwrite=True, method=method)
        except (SearchError, CapacityError) as error:
            proposed = re.search(r"--resize (\d+)", str(error))
            if proposed is None:
                fits = "--size" in str(error) and side < 128
                return row | {"outcome": "refused", "problem": None if fits else str(error)}
            row["outcome"] = "recovered at the size proposed"
            hidden = hide(secret, key, out=out, overwrite=True, method=method, resize=int(proposed[1]))
        (arrival,), found = hidden.receivers.values(), reveal(out, key)
        reached, announced = psnr(fit(found.picture, *secret.shape[:2]), secret), arrival.original_psnr
        assert announced is not None
        if reached != announced and not abs(reached - announced) < NEAR:
            row["problem"] = f"announced {announced:.2f} dB, arrived {reached:.2f}"
        told, exact = found.expected_psnr, arrival.figures
        if told is not None and exact is not None and min(told, exact.psnr) < 60 and abs(told - exact.psnr) > NEAR:
            row["problem"] = f"the receiver expects {told:.2f} dB, arrived {exact.psnr:.2f}"
        return row

    def file(self, dice: Dice, method: str, i: int) -> Row:
        """Hide and reveal a file for each receiver."""
        sent = order(dice, method, i)
        room = sent.room()
        name = "".join(dice.choice(list("abcdefgäöü漢字 -_"), int(dice.integers(1, 8)))).strip() + "x.pdf"
        contents = {who: content(dice, room) for who in sent.readers}
        row: Row = {"sizes": [len(each) for each in contents.values()], "room": room, "problem": None}
        row |= {"side": sent.key.profile.width, "command": i % 40 == 0}
        try:
            (self._by_commands if row["command"] else self._by_library)(sent, contents, name)
        except (CsfnnsError, ValueError) as error:
            row["problem"] = f"{type(error).__name__}: {error}"
        return row

    def _by_library(self, sent: "Order", contents: Mapping[str, bytes], name: str) -> None:
        out = self.place / f"stego{sent.suffix}"
        payload = contents if len(sent.readers) > 1 else next(iter(contents.values()))
        hide(payload, sent.key, out=out, overwrite=True, name=name, method=sent.method)
        for who, each in contents.items():
            found = reveal(out, sent.readers[who])
            if found.content != each or found.name != safe_name(name) or found.receiver != who:
                raise ValueError(f"something else came back for {who}")

    def _by_commands(self, sent: "Order", contents: Mapping[str, bytes], _: str) -> None:
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            at = Path(folder)
            write_key(sent.key, at / "sender.key")
            for who, each in contents.items():
                (at / f"{who}.bin").write_bytes(each)
            payload = [f"{who}={at / who}.bin" for who in contents]
            stego = at / f"stego{sent.suffix}"
            ended = common.command("hide", *payload, "-k", at / "sender.key", "-o", stego, *sent.words)
            for who, each in contents.items():
                write_key(sent.readers[who], at / f"{who}.key")
                inbox = at / f"inbox-{who}"
                inbox.mkdir()
                if not ended.code:
                    ended = common.command("reveal", stego, "-k", at / f"{who}.key", "-o", inbox)
                if ended.code or (inbox / f"{who}.bin").read_bytes() != each:
                    raise ValueError(f"exit status {ended.code} for {who}: {ended.errors}")

    def verdict(self, dice: Dice, i: int) -> Row:
        """What a receiver says of a stego, untouched and with one sub-pixel moved."""
        root = Seed(dice.bytes(32))
        cover, seeds = AbstractCovers(128, 128)(root.derive("cover")), common.receiver(root, "verdict")
        envelope, scheme, side = (
            common.envelope(root, "verdict"),
            Trellis(states=64),
            int(dice.integers(8, 64)),
        )
        secret = fit(read_picture(self.photographs[i % len(self.photographs)]), side, side)
        stego = scheme.embed(cover, {seeds: secret}, envelope=envelope)
        moved = stego.reshape(-1).astype(np.int16)
        place, step = dice.integers(moved.size), dice.integers(1, 3) * dice.choice([-1, 1])
        moved[place] += step if 0 <= moved[place] + step <= 255 else -step
        changed = moved.astype(np.uint8).reshape(stego.shape)
        unchanged = [scheme.extract(p, cover, seeds, envelope=envelope).unchanged for p in (stego, changed)]
        if unchanged == [True, False]:
            return {"problem": None}
        return {"problem": f"sub-pixel {place} moved by {step}: taken for unchanged before, after: {unchanged}"}

    def refusals(self, dice: Dice, i: int) -> Row:
        """Read everything that spoilt.py makes of one message."""
        method = ("trellis", *FILES)[i % (1 + len(FILES))]
        foreign = fit(read_picture(self.photographs[dice.integers(len(self.photographs))]), 112, 96)
        sent = self._message(dice, method)
        outcomes, problems = Counter[str](), []
        for j, each in enumerate(spoilt(dice, sent, foreign)):
            outcome = (self._command_outcome if (i + j) % 25 == 0 else _outcome)(each, sent.content)
            if outcome.startswith("problem"):
                problems.append(f"{each.kind}: {outcome}")
                outcome = "problem"
            outcomes[f"{each.kind}/{outcome}"] += 1
        row: Row = {"method": method, "outcomes": outcomes, "peak": peak()}
        return row | {"problem": "; ".join(problems) or None}

    def _message(self, dice: Dice, method: str) -> Sent:
        if method == "trellis":
            key = new_key(dice, 128)
            secret = fit(read_picture(self.photographs[dice.integers(len(self.photographs))]), 48, 48)
            hidden = hide(secret, key, method=method)
            return Sent(key, Trellis(), ".png", hidden.data, reveal(hidden, key).picture)
        sent = order(dice, method, 0)
        data, out = content(dice, sent.room()), self.place / f"to-spoil{sent.suffix}"
        hidden = hide(data, sent.key, out=out, overwrite=True, method=sent.method)
        return Sent(sent.key, sent.method, sent.suffix, hidden.data, data)

    def _command_outcome(self, each: Spoilt, right: bytes | Picture) -> str:
        """Like `_outcome`, by the command."""
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            at = Path(folder)
            (at / "stego").write_bytes(each.file)
            write_key(each.key, at / "my.key")
            out = at / ("out.png" if isinstance(right, np.ndarray) else "out")
            ended = common.command("reveal", at / "stego", "-k", at / "my.key", "-o", out)
            written = out.read_bytes() if out.exists() else None
            left = {path.name for path in at.iterdir()} - {"stego", "my.key", out.name}
        if left:
            return f"problem: files left behind: {left}"
        if written is None and ended.is_clear_error:
            return f"exit status {ended.code}"
        if each.may_read and ended.code == 0 and (isinstance(right, np.ndarray) or written == right):
            return "unharmed"
        return f"problem: exit status {ended.code}, wrote {written is not None}: {ended.errors}"


def _outcome(each: Spoilt, right: bytes | Picture) -> str:
    """Name of the error, "unharmed", "changed", or a problem."""
    try:
        found = reveal(each.file, each.key)
    except CsfnnsError as error:
        return type(error).__name__ if error.message and error.hint else f"problem: no hint: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this program looks for
        return f"problem: {type(error).__name__}: {error}"
    if each.may_read and not found.unchanged:
        return "changed"
    same = found.content == right if isinstance(right, bytes) else np.array_equal(found.picture, right)
    return "unharmed" if each.may_read and same else f"problem: {found!r} came back"


@dataclass(frozen=True)
class Order:
    """How files go."""

    key: Key
    readers: Mapping[str, Key]
    """Name and key of each receiver."""
    method: Any
    suffix: str
    words: tuple[str, ...]
    """The method's options for `csfnns hide`."""

    def room(self) -> int:
        """Bytes that each receiver may have."""
        if isinstance(self.method, Robust):
            return max(self.method.bits.safe_for(len(self.readers)) - 60, 0)
        most = capacity(self.key, (), method=self.method).most
        return int(FILL * most if len(self.readers) == 1 else SHARE * share_of(most, len(self.readers)))


def order(dice: Dice, method: str, i: int) -> Order:
    """The i-th message of a method. Of every eight, one is to several receivers, one an answer, one with a robust key."""
    side = 256 if i % 50 == 7 else SMALL[method]
    names: tuple[str, ...] = ()
    if i % 8 == 1:
        count = 2 if method == "robust" else int(dice.integers(2, 9))
        names, side = (
            tuple(f"reader-{j}" for j in range(count)),
            max(2 * side, 128),
        )  # each part needs a place
    answer = i % 8 == 5
    robust = method == "robust" or i % 8 == 2
    key = new_key(dice, side, "robust" if robust else "standard", ("bob", "carol") if answer else names)
    suffix, words = str(dice.choice((".png", ".webp"))), ["--method", method]
    settings: Any = Direct("grain" if method == "grain" else "cost")
    if method == "jpeg":
        settings, suffix = Jpeg(int(dice.integers(50, 101)), ("420", "444")[int(dice.integers(2))]), ".jpg"
        words += ["--set", f"quality={settings.quality}", "--set", f"subsampling={settings.subsampling}"]
    if method == "robust":
        survive = str(dice.choice(["jpeg:75-95", "noise:2", "jpeg:90/420"]))
        settings = Robust(key.profile, survive=survive)
        words = ["--survive", survive]
        suffix = ".jpg" if survive == "jpeg:90/420" and dice.integers(2) else suffix
    if answer:
        return Order(key.for_receiver("bob"), {"sender": key}, settings, suffix, tuple(words))
    readers = {name: key.for_receiver(name) for name in names} or {"receiver": key}
    return Order(key, readers, settings, suffix, tuple(words))


def content(dice: Dice, most: int) -> bytes:
    """Bytes of any length up to `most`: often none, one or all, sometimes more that compress."""
    case = int(dice.integers(10))
    n = (0, min(1, most), most)[case] if case < 3 else int(dice.integers(most + 1))
    if case == 3:
        return bytes(20 * n)
    return (b"some text, over and over. " * (n // 26 + 1))[:n] if case == 4 else dice.bytes(n)


def bombs() -> list[str]:
    """Frames of kilobytes that unpack to more than they state, or than any file may have: those not refused."""
    packer = zlib.compressobj(9, wbits=-15)
    deflated = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    problems = []
    for length in (1000, MAX_CONTENT, 2**32 - 1):
        try:
            unpack(bytes([VERSION, Kind.FILE, 1, 0]) + length.to_bytes(4, "big") + bytes(5) + deflated)
            problems.append(f"300 MiB in {len(deflated) >> 10} kB that state {length} bytes: something came back")
        except CsfnnsError:
            pass
    return problems


def peak() -> int:
    """Largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def rows_of(part: str, count: int, log: common.Log, seed: int, measure: Callable[..., Row]) -> list[Row]:
    """Rows of a part: those in the log, and the missing ones, which are measured."""
    done = {row["i"]: row for row in log.rows if row["part"] == part}
    for i in range(count):
        if i not in done:
            dice = np.random.default_rng([seed, list(COUNTS).index(part), i])
            done[i] = log.add({"part": part, "i": i} | measure(part, dice, i))
            if i % 50 == 49 or done[i]["problem"]:
                print(f"{part}: {i + 1} of {count}", done[i]["problem"] or "", flush=True)
    return [done[i] for i in range(count)]


def report(rows: Mapping[str, list[Row]]) -> None:
    """Print a line for each part, and for each kind of refusal."""
    table = []
    for part, found in rows.items():
        sizes = [size for row in found for size in row.get("sizes", ())]
        cells = (sum(sizes), max(sizes), sum(row["command"] for row in found)) if sizes else ("", "", "")
        table.append((part, len(found), sum(row["problem"] is None for row in found), len(sizes) or "", *cells))
    common.print_table(("part", "rows", "right", "files", "bytes", "longest", "by commands"), table)
    print(", ".join(f"{n} {name}" for name, n in Counter(row["outcome"] for row in rows.get("picture", ())).items()))
    by_kind: dict[str, Counter[str]] = {}
    for row in rows.get("refusals", ()):
        for label, count in row["outcomes"].items():
            kind, outcome = label.rsplit("/", 1)
            by_kind.setdefault(kind, Counter())[outcome] += count
    table = [
        (kind, found.total(), ", ".join(f"{n} {name}" for name, n in sorted(found.items())))
        for kind, found in by_kind.items()
    ]
    common.print_table(("input", "files", "how reading ended"), table)


def main() -> int:
    """Measure, print, save; exit status 1 when anything was wrong."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=COUNTS, default=list(COUNTS), help="parts (default all)")
    parser.add_argument("--share", type=int, help="divide the counts by this (default 1, with --quick 20)")
    arguments = parser.parse_args()
    share = arguments.share or (20 if arguments.quick else 1)
    log, started = common.Log("roundtrips", arguments), peak()
    problems = bombs()  # while this process is small: later, what they take would be hidden by the peak
    grown = [peak() - started]
    with tempfile.TemporaryDirectory() as place:
        os.environ["CSFNNS_HOME"] = f"{place}/home"
        bench = Bench(Path(place), arguments.data)
        rows: dict[str, list[Row]] = {}
        for part in arguments.only:
            started = peak()
            rows[part] = rows_of(part, -(-COUNTS[part] // share), log, arguments.seed, bench.measure)
            grown.append(peak() - started if part == "refusals" else 0)
    report(rows)
    problems += [f"{part} {row['i']}: {row['problem']}" for part in rows for row in rows[part] if row["problem"]]
    print(f"memory: {peak() >> 20} MiB at most; bombs added {grown[0] >> 20}, refusals {max(grown[1:]) >> 20}")
    if max(grown) > MOST_GROWTH:
        problems.append("bombs or refusals took too much memory")
    return common.finish("roundtrips", {"rows": rows, "peak": peak()}, problems, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

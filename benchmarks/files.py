"""Do files come back byte for byte in every way, and does everything else end in a clear error and never in other bytes?

Round trips: files of random sizes, from nothing to all that fits, through `hide_file`, a file in a folder and `reveal`, by
a receiver with a ledger of his own; by each way as many as TRIPS says, in shuffled order. In a JPEG of quality 50 to 100,
all that fits is what leaves 30 dB. Every eighth message by direct coding is for two to eight receivers, every eighth with a
key of profile robust; every fortieth trip of a way is the commands `csfnns hide` and `csfnns reveal`. Of `bits`, every
eighth is for two receivers, in a larger cover.

Refusals, until there are as many clear errors as asked for: what spoilt.py makes of such messages, each way in turn,
through `reveal`; some through the command. Where a change touches nothing that a message needs, the right bytes are
as good.

Each trip and each message to spoil is written down as it is done, and draws from a seed of its own: a run that was
stopped goes on where it was. Ends with 1 when anything was not as it should be, or memory grew by more than the largest
file that is ever unpacked, thrice, by frames that unpack to far more than they say or by what is refused.
"""

import os
import resource
import sys
import tempfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import common
from csfnns import (
    CsfnnsError,
    Key,
    Ledger,
    RevealedFile,
    hide_file,
    make_cover,
    make_profile,
    reveal,
    write_key,
)
from csfnns.payloads.file import MAX_CONTENT, Kind, pack, unpack
from csfnns.results import WayName
from csfnns.schemes import Direct, DirectJpeg, NeuralBits
from csfnns.stream import Seed
from csfnns.ways import Way, choose
from spoilt import Dice, Sent, Spoilt, spoilt

TRIPS: dict[WayName, int] = {"pixels": 800, "grain": 400, "jpeg": 600, "bits": 200}
MOST_GROWTH = 3 * MAX_CONTENT
PICTURE_FORMATS = (".png", ".webp")
SMALL = {"pixels": 64, "grain": 64, "jpeg": 96, "bits": 128}
LARGE = 256
LEAST_JPEG = 30.0
RECEIVED = 0.8
"""Share of an even part that each of several receivers may fill: slots differ, and each keeps a block free."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """How a message goes."""

    key: Key
    suffix: str
    options: dict[str, Any]
    """For `hide_file`, besides key and files."""

    @property
    def way(self) -> Way:
        """The way that these choose."""
        return choose(self.key.profile, self.suffix, **self.options)

    def room(self) -> int:
        """Bytes, packed, that each receiver may have in the cover of the first message."""
        cover, receivers = make_cover(self.key, 1).picture, len(self.key.names)
        if self.way.name == "bits":
            return NeuralBits(self.key.profile).safe_for(receivers)
        if self.way.name == "jpeg":
            most = DirectJpeg(self.options["quality"]).capacity(cover, [LEAST_JPEG]).at[LEAST_JPEG]
        else:
            most = Direct("grain" if self.way.name == "grain" else "cost").capacity(cover, ()).most
        return most if receivers == 1 else int(most * (8 // receivers) / 8 * RECEIVED)

    def words(self) -> list[str]:
        """The options, for `csfnns hide`."""
        found = []
        for name, value in self.options.items():
            values = value if isinstance(value, list) else [] if value is True else [str(value)]
            found += [f"--{name}", *values]
        return found


def order(dice: Dice, way: WayName, i: int) -> Order:
    """The i-th message of a way."""
    names = ["main"]
    suffix = str(dice.choice(PICTURE_FORMATS))
    options: dict[str, Any] = {}
    side = LARGE if i % 50 == 7 else SMALL[way]
    if way == "bits":
        names, side = (["ann", "bob"], LARGE) if i % 8 == 3 else (names, side)
        survive = dice.choice(["", "", "noise:2", "jpeg:90/420"])
        options = {"survive": [str(survive)]} if survive else {}
        suffix = ".jpg" if survive == "jpeg:90/420" and dice.integers(2) else suffix
    elif i % 8 == 1:
        names = [f"reader-{j}" for j in range(int(dice.integers(2, 9)))]
        side = 2 * side  # each slot keeps a block free
    if way == "grain":
        options = {"grain": True}
    elif way == "jpeg":
        suffix, options = ".jpg", {"quality": int(dice.integers(50, 101))}
    robust = way == "bits" or i % 8 == 2
    if robust and way != "bits":
        options["exact"] = True
    profile = make_profile("robust" if robust else "standard", width=side, height=side)
    return Order(Key.from_root(profile, Seed(dice.bytes(32)), names), suffix, options)


def content(dice: Dice, most: int) -> bytes:
    """Bytes of any length up to `most`, packed: often none, one or all, sometimes some that compress."""
    case = int(dice.integers(10))
    n = (0, 1, most)[case] if case < 3 else int(dice.integers(most + 1))
    if case == 3:
        return bytes(20 * n)
    return (b"some text, over and over. " * (n // 26 + 1))[:n] if case == 4 else dice.bytes(n)


def trip(folder: Path, dice: Dice, way: WayName, i: int) -> Row:
    """Hide and reveal once; `problem` where something else came back."""
    sent = order(dice, way, i)
    letters = list("abcdefgäöü漢字 -_")
    name = "".join(dice.choice(letters, int(dice.integers(1, 8)))).strip() + "x.pdf"
    room = max(sent.room() - len(pack(b"", name)), 0)
    contents = {who: content(dice, room) for who in sent.key.names}
    row: Row = {"way": way, "trip": i, "side": sent.key.profile.width, "command": i % 40 == 0}
    row["sizes"] = [len(each) for each in contents.values()]
    row["room"] = room
    try:
        row["stego"] = (_by_commands if row["command"] else _by_library)(folder, sent, contents, name)
    except (CsfnnsError, ValueError) as error:
        row["problem"] = f"{type(error).__name__}: {error}"
    return row


def _by_library(folder: Path, sent: Order, contents: dict[str, bytes], name: str) -> float | None:
    out = folder / f"stego{sent.suffix}"
    hidden = hide_file(
        contents,
        sent.key,
        out=out,
        overwrite=True,
        name=name,
        ledger=Ledger(folder / "sender.sqlite3"),
        **sent.options,
    )
    if hidden.way != sent.way.name:
        raise ValueError(f"it went as {hidden.way}")
    for who, each in contents.items():
        found = reveal(out, sent.key.for_receiver(who), ledger=Ledger(folder / "receiver.sqlite3"))
        if not isinstance(found, RevealedFile) or found.content != each or found.name != name:
            raise ValueError(f"something else came back for {who}")
    return float(hidden.stego.psnr) if np.isfinite(hidden.stego.psnr) else None


def _by_commands(folder: Path, sent: Order, contents: dict[str, bytes], _: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        at = Path(place)
        write_key(sent.key, at / "sender.key")
        for who, each in contents.items():
            (at / f"{who}.bin").write_bytes(each)
        secrets = [f"{who}={at / who}.bin" for who in contents]
        stego = at / f"stego{sent.suffix}"
        ended = common.command("hide", *secrets, "-k", at / "sender.key", "-o", stego, *sent.words())
        for who, each in contents.items():
            write_key(sent.key.for_receiver(who), at / f"{who}.key")
            inbox = at / f"inbox-{who}"
            inbox.mkdir()
            if not ended.code:
                ended = common.command("reveal", stego, "-k", at / f"{who}.key", "-o", inbox)
            if ended.code or (inbox / f"{who}.bin").read_bytes() != each:
                raise ValueError(f"exit code {ended.code} for {who}: {ended.errors}")


def message(folder: Path, dice: Dice, way: WayName) -> Sent:
    """A message of 0 bytes to all that fits, in a small cover, for one receiver."""
    sent = order(dice, way, 0)
    data = content(dice, max(sent.room() - len(pack(b"")), 0))
    hidden = hide_file(data, sent.key, out=folder / f"to-spoil{sent.suffix}", overwrite=True, **sent.options)
    cover = make_cover(sent.key, hidden.message).picture
    return Sent(sent.key, hidden.message, cover, sent.way, sent.suffix, hidden.data, data)


def refusals(folder: Path, dice: Dice, way: WayName, i: int) -> Row:
    """Read all that comes of spoiling one message."""
    sent = message(folder, dice, way)
    outcomes: Counter[str] = Counter()
    problems = []
    for j, each in enumerate(spoilt(dice, sent)):
        read = _command_outcome if (i + j) % 25 == 0 else _outcome
        outcome = read(folder, each, sent.content)
        if outcome.startswith("problem"):
            problems.append(f"{each.kind}: {outcome}")
            outcome = "problem"
        outcomes[f"{each.kind}/{outcome}"] += 1
    return {"way": way, "message": i, "outcomes": outcomes, "problems": problems, "peak": peak()}


def _outcome(folder: Path, each: Spoilt, right: bytes) -> str:
    """The error's name, "unharmed", or a problem."""
    try:
        found = reveal(each.file, each.key, message=each.message, ledger=Ledger(folder / "receiver.sqlite3"))
    except CsfnnsError as error:
        return type(error).__name__ if error.message and error.hint else f"problem: no hint: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this looks for
        return f"problem: {type(error).__name__}: {error}"
    if each.may_read and isinstance(found, RevealedFile) and found.content == right:
        return "unharmed"
    return f"problem: {type(found).__name__} came back"


def _command_outcome(folder: Path, each: Spoilt, right: bytes) -> str:
    """The same, by the command."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        at = Path(place)
        (at / "stego").write_bytes(each.file)
        write_key(each.key, at / "my.key")
        words = () if each.message is None else ("--message", each.message)
        ended = common.command("reveal", at / "stego", "-k", at / "my.key", "-o", at / "out", *words)
        written = (at / "out").read_bytes() if (at / "out").exists() else None
        left = {path.name for path in at.iterdir()} - {"stego", "my.key", "out"}
    if left:
        return f"problem: files left behind: {left}"
    if written is None and ended.is_clear_error:
        return f"exit code {ended.code}"
    if each.may_read and written == right and ended.code == 0:
        return "unharmed"
    return f"problem: exit code {ended.code}, wrote {written is not None}: {ended.errors}"


def bombs() -> list[str]:
    """Frames of kilobytes that unpack to more than they say, or than any file may have: what was not refused."""
    packer = zlib.compressobj(9, wbits=-15)
    deflated = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    problems = []
    for name, length in (("says 1 kB", 1000), ("says 256 MiB", MAX_CONTENT), ("says 4 GiB", 2**32 - 1)):
        try:
            unpack(bytes([1, Kind.FILE, 1, 0]) + length.to_bytes(4, "big") + deflated)
            problems.append(f"300 MiB in {len(deflated) >> 10} kB, {name}: something came back")
        except CsfnnsError:
            pass
    return problems


def peak() -> int:
    """Most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def report_trips(rows: list[Row]) -> list[str]:
    """Print a line a way; problems."""
    table = []
    for way in TRIPS:
        own = [row for row in rows if row["way"] == way]
        exact = [row for row in own if "problem" not in row]
        levels = [row["stego"] for row in exact if row["stego"] is not None]
        if own:
            files = sum(len(row["sizes"]) for row in own)
            total, most = sum(sum(row["sizes"]) for row in own), max(max(row["sizes"]) for row in own)
            commands = sum(row["command"] for row in own)
            # Commands do not tell it, and a cover that did not change has none.
            least = min(levels) if levels else "none"
            table.append((way, len(own), len(exact), files, total, most, commands, least))
    print_head = ("way", "messages", "came back", "files", "bytes", "longest", "by commands", "least stego")
    common.print_table(print_head, table)
    return [f"{row['way']} {row['trip']}: {row['problem']}" for row in rows if "problem" in row]


def report_refusals(rows: list[Row]) -> list[str]:
    """Print a line a kind; problems."""
    by_kind: dict[str, Counter[str]] = {}
    by_way: dict[str, Counter[str]] = {}
    for row in rows:
        for label, count in row["outcomes"].items():
            kind, outcome = label.rsplit("/", 1)
            by_kind.setdefault(kind, Counter())[outcome] += count
            if outcome not in ("unharmed", "problem"):
                by_way.setdefault(kind, Counter())[row["way"]] += count
    head = ("input", *TRIPS, "unharmed", "problems", "how it ended")
    table = []
    for kind, outcomes in by_kind.items():
        told = ", ".join(f"{n} {name}" for name, n in sorted(outcomes.items()) if name != "unharmed")
        ways = [by_way.get(kind, Counter())[way] for way in TRIPS]
        table.append((kind, *ways, outcomes["unharmed"], outcomes["problem"], told))
    common.print_table(head, table)
    return [f"{row['way']} {row['message']}: {problem}" for row in rows for problem in row["problems"]]


def errors_in(row: Row) -> int:
    """Clear errors of a message that was spoilt."""
    return sum(n for label, n in row["outcomes"].items() if not label.endswith(("/unharmed", "/problem")))


def make_trips(folder: Path, log: common.Log, arguments: Any, share: int) -> list[Row]:
    """All round trips that are not done yet."""
    wanted = [(way, i) for way in TRIPS for i in range(-(-TRIPS[way] // share))]
    done = {(row["way"], row["trip"]): row for row in log.rows if "trip" in row}
    np.random.default_rng(arguments.seed).shuffle(wanted)
    for n, (way, i) in enumerate(wanted):
        if (way, i) not in done:
            dice = np.random.default_rng([arguments.seed, list(TRIPS).index(way), i])
            done[way, i] = log.add(trip(folder, dice, way, i))
            if n % 20 == 19 or "problem" in done[way, i]:
                print(f"{n + 1} of {len(wanted)} trips", done[way, i].get("problem", ""), flush=True)
    return [done[each] for each in sorted(wanted)]


def make_refusals(folder: Path, log: common.Log, arguments: Any, wanted: int) -> list[Row]:
    """Messages spoilt until there are so many clear errors."""
    rows = [row for row in log.rows if "message" in row]
    names, errors = list(TRIPS), sum(map(errors_in, rows))
    while errors < wanted:
        i = len(rows)
        dice = np.random.default_rng([arguments.seed, len(names), i])
        rows.append(log.add(refusals(folder, dice, names[i % len(names)], i)))
        errors += errors_in(rows[-1])
        print(f"{errors} clear errors of {wanted}", *rows[-1]["problems"], flush=True)
    return rows


def main() -> int:
    """Measure, print, save; 1 when anything was not as it should be."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--errors", type=int, default=10_000, help="clear errors (default %(default)s)")
    parser.add_argument("--only", choices=("trips", "refusals"), help="one of the two (default both)")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    log = common.Log("files", arguments)
    trips: list[Row] = []
    spoiled: list[Row] = []
    problems = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["CSFNNS_HOME"] = place
        # First, while this process is small: later, what they take would hide below the peak.
        before = peak()
        problems += bombs()
        bombs_took = peak() - before
        if arguments.only != "refusals":
            trips = make_trips(Path(place), log, arguments, share)
            problems += report_trips(trips)
        before = peak()
        if arguments.only != "trips":
            spoiled = make_refusals(Path(place), log, arguments, -(-arguments.errors // share))
            problems += report_refusals(spoiled)
    memory = {"peak": max([peak(), *(row["peak"] for row in spoiled)])}
    memory |= {"bombs": bombs_took, "growth": peak() - before}
    errors = sum(map(errors_in, spoiled))
    print(f"{len(trips)} trips, {errors} clear errors, {len(problems)} problems")
    took = f"bombs took {memory['bombs'] >> 20}, refusals {memory['growth'] >> 20}"
    print(f"memory: {memory['peak'] >> 20} MiB at most; {took}")
    if max(memory["bombs"], memory["growth"]) > MOST_GROWTH:
        problems.append("this is too much memory")
    common.save("files", {"trips": trips, "refusals": spoiled, "problems": problems} | memory, arguments.out)
    for problem in problems:
        print("FAILED", problem)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

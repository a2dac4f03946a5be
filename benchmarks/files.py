"""Do files come back byte for byte, and does everything else end in a clear error and never in other bytes?

Round trips: files of random sizes, from nothing to all that fits, through `hide_file`, a picture file and `reveal`, by a
receiver with a ledger of his own; every fourth message is for two to eight receivers, every fiftieth cover 512x512
instead of 128x128, every fortieth trip the commands `csfnns hide` and `csfnns reveal`.

Refusals, until there are as many clear errors as asked for: stego pictures that were changed, cut, compressed or read
with wrong seeds (`Direct.extract`, then `unpack`); sealed bytes that were changed (`open_header`, `unseal`); frames that
somebody with the key made up or spoilt (`unpack`); and picture files with flipped or missing bytes, changed pixels or a
wrong key (`csfnns reveal`). Where a change touches nothing that a message needs, the right bytes are as good. Ends with
1 when anything was not as it should be, or memory grew by more than the largest file that is ever unpacked, thrice.
"""

import io
import os
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import track

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
from csfnns.errors import NoMessageError
from csfnns.payloads.file import MAX_CONTENT, Kind, pack, unpack
from csfnns.payloads.seal import open_header, seal, seal_header, unseal
from csfnns.picture import Picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct import Direct
from csfnns.stream import Seed

SMALL, LARGE = 128, 512
MOST_PER_PIXEL = 0.585  # bytes of a full cover for one pixel, a little less than every cover holds
MOST_GROWTH = 3 * MAX_CONTENT
UNHARMED = ("few sub-pixels", "file: pixels changed", "file: bytes flipped")
"""Kinds of which some change nothing that matters."""


@dataclass
class Tally:
    """How inputs of one kind ended."""

    errors: dict[str, int] = field(default_factory=dict)
    unharmed: int = 0
    problems: list[str] = field(default_factory=list)


class Bench:
    """Keys, contents and places, all random from one seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = np.random.default_rng(seed)
        self.sender, self.receiver = Ledger(folder / "sender.sqlite3"), Ledger(folder / "receiver.sqlite3")

    def seed(self) -> Seed:
        """Fresh seed."""
        return Seed(self.dice.bytes(32))

    def key(self, side: int, receivers: int = 1) -> Key:
        """Fresh key for covers of that side."""
        names = [f"reader-{i}" for i in range(receivers)] if receivers > 1 else ["main"]
        return Key.from_root(make_profile(width=side, height=side), self.seed(), names)

    def content(self, most: int) -> bytes:
        """Bytes of any length up to `most`, packed: often none, one or all, sometimes some that compress."""
        case = int(self.dice.integers(10))
        n = (0, 1, most)[case] if case < 3 else int(self.dice.integers(most + 1))
        if case == 3:
            return bytes(20 * n)
        return (b"some text, over and over. " * (n // 26 + 1))[:n] if case == 4 else self.dice.bytes(n)

    def name(self) -> str:
        """A name as files have."""
        letters = "abcdefgäöü漢字 -_"
        return "".join(self.dice.choice(list(letters), int(self.dice.integers(1, 8)))).strip() + "x.pdf"


# Round trips


def round_trips(bench: Bench, count: int) -> dict[str, Any]:
    """Hide and reveal; what did not come back as it was."""
    problems: list[str] = []
    counts = {
        "trips": count,
        "files": 0,
        "bytes": 0,
        "several receivers": 0,
        f"{LARGE}x{LARGE}": 0,
        "commands": 0,
    }
    levels: list[float] = []
    for i in track(range(count), "round trips"):
        side = LARGE if i % 50 == 7 else SMALL
        receivers = int(bench.dice.integers(2, 9)) if i % 4 == 1 else 1
        key = bench.key(side, receivers)
        share = 8 // receivers / 8
        # Frames and names, tags, blocks that stay free, and slots that are a little smaller than others.
        most = int(MOST_PER_PIXEL * side * side * share * (1 if receivers == 1 else 0.9)) - 64
        contents = {name: bench.content(most) for name in key.names}
        counts["files"] += receivers
        counts["bytes"] += sum(map(len, contents.values()))
        counts["several receivers"] += receivers > 1
        counts[f"{LARGE}x{LARGE}"] += side == LARGE
        counts["commands"] += i % 40 == 0
        trip = _by_commands if i % 40 == 0 else _by_library
        try:
            levels += trip(bench, key, contents)
        except (CsfnnsError, ValueError) as error:
            problems.append(f"trip {i}, {side}x{side}, {[len(each) for each in contents.values()]}: {error}")
    print(f"{count - len(problems)} of {count} messages came back byte for byte: {counts}")
    if levels:
        print(f"stego: least {min(levels):.1f} dB")
    return counts | {"problems": problems, "least stego": min(levels, default=None)}


def _by_library(bench: Bench, key: Key, contents: dict[str, bytes]) -> list[float]:
    out, name = bench.folder / "stego.png", bench.name()
    sent = hide_file(contents, key, out=out, overwrite=True, name=name, ledger=bench.sender)
    for who, content in contents.items():
        found = reveal(out, key.for_receiver(who), ledger=bench.receiver)
        if not isinstance(found, RevealedFile) or found.content != content or found.name != name:
            raise ValueError(f"something else came back for {who}")
    return [sent.stego.psnr] if any(contents.values()) else []


def _by_commands(bench: Bench, key: Key, contents: dict[str, bytes]) -> list[float]:
    with tempfile.TemporaryDirectory(dir=bench.folder) as place:
        folder = Path(place)
        write_key(key, folder / "sender.key")
        for who, content in contents.items():
            (folder / f"{who}.bin").write_bytes(content)
        secrets = [f"{who}={folder / who}.bin" for who in contents]
        ended = common.command("hide", *secrets, "-k", folder / "sender.key", "-o", folder / "stego.png")
        for who, content in contents.items():
            write_key(key.for_receiver(who), folder / f"{who}.key")
            (folder / f"inbox-{who}").mkdir()
            inbox = folder / f"inbox-{who}"
            ended = common.command("reveal", folder / "stego.png", "-k", folder / f"{who}.key", "-o", inbox)
            if ended.code or (inbox / f"{who}.bin").read_bytes() != content:
                raise ValueError(f"exit code {ended.code} for {who}: {ended.errors}")
    return []


# Refusals


@dataclass(frozen=True)
class Message:
    """One message to spoil."""

    key: Key
    cover: Picture
    stego: Picture
    seeds: ReceiverSeeds
    content: bytes


def message(bench: Bench) -> Message:
    """Content of 0 to all that fits, in a small cover."""
    key = bench.key(SMALL)
    content = bench.content(int(MOST_PER_PIXEL * SMALL * SMALL) - 64)
    sent = hide_file(content, key, ledger=bench.sender)
    seeds = ReceiverSeeds(key.decoder_seed("main", sent.message), key.header_seed("main", sent.message))
    return Message(key, make_cover(key, sent.message).picture, sent.picture, seeds, content)


Try = tuple[str, Callable[[], bytes], bytes]
"""Kind; what must not give other bytes; the right ones."""


def spoilt_pictures(bench: Bench, sent: Message) -> Iterator[Try]:
    """Pictures and seeds that hold no message, or a damaged one."""
    dice, stego, seeds = bench.dice, sent.stego, sent.seeds

    def reading(picture: Picture, seeds: ReceiverSeeds) -> Callable[[], bytes]:
        return lambda: unpack(Direct().extract(picture, sent.cover, seeds)).content

    yield "wrong key", reading(stego, ReceiverSeeds(bench.seed(), bench.seed())), sent.content
    yield "wrong decoder seed", reading(stego, ReceiverSeeds(bench.seed(), seeds.header)), sent.content
    yield "wrong header seed", reading(stego, ReceiverSeeds(seeds.decoder, bench.seed())), sent.content
    yield "few sub-pixels", reading(_flipped(bench, stego, int(dice.integers(1, 9))), seeds), sent.content
    yield "many sub-pixels", reading(_flipped(bench, stego, stego.size // 20), seeds), sent.content
    yield "large changes", reading(_noisy(bench, stego), seeds), sent.content
    yield (
        "moved",
        reading(np.roll(stego, int(dice.integers(1, SMALL)), axis=int(dice.integers(2))), seeds),
        b"",
    )
    yield "cut", reading(stego[: int(dice.integers(1, SMALL))], seeds), sent.content
    yield "compressed", reading(_through_jpeg(stego, int(dice.integers(30, 96))), seeds), sent.content
    yield "plain cover", reading(sent.cover, seeds), sent.content
    random = (sent.cover + dice.integers(-1, 2, stego.shape)).clip(0, 255).astype(np.uint8)
    yield "random changes", reading(random, seeds), sent.content


def spoilt_seals(bench: Bench, sent: Message) -> Iterator[Try]:
    """Sealed bytes and headers, changed, cut, lengthened or under another seed."""
    dice, seed = bench.dice, sent.seeds.header
    data = pack(sent.content)
    header = seal_header(len(data).to_bytes(4, "big") + bytes(3), seed)
    sealed = seal(data, seed, header)

    def opening(header: bytes, sealed: bytes, seed: Seed) -> Callable[[], bytes]:
        def run() -> bytes:
            open_header(header, seed)
            return unpack(unseal(sealed, seed, header)).content

        return run

    yield "seal: header changed", opening(_spoilt(bench, header), sealed, seed), sent.content
    yield "seal: data changed", opening(header, _spoilt(bench, sealed), seed), sent.content
    yield "seal: cut", opening(header, sealed[: int(dice.integers(len(sealed)))], seed), sent.content
    yield (
        "seal: lengthened",
        opening(header, sealed + dice.bytes(int(dice.integers(1, 40))), seed),
        sent.content,
    )
    yield "seal: another seed", opening(header, sealed, bench.seed()), sent.content


def spoilt_frames(bench: Bench, sent: Message) -> Iterator[Try]:
    """Frames that are authentic, from somebody who has the key, and that nobody should make."""
    dice, frame = bench.dice, pack(sent.content, bench.name())

    def unpacking(frame: bytes) -> Callable[[], bytes]:
        return lambda: unpack(frame).content

    def with_byte(at: int, value: int) -> bytes:
        return frame[:at] + bytes([value]) + frame[at + 1 :]

    yield "frame: wrong version", unpacking(with_byte(0, int(dice.integers(2, 256)))), b""
    yield "frame: wrong kind", unpacking(with_byte(1, int(dice.integers(3, 256)))), b""
    yield "frame: wrong method", unpacking(with_byte(2, int(dice.integers(3, 256)))), b""
    off = int(dice.integers(1, 20)) if dice.integers(2) else int(dice.integers(1, 2**32 - 1))
    length = ((len(sent.content) + off) % 2**32).to_bytes(4, "big")
    yield "frame: wrong length", unpacking(frame[:4] + length + frame[8:]), b""
    yield "frame: cut", unpacking(frame[: int(dice.integers(len(frame)))]), b""
    yield "frame: lengthened", unpacking(frame + dice.bytes(int(dice.integers(1, 40)))), b""
    yield "frame: nothing but noise", unpacking(b"\x02" + dice.bytes(int(dice.integers(200)))), b""


def spoilt_files(bench: Bench, sent: Message) -> Iterator[tuple[str, bytes, Key]]:
    """Picture files for the command line, and the key to try."""
    buffer = io.BytesIO()
    Image.fromarray(sent.stego).save(buffer, "PNG")
    file = buffer.getvalue()
    yield "file: wrong key", file, bench.key(SMALL)
    yield "file: bytes flipped", _spoilt(bench, file), sent.key
    yield "file: cut", file[: int(bench.dice.integers(len(file) - 16))], sent.key
    changed = io.BytesIO()
    Image.fromarray(_flipped(bench, sent.stego, int(bench.dice.integers(1, 200)))).save(changed, "PNG")
    yield "file: pixels changed", changed.getvalue(), sent.key
    yield "file: no picture", bench.dice.bytes(int(bench.dice.integers(2000))), sent.key


def _flipped(bench: Bench, picture: Picture, count: int) -> Picture:
    """Lowest bits of some levels changed."""
    changed = picture.copy().reshape(-1)
    changed[bench.dice.choice(changed.size, count, replace=False)] ^= 1
    return changed.reshape(picture.shape)


def _noisy(bench: Bench, picture: Picture) -> Picture:
    """A tenth of the levels changed by anything."""
    changed = picture.copy().reshape(-1)
    there = bench.dice.choice(changed.size, changed.size // 10, replace=False)
    changed[there] += bench.dice.integers(1, 256, len(there)).astype(np.uint8)
    return changed.reshape(picture.shape)


def _through_jpeg(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def _spoilt(bench: Bench, data: bytes) -> bytes:
    """Some bytes changed."""
    changed = bytearray(data)
    for at in bench.dice.choice(len(data), min(len(data), int(bench.dice.integers(1, 4))), replace=False):
        changed[at] ^= int(bench.dice.integers(1, 256))
    return bytes(changed)


def refusals(bench: Bench, wanted: int, commands: int) -> dict[str, Tally]:
    """Spoil messages until there are so many clear errors; all that was not one is a problem."""
    tallies: dict[str, Tally] = {}
    errors = 0
    with_commands = 0
    while errors < wanted:
        sent = message(bench)
        # Pictures take milliseconds, bytes microseconds: so each message is spoilt twice in all ways.
        for _ in range(2):
            for ways in (spoilt_pictures, spoilt_seals, spoilt_frames):
                for kind, read, right in ways(bench, sent):
                    errors += _try(tallies.setdefault(kind, Tally()), kind, read, right)
        if with_commands < commands:
            for kind, file, key in spoilt_files(bench, sent):
                errors += _try_command(
                    bench, tallies.setdefault(kind, Tally()), kind, file, key, sent.content
                )
                with_commands += 1
        print(f"{errors} clear errors of {wanted}", end="\r" if errors < wanted else "\n", flush=True)
    return tallies


def _try(tally: Tally, kind: str, read: Callable[[], bytes], right: bytes) -> bool:
    try:
        found = read()
    except NoMessageError as error:
        name = type(error).__name__
        tally.errors[name] = tally.errors.get(name, 0) + 1
        if not (error.message and error.hint):
            tally.problems.append(f"no hint: {error}")
        return True
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this looks for
        tally.problems.append(f"{type(error).__name__}: {error}")
        return False
    if found == right and kind in UNHARMED:
        tally.unharmed += 1
    else:
        tally.problems.append(f"{len(found)} bytes came back, the right ones: {found == right}")
    return False


def _try_command(bench: Bench, tally: Tally, kind: str, file: bytes, key: Key, right: bytes) -> bool:
    with tempfile.TemporaryDirectory(dir=bench.folder) as place:
        folder = Path(place)
        (folder / "stego.png").write_bytes(file)
        write_key(key, folder / "my.key")
        out = folder / "out"
        words = ("--message", 1) if kind == "file: pixels changed" else ()
        ended = common.command("reveal", folder / "stego.png", "-k", folder / "my.key", "-o", out, *words)
        written = out.read_bytes() if out.exists() else None
        left = {path.name for path in folder.iterdir()} - {"stego.png", "my.key", "out"}
    if left:
        tally.problems.append(f"files left behind: {left}")
    if written is None and ended.is_clear_error:
        name = f"exit code {ended.code}"
        tally.errors[name] = tally.errors.get(name, 0) + 1
        return True
    if written == right and ended.code == 0 and kind in UNHARMED:
        tally.unharmed += 1
    else:
        tally.problems.append(f"exit code {ended.code}, {written is not None}: {ended.errors}")
    return False


def bombs() -> dict[str, Tally]:
    """Frames of kilobytes that unpack to more than they say, or than any file may have."""
    packer = zlib.compressobj(9, wbits=-15)
    deflated = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    tallies = {}
    for name, length in (("says 1 kB", 1000), ("says 256 MiB", MAX_CONTENT), ("says 4 GiB", 2**32 - 1)):
        frame = bytes([1, Kind.FILE, 1, 0]) + length.to_bytes(4, "big") + deflated
        tally = tallies[f"300 MiB in {len(frame) >> 10} kB, {name}"] = Tally()
        _try(tally, "bomb", lambda frame=frame: unpack(frame).content, b"")  # type: ignore[misc]
    return tallies


def peak() -> int:
    """Most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def report(tallies: dict[str, Tally]) -> int:
    """Print the outcomes of each kind; how many problems there are."""
    rows = []
    for kind, tally in tallies.items():
        told = ", ".join(f"{count} {name}" for name, count in sorted(tally.errors.items()))
        rows.append((kind, sum(tally.errors.values()), tally.unharmed, len(tally.problems), told))
    common.print_table(("input", "clear errors", "unharmed", "problems", "errors"), rows)
    for kind, tally in tallies.items():
        for problem in tally.problems[:20]:
            print(f"  {kind}: {problem}")
    return sum(len(tally.problems) for tally in tallies.values())


def main() -> int:
    """Measure, print, save; 1 when anything was not as it should be."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--trips", type=int, default=2000, help="round trips (default %(default)s)")
    parser.add_argument("--errors", type=int, default=10_000, help="clear errors (default %(default)s)")
    parser.add_argument(
        "--commands", type=int, default=400, help="wrong inputs to the command line (default %(default)s)"
    )
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    trips, errors, commands = (
        -(-count // share) for count in (arguments.trips, arguments.errors, arguments.commands)
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CSFNNS_HOME"] = folder
        bench = Bench(Path(folder), arguments.seed)
        started = time.perf_counter()
        there = round_trips(bench, trips)
        between = time.perf_counter()
        before = peak()
        tallies = refusals(bench, errors, commands)
        growth = peak() - before
        exploded = bombs()
        bomb_growth = peak() - before
        seconds = [between - started, time.perf_counter() - between]
    problems = report(tallies) + report(exploded) + len(there["problems"])
    for problem in there["problems"]:
        print(f"  {problem}")
    total = sum(sum(tally.errors.values()) for tally in (*tallies.values(), *exploded.values()))
    print(
        f"{total} clear errors, {problems} problems; memory grew by {growth >> 20} MiB, with bombs {bomb_growth >> 20}"
    )
    if bomb_growth > MOST_GROWTH:
        problems += 1
        print("  this is too much memory")
    outcomes = {kind: vars(tally) for kind, tally in (tallies | exploded).items()}
    content = {"seed": arguments.seed, "trips": there, "refusals": outcomes, "clear errors": total}
    content |= {"seconds": seconds, "growth": growth, "growth with bombs": bomb_growth}
    common.save("files", content, arguments.out)
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())

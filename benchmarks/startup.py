"""How long people wait: whole processes of the installed command, and abstract covers.

A 256x256 photograph, a file of 20 kB and a photograph of 4000x3000 in 512x512 covers, pictures that hold nothing for the
key, and a cover of 4096x4096. The best of some runs is held against its bar, since whatever else the machine does can only
add to it. Refusals are held against theirs after the start of Python is taken off.
"""

import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from PIL import Image, ImageOps

import common
from csfnns import Key, make_profile, write_key
from csfnns.covers import AbstractCovers
from csfnns.stream import Seed

MOST_GIB = 2.5
"""Memory of hiding in a cover of 4096x4096, at most."""


@dataclass(frozen=True)
class Result:
    """Seconds of some runs."""

    name: str
    runs: int
    best: float
    median: float
    bar: float | None
    peak_gib: float | None = None


class Bench:
    """Keys and secrets in a folder of their own."""

    def __init__(self, folder: Path, data: Path, runs: int) -> None:
        self.folder, self.runs = folder, runs
        for name, side, profile in (
            ("usual", 512, "standard"),
            ("robust", 512, "robust"),
            ("large", 4096, "standard"),
        ):
            write_key(Key.new(make_profile(profile, width=side, height=side)), folder / f"{name}.key")
        photograph = Image.open(common.pairs(data, "imagenet", 1)[0][1]).convert("RGB")
        ImageOps.fit(photograph, (256, 256), Image.Resampling.LANCZOS).save(folder / "small.png")
        foreign = Image.open(common.pictures(data / "covers" / "eval")[0]).convert("RGB")
        foreign.save(folder / "foreign.png")
        foreign.save(folder / "foreign.jpg", quality=90)
        (folder / "huge.png").write_bytes(png_header(15_000, 15_000))
        self._make_large(common.pictures(data / "kodak"))
        (folder / "file.bin").write_bytes(os.urandom(20_000))

    def _make_large(self, photographs: Sequence[Path]) -> None:
        """A photograph of 4000x3000 from 16 of Kodak's, each scaled 1.33 times: detail as cameras of 12 MP have it."""
        sheet = Image.new("RGB", (4000, 3000))
        for i in range(16):
            photograph = Image.open(photographs[i]).convert("RGB")
            part = ImageOps.fit(photograph, (1000, 750), Image.Resampling.LANCZOS)
            sheet.paste(part, (i % 4 * 1000, i // 4 * 750))
        sheet.save(self.folder / "large.png")

    def run(self, command: Sequence[object], code: int = 0) -> float:
        """Seconds of one process. Ends the program for another exit status."""
        # Installed packages are compiled; a checkout is at its first run, unless that is forbidden.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        inherited["CSFNNS_HOME"] = str(self.folder / "home")
        words = [str(word) for word in command]
        started = time.perf_counter()
        done = subprocess.run(words, env=inherited, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - started
        if done.returncode != code:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return seconds

    def measure(
        self, name: str, bar: float | None, command: Sequence[object], *, runs: int = 0, code: int = 0
    ) -> Result:
        """Best and median of some runs; `{}` in a word is the run's number."""
        count = runs or self.runs
        numbered = [[str(word).replace("{}", str(i)) for word in command] for i in range(count)]
        found = [self.run(words, code) for words in numbered]
        result = Result(name, count, min(found), median(found), bar)
        print(f"{name}: {result.best:.2f} s", flush=True)
        return result

    def processes(self) -> list[Result]:
        """What people do every day, and what they do by mistake."""
        f, csfnns = self.folder, common.SCRIPT
        mine, robust = ("-k", f / "usual.key"), ("-k", f / "robust.key")
        hide, reveal = (csfnns, "hide", f / "small.png", *mine, "-o"), (csfnns, "reveal")
        trellis, large = ("--method", "trellis"), (csfnns, "hide", f / "large.png", *mine)
        start = self.measure("the start of Python", None, [sys.executable, "-c", ""], runs=3 * self.runs)
        python = start.best
        in_numpy = ("env", "CSFNNS_KERNEL=numpy", *hide)

        def refuse(name: str, key: Sequence[object], picture: str, code: int = 8) -> Result:
            words = [*reveal, f / picture, *key]
            return self.measure(f"refuse {name}", 0.3 + python, words, runs=2 * self.runs, code=code)

        return [
            start,
            self.measure("csfnns --help", 0.15, [csfnns, "--help"], runs=3 * self.runs),
            self.measure("hide a 256x256 photograph", 1.3, [*hide, f / "a{}.png", *trellis]),
            self.measure("the same in the NumPy form", 1.8, [*in_numpy, f / "b{}.png", *trellis]),
            self.measure("reveal it", 0.6, [*reveal, f / "a0.png", *mine, "-o", f / "c{}.png"]),
            self.measure("hide a file of 20 kB", 0.9, [csfnns, "hide", f / "file.bin", *mine, "-o", f / "d{}.png"]),
            self.measure("reveal it", 0.6, [*reveal, f / "d0.png", *mine, "-o", f / "e{}.bin"]),
            refuse("a foreign picture of the key's size", mine, "foreign.png"),
            refuse("the same as a JPEG file", mine, "foreign.jpg"),
            refuse("a foreign picture, with a robust key", robust, "foreign.png"),
            refuse("a header of 15000x15000", mine, "huge.png"),
            refuse("a header of 15000x15000, with a robust key", robust, "huge.png"),
            self.measure("hide 4000x3000 by trellis", 6, [*large, *trellis, "-o", f / "g{}.png"], runs=2),
            self.measure("hide 4000x3000", 10, [*large, "-o", f / "h{}.png"], runs=2),
        ]

    def largest(self) -> Result:
        """A cover of 4096x4096, with its peak memory."""
        allow = ("env", "CSFNNS_ALLOW_LARGE=yes")  # the key asks for more than one does unasked
        words = (*allow, common.SCRIPT, "hide", self.folder / "large.png", "-k", self.folder / "large.key")
        seconds = self.run([*words, "--method", "trellis", "-o", self.folder / "i.png"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        return Result("hide in a cover of 4096x4096", 1, seconds, seconds, 40, peak)


def png_header(width: int, height: int) -> bytes:
    """Start of a PNG file of that size, without its pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\1\0\0IDAT"


def measure_cover(side: int, runs: int) -> Result:
    """Covers of `runs` messages."""
    generator, found = AbstractCovers(side, side), []
    for i in range(runs):
        started = time.perf_counter()
        generator(Seed(bytes(31) + bytes([i])))
        found.append(time.perf_counter() - started)
    return Result(f"an abstract cover of {side}x{side}", runs, min(found), median(found), None)


def main() -> int:
    """Measure, print, save; exit status 1 when anything takes longer than its bar."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=5, help="(default %(default)s)")
    parser.add_argument("--small", action="store_true", help="without the cover of 4096x4096")
    arguments = parser.parse_args()
    runs = 1 if arguments.quick else arguments.runs
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.data, runs)
        results = bench.processes()
        results += [] if arguments.small else [bench.largest()]
    results += [measure_cover(side, runs) for side in (512, 2048)]
    failed = [f"{r.name}: {r.best:.2f} s, bar {r.bar:.2f}" for r in results if r.bar is not None and r.best > r.bar]
    failed += [f"{r.name}: {r.peak_gib:.2f} GiB, bar {MOST_GIB}" for r in results if (r.peak_gib or 0) > MOST_GIB]
    rows = [
        (
            r.name,
            r.runs,
            f"{r.best:.2f}",
            f"{r.median:.2f}",
            "" if r.bar is None else f"{r.bar:.2f}",
            r.peak_gib or "",
        )
        for r in results
    ]
    common.print_table(("seconds", "runs", "best", "median", "bar", "GiB"), rows)
    return common.finish("startup", {"results": [asdict(r) for r in results]}, failed, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

"""How long people wait: whole processes of the installed command, and abstract covers.

A 256x256 photograph, a file of 20 kB and a photograph of 4000x3000 in 512x512 covers, and a cover of 4096x4096. The best
of some runs is held against its bar, since whatever else the machine does can only add to it. With `--before CHECKOUT`, a
checkout of an earlier version, its `hide` of the same photograph takes turns with this one's, and their ratio is reported.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from PIL import Image, ImageOps

import common
from csfnns import Key, make_profile, write_key
from csfnns.covers import AbstractCovers
from csfnns.stream import Seed


@dataclass(frozen=True)
class Result:
    """Seconds that something took in some runs."""

    name: str
    runs: int
    best: float
    median: float
    bar: float | None
    peak_gib: float | None = None


class Bench:
    """Keys and secrets in a folder of their own."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.key = folder / "usual.key"
        write_key(Key.new(make_profile()), self.key)
        photograph = Image.open(common.pairs(data, "imagenet", 1)[0][1]).convert("RGB")
        ImageOps.fit(photograph, (256, 256), Image.Resampling.LANCZOS).save(folder / "small.png")
        self._large(common.pictures(data / "kodak"))
        (folder / "file.bin").write_bytes(os.urandom(20_000))

    def _large(self, photographs: Sequence[Path]) -> None:
        """A photograph of 4000x3000 from several of Kodak's, each scaled 1.33 times: detail as cameras of 12 MP have it."""
        sheet = Image.new("RGB", (4000, 3000))
        for i in range(16):
            part = ImageOps.fit(
                Image.open(photographs[i]).convert("RGB"), (1000, 750), Image.Resampling.LANCZOS
            )
            sheet.paste(part, (i % 4 * 1000, i // 4 * 750))
        sheet.save(self.folder / "large.png")

    def run(self, *arguments: object, **environment: str) -> tuple[float, float]:
        """Seconds of one process, and its peak memory in GiB."""
        command = [str(word) for word in (common.SCRIPT, *arguments)]
        start = time.perf_counter()
        self.start(command, environment)
        seconds = time.perf_counter() - start
        return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a command to its end. Raises CalledProcessError when it fails."""
        # Installed packages are compiled; a checkout is at its first run, unless that is forbidden.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        inherited |= {"CSFNNS_HOME": str(self.folder / "home"), **environment}
        done = subprocess.run(command, env=inherited, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")

    def measure(
        self, name: str, bar: float | None, runs: int, *arguments: object, **environment: str
    ) -> Result:
        """Best and median of some runs; `{}` in an argument is the run's number."""
        found = [
            self.run(*(str(word).replace("{}", str(i)) for word in arguments), **environment)[0]
            for i in range(runs)
        ]
        return Result(name, runs, min(found), median(found), bar)

    def usual(self, runs: int) -> list[Result]:
        """What people do every day."""
        f = self.folder
        hide = ("hide", f / "small.png", "-k", self.key, "--as", "picture", "-o")
        results = [
            self.measure("csfnns --help", 0.15, 3 * runs, "--help"),
            self.measure("hide a 256x256 photograph", 1.3, runs, *hide, f / "a{}.png"),
            self.measure(
                "the same in the NumPy form", 1.8, runs, *hide, f / "b{}.png", CSFNNS_KERNEL="numpy"
            ),
            self.measure("reveal it", 0.6, runs, "reveal", f / "a0.png", "-k", self.key, "-o", f / "c{}.png"),
            self.measure(
                "hide a file of 20 kB", 0.9, runs, "hide", f / "file.bin", "-k", self.key, "-o", f / "d{}.png"
            ),
            self.measure("reveal it", 0.6, runs, "reveal", f / "d0.png", "-k", self.key, "-o", f / "e{}.bin"),
        ]
        large = ("hide", f / "large.png", "-k", self.key)
        return [
            *results,
            self.measure(
                "hide 4000x3000 by the decoder", 6, 2, *large, "--as", "picture", "-o", f / "g{}.png"
            ),
            self.measure("hide 4000x3000", 10, 2, *large, "-o", f / "h{}.png"),
        ]

    def largest(self) -> Result:
        """A cover of 4096x4096, with its peak memory."""
        key = self.folder / "large.key"
        write_key(Key.new(make_profile(width=4096, height=4096)), key)
        out = self.folder / "i.png"
        seconds, peak = self.run("hide", self.folder / "large.png", "-k", key, "--as", "picture", "-o", out)
        return Result("hide in a cover of 4096x4096", 1, seconds, seconds, 40, peak)

    def before(self, checkout: Path, runs: int) -> dict[str, float]:
        """`hide` of an earlier version and of this one in turns: seconds of both, best of some runs."""
        old_key, theirs, ours = self.folder / "old.key", [], []
        environment = {"PYTHONPATH": str(checkout / "src"), "CSFNNS_HOME": str(self.folder / "old")}
        command = [sys.executable, "-m", "csfnns"]
        self.start([*command, "key", "new", str(old_key)], environment)
        for i in range(runs):
            start = time.perf_counter()
            out = str(self.folder / f"old{i}.png")
            self.start(
                [*command, "hide", str(self.folder / "small.png"), "-k", str(old_key), "-o", out], environment
            )
            theirs.append(time.perf_counter() - start)
            new = self.folder / f"new{i}.png"
            ours.append(
                self.run("hide", self.folder / "small.png", "-k", self.key, "--as", "picture", "-o", new)[0]
            )
        return {"before": min(theirs), "now": min(ours), "ratio": min(theirs) / min(ours)}


def measure_cover(side: int, runs: int, seed: Seed) -> Result:
    """Covers of `runs` messages."""
    generator, found = AbstractCovers(side, side), []
    for i in range(runs):
        start = time.perf_counter()
        generator(seed, i + 1)
        found.append(time.perf_counter() - start)
    return Result(f"an abstract cover of {side}x{side}", runs, min(found), median(found), None)


def main() -> int:
    """Print the table; 1 when anything takes longer than its bar."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=5, help="(default %(default)s)")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="checkout of an earlier version")
    arguments = parser.parse_args()
    runs = 1 if arguments.quick else arguments.runs
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.data)
        results = bench.usual(runs)
        ratio = bench.before(arguments.before, min(runs, 3)) if arguments.before else None
        results += [bench.largest(), *(measure_cover(side, runs, Seed(bytes(32))) for side in (512, 2048))]
    failed = [
        f"{r.name}: {r.best:.2f} s, bar {r.bar} s" for r in results if r.bar is not None and r.best > r.bar
    ]
    rows = [(r.name, r.runs, f"{r.best:.2f}", f"{r.median:.2f}", r.bar or "") for r in results]
    common.print_table(("seconds", "runs", "best", "median", "bar"), rows)
    if ratio:
        print(f"hide takes {ratio['before']:.1f} s in {arguments.before}, {ratio['ratio']:.1f} times as long")
    peak = next(r.peak_gib for r in results if r.peak_gib)
    print(f"the cover of 4096x4096 takes {peak:.2f} GiB")
    if peak > 2.5:
        failed.append(f"4096x4096: {peak:.2f} GiB, bar 2.5")
    content = {"results": [asdict(r) for r in results], "before": ratio, "failed": failed}
    common.save("startup", content, arguments.out)
    for each in failed:
        print("FAILED", each)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""How long people wait: `python benchmarks/startup.py`.

Whole processes of `csfnns --help` and of `csfnns reveal` with a 512x512 picture, and abstract covers. The best
time of some runs is held against its bar, since whatever else the machine does can only add to it; of covers it
is the processor time. Ends with 1 when one is over.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import common
from csfnns import Key, Ledger, hide, make_profile, write_key
from csfnns.covers import AbstractCovers
from csfnns.stream import Seed


@dataclass(frozen=True)
class Result:
    """Seconds that something took, and the bar for its best time or for its processor time."""

    name: str
    runs: int
    best: float
    median: float
    processor: float
    bar: float
    held: float
    """What is held against the bar."""


def measure(
    name: str, bar: float, runs: int, work: Callable[[int], object], *, hold_processor: bool = False
) -> Result:
    """Time `work(i)` for each of `runs` numbers i; the best time, or processor time, is held against the bar."""
    seconds, processor = [], []
    for i in range(runs):
        start, used = time.perf_counter(), sum(os.times()[:4])  # its own and its children's
        work(i)
        seconds.append(time.perf_counter() - start)
        processor.append(sum(os.times()[:4]) - used)
    held = min(processor) if hold_processor else min(seconds)
    return Result(name, runs, min(seconds), median(seconds), min(processor), bar, held)


def run_command(*arguments: object, **environment: str) -> None:
    """Run the installed command in a process of its own. Raises CalledProcessError when it fails."""
    command = [str(word) for word in (common.SCRIPT, *arguments)]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)


def measure_reveal(folder: Path, secret: Path, runs: int) -> list[Result]:
    """Reveals at the receiver's computer, where the next message is expected, and at the sender's own."""
    key, stego, key_file = Key.new(make_profile()), folder / "stego.png", folder / "test.key"
    write_key(key, key_file)
    hide(secret, key, out=stego, ledger=Ledger(folder / "sender" / "ledger.sqlite3"))

    def reveal(home: str, run: int) -> None:
        out = folder / f"{home}-{run}.png"
        run_command("reveal", stego, "-k", key_file, "-o", out, CSFNNS_HOME=str(folder / home))

    return [
        # Each of the receiver's runs is his first: the picture is the next one that he expects.
        measure("csfnns reveal, next message", 3.0, runs, lambda i: reveal(f"receiver-{i}", i)),
        measure("csfnns reveal, by its sender", 3.0, runs, lambda i: reveal("sender", i)),
    ]


def measure_cover(side: int, bar: float, runs: int, seed: Seed) -> Result:
    """Covers of `runs` messages."""
    generator = AbstractCovers(side, side)
    return measure(f"cover {side}x{side}", bar, runs, lambda i: generator(seed, i + 1), hold_processor=True)


def _judge(result: Result) -> str:
    return "ok" if result.held <= result.bar else "OVER"


def main() -> int:
    """Print the table; 1 when anything takes longer than its bar."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--helps", type=int, default=10, help="runs of --help (default %(default)s)")
    parser.add_argument("--reveals", type=int, default=5, help="runs of each reveal (default %(default)s)")
    parser.add_argument("--covers", type=int, default=3, help="covers of each size (default %(default)s)")
    arguments = parser.parse_args()
    helps, reveals, covers = (
        -(-count // (10 if arguments.quick else 1))
        for count in (arguments.helps, arguments.reveals, arguments.covers)
    )
    secret = common.pairs(arguments.data, "imagenet", 1)[0][1]
    seed = Seed(arguments.seed.to_bytes(32, "big"))
    print(f"seed {arguments.seed}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        results = [
            measure("csfnns --help", 0.3, helps, lambda _: run_command("--help")),
            *measure_reveal(Path(folder), secret, reveals),
        ]
    results += [measure_cover(512, 1.0, covers, seed), measure_cover(2048, 16.0, covers, seed)]

    rows = [(r.name, r.runs, r.best, r.median, r.processor, r.bar, _judge(r)) for r in results]
    common.print_table(("seconds", "runs", "best", "median", "processor", "bar", ""), rows)
    common.save("startup", {"seed": arguments.seed, "results": [asdict(r) for r in results]}, arguments.out)
    return int(any(result.held > result.bar for result in results))


if __name__ == "__main__":
    sys.exit(main())

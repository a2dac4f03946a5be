"""Files over several pictures: do they come back, how fast, in how much memory? `python benchmarks/long.py`, on Linux.

A file of random bytes, and one of a tenth of it, are hidden in covers of 512x512 with two spare pictures; two pictures,
drawn by the seed, are removed, and the rest revealed. Each step is a process of its own, whose peak memory the kernel
keeps; that of its workers is the largest one's. Beside it the seconds of `csfnns.hide` for one piece, in turn with those
of a part; and the seconds of a picture by one process and by one a core, in turn.
"""

import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import common
import csfnns
from csfnns.messages.split import Splitter
from csfnns.payloads.part import Division, Part
from csfnns.process import THREADS, cores

SPARE = 2
MOST_SECONDS, LEAST_PSNR, MOST_GROWTH = 0.6, 56.0, 16.0
"""Bars: of a picture to hide; of every stego in dB; of the peak memory in MiB where the file is ten times as long."""


def main() -> int:
    """Measure, print, save; exit status 1 when a bar is missed."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--bytes", type=int, help="of the file (default 20,000,000)")
    parser.add_argument("--side", type=int, default=512, help="of the covers (default %(default)s)")
    arguments = parser.parse_args()
    length = arguments.bytes or (2_000_000 if arguments.quick else 20_000_000)
    key = csfnns.Key.from_root(
        csfnns.make_profile(width=arguments.side, height=arguments.side), common.root_of(arguments)
    )
    ratio = compare(key, 4 if arguments.quick else 12)
    print("seconds of one piece, by hide_long and by hide:", *(f"{ratio[name]:.3f}" for name in ("part", "plain")))
    by_workers = pace(key, min(length, 2_000_000), random.Random(arguments.seed), 2 if arguments.quick else 3)
    print("seconds of a picture by workers:", *(f"{count}: {each:.3f}" for count, each in by_workers.items()))
    rows = [measure(key, each, random.Random(arguments.seed)) for each in (length // 10, length)]
    head = (
        "bytes",
        "pictures",
        "right",
        "hide_seconds",
        "reveal_seconds",
        "least_psnr",
        "hide_mib",
        "worker_mib",
        "reveal_mib",
    )
    common.print_table(head, [[row[name] for name in head] for row in rows])
    failed = [f"{row['bytes']} bytes did not come back" for row in rows if not row["right"]]
    small, large = rows
    if large["hide_seconds"] > MOST_SECONDS:
        failed.append(f"{large['hide_seconds']:.2f} s a picture, not {MOST_SECONDS}")
    if min(row["least_psnr"] for row in rows) < LEAST_PSNR:
        failed.append(f"a picture is below {LEAST_PSNR} dB")
    for step in ("hide_mib", "worker_mib", "reveal_mib"):
        if large[step] - small[step] > MOST_GROWTH:
            failed.append(f"{step}: {large[step]:.0f} MiB, and {small[step]:.0f} for a tenth of the file")
    figures = {"side": arguments.side, "piece": ratio, "seconds_by_workers": by_workers, "files": rows}
    return common.finish("long", figures, failed, arguments.out)


def measure(key: csfnns.Key, length: int, draw: random.Random) -> dict[str, Any]:
    """Figures of one file; seconds are of a picture."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        fill(folder / "big.zip", length, draw)
        (folder / "out").mkdir()
        hidden, seconds, memory, of_worker = alone(hide, key, folder)
        missing = draw.sample(hidden.pictures, SPARE)
        for path in missing:
            path.unlink()
        (found,), back, memory_back, _ = alone(reveal, key, folder)
        count = len(hidden.pictures)
        return {
            "bytes": length,
            "pictures": count,
            "missing": list(found.missing),
            "right": found.error is None
            and (folder / "out" / "big.zip").read_bytes() == (folder / "big.zip").read_bytes(),
            "hide_seconds": seconds / count,
            "reveal_seconds": back / (count - SPARE),
            "least_psnr": hidden.least_psnr,
            "hide_mib": memory,
            "worker_mib": of_worker,
            "reveal_mib": memory_back,
        }


def fill(path: Path, length: int, draw: random.Random) -> None:
    """Write a file of so many random bytes."""
    with path.open("wb") as file:
        for start in range(0, length, 1 << 20):
            file.write(draw.randbytes(min(1 << 20, length - start)))


def pace(key: csfnns.Key, length: int, draw: random.Random, rounds: int) -> dict[int, float]:
    """Mean seconds of a picture of a file by numbers of workers, which take turns."""
    found = dict.fromkeys(sorted({1, cores()}), 0.0)
    with tempfile.TemporaryDirectory() as home:
        fill(Path(home) / "big.zip", length, draw)
        for _ in range(rounds):
            for count in found:
                hidden, seconds, *_ = alone(partial(hide, workers=count), key, Path(home))
                found[count] += seconds / len(hidden.pictures) / rounds
                shutil.rmtree(hidden.pictures[0].parent)
    return found


def hide(key: csfnns.Key, folder: Path, workers: int | None = None) -> Any:
    """Hide the file, in a process of its own."""
    if workers is not None:
        os.environ[THREADS] = str(workers)
    return csfnns.hide_long(folder / "big.zip", key, folder / "holiday", spare=SPARE)


def reveal(key: csfnns.Key, folder: Path) -> Any:
    """Restore the file."""
    return csfnns.reveal_long(folder / "holiday", key, folder / "out")


def alone(step: Callable[..., Any], key: csfnns.Key, folder: Path) -> tuple[Any, float, float, float]:
    """Result of a step in a process of its own, its seconds, and its peak memory and that of its workers in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(timed, (step, key, folder))


def timed(step: Callable[..., Any], key: csfnns.Key, folder: Path) -> tuple[Any, float, float, float]:
    """The same in this process."""
    start = time.perf_counter()
    result = step(key, folder)
    seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    of_worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return result, seconds, int(status.partition("VmHWM:")[2].split()[0]) / 1024, of_worker / 1024


def compare(key: csfnns.Key, count: int) -> dict[str, float]:
    """Mean seconds of a piece by hide_long and by hide, one after the other."""
    splitter = Splitter(key, receiver=None, method=None, suffix=".png", covers=None, name="big.zip", dated=True)
    size = splitter.room // 2 * 2
    of = Division(bytes(16), count, count + SPARE, count * size, bytes(32))
    total = {"bytes": size, "part": 0.0, "plain": 0.0}
    for i in range(count):
        piece = random.Random(i).randbytes(size)
        start = time.perf_counter()
        splitter.hide(Part(of, i, piece))
        middle = time.perf_counter()
        csfnns.hide(piece, key)
        total["part"] += (middle - start) / count
        total["plain"] += (time.perf_counter() - middle) / count
    return total


if __name__ == "__main__":
    sys.exit(main())

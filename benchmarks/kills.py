"""What is left of `csfnns hide` when it is killed? `python benchmarks/kills.py`.

Processes that hide with one key are ended at random moments, half by SIGKILL and half by SIGTERM, and some when a file
appears in their output folder. Then several hide at once with that key. Each output must be absent or whole, no
temporary file may be left (except after SIGKILL, after which no program can clean up), and no two stegos may be equal.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import common
from csfnns import CsfnnsError, Key, make_profile, reveal, write_key

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass
class Run:
    """One process and what it left."""

    group: str
    moment: float | None
    """Seconds after which it was ended; None when its output folder gave the signal, or nothing did."""
    code: int = 0
    """Exit status, minus the signal's number if that ended it."""
    id: str | None = None
    """Of the message in its output, if that can be revealed."""
    left: list[str] = field(default_factory=list)
    """Files beside its output."""
    problems: list[str] = field(default_factory=list)


class Bench:
    """One key, one secret, and a folder for each process."""

    def __init__(self, folder: Path, secret: Path, side: int) -> None:
        self.folder, self.secret = folder, secret
        self.key = Key.new(make_profile(width=side, height=side))
        self.runs: list[Run] = []
        write_key(self.key, folder / "test.key")

    def start(self, group: str, moment: float | None = None) -> tuple[Run, Path, "subprocess.Popen[bytes]"]:
        """Start a process that hides into a folder of its own."""
        run, folder = Run(group, moment), self.folder / str(len(self.runs))
        folder.mkdir()
        self.runs.append(run)
        words = ("hide", self.secret, "-k", self.folder / "test.key", "-o", folder / "out.png")
        quiet = subprocess.DEVNULL
        command = [str(common.SCRIPT), *map(str, words)]
        return run, folder, subprocess.Popen(command, stdout=quiet, stderr=quiet)

    def finish(self, group: str, count: int) -> float:
        """Let that many processes at once end by themselves; return the seconds until the last one did."""
        began = time.monotonic()
        started = [self.start(group) for _ in range(count)]
        for run, _, process in started:
            run.code = process.wait()
        seconds = time.monotonic() - began
        for run, folder, _ in started:
            self._inspect(run, folder)
            if run.code or run.id is None:
                run.problems.append(f"ended with {run.code} and no good output, undisturbed")
        return seconds

    def end(self, by: signal.Signals, moment: float | None) -> None:
        """End a process after `moment` seconds, or as soon as anything appears in its output folder."""
        run, folder, process = self.start(by.name + (" while writing" if moment is None else ""), moment)
        if moment is None:
            while process.poll() is None and not any(folder.iterdir()):
                time.sleep(2e-4)
        else:
            time.sleep(moment)
        process.send_signal(by)
        run.code = process.wait()
        self._inspect(run, folder, may_leave=by is signal.SIGKILL)
        if run.code == 0 and run.id is None:
            run.problems.append("reported success without a good output")

    def _inspect(self, run: Run, folder: Path, may_leave: bool = False) -> None:
        out = folder / "out.png"
        run.left = sorted(path.name for path in folder.iterdir() if path != out)
        if run.left and not may_leave:
            run.problems.append(f"left {', '.join(run.left)}")
        if out.exists():
            try:
                run.id = reveal(out, self.key).id
            except CsfnnsError as error:
                run.problems.append(f"its output is not whole: {error}")


def main() -> int:
    """Kill, inspect, print, save; exit status 1 when anything is wrong."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the covers (default %(default)s)")
    parser.add_argument("--kills", type=int, default=40, help="at random moments (default %(default)s)")
    parser.add_argument("--writing", type=int, default=10, help="while writing (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=8, help="processes on one key (default %(default)s)")
    arguments = parser.parse_args()
    share, dice = (10 if arguments.quick else 1), random.Random(arguments.seed)
    secret = common.pairs(arguments.data, "imagenet", 1)[0][1]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CSFNNS_HOME"] = f"{folder}/home"
        bench = Bench(Path(folder), secret, arguments.side)
        typical = min(bench.finish("nobody", 1) for _ in range(2))
        print(f"an undisturbed process takes {typical:.1f} s", flush=True)
        for i in range(-(-arguments.kills // share)):
            bench.end(SIGNALS[i % 2], dice.uniform(0, typical))
        for i in range(max(2, arguments.writing // share)):
            bench.end(SIGNALS[i % 2], None)
        bench.finish(f"nobody, {arguments.at_once} at once", arguments.at_once)
        home = sorted(path.name for path in Path(folder, "home").glob("*"))
    problems = [f"{run.group}: {problem}" for run in bench.runs for problem in run.problems]
    ids = [run.id for run in bench.runs if run.id is not None]
    if len(set(ids)) < len(ids):
        problems.append("two processes sent the same message")
    if home:
        problems.append(f"files appeared in the home: {', '.join(home)}")
    table = []
    for group in dict.fromkeys(run.group for run in bench.runs):
        runs = [run for run in bench.runs if run.group == group]
        finished, whole = sum(run.code == 0 for run in runs), sum(run.id is not None for run in runs)
        table.append((group, len(runs), finished, whole, sum(len(run.left) for run in runs)))
    common.print_table(("ended by", "processes", "finished", "whole outputs", "temporary files"), table)
    content = {"side": arguments.side, "seconds": typical, "processes": [asdict(run) for run in bench.runs]}
    return common.finish("kills", content, problems, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

"""What is left of `csfnns hide` when it is killed? `python benchmarks/kills.py`.

Processes that hide with one key are ended at random moments of their lives, half by SIGKILL and half by
SIGTERM, and some at the moment when something appears in their output folder. Each output must be absent or
whole, no temporary file may stay (but after SIGKILL, which nobody can clean up after), and no message number
may be given twice. Then several processes hide at once with that key. Ends with 1 when anything is amiss.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import common
from csfnns import CsfnnsError, Key, Ledger, make_profile, reveal, write_key

FEW_STEPS = 100
HEAD = (
    "ended by",
    "processes",
    "took a number",
    "finished",
    "whole outputs",
    "not whole",
    "other files left",
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass
class Life:
    """One process and what it left."""

    group: str
    folder: Path
    moment: float | None = None
    """Seconds after which it was ended; None when its output folder gave the signal, or nothing did."""
    code: int = 0
    """Exit code, minus the signal's number when that ended it."""
    message: int | None = None
    """Number of the message in its output, if there is one and it can be revealed."""
    took_number: bool = False
    """Whether it got as far as taking a message number."""
    left: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Bench:
    """One key, one secret, and a folder for each process."""

    def __init__(self, folder: Path, secret: Path, side: int, steps: int) -> None:
        self.folder, self.secret, self.steps = folder, secret, steps
        self.key = Key.new(make_profile(width=side, height=side))
        self.home = folder / "home"
        self.lives: list[Life] = []
        write_key(self.key, folder / "test.key")

    def start(self, group: str, moment: float | None = None) -> tuple[Life, "subprocess.Popen[bytes]"]:
        """A process that hides into a folder of its own."""
        life = Life(group, self.folder / str(len(self.lives)), moment)
        life.folder.mkdir()
        self.lives.append(life)
        settings = ("-k", self.folder / "test.key", "-o", life.folder / "out.png", "--steps", self.steps)
        command = [str(word) for word in (common.SCRIPT, "hide", self.secret, *settings)]
        environment = os.environ | {"CSFNNS_HOME": str(self.home)}
        quiet = subprocess.DEVNULL
        return life, subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)

    def finish(self, group: str, count: int) -> float:
        """Let `count` processes at once come to their end; returns the seconds until the last one did."""
        start = time.monotonic()
        running = [self.start(group) for _ in range(count)]
        for life, process in running:
            life.code = process.wait()
        seconds = time.monotonic() - start
        for life, _ in running:
            self._look(life)
            life.took_number = life.message is not None
            if life.code != 0 or life.message is None:
                life.problems.append(f"nobody disturbed it, yet it ended with {life.code} and no good output")
        return seconds

    def end(self, by: signal.Signals, moment: float | None) -> None:
        """End a process after `moment` seconds, or as soon as anything appears in its output folder."""
        before = len(self.claimed())
        life, process = self.start(by.name + ("" if moment is not None else " while writing"), moment)
        if moment is None:
            while process.poll() is None and not any(life.folder.iterdir()):
                time.sleep(2e-4)
        else:
            time.sleep(moment)
        process.send_signal(by)
        life.code = process.wait()
        self._look(life, may_leave=by is signal.SIGKILL)
        life.took_number = len(self.claimed()) > before
        if life.code == 0 and life.message is None:
            life.problems.append("it said that all was well, but there is no good output")

    def _look(self, life: Life, may_leave: bool = False) -> None:
        """Note what the process left: its output, if whole, and other files."""
        out = life.folder / "out.png"
        life.left = sorted(path.name for path in life.folder.iterdir() if path != out)
        if life.left and not may_leave:
            life.problems.append(f"it left {', '.join(life.left)}")
        if out.exists():
            try:
                life.message = reveal(out, self.key, ledger=Ledger(self.folder / "receiver.sqlite3")).message
            except CsfnnsError as error:
                life.problems.append(f"its output is not whole: {error}")

    def claimed(self) -> list[int]:
        """Every message number that the ledger says was given."""
        with closing(sqlite3.connect(self.home / "ledger.sqlite3")) as db:
            return [number for (number,) in db.execute("SELECT number FROM claimed ORDER BY number")]

    def ledger_problems(self) -> list[str]:
        """What is wrong with the numbers."""
        sent = [life.message for life in self.lives if life.message is not None]
        claimed = self.claimed()
        problems = []
        if len(set(sent)) < len(sent):
            problems.append(f"a message number was given twice: {sorted(sent)}")
        if not set(sent) <= set(claimed):
            problems.append(f"messages {sorted(set(sent) - set(claimed))} are not in the ledger")
        if claimed != list(range(1, len(claimed) + 1)) or len(claimed) > len(self.lives):
            problems.append(f"{len(self.lives)} processes used the numbers {claimed}")
        return problems


def report(bench: Bench, problems: list[str]) -> None:
    """Print a row for each group of processes, and every problem."""
    rows = []
    for group in dict.fromkeys(life.group for life in bench.lives):
        lives = [life for life in bench.lives if life.group == group]
        took, finished = sum(life.took_number for life in lives), sum(life.code == 0 for life in lives)
        whole = sum(life.message is not None for life in lives)
        bad = sum((life.folder / "out.png").exists() and life.message is None for life in lives)
        rows.append((group, len(lives), took, finished, whole, bad, sum(len(life.left) for life in lives)))
    common.print_table(HEAD, rows)
    numbers = bench.claimed()
    others = sorted(path.name for path in bench.home.iterdir() if path.name != "ledger.sqlite3")
    print(
        f"{len(bench.lives)} processes took {len(numbers)} numbers; beside the ledger: {others or 'nothing'}"
    )
    print("\n".join(problems) or "no problems")


def record(life: Life) -> dict[str, Any]:
    """What the JSON says of a process."""
    return {name: value for name, value in asdict(life).items() if name != "folder"}


def main() -> int:
    """Kill, look, hide at once, look; 1 when anything is amiss."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--side", type=int, default=128, help="of the covers (default %(default)s)")
    parser.add_argument("--steps", type=int, default=600, help="of each search (default %(default)s)")
    parser.add_argument("--kills", type=int, default=40, help="at random moments (default %(default)s)")
    parser.add_argument("--writing", type=int, default=10, help="while writing (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=8, help="processes on one key (default %(default)s)")
    arguments = parser.parse_args()
    share, dice = (10 if arguments.quick else 1), random.Random(arguments.seed)
    secret = common.pairs(arguments.data, "imagenet", 1)[0][1]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), secret, arguments.side, arguments.steps)
        typical = min(bench.finish("nobody", 1) for _ in range(2))
        print(f"seed {arguments.seed}, {arguments.steps} steps, a process takes {typical:.1f} s", flush=True)
        for i in range(-(-arguments.kills // share)):
            bench.end(SIGNALS[i % 2], dice.uniform(0, typical))
        for i in range(max(2, arguments.writing // share)):
            bench.end(SIGNALS[i % 2], None)
        bench.steps = FEW_STEPS
        bench.finish(f"nobody, {arguments.at_once} at once", arguments.at_once)
        problems = [f"{life.group}: {problem}" for life in bench.lives for problem in life.problems]
        problems += bench.ledger_problems()
        report(bench, problems)
        settings = {
            "seed": arguments.seed,
            "side": arguments.side,
            "steps": arguments.steps,
            "seconds": typical,
        }
        lives = [record(life) for life in bench.lives]
        common.save("kills", settings | {"problems": problems, "processes": lives}, arguments.out)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

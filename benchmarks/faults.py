"""What does a command leave when the disk fails? `python benchmarks/faults.py`, on Linux with strace.

Every system call with which `hide`, `reveal`, `key new` and `key protect` write is made to fail, once with ENOSPC and once
with EIO. Each command must then end with a clear error and everything as it was, or have found another way and be whole.
Only where it cannot say what it has done is the file whole and the exit status not 0. What is left beside the outputs must
be gone after the next write into the folder an hour later.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import common
from csfnns import CsfnnsError, Key, files, hide, make_profile, read_key, reveal, write_key

ERRORS = ("ENOSPC", "EIO")
PASSPHRASE = "seven quiet otters juggle copper lanterns"
WRITING = (
    "write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,symlink,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,openat,sendfile,copy_file_range"
)
_CALL = re.compile(r"(\w+)\((\d*)(<(?:pipe|socket):)?")
_FOR_WRITING = re.compile("O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE")

Check = Callable[[bytes], object]
"""Raises, or returns something false, unless these bytes are all of a file."""


@dataclass(frozen=True)
class Scenario:
    """A command, the folder that it runs in, and what it writes there."""

    name: str
    arguments: str
    inputs: Mapping[str, bytes]
    outputs: Mapping[str, Check]
    """Names, each with the check of its content. Those among the inputs are replaced."""


def scenarios(side: int) -> list[Scenario]:
    """Commands with one key of that side."""
    key, secret = Key.new(make_profile(width=side, height=side)), bytes(range(256)) * 4
    with tempfile.TemporaryDirectory() as folder:
        write_key(key, Path(folder, "k"))
        shared = {"k.key": Path(folder, "k").read_bytes(), "s.bin": secret}
    stego = {"k.key": shared["k.key"], "in.png": hide(secret, key, name="s.bin").data}
    hidden: Mapping[str, Check] = {"out.png": lambda data: reveal(data, key).content == secret}
    revealed: Check = lambda data: data == secret  # noqa: E731 - a check like the others

    def is_key(data: bytes) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "k")
            files.write_whole(path, data, mode=0o600)
            return bool(read_key(path, PASSPHRASE).id)

    return [
        Scenario("hide", "hide s.bin -k k.key -o out.png", shared, hidden),
        Scenario("hide, replacing", "hide s.bin -k k.key -o out.png --force", shared | {"out.png": b"old"}, hidden),
        Scenario("reveal", "reveal in.png -k k.key -o out.bin", stego, {"out.bin": revealed}),
        Scenario("reveal, replacing", "reveal in.png -k k.key -o o -f", stego | {"o": b"old"}, {"o": revealed}),
        Scenario("reveal, sender's name", "reveal in.png -k k.key", stego, {"s.bin": revealed}),
        Scenario("key new", f"key new n.key --size {side}", {}, {"n.key": is_key}),
        Scenario(
            "key new, two files",
            f"key new n.key --receiver bob --size {side}",
            {},
            dict.fromkeys(("n.key", "n.bob.key"), is_key),
        ),
        Scenario("key protect", "key protect k.key", {"k.key": shared["k.key"]}, {"k.key": is_key}),
    ]


class Call(NamedTuple):
    """A system call of the command's main thread."""

    name: str
    number: int
    """Among those of its name."""
    speaks: bool
    """Whether it writes to standard output or standard error."""

    def __str__(self) -> str:
        return f"{self.name} {self.number}{' (says something)' if self.speaks else ''}"


@dataclass
class Run:
    """One process that was disturbed, and what it left."""

    scenario: str
    fault: str
    code: int = 0
    """Exit status, minus the signal's number if that ended it."""
    state: str = ""
    """Of its outputs: whole, as before, or broken."""
    left: list[str] = field(default_factory=list)
    """Files beside its inputs and outputs."""
    problems: list[str] = field(default_factory=list)


class Bench:
    """Runs scenarios in folders of their own, and looks at what is there afterwards."""

    def __init__(self, place: Path) -> None:
        self.place, self.runs = place, list[Run]()
        self.environment = os.environ | {
            "CSFNNS_HOME": str(place / "home"),
            "CSFNNS_KEY_PASSPHRASE": PASSPHRASE,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
        }

    def folder(self, scenario: Scenario) -> Path:
        """A new folder with the inputs."""
        folder = Path(tempfile.mkdtemp(dir=self.place))
        for name, data in scenario.inputs.items():
            (folder / name).touch(0o600)
            (folder / name).write_bytes(data)
        return folder

    def start(self, scenario: Scenario, folder: Path, trace: list[str] | None = None) -> "subprocess.Popen[bytes]":
        """Start the command, below strace with these options if some are given."""
        strace = [] if trace is None else ["strace", "-y", "-qq", "-o", str(folder.with_suffix(".log")), *trace]
        command = [*strace, sys.executable, "-m", "csfnns", *scenario.arguments.split()]
        return subprocess.Popen(
            command, cwd=folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def calls(self, scenario: Scenario) -> list[Call]:
        """The calls with which the command writes to the disk or says something."""
        folder = self.folder(scenario)
        process = self.start(scenario, folder, ["-e", f"trace={WRITING}"])
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"{scenario.arguments} fails undisturbed: {said.decode()}")
        return list(_calls(folder.with_suffix(".log").read_text("utf-8", "replace")))

    def disturb(self, scenario: Scenario, fault: str) -> Run:
        """Run the command with a fault of strace, such as write:error=EIO:when=3."""
        folder = self.folder(scenario)
        process = self.start(scenario, folder, ["-e", f"trace={WRITING}", "-e", f"inject={fault}"])
        _, said = process.communicate()
        return self.inspect(scenario, folder, fault, process.returncode, said.decode())

    def inspect(self, scenario: Scenario, folder: Path, fault: str, code: int, said: str = "") -> Run:
        """Note what the process left, and remove its folder."""
        run = Run(scenario.name, fault, code)
        self.runs.append(run)
        states = {_state(folder / name, scenario.inputs.get(name), check) for name, check in scenario.outputs.items()}
        run.state = states.pop() if len(states) == 1 else "broken" if "broken" in states else "some"
        run.left = sorted(
            each.name for each in folder.iterdir() if each.name not in {*scenario.inputs, *scenario.outputs}
        )
        if run.state == "broken" or (run.state == "some" and code >= 0):
            run.problems.append(f"its outputs are {run.state}")
        if code == 0 and run.state != "whole":
            run.problems.append("it reported success")
        if any(
            (folder / name).read_bytes() != data
            for name, data in scenario.inputs.items()
            if name not in scenario.outputs
        ):
            run.problems.append("an input has changed")
        if "Traceback" in said:
            run.problems.append(said.strip().splitlines()[-1])
        if remaining := _after_an_hour(folder, run.left):
            run.problems.append(f"left for ever: {', '.join(remaining)}")
        shutil.rmtree(folder)
        return run

    @property
    def problems(self) -> list[str]:
        """What is wrong with any run."""
        return [f"{run.scenario}, {run.fault}: {problem}" for run in self.runs for problem in run.problems]


def _calls(log: str) -> Iterator[Call]:
    counts: dict[str, int] = {}
    for line in log.splitlines():
        if (found := _CALL.match(line)) is None:
            continue
        name, descriptor, pipe = found.groups()
        counts[name] = counts.get(name, 0) + 1
        speaks = descriptor in ("1", "2")
        if speaks or (not pipe and (name != "openat" or _FOR_WRITING.search(line))):
            yield Call(name, counts[name], speaks)


def _state(path: Path, before: bytes | None, check: Check) -> str:
    if not path.exists():
        return "as before" if before is None else "broken"
    data = path.read_bytes()
    if data == before:
        return "as before"
    try:
        return "whole" if check(data) else "broken"
    except CsfnnsError:
        return "broken"


def _after_an_hour(folder: Path, left: list[str]) -> list[str]:
    """What is still there after the next write into the folder, an hour later."""
    for name in left:
        os.utime(folder / name, (0, time.time() - files.STALE - 60))
    files.write_whole(folder / "next", b"")  # each folder is new, so that this process sweeps it
    return [name for name in left if (folder / name).exists()]


def main() -> int:
    """Let each call fail, inspect, print, save; exit status 1 when anything is wrong."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--side", type=int, default=64, help="of the covers (default %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        for scenario in scenarios(arguments.side)[:: 3 if arguments.quick else 1]:
            calls = bench.calls(scenario)
            print(f"{scenario.name}: {', '.join(map(str, calls))}", flush=True)
            for call in calls:
                for error in ERRORS:
                    run = bench.disturb(scenario, f"{call.name}:error={error}:when={call.number}")
                    if run.code and run.state != "as before" and not call.speaks:
                        run.problems.append("an error, and its outputs are not as they were")
    common.print_table(*table(bench.runs))
    content = {"side": arguments.side, "runs": [asdict(run) for run in bench.runs]}
    return common.finish("faults", content, bench.problems, arguments.out)


def table(runs: list[Run]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Head and rows: how the processes of each scenario ended."""
    rows: list[tuple[object, ...]] = []
    for name in dict.fromkeys(run.scenario for run in runs):
        mine = [run for run in runs if run.scenario == name]
        states = [sum(run.state == state for run in mine) for state in ("whole", "as before")]
        rows.append(
            (name, len(mine), *states, sum(bool(run.left) for run in mine), sum(bool(run.problems) for run in mine))
        )
    return ("command", "runs", "whole", "as before", "left something", "problems"), rows


if __name__ == "__main__":
    sys.exit(main())

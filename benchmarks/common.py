"""What the benchmarks share: arguments, pictures to measure with, tables, results as JSON."""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(sys.executable).with_name("csfnns")
"""The installed command of this Python, for processes of its own."""
DATA = Path(os.environ.get("CSFNNS_DATA", ROOT.parent / "shared" / "data"))


def make_parser(description: str | None, seed: int = 1) -> argparse.ArgumentParser:
    """Parser with the arguments of every benchmark: --out, --data, --quick and --seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, help="where the JSON goes (default results/NAME.json)")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of real pictures (default %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="about a tenth of the work")
    parser.add_argument("--seed", type=int, default=seed, help="of every random choice (default %(default)s)")
    return parser


def pictures(folder: Path) -> list[Path]:
    """PNG and JPEG files below `folder`, in name order. Ends the program with a reason when there are none."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not found:
        raise SystemExit(f"There are no pictures in {folder}: point --data or CSFNNS_DATA at them.")
    return found


def pairs(data: Path, secrets: str, count: int) -> list[tuple[Path, Path]]:
    """The first `count` pairs: the i-th of covers/eval and the i-th of secrets/`secrets`, both in name order."""
    covers, hidden = pictures(data / "covers" / "eval"), pictures(data / "secrets" / secrets)
    if count > min(len(covers), len(hidden)):
        raise SystemExit(f"There are {min(len(covers), len(hidden))} pairs in {data}, not {count}.")
    return list(zip(covers[:count], hidden[:count], strict=True))


@dataclass(frozen=True)
class Ended:
    """How a command of csfnns ended."""

    code: int
    errors: str
    """What it wrote to standard error: JSON for every error of csfnns."""

    @property
    def is_clear_error(self) -> bool:
        """Whether it is an error of csfnns (exit codes 2 to 10) with a message and a hint."""
        try:
            error = json.loads(self.errors)["error"]
        except (ValueError, KeyError, TypeError):
            return False
        return (
            2 <= self.code <= 10
            and self.code == error["exit_code"]
            and bool(error["message"] and error["hint"])
        )


def command(*arguments: object) -> Ended:
    """Run `csfnns ARGUMENTS --json` in this process, which saves the start of Python and torch."""
    from csfnns.cli import main

    errors, code = io.StringIO(), 0
    with redirect_stderr(errors), redirect_stdout(io.StringIO()), _as_arguments(arguments):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ended(code, errors.getvalue())


@contextmanager
def _as_arguments(arguments: Sequence[object]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["csfnns", *map(str, arguments), "--json"]
    try:
        yield
    finally:
        sys.argv = before


def make_method(name: str, bpp: str, side: int, steps: int | None = None) -> tuple[Any, int]:
    """Scheme of a method of the tables, for covers of that side, and the side of its secrets.

    `steps` are those of its search; None for its own.
    """
    from csfnns.experiments.base import Case
    from csfnns.experiments.methods import METHODS, Setting, grid_side

    case = Case("one", "one secret", bpp=bpp)  # type: ignore[arg-type]  # parsers allow no others
    method = METHODS[name]
    return method.build(method.profile(case, side), Setting(side, steps, "cpu"), []), grid_side(side, case)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their longest cell: the first to the left, the others to the right."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for first, *others in cells:
        right = "  ".join(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print(f"{first.ljust(widths[0])}  {right}", flush=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        if 0 < abs(value) < 1:
            return f"{value:.3g}"
        return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def save(name: str, payload: dict[str, Any], out: Path | None = None) -> Path:
    """Write the payload and the `environment` as JSON to `out`, by default results/NAME.json; returns the path."""
    out = out or ROOT / "results" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {"benchmark": name, "environment": environment()} | payload
    out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written to {out}")
    return out


class Log:
    """Rows of a run that may be stopped and goes on: JSON lines beside the result.

    Each row carries the commit, the seed and the data that made it; those of others are left alone and not used.
    """

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self._path = (arguments.out or ROOT / "runs" / f"{name}.json").with_suffix(".jsonl")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._origin = {"commit": _commit(), "seed": arguments.seed, "data": arguments.data.name}
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        every = [json.loads(line) for line in lines]
        self.rows = [row for row in every if row.items() >= self._origin.items()]
        if len(self.rows) < len(every):
            print(f"{len(every) - len(self.rows)} rows of other commits, seeds or data are not used")

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write a row down at once; returns it."""
        with self._path.open("a") as file:
            file.write(json.dumps(row | self._origin) + "\n")
        return row


def environment() -> dict[str, Any]:
    """Machine, versions and commit that a result belongs to."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: _version(package) for package in ("csfnns", "torch", "numpy", "pillow")},
        "commit": _commit(),
        "command": " ".join(["python", *(_short(word) for word in sys.argv)]),
    }


def _short(word: str) -> str:
    """A word of the command, without the folders of this machine."""
    return Path(word).name.upper() if Path(word).is_absolute() and "." not in Path(word).name else word


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str | None:
    """Commit of the source, with -dirty after changes; None outside a checkout."""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), "describe", "--always", "--dirty"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None

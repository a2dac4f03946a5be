"""What benchmarks share: arguments, pictures, tables, results as JSON. Rows and provenance are those of experiments."""

import argparse
import hashlib
import io
import json
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from csfnns.batch.store import Store
from csfnns.experiments.provenance import code_digest, code_of, environment
from csfnns.images.io import Picture, fit
from csfnns.methods import Envelope, ReceiverSeeds
from csfnns.stream import Seed

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(sys.executable).with_name("csfnns")
"""The installed command of this Python, for processes of its own."""
DATA = Path(os.environ.get("CSFNNS_DATA", ROOT.parent / "shared" / "data"))


def make_parser(description: str | None, seed: int = 1) -> argparse.ArgumentParser:
    """Parser with the arguments of every benchmark: --out, --data, --quick and --seed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, help="where the JSON goes (default results/NAME.json)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real pictures (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="about a tenth of the work")
    parser.add_argument("--seed", type=int, default=seed, help="of every random choice (default %(default)s)")
    return parser


def pictures(folder: Path) -> list[Path]:
    """PNG and JPEG files below `folder`, in name order. Ends the program with a reason when there are none."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not found:
        raise SystemExit(f"There are no pictures in {folder}: point --data or CSFNNS_DATA at them.")
    return found


def pairs(data: Path, dataset: str, count: int) -> list[tuple[Path, Path]]:
    """The first `count` pairs: the i-th of covers/eval and the i-th of secrets/`dataset`, both in name order."""
    covers, hidden = pictures(data / "covers" / "eval"), pictures(data / "secrets" / dataset)
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
        return 2 <= self.code <= 10 and self.code == error["exit_code"] and bool(error["message"] and error["hint"])


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


def make_method(name: str, bpp: str, side: int, steps: int | None = None, evade: str | None = None) -> tuple[Any, int]:
    """Scheme of a method of the tables, for covers of that side, and the side of its secrets.

    `steps` are those of its search; None for its own. `evade` names a network that the search evades.
    """
    from csfnns.experiments.base import Case
    from csfnns.experiments.methods import METHODS, Setting, grid_side

    case = Case("one", "one secret", bpp=bpp)  # type: ignore[arg-type]  # parsers allow no others
    method = METHODS[name]
    setting = Setting(side, steps, "cpu", {"evade": evade} if evade else {})
    return method.build(method.profile(case, side), setting, []), grid_side(side, case)


def follow(cover: Picture, stego: Picture, weights: Any, share: float, random: np.random.Generator) -> Picture:
    """The stego with a share of its changes moved to where the weights, of the cover's shape, are large."""
    delta = stego.reshape(-1).astype(np.int16) - cover.reshape(-1)
    moved = np.flatnonzero(delta)
    moved = moved[random.random(len(moved)) < share]
    # The places with the largest log(u) / weight are a draw without replacement (Efraimidis and Spirakis 2006).
    rank = np.where(delta == 0, np.log(random.random(delta.size)) / (weights.reshape(-1) + 0.1), -np.inf)
    taken = np.argpartition(-rank, len(moved))[: len(moved)] if len(moved) else moved
    delta[taken], delta[moved] = delta[moved], 0
    levels = cover.reshape(-1) + delta
    kept = np.where((levels < 0) | (levels > 255), cover.reshape(-1) - delta, levels)
    return kept.astype(np.uint8).reshape(cover.shape)


def edges(secret: Picture, height: int, width: int) -> Any:
    """Differences between neighbours of a secret that is laid over a cover of these sides, (height, width, 3)."""
    laid = fit(secret, height, width).astype(np.int16)
    return sum(abs(np.diff(laid, axis=axis, append=np.take(laid, [-1], axis))) for axis in (0, 1))


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


def receiver(root: Seed, label: str) -> ReceiverSeeds:
    """Seeds of a receiver's part of a message of its own."""
    own = root.derive(f"benchmark/{label}")
    return ReceiverSeeds(own.derive("decoder"), own.derive("header"))


def envelope(root: Seed, label: str, shares: int = 1) -> Envelope:
    """Address of a message of its own, as every stego that is sent has one."""
    own = root.derive(f"benchmark/{label}")
    return Envelope(own.derive("address"), own.derive("nonce").data[:16], shares=shares)


def root_of(arguments: argparse.Namespace) -> Seed:
    """Seed of all that a benchmark draws."""
    return Seed(arguments.seed.to_bytes(32, "big"))


def finish(name: str, payload: dict[str, Any], failed: Sequence[str], out: Path | None = None) -> int:
    """Write the result with the bars that failed, print them, and return the program's exit status."""
    save(name, payload | {"failed": list(failed)}, out)
    for reason in failed:
        print("FAILED", reason)
    return int(bool(failed))


def save(name: str, payload: dict[str, Any], out: Path | None = None) -> Path:
    """Write a result as `write` does, by default to results/NAME.json; return the path."""
    out = out or ROOT / "results" / f"{name}.json"
    write(name, payload, out)
    print(f"written to {out}")
    return out


def write(name: str, payload: dict[str, Any], out: Path, *, device: str = "cpu", commit: str | None = None) -> None:
    """Write the payload and the `environment` as JSON, whole or not at all, with a line for each entry of a list.

    `commit` is that of the source, where there is no checkout.
    """
    about = environment(device) | {"load": round(os.getloadavg()[0], 2), "command": command_line()}
    about |= {"commit": commit} if commit else {}
    entries = []
    for key, value in ({"benchmark": name, "environment": about} | payload).items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"  {json.dumps(each)}" for each in value) + "\n ]"
        entries.append(f" {json.dumps(key)}: {text}")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_suffix(".unfinished")
    unfinished.write_text("{\n" + ",\n".join(entries) + "\n}\n")
    unfinished.replace(out)


class Log:
    """Rows of a run that can be stopped and continued, in the store of experiments beside the result.

    Only rows of the same code, benchmarks' included, seed and data are used; a change of prose in it does not count.
    """

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self._store = Store((arguments.out or ROOT / "runs" / f"{name}.json").with_suffix(""))
        self._origin = {"code": code_digest(["."]) + own_code(), "seed": arguments.seed, "data": arguments.data.name}
        every = self._store.rows().values()
        self.rows = [dict(row) for row in every if row.items() >= self._origin.items()]
        if len(self.rows) < len(every):
            print(f"{len(every) - len(self.rows)} rows of other code, seeds or data are not used")

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write a row to disk; returns it."""
        self._store.add(secrets.token_hex(16), row | self._origin)
        return row


def own_code(*names: str) -> str:
    """SHA-256 of the code of these benchmarks, of all without names; prose does not count."""
    folder = Path(__file__).parent
    files = [folder / f"{name}.py" for name in names] or sorted(folder.glob("*.py"))
    return hashlib.sha256("\n".join(code_of(each.read_text("utf-8")) for each in files).encode()).hexdigest()


def command_line() -> str:
    """The command, without the folders of this machine."""

    def short(word: str) -> str:
        folder = Path(word).is_absolute() and "." not in Path(word).name
        return Path(word).name.upper() if folder else word

    return " ".join(["python", *map(short, sys.argv)])

"""What is printed: text for people, JSON for programs. Results go to stdout, everything else to stderr."""

import json as json_format
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from csfnns.errors import CsfnnsError

if TYPE_CHECKING:
    from rich.console import Console

    from csfnns.measure import Figures
    from csfnns.search import Progress

_STEGO = (
    (48, "no eye sees a difference"),
    (40, "a difference can hardly be seen, even side by side"),
    (30, "a close look side by side shows a difference"),
    (-math.inf, "the difference shows"),
)
_RECOVERED = (
    (40, "like the original"),
    (32, "close to the original, a little softer"),
    (26, "clear, with some noise"),
    (-math.inf, "recognisable, with much noise"),
)


def console(*, stderr: bool = False) -> "Console":
    """Console that prints text as it is: file names are no markup."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def text(line: str = "") -> None:
    """Print a line of the result."""
    console().print(line)


def as_json(content: Mapping[str, Any]) -> None:
    """Print the result as one JSON object."""
    print_json(content, stderr=False)


def print_json(content: Mapping[str, Any], *, stderr: bool) -> None:
    """Print JSON that every parser reads: ASCII, and no NaN or infinity."""
    import typer

    typer.echo(json_format.dumps(content, allow_nan=False), err=stderr)


def error(problem: CsfnnsError, *, json: bool) -> None:
    """Say what is wrong and what to do next."""
    if json:
        kind = type(problem).__name__
        content = {"kind": kind, "message": problem.message, "hint": problem.hint}
        print_json({"error": {**content, "exit_code": problem.exit_code}}, stderr=True)
        return
    screen = console(stderr=True)
    screen.print("error:", problem.message, style="red")
    if problem.hint:
        screen.print("hint:", problem.hint)


def warning(message: str, *, json: bool) -> None:
    """Say what is dangerous, and does not stop the command."""
    if json:
        print_json({"warning": message}, stderr=True)
    else:
        console(stderr=True).print("warning:", message, style="yellow")


def note(message: str) -> None:
    """Say something that is no part of the result."""
    console(stderr=True).print(message)


def table(rows: Mapping[str, str]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, rows))
    for name, value in rows.items():
        text(f"{name:<{width}}   {value}")


def figures_table(rows: "Mapping[str, Figures]") -> None:
    """Print a row of figures for each comparison."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD)
    grid.add_column("")
    for heading in ("PSNR", "SSIM", "largest change", "levels changed"):
        grid.add_column(heading, justify="right")
    for name, figures in rows.items():
        grid.add_row(name, *_cells(figures))
    console().print(grid)


def _cells(figures: "Figures") -> tuple[str, str, str, str]:
    similarity = "too small" if figures.ssim is None else f"{figures.ssim:.4f}"
    return decibels(figures.psnr), similarity, f"{figures.max_abs} of 255", f"{100 * figures.changed:.1f} %"


def decibels(psnr: float) -> str:
    """PSNR for people."""
    return "equal" if math.isinf(psnr) else f"{psnr:.1f} dB"


def about_stego(psnr: float) -> str:
    """What a distance between stego and cover means to an eye."""
    return next(words for least, words in _STEGO if psnr >= least)


def about_recovered(psnr: float) -> str:
    """What a distance between a secret and its recovery means to an eye."""
    return next(words for least, words in _RECOVERED if psnr >= least)


def figures_json(figures: "Figures") -> dict[str, Any]:
    """Figures for programs: JSON has no infinity, so that becomes null with a note."""
    equal = math.isinf(figures.psnr)
    content = {"psnr": None if equal else figures.psnr, "ssim": figures.ssim}
    content |= {"max_abs": figures.max_abs, "changed": figures.changed}
    return content | ({"note": "PSNR is infinite: the pictures are equal."} if equal else {})


@contextmanager
def searching(*, json: bool) -> "Iterator[Progress | None]":
    """Progress of a search on stderr, where a person looks at it."""
    screen = console(stderr=True)
    if json or not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("searching", total=None)
        number, last = 1, 0

        def advance(done: int, steps: int) -> None:
            nonlocal number, last
            if done < last:  # another search, towards a target
                number += 1
                bar.reset(task, description=f"search {number}", total=steps)
            last = done
            bar.update(task, completed=done, total=steps)

        yield advance

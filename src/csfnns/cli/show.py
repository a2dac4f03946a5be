"""What is printed: text for people, JSON for programs. Results go to stdout, everything else to stderr."""

import json as json_format
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from csfnns import sentences
from csfnns.errors import CsfnnsError

if TYPE_CHECKING:
    from rich.console import Console

    from csfnns.images.metrics import Figures
    from csfnns.search import Progress


def console(*, stderr: bool = False) -> "Console":
    """Console that prints text as it is, wrapped at words on a terminal: file names are no markup."""
    from rich.console import Console

    screen = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    screen.soft_wrap = not screen.is_terminal
    return screen


def printable(line: str) -> str:
    """The line with ? for what would control a terminal, end the line or not be seen: names of files may have all that."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else "?" for c in line)


def text(line: str = "", *, stderr: bool = False) -> None:
    """Print a line of the result, `printable`; on stderr where the result itself goes to stdout."""
    console(stderr=stderr).print(printable(line))


def lines(content: Iterable[str], *, stderr: bool = False) -> None:
    """Print several lines like `text`."""
    for line in content:
        text(line, stderr=stderr)


def as_json(content: Mapping[str, Any]) -> None:
    """Print the result as one JSON object."""
    print_json(content, stderr=False)


def print_json(content: Mapping[str, Any], *, stderr: bool) -> None:
    """Print JSON that every parser reads: ASCII, and no NaN or infinity."""
    import typer

    typer.echo(json_format.dumps(content, allow_nan=False), err=stderr)


def error(problem: CsfnnsError, *, json: bool, picture: str | None = None) -> None:
    """Say what is wrong, with which of several pictures, and what to do next."""
    if json:
        kind = type(problem).__name__
        content = {
            "kind": kind,
            "message": problem.message,
            "hint": problem.hint,
            "exit_code": problem.exit_code,
        }
        print_json({"error": content} | ({} if picture is None else {"picture": picture}), stderr=True)
        return
    screen = console(stderr=True)
    message = problem.message if picture is None else f"{picture}: {problem.message}"
    screen.print("error:", printable(message), style="red")
    if problem.hint:
        screen.print("hint:", printable(problem.hint))


def warning(message: str, *, json: bool) -> None:
    """Say what is dangerous, and does not stop the command."""
    if json:
        print_json({"warning": message}, stderr=True)
    else:
        console(stderr=True).print("warning:", printable(message), style="yellow")


def note(message: str) -> None:
    """Say something that is no part of the result."""
    text(message, stderr=True)


def table(rows: Mapping[str, str]) -> None:
    """Print names and values in two columns."""
    width = max(map(len, rows))
    for name, value in rows.items():
        text(f"{name:<{width}}   {value}")


def figures_table(rows: "Mapping[str, Figures]", *, stderr: bool = False) -> None:
    """Print a row of figures for each comparison."""
    from rich import box
    from rich.table import Table

    headings = ("PSNR", "SSIM", "largest change", "levels changed")
    screen = console(stderr=stderr)
    if screen.width < 80:
        for name, figures in rows.items():
            cells = zip(headings, _cells(figures), strict=True)
            screen.print(f"{name}: {', '.join(f'{heading} {cell}' for heading, cell in cells)}")
        return
    grid = Table(box=box.SIMPLE_HEAD)
    grid.add_column("")
    for heading in headings:
        grid.add_column(heading, justify="right")
    for name, figures in rows.items():
        grid.add_row(name, *_cells(figures))
    screen.print(grid)


def _cells(figures: "Figures") -> tuple[str, str, str, str]:
    similarity = "too small" if figures.ssim is None else f"{figures.ssim:.4f}"
    return sentences.decibels(figures.psnr), similarity, f"{figures.max_abs} of 255", f"{100 * figures.changed:.1f} %"


@contextmanager
def searching(what: str = "searching", *, quiet: bool) -> "Iterator[Progress | None]":
    """Progress and the time left, on stderr, where a person looks at it."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal or screen.is_dumb_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None)
        last = 0

        def advance(done: int, steps: int) -> None:
            nonlocal last
            if done < last:  # another search
                bar.reset(task, total=steps)
            last = done
            bar.update(task, completed=done, total=steps)

        yield advance

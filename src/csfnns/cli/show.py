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
    from csfnns.results import Arrival
    from csfnns.search import Progress

_STEGO = (
    (48, "the difference is invisible"),
    (40, "a difference can hardly be seen, even side by side"),
    (30, "a close look side by side shows a difference"),
    (-math.inf, "the difference shows"),
)
_CLARITY = ((36, "clear"), (31, "good"), (26, "fair"), (-math.inf, "poor"))
"""Words for how a picture arrives, by its PSNR in dB at the original's size."""


_METHODS = {
    "trellis": "by the trellis decoder",
    "avif": "as AVIF",
    "network": "by the network",
    "exact": "exactly",
}


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


def clarity(psnr: float) -> str:
    """One word for how a picture arrives."""
    return next(word for least, word in _CLARITY if psnr >= least)


def arrival(each: "Arrival") -> str:
    """What one receiver gets, in words."""
    what = "a picture" if each.file is None else each.file.name or "a file"
    if each.width is None:
        assert each.file is not None
        return f"{what} unchanged, {len(each.file.content):,} bytes"
    size = f"{each.width}x{each.height}"
    if each.figures is None:
        return f"{what} of {size}, identical to the original"
    assert each.original_psnr is not None
    return f"{what} of {size}, {clarity(each.original_psnr)} ({decibels(each.original_psnr)}, {_METHODS[each.method]})"


def arrival_json(each: "Arrival") -> dict[str, Any]:
    """The same for programs; `psnr` is null for what arrives byte for byte."""
    content: dict[str, Any] = {"method": each.method, "exact": each.figures is None}
    if each.file is not None:
        content |= {"name": each.file.name, "bytes": len(each.file.content)}
    if each.width is None:
        return content
    whole = each.original_psnr
    figures = {"psnr": None, "ssim": None} if each.figures is None else figures_json(each.figures)
    identical = whole is None or math.isinf(whole)
    return (
        content
        | {"width": each.width, "height": each.height, **figures}
        | {"original_psnr": None if identical else whole}
    )


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

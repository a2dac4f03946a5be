"""What is printed: text for people, JSON for programs. Results go to stdout, everything else to stderr."""

import json as json_format
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from csfnns.errors import CsfnnsError

if TYPE_CHECKING:
    from rich.console import Console

    from csfnns.images.metrics import Figures
    from csfnns.messages.results import Arrival
    from csfnns.search import Progress

_STEGO = (
    (48, "the difference is invisible"),
    (40, "a difference can hardly be seen, even side by side"),
    (30, "a close look side by side shows a difference"),
    (-math.inf, "the difference shows"),
)
_CLARITY = ((36, "clear"), (31, "in good quality"), (26, "in fair quality"), (-math.inf, "in poor quality"))
"""Words for how a picture arrives, by its PSNR in dB at the original's size."""


def console(*, stderr: bool = False) -> "Console":
    """Console that prints text as it is, wrapped at words on a terminal: file names are no markup."""
    from rich.console import Console

    screen = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    screen.soft_wrap = not screen.is_terminal
    return screen


def text(line: str = "", *, stderr: bool = False) -> None:
    """Print a line of the result; on stderr where the result itself goes to stdout."""
    console(stderr=stderr).print(line)


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
    screen.print("error:", problem.message if picture is None else f"{picture}: {problem.message}", style="red")
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
    return decibels(figures.psnr), similarity, f"{figures.max_abs} of 255", f"{100 * figures.changed:.1f} %"


def decibels(psnr: float) -> str:
    """PSNR for people."""
    return "equal" if math.isinf(psnr) else f"{psnr:.1f} dB"


def size(count: int) -> str:
    """Bytes for people."""
    if count < 10_000:
        return f"{count:,} {'byte' if count == 1 else 'bytes'}"
    return f"{count / 1000:,.0f} kB" if count < 10_000_000 else f"{count / 1e6:,.0f} MB"


def about_stego(psnr: float) -> str:
    """What a distance between stego and cover means to an eye."""
    return next(words for least, words in _STEGO if psnr >= least)


def clarity(psnr: float) -> str:
    """How a picture arrives, such as "clear" or "in good quality"."""
    return next(words for least, words in _CLARITY if psnr >= least)


def arrival(each: "Arrival") -> tuple[str, str]:
    """What one receiver gets, and how it arrives."""
    if each.width is None:
        assert each.file is not None
        what = "a text" if each.kind == "text" else each.file.name or "a file"
        return f"{what} ({size(len(each.file.content))})", "unchanged"
    whole = each.original_psnr
    identical = each.figures is None and (whole is None or math.isinf(whole))
    return f"a {each.width}x{each.height} picture", "identical" if identical else clarity(whole or 0)


def arrival_json(each: "Arrival") -> dict[str, Any]:
    """The same for programs; `psnr` is null for what arrives byte for byte."""
    content: dict[str, Any] = {"kind": each.kind, "form": each.form, "exact": each.figures is None}
    if each.file is not None:
        content |= {"name": each.file.name, "bytes": len(each.file.content)}
    if each.width is None:
        return content
    whole = each.original_psnr
    figures = {"psnr": None, "ssim": None} if each.figures is None else figures_json(each.figures)
    size = {"width": each.width, "height": each.height}
    return content | size | figures | {"original_psnr": None if whole is None or math.isinf(whole) else whole}


def figures_json(figures: "Figures") -> dict[str, Any]:
    """Figures for programs: JSON has no infinity, so that becomes null with a note."""
    equal = math.isinf(figures.psnr)
    content = {"psnr": None if equal else figures.psnr, "ssim": figures.ssim}
    content |= {"max_abs": figures.max_abs, "changed": figures.changed}
    return content | ({"note": "PSNR is infinite: the pictures are equal."} if equal else {})


@contextmanager
def searching(*, quiet: bool) -> "Iterator[Progress | None]":
    """Progress of a search on stderr, where a person looks at it."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal or screen.is_dumb_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("searching", total=None)
        last = 0

        def advance(done: int, steps: int) -> None:
            nonlocal last
            if done < last:  # another search
                bar.reset(task, total=steps)
            last = done
            bar.update(task, completed=done, total=steps)

        yield advance

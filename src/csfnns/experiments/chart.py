"""A table as a picture: each column a panel, each line a point with its interval, the paper's beside ours."""

import io
import math
from typing import TYPE_CHECKING

from csfnns.experiments.base import Column, dataset_label
from csfnns.experiments.sheet import PAPER, Entry, Line, Sheet, column_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS, _THEIRS = "#1f5fa8", "#c0561a"
_DPI = 150


def chart(sheet: Sheet) -> bytes:
    """PNG: a row of panels for each data set. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure

    columns, lines = sheet.experiment.columns, sheet.lines
    height = 0.9 + len(sheet.datasets) * (0.9 + 0.3 * len(lines))
    figure = Figure(figsize=(3.2 + 2.6 * len(columns), height), layout="constrained", dpi=_DPI)
    figure.suptitle(sheet.experiment.title)
    panels = figure.subplots(len(sheet.datasets), len(columns), squeeze=False, sharey=True)
    for row, dataset in zip(panels, sheet.datasets, strict=True):
        for axes, column in zip(row, columns, strict=True):
            _panel(axes, column, [(line, _find(line, dataset, column)) for line in lines])
            axes.set_title(f"{dataset_label(dataset)}: {column_label(column)}", fontsize=9)
        row[0].set_yticks(range(len(lines)), [_name(sheet, line) for line in lines], fontsize=8)
    figure.supxlabel(_legend(sheet), fontsize=8, color="0.3")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _panel(axes: "Axes", column: Column, points: list[tuple[Line, Entry]]) -> None:
    for y, (line, entry) in enumerate(points):
        found = entry.estimate
        if found is None or not math.isfinite(found.mean):
            reason = "n/a" if entry.reasons else ""
            text, x, colour = (reason, 0.03, "0.5") if found is None else ("∞", 0.94, "black")
            place, coordinates = (x, y), ("axes fraction", "data")
            axes.annotate(text, place, xycoords=coordinates, fontsize=8, va="center", color=colour)
            continue
        theirs = line.source == PAPER
        axes.errorbar(
            found.mean,
            y,
            xerr=found.half_width,
            fmt="D" if theirs else "o",
            markersize=5,
            capsize=3,
            color=_THEIRS if theirs else _OURS,
            markerfacecolor="white" if theirs else _OURS,
        )
        label = f"{found.mean:.{column.digits}f}"
        axes.annotate(label, (found.mean, y), (0, 5), textcoords="offset points", fontsize=7, ha="center")
    axes.set_ylim(len(points) - 0.5, -0.7)
    axes.margins(x=0.25)
    _limit(axes, column)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="x", labelsize=7)


def _limit(axes: "Axes", column: Column) -> None:
    """Leave out values that cannot be: SSIM above 1, other figures below 0."""
    low, high = axes.get_xlim()
    axes.set_xlim(*((low, min(high, 1.0)) if column.key.endswith("_ssim") else (max(low, 0.0), high)))


def _find(line: Line, dataset: str, column: Column) -> Entry:
    return next(each for each in line.entries if (each.dataset, each.column) == (dataset, column))


def _name(sheet: Sheet, line: Line) -> str:
    *parts, _ = sheet.head_of(line)
    return ", ".join(parts)


def _legend(sheet: Sheet) -> str:
    counts = sorted({entry.expected for line in sheet.lines for entry in line.entries if entry.expected})
    pictures = ", ".join(map(str, counts))
    return f"● ours, {pictures} pictures, 95 % t-interval   ◇ the paper\n{sheet.remark}".strip()

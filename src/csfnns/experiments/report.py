"""Reports: rows of a store as tables in Markdown and LaTeX and as a chart, or a figure's pages, with all notes."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csfnns.batch.store import Row, Store
from csfnns.errors import PictureError, UsageError
from csfnns.experiments.base import HERE, PUBLISHED_SIDE, Case, Column, Experiment, Shot, dataset_label
from csfnns.experiments.changes import RESIZE
from csfnns.experiments.methods import LEAST_PSNR, METHODS, scaled
from csfnns.experiments.resize import SKIMAGE
from csfnns.experiments.run import Job, Plan
from csfnns.experiments.statistics import Estimate, estimate
from csfnns.files import write_result
from csfnns.images.io import read_picture
from csfnns.images.output import encode_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("md", "tex", "png", "csv", "json", "svg", "pdf")
USUAL = FORMATS[:3]
"""What is written unless formats are named."""
CHARTS = ("png", "svg", "pdf")
PAPER = "the paper"
NOTHING = "–"
DPI = 150
_STAND_IN = {"celebahq": "celeba"}
"""Data sets beside which the paper's figures for another one are shown."""
_ANY = "*"
_OURS, _THEIRS = "#1f5fa8", "#c0561a"
_TEX = {
    **{
        "&": r"\&",
        "%": r"\%",
        "_": r"\_",
        "#": r"\#",
        "±": r"$\pm$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
    },
    **{
        "∞": r"$\infty$",
        "★": r"$\star$",
        "×": r"$\times$",
        "<": "$<$",
        ">": "$>$",
        "–": "--",
        "…": r"\ldots{}",
    },
}


@dataclass(frozen=True)
class Table:
    """Cells of text under headings."""

    title: str
    """Empty in a report of one table."""
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    """Leading columns that hold text; the others hold figures, and are aligned to the right."""

    def markdown(self) -> str:
        """The table, with its title as a heading."""
        align = ["---"] * self.texts + ["---:"] * (len(self.head) - self.texts)
        lines = [f"| {' | '.join(map(_escaped, cells))} |" for cells in (self.head, align, *self.rows)]
        return (f"## {self.title}\n\n" if self.title else "") + "\n".join(lines)

    def latex(self, remark: str) -> str:
        """A tabular of LaTeX's own commands; the remark is printed below it."""
        lines = [f"% {self.title}"] if self.title else []
        lines.append(rf"\begin{{tabular}}{{{'l' * self.texts}{'r' * (len(self.head) - self.texts)}}} \hline")
        lines.append(" & ".join(map(_tex, self.head)) + r" \\ \hline")
        lines += [" & ".join(map(_tex, cells)) + r" \\" for cells in self.rows]
        if remark:
            lines.append(rf"\hline \multicolumn{{{len(self.head)}}}{{l}}{{{_tex(remark)}}} \\")
        return "\n".join([*lines, r"\hline \end{tabular}"])


@dataclass(frozen=True)
class Report:
    """Everything that a result says, before it becomes files."""

    name: str
    title: str
    tables: tuple[Table, ...]
    warnings: tuple[str, ...]
    """What nobody may overlook: settings other than the published ones, pictures that are still missing."""
    notes: tuple[str, ...]
    records: tuple[Mapping[str, Any], ...] = field(repr=False)
    """What was measured, one record a line of the CSV file: figures with all their digits."""

    @property
    def remark(self) -> str:
        """The warnings in one line."""
        return " ".join(self.warnings)

    @property
    def _remarks(self) -> list[str]:
        return [note.rstrip(".") + "." for note in (*self.warnings, *self.notes) if note]

    def markdown(self) -> str:
        """Title, tables, warnings and notes."""
        tables = [table.markdown() for table in self.tables]
        notes = "\n".join(f"- {_escaped(note)}" for note in self._remarks)
        return "\n\n".join([f"# {self.title}", *tables, notes]) + "\n"

    def latex(self) -> str:
        """A tabular for each table, with the notes as comments above."""
        comments = [f"% {note}" for note in (self.title, *self._remarks)]
        return "\n".join([*comments, *(table.latex(self.remark) for table in self.tables)]) + "\n"

    def csv(self) -> str:
        """The records, with every name that one of them has as a column."""
        names = list(dict.fromkeys(name for record in self.records for name in record))
        file = io.StringIO()
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records)
        return file.getvalue()

    def json(self) -> str:
        """Everything, with the cells of the tables as they are printed."""
        content = asdict(self)
        for record in content["records"]:  # JSON has no infinity
            record.update({name: "Infinity" for name, value in record.items() if value == math.inf})
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Rendered:
    """What was written."""

    markdown: str
    files: tuple[Path, ...]
    skipped: Mapping[str, str]
    """Formats that could not be made here, and why."""


def render(experiment: Experiment, store: Store, formats: Sequence[str] = ()) -> Rendered:
    """Write the last run's table or figure beside its rows, as `formats` (FORMATS) or as the usual ones that can be made.

    Raises UsageError where there is no run or nothing is measured yet, and for a requested format that is unknown or
    cannot be made.
    """
    check_formats(formats)
    plan, stored = Plan.load(store.folder, experiment.name), store.rows()
    if not any(job.id in stored for job in plan.jobs):
        hint = f"Run it first: csfnns experiment run {experiment.name}."
        raise UsageError(f"Nothing of {experiment.name} is measured yet in {store.folder}.", hint)
    sheet = Sheet(experiment, plan, stored)
    report = sheet.report()
    return write_report(report, store.folder, formats, lambda kind: _images(sheet, store.folder, report.remark, kind))


def check_formats(formats: Sequence[str]) -> None:
    """Raise UsageError for an unknown format."""
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"There is no format {name!r}.", f"Choose one of: {', '.join(FORMATS)}.")


def write_report(
    report: Report, folder: Path, formats: Sequence[str], draw: Callable[[str], Mapping[str, bytes]]
) -> Rendered:
    """Write the report in these formats, or in the usual ones that can be made; `draw` gives files by name for one of
    CHARTS.

    Raises UsageError for a requested format that cannot be made.
    """
    texts = {"md": report.markdown, "tex": report.latex, "csv": report.csv, "json": report.json}
    files: dict[str, bytes] = {}
    skipped = {}
    for kind in formats or USUAL:
        try:
            if kind in texts:
                name = f"{report.name}.{kind}" if kind != "json" else f"{report.name}-result.json"  # beside the plan
                files[name] = texts[kind]().encode()
            else:
                files |= draw(kind)
        except ImportError as error:
            reason, hint = "A chart needs matplotlib.", "Install it: pip install 'csfnns[experiments]'."
            if formats:
                raise UsageError(reason, hint) from error
            skipped[kind] = f"{reason} {hint}"
    for name, data in files.items():
        write_result(folder / name, data, hint="Choose another --out.")
    return Rendered(report.markdown(), tuple(folder / name for name in files), skipped)


def chart_data(figure: "Figure", kind: str) -> bytes:
    """A figure of matplotlib as a file of one of CHARTS, without the time at which it was made."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text)


LEAST = 4
"""Pictures from which a mean has an interval: that of fewer is so wide that their values say more."""


@dataclass(frozen=True)
class Entry:
    """One figure of one line: ours with its interval, or the paper's."""

    dataset: str
    column: Column
    estimate: Estimate | None
    reasons: tuple[str, ...] = ()
    """Why there are no figures, or not for every picture."""
    expected: int = 0
    """Pictures that were measured, with a figure or without."""

    def __str__(self) -> str:
        """As in "41.89 ± 0.40", or "41.62, 42.10" of few; "n/a" where there is none, "–" where none is due."""
        found, digits = self.estimate, self.column.digits
        if found is None:
            return "n/a" if self.reasons else NOTHING
        if found.half_width is None:
            text = f"{found.mean:.{digits}f}".replace("inf", "∞")
        elif found.count < LEAST:
            text = ", ".join(f"{value:.{digits}f}" for value in found.values)
        else:
            text = f"{found.mean:.{digits}f} ± {found.half_width:.{digits}f}"
        return text if found.count >= self.expected else f"{text} ({found.count} of {self.expected})"


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    part: str
    """The case in words."""
    label: str
    """Of the method."""
    source: str
    """PAPER, or our variant."""
    entries: tuple[Entry, ...]

    @property
    def pictures(self) -> str:
        """How many were measured; they may differ between data sets."""
        return ", ".join(map(str, sorted({each.expected for each in self.entries} - {0}))) or NOTHING


class Sheet:
    """The lines of an experiment's table: the paper's beside ours."""

    def __init__(self, experiment: Experiment, plan: Plan, stored: Mapping[str, Row]) -> None:
        self.experiment, self.plan = experiment, plan
        wanted = {job.id for job in plan.jobs}
        self.done = [job for job in plan.jobs if job.id in stored]
        self.rows = [stored[job.id] for job in self.done]
        self.unused = sum(key not in wanted for key in stored)
        names = {*plan.methods, *(row.method for row in experiment.published)}
        methods = [name for name in METHODS if name in names] + sorted(name for name in names if name not in METHODS)
        self.lines = [line for case in experiment.cases for name in methods for line in self._lines(case, name)]

    def report(self) -> Report:
        """Table, warnings and notes."""
        experiment, several = self.experiment, len(self.experiment.cases) > 1
        head = (*([experiment.case_heading] if several else []), "Method", "Source", "Pictures")
        datasets = [dataset_label(name) for name in self.plan.secrets]
        figures = [f"{name}: {column.heading}" for name in datasets for column in experiment.columns]
        rows = [
            (
                *([line.part] if several else []),
                line.label,
                line.source,
                line.pictures,
                *map(str, line.entries),
            )
            for line in self.lines
        ]
        table = Table("", (*head, *figures), tuple(rows), len(head) - 1)
        notes = (*self._notes(), *self._settings(), made_by(self.rows))
        return Report(
            experiment.name, experiment.title, (table,), tuple(self._warnings()), notes, tuple(self._records())
        )

    def _records(self) -> Iterator[Mapping[str, Any]]:
        """A record for each picture and variant; one with the reason where nothing was measured."""
        for row in self.rows:
            about = {name: row[name] for name in ("case", "method", "dataset", "pair", "cover")}
            about |= {"secrets": " ".join(row["secrets"])}
            for variant, figures in row["values"].items():
                yield {**about, "variant": variant, **row["seconds"], **figures}
            if row["error"]:
                yield {**about, "error": row["error"]}

    def _lines(self, case: Case, method: str) -> list[Line]:
        mine = [row for row in self.rows if (row["case"], row["method"]) == (case.name, method)]
        part = case.label
        if len({each.scale for each in self.experiment.cases}) > 1:
            part += ": {0}x{0}".format(scaled(self.plan.side, case))
        label = _label(method)
        lines = []
        paper = self._published(case, method)
        if any(entry.estimate for entry in paper):
            lines.append(Line(part, label, PAPER, tuple(paper)))
        failed = mine and not any(row["values"] for row in mine)
        variants = self.experiment.variants
        for variant in variants[-1:] if failed else variants:
            if failed or any(variant in row["values"] for row in mine):
                entries = [
                    _entry(name, column, variant, mine)
                    for name in self.plan.secrets
                    for column in self.experiment.columns
                ]
                lines.append(Line(part, label, variant, tuple(entries)))
        return lines

    def _published(self, case: Case, method: str) -> list[Entry]:
        published = self.experiment.published
        rows = {row.dataset: row for row in published if (row.method, row.case) == (method, case.name)}
        entries = []
        for name in self.plan.secrets:
            row = rows.get(name) or rows.get(_STAND_IN.get(name, "")) or rows.get(_ANY)
            for column in self.experiment.columns:
                value = row.figures.get(column.key) if row else None
                entries.append(Entry(name, column, None if value is None else Estimate(value, None, ())))
        return entries

    def _warnings(self) -> list[str]:
        warnings, plan = [], self.plan
        if plan.side != PUBLISHED_SIDE:
            warnings.append(f"covers of {plan.side} pixels a side and not {PUBLISHED_SIDE}")
        if plan.steps is not None:
            warnings.append(f"searches of {plan.steps} steps and not each method's own")
        changes = {name: value for name, value in plan.changes.items() if (name, value) != (RESIZE, SKIMAGE)}
        warnings += [f"{name} = {value} in methods that have it" for name, value in changes.items()]
        warnings = [f"NOT THE PUBLISHED SETTINGS: {' and '.join(warnings)}."] if warnings else []
        if len(self.rows) < len(plan.jobs):
            warnings.append(f"Not finished: {len(self.rows)} of {len(plan.jobs)} pictures are measured.")
        return warnings

    def _notes(self) -> list[str]:
        few = f"of fewer than {LEAST} pictures, their values"
        notes = [f"Mean over pictures ± half the width of its 95 % t-interval; {few}.", *self.experiment.notes]
        cases = self.experiment.cases
        sizes = dict.fromkeys("{0}x{0}".format(scaled(self.plan.side, case)) for case in cases)
        rates = dict.fromkeys(case.bpp for case in cases)
        resized = "as scikit-image does" if self.plan.changes.get(RESIZE) == SKIMAGE else "with Pillow's LANCZOS"
        sides, bits = ", ".join(sizes), ", ".join(rates)
        notes.append(f"Covers of {sides}, {bits} bits a pixel; covers and secrets are resized {resized}.")
        notes += [*self._unreadable(), *self._about_paper(), *self._reasons()]
        notes += [f"Left out: {name}: {reason}" for name, reason in self.plan.left_out.items()]
        if self.unused:
            notes.append(
                f"Stored beside these and not used: {self.unused} rows of other settings, pictures, methods or code."
            )
        return notes

    def _settings(self) -> Sequence[str]:
        """Settings of each method in its first case; those of all cases are in the plan's file."""
        first: dict[str, str] = {}
        for name, text in self.plan.settings.items():
            method, _, case = name.partition("/")
            first.setdefault(method, f"Settings of {method}, case {case}: {text}")
        return tuple(first.values())

    def _unreadable(self) -> list[str]:
        """Which methods made stego pictures that `hide` would refuse to write, however good they look."""
        notes = []
        for method in dict.fromkeys(row["method"] for row in self.rows):
            found = [row["values"].get(HERE, {}) for row in self.rows if row["method"] == method]
            recovered = [each["recovered_psnr"] for each in found if "recovered_psnr" in each]
            lost = sum(isinstance(value, str) or value < LEAST_PSNR for value in recovered)
            if lost:
                notes.append(
                    f"{_label(method)}: from {lost} of {len(recovered)} stego pictures nothing can be read, or only a"
                    f" picture below {LEAST_PSNR:.0f} dB; `hide` would not write them."
                )
        return notes

    def _about_paper(self) -> list[str]:
        """For which data sets the paper has this table, where it is not the one that was measured."""
        theirs = dict.fromkeys(row.dataset for row in self.experiment.published)
        ours = {_STAND_IN.get(name, name) for name in self.plan.secrets} | {_ANY}
        if theirs and not ours & set(theirs):
            return [f"The paper has this table for {' and '.join(map(dataset_label, theirs))}."]
        return [
            f"The paper's figures beside {dataset_label(name)} are for {dataset_label(other)}."
            for name, other in _STAND_IN.items()
            if name in self.plan.secrets and other in theirs and name not in theirs
        ]

    def _reasons(self) -> list[str]:
        """Why figures are missing, with the methods that lack them."""
        found: dict[str, dict[str, None]] = {}
        for line in self.lines:
            for entry in line.entries:
                for reason in entry.reasons:
                    found.setdefault(reason, {})[line.label] = None
        return [f"No figure for {', '.join(labels)}: {reason}" for reason, labels in found.items()]


def _label(method: str) -> str:
    return METHODS[method].label if method in METHODS else method


def _entry(dataset: str, column: Column, variant: str, rows: Sequence[Row]) -> Entry:
    mine = [row for row in rows if row["dataset"] == dataset]
    values: list[float | str] = []
    for row in sorted(mine, key=lambda row: int(row["pair"])):  # sums in one order: equal to the last digit
        values.append(row["values"].get(variant, {}).get(column.key, row["error"] or "not measured"))
    numbers = [float(value) for value in values if not isinstance(value, str)]
    reasons = dict.fromkeys(value for value in values if isinstance(value, str))
    return Entry(dataset, column, estimate(numbers) if numbers else None, tuple(reasons), len(values))


def made_by(rows: Sequence[Row]) -> str:
    """Versions and machines that rows come from, in words."""
    versions = dict.fromkeys(
        f"csfnns {row['csfnns']}" + (f" ({row['commit']})" if row["commit"] else "") for row in rows
    )
    machines = dict.fromkeys(
        f"torch {row['torch']}, {row['machine']}, {row['threads']} threads"
        + (f", {row['gpu']}" if row.get("gpu") else "")
        for row in rows
    )
    return f"Measured with {', '.join(versions)}; {'; '.join(machines)}." if rows else ""


def _images(sheet: Sheet, folder: Path, remark: str, kind: str) -> dict[str, bytes]:
    """The chart of a table, or the pages of a figure."""
    experiment = sheet.experiment
    if experiment.draw is None:
        return {f"{experiment.name}.{kind}": chart_data(chart(sheet, remark), kind)}
    if kind != "png":
        raise UsageError(f"The pages of {experiment.name} hold pictures.", "Choose --format png.")
    cases = [case.name for case in experiment.cases]
    done = [job for job, row in zip(sheet.done, sheet.rows, strict=True) if not row["error"]]
    done.sort(key=lambda job: (job.pair, cases.index(job.case)))
    pages = experiment.draw([_shot(experiment, job, folder) for job in done], remark)
    return {f"{experiment.name}-{name}.png": encode_picture(page, ".png") for name, page in pages.items()}


def _shot(experiment: Experiment, job: Job, folder: Path) -> Shot:
    """Pictures of a job as they were kept. Raises PictureError where they are gone."""
    place = folder / "pictures" / job.id
    try:
        recovered = [place / f"recovered-{t}.png" for t in range(len(job.secrets))]
        return Shot(
            method=job.method,
            label=_label(job.method),
            case=next(case for case in experiment.cases if case.name == job.case),
            dataset=job.dataset,
            pair=job.pair,
            cover=read_picture(place / "cover.png"),
            stego=read_picture(place / "stego.png"),
            secrets=tuple(read_picture(place / f"secret-{t}.png") for t in range(len(job.secrets))),
            recovered=tuple(read_picture(path) if path.exists() else None for path in recovered),
        )
    except PictureError as error:
        hint = "The pictures kept beside the rows are gone: run it again with another --out."
        raise PictureError(error.message, hint) from error


def chart(sheet: Sheet, remark: str) -> "Figure":
    """A row of panels for each data set, a panel for each column, a point with its interval for each line.

    Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    columns, lines, datasets = sheet.experiment.columns, sheet.lines, sheet.plan.secrets
    size = (3.2 + 2.6 * len(columns), 0.9 + len(datasets) * (0.9 + 0.3 * len(lines)))
    figure = Figure(figsize=size, layout="constrained", dpi=DPI)
    figure.suptitle(sheet.experiment.title)
    panels = figure.subplots(len(datasets), len(columns), squeeze=False, sharey=True)
    for i, axes in enumerate(panels.flat):
        points = [(line.source == PAPER, line.entries[i]) for line in lines]
        _panel(axes, points)
        axes.set_title(f"{dataset_label(points[0][1].dataset)}: {points[0][1].column.heading}", fontsize=9)
    several = len(sheet.experiment.cases) > 1
    names = [", ".join([*([line.part] if several else []), line.label, line.source]) for line in lines]
    for axes in panels[:, 0]:
        axes.set_yticks(range(len(lines)), names, fontsize=8)
    counts = ", ".join(sorted({line.pictures for line in lines} - {NOTHING}))
    legend = f"● ours, {counts} pictures, 95 % t-interval of {LEAST} or more   ◇ the paper\n{remark}".strip()
    figure.supxlabel(legend, fontsize=8, color="0.3")
    return figure


def _panel(axes: "Axes", points: Sequence[tuple[bool, Entry]]) -> None:
    for y, (theirs, entry) in enumerate(points):
        found = entry.estimate
        if found is None or not math.isfinite(found.mean):
            text = "∞" if found else str(entry).replace(NOTHING, "")
            axes.annotate(text, (0.03, y), xycoords=("axes fraction", "data"), fontsize=8, va="center")
            continue
        width = found.half_width if found.count >= LEAST else None
        bars: dict[str, Any] = {"xerr": width, "markersize": 5, "capsize": 3}
        bars |= {"fmt": "D", "color": _THEIRS, "mfc": "white"} if theirs else {"fmt": "o", "color": _OURS}
        axes.errorbar(found.mean, y, **bars)
        label = f"{found.mean:.{entry.column.digits}f}"
        axes.annotate(label, (found.mean, y), (0, 5), textcoords="offset points", fontsize=7, ha="center")
    axes.set_ylim(len(points) - 0.5, -0.7)
    axes.margins(x=0.25)
    low, high = axes.get_xlim()  # without impossible values: SSIM above 1, other figures below 0
    ssim = points[0][1].column.key.endswith("_ssim")
    axes.set_xlim(*((low, min(high, 1.0)) if ssim else (max(low, 0.0), high)))
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="x", labelsize=7)

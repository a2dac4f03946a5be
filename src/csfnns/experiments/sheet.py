"""Rows of a store → a table of text, with the paper's own rows beside ours and everything that a reader must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from csfnns.experiments.base import HERE, PUBLISHED_SIDE, Case, Column, Experiment, Value, dataset_label
from csfnns.experiments.methods import METHODS, scaled
from csfnns.experiments.plan import Plan
from csfnns.experiments.statistics import Estimate, estimate
from csfnns.experiments.store import Row
from csfnns.select import LEAST_PSNR

_STAND_IN = {"celebahq": "celeba"}
"""Data sets beside which the paper's figures for another one are shown."""
_ANY = "*"

PAPER = "the paper"
_NOTHING = "–"


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


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    case: Case
    part: str
    """The case in words."""
    method: str
    source: str
    """PAPER, or our variant."""
    entries: tuple[Entry, ...]

    @property
    def label(self) -> str:
        """Name of the method."""
        return METHODS[self.method].label if self.method in METHODS else self.method


@dataclass(frozen=True)
class Sheet:
    """A whole table, before it becomes Markdown, LaTeX or a chart."""

    experiment: Experiment
    datasets: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    """What nobody may overlook: settings that are not those that were published, pictures that are still missing."""

    @property
    def remark(self) -> str:
        """The warnings in one line."""
        return " ".join(self.warnings)

    @property
    def head(self) -> list[str]:
        """Headings of the columns that say what a line is."""
        cases = [self.experiment.case_heading] if len(self.experiment.cases) > 1 else []
        return [*cases, "Method", "Source", "Pictures"]

    def head_of(self, line: Line) -> list[str]:
        """What a line is, below those headings."""
        cases = [line.part] if len(self.experiment.cases) > 1 else []
        counts = {entry.expected for entry in line.entries if entry.expected}
        return [*cases, line.label, line.source, ", ".join(map(str, sorted(counts))) or _NOTHING]


def make_sheet(experiment: Experiment, plan: Plan, stored: Mapping[str, Row]) -> Sheet:
    """Table of the rows that the plan asks for. Those of other settings are counted in a note."""
    rows = [stored[job.id] for job in plan.jobs if job.id in stored]
    lines = [
        line
        for case in experiment.cases
        for method in _methods(experiment, plan)
        for line in _lines(experiment, plan, case, method, rows)
    ]
    notes = _notes(experiment, plan, stored, rows, lines)
    return Sheet(experiment, tuple(plan.secrets), tuple(lines), tuple(notes), tuple(_warnings(plan, rows)))


def cell(entry: Entry) -> str:
    """A figure with its interval: "41.89 ± 0.40"; "n/a" where there is none; "–" where none is due."""
    found = entry.estimate
    if found is None:
        return "n/a" if entry.reasons else _NOTHING
    digits = entry.column.digits
    text = f"{found.mean:.{digits}f}".replace("inf", "∞")
    if found.half_width is not None:
        text += f" ± {found.half_width:.{digits}f}"
    return text if found.count >= entry.expected else f"{text} ({found.count} of {entry.expected})"


def column_label(column: Column) -> str:
    """Heading with the direction that is better."""
    arrow = "↑" if column.better == "higher" else "↓"
    return " ".join(part for part in (column.group, column.label, arrow) if part)


def _methods(experiment: Experiment, plan: Plan) -> list[str]:
    """Methods that were run or that the paper has, in the order of METHODS, then those that only the paper has."""
    names = {*plan.methods, *(row.method for row in experiment.published)}
    return [name for name in METHODS if name in names] + sorted(names - set(METHODS))


def _lines(experiment: Experiment, plan: Plan, case: Case, method: str, rows: Sequence[Row]) -> list[Line]:
    mine = [row for row in rows if (row["case"], row["method"]) == (case.name, method)]
    lines = []
    part = _part(experiment, plan, case)
    paper = _published(experiment, plan, case, method)
    if any(entry.estimate for entry in paper):
        lines.append(Line(case, part, method, PAPER, tuple(paper)))
    failed = mine and not any(row["values"] for row in mine)
    for variant in experiment.variants[-1:] if failed else experiment.variants:
        if failed or any(variant in row["values"] for row in mine):
            entries = [
                _entry(name, column, variant, mine) for name in plan.secrets for column in experiment.columns
            ]
            lines.append(Line(case, part, method, variant, tuple(entries)))
    return lines


def _part(experiment: Experiment, plan: Plan, case: Case) -> str:
    if len({each.scale for each in experiment.cases}) == 1:
        return case.label
    side = scaled(plan.side, case)
    return f"{case.label}: {side}x{side}"


def _published(experiment: Experiment, plan: Plan, case: Case, method: str) -> list[Entry]:
    found: dict[str, Mapping[str, float]] = {}
    for row in experiment.published:
        if (row.method, row.case) == (method, case.name):
            found |= row.figures
    entries = []
    for name in plan.secrets:
        figures = found.get(name) or found.get(_STAND_IN.get(name, "")) or found.get(_ANY) or {}
        for column in experiment.columns:
            value = figures.get(column.key)
            entries.append(Entry(name, column, None if value is None else Estimate(value, None, 0)))
    return entries


def _entry(dataset: str, column: Column, variant: str, rows: Sequence[Row]) -> Entry:
    mine = [row for row in rows if row["dataset"] == dataset]
    values: list[Value] = []
    for row in sorted(mine, key=lambda row: int(row["pair"])):  # sums in one order: equal to the last digit
        values.append(row["values"].get(variant, {}).get(column.key, row["error"] or "not measured"))
    numbers = [float(value) for value in values if not isinstance(value, str)]
    reasons = dict.fromkeys(value for value in values if isinstance(value, str))
    return Entry(
        dataset, column, estimate(numbers) if numbers else None, tuple(reasons), expected=len(values)
    )


def _notes(
    experiment: Experiment, plan: Plan, stored: Mapping[str, Row], rows: Sequence[Row], lines: Sequence[Line]
) -> list[str]:
    notes = ["Mean over pictures ± half the width of its 95 % t-interval."]
    notes += experiment.notes
    notes.append(_sizes(experiment, plan))
    notes += _warnings(plan, rows)
    notes += _unreadable(rows)
    notes += [
        f"The paper's figures beside {dataset_label(name)} are for {dataset_label(other)}."
        for name, other in _STAND_IN.items()
        if name in plan.secrets and _has(experiment, other) and not _has(experiment, name)
    ]
    notes += _missing_from_paper(experiment, plan)
    notes += _without_figure(lines)
    notes += [f"Left out: {name}: {reason}" for name, reason in plan.left_out.items()]
    wanted = {job.id for job in plan.jobs}
    others = sum(key not in wanted for key in stored)
    if others:
        notes.append(
            f"Stored beside these and not used: {others} rows of other settings, pictures, methods or code."
        )
    notes += [f"{name}: {text}" for name, text in _settings(plan).items()]
    notes.append(made_by(rows))
    return [note.rstrip(".") + "." for note in notes if note]


def _has(experiment: Experiment, dataset: str) -> bool:
    """Whether the paper has figures of this table for that data set."""
    return any(dataset in row.figures for row in experiment.published)


def _unreadable(rows: Sequence[Row]) -> list[str]:
    """Says of which methods' stego pictures `hide` would have refused to send some, however good they look."""
    notes = []
    for method in dict.fromkeys(row["method"] for row in rows):
        label = METHODS[method].label if method in METHODS else method
        found = [row["values"].get(HERE, {}) for row in rows if row["method"] == method]
        recovered = [each["recovered_psnr"] for each in found if "recovered_psnr" in each]
        lost = sum(isinstance(value, str) or value < LEAST_PSNR for value in recovered)
        if lost:
            notes.append(
                f"{label}: from {lost} of {len(recovered)} stego pictures nothing can be read, or only a picture below"
                f" {LEAST_PSNR:.0f} dB; `hide` would not send them."
            )
    return notes


def _missing_from_paper(experiment: Experiment, plan: Plan) -> list[str]:
    """Says for which data sets the paper has this table, if for none of those that were measured."""
    theirs = dict.fromkeys(name for row in experiment.published for name in row.figures)
    ours = {_STAND_IN.get(name, name) for name in plan.secrets} | {_ANY}
    if not theirs or ours & set(theirs):
        return []
    return [f"The paper has this table for {' and '.join(map(dataset_label, theirs))}."]


def _without_figure(lines: Sequence[Line]) -> list[str]:
    """Reasons for each n/a, and for pictures that a mean leaves out, each with the methods that it holds for."""
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        for entry in line.entries:
            for reason in entry.reasons:
                found.setdefault(reason, {})[line.label] = None
    return [f"No figure for {', '.join(labels)}: {reason}" for reason, labels in found.items()]


def _sizes(experiment: Experiment, plan: Plan) -> str:
    sides = dict.fromkeys(scaled(plan.side, case) for case in experiment.cases)
    sizes = ", ".join(f"{side}x{side}" for side in sides)
    rates = ", ".join(dict.fromkeys(case.bpp for case in experiment.cases))
    return f"Covers of {sizes}, {rates} bits a pixel; covers and secrets are brought to size by Pillow's LANCZOS."


def _warnings(plan: Plan, rows: Sequence[Row]) -> list[str]:
    warnings = [_other_settings(plan)]
    if len(rows) < len(plan.jobs):
        warnings.append(f"Not finished: {len(rows)} of {len(plan.jobs)} pictures are measured.")
    return [warning for warning in warnings if warning]


def _other_settings(plan: Plan) -> str:
    """Says where the settings are not those that were published; empty where they are."""
    reasons = []
    if plan.side != PUBLISHED_SIDE:
        reasons.append(f"covers of {plan.side} pixels a side and not {PUBLISHED_SIDE}")
    if plan.steps is not None:
        reasons.append(f"searches of {plan.steps} steps and not each method's own")
    return f"NOT THE PUBLISHED SETTINGS: {' and '.join(reasons)}." if reasons else ""


def _settings(plan: Plan) -> dict[str, str]:
    """Settings of each method in its first case; those of all cases are in the plan's file."""
    first: dict[str, tuple[str, str]] = {}
    for name, text in plan.settings.items():
        method, _, case = name.partition("/")
        first.setdefault(method, (case, text))
    return {f"Settings of {method}, case {case}": text for method, (case, text) in first.items()}


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

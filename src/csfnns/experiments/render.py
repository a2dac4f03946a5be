"""A sheet as Markdown, LaTeX and a chart; a figure as its pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csfnns.errors import PictureError, UsageError
from csfnns.experiments.base import Experiment, Shot, dataset_label
from csfnns.experiments.chart import chart
from csfnns.experiments.methods import METHODS
from csfnns.experiments.plan import Job, Plan
from csfnns.experiments.sheet import Sheet, cell, column_label, make_sheet
from csfnns.experiments.store import Row, Store
from csfnns.files import write_result
from csfnns.output import encode_picture
from csfnns.picture import read_picture

FORMATS = ("md", "tex", "png")


@dataclass(frozen=True)
class Rendered:
    """What was written."""

    markdown: str
    files: tuple[Path, ...]
    skipped: Mapping[str, str]
    """Formats that could not be made here, and why."""


def render(experiment: Experiment, store: Store, formats: Sequence[str] = ()) -> Rendered:
    """Write the last run's table or figure beside its rows, as `formats` (md, tex, png) or in all that can be made.

    Raises UsageError where there is no run or nothing is measured yet, and for a format that was asked for and
    cannot be made.
    """
    check_formats(formats)
    plan, stored = Plan.load(store.folder, experiment.name), store.rows()
    if not any(job.id in stored for job in plan.jobs):
        hint = f"Run it first: csfnns experiment run {experiment.name}."
        raise UsageError(f"Nothing of {experiment.name} is measured yet in {store.folder}.", hint)
    sheet = make_sheet(experiment, plan, stored)
    contents: dict[str, Callable[[], dict[str, bytes]]] = {
        "md": lambda: {f"{experiment.name}.md": markdown(sheet).encode()},
        "tex": lambda: {f"{experiment.name}.tex": latex(sheet).encode()},
        "png": lambda: _pages(experiment, plan, stored, store.folder, sheet),
    }
    return write_files(store.folder, contents, formats, markdown(sheet))


def check_formats(formats: Sequence[str]) -> None:
    """Raise UsageError for a format that is none."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"There is no format {unknown[0]!r}.", f"Choose among: {', '.join(FORMATS)}.")


def write_files(
    folder: Path,
    contents: Mapping[str, Callable[[], dict[str, bytes]]],
    formats: Sequence[str],
    text: str,
) -> Rendered:
    """Write the contents of these formats, or of all that can be made; `text` is the Markdown to show.

    Raises UsageError for a format that was asked for and cannot be made.
    """
    files: dict[str, bytes] = {}
    skipped = {}
    for name in formats or FORMATS:
        try:
            files |= contents[name]()
        except ImportError as error:
            reason, hint = "A chart needs matplotlib.", "Install it with: pip install 'csfnns[experiments]'."
            if formats:
                raise UsageError(reason, hint) from error
            skipped[name] = f"{reason} {hint}"
    return Rendered(text, tuple(_write(folder / name, files[name]) for name in files), skipped)


def markdown(sheet: Sheet) -> str:
    """Title, table and notes."""
    head = sheet.head + [
        f"{dataset_label(name)}: {column_label(column)}"
        for name in sheet.datasets
        for column in sheet.experiment.columns
    ]
    rows = [sheet.head_of(line) + [cell(entry) for entry in line.entries] for line in sheet.lines]
    align = ["---"] * (len(sheet.head) - 1) + ["---:"] * (len(head) - len(sheet.head) + 1)
    table = "\n".join(f"| {' | '.join(map(escaped, cells))} |" for cells in (head, align, *rows))
    notes = "\n".join(f"- {escaped(note)}" for note in sheet.notes)
    return f"# {sheet.experiment.title}\n\n{table}\n\n{notes}\n"


def latex(sheet: Sheet) -> str:
    """A tabular of LaTeX's own commands, with the notes as comments above it."""
    columns = sheet.experiment.columns
    width = len(sheet.head)
    groups = [
        rf"\multicolumn{{{len(columns)}}}{{c}}{{{tex_text(dataset_label(name))}}}" for name in sheet.datasets
    ]
    top = [*[""] * width, *groups]
    head = sheet.head + [column_label(column) for _ in sheet.datasets for column in columns]
    lines = [" & ".join(top), " & ".join(map(tex_text, head)) + r" \\ \hline"]
    lines[0] += r" \\"
    for line in sheet.lines:
        cells = sheet.head_of(line) + [cell(entry) for entry in line.entries]
        lines.append(" & ".join(map(tex_text, cells)) + r" \\")
    shape = "l" * (width - 1) + "r" * (1 + len(columns) * len(sheet.datasets))
    notes = [f"% {note}" for note in (sheet.experiment.title, *sheet.notes)]
    if sheet.remark:
        lines.append(rf"\hline \multicolumn{{{len(head)}}}{{l}}{{{tex_text(sheet.remark)}}} \\")
    body = [rf"\begin{{tabular}}{{{shape}}} \hline", *lines, r"\hline \end{tabular}"]
    return "\n".join([*notes, *body]) + "\n"


def _pages(
    experiment: Experiment, plan: Plan, stored: Mapping[str, Row], folder: Path, sheet: Sheet
) -> dict[str, bytes]:
    if experiment.draw is None:
        return {f"{experiment.name}.png": chart(sheet)}
    done = [job for job in plan.jobs if job.id in stored and not stored[job.id]["error"]]
    cases = {case.name: i for i, case in enumerate(experiment.cases)}
    done.sort(key=lambda job: (job.pair, cases[job.case]))
    pages = experiment.draw([_shot(experiment, job, folder) for job in done], sheet.remark)
    return {f"{experiment.name}-{page.name}.png": encode_picture(page.picture, ".png") for page in pages}


def _shot(experiment: Experiment, job: Job, folder: Path) -> Shot:
    """Pictures of a job as they were kept. Raises PictureError where they are gone."""
    place = folder / "pictures" / job.id
    try:
        recovered = [place / f"recovered-{t}.png" for t in range(len(job.secrets))]
        return Shot(
            method=job.method,
            label=METHODS[job.method].label,
            case=next(case for case in experiment.cases if case.name == job.case),
            dataset=job.dataset,
            pair=job.pair,
            cover=read_picture(place / "cover.png"),
            stego=read_picture(place / "stego.png"),
            secrets=tuple(read_picture(place / f"secret-{t}.png") for t in range(len(job.secrets))),
            recovered=tuple(read_picture(path) if path.exists() else None for path in recovered),
        )
    except PictureError as error:
        hint = "Its pictures were kept beside the rows and are gone: run it again with another --out."
        raise PictureError(error.message, hint) from error


def _write(path: Path, data: bytes) -> Path:
    write_result(path, data, hint="Choose another --out.")
    return path


def escaped(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return text.replace("|", r"\|")


_TEX = {
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
    "★": r"$\star$",
    "×": r"$\times$",
    "<": "$<$",
    ">": "$>$",
    "–": "--",
    "…": r"\ldots{}",
}


def tex_text(text: str) -> str:
    """Text as LaTeX writes it."""
    return "".join(_TEX.get(letter, letter) for letter in text)

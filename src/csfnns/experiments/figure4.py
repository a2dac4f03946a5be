"""Figure 4: undetectability (Sec. 4.3), from the scores that judging.py keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from csfnns.errors import UsageError
from csfnns.experiments.base import HERE
from csfnns.experiments.judging import About, JudgingPlan
from csfnns.experiments.render import Rendered, check_formats, escaped, tex_text, write_files
from csfnns.experiments.store import Store
from csfnns.experiments.verdict_chart import chart
from csfnns.experiments.verdicts import CROSSED, Point, Result, crossing, judge_label, make_result

NAME = "figure4"
TITLE = "Figure 4: undetectability"
PUBLISHED_AUC = {"paper-6": 0.5940}
"""Area under StegExpose's curve that the paper states, by set; Sec. 4.3."""

_NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Lines of text under headings; the first column is text, the others are figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(result: Result) -> list[Table]:
    """StegExpose; accuracy of judges that never met a search, and apart of those that did; crossings."""
    plan = result.plan
    found = [_sets(result), _areas(result)]
    for met in (False, True):
        lines = [(each, judge) for judge in plan.judges for each in plan.sets if (judge in each.met) == met]
        if lines:
            found.append(_accuracies(result, lines, met))
    if plan.several_payloads:
        found.append(_crossings(result))
    return found


def _sets(result: Result) -> Table:
    rows = [
        (
            each.label,
            f"{each.payload:.3g}",
            str(each.pairs),
            str(each.sources),
            _figure(each.psnr, 1),
            _figure(None if each.changed is None else 100 * each.changed, 1),
            _figure(each.recovered, 1),
            str(each.unreadable) if each.unreadable or each.recovered is not None else _NOTHING,
        )
        for each in result.plan.sets
    ]
    head = ("Scheme", "Payload", "Pairs", "of pictures", "Stego (dB)", "Changed (%)")
    return Table("What is judged", (*head, "Recovered (dB)", "Unreadable"), tuple(rows))


def _figure(value: float | None, digits: int) -> str:
    return _NOTHING if value is None else f"{value:.{digits}f}".replace("inf", "∞")


def _areas(result: Result) -> Table:
    rows = []
    for each in result.plan.sets:
        curve = result.curves.get(each.key)
        paper = PUBLISHED_AUC.get(each.key)
        rows.append(
            (
                each.label,
                f"{each.payload:.3g}",
                str(each.pairs),
                f"{curve.auc:.3f} ({curve.low:.3f}…{curve.high:.3f})" if curve else _NOTHING,
                f"{100 * curve.error:.1f} %" if curve else _NOTHING,
                f"{paper:.3f}" if paper else _NOTHING,
            )
        )
    head = ("Scheme", "Payload", "Pairs", f"AUC, {HERE}", f"least error, {HERE}", "AUC, the paper")
    return Table("StegExpose", head, tuple(rows))


def _accuracies(result: Result, lines: Sequence[tuple[About, str]], met: bool) -> Table:
    title = "Judges whose gradients the search used" if met else "Judges that never met the search"
    rows = []
    for each, judge in lines:
        cells = {point.number: _cell(point) for point in result.of(each, judge)}
        figures = [cells.get(number, _NOTHING) for number in result.plan.numbers]
        rows.append((f"{judge_label(judge)}: {each.label}", f"{each.payload:.3g}", *figures))
    numbers = [f"{number} pairs" for number in result.plan.numbers]
    return Table(f"Accuracy in %. {title}", ("Judge and scheme", "Payload", *numbers), tuple(rows))


def _cell(point: Point) -> str:
    found, (low, high) = point.estimate, point.interval
    spread = "" if found.half_width is None or found.count < 3 else f" ± {100 * found.half_width:.1f}"
    return f"{100 * found.mean:.1f}{spread} ({100 * low:.1f}…{100 * high:.1f}), AUC {fmean(point.areas):.3f}"


def _crossings(result: Result) -> Table:
    plan = result.plan
    rows = []
    for scheme in dict.fromkeys(each.scheme for each in plan.sets):
        sets = [each for each in plan.sets if each.scheme == scheme]
        rows.append((sets[0].label, *(_crossing_cell(result, sets, judge) for judge in plan.judges)))
    title = f"Payload at which an accuracy of {100 * CROSSED:.0f} % is reached, with {plan.numbers[-1]} pairs"
    return Table(title, ("Scheme", *map(judge_label, plan.judges)), tuple(rows))


def _crossing_cell(result: Result, sets: Sequence[About], judge: str) -> str:
    """Crossing of the mean, and the least and the most of single seeds where all of them cross between payloads.

    A crossing beyond the payloads has a ? where the interval of the outermost one includes the level.
    """
    points = [p for each in sets for p in result.of(each, judge) if p.number == result.plan.numbers[-1]]
    found = crossing([(p.set.payload, p.estimate.mean) for p in points])
    if found is None:
        return _NOTHING
    seeds = min(len(p.shares) for p in points)
    single = [crossing([(p.set.payload, p.shares[k]) for p in points]) for k in range(seeds)]
    text = f"{'' if found[0] == '=' else found[0] + ' '}{found[1]:.2g}"
    if found[0] != "=":
        low, high = (min if found[0] == "<" else max)(points, key=lambda p: p.set.payload).interval
        text += "?" if low < CROSSED <= high else ""
    text += " (met)" if any(judge in each.met for each in sets) else ""
    inside = [each[1] for each in single if each is not None and each[0] == "="]
    if seeds < 2 or len(inside) < seeds:
        return text
    return f"{text} ({min(inside):.2g}…{max(inside):.2g})"


def render_figure4(store: Store, formats: Sequence[str] = ()) -> Rendered:
    """Write the last run's result beside its rows, as `formats` (md, tex, png) or in all that can be made.

    Raises UsageError where nothing is judged yet, and for a format that was asked for and cannot be made.
    """
    check_formats(formats)
    plan, stored = JudgingPlan.load(store.folder / f"{NAME}.json"), store.rows()
    if not any(job.id in stored for job in plan.jobs):
        raise UsageError(
            f"Nothing is judged yet in {store.folder}.", "Run it first: csfnns experiment figure4 DIR..."
        )
    result = make_result(plan, stored)
    contents: dict[str, Callable[[], dict[str, bytes]]] = {
        "md": lambda: {f"{NAME}.md": markdown(result).encode()},
        "tex": lambda: {f"{NAME}.tex": latex(result).encode()},
        "png": lambda: {f"{NAME}.png": chart(result, TITLE)},
    }
    return write_files(store.folder, contents, formats, markdown(result))


def markdown(result: Result) -> str:
    """Title, tables and notes."""
    parts = [f"# {TITLE}"]
    for table in tables(result):
        align = ["---", *["---:"] * (len(table.head) - 1)]
        lines = [f"| {' | '.join(map(escaped, cells))} |" for cells in (table.head, align, *table.rows)]
        parts += [f"## {table.title}", "\n".join(lines)]
    parts.append("\n".join(f"- {escaped(_ended(note))}" for note in (*result.warnings, *result.notes)))
    return "\n\n".join(parts) + "\n"


def latex(result: Result) -> str:
    """A tabular for each table, with the notes as comments above them."""
    lines = [f"% {_ended(note)}" for note in (TITLE, *result.warnings, *result.notes)]
    for table in tables(result):
        lines += [f"% {table.title}", rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}} \hline"]
        lines.append(" & ".join(map(tex_text, table.head)) + r" \\ \hline")
        lines += [" & ".join(map(tex_text, cells)) + r" \\" for cells in table.rows]
        if result.warnings:
            remark = tex_text(" ".join(result.warnings))
            lines.append(rf"\hline \multicolumn{{{len(table.head)}}}{{l}}{{{remark}}} \\")
        lines += [r"\hline \end{tabular}", ""]
    return "\n".join(lines)


def _ended(note: str) -> str:
    return note.rstrip(".") + "."

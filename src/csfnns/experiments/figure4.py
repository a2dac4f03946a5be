"""Figure 4: undetectability (Sec. 4.3), as the stored scores of `evaluation` show it."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from csfnns.batch.store import Row, Store
from csfnns.errors import UsageError
from csfnns.experiments import report as reports
from csfnns.experiments.base import HERE, PUBLISHED_SIDE
from csfnns.experiments.evaluation import HELD_OUT, NAME, EvaluationPlan, SetSummary
from csfnns.experiments.pairs import AS_STANDARD
from csfnns.experiments.report import DPI, NOTHING, Rendered, Report, Table, chart_data
from csfnns.experiments.statistics import FOUND, Estimate, accuracy, area, crossing, estimate, wilson
from csfnns.steganalysis import DETECTORS, Roc, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Figure 4: undetectability"
PUBLISHED_AUC = {("stegexpose", "paper-6"): 0.5940}
"""Area under the curve that the paper states, by detector and set; Sec. 4.3."""
PUBLISHED_PAIRS = 3000
_LEARNED_STEPS = 10_000
"""Steps below which a network learned far less than in its paper: those have tens of thousands, and more."""
_APART = 1.5
"""Least ratio of two payloads that are both written on an axis: others would overlap."""
_LABELS = {
    **{"stegexpose": "StegExpose", "spam": "SPAM", "srm": "SRM", "residual": "residuals", "dctr": "DCTR"},
    **{"yenet": "YeNet", "siastegnet": "SiaStegNet", "srnet": "SRNet", "xunet": "XuNet"},
}


def detector_label(detector: str) -> str:
    """Name of a detector as its authors write it."""
    return _LABELS.get(detector, detector)


@dataclass(frozen=True)
class Point:
    """A detector on a set, trained on a number of pairs: accuracy over the seeds."""

    set: SetSummary
    detector: str
    pairs: int
    shares: tuple[float, ...]
    """Of right decisions, for each seed."""
    areas: tuple[float, ...]
    """Under the curve of the same scores, for each seed: what the threshold 0.5 may hide."""
    training: tuple[float, ...]
    """Of right decisions on pairs that it was trained on, for each seed that has them."""
    decisions: int
    """Of one seed, on average: covers and stegos held out."""

    @property
    def estimate(self) -> Estimate:
        """Mean over seeds with its t-interval."""
        return estimate(self.shares)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the mean, for the decisions of one seed: seeds share pictures."""
        return wilson(self.estimate.mean, self.decisions)

    @property
    def evaded(self) -> bool:
        """Whether the search used the gradients of this detector."""
        return self.detector in self.set.trained_against


class Result:
    """What the rows that a plan asks for say."""

    def __init__(self, plan: EvaluationPlan, stored: Mapping[str, Row]) -> None:
        self.plan = plan
        done = [(job, stored[job.id]) for job in plan.jobs if job.id in stored]
        rows = [(job, row) for job, row in done if not _diverged(row)]
        self._rows = rows
        groups: dict[tuple[str, str, int], list[Row]] = {}
        for job, row in rows:
            if job.pairs:
                groups.setdefault((job.set, job.detector, job.pairs), []).append(row)
        sets = {each.key: each for each in plan.sets}
        self.points = [_point(sets[key], name, count, found) for (key, name, count), found in groups.items()]
        self.points.sort(key=lambda point: point.pairs)
        unused = len(set(stored) - {job.id for job in plan.jobs})
        stale = f"Stored beside these and not used: {unused} rows of other settings, pairs or code."
        self.notes = (*_notes(plan), *([stale] if unused else []), reports.made_by([row for _, row in rows]))
        self.warnings = (*_warnings(plan, len(done)), *self._doubts(len(done) - len(rows)))

    @cached_property
    def curves(self) -> dict[tuple[str, str], Roc]:
        """Curve of each detector without training, by detector and set."""
        return {key: roc(*scores, paired=True) for key, scores in self.scores(0).items()}

    def scores(self, pairs: int) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
        """Scores of covers and stegos by detector and set, all seeds together, trained on `pairs`; 0 for none."""
        found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
        for job, row in self._rows:
            if job.pairs == pairs:
                covers, stegos = found.setdefault((job.detector, job.set), ([], []))
                covers += _numbers(row["covers"])
                stegos += _numbers(row["stegos"])
        return found

    def of(self, each: SetSummary, detector: str) -> list[Point]:
        """Points of a detector on a set, from few pairs to many."""
        return [point for point in self.points if (point.set, point.detector) == (each, detector)]

    def last(self, sets: Sequence[SetSummary], detector: str) -> list[Point]:
        """Points of a detector on these sets, trained on the most pairs."""
        points = [point for each in sets for point in self.of(each, detector)]
        return [point for point in points if point.pairs == self.plan.pairs[-1]]

    @property
    def schemes(self) -> dict[str, list[SetSummary]]:
        """Sets of each scheme, from small payloads to large ones."""
        found: dict[str, list[SetSummary]] = {}
        for each in self.plan.sets:
            found.setdefault(each.scheme, []).append(each)
        return {name: sorted(sets, key=lambda each: each.payload) for name, sets in found.items()}

    def _doubts(self, diverged: int) -> list[str]:
        """What must not be taken for undetectability."""
        nothing = []
        for detector in self.plan.detectors:
            mine = [point for point in self.points if point.detector == detector]
            if mine and all(point.estimate.mean < FOUND for point in mine):
                training = [share for point in mine for share in point.training]
                share = f" ({100 * fmean(training):.0f} % right on pairs trained on)" if training else ""
                nothing.append(detector_label(detector) + share)
        doubts = []
        if nothing:
            doubts.append(
                f"Found nothing in any set, and may have learned nothing: {', '.join(nothing)}. Such figures are no"
                " evidence: evaluate a set beside these that must be found, such as matching at a rate of 1, or train"
                " longer."
            )
        if diverged:
            doubts.append(f"Left out: {diverged} evaluations of networks that diverged.")
        return doubts

    def report(self) -> Report:
        """Tables, warnings and notes."""
        tables = [self._sets(), self._areas()]
        for evaded in (False, True):
            lines = [
                (each, detector)
                for detector in self.plan.detectors
                for each in self.plan.sets
                if (detector in each.trained_against) == evaded
            ]
            if lines:
                tables.append(self._accuracies(lines, evaded))
        if self.plan.several_payloads:
            tables.append(self._crossings())
        return Report(NAME, TITLE, tuple(tables), self.warnings, self.notes, tuple(self._records()))

    def _records(self) -> Iterator[Mapping[str, Any]]:
        """A record for each evaluation, without the single scores."""
        for _, row in self._rows:
            yield {name: value for name, value in row.items() if isinstance(value, str | int | float)}

    def _sets(self) -> Table:
        rows = [
            (
                each.label,
                f"{each.payload:.3g}",
                str(each.pairs),
                str(each.sources),
                _figure(each.psnr, 1),
                _figure(None if each.changed is None else 100 * each.changed, 1),
                _figure(each.recovered, 1),
                str(each.unreadable) if each.unreadable or each.recovered is not None else NOTHING,
            )
            for each in self.plan.sets
        ]
        head = ("Scheme", "Payload", "Pairs", "of pictures", "Stego (dB)", "Changed (%)")
        return Table("Sets", (*head, "Recovered (dB)", "Unreadable"), tuple(rows))

    def _areas(self) -> Table:
        rows = []
        for detector in self.plan.untrained:
            for each in self.plan.sets:
                curve, paper = self.curves.get((detector, each.key)), PUBLISHED_AUC.get((detector, each.key))
                rows.append(
                    (
                        f"{detector_label(detector)}: {each.label}",
                        f"{each.payload:.3g}",
                        str(each.pairs),
                        f"{curve.auc:.3f} ({curve.low:.3f}…{curve.high:.3f})" if curve else NOTHING,
                        f"{100 * curve.error:.1f} %" if curve else NOTHING,
                        _figure(paper, 3),
                    )
                )
        head = ("Detector and scheme", "Payload", "Pairs", f"AUC, {HERE}", f"least error, {HERE}")
        return Table("Detectors without training", (*head, "AUC, the paper"), tuple(rows))

    def _accuracies(self, lines: Sequence[tuple[SetSummary, str]], evaded: bool) -> Table:
        rows = []
        for each, detector in lines:
            cells = {point.pairs: _cell(point) for point in self.of(each, detector)}
            figures = [cells.get(number, NOTHING) for number in self.plan.pairs]
            rows.append((f"{detector_label(detector)}: {each.label}", f"{each.payload:.3g}", *figures))
        title = "Detectors that the search evades" if evaded else "Detectors unknown to the search"
        head = ("Detector and scheme", "Payload", *(f"{number} pairs" for number in self.plan.pairs))
        return Table(f"Accuracy in %. {title}", head, tuple(rows))

    def _crossings(self) -> Table:
        plan = self.plan
        rows = [
            (sets[0].label, *(_crossing_cell(self.last(sets, detector)) for detector in plan.detectors))
            for sets in self.schemes.values()
        ]
        title = f"Payload at which an accuracy of {100 * FOUND:.0f} % is reached, with {plan.pairs[-1]} pairs"
        return Table(title, ("Scheme", *map(detector_label, plan.detectors)), tuple(rows))


def render_figure4(store: Store, formats: Sequence[str] = ()) -> Rendered:
    """Write the last run's result beside its rows, as `formats` or as the usual ones that can be made.

    Raises UsageError where nothing is evaluated yet, and for a requested format that is unknown or cannot be made.
    """
    reports.check_formats(formats)
    plan, stored = EvaluationPlan.load(store.folder), store.rows()
    if not any(job.id in stored for job in plan.jobs):
        hint = f"Run it first: csfnns experiment {NAME} DIR..."
        raise UsageError(f"Nothing is evaluated yet in {store.folder}.", hint)
    result = Result(plan, stored)
    return reports.write_report(
        result.report(), store.folder, formats, lambda kind: {f"{NAME}.{kind}": chart_data(chart(result), kind)}
    )


def _diverged(row: Row) -> bool:
    network = row["detector"] in DETECTORS and DETECTORS[row["detector"]].kind == "network"
    return network and None in (*row["covers"], *row["stegos"])


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _point(each: SetSummary, detector: str, pairs: int, rows: Sequence[Row]) -> Point:
    return Point(
        each,
        detector,
        pairs,
        shares=tuple(accuracy(row["covers"], row["stegos"]) for row in rows),
        areas=tuple(area(row["covers"], row["stegos"]) for row in rows),
        training=tuple(accuracy(**row["training"]) for row in rows if "training" in row),
        decisions=round(2 * sum(len(row["names"]) for row in rows) / len(rows)),
    )


def _figure(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}".replace("inf", "∞")


def _cell(point: Point) -> str:
    found, (low, high) = point.estimate, point.interval
    spread = "" if found.half_width is None or found.count < 3 else f" ± {100 * found.half_width:.1f}"
    return f"{100 * found.mean:.1f}{spread} ({100 * low:.1f}…{100 * high:.1f}), AUC {fmean(point.areas):.3f}"


def _crossing_cell(points: Sequence[Point]) -> str:
    """Crossing of the mean, and of single seeds from least to most if all cross between payloads.

    A crossing beyond the payloads has a ? where the interval of the outermost one includes the level.
    """
    found = crossing([(point.set.payload, point.estimate.mean) for point in points])
    if found is None:
        return NOTHING
    kind, payload = found
    text = f"{'' if kind == '=' else kind + ' '}{payload:.2g}"
    if kind != "=":
        low, high = next(point.interval for point in points if point.set.payload == payload)
        text += "?" if low < FOUND <= high else ""
    text += " (evaded)" if any(point.evaded for point in points) else ""
    seeds = min(len(point.shares) for point in points)
    each = [crossing([(point.set.payload, point.shares[k]) for point in points]) for k in range(seeds)]
    inside = [single[1] for single in each if single and single[0] == "="]
    return f"{text} ({min(inside):.2g}…{max(inside):.2g})" if 1 < seeds == len(inside) else text


def _warnings(plan: EvaluationPlan, done: int) -> list[str]:
    other = []
    least = min((each.pairs for each in plan.sets), default=PUBLISHED_PAIRS)
    if least < PUBLISHED_PAIRS:
        other.append(f"{least} pairs and not {PUBLISHED_PAIRS}")
    published = f"{PUBLISHED_SIDE}x{PUBLISHED_SIDE}"
    sizes = dict.fromkeys(each.size for each in plan.sets if each.size != published)
    if sizes:
        other.append(f"pictures of {', '.join(sizes)} and not {published}")
    short = [f"{_name(each)}: {each.steps}" for each in plan.sets if each.steps is not None]
    if short:
        other.append(f"searches with other steps than each method's own ({'; '.join(short)})")
    other += _hasty(plan)
    warnings = [f"NOT THE PUBLISHED SETTINGS: {' and '.join(other)}."] if other else []
    if done < len(plan.jobs):
        warnings.append(f"Not finished: {done} of {len(plan.jobs)} evaluations are done.")
    missing = [f"{_name(each)}: {each.missing}" for each in plan.sets if each.missing]
    if missing:
        warnings.append(f"Pairs that were asked for and are missing: {'; '.join(missing)}.")
    return warnings


def _name(each: SetSummary) -> str:
    return f"{each.label}, {each.payload:.3g}"


def _hasty(plan: EvaluationPlan) -> list[str]:
    """Networks that were trained less than in their papers, by their settings in words."""
    found: dict[str, list[str]] = {}
    for detector in plan.detectors:
        settings = dict(re.findall(r"(\w+)=(\w+)", plan.settings[detector]))
        if settings and int(settings["steps"]) < _LEARNED_STEPS:
            words = f"{settings['steps']} steps of {settings['batch']} pairs, squares of {settings['crop']}"
            found.setdefault(words, []).append(detector_label(detector))
    return [
        f"networks trained by {words} ({', '.join(detectors)}) and not by tens of thousands of steps"
        for words, detectors in found.items()
    ]


def _notes(plan: EvaluationPlan) -> list[str]:
    share = round(100 * HELD_OUT)
    notes = [
        "Payload: bits a pixel of the cover; for schemes that hide a picture, of the secret's pixels.",
        "Stego: PSNR against the plain cover, and share of sub-pixels that differ from it, grain included. Recovered:"
        " PSNR before any denoiser, of pairs from which something can be read.",
        "AUC of detectors without training: area under the curve over all pairs of a set, each picture whole, with the"
        " 95 % interval of pairs drawn again; 0.5 is guessing.",
        f"Accuracy: share of right decisions on covers and stegos of pictures held out ({share} % of the source"
        " pictures, others for each seed); mean over seeds ± half the width of its 95 % t-interval (from three seeds"
        " on), and in brackets Wilson's 95 % interval for the number of decisions of one seed. Seeds share pictures,"
        " and crops of one picture are counted as independent: both intervals are rather too narrow.",
        "AUC beside an accuracy: area under the curve of the same scores, mean over seeds; where it is away from 0.5 and"
        " the accuracy is not away from 50 %, the detector finds something and 0.5 is the wrong threshold.",
    ]
    if any(each.label == AS_STANDARD for each in plan.sets):
        notes.append("LSB matching with as many changes as standard holds nothing: its payload is that of standard.")
    notes.append("Each detector is trained from scratch; larger numbers of pairs include the smaller ones.")
    if any("±" in text for text in plan.settings.values()):
        notes.append("Steps by ±4 are of easier pairs: the covers trained on, with half of their levels moved by 4.")
    return notes + [f"Settings of {name}: {text}" for name, text in plan.settings.items() if text != name]


def chart(result: Result) -> "Figure":
    """Curves without training, accuracy against pairs for each detector, accuracy against payload.

    One number of pairs is no curve, and is left out where there are payloads. Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    plan = result.plan
    detectors = [name for name in plan.detectors if any(point.detector == name for point in result.points)]
    panels = [(draw_curves, name) for name in plan.untrained]
    if len(plan.pairs) > 1 or not plan.several_payloads:
        panels += [(draw_pairs, name) for name in detectors]
    if plan.several_payloads:
        panels += [(draw_payloads, name) for name in detectors]
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.4 * columns, 3.8 * rows + 0.8), layout="constrained", dpi=DPI)
    figure.suptitle(TITLE)
    for i, (draw, name) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        draw(axes, result, name)
        axes.legend(fontsize=7)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=7)
    figure.supxlabel(" ".join(result.warnings), fontsize=8, color="0.3", wrap=True)
    return figure


def draw_curves(axes: "Axes", result: Result, detector: str) -> None:
    """ROC curves of a detector without training."""
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
    for each, label, style in _styled(result):
        if curve := result.curves.get((detector, each.key)):
            axes.plot(curve.false_alarms, curve.detections, label=f"{label}: {curve.auc:.3f}", **style)
    axes.set_title(f"{detector_label(detector)}, AUC", fontsize=10)
    axes.set_xlabel("false alarms: share of covers", fontsize=8)
    axes.set_ylabel("detections: share of stegos", fontsize=8)


def draw_pairs(axes: "Axes", result: Result, detector: str) -> None:
    """Accuracy against the number of pairs trained on."""
    for each, label, style in _styled(result):
        _draw_accuracy(axes, [(point.pairs, point) for point in result.of(each, detector)], label, style)
    title = f"{detector_label(detector)}, trained from scratch"
    _describe(axes, title, "pairs to train on", result.plan.pairs)


def draw_payloads(axes: "Axes", result: Result, detector: str) -> None:
    """Accuracy against the payload."""
    for colour, sets in enumerate(result.schemes.values()):
        points = [(point.set.payload, point) for point in result.last(sets, detector)]
        _draw_accuracy(axes, points, sets[0].label, {"color": f"C{colour % 10}", "linestyle": "-"})
    axes.axhline(100 * FOUND, color="0.5", linestyle=":", linewidth=1)
    payloads = list[float]()
    for payload in sorted({each.payload for each in result.plan.sets}):
        if not payloads or payload > _APART * payloads[-1]:
            payloads.append(payload)
    title = f"{detector_label(detector)}, {result.plan.pairs[-1]} pairs"
    _describe(axes, title, "payload, bits a pixel of the cover", payloads)


def _styled(result: Result) -> list[tuple[SetSummary, str, dict[str, Any]]]:
    """Each set with its label and style: a colour for each scheme, a dash for each of its payloads."""
    dashes = ("-", "--", ":", "-.")
    return [
        (each, _name(each), {"color": f"C{colour % 10}", "linestyle": dashes[(len(sets) - 1 - i) % 4]})
        for colour, sets in enumerate(result.schemes.values())
        for i, each in enumerate(sets)
    ]


def _draw_accuracy(axes: "Axes", points: Sequence[tuple[float, Point]], label: str, style: dict[str, Any]) -> None:
    """Means, with Wilson's intervals as bars."""
    if not points:
        return
    means = [100 * point.estimate.mean for _, point in points]
    ends = 100 * np.array([point.interval for _, point in points]).T
    bars = np.maximum([means - ends[0], ends[1] - means], 0).tolist()
    label += ", evaded" if any(point.evaded for _, point in points) else ""
    style |= {"marker": "o", "markersize": 4, "capsize": 3}
    axes.errorbar([place for place, _ in points], means, yerr=bars, label=label, **style)


def _describe(axes: "Axes", title: str, below: str, ticks: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
    axes.minorticks_off()
    axes.axhline(50, color="0.7", linestyle="--", linewidth=1)
    axes.set_ylim(min(40, axes.get_ylim()[0]), 102)  # one scale for all, so that guessing looks like guessing
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(below, fontsize=8)
    axes.set_ylabel("accuracy, %", fontsize=8)

"""Charts of the folders that `csfnns experiment` writes: ROC curves of detectors, accuracies, and the frontier."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from csfnns.batch.store import FILE as ROWS
from csfnns.batch.store import Store
from csfnns.errors import CsfnnsError, UsageError
from csfnns.experiments import EXPERIMENTS, Experiment, PairSet, Plan, load_pairs
from csfnns.experiments.base import dataset_label
from csfnns.experiments.evaluation import NAME as FIGURE4
from csfnns.experiments.evaluation import EvaluationPlan, SetSummary
from csfnns.experiments.figure4 import Point, Result, detector_label
from csfnns.experiments.pairs import SPEC
from csfnns.experiments.report import Sheet
from csfnns.experiments.statistics import FOUND
from csfnns.extras import has
from csfnns.images.io import picture_size
from csfnns.steganalysis import DETECTORS, make_detector, roc_curve, shipped_networks
from csfnns.web.svg import MOST_CURVES, Axis, Curve, chart

MOST_BYTES = 32 << 20
"""Of each file that is read."""
MOST_FIGURES = 24
SECONDS = 8.0
"""For scoring a set of pairs, all detectors together."""
MOST_PIXELS = 1 << 20
"""Of a picture of a pair."""
_LEAST = 10  # pairs that a curve needs
_MOST = 1e9  # what a figure on an axis may be
_ROC = Axis("false alarms: share of covers", 0, 1), Axis("detections: share of stegos", 0, 1)
_DIAGONAL = ((0.0, 0.0), (1.0, 1.0))
_AXES = (("stego_psnr", "recovered_psnr"), ("stego_psnr", "stego_ssim"), ("recovered_psnr", "recovered_ssim"))
"""Columns of a table that a chart is made of: the first two that it has."""
_GUESSING = "0.5 is guessing, and so is the dashed line."

Figure = dict[str, str]
"""`title`, `svg` and `sentence`."""


def results_folder(folder: Path) -> dict[str, Any]:
    """`name`, and `figures` of a folder of `csfnns experiment pairs`, `figure4` or `run`. Nothing is written there.

    The pairs of a set are scored here, for at most some seconds. Raises UsageError for a folder without results, and for
    files that are damaged, too large or of another version.
    """
    with _damaged(folder):
        figures = [*_of_pairs(folder), *_of_figure4(folder)]
        for name, experiment in EXPERIMENTS.entries().items():
            figures += _of_table(folder, name, experiment)
    if not figures:
        hint = "Give one that csfnns experiment pairs, figure4 or run has written; experiment render shows all tables."
        raise UsageError(f"There are no curves to draw in {folder}.", hint)
    return {"name": folder.name, "figures": figures[:MOST_FIGURES]}


@contextmanager
def _damaged(folder: Path) -> Iterator[None]:
    """Raise UsageError for what a damaged file makes the programs that read it stumble over."""
    try:
        yield
    except CsfnnsError:
        raise
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        RecursionError,
    ) as error:
        raise UsageError(
            f"The results in {folder} are damaged.", "Run the experiment again, into another folder."
        ) from error


def _is_there(folder: Path, name: str) -> bool:
    """Whether a folder has a description of that name, with rows beside it that can be read."""
    if not (folder / name).is_file():
        return False
    for path in (folder / name, folder / ROWS):
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            reason = f"{path} has more than {MOST_BYTES >> 20} MB."
            raise UsageError(reason, "Show a smaller run, or use csfnns experiment render.")
    return True


def _of_pairs(folder: Path) -> Iterator[Figure]:
    if not _is_there(folder, SPEC):
        return
    pairs = load_pairs(folder)
    scores = _scores(pairs)
    curves = [
        _roc(f"{detector_label(name)}, {len(c)} pairs", c, s) for name, (c, s) in scores.items() if len(c) >= _LEAST
    ]
    slow = [detector_label(name) for name, (c, _) in scores.items() if len(c) < _LEAST]
    about = f"Up to {len(pairs.names)} pairs, scored just now in a few seconds; of 100, an area is off by up to"
    about += f" {_spread(100):.2f}, of 1000 by {_spread(1000):.2f}. {_GUESSING}"
    about += f" Left out, for want of time or pairs: {', '.join(slow)}." if slow else ""
    about += f" The search evades {', '.join(pairs.trained_against)}." if pairs.trained_against else ""
    yield from _charts(f"ROC of detectors: {pairs.label}", *_ROC, curves, about, _DIAGONAL)
    points = [(row.get("psnr"), row.get("recovered")) for row in pairs.figures.values()]
    yield from _frontier(f"Frontier: {pairs.label}", {pairs.label: points}, "A point for each pair.")


def _scores(pairs: PairSet) -> dict[str, tuple[list[float], list[float]]]:
    """Scores of covers and stegos by each detector that needs no training: fast ones of all pairs, others of some."""
    shipped, end = shipped_networks(), time.monotonic() + SECONDS
    found: dict[str, tuple[list[float], list[float]]] = {}
    for name, entry in DETECTORS.entries().items():
        trained = entry.kind == "statistic" or name in shipped
        if not trained or entry.reads != "levels" or not all(map(has, entry.extras)):
            continue
        until = min(time.monotonic() + SECONDS / 4, end)
        detector = make_detector(name)
        covers, stegos = found[name] = [], []
        for pair in pairs.names:
            if time.monotonic() > until or not _is_small(pairs.path("covers", pair)):
                break
            covers.append(detector.score(pairs.cover(pair)))
            stegos.append(detector.score(pairs.stego(pair)))
    return found


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= MOST_BYTES and math.prod(picture_size(path)) <= MOST_PIXELS


def _of_figure4(folder: Path) -> Iterator[Figure]:
    if not _is_there(folder, f"{FIGURE4}.json"):
        return
    plan = EvaluationPlan.load(folder)
    result = Result(plan, Store(folder, must_exist=True).rows())
    remark = " ".join(result.warnings)
    labels = {each.key: _label(each) for each in plan.sets}
    for pairs in (0, *plan.pairs[-1:]):
        by_detector: dict[str, list[Curve]] = {}
        for (detector, key), sides in result.scores(pairs).items():
            by_detector.setdefault(detector, []).append(_roc(labels[key], *sides))
        how = f", trained on {pairs} pairs" if pairs else ""
        for detector, curves in by_detector.items():
            title = f"ROC of {detector_label(detector)}{how}"
            yield from _charts(title, *_ROC, curves, f"{_GUESSING} {remark}", _DIAGONAL)
    for detector in plan.detectors:
        points = [point for point in result.points if point.detector == detector]
        if plan.several_payloads:
            last = [(each.set.label, each.set.payload, each) for each in points if each.pairs == plan.pairs[-1]]
            yield from _accuracies(detector, "payload, bits a pixel of the cover", last, remark)
        if len(plan.pairs) > 1:
            every = [(labels[each.set.key], each.pairs, each) for each in points]
            yield from _accuracies(detector, "pairs to train on", every, remark)
    groups = {sets[0].label: [(each.psnr, each.recovered) for each in sets] for sets in result.schemes.values()}
    yield from _frontier("Frontier of the sets", groups, f"A point for each payload. {remark}")


def _accuracies(detector: str, below: str, points: Iterable[tuple[str, float, Point]], remark: str) -> Iterator[Figure]:
    """Accuracy of a trained detector, from the name of a line, the place on its axis and the point."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, place, point in points:
        accuracy = 100 * point.estimate.mean
        if 1 / _MOST < place < _MOST and 0 <= accuracy <= 100:
            lines.setdefault(name + (", evaded" if point.evaded else ""), []).append((place, accuracy))
    if lines:
        x = Axis.around(below, [place for line in lines.values() for place, _ in line], log=True)
        y = Axis("right decisions, %", min(40.0, *(accuracy for line in lines.values() for _, accuracy in line)), 102)
        sentence = f"50 % is guessing; from {100 * FOUND:.0f} % on, a scheme counts as detected. {remark}"
        title = f"Accuracy of {detector_label(detector)} by {below.partition(',')[0]}"
        curves = [Curve(name, sorted(line)) for name, line in lines.items()]
        yield from _charts(title, x, y, curves, sentence, ((x.low, 50.0), (x.high, 50.0)))


def _of_table(folder: Path, name: str, experiment: Experiment) -> Iterator[Figure]:
    places = {column.key: i for i, column in enumerate(experiment.columns)}
    axes = next((axes for axes in _AXES if set(axes) <= set(places)), None)
    if axes is None or not _is_there(folder, f"{name}.json"):
        return
    plan = Plan.load(folder, name)
    sheet = Sheet(experiment, plan, Store(folder, must_exist=True).rows())
    headings = [experiment.columns[places[key]].heading for key in axes]
    for k, dataset in enumerate(plan.secrets):
        groups = {}
        for line in sheet.lines:
            found = [line.entries[k * len(places) + places[key]].estimate for key in axes]
            x, y = (None if each is None else each.mean for each in found)
            groups[f"{line.label}, {line.part}, {line.source}"] = [(x, y)]
        remark = f"Means over pictures. {sheet.report().remark}"
        yield from _frontier(f"{experiment.title}: {dataset_label(dataset)}", groups, remark, headings)


def _frontier(
    title: str,
    groups: Mapping[str, Iterable[tuple[float | None, float | None]]],
    sentence: str,
    headings: Sequence[str] = ("PSNR of the stego against the cover (dB)", "PSNR of what arrives (dB)"),
) -> Iterator[Figure]:
    """How near the stego is to the cover, against how well the secret arrives: both are better when they are higher."""
    curves = [
        Curve(
            name, [(x, y) for x, y in points if x is not None and y is not None and _shown(x) and _shown(y)], line=False
        )
        for name, points in groups.items()
    ]
    curves = [curve for curve in curves if curve.points]
    if curves:
        axes = [
            Axis.around(label, [point[i] for curve in curves for point in curve.points])
            for i, label in enumerate(headings)
        ]
        sentence = f"Further right and further up are better. {sentence}"
        yield from _charts(title, axes[0], axes[1], curves, sentence)


def _charts(
    title: str, x: Axis, y: Axis, curves: Sequence[Curve], sentence: str, guessing: Sequence[tuple[float, float]] = ()
) -> Iterator[Figure]:
    """As many charts as the curves need."""
    starts = range(0, len(curves), MOST_CURVES)
    for k in starts:
        part = f" ({k // MOST_CURVES + 1} of {len(starts)})" if len(starts) > 1 else ""
        svg = chart(title + part, x, y, curves[k : k + MOST_CURVES], guessing)
        yield {"title": title + part, "svg": svg, "sentence": sentence.strip()}


def _roc(name: str, covers: Sequence[float], stegos: Sequence[float]) -> Curve:
    """Curve with its area in its name; NaN counts as least suspicious."""
    c, s = (np.where(np.isnan(np.array(side, float)), -np.inf, side) for side in (covers, stegos))
    alarms, found = roc_curve(c, s)
    area = float((np.diff(alarms) * (found[1:] + found[:-1])).sum() / 2)
    return Curve(f"AUC {area:.3f}: {name}", list(zip(alarms.tolist(), found.tolist(), strict=True)))


def _spread(count: int) -> float:
    """Half the width of the 95 % interval of an area at guessing, for so many covers and stegos (Mann and Whitney)."""
    return 1.96 * math.sqrt((2 * count + 1) / 12) / count


def _label(each: SetSummary) -> str:
    return f"{each.label}, {each.payload:.3g} bits a pixel"


def _shown(value: float) -> bool:
    return abs(value) < _MOST

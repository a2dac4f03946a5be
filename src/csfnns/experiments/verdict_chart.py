"""Figure 4 as a picture: curves, accuracy against pairs, accuracy against payload."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from csfnns.experiments.judging import About, JudgingPlan
from csfnns.experiments.verdicts import CROSSED, Point, Result, judge_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = 1.5
"""Between two payloads that are both named on their axis, at least: others would overlap."""


def chart(result: Result, title: str) -> bytes:
    """PNG: StegExpose's curves, accuracy against pairs for each judge, accuracy against payload where there are several.

    One number of pairs is no curve, and is left out where there are payloads. Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    plan = result.plan
    judges = [judge for judge in plan.judges if any(point.judge == judge for point in result.points)]
    panels: list[Callable[[Axes], None]] = [lambda axes: _draw_curves(axes, result)]
    if len(plan.numbers) > 1 or not plan.several_payloads:
        panels += [lambda axes, judge=judge: _draw_numbers(axes, result, judge) for judge in judges]  # type: ignore[misc]
    if plan.several_payloads:
        panels += [lambda axes, judge=judge: _draw_payloads(axes, result, judge) for judge in judges]  # type: ignore[misc]
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.4 * columns, 3.8 * rows + 0.8), layout="constrained", dpi=150)
    figure.suptitle(title)
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for draw, place in zip(panels, axes, strict=False):
        draw(place)
    for place in axes[len(panels) :]:
        place.set_axis_off()
    figure.supxlabel(" ".join(result.warnings), fontsize=8, color="0.3", wrap=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _style(plan: JudgingPlan, each: About) -> dict[str, Any]:
    """A colour for each scheme, a dash for each of its payloads."""
    schemes = list(dict.fromkeys(one.scheme for one in plan.sets))
    payloads = sorted(one.payload for one in plan.sets if one.scheme == each.scheme)
    dashes = ("-", "--", ":", "-.")
    return {
        "color": f"C{schemes.index(each.scheme) % 10}",
        "linestyle": dashes[payloads[::-1].index(each.payload) % len(dashes)],
    }


def _in_order(plan: JudgingPlan) -> list[About]:
    """Sets scheme by scheme, from small payloads to large ones."""
    schemes = list(dict.fromkeys(each.scheme for each in plan.sets))
    return sorted(plan.sets, key=lambda each: (schemes.index(each.scheme), each.payload))


def _draw_curves(axes: "Axes", result: Result) -> None:
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
    for each in _in_order(result.plan):
        if curve := result.curves.get(each.key):
            label = f"{each.label}, {each.payload:.3g}: {curve.auc:.3f}"
            axes.plot(curve.false_alarms, curve.detections, label=label, **_style(result.plan, each))
    axes.set_title("StegExpose, AUC", fontsize=10)
    axes.set_xlabel("false alarms: share of covers", fontsize=8)
    axes.set_ylabel("detections: share of stegos", fontsize=8)
    _finish(axes)


def _draw_numbers(axes: "Axes", result: Result, judge: str) -> None:
    for each in _in_order(result.plan):
        if points := result.of(each, judge):
            met = ", met" if judge in each.met else ""
            label = f"{each.label}, {each.payload:.3g}{met}"
            _bars(axes, [point.number for point in points], points, label, _style(result.plan, each))
    axes.set_xscale("log")
    axes.set_xticks(result.plan.numbers, [str(number) for number in result.plan.numbers])
    axes.minorticks_off()
    _describe(axes, f"{judge_label(judge)}, learning from scratch", "pairs to learn from")


def _draw_payloads(axes: "Axes", result: Result, judge: str) -> None:
    plan = result.plan
    for scheme in dict.fromkeys(each.scheme for each in plan.sets):
        sets = sorted((each for each in plan.sets if each.scheme == scheme), key=lambda each: each.payload)
        points = [p for each in sets for p in result.of(each, judge) if p.number == plan.numbers[-1]]
        if points:
            style = {"color": _style(plan, sets[0])["color"], "linestyle": "-"}
            met = ", met" if any(judge in each.met for each in sets) else ""
            _bars(axes, [point.set.payload for point in points], points, sets[0].label + met, style)
    axes.axhline(100 * CROSSED, color="0.5", linestyle=":", linewidth=1)
    payloads = list[float]()
    for payload in sorted({each.payload for each in plan.sets}):
        if not payloads or payload > _APART * payloads[-1]:
            payloads.append(payload)
    axes.set_xscale("log")
    axes.set_xticks(payloads, [f"{payload:.3g}" for payload in payloads])
    axes.minorticks_off()
    _describe(axes, f"{judge_label(judge)}, {plan.numbers[-1]} pairs", "payload, bits a pixel of the cover")


def _bars(
    axes: "Axes", places: Sequence[float], points: Sequence[Point], label: str, style: Mapping[str, Any]
) -> None:
    """Means, with Wilson's intervals as bars."""
    means = [100 * point.estimate.mean for point in points]
    bars = [
        [mean - 100 * point.interval[0] for mean, point in zip(means, points, strict=True)],
        [100 * point.interval[1] - mean for mean, point in zip(means, points, strict=True)],
    ]
    axes.errorbar(
        places, means, yerr=np.maximum(bars, 0), label=label, marker="o", markersize=4, capsize=3, **style
    )


def _describe(axes: "Axes", title: str, below: str) -> None:
    axes.axhline(50, color="0.7", linestyle="--", linewidth=1)
    # One scale for all, so that guessing looks like guessing.
    axes.set_ylim(min(40, axes.get_ylim()[0]), 102)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(below, fontsize=8)
    axes.set_ylabel("accuracy, %", fontsize=8)
    _finish(axes)


def _finish(axes: "Axes") -> None:
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=7)

"""What the scores that judging.py keeps say: curves, accuracies with their intervals, crossings."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from csfnns.experiments.base import PUBLISHED_SIDE
from csfnns.experiments.judging import HELD_OUT, UNTAUGHT, About, JudgingPlan
from csfnns.experiments.pair_set import AS_STANDARD
from csfnns.experiments.sheet import made_by
from csfnns.experiments.statistics import Estimate, estimate, wilson
from csfnns.experiments.store import Row
from csfnns.steganalysis import NETWORKS, Roc, roc

CROSSED = 0.55
"""Accuracy from which a scheme counts as found."""
PUBLISHED_PAIRS = 3000
_LEARNED_STEPS = 10_000
"""Steps below which a network learned far less than in its paper: those have tens of thousands, and more."""

_LABELS = {"yenet": "YeNet", "siastegnet": "SiaStegNet", "srnet": "SRNet", "xunet": "XuNet", "spam": "SPAM"}


@dataclass(frozen=True)
class Point:
    """A judge on a set, taught by so many pairs: accuracy over the seeds."""

    set: About
    judge: str
    number: int
    shares: tuple[float, ...]
    """Of right verdicts, for each seed."""
    areas: tuple[float, ...]
    """Under the curve of the same scores, for each seed: what 0.5 as the threshold may hide."""
    known: tuple[float, ...]
    """Of right verdicts on pairs that it learned from, for each seed that tells."""
    verdicts: int
    """Of one seed, on average: covers and stegos held out."""

    @property
    def estimate(self) -> Estimate:
        """Mean over seeds with its t-interval."""
        return estimate(self.shares)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the mean, as of one seed's verdicts: seeds judge the same pictures again."""
        return wilson(self.estimate.mean, self.verdicts)


@dataclass(frozen=True)
class Result:
    """All that is known of a run, before it becomes Markdown, LaTeX or a chart."""

    plan: JudgingPlan
    curves: Mapping[str, Roc]
    """StegExpose's, by set."""
    points: tuple[Point, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def of(self, each: About, judge: str) -> list[Point]:
        """Points of a judge on a set, from few pairs to many."""
        return [point for point in self.points if (point.set, point.judge) == (each, judge)]


def accuracy(covers: Sequence[float | None], stegos: Sequence[float | None]) -> float:
    """Share of right verdicts at 0.5; half for a score of just that. Pictures that cannot be told count as covers."""
    c, s = (np.array([0.0 if score is None else score for score in side]) for side in (covers, stegos))
    right = np.concatenate([np.sign(0.5 - c), np.sign(s - 0.5)])
    return float((right + 1).mean() / 2)


def area(covers: Sequence[float | None], stegos: Sequence[float | None]) -> float:
    """How often a stego scores higher than a cover, half for ties; pictures that cannot be told score least."""
    c, s = (np.array([-np.inf if score is None else score for score in side]) for side in (covers, stegos))
    return float(((s[:, None] > c) + (s[:, None] == c) / 2).mean())


def crossing(points: Sequence[tuple[float, float]], level: float = CROSSED) -> tuple[str, float] | None:
    """Payload at which an accuracy reaches the level: ("=", payload) between two payloads that were measured, on a line
    over the logarithm; ("<", the least) or (">", the most) beyond them. Points are (payload, accuracy).

    None without points.
    """
    if not points:
        return None
    ordered = sorted(points)
    if ordered[0][1] >= level:
        return "<", ordered[0][0]
    for (low, below), (high, above) in pairwise(ordered):
        if above >= level:
            share = (level - below) / (above - below)
            return "=", low * (high / low) ** share
    return ">", ordered[-1][0]


def make_result(plan: JudgingPlan, stored: Mapping[str, Row]) -> Result:
    """What the rows that the plan asks for say."""
    done = [(job, stored[job.id]) for job in plan.jobs if job.id in stored]
    rows = [(job, row) for job, row in done if not _diverged(row)]
    sets = {each.key: each for each in plan.sets}
    curves = {
        job.set: roc(_scores(row["covers"]), _scores(row["stegos"]), paired=True)
        for job, row in rows
        if job.judge == UNTAUGHT
    }
    points = []
    for each in plan.sets:
        for judge in plan.judges:
            for number in plan.numbers:
                mine = [
                    row for job, row in rows if (job.set, job.judge, job.number) == (each.key, judge, number)
                ]
                if mine:
                    shares = tuple(accuracy(row["covers"], row["stegos"]) for row in mine)
                    areas = tuple(area(row["covers"], row["stegos"]) for row in mine)
                    known = tuple(accuracy(**row["known"]) for row in mine if "known" in row)
                    verdicts = round(2 * sum(len(row["names"]) for row in mine) / len(mine))
                    points.append(Point(sets[each.key], judge, number, shares, areas, known, verdicts))
    notes = (*_notes(plan), *_unused(plan, stored), made_by([row for _, row in rows]))
    warnings = [*_warnings(plan, len(done)), *_doubts(plan, points, len(done) - len(rows))]
    return Result(plan, curves, tuple(points), tuple(warnings), notes)


def _diverged(row: Row) -> bool:
    return row["judge"] in NETWORKS and None in (*row["covers"], *row["stegos"])


def _scores(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _warnings(plan: JudgingPlan, done: int) -> list[str]:
    other = []
    if any(each.pairs < PUBLISHED_PAIRS for each in plan.sets):
        least = min(each.pairs for each in plan.sets)
        other.append(f"{least} pairs and not {PUBLISHED_PAIRS}")
    published = f"{PUBLISHED_SIDE}x{PUBLISHED_SIDE}"
    sizes = dict.fromkeys(each.size for each in plan.sets if each.size != published)
    if sizes:
        other.append(f"pictures of {', '.join(sizes)} and not {published}")
    short = [
        f"{each.label}, {each.payload:.3g}: {each.steps}" for each in plan.sets if each.steps is not None
    ]
    if short:
        other.append(f"searches with other steps than each method's own ({'; '.join(short)})")
    other += _hasty(plan)
    warnings = [f"NOT THE PUBLISHED SETTINGS: {' and '.join(other)}."] if other else []
    if done < len(plan.jobs):
        warnings.append(f"Not finished: {done} of {len(plan.jobs)} judgements are made.")
    missing = [f"{each.label}, {each.payload:.3g}: {each.missing}" for each in plan.sets if each.missing]
    return warnings + (
        [f"Pairs that were asked for and are missing: {'; '.join(missing)}."] if missing else []
    )


def _hasty(plan: JudgingPlan) -> list[str]:
    """Networks that learned less than in their papers, by their settings in words."""
    found: dict[str, list[str]] = {}
    for judge in plan.judges:
        told = dict(re.findall(r"(\w+)=(\w+)", plan.settings[judge]))
        if judge in NETWORKS and int(told["steps"]) < _LEARNED_STEPS:
            words = f"{told['steps']} steps of {told['batch']} pairs, squares of {told['crop']}"
            found.setdefault(words, []).append(judge_label(judge))
    return [
        f"networks taught by {words} ({', '.join(judges)}) and not by tens of thousands of steps"
        for words, judges in found.items()
    ]


def _doubts(plan: JudgingPlan, points: Sequence[Point], diverged: int) -> list[str]:
    """What must not be taken for undetectability."""
    nothing = []
    for judge in plan.judges:
        mine = [point for point in points if point.judge == judge]
        if mine and all(point.estimate.mean < CROSSED for point in mine):
            known = [share for point in mine for share in point.known]
            told = f" ({100 * fmean(known):.0f} % right on pairs that it learned from)" if known else ""
            nothing.append(judge_label(judge) + told)
    doubts = []
    if nothing:
        doubts.append(
            f"Found nothing in any set, and may have learned nothing: {', '.join(nothing)}. Such figures are no"
            " evidence: judge a set beside these that is surely found, such as matching at a rate of 1, or teach longer."
        )
    if diverged:
        doubts.append(f"Left out: {diverged} judgements of networks that diverged.")
    return doubts


def _unused(plan: JudgingPlan, stored: Mapping[str, Row]) -> list[str]:
    others = set(stored) - {job.id for job in plan.jobs}
    return (
        [f"Stored beside these and not used: {len(others)} rows of other settings, pairs or code."]
        if others
        else []
    )


def _notes(plan: JudgingPlan) -> list[str]:
    share = round(100 * HELD_OUT)
    return [
        "Payload: bits a pixel of the cover; for schemes that hide a picture, of the secret's pixels.",
        "Stego: PSNR against the plain cover, and share of sub-pixels that differ from it, grain included. Recovered:"
        " PSNR before any denoiser, of pairs from which something can be read.",
        "AUC: area under StegExpose's curve over all pairs of a set, each picture whole, with the 95 % interval of"
        " pairs drawn again; 0.5 is guessing.",
        f"Accuracy: share of right verdicts on covers and stegos of pictures held out ({share} % of the source"
        " pictures, others for each seed); mean over seeds ± half the width of its 95 % t-interval (from three seeds"
        " on), and in brackets Wilson's 95 % interval for as many verdicts as one seed has. Seeds share pictures, and"
        " crops of one picture are counted as independent: both intervals are rather too narrow.",
        "AUC beside an accuracy: area under the curve of the same scores, mean over seeds; where it is away from 0.5 and"
        " the accuracy is not from 50 %, the judge finds something and 0.5 is the wrong threshold.",
        *(
            ["LSB matching with as many changes as standard holds nothing: its payload is that of standard."]
            if any(each.label == AS_STANDARD for each in plan.sets)
            else []
        ),
        "Each judge learns from scratch; of fewer pairs, all are among the more.",
        *(
            ["Steps by ±4 are of easier pairs: the covers learned from, and half of their levels moved by 4."]
            if any("±" in text for text in plan.settings.values())
            else []
        ),
        *(f"Settings of {judge}: {text}" for judge, text in plan.settings.items() if text != judge),
    ]


def judge_label(judge: str) -> str:
    """Name of a judge as its authors write it."""
    return _LABELS.get(judge, judge)

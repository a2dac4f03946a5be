"""How well scores separate stegos from covers: the curve, the area under it with an interval, the least error."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from csfnns.errors import UsageError
from csfnns.steganalysis.base import F64

_RESAMPLES = 2000


@dataclass(frozen=True)
class Roc:
    """Receiver operating characteristic of scores that are higher for stegos."""

    false_alarms: F64
    """Share of the covers at or above each threshold, from 0 to 1."""
    detections: F64
    """Share of the stegos at or above it."""
    auc: float
    """Area under the curve: how often a stego scores higher than a cover, half for ties. 0.5 is guessing."""
    low: float
    high: float
    """Its 95 % interval, by bootstrap over pictures."""
    error: float
    """Least mean of missed stegos and false alarms over all thresholds, P_E."""


def roc(covers: Sequence[float] | F64, stegos: Sequence[float] | F64, *, paired: bool = False, seed: int = 1) -> Roc:
    """Curve of the scores; NaN counts as least suspicious. With `paired`, the i-th stego was made from the i-th cover.

    Raises UsageError without a score on either side, and for pairs of different numbers.
    """
    if not len(covers) or not len(stegos) or (paired and len(covers) != len(stegos)):
        raise UsageError(
            f"A curve takes scores of both sides, got {len(covers)} of covers and {len(stegos)} of stegos.",
            "Give equally many of both." if paired else "Give some of both.",
        )
    c, s = (np.where(np.isnan(each), -np.inf, each) for each in (covers, stegos))
    false_alarms, detections = roc_curve(c, s)
    wins = (s[:, None] > c) + (s[:, None] == c) / 2  # (stegos, covers)
    areas = _resampled_areas(wins, paired, np.random.default_rng(seed))
    low, high = map(float, np.quantile(areas, (0.025, 0.975)))
    error = float(((1 - detections + false_alarms) / 2).min())
    return Roc(false_alarms, detections, float(wins.mean()), low, high, error)


def roc_curve(covers: F64, stegos: F64) -> tuple[F64, F64]:
    """False alarms and detections of `Roc`, from (0, 0) to (1, 1), of scores without NaN; at least one of each."""
    thresholds = np.unique(np.concatenate([covers, stegos]))[::-1]
    alarms, found = (
        np.concatenate([[0.0], (len(values) - np.searchsorted(np.sort(values), thresholds)) / len(values)])
        for values in (covers, stegos)
    )
    return alarms, found


def _resampled_areas(wins: F64, paired: bool, random: np.random.Generator) -> F64:
    """Areas when pictures are drawn with replacement: a cover and its stego together, or each side on its own."""
    stegos, covers = wins.shape
    s = random.multinomial(stegos, np.full(stegos, 1 / stegos), _RESAMPLES) / stegos  # (resamples, stegos)
    c = s if paired else random.multinomial(covers, np.full(covers, 1 / covers), _RESAMPLES) / covers
    return np.asarray(((s @ wins) * c).sum(axis=1))


def draw(result: Roc, title: str) -> bytes:
    """PNG of the curve. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained", dpi=150)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
    axes.plot(result.false_alarms, result.detections, color="#1f5fa8")
    axes.set_title(f"{title}: AUC {result.auc:.3f} ({result.low:.3f}…{result.high:.3f})", fontsize=10)
    axes.set_xlabel("false alarms: share of covers")
    axes.set_ylabel("detections: share of stegos")
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()

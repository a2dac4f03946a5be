"""An ensemble of Fisher linear discriminants: each sees some features of some pairs, the majority decides.

Kodovský, Fridrich and Holub, "Ensemble classifiers for steganalysis of digital media", IEEE Trans. Information
Forensics and Security 7 (2012).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.steganalysis.base import F64

MEMBERS = 101
_SUBSPACES = (25, 50, 100, 200, 400)
_RIDGE = 1e-2  # of standardised features: with few pairs, directions without any spread must not count


@dataclass(frozen=True)
class Ensemble:
    """Members w·f > t on features f."""

    weights: F64
    """(members, features), 0 for features outside a member's subspace."""
    thresholds: F64
    """(members,)"""
    error: float
    """Share of wrong verdicts on training pairs by the members that did not see them (out of bag)."""

    @classmethod
    def fit(cls, covers: F64, stegos: F64, *, seed: int = 1, members: int = MEMBERS) -> Self:
        """Learn from features of pairs, both (N, features); the subspaces' size has the least out-of-bag error.

        Raises UsageError unless both have one shape with N ≥ 4.
        """
        if covers.shape != stegos.shape or covers.ndim != 2 or len(covers) < 4:
            raise UsageError(
                f"{len(covers)} covers and {len(stegos)} stegos are no pairs to learn from.",
                "Give a stego for each cover, and at least 4 of both.",
            )
        both = np.concatenate([covers, stegos])
        mean, spread = both.mean(axis=0), both.std(axis=0)
        scale = np.where(spread > 0, spread, 1)
        sizes = [size for size in _SUBSPACES if size < covers.shape[1]] or [covers.shape[1]]
        standard = (covers - mean) / scale, (stegos - mean) / scale
        tries = [_grow(*standard, size, members, np.random.default_rng([seed, size])) for size in sizes]
        best = min(tries, key=lambda each: each.error)
        return cls(best.weights / scale, best.thresholds + (best.weights / scale) @ mean, best.error)

    def votes(self, features: F64) -> F64:
        """Share of members that call each picture stego: (N, features) → (N,) in [0, 1]."""
        return (features @ self.weights.T > self.thresholds).mean(axis=1)


def _grow(covers: F64, stegos: F64, size: int, members: int, random: np.random.Generator) -> Ensemble:
    """Ensemble with subspaces of one size, in standardised features."""
    pairs, features = covers.shape
    weights, thresholds = np.zeros((members, features)), np.zeros(members)
    unseen = np.zeros((members, pairs), bool)
    for i in range(members):
        subspace = random.choice(features, size, replace=False)
        drawn = random.integers(0, pairs, pairs)  # a cover and its stego are drawn together
        unseen[i] = ~np.isin(np.arange(pairs), drawn)
        direction, thresholds[i] = _discriminant(
            covers[np.ix_(drawn, subspace)], stegos[np.ix_(drawn, subspace)]
        )
        weights[i, subspace] = direction
    return Ensemble(weights, thresholds, _unseen_error(weights, thresholds, covers, stegos, unseen))


def _discriminant(covers: F64, stegos: F64) -> tuple[F64, float]:
    """Fisher's direction, and the threshold with the fewest errors on these pictures."""
    scatter = np.cov(covers, rowvar=False, bias=True) + np.cov(stegos, rowvar=False, bias=True)
    scatter.reshape(-1)[:: len(scatter) + 1] += _RIDGE
    direction = np.linalg.solve(scatter, stegos.mean(axis=0) - covers.mean(axis=0))
    return direction, best_threshold(covers @ direction, stegos @ direction)


def best_threshold(covers: F64, stegos: F64) -> float:
    """Threshold between two of the values with the fewest covers above and stegos below; of several the middle one."""
    values = np.sort(np.concatenate([covers, stegos]))
    between = (values[1:] + values[:-1]) / 2
    alarms = len(covers) - np.searchsorted(np.sort(covers), between, side="right")
    misses = np.searchsorted(np.sort(stegos), between, side="right")
    best = np.flatnonzero(alarms + misses == (alarms + misses).min())
    return float(between[best[len(best) // 2]])


def _unseen_error(
    weights: F64, thresholds: F64, covers: F64, stegos: F64, unseen: npt.NDArray[np.bool_]
) -> float:
    """Share of wrong majorities among members that did not see the pair; half for a tie; pairs all saw left out."""
    judges = unseen.sum(axis=0)  # (N,)
    known = judges > 0
    wrong = []
    for features, truth in ((covers, 0.0), (stegos, 1.0)):
        votes = ((weights @ features.T > thresholds[:, None]) & unseen).sum(axis=0)[known] / judges[known]
        verdicts = (np.sign(votes - 0.5) + 1) / 2  # 0, ½ or 1
        wrong.append(abs(verdicts - truth))
    return float(np.mean(wrong))

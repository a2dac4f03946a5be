"""Detectors that classify features of a picture by an ensemble trained on covers and stegos.

Kodovský, Fridrich and Holub, "Ensemble classifiers for steganalysis of digital media", IEEE Trans. Information Forensics
and Security 7 (2012): Fisher linear discriminants, each trained on some features of some pairs; the majority decides.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from csfnns.errors import UsageError
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.images.io import check_picture
from csfnns.steganalysis.base import F64
from csfnns.tensors import DOUBLES, BadTensorsError, read_header, read_tensors

MEMBERS = 101
_SUBSPACES = (25, 50, 100, 200, 400, 800)
_RIDGE = 1e-2  # of standardised features: with few pairs, directions without any spread must not count


@dataclass(frozen=True)
class Ensemble:
    """Members w·f > t on features f."""

    weights: F64
    """(members, features), 0 for features outside a member's subspace."""
    thresholds: F64
    """(members,)"""
    error: float
    """Share of wrong classifications of training pictures by the members that did not see them (out of bag)."""

    @classmethod
    def fit(cls, covers: F64, stegos: F64, *, seed: int = 1, members: int = MEMBERS) -> Self:
        """Train on features of pairs, both (N, features). The subspaces' size is the one with the least error.

        Raises UsageError unless both have one shape with N ≥ 4.
        """
        if covers.shape != stegos.shape or covers.ndim != 2 or len(covers) < 4:
            raise UsageError(
                f"Training takes 4 pairs or more, got {len(covers)} covers and {len(stegos)} stegos.",
                "Give a stego for each cover.",
            )
        both = np.concatenate([covers, stegos])
        mean, spread = both.mean(axis=0), both.std(axis=0)
        scale = np.where(spread > 0, spread, 1)
        pairs, features = covers.shape
        sizes = [size for size in _SUBSPACES if size < features and size <= max(pairs, 400)] or [features]
        standard = (covers - mean) / scale, (stegos - mean) / scale
        grown = [cls._grow(*standard, size, members, np.random.default_rng([seed, size])) for size in sizes]
        best = min(grown, key=lambda each: each.error)
        return cls(best.weights / scale, best.thresholds + (best.weights / scale) @ mean, best.error)

    @classmethod
    def _grow(cls, covers: F64, stegos: F64, size: int, members: int, random: np.random.Generator) -> Self:
        """Ensemble with subspaces of one size, in standardised features."""
        pairs, features = covers.shape
        weights, thresholds = np.zeros((members, features)), np.zeros(members)
        unseen = np.zeros((members, pairs), bool)
        for i in range(members):
            subspace = random.choice(features, size, replace=False)
            drawn = random.integers(0, pairs, pairs)  # a cover and its stego are drawn together
            unseen[i] = ~np.isin(np.arange(pairs), drawn)
            c, s = covers[np.ix_(drawn, subspace)], stegos[np.ix_(drawn, subspace)]
            direction = _discriminant(c, s)
            weights[i, subspace], thresholds[i] = direction, best_threshold(c @ direction, s @ direction)
        voters = unseen.sum(axis=0)  # (N,)
        known = voters > 0  # pairs that every member saw do not count
        wrong = []
        for side, truth in ((covers, 0.0), (stegos, 1.0)):
            votes = ((weights @ side.T > thresholds[:, None]) & unseen).sum(axis=0)[known] / voters[known]
            wrong.append(abs((np.sign(votes - 0.5) + 1) / 2 - truth))  # half for a tie
        return cls(weights, thresholds, float(np.mean(wrong)))

    def votes(self, features: F64) -> F64:
        """Share of members that classify each picture as stego: (N, features) → (N,) in [0, 1]."""
        return (features @ self.weights.T > self.thresholds).mean(axis=1)


def _discriminant(covers: F64, stegos: F64) -> F64:
    """Fisher's direction, (n,): the ridged sum of both covariances solved for the difference of the means."""
    middles = covers.mean(axis=0), stegos.mean(axis=0)
    deviations = np.concatenate([covers - middles[0], stegos - middles[1]]) / math.sqrt(len(covers))
    difference = middles[1] - middles[0]
    rows, features = deviations.shape
    if features <= rows:
        return np.linalg.solve(deviations.T @ deviations + _RIDGE * np.eye(features), difference)
    # With more features than rows, the same by Woodbury's identity in a smaller system.
    inside = np.linalg.solve(deviations @ deviations.T + _RIDGE * np.eye(rows), deviations @ difference)
    return (difference - deviations.T @ inside) / _RIDGE


def best_threshold(covers: F64, stegos: F64) -> float:
    """Threshold between two of the values with the fewest covers above and stegos below; of several the middle one."""
    values = np.sort(np.concatenate([covers, stegos]))
    between = (values[1:] + values[:-1]) / 2
    alarms = len(covers) - np.searchsorted(np.sort(covers), between, side="right")
    misses = np.searchsorted(np.sort(stegos), between, side="right")
    best = np.flatnonzero(alarms + misses == (alarms + misses).min())
    return float(between[best[len(best) // 2]])


@dataclass(frozen=True)
class FeatureDetector(ABC):
    """A trained detector: the share of an ensemble's members that classify a picture as stego."""

    ensemble: Ensemble

    name: ClassVar[str]
    size: ClassVar[int]
    """Number of features."""
    least_side: ClassVar[int]
    """Of a picture that has features, in pixels."""

    @staticmethod
    def check(picture: Any) -> None:
        """Raise UsageError for what is no picture as the detector's entry `reads` it."""
        check_picture(picture)

    @staticmethod
    @abstractmethod
    def features(picture: Any) -> F64:
        """Features of a picture, (size,). Raises UsageError for what is no picture, and for smaller ones."""

    @property
    def error(self) -> float:
        """Out-of-bag error of the ensemble."""
        return self.ensemble.error

    @classmethod
    def train(cls, covers: Iterable[Any], stegos: Iterable[Any], *, seed: int = 1) -> Self:
        """Train on pairs: the i-th stego was made from the i-th cover. The seed decides every draw.

        Raises UsageError unless there are as many stegos as covers, at least 4.
        """
        sides = (np.array([cls.features(each) for each in pictures]) for pictures in (covers, stegos))
        return cls(Ensemble.fit(*sides, seed=seed))

    def score(self, picture: Any) -> float:
        """Share of votes for stego in [0, 1]; the majority decides. NaN for sides below `least_side`.

        Raises UsageError for what is no picture.
        """
        type(self).check(picture)
        if min(picture.shape[:2]) < self.least_side:
            return math.nan
        return float(self.ensemble.votes(type(self).features(picture)[None])[0])

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write a safetensors file, whole or not at all. Raises UsageError for a name that is taken or closed."""
        require("network", "A file of a trained detector")
        from safetensors.numpy import save

        tensors = {"weights": self.ensemble.weights, "thresholds": self.ensemble.thresholds}
        metadata = {"format": self._format(), "error": repr(self.ensemble.error)}
        write_result(path, save(tensors, metadata), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Detector that `save` wrote. Raises UsageError for other files."""
        require("network", "A file of a trained detector")

        try:
            header = read_header(path)
            error, (members,) = float(header.metadata["error"]), header.shapes["thresholds"]
            if header.metadata["format"] != cls._format() or not members:
                raise ValueError(path)
            shapes = {"weights": (members, cls.size), "thresholds": (members,)}
            expected = {name: (shape, DOUBLES) for name, shape in shapes.items()}
            tensors = read_tensors(path, expected, framework="numpy")
        except (OSError, KeyError, ValueError) as problem:
            reason = f": {problem}" if isinstance(problem, BadTensorsError) else ""
            hint = f"Train one: csfnns steganalysis train --detector {cls.name} --covers DIR --stegos DIR."
            raise UsageError(f"{path} is not a model of {cls.name}{reason}.", hint) from problem
        return cls(Ensemble(**tensors, error=error))

    @classmethod
    def _format(cls) -> str:
        return f"csfnns-{cls.name}-1"


def cross_scores(covers: F64, stegos: F64, *, folds: int = 5, seed: int = 1, members: int = MEMBERS) -> tuple[F64, F64]:
    """Scores of features of pairs, both (N, n), each by an ensemble that saw neither the cover nor its stego.

    The pairs are dealt into folds at random, and each fold is scored by an ensemble trained on the others: (N,), (N,)
    in [0, 1]. Raises UsageError unless there are as many stegos as covers, and two pairs a fold.
    """
    if covers.shape != stegos.shape or len(covers) < 2 * folds:
        raise UsageError(
            f"Cross-validation takes {2 * folds} pairs or more, got {len(covers)} covers and {len(stegos)} stegos.",
            "Add pairs, or train on others and give the model.",
        )
    order = np.random.default_rng(seed).permutation(len(covers))
    scores = np.zeros((2, len(covers)))
    for fold in range(folds):
        held_out = order[fold::folds]
        rest = np.setdiff1d(order, held_out)
        ensemble = Ensemble.fit(covers[rest], stegos[rest], seed=seed, members=members)
        scores[:, held_out] = ensemble.votes(covers[held_out]), ensemble.votes(stegos[held_out])
    return scores[0], scores[1]

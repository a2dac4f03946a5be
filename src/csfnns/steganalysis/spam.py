"""SPAM: features of the differences between neighbours, classified by an ensemble trained on covers and stegos.

Features: Pevný, Bas and Fridrich, "Steganalysis by subtractive pixel adjacency matrix", IEEE Trans. Information
Forensics and Security 5 (2010): second order, T = 3, 686 features, here of each channel and then their mean.
Ensemble: Kodovský, Fridrich and Holub, "Ensemble classifiers for steganalysis of digital media", the same journal 7
(2012): Fisher linear discriminants, each trained on some features of some pairs; the majority decides.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64

FEATURES = 686
MEMBERS = 101
_T = 3
_VALUES = 2 * _T + 1
_LEAST_SIDE = 4  # three differences in a row
_SUBSPACES = (25, 50, 100, 200, 400)
_RIDGE = 1e-2  # of standardised features: with few pairs, directions without any spread must not count
_FORMAT = "csfnns-spam-1"


def spam_features(picture: Picture) -> F64:
    """Features of a picture: float64 (686,), mean over channels.

    The first 343 belong to the four directions along rows and columns, the others to the four diagonals: probabilities
    of a difference given the two before it. Differences beyond ±3 count as ±3, as in the authors' program.
    Raises UsageError for an array that is no picture, and for sides below 4.
    """
    check_picture(picture)
    if min(picture.shape[:2]) < _LEAST_SIDE:
        raise UsageError(f"SPAM features need sides of at least {_LEAST_SIDE} pixels.", "Choose larger pictures.")
    return np.mean([_channel_features(x) for x in np.moveaxis(picture.astype(np.int16), 2, 0)], axis=0)


def _channel_features(x: npt.NDArray[np.int16]) -> F64:
    straight = (x[:, :-1] - x[:, 1:], (0, 1)), (x[:-1] - x[1:], (1, 0))
    diagonal = (x[:-1, :-1] - x[1:, 1:], (1, 1)), (x[1:, :-1] - x[:-1, 1:], (-1, 1))
    return np.concatenate(
        [np.mean([_transitions(d, *step) for d, step in group], axis=0) for group in (straight, diagonal)]
    )


def _transitions(differences: npt.NDArray[np.int16], down: int, right: int) -> F64:
    """Probabilities of the next difference given the two before it, mean of both directions along a line: (343,)."""
    codes = np.clip(differences, -_T, _T).astype(np.intp) + _T
    height, width = codes.shape[0] - 2 * abs(down), codes.shape[1] - 2 * right
    top = 2 if down < 0 else 0
    code = np.zeros((height, width), np.intp)
    for k in range(3):
        code = _VALUES * code + codes[top + k * down :, k * right :][:height, :width]
    counts = np.bincount(code.reshape(-1), minlength=_VALUES**3).reshape(3 * (_VALUES,)).astype(np.float64)
    # In the opposite direction, differences change their signs and their order.
    backward = np.flip(counts).transpose(2, 1, 0)
    return np.mean([_conditional(counts), _conditional(backward)], axis=0).reshape(-1)


def _conditional(counts: F64) -> F64:
    """Counts of (first, second, third) → P(third | first, second), 0 where the condition never holds."""
    total = counts.sum(axis=2, keepdims=True)
    return counts / np.where(total, total, 1)


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
        sizes = [size for size in _SUBSPACES if size < covers.shape[1]] or [covers.shape[1]]
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
            scatter = np.cov(c, rowvar=False, bias=True) + np.cov(s, rowvar=False, bias=True)
            scatter.reshape(-1)[:: len(scatter) + 1] += _RIDGE
            direction = np.linalg.solve(scatter, s.mean(axis=0) - c.mean(axis=0))
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


def best_threshold(covers: F64, stegos: F64) -> float:
    """Threshold between two of the values with the fewest covers above and stegos below; of several the middle one."""
    values = np.sort(np.concatenate([covers, stegos]))
    between = (values[1:] + values[:-1]) / 2
    alarms = len(covers) - np.searchsorted(np.sort(covers), between, side="right")
    misses = np.searchsorted(np.sort(stegos), between, side="right")
    best = np.flatnonzero(alarms + misses == (alarms + misses).min())
    return float(between[best[len(best) // 2]])


@dataclass(frozen=True)
class Spam:
    """A trained detector: the share of an ensemble's members that classify a picture as stego."""

    ensemble: Ensemble

    @property
    def error(self) -> float:
        """Out-of-bag error of the ensemble."""
        return self.ensemble.error

    @classmethod
    def train(cls, covers: Iterable[Picture], stegos: Iterable[Picture], *, seed: int = 1) -> Self:
        """Train on pairs: the i-th stego was made from the i-th cover. The seed decides every draw.

        Raises UsageError unless there are as many stegos as covers, at least 4.
        """
        sides = (np.array([spam_features(each) for each in pictures]) for pictures in (covers, stegos))
        return cls(Ensemble.fit(*sides, seed=seed))

    def score(self, picture: Picture) -> float:
        """Share of votes for stego in [0, 1]; the majority decides. NaN for sides below 4.

        Raises UsageError for an array that is no picture.
        """
        check_picture(picture)
        if min(picture.shape[:2]) < _LEAST_SIDE:
            return math.nan
        return float(self.ensemble.votes(spam_features(picture)[None])[0])

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write a safetensors file, whole or not at all. Raises UsageError for a name that is taken or closed."""
        require("network", "A file of a SPAM model")
        from safetensors.numpy import save

        tensors = {"weights": self.ensemble.weights, "thresholds": self.ensemble.thresholds}
        metadata = {"format": _FORMAT, "error": repr(self.ensemble.error)}
        write_result(path, save(tensors, metadata), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Detector that `save` wrote. Raises UsageError for other files."""
        require("network", "A file of a SPAM model")
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                metadata: dict[str, Any] = file.metadata() or {}
                weights, thresholds = (file.get_tensor(name) for name in ("weights", "thresholds"))
                error = float(metadata["error"])
            if metadata["format"] != _FORMAT or weights.shape != (len(thresholds), FEATURES) or not len(weights):
                raise ValueError(path)
        except (OSError, SafetensorError, KeyError, ValueError) as problem:
            hint = "Train one: csfnns steganalysis train --covers DIR --stegos DIR."
            raise UsageError(f"{path} is not a SPAM model.", hint) from problem
        return cls(Ensemble(weights, thresholds, error))


def cross_scores(covers: F64, stegos: F64, *, folds: int = 5, seed: int = 1, members: int = MEMBERS) -> tuple[F64, F64]:
    """Scores of features of pairs, both (N, 686), each by an ensemble that saw neither the cover nor its stego.

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

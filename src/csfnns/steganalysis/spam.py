"""SPAM: features of the differences between neighbours, judged by an ensemble that was trained on covers and stegos.

Pevný, Bas and Fridrich, "Steganalysis by subtractive pixel adjacency matrix", IEEE Trans. Information Forensics and
Security 5 (2010): second order, T = 3, 686 features, here of each channel and then their mean.
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
from csfnns.picture import Picture, check_picture
from csfnns.steganalysis._ensemble import MEMBERS, Ensemble
from csfnns.steganalysis.base import F64

FEATURES = 686

_T = 3
_VALUES = 2 * _T + 1
_LEAST_SIDE = 4  # three differences in a row
_FORMAT = "csfnns-spam-1"


def spam_features(picture: Picture) -> F64:
    """Features of a picture: float64 (686,), mean over channels.

    The first 343 belong to the four directions along rows and columns, the others to the four diagonals: probabilities
    of a difference, given the two before it. Differences beyond ±3 count as ±3, as in the authors' program.
    Raises UsageError for an array that is no picture, and for sides below 4.
    """
    check_picture(picture)
    if min(picture.shape[:2]) < _LEAST_SIDE:
        raise UsageError(
            f"Pictures with a side below {_LEAST_SIDE} have no SPAM features.", "Take larger pictures."
        )
    return np.mean([_channel_features(x) for x in np.moveaxis(picture.astype(np.int16), 2, 0)], axis=0)


def _channel_features(x: npt.NDArray[np.int16]) -> F64:
    straight = (x[:, :-1] - x[:, 1:], (0, 1)), (x[:-1] - x[1:], (1, 0))
    diagonal = (x[:-1, :-1] - x[1:, 1:], (1, 1)), (x[1:, :-1] - x[:-1, 1:], (-1, 1))
    return np.concatenate(
        [np.mean([_transitions(d, *step) for d, step in group], axis=0) for group in (straight, diagonal)]
    )


def _transitions(differences: npt.NDArray[np.int16], down: int, right: int) -> F64:
    """Mean of both ways along a line: the next difference's probabilities, given the two before it, (343,)."""
    codes = np.clip(differences, -_T, _T).astype(np.intp) + _T
    first, second, third = (_moved(codes, k * down, k * right, 2 * down, 2 * right) for k in range(3))
    code = (first * _VALUES + second) * _VALUES + third
    counts = np.bincount(code.reshape(-1), minlength=_VALUES**3).reshape(3 * (_VALUES,)).astype(np.float64)
    # The other way, differences change their signs and their order.
    backward = np.flip(counts).transpose(2, 1, 0)
    return np.mean([_conditional(counts), _conditional(backward)], axis=0).reshape(-1)


def _moved(
    codes: npt.NDArray[Any], down: int, right: int, most_down: int, most_right: int
) -> npt.NDArray[Any]:
    """Part of the array that begins `down` and `right` from the place where lines of that length can begin."""
    height, width = codes.shape[0] - abs(most_down), codes.shape[1] - most_right
    top = down if most_down >= 0 else down - most_down
    return codes[top : top + height, right : right + width]


def _conditional(counts: F64) -> F64:
    """Counts of (first, second, third) → P(third | first, second), 0 where the condition never holds."""
    total = counts.sum(axis=2, keepdims=True)
    return counts / np.where(total, total, 1)


@dataclass(frozen=True)
class Spam:
    """A trained detector: the share of an ensemble's members that call a picture stego."""

    ensemble: Ensemble

    @classmethod
    def train(cls, covers: Iterable[Picture], stegos: Iterable[Picture], *, seed: int = 1) -> Self:
        """Learn from pairs: the i-th stego is the i-th cover with something in it. The seed decides every draw.

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
        about = {"format": _FORMAT, "error": repr(self.ensemble.error)}
        write_result(path, save(tensors, about), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Detector that `save` wrote. Raises UsageError for other files."""
        require("network", "A file of a SPAM model")
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                if about.get("format") != _FORMAT:
                    raise _no_model(path)
                weights, thresholds = (file.get_tensor(name) for name in ("weights", "thresholds"))
                error = float(about["error"])
        except (OSError, SafetensorError, KeyError, ValueError) as problem:
            raise _no_model(path) from problem
        if weights.shape != (len(thresholds), FEATURES) or not len(thresholds):
            raise _no_model(path)
        return cls(Ensemble(weights, thresholds, error))


def cross_scores(
    covers: F64, stegos: F64, *, folds: int = 5, seed: int = 1, members: int = MEMBERS
) -> tuple[F64, F64]:
    """Scores of features of pairs, both (N, 686), each by an ensemble that saw neither the cover nor its stego.

    The pairs are dealt into folds at random, and each fold is judged by what the others taught: (N,), (N,) in [0, 1].
    Raises UsageError unless there are as many stegos as covers, and pairs enough to learn from.
    """
    if covers.shape != stegos.shape or len(covers) < 2 * folds:
        hint = f"Give a stego for each cover, and at least {2 * folds} of both, or train on others and name the model."
        raise UsageError(
            f"{len(covers)} covers and {len(stegos)} stegos are too few pairs to learn from.", hint
        )
    order = np.random.default_rng(seed).permutation(len(covers))
    scores = np.zeros((2, len(covers)))
    for fold in range(folds):
        held = order[fold::folds]
        taught = np.setdiff1d(order, held)
        ensemble = Ensemble.fit(covers[taught], stegos[taught], seed=seed, members=members)
        scores[:, held] = ensemble.votes(covers[held]), ensemble.votes(stegos[held])
    return scores[0], scores[1]


def _no_model(path: Path) -> UsageError:
    return UsageError(
        f"{path} is no detector of SPAM features.",
        "Make one: csfnns steganalysis train --covers DIR --stegos DIR.",
    )

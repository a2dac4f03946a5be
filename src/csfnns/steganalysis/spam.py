"""SPAM: features of the differences between neighbours.

Pevný, Bas and Fridrich, "Steganalysis by subtractive pixel adjacency matrix", IEEE Trans. Information
Forensics and Security 5 (2010): second order, T = 3, 686 features, here of each channel and then their mean.
"""

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64
from csfnns.steganalysis.ensemble import FeatureDetector

FEATURES = 686
_T = 3
_VALUES = 2 * _T + 1
_LEAST_SIDE = 4  # three differences in a row


def spam_features(picture: Picture, *, joint: bool = False) -> F64:
    """Features of a picture: float64 (686,), mean over channels.

    The first 343 belong to the four directions along rows and columns, the others to the four diagonals: probabilities
    of a difference given the two before it; with `joint`, frequencies of all three, as in sealwatch. Differences beyond
    ±3 count as ±3, as in the authors' program.
    Raises UsageError for an array that is no picture, and for sides below 4.
    """
    check_picture(picture)
    if min(picture.shape[:2]) < _LEAST_SIDE:
        raise UsageError(f"SPAM features need sides of at least {_LEAST_SIDE} pixels.", "Choose larger pictures.")
    return np.mean([_channel_features(x, joint=joint) for x in np.moveaxis(picture.astype(np.int16), 2, 0)], axis=0)


def _channel_features(x: npt.NDArray[np.int16], *, joint: bool) -> F64:
    straight = (x[:, :-1] - x[:, 1:], (0, 1)), (x[:-1] - x[1:], (1, 0))
    diagonal = (x[:-1, :-1] - x[1:, 1:], (1, 1)), (x[1:, :-1] - x[:-1, 1:], (-1, 1))
    return np.concatenate(
        [np.mean([_transitions(d, *step, joint=joint) for d, step in group], axis=0) for group in (straight, diagonal)]
    )


def _transitions(differences: npt.NDArray[np.int16], down: int, right: int, *, joint: bool) -> F64:
    """Probabilities of three differences in a row, mean of both directions along a line: (343,)."""
    codes = np.clip(differences, -_T, _T).astype(np.intp) + _T
    height, width = codes.shape[0] - 2 * abs(down), codes.shape[1] - 2 * right
    top = 2 if down < 0 else 0
    code = np.zeros((height, width), np.intp)
    for k in range(3):
        code = _VALUES * code + codes[top + k * down :, k * right :][:height, :width]
    counts = np.bincount(code.reshape(-1), minlength=_VALUES**3).reshape(3 * (_VALUES,)).astype(np.float64)
    # In the opposite direction, differences change their signs and their order.
    backward = np.flip(counts).transpose(2, 1, 0)
    normalised = [each / each.sum() if joint else _conditional(each) for each in (counts, backward)]
    return np.mean(normalised, axis=0).reshape(-1)


def _conditional(counts: F64) -> F64:
    """Counts of (first, second, third) → P(third | first, second), 0 where the condition never holds."""
    total = counts.sum(axis=2, keepdims=True)
    return counts / np.where(total, total, 1)


class Spam(FeatureDetector):
    """SPAM features and an ensemble."""

    name, size, least_side = "spam", FEATURES, _LEAST_SIDE
    features = staticmethod(spam_features)

"""DCTR: features of a JPEG file, histograms of its undecimated DCT.

Holub and Fridrich, "Low-complexity features for JPEG steganalysis using undecimated DCT", IEEE Trans. Information
Forensics and Security 10 (2015): 8,000 features of the luminance.

The picture, decompressed without rounding, is compared at every place with each of the 64 patterns of the 8x8 DCT. The
responses are counted in steps that follow from the file's quality, apart for each position in the grid of blocks;
positions that mirror each other share a histogram.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.jpeg_file import Coefficients, standard_tables
from csfnns.steganalysis.base import F64
from csfnns.steganalysis.ensemble import FeatureDetector

_T = 4
_BINS = _T + 1
_SIDE = 8
_KINDS = 25
"""Positions in a block that do not mirror each other."""
FEATURES = _SIDE**2 * _KINDS * _BINS
_LEAST_SIDE = 16  # every position in a block has a whole window
_ROWS = 16  # of a picture at once, in the processor's cache: whole blocks
_TIE = 5e-6  # steps; responses at the blocks' own positions are often halves of a step, which count upwards

_POSITIONS = np.arange(_SIDE)
_FOLD = np.minimum(_POSITIONS, _SIDE - _POSITIONS)  # 0, 1, 2, 3, 4, 3, 2, 1
_DCT = np.cos(np.outer(_POSITIONS, 2 * _POSITIONS + 1) * np.pi / 16) / 2
_DCT[0] /= np.sqrt(2)


def dctr_features(picture: Coefficients) -> F64:
    """Features of a JPEG file's luminance: float64 (8000,), patterns first, then positions, then levels 0…4.

    Raises UsageError for what holds no coefficients, and for sides below 16.
    """
    check_coefficients(picture)
    if min(picture.shape) < _LEAST_SIDE:
        raise UsageError(f"DCTR features need sides of at least {_LEAST_SIDE} pixels.", "Choose larger pictures.")
    return histograms(luminance(picture), step_of(quality_of(picture.tables[0]))).reshape(-1)


def check_coefficients(picture: object) -> None:
    """Raise UsageError for anything but Coefficients."""
    if not isinstance(picture, Coefficients):
        reason = "DCTR looks at the coefficients of a JPEG file, and this is none."
        raise UsageError(reason, "Read the file with csfnns.steganalysis.read_for.")


def luminance(picture: Coefficients) -> F64:
    """Luminance of a file, neither rounded nor clipped, around 0: (H, W)."""
    blocks = picture.planes[0] * picture.tables[0].astype(np.float64)  # (rows, columns, 8, 8)
    rows, columns = blocks.shape[:2]
    levels = (_DCT.T @ blocks @ _DCT).swapaxes(1, 2).reshape(_SIDE * rows, _SIDE * columns)
    height, width = picture.shape
    return levels[:height, :width]


def quality_of(table: npt.NDArray[np.uint8]) -> int:
    """Quality, 1…100, whose usual luminance table is nearest to this one, (8, 8)."""
    return 1 + int(np.abs(_tables() - table).sum(axis=(1, 2)).argmin())


@cache
def _tables() -> npt.NDArray[np.int64]:
    return np.array([standard_tables(quality)[0] for quality in range(1, 101)], np.int64)


def step_of(quality: int) -> float:
    """Step in which responses are counted; Eq. 10, and below 50 as the authors' program has it."""
    return min(400 / quality, 100.0) if quality < 50 else max(8 * (2 - quality / 50), 0.2)


def histograms(levels: F64, step: float) -> F64:
    """Shares of the sizes 0…4 steps (4 for larger ones) among responses to each pattern: (H, W) → (64, 25, 5)."""
    height, width = (side - _SIDE + 1 for side in levels.shape)
    counts = np.zeros(_SIDE**2 * _KINDS * _BINS)
    columns = _BINS * _FOLD[np.arange(width) % _SIDE]
    patterns = _KINDS * _BINS * np.arange(_SIDE)[:, None, None]
    for top in range(0, height, _ROWS):
        part = levels[top : top + _ROWS + _SIDE - 1]
        rows = len(part) - _SIDE + 1
        places = patterns + _BINS * _BINS * _FOLD[np.arange(rows) % _SIDE][:, None] + columns  # (8, rows, width)
        down = np.tensordot(_DCT, np.stack([part[k : k + rows] for k in range(_SIDE)]), 1)
        for i, each in enumerate(down):
            found = np.tensordot(_DCT, np.stack([each[:, k : k + width] for k in range(_SIDE)]), 1)
            sizes = np.minimum(np.abs(found) / step + (0.5 + _TIE), _T).astype(np.intp)
            span = slice(i * len(counts) // _SIDE, (i + 1) * len(counts) // _SIDE)
            counts[span] += np.bincount((places + sizes).reshape(-1), minlength=len(counts) // _SIDE)
    shared = counts.reshape(_SIDE**2, _KINDS, _BINS)
    return shared / shared.sum(axis=2, keepdims=True)


class Dctr(FeatureDetector):
    """DCTR features and an ensemble."""

    name, size, least_side = "dctr", FEATURES, _LEAST_SIDE
    features = staticmethod(dctr_features)
    check = staticmethod(check_coefficients)

"""How much two pictures differ, and statistics of a perturbation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture

F64 = npt.NDArray[np.float64]

SSIM_PIXELS = 1 << 20

_PEAK = 255.0
_SQUARE = 128
_WINDOW = 11
_SIGMA = 1.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Differences of two pictures."""

    psnr: float
    """Peak signal-to-noise ratio in dB, infinite for equal pictures."""
    ssim: float | None
    """Structural similarity in [-1, 1], 1 for equal pictures; None for sides below its window's 11, and for parts of a
    long file. Of pictures with more than SSIM_PIXELS pixels, the mean over evenly spread squares with about as many."""
    max_abs: int
    """Largest difference of two levels, 0…255."""
    changed: float
    """Share of the levels that differ, 0…1."""


def compare(a: Picture, b: Picture, *, brief: bool = False) -> Figures:
    """Compute all figures; where it is `brief`, all but SSIM. Raises UsageError for shapes that differ."""
    difference = np.abs(_difference(a, b))
    similarity = _similarity(a, b) if min(a.shape[:2]) >= _WINDOW and not brief else None
    return Figures(psnr(a, b), similarity, int(difference.max()), float(np.mean(difference > 0)))


def _similarity(a: Picture, b: Picture) -> float:
    """SSIM, for large pictures of some squares: all windows of a large photograph take many seconds."""
    height, width = a.shape[:2]
    if height * width <= SSIM_PIXELS or min(height, width) <= _SQUARE:
        return ssim(a, b)
    step = _SQUARE * (height * width / SSIM_PIXELS) ** 0.5
    ends = [side - _SQUARE for side in (height, width)]
    rows, columns = (np.linspace(0, end, int(end // step) + 1).astype(int) for end in ends)
    squares = [(slice(y, y + _SQUARE), slice(x, x + _SQUARE)) for y in rows for x in columns]
    return float(np.mean([ssim(a[square], b[square]) for square in squares]))


def psnr(a: Picture, b: Picture) -> float:
    """Peak signal-to-noise ratio over all levels in dB, peak 255; infinite for equal pictures.

    Raises UsageError for shapes that differ.
    """
    difference = _difference(a, b)
    error = float(np.mean(difference * difference))
    return float("inf") if error == 0 else float(10 * np.log10(_PEAK**2 / error))


def apd(a: Picture, b: Picture) -> float:
    """Average pixel discrepancy: mean absolute difference of all levels, 0…255. Raises UsageError for other shapes."""
    return float(np.mean(np.abs(_difference(a, b))))


def ssim(a: Picture, b: Picture) -> float:
    """Structural similarity: mean over channels and all whole windows, Gaussian 11x11 with σ = 1.5.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Trans. Image Processing 13 (2004); K1 = 0.01, K2 = 0.03, no sample correction.
    Raises UsageError for shapes that differ or sides below 11.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < _WINDOW:
        raise UsageError(
            f"SSIM needs pictures of at least {_WINDOW}x{_WINDOW}, got {a.shape[1]}x{a.shape[0]}.",
            "Compare larger pictures, or use psnr.",
        )
    channels = [_ssim_channel(a[..., c].astype(np.float64), b[..., c].astype(np.float64)) for c in range(3)]
    return float(np.mean(channels))


def _ssim_channel(x: F64, y: F64) -> float:
    """SSIM of two channels (H, W), Eq. 13 of Wang et al."""
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    mx, my = _blur(x), _blur(y)
    mxy, squares = mx * my, mx * mx + my * my
    covariance = _blur(x * y) - mxy
    variances = _blur(x * x + y * y) - squares
    return float(np.mean((2 * mxy + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))))


def _blur(x: F64) -> F64:
    """Gaussian mean over each whole window: (H, W) → (H - 10, W - 10)."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights /= weights.sum()
    rows, columns = x.shape[0] - _WINDOW + 1, x.shape[1] - _WINDOW + 1
    x = sum((w * x[i : i + rows] for i, w in enumerate(weights)), start=np.zeros(()))
    return sum((w * x[:, i : i + columns] for i, w in enumerate(weights)), start=np.zeros(()))


def residual(a: Picture, b: Picture, gain: float = 10) -> Picture:
    """Picture of a - b: 128 + gain (a - b), clipped to 0…255. Raises UsageError for shapes that differ."""
    scaled = np.rint(128 + gain * _difference(a, b).astype(np.float64))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def local_energy(delta: npt.NDArray[Any], block: int = 16) -> F64:
    """Mean square of δ, (H, W) or (H, W, C), over each whole block x block square: (H // block, W // block)."""
    rows, columns = delta.shape[0] // block, delta.shape[1] // block
    whole = delta[: rows * block, : columns * block].astype(np.float64)
    return np.asarray(np.square(whole).reshape(rows, block, columns, block, -1).mean(axis=(1, 3, 4)))


def autocorrelation(delta: npt.NDArray[Any], max_lag: int) -> F64:
    """Correlation of δ, (H, W), not constant, with itself moved by up to `max_lag` rows and columns.

    Float64 (2 max_lag + 1, 2 max_lag + 1) with 1 at the centre. Products are averaged over the overlap: white noise of n
    levels has about 1 / sqrt(n) off the centre.
    """
    height, width = delta.shape
    centred = delta.astype(np.float64) - delta.mean()
    lags = range(-max_lag, max_lag + 1)

    def product(dy: int, dx: int) -> float:
        moved = centred[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
        fixed = centred[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        return float(np.mean(moved * fixed))

    return np.array([[product(dy, dx) for dx in lags] for dy in lags]) / product(0, 0)


def _difference(a: Picture, b: Picture) -> npt.NDArray[np.int32]:
    _check_pair(a, b)
    return a.astype(np.int32) - b.astype(np.int32)


def _check_pair(a: Picture, b: Picture) -> None:
    check_picture(a)
    check_picture(b)
    if a.shape != b.shape:
        raise UsageError(
            f"Pictures of {a.shape[1]}x{a.shape[0]} and {b.shape[1]}x{b.shape[0]} cannot be compared.",
            "Give two of one size.",
        )

"""How far two pictures are apart, and whether a perturbation tells anything."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.picture import Picture, check_picture

F64 = npt.NDArray[np.float64]

SSIM_PIXELS = 1 << 20

_PEAK = 255.0
_SQUARE = 128
_WINDOW = 11
_SIGMA = 1.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Distance of two pictures in figures."""

    psnr: float
    """Peak signal-to-noise ratio in dB, infinite for equal pictures."""
    ssim: float | None
    """Structural similarity in [-1, 1], 1 for equal pictures; None for sides below its window's 11. Of pictures with more
    than SSIM_PIXELS pixels, the mean over squares spread evenly over the picture, which hold about as many."""
    max_abs: int
    """Largest difference of two levels, 0…255."""
    changed: float
    """Share of the levels that differ, 0…1."""


def compare(a: Picture, b: Picture) -> Figures:
    """All figures at once. Raises UsageError for shapes that differ."""
    difference = np.abs(_difference(a, b))
    similarity = _similarity(a, b) if min(a.shape[:2]) >= _WINDOW else None
    return Figures(psnr(a, b), similarity, int(difference.max()), float(np.mean(difference > 0)))


def _similarity(a: Picture, b: Picture) -> float:
    """SSIM, of a large picture from some of its squares: all windows of a large photograph take many seconds."""
    height, width = a.shape[:2]
    if height * width <= SSIM_PIXELS or min(height, width) <= _SQUARE:
        return ssim(a, b)
    step = _SQUARE * (height * width / SSIM_PIXELS) ** 0.5
    rows, columns = (np.arange(0, side - _SQUARE + 1, step).astype(int) for side in (height, width))
    squares = [(slice(y, y + _SQUARE), slice(x, x + _SQUARE)) for y in rows for x in columns]
    return float(np.mean([ssim(a[square], b[square]) for square in squares]))


def psnr(a: Picture, b: Picture) -> float:
    """Peak signal-to-noise ratio over all levels in dB, peak 255; infinite for equal pictures.

    Raises UsageError for shapes that differ.
    """
    difference = _difference(a, b)
    error = float(np.mean(difference * difference))
    return float("inf") if error == 0 else float(10 * np.log10(_PEAK**2 / error))


def ssim(a: Picture, b: Picture) -> float:
    """Structural similarity: mean over channels and all whole windows, Gaussian 11x11 with σ = 1.5.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Trans. Image Processing 13 (2004); K1 = 0.01, K2 = 0.03, no sample correction.
    Raises UsageError for shapes that differ or sides below 11.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) < _WINDOW:
        raise UsageError(
            f"SSIM needs pictures of at least {_WINDOW}x{_WINDOW}, not {a.shape[1]}x{a.shape[0]}.",
            "Compare larger pictures, or use psnr.",
        )
    channels = [_ssim_channel(a[..., c].astype(np.float64), b[..., c].astype(np.float64)) for c in range(3)]
    return float(np.mean(channels))


def _ssim_channel(x: F64, y: F64) -> float:
    """SSIM of two channels (H, W), in the letters of Wang et al., Eq. 13."""
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
    """Mean square of `delta`, (H, W) or (H, W, C), over each block x block square: (H // block, W // block).

    Rows and columns beyond the last whole square are left out. Raises UsageError when there is none.
    """
    delta = _channels(delta)
    if not 1 <= block <= min(delta.shape[:2]):
        raise UsageError(
            f"No {block}x{block} block lies in {delta.shape[1]}x{delta.shape[0]}.", "Take a smaller one."
        )
    rows, columns = delta.shape[0] // block, delta.shape[1] // block
    whole = delta[: rows * block, : columns * block]
    squares = (whole * whole).reshape(rows, block, columns, block, -1)  # (rows, block, columns, block, C)
    return np.asarray(squares.mean(axis=(1, 3, 4)))


def energy_variation(delta: npt.NDArray[Any], block: int = 16) -> float:
    """Coefficient of variation of `local_energy`: 0 if the perturbation is as strong everywhere.

    White noise gives about sqrt(2 / n) with n levels a block, signs of one size give 0; a perturbation that
    follows the cover or the secret gives more. Zero for a zero δ.
    """
    energy = local_energy(delta, block)
    mean = float(energy.mean())
    return 0.0 if mean == 0 else float(energy.std()) / mean


def autocorrelation(delta: npt.NDArray[Any], max_lag: int) -> F64:
    """Correlation of `delta`, (H, W) or (H, W, C), with itself moved by dy rows and dx columns.

    Float64 (2 max_lag + 1, 2 max_lag + 1) for lags from -max_lag to max_lag, with 1 at the centre. Each
    channel's mean is taken out, and products are averaged over the overlap and all channels: white noise of n
    levels gives about 1 / sqrt(n) off the centre.
    Raises UsageError for lags that do not fit or a δ that is constant.
    """
    delta = _channels(delta)
    if not 0 <= max_lag < min(delta.shape[:2]):
        raise UsageError(
            f"Lag {max_lag} does not fit in {delta.shape[1]}x{delta.shape[0]}.", "Take a smaller one."
        )
    delta = delta - delta.mean(axis=(0, 1))
    variance = float(np.mean(delta * delta))
    if variance == 0:
        raise UsageError("A constant perturbation has no autocorrelation.", "Give one that varies.")
    side = 2 * max_lag + 1
    result = np.ones((side, side))
    for i in range(side * side // 2):  # the other half is its mirror image
        value = _lagged_product(delta, i // side - max_lag, i % side - max_lag) / variance
        result[i // side, i % side] = result[-1 - i // side, -1 - i % side] = value
    return result


def _lagged_product(delta: F64, dy: int, dx: int) -> float:
    """Mean of δ(y, x) δ(y - dy, x - dx) over all pixels and channels where both lie inside, for dy ≤ 0."""
    height, width = delta.shape[:2]
    upper, lower = delta[: height + dy], delta[-dy:]
    if dx <= 0:
        return float(np.mean(upper[:, : width + dx] * lower[:, -dx:]))
    return float(np.mean(upper[:, dx:] * lower[:, : width - dx]))


def _channels(delta: npt.NDArray[Any]) -> F64:
    """δ as float64 (H, W, C)."""
    if delta.ndim not in (2, 3) or delta.size == 0:
        raise UsageError(f"An array of shape {delta.shape} is no perturbation.", "Give (H, W) or (H, W, 3).")
    return delta.astype(np.float64).reshape(*delta.shape[:2], -1)


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

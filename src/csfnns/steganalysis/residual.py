"""Residual: strength and correlation of the noise in a picture's smoothest places, for changes all over it.

Noise of a known strength in every level leaves its variance and its correlations where a picture has little of its own:
in flat blocks, and in differences of colours, in which grey texture cancels. Estimating a noise level from the weakest
blocks is old (Lee and Hoppel, "Noise modeling and estimation of remotely-sensed images", IGARSS 1989); the set of
features is this package's own.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64
from csfnns.steganalysis.ensemble import FeatureDetector

_BLOCK = 8
_QUANTILES = (0.02, 0.05, 0.1, 0.25, 0.5)
_LAGS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
_PLANES = 6
FEATURES = _PLANES * (2 * len(_QUANTILES) + len(_LAGS))
_LEAST_SIDE = 4 * _BLOCK


def residual_features(picture: Picture) -> F64:
    """Features of a picture: float64 (90,).

    For red, green, blue and their three differences: logarithms of quantiles over blocks of 8x8 of the residual's
    variance and, of the smooth quarter of the blocks, its correlations with its neighbours; then the same variances
    averaged over the blocks that are smoothest in another colour. Raises UsageError for an array that is no picture,
    and for sides below 32.
    """
    check_picture(picture)
    if min(picture.shape[:2]) < _LEAST_SIDE:
        raise UsageError(f"Residual features need sides of at least {_LEAST_SIDE} pixels.", "Choose larger pictures.")
    residuals = [_residual(plane) for plane in _planes(picture)]
    variances = [_means(each * each) for each in residuals]
    found: list[F64] = []
    for i, (residual, variance) in enumerate(zip(residuals, variances, strict=True)):
        # The smoothness is read in a colour that is not in the plane, so that the choice of blocks does not follow this one's noise.
        other = np.argsort(variances[(i + 2) % 3], axis=None, kind="stable")
        ordered = variance.reshape(-1)[other]
        chosen = [ordered[: max(int(share * ordered.size), 1)].mean() for share in _QUANTILES]
        smooth = np.zeros(variance.size, bool)
        smooth[other[: variance.size // 4]] = True
        smooth = smooth.reshape(variance.shape)
        power = variance[smooth].mean() + 1
        along = [(_means(_lagged(residual, *lag))[smooth].mean()) / power for lag in _LAGS]
        found += [np.log(np.quantile(variance, _QUANTILES) + 1), np.log(np.array(chosen) + 1), np.array(along)]
    return np.concatenate(found)


def _planes(picture: Picture) -> Iterator[npt.NDArray[np.int32]]:
    red, green, blue = np.moveaxis(picture.astype(np.int32), 2, 0)
    yield from (red, green, blue, red - green, green - blue, blue - red)


def _residual(x: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Second difference along both axes, (H - 2, W - 2): 0 for planes and for ridges along an axis."""
    across = x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:]
    return across[:-2] - 2 * across[1:-1] + across[2:]


def _lagged(x: npt.NDArray[np.int32], down: int, right: int) -> npt.NDArray[np.int32]:
    """Products with the neighbour that many steps away, in the same shape; 0 where there is none."""
    product = np.zeros_like(x)
    height, width = x.shape
    product[: height - down, : width - right] = x[: height - down, : width - right] * x[down:, right:]
    return product


def _means(x: npt.NDArray[np.int32]) -> F64:
    """Means over whole blocks, (H // 8, W // 8)."""
    rows, columns = (side // _BLOCK for side in x.shape)
    blocks = x[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    return blocks.mean(axis=(1, 3), dtype=np.float64)


class Residual(FeatureDetector):
    """Residual features and an ensemble."""

    name, size, least_side = "residual", FEATURES, _LEAST_SIDE
    features = staticmethod(residual_features)

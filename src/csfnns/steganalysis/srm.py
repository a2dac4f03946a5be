"""SRM: the spatial rich model, co-occurrences of many noise residuals.

Fridrich and Kodovský, "Rich models for steganalysis of digital images", IEEE Trans. Information Forensics and Security
7 (2012): the version SRMQ1 with one quantisation step for each kind of residual, 12,753 features, here of each channel
and then their mean.

A submodel is a set of residuals whose least (and largest) value is taken at each pixel, and a direction in which four
neighbours are read. The square has eight symmetries: the submodel counts all images of set and direction together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64
from csfnns.steganalysis.ensemble import FeatureDetector

FEATURES = 12_753
_LEAST_SIDE = 8  # four neighbours of residuals of 5x5

_T = 2
_LEVELS = 2 * _T + 1
_NEIGHBOURS = 4

Direction: TypeAlias = tuple[int, int]
"""Steps down and to the right; (0, 0) for a residual of the whole neighbourhood."""
Axis = Literal["h", "v"]
"""Neighbours that are read: along a row or down a column."""
Submodel: TypeAlias = tuple[tuple[Direction, ...], Axis]
"""Residuals whose least or largest value counts, and the axis; images under the symmetries of the square follow."""
Residuals = Mapping[Direction, npt.NDArray[np.uint8]]
"""By direction, (h, w): quantised and clipped levels, 0…4."""

_R, _L, _U, _D = (0, 1), (0, -1), (-1, 0), (1, 0)
_RU, _LU, _RD = (-1, 1), (-1, -1), (1, 1)
_WHOLE = (0, 0)

_STEP: dict[str, Submodel] = {
    "22h": ((_R, _L), "h"),
    "22v": ((_R, _L), "v"),
    "24": ((_R, _U), "h"),
    "34h": ((_L, _U, _R), "h"),
    "34v": ((_L, _U, _R), "v"),
    "41": ((_R, _L, _U, _D), "h"),
    "34": ((_R, _U, _RU), "h"),
    "48h": ((_R, _U, _RU, _LU), "h"),
    "48v": ((_R, _U, _RU, _LU), "v"),
    "54": ((_R, _U, _RU, _LU, _RD), "h"),
}
_LINE: dict[str, Submodel] = {
    "21": ((_R, _U), "h"),
    "41": ((_R, _U, _RU, _LU), "h"),
    "32": ((_R, _U, _RU), "h"),
    "24h": ((_R, _RU), "h"),
    "24v": ((_R, _RU), "v"),
}
_EDGE: dict[str, Submodel] = {
    "22h": ((_U, _D), "h"),
    "22v": ((_U, _D), "v"),
    "24": ((_U, _L), "h"),
    "41": ((_R, _L, _U, _D), "h"),
}


@dataclass(frozen=True)
class Family:
    """Residuals of one kind, and the submodels made of them."""

    name: str
    kind: Literal["step", "line", "edge"]
    """How a residual and that of the opposite direction are related: nearly negatives; the same; not at all."""
    scale: int
    """Residuals are divided by it."""
    filters: Mapping[Direction, Any]
    """Square filters; turned by 90, 180 and 270 degrees, they give those of the other directions."""
    minmax: Mapping[str, Submodel]
    """Submodels of minima and maxima, by name."""


def _along(*coefficients: int) -> dict[Direction, Any]:
    """Filters with these coefficients along a row, from left to right, and along a diagonal, upwards."""
    row = np.zeros((len(coefficients), len(coefficients)), int)
    row[len(coefficients) // 2] = coefficients
    return {_R: row, _RU: np.diag(coefficients)[::-1]}


def _upper(whole: Any) -> dict[Direction, Any]:
    half = np.array(whole)
    half[len(half) // 2 + 1 :] = 0
    return {_U: half}


_KB = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])
_KV = np.array(
    [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]],
)
FAMILIES = (
    Family("1", "step", 1, _along(0, -1, 1), _STEP),
    Family("2", "line", 2, _along(1, -2, 1), _LINE),
    Family("3", "step", 3, _along(0, 1, -3, 3, -1), _STEP),
    Family("edge3", "edge", 4, _upper(_KB), _EDGE),
    Family("edge5", "edge", 12, _upper(_KV), _EDGE),
    Family("square3", "edge", 4, {_WHOLE: _KB}, {}),
    Family("square5", "edge", 12, {_WHOLE: _KV}, {}),
)
"""In the order of their features."""


def srm_features(picture: Picture) -> F64:
    """Features of a picture: float64 (12753,), mean over channels.

    Raises UsageError for an array that is no picture, and for sides below 8.
    """
    check_picture(picture)
    if min(picture.shape[:2]) < _LEAST_SIDE:
        raise UsageError(f"SRM features need sides of at least {_LEAST_SIDE} pixels.", "Choose larger pictures.")
    channels = (np.concatenate([*submodels(x).values()]) for x in np.moveaxis(picture.astype(np.int32), 2, 0))
    return np.mean([*channels], axis=0)


def submodels(channel: npt.NDArray[np.int32]) -> dict[str, F64]:
    """Features of one channel, int32 (H, W), by family and submodel.

    Submodels of single residuals ("spam") have 169, those of minima and maxima 325.
    """
    found: dict[str, F64] = {}
    for family in FAMILIES:
        residuals = _residuals(channel, family)
        first = next(iter(family.filters))
        axes: tuple[Axis, ...] = ("h",) if first == _WHOLE else ("h", "v")
        for axis in axes:
            counts = _counts(residuals, _images(((first,), axis), pooled=family.kind != "edge"), np.minimum)
            found[f"{family.name} spam {axis}"] = _marginal(counts, signs=True)
        for name, submodel in family.minmax.items():
            images = _images(submodel, pooled=family.kind == "line")
            least, largest = (_counts(residuals, images, best) for best in (np.minimum, np.maximum))
            # The largest residual is the least of the negatives, with its sign changed.
            found[f"{family.name} minmax {name}"] = _marginal(least + largest[::-1], signs=False)
    return found


def _residuals(channel: npt.NDArray[np.int32], family: Family) -> Residuals:
    found = {}
    for direction, filter in family.filters.items():
        turned = direction
        for turns in range(1 if direction == _WHOLE else 4):
            found[turned] = _quantised(_filtered(channel, np.rot90(filter, turns)), family.scale)
            turned = (-turned[1], turned[0])
    return found


def _filtered(x: npt.NDArray[np.int32], filter: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Correlation with a square filter, where it fits into the picture."""
    side = len(filter)
    height, width = x.shape[0] - side + 1, x.shape[1] - side + 1
    total = np.zeros((height, width), np.int32)
    for i, j in zip(*np.nonzero(filter), strict=True):
        total += np.int32(filter[i, j]) * x[i : i + height, j : j + width]
    return total


def _quantised(residual: npt.NDArray[np.int32], scale: int) -> npt.NDArray[np.uint8]:
    """Levels 0…4 of residuals in steps of `scale`, rounded half away from zero."""
    steps = np.minimum((2 * np.abs(residual) + scale) // (2 * scale), _T)
    return (np.sign(residual) * steps + _T).astype(np.uint8)


@cache
def _images(submodel: Submodel, *, pooled: bool) -> tuple[tuple[frozenset[Direction], Axis], ...]:
    """Distinct images under the eight symmetries of the square. `pooled`: opposite directions count as one."""
    directions, axis = submodel
    found = []
    for turns, mirror in product(range(4), (1, -1)):
        image = [(down, mirror * right) for down, right in directions]
        for _ in range(turns):
            image = [(-right, down) for down, right in image]
        if pooled:
            image = [(d, r) if d < 0 or (d == 0 and r > 0) else (-d, -r) for d, r in image]
        found.append((frozenset(image), axis if turns % 2 == 0 else "v" if axis == "h" else "h"))
    return tuple(dict.fromkeys(found))


def _counts(
    residuals: Residuals,
    images: tuple[tuple[frozenset[Direction], Axis], ...],
    best: Callable[..., Any],
) -> F64:
    """Frequencies of four neighbouring levels, (625,): those along rows sum to 1, and those down columns."""
    counts = {"h": np.zeros(_LEVELS**_NEIGHBOURS), "v": np.zeros(_LEVELS**_NEIGHBOURS)}
    for directions, axis in images:
        members = [residuals[each] for each in directions]
        levels = members[0]
        for each in members[1:]:
            levels = best(levels, each)
        counts[axis] += _neighbours(levels if axis == "h" else levels.T)
    return sum((each / max(each.sum(), 1) for each in counts.values()), np.zeros(_LEVELS**_NEIGHBOURS))


def _neighbours(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """How often each combination of four levels stands side by side in a row: (625,)."""
    pairs = _LEVELS * levels[:, :-1] + levels[:, 1:]
    fours = np.uint16(_LEVELS**2) * pairs[:, :-2] + pairs[:, 2:]
    return np.bincount(fours.ravel("K"), minlength=_LEVELS**_NEIGHBOURS)


def _marginal(counts: F64, *, signs: bool) -> F64:
    return np.bincount(_bins(signs=signs), weights=counts).astype(np.float64)


@cache
def _bins(*, signs: bool) -> npt.NDArray[np.intp]:
    """Feature of each combination of levels, (625,): combinations read backwards, and with `signs` negated, share one."""
    codes = np.arange(_LEVELS**_NEIGHBOURS).reshape(_NEIGHBOURS * (_LEVELS,))
    images = [codes, codes.transpose(3, 2, 1, 0)]
    if signs:
        images += [np.flip(each) for each in images]
    return np.unique(np.min(images, axis=0), return_inverse=True)[1].reshape(-1)


class Srm(FeatureDetector):
    """SRM features and an ensemble."""

    name, size, least_side = "srm", FEATURES, _LEAST_SIDE
    features = staticmethod(srm_features)

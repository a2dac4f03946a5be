"""How experiments resize covers and secrets to their sides: as csfnns does, or as the authors' program does.

That program calls `resize` of scikit-image with its defaults: a Gaussian against aliasing, whose σ is half of what the
scale exceeds 1 by, then linear interpolation between pixels' centres; the border mirrors what is inside.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture, fit

F64 = npt.NDArray[np.float64]
LANCZOS, SKIMAGE = "lanczos", "skimage"
"""Pillow's, and scikit-image's."""
_REACH = 4  # of the Gaussian, in σ


def as_skimage(picture: Picture, height: int, width: int) -> Picture:
    """Resize, without regard to the aspect, as `skimage.transform.resize` does by default, rounded to levels.

    Takes and returns uint8 (H, W, 3). Raises UsageError for an array that is no picture.
    """
    check_picture(picture)
    rows, columns = (_weights(old, new) for old, new in zip(picture.shape, (height, width), strict=False))
    levels = np.einsum("yh,hwc->ywc", rows, picture.astype(np.float64), optimize=True)
    return np.rint(columns @ levels).astype(np.uint8)  # (height, width, 3)


def _weights(old: int, new: int) -> F64:
    """What each new pixel of a line takes of each old one, (new, old)."""
    scale = old / new
    sigma = max(0.0, (scale - 1) / 2)
    reach = int(_REACH * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    blur = np.exp(-0.5 * (offsets / (sigma or 1)) ** 2)
    place = np.abs((np.arange(new) + 0.5) * scale - 0.5)
    place = np.minimum(place, 2 * (old - 1) - place)  # mirrored at both ends
    first = np.floor(place).astype(int)
    weights = np.zeros((new, old))
    for step, share in ((0, first + 1 - place), (1, place - first)):
        for offset, each in zip(offsets, blur / blur.sum(), strict=True):
            np.add.at(
                weights, (np.arange(new), _mirrored(np.minimum(first + step, old - 1) + offset, old)), share * each
            )
    return weights


def _mirrored(index: npt.NDArray[np.int_], length: int) -> npt.NDArray[np.int_]:
    """Index inside a line whose borders mirror it without repeating their pixels."""
    period = max(1, 2 * (length - 1))
    inside = index % period
    return np.minimum(inside, period - inside)


RESIZES: dict[str, Callable[[Picture, int, int], Picture]] = {LANCZOS: fit, SKIMAGE: as_skimage}


def resizer(name: str) -> Callable[[Picture, int, int], Picture]:
    """Function of a picture, a height and a width. Raises UsageError for an unknown name."""
    if name not in RESIZES:
        raise UsageError(f"resize must be one of {', '.join(RESIZES)}, got {name!r}.", "Change the value of --set.")
    return RESIZES[name]

"""Pictures of what steganalysis looks at: what its filters leave of a picture, and where changes would not show."""

import numpy as np
import numpy.typing as npt

from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64

_GAIN = 8
_WINDOW = 7  # pixels a side over which energy is averaged
_STEP = 32  # grey levels for a doubling of 1 + energy: white from about 250 levels on


def residual_picture(picture: Picture, gain: float = _GAIN) -> Picture:
    """What a high-pass filter leaves: 128 + gain x residual, clipped to 0…255; uint8 (H, W, 3), each channel by itself.

    The filter is that of Ker and Böhme (2008), with which detectors begin too; its residual is in levels. Raises
    UsageError for an array that is no picture.
    """
    check_picture(picture)
    return np.stack([_scaled(high_pass(picture[..., c]), gain) for c in range(3)], axis=-1)


def energy_picture(picture: Picture) -> Picture:
    """Energy of the residual around each pixel: black where it is flat, white in rough texture; uint8 (H, W, 3), grey.

    Grey is 32 log₂(1 + e), with e the root mean square of the residual in levels over 7x7 pixels and all channels.
    Raises UsageError for an array that is no picture.
    """
    check_picture(picture)
    squares = np.mean([np.square(high_pass(picture[..., c])) for c in range(3)], axis=0)
    levels = _STEP * np.log2(1 + np.sqrt(_mean(squares, _WINDOW)))
    grey = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def high_pass(levels: npt.NDArray[np.uint8]) -> F64:
    """Level minus its prediction from the eight neighbours, of one channel, mirrored at the border: (H, W) → (H, W)."""
    p = np.pad(levels.astype(np.float64), 1, mode="symmetric")
    across = p[:, :-2] - 2 * p[:, 1:-1] + p[:, 2:]  # (H + 2, W)
    filtered: F64 = (across[:-2] - 2 * across[1:-1] + across[2:]) / 4
    return filtered


def _scaled(residual: F64, gain: float) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(128 + gain * residual), 0, 255).astype(np.uint8)


def _mean(x: F64, window: int) -> F64:
    """Mean over window x window around each element, an odd number, mirrored at the border: (H, W) → (H, W)."""
    for _ in range(2):  # along rows, then along columns
        length = x.shape[0]
        padded = np.pad(x, ((window // 2, window // 2), (0, 0)), mode="symmetric")
        x = (sum((padded[k : k + length] for k in range(1, window)), start=padded[:length]) / window).T
    return x

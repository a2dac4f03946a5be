"""Secrets as in the paper: the decoder's output is the picture itself."""

import numpy as np

from csfnns.errors import CapacityError, NoMessageError
from csfnns.images.io import Picture, fit
from csfnns.payloads.base import F32, Decoded, Target
from csfnns.profile import Profile
from csfnns.stream import Seed

LEAST_CORRELATION = 0.4
LEAST_IN_SECRET = 0.5  # the noise of the recovered picture lowers it


class PixelCodec:
    """The secret, resized to the decoder's output, without a shape or a check value.

    Receivers recognise a picture by the correlation of neighbouring pixels, which a wrong decoder's output lacks. Secrets
    that look like noise are therefore refused.
    """

    def __init__(self, profile: Profile, header_seed: Seed) -> None:
        self._height, self._width = profile.secret_size

    def encode(self, secret: Picture, sent: int = 0) -> Target:
        """Pixels in [0, 1], all of weight 1. Raises CapacityError for a secret that looks like noise."""
        pixels = fit(secret, self._height, self._width)
        values: F32 = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        if _neighbour_correlation(values) < LEAST_IN_SECRET:
            raise CapacityError(
                "This secret looks like noise, which this profile cannot tell from a wrong key's output.",
                "Use the profile 'standard', which has a check value.",
            )
        return Target(values, np.ones_like(values))

    def decode(self, output: F32) -> Decoded:
        """Rounded pixels. Raises NoMessageError where neighbouring pixels are hardly correlated."""
        if _neighbour_correlation(output) < LEAST_CORRELATION:
            raise NoMessageError(
                "This key decodes only noise from the picture.",
                "Check that it is the right key and that the picture arrived unchanged.",
            )
        pixels = np.rint(np.clip(output, 0, 1) * 255).astype(np.uint8)
        shape = (self._height, self._width)
        return Decoded(np.ascontiguousarray(pixels.transpose(1, 2, 0)), shape, None)


def _neighbour_correlation(values: F32) -> float:
    """Mean correlation of adjacent pixels, along rows and columns.

    Pixels 2 apart come from one channel of PixelShuffle(2), which correlates them even in noise.
    """
    mean = values.mean((1, 2), keepdims=True, dtype=np.float64)  # in float32, a constant would have a variance
    centred = values - mean
    variance = float(np.mean(centred**2)) + 1e-12
    down = float(np.mean(centred[:, 1:] * centred[:, :-1]))
    across = float(np.mean(centred[:, :, 1:] * centred[:, :, :-1]))
    return (down + across) / (2 * variance)

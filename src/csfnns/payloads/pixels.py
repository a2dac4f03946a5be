"""Secrets as the paper has them: the decoder's output is the picture itself."""

import numpy as np

from csfnns.errors import CapacityError, NoMessageError
from csfnns.payloads.base import F32, Decoded, Target
from csfnns.picture import Picture, fit
from csfnns.profile import Profile
from csfnns.stream import Seed

LEAST_CORRELATION = 0.4
LEAST_IN_SECRET = 0.5  # noise of the recovered picture takes some away


class PixelCodec:
    """The secret, resized to the decoder's output. Nothing else travels: no shape, and no check value.

    Whether a key is the right one can only be guessed: neighbouring pixels of a picture resemble each other, those
    of a wrong decoder's output hardly. A secret of pure noise is therefore refused when it is hidden.
    """

    def __init__(self, profile: Profile, header_seed: Seed) -> None:
        self._height, self._width = profile.secret_size

    def encode(self, secret: Picture) -> Target:
        """Pixels in [0, 1], all of weight 1. Raises CapacityError for a secret that looks like noise."""
        pixels = fit(secret, self._height, self._width)
        values: F32 = pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        if _neighbour_correlation(values) < LEAST_IN_SECRET:
            hint = "Use the profile 'standard', which carries a check value."
            raise CapacityError(
                "With this profile a receiver could not tell this secret from a wrong key's noise.",
                hint,
            )
        return Target(values, np.ones_like(values))

    def decode(self, output: F32) -> Decoded:
        """Rounded pixels. Raises NoMessageError where neighbouring ones do not resemble each other."""
        if _neighbour_correlation(output) < LEAST_CORRELATION:
            raise NoMessageError(
                "What this key decodes from the picture is noise.",
                "Check that it is the right key and that the picture arrived unchanged.",
            )
        pixels = np.rint(np.clip(output, 0, 1) * 255).astype(np.uint8)
        shape = (self._height, self._width)
        return Decoded(np.ascontiguousarray(pixels.transpose(1, 2, 0)), shape, None)


def _neighbour_correlation(values: F32) -> float:
    """Mean correlation of adjacent pixels, along rows and columns.

    Not of pixels 2 apart: PixelShuffle(2) takes those from the same channel, which ties them together in noise too.
    """
    mean = values.mean(
        (1, 2), keepdims=True, dtype=np.float64
    )  # in float32, one colour would have a variance
    centred = values - mean
    variance = float(np.mean(centred**2)) + 1e-12
    down = float(np.mean(centred[:, 1:] * centred[:, :-1]))
    across = float(np.mean(centred[:, :, 1:] * centred[:, :, :-1]))
    return (down + across) / (2 * variance)

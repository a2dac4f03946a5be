"""Steering: β moved during the search, so that it ends where it was told to and not where a guessed β leads."""

import math
from dataclasses import dataclass

GAIN = 0.02
"""Relative change of β a step, for one decibel that is missing; the search answers within some ten steps."""
RANGE = 100.0


@dataclass
class Steering:
    """Factor on β that leads to a target in dB of the stego, of the secret, or as near as can be to both.

    With one target the other quality is as good as the steps allow. With both, what is missing is shared.
    """

    stego: float | None
    recovered: float | None
    factor: float = 1.0

    def update(self, stego: float, recovered: float) -> bool:
        """Take the qualities in dB of a step; whether two targets are both met, and the search can end."""
        short_stego = 0.0 if self.stego is None else self.stego - stego
        short_recovered = 0.0 if self.recovered is None else self.recovered - recovered
        both = self.stego is not None and self.recovered is not None
        if both and short_stego <= 0 and short_recovered <= 0:
            return True
        error = (short_recovered - short_stego) / (2 if both else 1)
        exponent = max(-1.0, min(1.0, GAIN * error))
        self.factor = min(RANGE, max(1 / RANGE, self.factor * math.exp(exponent)))
        return False


def decibels(mean_square: float) -> float:
    """PSNR of a mean squared error in [0, 1] units."""
    return -10 * math.log10(max(mean_square, 1e-20))

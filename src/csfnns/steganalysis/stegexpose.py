"""StegExpose: several detectors in one.

Boehm, "StegExpose: a tool for detecting LSB steganography", arXiv 1410.6656 (2014), in its standard mode.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from csfnns.picture import Picture
from csfnns.steganalysis.base import Detector


@dataclass(frozen=True)
class StegExpose:
    """Arithmetic mean of the detectors' scores, without those that are NaN. The tool suspects pictures above 0.2."""

    detectors: Sequence[Detector]

    def score(self, picture: Picture) -> float:
        """Mean score in [0, 1]; NaN where no detector can tell. Raises UsageError for an array that is no picture."""
        scores = [detector.score(picture) for detector in self.detectors]
        known = [score for score in scores if not math.isnan(score)]
        return sum(known) / len(known) if known else math.nan

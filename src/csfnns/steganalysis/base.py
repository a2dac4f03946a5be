"""What a detector is, and what its entry in the registry says."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from csfnns.registry import Entry

F64 = npt.NDArray[np.float64]


class Detector(Protocol):
    """Scores one picture. The constructor takes settings and what was learned."""

    def score(self, picture: Any) -> float:
        """How suspicious a picture is: in [0, 1], higher for more.

        A picture is uint8 (H, W, 3), or Coefficients where the entry's `reads` says so. NaN for one that is too small to
        score. Raises UsageError for anything else.
        """
        ...


@dataclass(frozen=True)
class DetectorEntry(Entry):
    """A detector in `DETECTORS`."""

    kind: Literal["statistic", "model", "network"] = "statistic"
    """What the factory is. "statistic": called without arguments, it returns a detector. "model": a class with `train`,
    `save`, `load` and `error`, as `Spam`. "network": a subclass of `network.Network`, used through `Deep`."""
    reads: Literal["levels", "coefficients"] = "levels"
    """What is scored: levels, uint8 (H, W, 3), or the Coefficients of a JPEG file. `read_for` reads either."""
    meaning: str = ""
    """One sentence that says what a score means."""
    threshold: float | None = None
    """Score above which the detector suspects a picture; None for a detector without one."""
    false_alarms: str = ""
    """How many plain pictures, which hold nothing, score above the threshold, in words."""

"""Settings of the training of a network, without torch."""

import math
from dataclasses import dataclass
from pathlib import Path

from csfnns.errors import UsageError
from csfnns.steganalysis.detectors import networks

LEAST_SIDE = 16
"""Shortest side of a picture that a network scores, in pixels."""

Curve = list[dict[str, float]]
"""Rows of `step`, `loss` (mean since the row before) and `accuracy` (on crops of held-out pictures)."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained. Raises UsageError for a value out of range."""

    detector: str = "xunet"
    steps: int = 2000
    batch: int = 16
    """Pairs a step: each cover with its own stego, both cropped, turned and mirrored alike."""
    crop: int | None = 64
    """Side of the squares that are cut at random places; None for whole pictures, which must then have one size."""
    rate: float | None = None
    """Adam's highest learning rate; None for the network's own."""
    seed: int = 1
    held_out: float = 0.25
    """Approximate share of the groups that is never trained on: the SHA-256 of each name decides."""
    start: Path | None = None
    """Model to start from, for a curriculum: hard pairs after easy ones."""
    checks: int = 10
    """Rows of the curve."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_name(self.detector)
        for name, holds, rule in (
            ("steps", self.steps >= 1, "at least 1"),
            ("batch", self.batch >= 1, "at least 1"),
            ("checks", self.checks >= 1, "at least 1"),
            ("crop", self.crop is None or self.crop >= LEAST_SIDE, f"None or at least {LEAST_SIDE}"),
            ("rate", self.rate is None or 0 < self.rate < math.inf, "None or above 0"),
            ("seed", 0 <= self.seed < 2**31, "from 0 to 2³¹ − 1"),
            ("held_out", 0 < self.held_out < 1, "between 0 and 1"),
        ):
            if not holds:
                raise UsageError(f"{name} must be {rule}, got {getattr(self, name)}.", "Change the value.")


def check_name(name: str) -> None:
    """Raise UsageError for a name of no network."""
    if name not in networks():
        raise UsageError(f"There is no network {name!r}.", f"Choose one of: {', '.join(networks())}.")

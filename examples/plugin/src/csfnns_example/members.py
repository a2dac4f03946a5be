"""One member of each family."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image, ImageFilter

from csfnns.errors import CapacityError
from csfnns.images.io import Picture, fit
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded
from csfnns.profile import Profile
from csfnns.search import Progress
from csfnns.stream import Seed


def stripes(profile: Profile) -> Callable[[Seed], Picture]:
    """Cover generator: the same picture for the same seed, on every machine."""

    def cover(seed: Seed) -> Picture:
        colours = np.frombuffer(seed.derive("csfnns-example/stripes").data[:6], np.uint8).reshape(2, 3)
        rows = np.arange(profile.height) // 8 % 2
        return np.repeat(colours[rows][:, None], profile.width, axis=1)

    return cover


@dataclass(frozen=True)
class Blur:
    """Channel: Gaussian blur."""

    radius: float

    @classmethod
    def parse(cls, radius: str) -> Self:
        """Channel of the text "blur:RADIUS"; ValueError becomes an error of csfnns."""
        return cls(float(radius))

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Blurred picture."""
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(self.radius)))

    def cases(self) -> "Sequence[Blur]":
        """Nothing is left open."""
        return [self]

    def __str__(self) -> str:
        return f"blur:{self.radius:g}"


class Parity:
    """Detector: distance of the share of odd levels from one half, as a score in [0, 1]."""

    def score(self, picture: Picture) -> float:
        """Score of a picture, uint8 (H, W, 3)."""
        return abs(2 * float((picture & 1).mean()) - 1)


@dataclass(frozen=True)
class Corner:
    """Baseline: the secret replaces the upper left quarter of the cover."""

    profile: Profile

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for more than one secret."""
        if len(secrets) != 1:
            raise CapacityError(f"One secret fits, got {len(secrets)}.", "Hide one.")

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover."""
        self.check(list(secrets.values()))
        height, width = cover.shape[0] // 2, cover.shape[1] // 2
        stego = cover.copy()
        stego[:height, :width] = fit(next(iter(secrets.values())), height, width)
        return stego

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """The upper left quarter."""
        height, width = stego.shape[0] // 2, stego.shape[1] // 2
        return Decoded(stego[:height, :width].copy(), (height, width), None)

"""A picture in a cover as the trellis method would hide it, in a fraction of its time and for nobody to reveal."""

import math
import os
from dataclasses import replace

import numpy as np

from csfnns.coding import PARTITIONS
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.methods._trellis_format import Layout, Shared
from csfnns.methods._trellis_sender import Part, Quality, Settings, analyse_for
from csfnns.methods.base import ReceiverSeeds
from csfnns.methods.trellis import COST_EXPONENT
from csfnns.search import Progress
from csfnns.stream import SEED_BYTES, Seed

__all__ = ["STATES", "Sketch", "analyse_for"]

STATES = 256
"""Fewer than a message has: at 512x512, the stego is 1 dB worse, and a search takes a tenth of a second."""

_MISS = 1.5  # dB beyond which a search is made again
_FULL = 0.4  # share of changes from which no search brings more


class Sketch:
    """One secret in one cover, at any quality.

    What it shows has neither an address nor a head, and its seeds are random and kept nowhere else.
    """

    def __init__(self, cover: Picture, secret: Picture) -> None:
        """Analyse the secret. Raises CapacityError for a cover that is too small."""
        self._cover, self._secret = cover, secret
        seeds = ReceiverSeeds(*(Seed(os.urandom(SEED_BYTES)) for _ in range(2)))
        settings = Settings(Quality(), STATES, COST_EXPONENT, None, 1, 0, {})
        analysis = analyse_for(secret, cover.size)
        self._part = Part(settings, Layout(Shared(cover), seeds), secret, analysis, range(PARTITIONS))

    def at(self, quality: Quality, progress: Progress | None = None) -> tuple[Picture, Picture]:
        """Stego, and the picture that arrives, uint8 (H, W, 3) each. Raises Cancelled."""
        places, changes, picture = self._part.sketch(quality, progress)
        if quality.recovered is not None:
            miss = psnr(picture, self._secret) - quality.recovered
            full = miss < 0 and np.mean(changes != 0) > _FULL
            if _MISS < abs(miss) < math.inf and not full:  # rare in photographs
                again = min(max(quality.recovered - miss, 20), 90)
                places, changes, picture = self._part.sketch(replace(quality, recovered=again), progress)
        delta = np.zeros(self._cover.size, np.int8)
        delta[places] = changes
        return (self._cover + delta.reshape(self._cover.shape)).astype(np.uint8), picture

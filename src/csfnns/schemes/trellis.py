"""Pictures through the trellis decoder: clear at their own size, by few changes of ±1 where the cover hides them.

_trellis_format.py   what a message looks like in δ, and how it is read
_trellis_sender.py   how many changes it makes, and the searches for them
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from csfnns.coding import SLOTS, parity
from csfnns.errors import NoMessageError, UsageError
from csfnns.payloads.base import Decoded
from csfnns.payloads.blocks import MOST_WATER
from csfnns.picture import Picture, check_picture
from csfnns.profile import Profile
from csfnns.schemes._trellis_format import (
    HEAD_PLACES,
    LEAST_BODY,
    Layout,
    Shared,
    protected_size,
    read_picture,
)
from csfnns.schemes._trellis_sender import (
    EFFICIENCY,
    SHARE,
    STATES,
    Message,
    Quality,
    Settings,
    analyse_for,
    densities,
    entropy,
    last_index,
)
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import viterbi
from csfnns.search.progress import Progress

__all__ = ["COST_EXPONENT", "STATES", "Forecast", "Quality", "Trellis", "photograph_psnr"]

COST_EXPONENT = 0.25
"""Prices of changes follow HILL's cost to this power: 0 is the least change, more goes further into the texture."""


@dataclass(frozen=True)
class Forecast:
    """Estimate of how a picture arrives."""

    psnr: float
    """PSNR in dB at which it will arrive."""
    clear: bool
    """Whether that is as clear as was wanted."""


@dataclass(frozen=True)
class Trellis:
    """Pictures for up to eight receivers, by the trellis decoder. Settings are the sender's: receivers need none."""

    profile: Profile | None = None
    quality: Quality = field(default_factory=Quality)
    states: int | None = None
    """Power of two in 4…8192; STATES of the form unless given."""
    exponent: float = COST_EXPONENT
    form: viterbi.Form | None = None

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise UsageError for more secrets than a cover has slots."""
        if not 1 <= len(secrets) <= SLOTS:
            raise UsageError(f"A cover has room for 1 to {SLOTS} receivers, not {len(secrets)}.")

    def forecast(self, places: int, secret: Picture) -> "Forecast":
        """Estimate, without a search and within about half a dB, how a secret arrives in `places` sub-pixels."""
        analysis = analyse_for(secret, places)
        tables = len(analysis.model(MOST_WATER // 2).to_bytes())
        header = HEAD_PLACES + parity.PLACES * protected_size(tables)
        if places - header < LEAST_BODY:
            return Forecast(0.0, False)
        density = densities(analysis.bits / ((places - header) * EFFICIENCY)) + header / 16 / places
        recovered, stego = analysis.psnr(SHARE), 10 * np.log10(255**2 / density)
        wanted = last_index(recovered >= self.quality.recovered) if self.quality.recovered is not None else 0
        allowed = int(np.argmax(stego >= self.quality.stego)) if self.quality.stego is not None else 0
        if self.quality.stego is not None and stego[-1] < self.quality.stego:
            allowed = MOST_WATER
        return Forecast(float(recovered[max(wanted, allowed)]), allowed <= wanted)

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture | bytes],
        *,
        shares: int = 1,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with a picture of any size, or bytes, for each receiver.

        Bytes go by direct coding (schemes/direct.py). Where all get pictures, they have equal shares of the cover, `shares`
        in all, of which those that nobody reads look the same; and the stego has the PSNR of `quality.stego`, unless that
        is None or the quality strict: so no receiver sees how many others get something, or how much. Raises CapacityError,
        SearchError, and Cancelled.
        """
        check_picture(cover)
        self.check(list(secrets))  # type: ignore[arg-type]
        settings = Settings(self.quality, self.states, self.exponent, self.form)
        return Message(settings, cover, secrets, shares, progress).stego()

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Picture of one receiver, at its own size. Raises NoMessageError when there is none for these seeds."""
        check_picture(stego)
        check_picture(cover)
        if stego.shape != cover.shape or np.array_equal(stego, cover):
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        delta = (stego.astype(np.int16) - cover).reshape(-1)
        found = read_picture(Layout(Shared(cover), seeds), delta)
        if found is not None:
            return found
        raise NoMessageError(
            "This key finds no picture here.",
            "Check that it is the right key and that the picture arrived unchanged.",
        )


_RATES = (0.035, 0.068, 0.13, 0.25, 0.48, 0.92, 1.77, 3.39, 6.51, 12.5)
_PHOTOGRAPHS = {  # longer side in pixels → PSNR of Kodak's photographs at these bits a pixel, means of 24
    128: (21.1, 22.1, 23.4, 24.9, 26.8, 29.3, 32.7, 37.4, 43.9, 54.2),
    256: (21.8, 23.0, 24.4, 26.0, 28.0, 30.8, 34.5, 39.8, 46.9, 60.4),
    512: (22.4, 23.7, 25.2, 27.0, 29.2, 32.2, 36.4, 42.2, 49.5, 68.3),
    768: (22.8, 24.2, 25.7, 27.7, 30.1, 33.3, 37.8, 43.8, 50.9, 76.2),
}


def photograph_psnr(places: int, pixels: int) -> float:
    """PSNR in dB at which a typical photograph of `pixels` pixels arrives in `places` sub-pixels; at most the usual.

    Larger photographs than those measured are taken to be as detailed, which most are not.
    """
    usual = Quality()
    assert usual.recovered is not None
    assert usual.stego is not None
    bits = places * EFFICIENCY * entropy(255**2 * 10 ** (-usual.stego / 10))
    side = math.sqrt(1.5 * pixels)
    rate = math.log(bits / pixels)
    at = [np.interp(rate, np.log(_RATES), row) for row in _PHOTOGRAPHS.values()]
    found = float(np.interp(math.log(side), np.log(list(_PHOTOGRAPHS)), at))
    lacking = max(math.log(_RATES[0]) - rate, 0)  # below what was measured, as steeply as there
    return min(found - 1.8 * lacking, usual.recovered)

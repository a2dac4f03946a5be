"""Pictures through the trellis decoder: clear at their own size, by few changes of ±1 where the cover hides them.

_trellis_format.py   format of a message in δ, and how it is read
_trellis_sender.py   the number of changes, and the searches for them
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from csfnns.coding import PARTITIONS, parity
from csfnns.errors import DamagedError, NoMessageError, UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.methods._direct import reserve_levels
from csfnns.methods._trellis_format import (
    HEAD_PLACES,
    LEAST_BODY,
    Layout,
    Shared,
    protected_size,
    read_picture,
)
from csfnns.methods._trellis_sender import (
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
from csfnns.methods.base import Carrier, Envelope, ReceiverSeeds
from csfnns.payloads.base import Decoded
from csfnns.payloads.blocks import MOST_WATER, Analysis
from csfnns.profile import Profile
from csfnns.search import Progress, viterbi

__all__ = ["COST_EXPONENT", "STATES", "Forecast", "Quality", "Trellis", "photograph_psnr"]

COST_EXPONENT = 0.25
"""Prices of changes follow HILL's cost to this power: 0 gives the fewest changes, more goes further into texture."""

_ALL_OVER = 0.05  # share of levels changed by more than one, as no trellis message changes any


@dataclass(frozen=True)
class Forecast:
    """Estimate of how a picture arrives."""

    psnr: float
    """PSNR in dB."""
    clear: bool
    """Whether that reaches the target."""
    stego: float = math.inf
    """PSNR of the stego in dB."""


@dataclass(frozen=True)
class Trellis:
    """Pictures for up to eight receivers, by the trellis decoder.

    Without targets a picture arrives at 38 dB, and the stego keeps 56 dB at least.
    """

    profile: Profile | None = None
    recovered: float | None = None
    """Target PSNR of the received picture in dB, 20…90."""
    stego: float | None = None
    """Target PSNR of the stego in dB, 20…90. With both targets, both are met or exceeded, or there is an error."""
    states: int | None = None
    """Power of two in 4…8192; by default 4096 with the C kernel and 256 in NumPy."""
    exponent: float = COST_EXPONENT
    form: viterbi.Form | None = None

    name: ClassVar[str] = "trellis"
    carrier: ClassVar[Carrier] = "levels"

    def __post_init__(self) -> None:
        for name in ("recovered", "stego"):
            value = getattr(self, name)
            if value is not None and not 20 <= value <= 90:
                raise UsageError(f"{name} must be a PSNR in 20…90 dB, got {value}.", "Usual are 38 and 56.")
        if self.states is not None and self.states not in [2**i for i in range(2, 14)]:
            raise UsageError(f"states must be a power of two in 4…8192, got {self.states}.", "Usual are 256 and 4096.")

    @property
    def quality(self) -> Quality:
        """Targets: the named ones, which must be met, or the usual ones."""
        if self.recovered is None and self.stego is None:
            return Quality()
        return Quality(self.recovered, self.stego, strict=True)

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise UsageError for more secrets than a cover has partitions."""
        if not 1 <= len(secrets) <= PARTITIONS:
            raise UsageError(f"A cover has room for 1 to {PARTITIONS} receivers, got {len(secrets)}.")

    def forecast(self, places: int, secret: Picture | Analysis) -> Forecast:
        """Estimate, without a search and within about half a dB, how a secret arrives in `places` sub-pixels."""
        quality = self.quality
        analysis = secret if isinstance(secret, Analysis) else analyse_for(secret, places)
        header = HEAD_PLACES + parity.PER_BYTE * protected_size(analysis.table_size)
        if places - header < LEAST_BODY:
            return Forecast(0.0, False)
        density = densities(analysis.bits / ((places - header) * EFFICIENCY)) + header / 16 / places
        recovered, stego = analysis.psnr(SHARE), 10 * np.log10(255**2 / density)
        wanted = last_index(recovered >= quality.recovered) if quality.recovered is not None else 0
        allowed = int(np.argmax(stego >= quality.stego)) if quality.stego is not None else 0
        if quality.stego is not None and stego[-1] < quality.stego:
            allowed = MOST_WATER
        at = max(wanted, allowed)
        return Forecast(float(recovered[at]), allowed <= wanted, float(stego[at]))

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture | bytes],
        *,
        envelope: Envelope | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with a picture of any size, or bytes, for each receiver.

        Bytes go by direct coding (methods/direct.py). Where all get pictures, they have equal shares of the cover,
        `envelope.shares` in all; shares that nobody reads look the same, and the stego has the PSNR of its target,
        unless the recovered picture has one: no receiver sees how many others get something, or how much. Raises
        CapacityError, SearchError and Cancelled.
        """
        check_picture(cover)
        self.check(list(secrets))  # type: ignore[arg-type]
        shares = envelope.shares if envelope is not None and len(secrets) > 1 else 1
        sent, names = (0, {}) if envelope is None else (envelope.sent, envelope.names)
        settings = Settings(self.quality, self.states, self.exponent, self.form, shares, sent, names)
        return Message(settings, cover, secrets, envelope, progress).stego()

    def extract(
        self, stego: Picture, cover: Picture, seeds: ReceiverSeeds, *, envelope: Envelope | None = None
    ) -> Decoded:
        """Picture of one receiver, at its own size.

        Raises NoMessageError where there is none for these seeds, DamagedError where nothing but noise is left of it.
        """
        check_picture(stego)
        check_picture(cover)
        if stego.shape != cover.shape or np.array_equal(stego, cover):
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        delta = (stego.astype(np.int16) - cover).reshape(-1)
        shared = Shared(cover, reserve_levels(envelope, cover, seeds.header))
        found = read_picture(Layout(shared, seeds), delta)
        if found is not None and (found.unchanged or np.mean(np.abs(delta) > 1) < _ALL_OVER):
            return found
        if found is not None:
            raise DamagedError(
                "The picture holds a picture for this key, but it was changed all over on its way.",
                "Ask for the file as it was written.",
            )
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

"""How a message would look, before it is hidden: fast enough to follow a slider, and for nobody to reveal."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from csfnns.errors import UsageError
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr
from csfnns.messages.results import Arrival
from csfnns.methods import Direct, ReceiverSeeds, Trellis
from csfnns.methods.select import Plan, Request, check_room, plans
from csfnns.methods.sketch import Sketch, analyse_for
from csfnns.payloads.secret import Source, read_secret
from csfnns.stream import SEED_BYTES, Seed

if TYPE_CHECKING:
    from csfnns.keys import Key
    from csfnns.search import Progress

LEAST_STEGO = 40.0
"""PSNR in dB below which no quality that is asked for brings a stego."""
_SHOWN = 1 << 18  # pixels of a secret, at most: a larger one is shown scaled
_RECEIVER = "receiver"


@dataclass(frozen=True, slots=True)
class Previewed:
    """A stego that nobody can reveal, and what would arrive."""

    stego: Picture
    """uint8 (H, W, 3)."""
    shown: Picture | None
    """What arrives, uint8 (h, w, 3), scaled to 512x512 pixels in area at most; None for files and text."""
    arrival: Arrival
    stego_psnr: float
    """In dB."""


class Preview:
    """A picture, a file or text for one receiver in one cover, by random seeds that are kept nowhere else."""

    def __init__(self, payload: Source, key: "Key", cover: Picture, *, resize: int | None = None) -> None:
        """Read the payload. Raises PictureError, CapacityError, and UsageError for keys whose decoder is a network."""
        if key.profile.is_network:
            reason = f"There is no preview with the profile {key.profile.name!r}: its search takes a minute."
            raise UsageError(reason, "Hide it: the result is shown then.")
        self.cover, self._secret = cover, read_secret(payload, resize=resize)
        self._request = Request({_RECEIVER: self._secret}, key.profile)
        check_room(self._usual, self._request)

    def at(self, recovered: float | None = None, progress: "Progress | None" = None) -> Previewed:
        """Preview of a picture that is to arrive at this PSNR in dB, 20…90, or, without one, of what `hide` chooses.

        The stego keeps 40 dB: where both cannot be met, the picture arrives as clear as it can. Files and text arrive
        unchanged at any quality. Raises CapacityError, UsageError and Cancelled.
        """
        picture = self._secret.picture
        if picture is None or (recovered is None and isinstance(self._plan.method, Direct)):
            return self._exactly()
        wanted = Trellis() if recovered is None else Trellis(recovered=recovered, stego=LEAST_STEGO)
        shown, quality = self._shown, wanted.quality
        if shown is not picture:
            found = wanted.forecast(self.cover.size, self._analysis)
            quality = Trellis(recovered=max(found.psnr, 20), stego=LEAST_STEGO).quality
        stego, arrived = self._sketch.at(quality, progress)
        whole, stego_psnr = psnr(arrived, shown), psnr(stego, self.cover)
        if shown is not picture:
            whole, stego_psnr = found.psnr, found.stego
        height, width = picture.shape[:2]
        arrival = Arrival("picture", "trellis", width, height, None, whole)
        return Previewed(stego, arrived, arrival, stego_psnr)

    def _exactly(self) -> Previewed:
        (prepared,) = self._plan.prepared.values()
        assert isinstance(prepared.payload, bytes)
        seeds = ReceiverSeeds(*(Seed(os.urandom(SEED_BYTES)) for _ in range(2)))
        stego = Direct().embed(self.cover, {seeds: prepared.payload})
        about: dict[str, Any] = {"file": prepared.file}
        shown = None
        if self._secret.picture is not None:
            assert prepared.file is not None
            arrived = read_picture(prepared.file.content)
            about |= {"height": arrived.shape[0], "width": arrived.shape[1]}
            about["original_psnr"] = psnr(fit(arrived, *self._secret.picture.shape[:2]), self._secret.picture)
            shown = _scaled(arrived)
        kind: Any = self._secret.kind.name.lower()
        return Previewed(stego, shown, Arrival(kind, prepared.form, **about), psnr(stego, self.cover))

    @property
    def _usual(self) -> Direct | Trellis:
        return Direct() if self._secret.picture is None else Trellis()

    @cached_property
    def _plan(self) -> Plan:
        return next(plans(self._usual, self._request, self.cover))

    @cached_property
    def _shown(self) -> Picture:
        assert self._secret.picture is not None
        return _scaled(self._secret.picture)

    @cached_property
    def _sketch(self) -> Sketch:
        return Sketch(self.cover, self._shown)

    @cached_property
    def _analysis(self) -> Any:
        assert self._secret.picture is not None
        return analyse_for(self._secret.picture, self.cover.size)


def _scaled(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    if height * width <= _SHOWN:
        return picture
    scale = (_SHOWN / (height * width)) ** 0.5
    return fit(picture, max(1, int(scale * height)), max(1, int(scale * width)))

"""Method for keys of profile paper: pictures by the search and the network of the paper, Cs-FNNS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from csfnns.address import CODED
from csfnns.address import encode as encode_address
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.methods._direct import reserve_levels
from csfnns.methods.base import Carrier, Envelope, ReceiverSeeds
from csfnns.methods.network import CsFnns, load_adversaries, torch_device
from csfnns.methods.robust import check_weights, with_settings
from csfnns.payloads.base import Decoded
from csfnns.profile import Profile
from csfnns.search import Progress


@dataclass(frozen=True)
class Paper:
    """A picture of the grid's size for each receiver, as in the paper (Eq. 3–10). Needs the extra `network`."""

    profile: Profile | None = None
    steps: int | None = None
    """Steps of the search; 1500 by default, as in the paper."""
    beta: float | None = None
    """β of Eq. 3, above 0; 0.5 by default."""
    evade: str | tuple[str, ...] = ()
    """Detectors that the search evades (Eq. 6): names of pretrained ones or files."""
    gamma: float | None = None
    """γ of Eq. 6, above 0."""
    device: str = "auto"
    """Device of torch; "auto" is "cuda" where there is one."""

    name: ClassVar[str] = "paper"
    carrier: ClassVar[Carrier] = "levels"

    def __post_init__(self) -> None:
        if self.profile is not None and self.profile.decoder not in ("plain", "shuffle"):
            reason = f"The method 'paper' needs a key of profile paper, got {self.profile.name!r}."
            raise UsageError(reason, "Make one with 'csfnns key new --profile paper'.")
        check_weights(self.steps, self.beta, self.gamma, self.evade)

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for pictures that `embed` would certainly refuse or fail at."""
        self._scheme.check(secrets)

    def embed(
        self,
        cover: Picture,
        payloads: Mapping[ReceiverSeeds, Picture],
        *,
        envelope: Envelope | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with a picture for each receiver.

        The address is written after the search, by changing about 200 levels by one. Raises CapacityError, SearchError,
        Cancelled, and UsageError without the extra `network`.
        """
        stego = self._scheme.embed(cover, payloads, progress=progress)
        reserved = reserve_levels(envelope, cover, next(iter(payloads)).decoder)
        if reserved is None or envelope is None:
            return stego
        levels = stego.reshape(-1)
        bits = encode_address(envelope.key, envelope.nonce, reserved.context)
        wrong = np.flatnonzero(bits != np.bitwise_xor.reduce(levels[reserved.places] & 1, axis=1))
        stream = reserved.seed.derive("csfnns/2/address/draw").stream()
        chosen = reserved.places[wrong, stream.integers(CODED, reserved.places.shape[1])[wrong]]
        step = stream.signs(CODED)[wrong].astype(np.int16)
        step = np.where(levels[chosen] == 0, 1, np.where(levels[chosen] == 255, -1, step))
        levels[chosen] = (levels[chosen] + step).astype(np.uint8)
        return stego

    def extract(
        self, stego: Picture, cover: Picture, seeds: ReceiverSeeds, *, envelope: Envelope | None = None
    ) -> Decoded:
        """Picture of one receiver. Raises NoMessageError where the decoder gives noise, UsageError without torch."""
        assert self.profile is not None
        return CsFnns(self.profile).extract(stego, cover, seeds)

    @property
    def _scheme(self) -> CsFnns:
        from csfnns.search import preset

        assert self.profile is not None
        search = with_settings(preset(self.profile), self.steps, self.beta, self.gamma)
        return CsFnns(self.profile, search, torch_device(self.device), load_adversaries(self.evade))

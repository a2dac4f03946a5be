"""Direct coding: bytes straight into δ, exact, with changes as small and as few as any code can have.

    bytes → sealed → bits → arithmetic decoder under the cover's laws → δ
    δ → arithmetic encoder under the same laws → bits → unsealed → bytes

Both ends know the cover, so neither a network nor a syndrome code is needed: the sender draws δ from the best law there
is, with the sealed bits for dice, and the receiver computes which dice they were. With model `cost`, changes go where
texture hides them; with `uniform`, anywhere; with `grain`, δ has the law of grain whatever is hidden, and covers without
a message can be given grain of the same law.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

import numpy as np
import numpy.typing as npt

from csfnns.coding import GRAIN_SIGMA, Model, ModelName, capacity_at, grain_delta, make_model, slots
from csfnns.errors import NoMessageError, UsageError
from csfnns.picture import Picture, check_picture
from csfnns.schemes._direct import (
    SURE,
    Capacity,
    check_receivers,
    class_counts,
    most_bytes,
    read_delta,
    senders_seed,
    whole_bytes,
    write_delta,
)
from csfnns.schemes.base import ReceiverSeeds
from csfnns.stream import Seed

I8 = npt.NDArray[np.int8]

__all__ = ["Capacity", "Direct"]


@dataclass(frozen=True)
class Direct:
    """Bytes for up to eight receivers, exact or an error. Both ends choose the same settings."""

    model: ModelName = "cost"
    sigma: float = float(GRAIN_SIGMA)
    """Of the grain, in levels, 0.5…2: for model `grain` only."""

    def __post_init__(self) -> None:
        if self.model not in get_args(ModelName):
            hint = f"Choose one of: {', '.join(get_args(ModelName))}."
            raise UsageError(f"There is no model {self.model!r} of changes.", hint)
        if not 0.5 <= self.sigma <= 2:
            raise UsageError(f"Grain cannot have σ = {self.sigma}.", "Choose one in 0.5…2.")

    def embed(self, cover: Picture, payloads: Mapping[ReceiverSeeds, bytes]) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with bytes of any kind and number for each receiver.

        Two messages must share neither seeds nor a cover. Raises CapacityError for what does not fit, and UsageError.
        """
        check_picture(cover)
        check_receivers(payloads)
        grain = self._grain(cover, senders_seed(payloads)).reshape(-1) if self.model == "grain" else None
        delta = write_delta(self._model(cover), slots(cover), payloads, grain)
        return (cover + delta.reshape(cover.shape)).astype(np.uint8)

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> bytes:
        """Bytes for one receiver. Raises NoMessageError when there are none, DamagedError when they were changed."""
        check_picture(stego)
        check_picture(cover)
        if stego.shape != cover.shape or np.array_equal(stego, cover):
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        delta = (stego.astype(np.int16) - cover).reshape(-1)
        return read_delta(self._model(cover), slots(cover), delta, seeds)

    def capacity(self, cover: Picture, psnr: Sequence[float] = (50, 55, 60, 65)) -> Capacity:
        """Bytes for one receiver: the most, and those that leave the stego at each PSNR in dB. Keys hardly matter."""
        check_picture(cover)
        model = self._model(cover)
        counts = class_counts(model, slots(cover))
        at = {each: whole_bytes(capacity_at(model, counts, each, SURE)) for each in psnr}
        return Capacity(most_bytes(model, counts), at)

    def decoy(self, cover: Picture, seed: Seed) -> Picture:
        """The cover with grain that holds nothing, of the law that δ has with model `grain`.

        Raises UsageError with other models, where a picture without a message is the cover itself.
        """
        check_picture(cover)
        if self.model != "grain":
            raise UsageError(f"There is no grain with model {self.model!r}.", "Choose model 'grain'.")
        return (cover + self._grain(cover, seed)).astype(np.uint8)

    def _model(self, cover: Picture) -> Model:
        return make_model(self.model, cover, Fraction(str(self.sigma)))

    def _grain(self, cover: Picture, seed: Seed) -> I8:
        stream = seed.derive("csfnns/1/direct/grain").stream()
        return grain_delta(cover, Fraction(str(self.sigma)), stream)

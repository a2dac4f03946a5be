"""Direct coding of bytes into the levels of a picture: exact, with as few changes as the cover allows.

    bytes → sealed → bits → arithmetic decoder under the cover's distributions → δ
    δ → arithmetic encoder under the same distributions → bits → unsealed → bytes

Both ends know the cover, so neither a network nor a syndrome code is needed: the sealed bits are the random numbers
from which the sender draws δ, and the receiver computes them from δ. With model `cost`, changes go into texture; with
`uniform`, anywhere; with `grain`, δ has the distribution of grain whatever is hidden, and covers without a message can
have the same grain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log2
from typing import ClassVar, get_args

import numpy as np
import numpy.typing as npt

from csfnns.coding import GRAIN_SIGMA, Model, ModelName, grain_delta, make_model, partitions
from csfnns.errors import NoMessageError, UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.methods._direct import (
    TYPICAL,
    Capacity,
    measure_capacity,
    partitions_suffice,
    read_delta,
    reserve_levels,
    sender_seed,
    share_of,
    write_delta,
)
from csfnns.methods.base import Carrier, Envelope, ReceiverSeeds
from csfnns.search import Progress
from csfnns.stream import Seed

I8 = npt.NDArray[np.int8]

AVIF_STEGO = 56.0
"""PSNR in dB of a stego that carries an AVIF."""


@dataclass(frozen=True)
class Direct:
    """Bytes for up to eight receivers, exact or an error. Both ends choose the same settings."""

    model: ModelName = "cost"
    sigma: float = float(GRAIN_SIGMA)
    """Standard deviation of the grain in levels, 0.5…2: for model `grain` only."""

    carrier: ClassVar[Carrier] = "levels"

    def __post_init__(self) -> None:
        if self.model not in get_args(ModelName):
            raise UsageError(f"model must be one of {', '.join(get_args(ModelName))}, got {self.model!r}.", "")
        if not 0.5 <= self.sigma <= 2:
            raise UsageError(f"sigma must be in 0.5…2, got {self.sigma}.", "1 is the grain of decoys.")

    @property
    def name(self) -> str:
        """Name of the method."""
        return "grain" if self.model == "grain" else "direct"

    def embed(
        self,
        cover: Picture,
        payloads: Mapping[ReceiverSeeds, bytes],
        *,
        envelope: Envelope | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with bytes for each receiver.

        Two messages must share neither seeds nor a cover. Raises CapacityError for what does not fit, and UsageError.
        """
        check_picture(cover)
        seed = sender_seed(payloads)
        grain = self._grain(cover, seed).reshape(-1) if self.model == "grain" else None
        reserved = reserve_levels(envelope, cover, seed)
        delta = write_delta(self._model(cover), partitions(cover), payloads, reserved=reserved, grain=grain)
        return (cover + delta.reshape(cover.shape)).astype(np.uint8)

    def extract(
        self, stego: Picture, cover: Picture, seeds: ReceiverSeeds, *, envelope: Envelope | None = None
    ) -> bytes:
        """Bytes for one receiver. Raises NoMessageError where there are none, DamagedError where they were changed."""
        check_picture(stego)
        check_picture(cover)
        if stego.shape != cover.shape or np.array_equal(stego, cover):
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        delta = (stego.astype(np.int16) - cover).reshape(-1)
        reserved = reserve_levels(envelope, cover, seeds.header)
        return read_delta(self._model(cover), partitions(cover), delta, seeds, reserved)

    def fits(self, sizes: Sequence[int], pixels: int) -> bool:
        """Whether payloads of these sizes in bytes may fit into a cover of so many pixels, at a glance."""
        return partitions_suffice(sizes, 3 * pixels * (2.05 if self.model == "grain" else log2(3)))

    def room(self, cover: Picture, receivers: int) -> int:
        """Bytes for each of several receivers that leave the stego at 56 dB; with grain, as many as fit."""
        found = self.capacity(cover, [AVIF_STEGO])
        return share_of(found.most if self.model == "grain" else found.at[AVIF_STEGO], receivers)

    def capacity(self, cover: Picture, psnr: Sequence[float] = (50, 55, 60, 65)) -> Capacity:
        """Bytes for one receiver: the most, and those that leave the stego at each PSNR in dB, for a typical key."""
        check_picture(cover)
        reserved = reserve_levels(TYPICAL, cover, TYPICAL.key)
        assert reserved is not None
        noise = np.broadcast_to(1 / cover.size, cover.size)
        return measure_capacity(self._model(cover), partitions(cover), reserved, noise, psnr)

    def decoy(self, cover: Picture, seed: Seed, *, envelope: Envelope | None = None) -> Picture:
        """The cover with grain that holds nothing but an address, distributed as δ of model `grain`.

        Raises UsageError with other models.
        """
        check_picture(cover)
        if self.model != "grain":
            raise UsageError(f"A decoy needs model 'grain', got {self.model!r}.", "Use Direct('grain').")
        delta = self._grain(cover, seed).reshape(-1)
        reserved = reserve_levels(envelope, cover, seed)
        if reserved is not None:
            reserved.write(delta, self._model(cover), 0)
        return (cover + delta.reshape(cover.shape)).astype(np.uint8)

    def _model(self, cover: Picture) -> Model:
        return make_model(self.model, cover, Fraction(str(self.sigma)))

    def _grain(self, cover: Picture, seed: Seed) -> I8:
        stream = seed.derive("csfnns/2/direct/grain").stream()
        return grain_delta(cover, Fraction(str(self.sigma)), stream)


def grain() -> Direct:
    """Direct coding as grain, which decoys have too."""
    return Direct("grain")

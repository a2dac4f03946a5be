"""Low bits: the secret's pixels, bit by bit, in the least significant bits of sub-pixels in keyed order.

Replacement (Chi-Kwong Chan and Lee-Ming Cheng, "Hiding data in images by simple LSB substitution", Pattern Recognition
37, 2004) writes the bits over the low ones. Matching (Toby Sharp, "An implementation of key-based digital signal
steganography", Information Hiding 2001) moves each level to the nearest one that ends in them, ±1 for one bit.

_exact.py has the message. Where its pixels alone fill every level to its depth (6 bpp), the last 80 bits go one bit
deeper into the first levels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csfnns.baselines._exact import message_bits, read_message, write_message
from csfnns.errors import Cancelled, CapacityError
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded
from csfnns.profile import Profile
from csfnns.search import Progress
from csfnns.stream import Seed, Stream

DEEPEST = 4
"""Low bits of a level that may be used."""
_NAME = "lsb"

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lsb:
    """One secret a cover, exact to the bit. Receivers need no cover, and the profile's decoder is not used."""

    profile: Profile
    matching: bool = True
    """Whether levels move to the nearest value with the right low bits; otherwise the low bits are overwritten."""

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for several secrets, which would overwrite each other, and for 24 bits a pixel."""
        if len(secrets) > 1:
            raise CapacityError(f"{len(secrets)} secrets would overwrite each other's bits.", "Hide one in each cover.")
        depth = math.ceil(message_bits(self.profile) / self._levels())
        if depth > DEEPEST:
            raise CapacityError(
                f"{self.profile.bpp} bits a pixel take {depth} of a level's 8 bits, more than {DEEPEST}.",
                "Choose 6 or 1.5 bits a pixel.",
            )

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Raises CapacityError and Cancelled."""
        self.check(list(secrets.values()))
        ((seeds, secret),) = secrets.items()
        order, depths = self._order(seeds.decoder)
        values = _join(write_message(_NAME, self.profile, secret, seeds), len(order))
        stego = cover.copy()
        levels = stego.reshape(-1)[order].astype(np.int64)
        if self.matching:
            coin = seeds.decoder.derive("csfnns/2/lsb/ties").stream()
            stego.reshape(-1)[order] = _nearest(levels, values, depths, coin)
        else:
            stego.reshape(-1)[order] = (levels >> depths << depths) | values
        if progress is not None and progress(1, 1) is False:
            raise Cancelled("The embedding was cancelled.", "Nothing was written.")
        return stego

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of the receiver, exact; the cover is ignored. Raises NoMessageError for a wrong key or bit."""
        order, depths = self._order(seeds.decoder)
        bits = _split(stego.reshape(-1)[order].astype(np.int64), depths)
        return read_message(_NAME, self.profile, bits, seeds)

    def _levels(self) -> int:
        return 3 * self.profile.height * self.profile.width

    def _order(self, seed: Seed) -> tuple[I64, I64]:
        """Flat positions of levels in keyed order, and how many low bits each holds: one more in the first few."""
        depth, more = divmod(message_bits(self.profile), self._levels())
        order = seed.derive("csfnns/2/lsb/order").stream().permutation(self._levels())
        depths = np.full(len(order), depth)
        depths[:more] += 1
        return order[depths > 0], depths[depths > 0]


def _join(bits: npt.NDArray[np.uint8], levels: int) -> I64:
    """Low bits of each level: the first `levels` bits give one each, the next ones a second, lower bit, and so on."""
    values = np.zeros(levels, np.int64)
    for plane in np.split(bits, range(levels, len(bits), levels)):
        values[: len(plane)] = 2 * values[: len(plane)] + plane
    return values


def _split(levels: I64, depths: I64) -> npt.NDArray[np.uint8]:
    """Undo `_join`."""
    planes = [levels[depths > k] >> (depths[depths > k] - 1 - k) & 1 for k in range(int(depths.max()))]
    return np.concatenate(planes).astype(np.uint8)


def _nearest(levels: I64, values: I64, depths: I64, coin: Stream) -> I64:
    """Nearest levels in 0…255 that end in `values`; the coin decides between two equally near."""
    step = 1 << depths
    down = (levels - values) % step
    up = (values - levels) % step
    rises = (up < down) | ((up == down) & (coin.signs(len(levels)) > 0))
    rises = (rises & (levels + up <= 255)) | (levels - down < 0)
    moved: I64 = np.where(rises, levels + up, levels - down)
    return moved

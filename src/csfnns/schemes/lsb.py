"""Low bits: the secret's pixels, bit by bit, in the least significant bits of sub-pixels in keyed order.

Replacement (Chi-Kwong Chan and Lee-Ming Cheng, "Hiding data in images by simple LSB substitution", Pattern Recognition
37, 2004) writes the bits over the low ones. Matching (Toby Sharp, "An implementation of key-based digital signal
steganography", Information Hiding 2001) moves each level to the nearest one that ends in them, ±1 for one bit.

    check 6 | height 2 | width 2 | pixels of the grid    bytes, big-endian, whitened with a keystream

The check value is the start of HMAC-SHA256 over the rest, under a key of this receiver and message: a wrong key, or one
changed bit, gives an error. Where every place of the grid's rate is taken (6 bpp), the header's 80 bits go one bit
deeper into the first places.
"""

import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.errors import Cancelled, CapacityError, NoMessageError
from csfnns.payloads import Decoded
from csfnns.picture import Picture, fit, restored_shape
from csfnns.profile import Profile
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import Progress
from csfnns.stream import Seed, Stream

DEEPEST = 4
"""Low bits of a level that may be used: more is not hiding."""
_CHECK = 6
_HEADER = _CHECK + 4

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lsb:
    """One secret a cover, exact to the bit. Receivers need no cover. The profile's decoder is not used."""

    profile: Profile
    matching: bool = True
    """Levels move to the nearest value with the right low bits; otherwise the low bits are written over."""

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for several secrets, which would overwrite each other, and for 24 bits a pixel."""
        if len(secrets) > 1:
            raise CapacityError(
                f"{len(secrets)} secrets would overwrite each other's bits.",
                "Hide one a cover with this scheme.",
            )
        depth = math.ceil(self._bits() / self._places())
        if depth > DEEPEST:
            hint = "Choose 6 or 1.5 bits a pixel."
            raise CapacityError(
                f"{self.profile.bpp} bits a pixel need {depth} of a level's 8 bits: that is no hiding.", hint
            )

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture],
        *,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Raises CapacityError and Cancelled."""
        self.check(list(secrets.values()))
        ((seeds, secret),) = secrets.items()
        grid = fit(secret, *self.profile.secret_size)
        message = _message(secret, grid, seeds.header)
        bits = np.unpackbits(np.frombuffer(message, np.uint8)) ^ _whitening(seeds.decoder, self._bits())
        order, depths = self._slots(seeds.decoder)
        values = _join(bits, depths)
        stego = cover.copy()
        levels = stego.reshape(-1)[order].astype(np.int64)
        if self.matching:
            coin = seeds.decoder.derive("csfnns/1/lsb/ties").stream()
            stego.reshape(-1)[order] = _nearest(levels, values, depths, coin)
        else:
            stego.reshape(-1)[order] = (levels >> depths << depths) | values
        if progress is not None and progress(1, 1) is False:
            raise Cancelled("The embedding was cancelled.", "Nothing was written.")
        return stego

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of the receiver, exact. Raises NoMessageError for another key or a changed bit.

        The cover is not looked at.
        """
        order, depths = self._slots(seeds.decoder)
        values = stego.reshape(-1)[order].astype(np.int64) & ((1 << depths) - 1)
        bits = _split(values, depths) ^ _whitening(seeds.decoder, self._bits())
        data = np.packbits(bits).tobytes()
        if not hmac.compare_digest(data[:_CHECK], _seal(seeds.header, data[_CHECK:])):
            raise NoMessageError(
                "This key finds no message in the picture.",
                "Check that it is the right key and that the picture arrived unchanged, not re-saved or resized.",
            )
        height, width = (int.from_bytes(data[i : i + 2], "big") for i in (_CHECK, _CHECK + 2))
        grid = np.frombuffer(data[_HEADER:], np.uint8).reshape(*self.profile.secret_size, 3).copy()
        shape = restored_shape(height, width, *self.profile.secret_size)
        return Decoded(grid, shape, math.inf)

    def _bits(self) -> int:
        return 8 * (_HEADER + 3 * math.prod(self.profile.secret_size))

    def _places(self) -> int:
        return 3 * self.profile.height * self.profile.width

    def _slots(self, seed: Seed) -> tuple[I64, I64]:
        """Flat places in keyed order, and how many low bits each holds: all the same, but one more in the first few."""
        depth, more = divmod(self._bits(), self._places())
        order = seed.derive("csfnns/1/lsb/places").stream().permutation(self._places())
        depths = np.full(len(order), depth)
        depths[:more] += 1
        return order[depths > 0], depths[depths > 0]


def _message(secret: Picture, grid: Picture, seed: Seed) -> bytes:
    """Check value, true shape and pixels. Raises CapacityError for sides that two bytes cannot hold."""
    if max(secret.shape) >= 2**16:
        raise CapacityError("A secret's sides are at most 65535 pixels.", "Scale it down first.")
    rest = b"".join(side.to_bytes(2, "big") for side in secret.shape[:2]) + grid.tobytes()
    return _seal(seed, rest) + rest


def _seal(seed: Seed, rest: bytes) -> bytes:
    return hmac.new(seed.derive("csfnns/1/lsb/check").data, rest, sha256).digest()[:_CHECK]


def _whitening(seed: Seed, bits: int) -> npt.NDArray[np.uint8]:
    """Keystream, one element a bit: what is hidden looks random whatever it shows."""
    stream = seed.derive("csfnns/1/lsb/bits").stream()
    return np.unpackbits(np.frombuffer(stream.take(bits // 8), np.uint8))


def _join(bits: npt.NDArray[np.uint8], depths: I64) -> I64:
    """Consecutive bits, `depths[i]` of them, highest first, as the value of slot i."""
    starts = np.cumsum(depths) - depths
    values = np.zeros(len(depths), np.int64)
    for k in range(int(depths.max())):
        held = depths > k
        values[held] = 2 * values[held] + bits[starts[held] + k]
    return values


def _split(values: I64, depths: I64) -> npt.NDArray[np.uint8]:
    """Undo `_join`."""
    starts = np.cumsum(depths) - depths
    bits = np.zeros(int(depths.sum()), np.uint8)
    for k in range(int(depths.max())):
        held = depths > k
        bits[starts[held] + k] = values[held] >> (depths[held] - 1 - k) & 1
    return bits


def _nearest(levels: I64, values: I64, depths: I64, coin: Stream) -> I64:
    """Nearest levels in 0…255 that end in `values`; of two as near, the coin takes one."""
    step = 1 << depths
    down = (levels - values) % step
    up = (values - levels) % step
    rises = (up < down) | ((up == down) & (coin.signs(len(levels)) > 0))
    rises = (rises & (levels + up <= 255)) | (levels - down < 0)
    moved: I64 = np.where(rises, levels + up, levels - down)
    return moved

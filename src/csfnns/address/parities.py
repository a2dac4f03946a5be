"""Addresses in parities: of the levels of a lossless picture, or of the quantised coefficients of a JPEG file.

A bit is the parity of the sum of a group of values at keyed places. Payloads use none of these places, but the places
change as if they did: changes are drawn from the payload's own distributions, on condition that the parities are right.
So a small payload has an address of about CODED / 2 changes, and a large one hides the address among its own.
"""

import numpy as np
import numpy.typing as npt

from csfnns.address.code import CODED, draw_distinct
from csfnns.coding.jpeg import Coefficients
from csfnns.coding.models import RATES, Model
from csfnns.images.io import Picture
from csfnns.stream import Seed, Stream

F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_CHANGED = 0.0015  # share of the values that are assumed to be changed by ±1 on the way
_OCTAVE = 1024  # rates by which costs count half as much

GROUP = 8
"""Sub-pixels of a group. More would hide the changes better from those who know the places, and cost the payload more."""


class LevelAddress:
    """Where lossless pictures of a size have the address of a key."""

    places: I64
    """Flat indices into (H, W, 3) of the sub-pixels of each group, (CODED, GROUP), all different."""

    def __init__(self, key: Seed, height: int, width: int) -> None:
        self._size = 3 * height * width
        if self._size < GROUP * CODED:
            raise ValueError(f"a picture of {width}x{height} is too small for an address")
        stream = key.derive(f"csfnns/2/address/levels/{width}x{height}").stream()
        self.places = draw_distinct(stream, GROUP * CODED, self._size).reshape(CODED, GROUP)

    def read(self, picture: Picture) -> F64:
        """Soft bits (CODED,) of a picture of this size, uint8 (H, W, 3): log P(0) / P(1), for `decode`."""
        return _soft(_parities(picture.reshape(-1)[self.places]), self.places.shape[1])

    def changes(self, cover: Picture, bits: U8, model: Model, rate: int, seed: Seed) -> I8:
        """Changes (CODED, g) of `places` that write the bits (CODED,), from the payload's model and rate."""
        wrong = _parities(cover.reshape(-1)[self.places]) ^ bits
        return draw_changes(model, rate, self.places, wrong, seed)


class CoefficientAddress:
    """Where JPEG files of a size have the address of a key: quantised luminance coefficients above frequency 0.

    All 63 frequencies take part, at random over the picture: of 64 coefficients of a photograph at quality 75 or more,
    about 10 are not zero. With costs that follow the blocks' energy, the one that moves is nearly always one of those or
    stands beside them. In a flat picture all are zero and cost the same, and one of them moves. JPEG files are read
    without errors, so large groups cost nothing but room.
    """

    places: I64
    """Coefficients of each group, (CODED, g), all different, as `coding.uerd.flatten` numbers them. g is 8…64."""

    def __init__(self, key: Seed, height: int, width: int) -> None:
        self._size = 63 * -(-height // 8) * -(-width // 8)
        group = min(max(self._size // (8 * CODED), 8), 64)
        if group * CODED > self._size:
            raise ValueError(f"a JPEG picture of {width}x{height} is too small for an address")
        stream = key.derive(f"csfnns/2/address/coefficients/{width}x{height}").stream()
        self.places = draw_distinct(stream, group * CODED, self._size).reshape(CODED, group)

    def read(self, picture: Coefficients) -> F64:
        """Soft bits (CODED,) of a file of this size: log P(0) / P(1), for `decode`."""
        return _soft(self._parities(picture), self.places.shape[1])

    def changes(self, cover: Coefficients, bits: U8, model: Model, rate: int, seed: Seed) -> I8:
        """Changes (CODED, g) of `places` that write the bits (CODED,), from the payload's model and rate."""
        return draw_changes(model, rate, self.places, self._parities(cover) ^ bits, seed)

    def _parities(self, picture: Coefficients) -> U8:
        block, frequency = np.divmod(self.places, 63)
        return _parities(picture.planes[0].reshape(-1, 64)[block, frequency + 1])


def draw_changes(model: Model, rate: int, places: I64, parity: U8, seed: Seed) -> I8:
    """Draw changes (G, g) of groups of places from the model at a rate, given the parity (G,) of each group's sum.

    Where that rate leaves a group no odd change, the next rates do, an octave further each: the cheapest place moves.
    """
    delta = np.zeros(places.shape, np.int8)
    todo, stream = np.arange(len(places)), seed.stream()
    while len(todo):
        weights = np.diff(model.distributions(rate)).astype(np.float64)[model.classes[places[todo]]]  # (G, g, 2r + 1)
        weights /= weights.sum(2, keepdims=True)
        can = (weights[..., _odd(weights)].sum((1, 2)) > 0) | (parity[todo] == 0)
        delta[todo[can]] = _draw(weights[can], parity[todo[can]], stream)
        todo = todo[~can]
        if len(todo) and rate == RATES - 1:
            raise ValueError("a group of places cannot change")
        rate = min(rate + _OCTAVE, RATES - 1)
    return delta


def _draw(weights: F64, parity: U8, stream: Stream) -> I8:
    """Draw changes (G, g) of probabilities (G, g, 2r + 1), given whether each group's sum is odd: (G,) 1 or 0.

    Place by place: whether its change is odd, given what the rest can be, then the change. Rejection would draw from the
    same distribution, but takes forever where changes are rare.
    """
    odd = _odd(weights)
    q = weights[..., odd].sum(2)  # (G, g): P(the change is odd)
    rest = np.zeros((q.shape[0], q.shape[1] + 1))  # P(the sum from this place on is odd)
    for i in reversed(range(q.shape[1])):
        rest[:, i] = q[:, i] * (1 - rest[:, i + 1]) + (1 - q[:, i]) * rest[:, i + 1]
    dice = stream.uniforms(2 * q.size).reshape(2, *q.shape)
    left = parity.astype(bool)
    picked = np.zeros(q.shape, bool)
    for i in range(q.shape[1]):
        after = rest[:, i + 1]
        yes = q[:, i] * np.where(left, 1 - after, after)
        no = (1 - q[:, i]) * np.where(left, after, 1 - after)
        picked[:, i] = dice[0, :, i] * (yes + no) < yes
        left ^= picked[:, i]
    likely = np.cumsum(np.where(picked[..., None] == odd, weights, 0), axis=2)
    below = likely <= dice[1][..., None] * likely[..., -1:]
    return (below.sum(2) - weights.shape[2] // 2).astype(np.int8)


def _odd(weights: F64) -> npt.NDArray[np.bool_]:
    """Which of the changes -r…r are odd, (2r + 1,)."""
    return (np.arange(weights.shape[-1]) - weights.shape[-1] // 2) % 2 == 1


def _parities(values: npt.NDArray[np.integer]) -> U8:
    """Parities of groups (G, g), (G,)."""
    return (np.bitwise_xor.reduce(values, axis=1) & 1).astype(np.uint8)


def _soft(bits: U8, group: int) -> F64:
    """Soft bits of parities of so many values each."""
    wrong = (1 - (1 - 2 * _CHANGED) ** group) / 2
    return np.where(bits == 1, -1.0, 1.0) * np.log((1 - wrong) / wrong)

"""Direct coding into any cover elements: bytes for up to eight receivers as δ, and back.

    header 13 = fields (length 4 | rate 2 | partitions 1), masked | check 6    at places of its own, by a fixed distribution
    sealed = data, encrypted | tag 16                                          at all other places of the receiver

A place is an element of the cover for which a model has a distribution of changes: a sub-pixel of a picture or a
coefficient of a JPEG file. Places of the address belong to nobody's part.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import sqrt, tanh
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.address import CoefficientAddress, LevelAddress
from csfnns.address import encode as encode_address
from csfnns.coding import (
    ALL_PARTITIONS,
    PARTITIONS,
    RATES,
    Layout,
    Model,
    capacity,
    decode,
    encode,
    energies,
    entropies,
    joint,
    least_rate,
)
from csfnns.coding.arithmetic import TOTAL
from csfnns.coding.classes import sum_classes
from csfnns.coding.jpeg import Coefficients
from csfnns.errors import CapacityError, DamagedError, NoMessageError, UsageError
from csfnns.images.io import Picture
from csfnns.methods.base import Envelope, ReceiverSeeds, context_of
from csfnns.payloads.seal import CHECK_BYTES, TAG_BYTES, open_header, seal, seal_header, unseal
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Changes = npt.NDArray[np.signedinteger[Any]]
"""δ of each place, (n,)."""

TYPICAL = Envelope(Seed(bytes(32)), bytes(16))
"""Address with which capacities are measured."""
HEADER_BYTES = 7 + CHECK_BYTES
NOBODY = 255
"""Partition of places that carry the address."""
SURE = 5.0
"""Standard deviations that capacities keep in reserve."""
_SURE_OF_PLACES = 3.0  # the same for the places of the address
_TRY = 2.0  # the same for the first rate that is tried
_SPARE = 32  # bits in reserve: the last ones may be determined only in part
_UNEVEN = 1.05  # partitions differ a little in size
_STEP = 4  # up from a rate that carried less than its mean


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes that a cover holds for one receiver."""

    most: int
    """At any fidelity."""
    at: dict[float, int]
    """At each of some stego PSNRs in dB, or better."""


@dataclass(frozen=True)
class Reserved:
    """Places of a message's address in a cover."""

    layout: LevelAddress | CoefficientAddress
    cover: Any
    """Picture, or coefficients of a JPEG file."""
    envelope: Envelope
    context: bytes
    seed: Seed
    """Source of the changes that are drawn."""

    @property
    def places(self) -> I64:
        """(groups, group size)."""
        return self.layout.places

    def keep_free(self, partition: U8) -> U8:
        """Partitions (n,) without these places."""
        partition = partition.copy()
        partition[self.places] = NOBODY
        return partition

    def write(self, delta: I8, model: Model, rate: int) -> None:
        """Draw the changes of these places from the same distributions as the payload's, in place."""
        bits = encode_address(self.envelope.key, self.envelope.nonce, self.context)
        seed = self.seed.derive("csfnns/2/address/draw")
        delta[self.places] = self.layout.changes(self.cover, bits, model, rate, seed)


def reserve_levels(envelope: Envelope | None, cover: Picture, seed: Seed) -> Reserved | None:
    """Places of an address among the levels of a cover; `seed` is what the sender draws their changes from."""
    if envelope is None:
        return None
    height, width = cover.shape[:2]
    layout = LevelAddress(envelope.key, height, width)
    return Reserved(layout, cover, envelope, context_of("levels", height, width), seed)


def reserve_coefficients(envelope: Envelope | None, cover: Coefficients, seed: Seed) -> Reserved | None:
    """The same among the coefficients of a JPEG file."""
    if envelope is None:
        return None
    layout = CoefficientAddress(envelope.key, *cover.shape)
    return Reserved(layout, cover, envelope, context_of("coefficients", *cover.shape), seed)


def check_receivers(payloads: Mapping[ReceiverSeeds, Any]) -> None:
    """Raise UsageError unless there are 1 to 8 receivers."""
    if not 1 <= len(payloads) <= PARTITIONS:
        raise UsageError(f"A cover has room for 1 to {PARTITIONS} receivers, got {len(payloads)}.")


def sender_seed(payloads: Iterable[ReceiverSeeds]) -> Seed:
    """Seed that no receiver can compute, except one who is the only one."""
    every = b"".join(seeds.decoder.data for seeds in payloads)
    return Seed(sha256(b"csfnns/2/direct/sender" + every).digest())


def write_delta(
    model: Model,
    partition: U8,
    payloads: Mapping[ReceiverSeeds, bytes],
    *,
    reserved: Reserved | None = None,
    grain: I8 | None = None,
) -> I8:
    """δ of each place, (n,), with bytes for each receiver and the address; `partition` is of each place, (n,).

    `grain` is δ of places that carry nothing; the distributions then have no rate. Raises CapacityError for what does
    not fit.
    """
    check_receivers(payloads)
    if reserved is not None:
        partition = reserved.keep_free(partition)
    needs = {seeds: len(data) + TAG_BYTES for seeds, data in payloads.items()}
    dealt = deal_partitions(needs, sender_seed(payloads))
    parts = [BytesPart(model, partition, seeds, data, dealt[seeds]) for seeds, data in payloads.items()]
    if grain is None:
        least = max(part.least_rate() for part in parts)
        base, rates = np.zeros(partition.size, np.int8), [*range(least, RATES - 1, _STEP), RATES - 1]
    else:
        base, rates = grain, [0]
    # A single receiver may see where the message ends. Of several, none may see where another's ends.
    stop = len(parts) == 1 and grain is None
    for rate in rates:
        delta = base.copy()
        if all(part.write(delta, rate, stop=stop) for part in parts):
            if reserved is not None:
                reserved.write(delta, model, rate)
            return delta
    raise _too_much()


def read_delta(
    model: Model, partition: U8, delta: Changes, seeds: ReceiverSeeds, reserved: Reserved | None = None
) -> bytes:
    """Bytes for one receiver in the changes (n,).

    Raises NoMessageError where there are none and DamagedError where they were changed.
    """
    if reserved is not None:
        partition = reserved.keep_free(partition)
    layout = Layout(model, partition, seeds.decoder)
    header, home = _find_header(layout, delta, seeds.header)
    fields = open_header(header, seeds.header)
    length, rate, mask = int.from_bytes(fields[:4], "big"), int.from_bytes(fields[4:6], "big"), fields[6]
    groups = layout.groups(mask, home)
    distributions = joint(model.distributions(rate), model.group_size)
    symbols = _symbols(delta[groups], model.max_change)
    sealed = encode(distributions, model.classes[groups[:, 0]], symbols, 8 * (length + TAG_BYTES))
    return unseal(sealed, seeds.header, header)


def measure_capacity(model: Model, partition: U8, reserved: Reserved, noise: F64, psnr: Sequence[float]) -> Capacity:
    """Bytes for one receiver beside an address; a change of a place adds `noise`, (n,), to the mean squared error."""
    key = reserved.envelope.key
    every = len(model.distributions(0))
    counts = Layout(model, reserved.keep_free(partition), key).count_groups(ALL_PARTITIONS, 0, every)
    of_address, places = model.classes[reserved.places].reshape(-1), reserved.places.reshape(-1)
    groups = np.bincount(of_address, minlength=len(counts)) / len(reserved.places)
    address = np.bincount(of_address, noise[places], len(counts))
    payload = sum_classes(model.classes, noise, len(counts)) - address

    def mse(rate: int) -> float:
        energy = energies(model.distributions(rate))
        # Changes of a group are nearly Poisson: x of them on average are x / tanh(2x) where the parity is given.
        return float(payload @ energy + address @ energy / tanh(max(2 * float(groups @ energy), 1e-9)))

    def most(rate: int) -> int:
        # With another key, the places of the address may be worth more, and classes leave more places that fill no group.
        worth = entropies(model.distributions(rate))[0][of_address]
        left = np.count_nonzero(counts) * (model.group_size**2 - 1) / 12
        spare = _SPARE + _SURE_OF_PLACES * sqrt(2 * (worth.size * worth.var() + left * worth.mean() ** 2))
        return max(int(capacity(model, counts, rate, SURE) - spare) // 8 - TAG_BYTES, 0)

    at = {}
    for each in psnr:
        rate = bisect_right(range(RATES), 255**2 * 10 ** (-each / 10), key=mse) - 1
        at[each] = most(rate) if rate >= 0 else 0
    return Capacity(most(RATES - 1), at)


class BytesPart:
    """Bytes for one receiver, and their part of the cover."""

    def __init__(self, model: Model, partition: U8, seeds: ReceiverSeeds, data: bytes, mine: Sequence[int]) -> None:
        self._model, self._seeds, self._data = model, seeds, data
        self._mask = sum(1 << i for i in mine)
        layout = Layout(model, partition, seeds.decoder)
        # The first holds the header, the others noise of the same distribution.
        self._headers = [layout.header(i) for i in (mine[:1] if self._mask == ALL_PARTITIONS else mine)]
        self._groups = layout.groups(self._mask, mine[0])
        self._classes = model.classes[self._groups[:, 0]]

    def density(self, rate: int) -> float:
        """Expected share of the places that change at a rate."""
        moved = 1 - np.diff(self._model.distributions(rate))[:, self._model.max_change] / TOTAL
        return float(moved[self._classes].mean())

    def least_rate(self) -> int:
        """Lowest rate at which the data will probably fit, or the highest rate."""
        bits = 8 * (len(self._data) + TAG_BYTES)
        return min(least_rate(self._model, _counts(self._model, self._groups), bits, _TRY), RATES - 1)

    def write(self, delta: I8, rate: int, *, stop: bool) -> bool:
        """Draw this part of δ, (n,), in place, and return whether header and data fitted."""
        model, seeds = self._model, self._seeds
        fields = len(self._data).to_bytes(4, "big") + rate.to_bytes(2, "big") + bytes([self._mask])
        header = seal_header(fields, seeds.header)
        sealed = seal(self._data, seeds.header, header)
        pad = seeds.decoder.derive("csfnns/2/direct/pad").stream()
        fits = True
        for i, places in enumerate(self._headers):
            content = header if i == 0 else b""
            drawn = decode(
                model.header_distributions,
                model.header_classes[places],
                content + pad.take(model.header_size),
                8 * len(content),
                stop=stop,
            )
            delta[places[: len(drawn.symbols)]] = drawn.symbols - model.max_change
            fits &= drawn.determined
        distributions = model.distributions(rate)
        moving = entropies(distributions)[0][self._classes] > 0  # the others never change
        groups, classes = self._groups[moving], self._classes[moving]
        stream = sealed + pad.take(groups.size // 2 + 64)
        bits = 8 * len(sealed)
        drawn = decode(joint(distributions, model.group_size), classes, stream, bits, stop=stop)
        delta[groups[: len(drawn.symbols)]] = _levels(drawn.symbols, model)
        return fits and drawn.determined

    def write_among(self, delta: I8, density: float) -> float:
        """Like `write`, with about this share of the places changed, or more if needed; return that share.

        Where other receivers get pictures, all parts change alike. Raises CapacityError for what does not fit.
        """
        low, high = self.least_rate(), RATES - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.density(middle) >= density else (middle + 1, high)
        for rate in range(low, RATES, _STEP):
            if self.write(delta, rate, stop=False):
                return self.density(rate)
        raise _too_much()


def partitions_suffice(sizes: Sequence[int], bits: float) -> bool:
    """Whether the partitions of a cover that carries at most so many bits can hold payloads of these sizes in bytes."""
    one = _UNEVEN * bits / 8 / PARTITIONS
    return sum(1 + int((size + TAG_BYTES) / one) for size in sizes) <= PARTITIONS


def share_of(most: int, receivers: int) -> int:
    """Bytes that each of several receivers may have where a single one may have `most`."""
    return most * (PARTITIONS // receivers) // PARTITIONS


def deal_partitions(needs: Mapping[ReceiverSeeds, float], secret: Seed) -> dict[ReceiverSeeds, list[int]]:
    """Partitions for each receiver: one each, and the rest by need. `secret` decides which ones."""
    counts = dict.fromkeys(needs, 1)
    for _ in range(PARTITIONS - len(needs)):
        fullest = max(counts, key=lambda seeds: needs[seeds] / counts[seeds])
        counts[fullest] += 1
    order = iter(secret.derive("csfnns/2/direct/deal").stream().permutation(PARTITIONS).tolist())
    return {seeds: [next(order) for _ in range(counts[seeds])] for seeds in needs}


def _find_header(layout: Layout, delta: Changes, seed: Seed) -> tuple[bytes, int]:
    """Header and the partition that holds it. Raises NoMessageError where none does."""
    model = layout.model
    reason: NoMessageError | None = None
    for home in range(PARTITIONS):
        places = layout.header(home)
        try:
            symbols = _symbols(delta[places, None], model.max_change)
            classes = model.header_classes[places]
            header = encode(model.header_distributions, classes, symbols, 8 * HEADER_BYTES)
            open_header(header, seed)
        except DamagedError:
            continue
        except NoMessageError as error:
            reason = error.with_traceback(None)  # else it keeps this call's arrays until the next garbage collection
            continue
        return header, home
    raise reason or NoMessageError("This picture was changed all over.", "Use the picture as it was sent.")


def _symbols(delta: Changes, max_change: int) -> I64:
    """Changes (G, group size) as symbols (G,), the first change the highest digit. Raises DamagedError for large ones."""
    if np.any(np.abs(delta) > max_change):
        reason = "The picture holds a message for this key, but it was changed on its way."
        raise DamagedError(reason, "Ask for the file as it was written.")
    symbols = np.zeros(len(delta), np.int64)
    for digit in delta.T:
        symbols = symbols * (2 * max_change + 1) + (digit + max_change)
    return symbols


def _levels(symbols: I64, model: Model) -> I64:
    """Undo `_symbols`: (G,) → (G, group size)."""
    base = 2 * model.max_change + 1
    return symbols[:, None] // base ** np.arange(model.group_size - 1, -1, -1) % base - model.max_change


def _counts(model: Model, groups: Changes) -> I64:
    """Number of places of each class in the groups, (C,)."""
    return model.group_size * np.bincount(model.classes[groups[:, 0]], minlength=len(model.distributions(0)))


def _too_much() -> CapacityError:
    return CapacityError("This is more than the cover holds.", "Send less, or make a key with a larger --size.")

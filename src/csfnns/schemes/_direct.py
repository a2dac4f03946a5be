"""What direct coding is wherever the changes go: bytes for up to eight receivers, drawn as δ, and read from it.

    header 13 = fields (length 4 | rate 2 | slots 1), masked | check 6      in a block of its own, by a fixed law
    sealed = data, encrypted | tag 16                                       in the rest

A place is what a model has a law for: a sub-pixel of a picture, a coefficient of a JPEG file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.coding import (
    EVERY,
    RATES,
    SLOTS,
    Model,
    Places,
    carried,
    draw,
    entropies,
    least_rate,
    nest,
    recover,
)
from csfnns.coding.interval import TOTAL
from csfnns.errors import CapacityError, DamagedError, NoMessageError, UsageError
from csfnns.payloads.seal import CHECK_BYTES, TAG_BYTES, open_header, seal, seal_header, unseal
from csfnns.schemes.base import ReceiverSeeds
from csfnns.stream import Seed

I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Changes = npt.NDArray[np.signedinteger[Any]]
"""δ of each place, (n,)."""

HEADER_BYTES = 7 + CHECK_BYTES
_TRY, SURE = 2.0, 5.0  # standard deviations of what a law carries, kept in hand
_SPARE = 32  # bits kept in hand: the last ones may be determined only in part
_STEP = 4  # up from a rate that carried less than it does on the average


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes that a cover holds for one receiver."""

    most: int
    """At any fidelity."""
    at: dict[float, int]
    """At each of some stego PSNRs in dB, or better."""


def check_receivers(payloads: Mapping[ReceiverSeeds, bytes]) -> None:
    """Raise UsageError unless there are one to eight."""
    if not 1 <= len(payloads) <= SLOTS:
        raise UsageError(f"A cover has room for 1 to {SLOTS} receivers, not {len(payloads)}.")


def senders_seed(payloads: Iterable[ReceiverSeeds]) -> Seed:
    """Seed that no receiver can compute but one who is alone."""
    every = b"".join(seeds.decoder.data for seeds in payloads)
    return Seed(sha256(b"csfnns/1/direct/sender" + every).digest())


def write_delta(
    model: Model, slot: U8, payloads: Mapping[ReceiverSeeds, bytes], grain: I8 | None = None
) -> I8:
    """δ of each place, (n,), with bytes of any kind and number for each receiver; `slot` is of each place, (n,).

    `grain` is what places have that carry nothing; then the law does not depend on a rate. Raises CapacityError for
    what does not fit.
    """
    parts = [_Part(model, slot, *share) for share in _deal(payloads, senders_seed(payloads))]
    if grain is None:
        least = max(part.least_rate() for part in parts)
        base, rates = np.zeros(slot.size, np.int8), [*range(least, RATES - 1, _STEP), RATES - 1]
    else:
        base, rates = grain, [0]
    # One receiver knows that he is alone. Of several, none shall see where another's message ends.
    stop = len(parts) == 1 and grain is None
    for rate in rates:
        delta = base.copy()
        if all(part.write(delta, rate, stop=stop) for part in parts):
            return delta
    raise CapacityError(
        "This is more than the cover holds.", "Send less, or make a key with a larger --size."
    )


def read_delta(model: Model, slot: U8, delta: Changes, seeds: ReceiverSeeds) -> bytes:
    """Bytes for one receiver in the changes (n,).

    Raises NoMessageError when there are none, DamagedError when they were changed.
    """
    places = Places(model, slot, seeds.decoder)
    header, home = _find_header(places, delta, seeds.header)
    fields = open_header(header, seeds.header)
    length, rate, mask = int.from_bytes(fields[:4], "big"), int.from_bytes(fields[4:6], "big"), fields[6]
    groups = places.groups(mask, home)
    laws = nest(model.laws(rate), model.members)
    symbols = _symbols(delta[groups], model.reach)
    sealed = recover(laws, model.classes[groups[:, 0]], symbols, 8 * (length + TAG_BYTES))
    return unseal(sealed, seeds.header, header)


def class_counts(model: Model, slot: U8) -> I64:
    """How many places of each class carry data, (C,), where one receiver has them all; keys hardly matter."""
    return _counts(model, Places(model, slot, Seed(bytes(32))).groups(EVERY, 0))


def most_bytes(model: Model, counts: I64, rate: int = RATES - 1) -> int:
    """Bytes of data that so many places of each class certainly carry at a rate; counts (C,)."""
    return whole_bytes(carried(model, counts, rate, SURE))


def whole_bytes(bits: float) -> int:
    """Bytes of data in so many bits."""
    return max(int(bits - _SPARE) // 8 - TAG_BYTES, 0)


class _Part:
    """One receiver's part of the cover, and what goes into it."""

    def __init__(
        self,
        model: Model,
        slot: U8,
        seeds: ReceiverSeeds,
        data: bytes,
        mine: Sequence[int],
    ) -> None:
        self._model, self._seeds, self._data = model, seeds, data
        self._mask = sum(1 << i for i in mine)
        places = Places(model, slot, seeds.decoder)
        # The first holds the header, the others nothing but noise of the same law.
        self._blocks = [places.block(i) for i in (mine[:1] if self._mask == EVERY else mine)]
        self._groups = places.groups(self._mask, mine[0])
        self._classes = model.classes[self._groups[:, 0]]

    @property
    def _bits(self) -> int:
        return 8 * (len(self._data) + TAG_BYTES)

    def density(self, rate: int) -> float:
        """Share of the places that change at a rate, about."""
        moved = 1 - np.diff(self._model.laws(rate))[:, self._model.reach] / TOTAL
        return float(moved[self._classes].mean())

    def least_rate(self) -> int:
        """Lowest rate at which the data will most probably fit; the highest when they will hardly do."""
        return min(least_rate(self._model, _counts(self._model, self._groups), self._bits, _TRY), RATES - 1)

    def write(self, delta: I8, rate: int, *, stop: bool) -> bool:
        """Draw this part of δ, (n,), in place; whether header and data fitted."""
        model, seeds = self._model, self._seeds
        fields = len(self._data).to_bytes(4, "big") + rate.to_bytes(2, "big") + bytes([self._mask])
        header = seal_header(fields, seeds.header)
        sealed = seal(self._data, seeds.header, header)
        pad = seeds.decoder.derive("csfnns/1/direct/pad").stream()
        fits = True
        for i, block in enumerate(self._blocks):
            content = header if i == 0 else b""
            stream = content + pad.take(model.block)
            drawn = draw(model.block_laws, model.block_classes[block], stream, 8 * len(content), stop=stop)
            delta[block[: len(drawn.symbols)]] = drawn.symbols - model.reach
            fits &= drawn.determined
        laws = model.laws(rate)
        moving = entropies(laws)[0][self._classes] > 0  # the others stay as they are, and carry nothing
        groups, classes = self._groups[moving], self._classes[moving]
        stream = sealed + pad.take(groups.size // 2 + 64)
        drawn = draw(nest(laws, model.members), classes, stream, self._bits, stop=stop)
        delta[groups[: len(drawn.symbols)]] = _levels(drawn.symbols, model)
        return fits and drawn.determined


def _deal(
    payloads: Mapping[ReceiverSeeds, bytes], secret: Seed
) -> list[tuple[ReceiverSeeds, bytes, list[int]]]:
    """Slots for each receiver, by how much they get."""
    dealt = deal_slots({seeds: len(data) + TAG_BYTES for seeds, data in payloads.items()}, secret)
    return [(seeds, data, dealt[seeds]) for seeds, data in payloads.items()]


def deal_slots(needs: Mapping[ReceiverSeeds, float], secret: Seed) -> dict[ReceiverSeeds, list[int]]:
    """Slots for each receiver: one, and of the others by their needs. Which ones, `secret` decides."""
    counts = dict.fromkeys(needs, 1)
    for _ in range(SLOTS - len(needs)):
        fullest = max(counts, key=lambda seeds: needs[seeds] / counts[seeds])
        counts[fullest] += 1
    order = iter(secret.derive("csfnns/1/direct/deal").stream().permutation(SLOTS).tolist())
    return {seeds: [next(order) for _ in range(counts[seeds])] for seeds in needs}


class SharedPart:
    """Bytes for one receiver among others whose parts are no bytes: all change as many of their places."""

    def __init__(
        self, model: Model, slot: U8, seeds: ReceiverSeeds, data: bytes, mine: Sequence[int]
    ) -> None:
        self._part = _Part(model, slot, seeds, data, mine)

    def least_density(self) -> float:
        """Share of the places that change at the least rate which carries the data."""
        return self._part.density(self._part.least_rate())

    def write(self, delta: I8, density: float) -> float:
        """Draw this part of δ, (n,), in place, and say which share of its places it changes: `density` or, if needed, more.

        Raises CapacityError for what does not fit.
        """
        least = self._part.least_rate()
        low, high = least, RATES - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._part.density(middle) >= density else (middle + 1, high)
        for rate in range(low, RATES, _STEP):
            if self._part.write(delta, rate, stop=False):
                return self._part.density(rate)
        raise CapacityError(
            "This is more than the cover holds.", "Send less, or make a key with a larger --size."
        )


def _find_header(places: Places, delta: Changes, seed: Seed) -> tuple[bytes, int]:
    """Header and the slot that holds it. Raises NoMessageError when none does."""
    model = places.model
    reason: NoMessageError | None = None
    for home in range(SLOTS):
        block = places.block(home)
        try:
            symbols = _symbols(delta[block, None], model.reach)
            header = recover(model.block_laws, model.block_classes[block], symbols, 8 * HEADER_BYTES)
            open_header(header, seed)
        except DamagedError:
            continue
        except NoMessageError as error:
            reason = error
            continue
        return header, home
    raise reason or NoMessageError("This picture was changed all over.", "Use the picture as it was sent.")


def _symbols(delta: Changes, reach: int) -> I64:
    """Changes (G, members) as symbols (G,), the first change the highest digit. Raises DamagedError for large ones."""
    if np.any(np.abs(delta) > reach):
        raise DamagedError("It was changed more than a message does.", "Ask for the file as it was written.")
    members = delta.shape[1]
    return (delta.astype(np.int64) + reach) @ (2 * reach + 1) ** np.arange(members - 1, -1, -1)


def _levels(symbols: I64, model: Model) -> I64:
    """Undo `_symbols`: (G,) → (G, members)."""
    base = 2 * model.reach + 1
    return symbols[:, None] // base ** np.arange(model.members - 1, -1, -1) % base - model.reach


def _counts(model: Model, groups: I64) -> I64:
    """How many places of each class the groups hold, (C,)."""
    return model.members * np.bincount(model.classes[groups[:, 0]], minlength=len(model.laws(0)))

"""Direct coding: bytes straight into δ, exact, with changes as small and as few as any code can have.

    bytes → sealed → bits → arithmetic decoder under the cover's laws → δ
    δ → arithmetic encoder under the same laws → bits → unsealed → bytes

Both ends know the cover, so neither a network nor a syndrome code is needed: the sender draws δ from the best law there
is, with the sealed bits for dice, and the receiver computes which dice they were. With model `cost`, changes go where
texture hides them; with `uniform`, anywhere; with `grain`, δ has the law of grain whatever is hidden, and covers without
a message can be given grain of the same law.

    header 13 = fields (length 4 | rate 2 | slots 1), masked | check 6      in a block of its own, by a fixed law
    sealed = data, encrypted | tag 16                                       in the rest
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import get_args

import numpy as np
import numpy.typing as npt

from csfnns.coding import (
    EVERY,
    RATES,
    SLOTS,
    Model,
    ModelName,
    Places,
    capacity_at,
    carried,
    draw,
    entropies,
    grain_delta,
    least_rate,
    make_model,
    nest,
    recover,
    slots,
)
from csfnns.errors import CapacityError, DamagedError, NoMessageError, UsageError
from csfnns.payloads.seal import CHECK_BYTES, TAG_BYTES, open_header, seal, seal_header, unseal
from csfnns.picture import Picture, check_picture
from csfnns.schemes.base import ReceiverSeeds
from csfnns.stream import Seed

I8 = npt.NDArray[np.int8]
I64 = npt.NDArray[np.int64]

HEADER_BYTES = 7 + CHECK_BYTES
_TRY, _SURE = 2.0, 5.0  # standard deviations of what a law carries, kept in hand
_SPARE = 32  # bits kept in hand: the last ones may be determined only in part
_STEP = 4  # up from a rate that carried less than it does on the average


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes that a cover holds for one receiver."""

    most: int
    """At any fidelity."""
    at: dict[float, int]
    """At each of some stego PSNRs in dB, or better."""


@dataclass(frozen=True)
class Direct:
    """Bytes for up to eight receivers, exact or an error. Both ends choose the same settings."""

    model: ModelName = "cost"
    sigma: float = 1.0
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
        if not 1 <= len(payloads) <= SLOTS:
            raise UsageError(f"A cover has room for 1 to {SLOTS} receivers, not {len(payloads)}.")
        secret = _senders_seed(payloads)
        model = self._model(cover)
        slot = slots(cover)
        parts = [_Part(model, slot, *share) for share in _deal(payloads, secret)]
        base = np.zeros(cover.size, np.int8)
        if self.model == "grain":
            base, rates = self._grain(cover, secret).reshape(-1), [0]
        else:
            least = max(part.least_rate() for part in parts)
            rates = [*range(least, RATES - 1, _STEP), RATES - 1]
        # One receiver knows that he is alone. Of several, none shall see where another's message ends.
        stop = len(parts) == 1 and self.model != "grain"
        for rate in rates:
            delta = base.copy()
            if all(part.write(delta, rate, stop=stop) for part in parts):
                return (cover + delta.reshape(cover.shape)).astype(np.uint8)
        raise _too_much()

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> bytes:
        """Bytes for one receiver. Raises NoMessageError when there are none, DamagedError when they were changed."""
        check_picture(stego)
        check_picture(cover)
        if stego.shape != cover.shape or np.array_equal(stego, cover):
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        model = self._model(cover)
        places = Places(model, slots(cover), seeds.decoder)
        delta = (stego.astype(np.int16) - cover).reshape(-1)
        header, home = _find_header(places, delta, seeds.header)
        fields = open_header(header, seeds.header)
        length, rate, mask = int.from_bytes(fields[:4], "big"), int.from_bytes(fields[4:6], "big"), fields[6]
        groups = places.groups(mask, home)
        laws = nest(model.laws(rate), model.members)
        symbols = _symbols(delta[groups], model.reach)
        sealed = recover(laws, model.classes[groups[:, 0]], symbols, 8 * (length + TAG_BYTES))
        return unseal(sealed, seeds.header, header)

    def capacity(self, cover: Picture, psnr: Sequence[float] = (50, 55, 60, 65)) -> Capacity:
        """Bytes for one receiver: the most, and those that leave the stego at each PSNR in dB. Keys hardly matter."""
        check_picture(cover)
        model = self._model(cover)
        counts = _counts(model, Places(model, slots(cover), Seed(bytes(32))).groups(EVERY, 0))
        most = _bytes(carried(model, counts, RATES - 1, _SURE))
        return Capacity(most, {each: _bytes(capacity_at(model, counts, each, _SURE)) for each in psnr})

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


class _Part:
    """One receiver's part of the picture, and what goes into it."""

    def __init__(
        self,
        model: Model,
        slot: npt.NDArray[np.uint8],
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


def _senders_seed(payloads: Mapping[ReceiverSeeds, bytes]) -> Seed:
    """Seed that no receiver can compute but one who is alone."""
    every = b"".join(seeds.decoder.data for seeds in payloads)
    return Seed(sha256(b"csfnns/1/direct/sender" + every).digest())


def _deal(
    payloads: Mapping[ReceiverSeeds, bytes], secret: Seed
) -> list[tuple[ReceiverSeeds, bytes, list[int]]]:
    """Slots for each receiver: one, and of the others as many as he has to say. Which ones, `secret` tells."""
    counts = dict.fromkeys(payloads, 1)
    for _ in range(SLOTS - len(payloads)):
        fullest = max(counts, key=lambda seeds: (len(payloads[seeds]) + TAG_BYTES) / counts[seeds])
        counts[fullest] += 1
    order = iter(secret.derive("csfnns/1/direct/deal").stream().permutation(SLOTS).tolist())
    return [(seeds, data, [next(order) for _ in range(counts[seeds])]) for seeds, data in payloads.items()]


def _find_header(places: Places, delta: npt.NDArray[np.int16], seed: Seed) -> tuple[bytes, int]:
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


def _symbols(delta: npt.NDArray[np.int16], reach: int) -> I64:
    """Changes (G, members) as symbols (G,), the first change the highest digit. Raises DamagedError for large ones."""
    if np.any(np.abs(delta) > reach):
        raise DamagedError(
            "Levels were changed more than a message does.", "Ask for the file as it was written."
        )
    members = delta.shape[1]
    return (delta.astype(np.int64) + reach) @ (2 * reach + 1) ** np.arange(members - 1, -1, -1)


def _levels(symbols: I64, model: Model) -> I64:
    """Undo `_symbols`: (G,) → (G, members)."""
    base = 2 * model.reach + 1
    return symbols[:, None] // base ** np.arange(model.members - 1, -1, -1) % base - model.reach


def _counts(model: Model, groups: I64) -> I64:
    """How many sub-pixels of each class the groups hold, (C,)."""
    return model.members * np.bincount(model.classes[groups[:, 0]], minlength=len(model.laws(0)))


def _bytes(bits: float) -> int:
    """Bytes of data in so many bits."""
    return max(int(bits - _SPARE) // 8 - TAG_BYTES, 0)


def _too_much() -> CapacityError:
    return CapacityError(
        "This is more than the cover holds.", "Send less, or make a key with a larger --size."
    )

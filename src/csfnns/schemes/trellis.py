"""Pictures through the trellis decoder: clear at their own size, by few changes of ±1 where the cover hides them.

    head     mask of slots 1 | size of the tables 2 | quality 1 | check 6 | seal of changes 8      in the slot `home`
    tables   log2 of the states 1 | filler 2 | the picture's model (payloads/blocks.py)            behind it, in all slots
    body     all other sub-pixels of the receiver's slots, in their order: δ of the decoder

Head and tables are masked with the receiver's keystream, protected by a Reed-Solomon code, and stand in parities of keyed places.
The check value tells the right key; the seal covers every change at this receiver's places, so that a picture that was
changed on its way is known as such, and still decoded as well as it can be.
"""

import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from csfnns.coding import SLOTS, make_model, slots
from csfnns.coding import parity, reed_solomon as rs
from csfnns.coding.costs import cost_map
from csfnns.coding.laws import GRAIN_SIGMA
from csfnns.coding.order import keyed_order
from csfnns.decoders.trellis import FRACTION, MOST_STATES, TrellisDecoder, water_level
from csfnns.errors import CapacityError, DamagedError, NoMessageError, SearchError, UsageError
from csfnns.measure import psnr
from csfnns.payloads.base import Decoded
from csfnns.payloads.blocks import CLASSES, MOST_BLOCKS, MOST_WATER, Analysis, PictureModel, analyse
from csfnns.picture import Picture, check_picture
from csfnns.profile import Profile
from csfnns.schemes._direct import SharedPart, deal_slots, senders_seed
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import viterbi
from csfnns.search.viterbi import Progress
from csfnns.stream import Seed

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
F64 = npt.NDArray[np.float64]

STATES: dict[viterbi.Form, int] = {"c": 4096, "numpy": 256}
"""States of the decoder that a sender grows: more are better and slower. Receivers read the number."""
COST_EXPONENT = 0.5
"""Prices of changes follow HILL's cost to this power: 0 is the least change, more goes further into the texture."""
CLOSE = 0.1
"""dB within which a target is met."""
SAMPLES, SEARCHES = 2, 2
"""Searches with a sample of the coefficients, to learn what searches reach, and then with all of them, at most."""

_CHECK, _SEAL = 6, 8
_HEAD = 1 + 2 + 1 + _CHECK + _SEAL
_HEAD_CHECKS = 10  # bytes: ±1 on 0.1 % of the sub-pixels is a wrong byte in 33
_CHUNK = 180  # bytes of the tables in a word, at most
_QUALITY_STEPS = 4  # a dB
_SAMPLE = 6
_LEAST_SAMPLE = 4000  # coefficients
_SHARE, _EFFICIENCY = (
    0.85,
    0.7,
)  # of D, and of the law of Gaussian sources: what a search reaches, before one is known
_THRIFT = 0.85  # of the price that the bound's best trade-off has
_FILLER_HEIGHT, _FILLER_UNIT = 8, 16
_UNEVEN = 0.015  # by which the change rates of receivers may differ
_LEAST_BODY = 64  # sub-pixels: one a level
_PLACES_PER_CLASS = 6000
_FINEST = 0.5  # share of the places that change, at most


@dataclass(frozen=True)
class Quality:
    """What a picture shall be worth, in dB: clear to `recovered`, by a stego of `stego` at least.

    Where both cannot be, the stego's is kept if `strict` is false; else that is an error. One of them can be None: then the
    other alone counts, and is met within CLOSE.
    """

    recovered: float | None = 38.0
    stego: float | None = 56.0
    strict: bool = False

    def __post_init__(self) -> None:
        given = [each for each in (self.stego, self.recovered) if each is not None]
        if not given or not all(20 <= each <= 90 for each in given):
            raise UsageError(
                "A target must be a PSNR in 20…90 dB.", "Give one for the stego, the secret or both."
            )


@dataclass(frozen=True)
class Forecast:
    """What may be expected of a picture."""

    psnr: float
    """PSNR in dB at which it will arrive."""
    clear: bool
    """Whether that is as clear as was wanted."""


@dataclass(frozen=True)
class Trellis:
    """Pictures for up to eight receivers, by the trellis decoder. Settings are the sender's: receivers need none."""

    profile: Profile | None = None
    quality: Quality = field(default_factory=Quality)
    states: int | None = None
    """Power of two in 4…8192; STATES of the form unless given."""
    exponent: float = COST_EXPONENT
    form: viterbi.Form | None = None

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise UsageError for more secrets than a cover has slots."""
        if not 1 <= len(secrets) <= SLOTS:
            raise UsageError(f"A cover has room for 1 to {SLOTS} receivers, not {len(secrets)}.")

    def forecast(self, places: int, secret: Picture) -> "Forecast":
        """What this quality will bring of a secret in so many sub-pixels, about: without a search, and within half a dB."""
        analysis = _analysed(secret, places)
        header = parity.PLACES * (
            _HEAD + _HEAD_CHECKS + _protected(len(analysis.model(MOST_WATER // 2).to_bytes()))
        )
        if places - header < _LEAST_BODY:
            return Forecast(0.0, False)
        density = densities(analysis.bits / ((places - header) * _EFFICIENCY)) + header / 16 / places
        recovered, stego = analysis.psnr(_SHARE), 10 * np.log10(255**2 / density)
        wanted = _last(recovered >= self.quality.recovered) if self.quality.recovered is not None else 0
        allowed = int(np.argmax(stego >= self.quality.stego)) if self.quality.stego is not None else 0
        if self.quality.stego is not None and stego[-1] < self.quality.stego:
            allowed = MOST_WATER
        return Forecast(float(recovered[max(wanted, allowed)]), allowed <= wanted)

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture | bytes],
        *,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with a picture of any size, or bytes, for each receiver.

        Bytes go by direct coding (schemes/direct.py). Raises CapacityError, SearchError, and what `progress` raises.
        """
        check_picture(cover)
        self.check(list(secrets))  # type: ignore[arg-type]
        return _Message(self, cover, secrets, progress).stego()

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Picture of one receiver, at its own size. Raises NoMessageError when there is none for these seeds."""
        check_picture(stego)
        check_picture(cover)
        if stego.shape != cover.shape or np.array_equal(stego, cover):
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        delta = (stego.astype(np.int16) - cover).reshape(-1)
        layout = _Layout(_Shared(cover), seeds)
        for home in range(SLOTS):
            found = _read(layout, delta, home)
            if found is not None:
                return found
        raise NoMessageError(
            "This key finds no picture here.",
            "Check that it is the right key and that the picture arrived unchanged.",
        )


@dataclass(frozen=True)
class _Found:
    """What a search gave for one receiver."""

    delta: I8
    """Changes of the body."""
    model: PictureModel
    tables: bytes
    values: npt.NDArray[np.int64]
    psnr: float
    """Of what the receiver gets, against the secret."""

    @property
    def density(self) -> float:
        """Share of the body's places that change."""
        return float((self.delta != 0).mean()) if len(self.delta) else 0.0


class _Part:
    """One receiver's picture on its way into a cover."""

    def __init__(
        self, scheme: Trellis, layout: "_Layout", secret: Picture, analysis: Analysis, mine: Sequence[int]
    ) -> None:
        self._scheme, self._layout, self._secret = scheme, layout, secret
        self.analysis = analysis
        self.mask, self.home = sum(1 << i for i in mine), mine[0]
        self.head = layout.head(self.home)
        self._rest = layout.rest(self.mask, self.home)
        self._share, self._efficiency, self._offset = _SHARE, _EFFICIENCY, 0.0
        self._tables = len(self._model_bytes(MOST_WATER // 2, 0))
        if self.places < _LEAST_BODY:
            raise CapacityError(
                "This cover is too small for the picture.", "Make a key with a larger --size."
            )

    @property
    def places(self) -> int:
        """Sub-pixels of the body, about."""
        return len(self._rest) - parity.PLACES * _protected(self._tables)

    @property
    def header_changes(self) -> float:
        """Changes of head and tables, about."""
        return 15 / 8 * (_HEAD + _HEAD_CHECKS + _protected(self._tables))

    def psnr(self) -> F64:
        """What is expected to arrive at each step of D, (MOST_WATER + 1,)."""
        return self.analysis.psnr(self._share) + self._offset

    def density(self) -> F64:
        """Expected share of the places that change at each step of D, (MOST_WATER + 1,)."""
        return densities(self.analysis.bits / (self.places * self._efficiency))

    def water(self, density: float) -> int:
        """Finest step of D with at most that share of the places changed."""
        return int(np.searchsorted(-self.density(), -density))

    def filler(self, water: int, density: float) -> int:
        """Numbers, in units, that nobody reads and that make up for a picture which needs fewer changes."""
        lacking = _entropy(density) * self.places * self._efficiency - self.analysis.bits[water]
        return min(max(round(lacking / (_FILLER_HEIGHT / 4) / _FILLER_UNIT), 0), 65535)

    def sample(self, water: int, density: float) -> None:
        """Learn from a search with some of the coefficients and places how much searches reach for this picture."""
        where, heights = self.analysis.model(water).heights()
        if len(where) < _SAMPLE * _LEAST_SAMPLE:
            return
        # At random: every eighth would be the same frequencies in each block.
        some = np.sort(np.random.default_rng(0).permutation(len(where))[: len(where) // _SAMPLE])
        where, heights = where[some], heights[some]
        places = self.places // _SAMPLE
        decoder = TrellisDecoder.grow(self._layout.seeds.decoder, heights, water, places, self._states)
        body = self._rest[-places:]
        delta, values = self._search(decoder, where, body, density, None)
        self._learn(
            water, where, values, float((delta != 0).mean()), places, self.analysis.bits[water] / _SAMPLE
        )

    def search(self, water: int, filler: int, density: float, progress: Progress | None) -> _Found:
        """Search once with everything."""
        model = self.analysis.model(water)
        tables = self._model_bytes(water, filler)
        self._tables = len(tables)
        body = self.body(tables)
        where, heights = model.heights()
        decoder = _grow(self._layout.seeds, tables, heights, water, len(body))
        if decoder is None:
            delta, values = np.zeros(len(body), np.int8), np.zeros(0, np.int64)
        else:
            delta, values = self._search(decoder, where, body, density, progress)
        expected = self.psnr()[water]
        reached = psnr(self._secret, model.picture(where, values))
        found = _Found(delta, model, tables, values, reached)
        if filler == 0 and len(where):
            self._learn(water, where, values, found.density, len(body), self.analysis.bits[water])
        if math.isfinite(reached):
            self._offset += reached - (expected if filler or not len(where) else self.psnr()[water])
        return found

    def body(self, tables: bytes) -> I32:
        """Sub-pixels of the body."""
        body = self._rest[parity.PLACES * _protected(len(tables)) :]
        if len(body) < _LEAST_BODY:
            raise CapacityError(
                "This cover is too small for the picture.", "Make a key with a larger --size."
            )
        return body

    def write(self, delta: I8, found: _Found) -> None:
        """Put head, tables and body into δ, (n,)."""
        body = self.body(found.tables)
        room = self._rest[: len(self._rest) - len(body)]
        quality = min(round(found.psnr * _QUALITY_STEPS), 255) if math.isfinite(found.psnr) else 255
        fields = bytes([self.mask]) + len(found.tables).to_bytes(2, "big") + bytes([quality])
        check = self._layout.code("check", fields[:3], found.tables)[:_CHECK]
        seal = self._layout.code("seal", fields, found.tables, found.delta.tobytes())[:_SEAL]
        head, tables = _header(self._layout, self.head, room, fields + check + seal, found.tables)
        delta[self.head], delta[room], delta[body] = head, tables, found.delta

    @property
    def _states(self) -> int:
        form = self._scheme.form or viterbi.default_form()
        return self._scheme.states or STATES[form]

    def _model_bytes(self, water: int, filler: int) -> bytes:
        states = self._states.bit_length() - 1
        return bytes([states]) + filler.to_bytes(2, "big") + self.analysis.model(water).to_bytes()

    def _search(
        self,
        decoder: TrellisDecoder,
        where: npt.NDArray[np.int64],
        body: I32,
        density: float,
        progress: Progress | None,
    ) -> tuple[I8, npt.NDArray[np.int64]]:
        """Changes of these places, and the values of the coefficients at `where`; what follows those is filler."""
        targets = np.empty(decoder.coefficients)
        targets[: len(where)] = self.analysis.coefficients.reshape(-1)[where]
        filler = decoder.coefficients - len(where)
        noise = self._layout.seeds.header.derive("csfnns/1/trellis/filler").stream().normals(filler)
        deviation = math.sqrt(water_level(decoder.water) * 2 ** (_FILLER_HEIGHT / 2))
        targets[len(where) :] = deviation * noise
        up, down = self._layout.prices(body, _price(density), self._scheme.exponent)
        delta = viterbi.search(decoder, targets, up, down, form=self._scheme.form, progress=progress)
        return delta, decoder.decode(delta)[: len(where)]

    def _learn(
        self,
        water: int,
        where: npt.NDArray[np.int64],
        values: npt.NDArray[np.int64],
        density: float,
        places: int,
        bits: float,
    ) -> None:
        error = self.analysis.coefficients.reshape(-1)[where] - values / 2.0**FRACTION
        self._share = float(np.mean(np.square(error))) / water_level(water)
        self._efficiency = bits / places / max(_entropy(density), 1e-9)


class _Message:
    """All parts of one stego, and how many changes each may make."""

    def __init__(
        self,
        scheme: Trellis,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture | bytes],
        progress: Progress | None,
    ) -> None:
        self._quality, self._cover, self._progress = scheme.quality, cover, progress
        share = cover.size // len(secrets)
        pictures = {
            seeds: _analysed(each, share) for seeds, each in secrets.items() if not isinstance(each, bytes)
        }
        needs = {
            seeds: 8.0 * len(each) if isinstance(each, bytes) else self._need(pictures[seeds])
            for seeds, each in secrets.items()
        }
        dealt = deal_slots(needs, senders_seed(secrets))
        self._parts: dict[ReceiverSeeds, _Part] = {}
        self._files: list[SharedPart] = []
        shared = _Shared(cover)
        for seeds, secret in secrets.items():
            if isinstance(secret, bytes):
                model = make_model("cost", cover, GRAIN_SIGMA)
                self._files.append(SharedPart(model, shared.slot, seeds, secret, dealt[seeds]))
            else:
                layout = _Layout(shared, seeds)
                self._parts[seeds] = _Part(scheme, layout, secret, pictures[seeds], dealt[seeds])

    def stego(self) -> Picture:
        """Search until the quality is met. Raises SearchError where it cannot be, if it must."""
        for _ in range(SAMPLES):
            density, waters = self._plan()
            for part, water in zip(self._parts.values(), waters, strict=True):
                part.sample(water, density)
        best: tuple[float, I8, float, float] | None = None
        for _ in range(SEARCHES):
            density, waters = self._plan()
            delta = np.zeros(self._cover.size, np.int8)
            found, reached = [], [density]
            for each in self._files:
                reached.append(each.write(delta, density))
            for part, water in zip(self._parts.values(), waters, strict=True):
                filler = part.filler(water, density) if self._several and water == 0 else 0
                found.append(part.search(water, filler, density, self._progress))
                part.write(delta, found[-1])
            recovered = min(each.psnr for each in found)
            stego = 10 * math.log10(255**2 / max(float((delta != 0).mean()), 1e-9))
            uneven = max(abs(each.density / density - 1) for each in found) if self._several else 0.0
            miss = self._miss(recovered, stego, waters) + max(uneven - _UNEVEN, 0)
            if best is None or miss < best[0]:
                best = miss, delta, recovered, stego
            if miss <= 0:
                break
        assert best is not None
        miss, delta, recovered, stego = best
        if self._quality.strict and miss > CLOSE:
            raise SearchError(
                f"These targets cannot both be met: the nearest is a stego of {stego:.1f} dB with {recovered:.1f} dB"
                " for the secret.",
                "Ask for less, scale the secret down with --resize, or make a key with a larger --size.",
            )
        return (self._cover + delta.reshape(self._cover.shape)).astype(np.uint8)

    @property
    def _several(self) -> bool:
        return len(self._parts) + len(self._files) > 1

    def _need(self, analysis: Analysis) -> float:
        """Bits of a picture at the wanted quality, about."""
        wanted = self._quality.recovered or 38.0
        return float(analysis.bits[_last(analysis.psnr(_SHARE) >= wanted)]) / _EFFICIENCY + 2000

    def _plan(self) -> tuple[float, list[int]]:
        """Share of the places to change, and the step of D of each part."""
        parts = list(self._parts.values())
        least = max((each.least_density() for each in self._files), default=0.0)
        # Each density with what the parts then give: all curves are known, so that the right one is looked up.
        options = np.geomspace(1e-5, _FINEST, 2000)
        options = options[options >= least] if least < _FINEST else np.array([least])
        waters = np.stack([np.searchsorted(-part.density(), -options) for part in parts])
        waters = np.minimum(waters, MOST_WATER)
        recovered = np.min([part.psnr()[w] for part, w in zip(parts, waters, strict=True)], axis=0)
        changed = options + sum(part.header_changes for part in parts) / self._cover.size
        stego = 10 * np.log10(255**2 / changed)
        at = len(options) - 1
        if self._quality.recovered is not None:
            at = min(at, int(np.searchsorted(np.maximum.accumulate(recovered), self._quality.recovered)))
        if self._quality.stego is not None:
            at = min(at, _last(stego >= self._quality.stego))
        if len(parts) == 1 and not self._files:
            density = float(parts[0].density()[waters[0, at]])
            return max(density, 1e-5), [int(waters[0, at])]
        return float(options[at]), [int(water) for water in waters[:, at]]

    def _miss(self, recovered: float, stego: float, waters: Sequence[int]) -> float:
        """By how many dB a result misses what was wanted, beyond what is close enough."""
        wanted, least = self._quality.recovered, self._quality.stego
        finest = max(waters) == 0
        over = 0.0 if least is None or self._files else max(least - stego, 0.0)
        if wanted is None:
            assert least is not None
            return (over if finest else abs(stego - least)) - CLOSE
        if recovered >= wanted - CLOSE:
            extra = 0.0 if finest or not math.isfinite(recovered) else max(recovered - wanted, 0.0)
            return max(over, extra) - CLOSE
        if self._quality.strict or least is None:
            return max(over, wanted - recovered) - CLOSE
        return min(max(over, wanted - recovered), abs(stego - least)) - CLOSE


class _Shared:
    """What the parts of a cover share."""

    def __init__(self, cover: Picture) -> None:
        self.cover = cover
        self.slot = slots(cover)

    @cached_property
    def costs(self) -> npt.NDArray[np.float32]:
        """HILL's cost of each sub-pixel, 1 in the middle, (n,)."""
        costs = cost_map(self.cover).reshape(-1).astype(np.float32)
        return costs / np.median(costs)


class _Layout:
    """Where one receiver's parts are in a cover."""

    def __init__(self, shared: _Shared, seeds: ReceiverSeeds) -> None:
        height, width, channels = shared.cover.shape
        self.seeds = seeds
        self._shared = shared
        self._levels = shared.cover.reshape(-1)
        self._order = keyed_order(seeds.decoder.derive("csfnns/1/trellis/places"), height, channels * width)
        self._slot_in_order = shared.slot[self._order]

    def head(self, home: int) -> I32:
        """Sub-pixels of the head. Raises CapacityError where a slot has fewer."""
        places = np.flatnonzero(self._slot_in_order == home)[: parity.PLACES * (_HEAD + _HEAD_CHECKS)]
        if len(places) < parity.PLACES * (_HEAD + _HEAD_CHECKS):
            raise CapacityError("This cover is too small for a picture.", "Make a key with a larger --size.")
        return self._order[places]

    def rest(self, mask: int, home: int) -> I32:
        """All other sub-pixels of the slots in the mask, in order."""
        mine = np.array([mask >> i & 1 for i in range(SLOTS)], np.bool_)[self._slot_in_order]
        mine[np.flatnonzero(self._slot_in_order == home)[: parity.PLACES * (_HEAD + _HEAD_CHECKS)]] = False
        return self._order[mine]

    def signs(self, places: I32, label: str) -> I8:
        """Directions in which header places move: keyed, but inwards from black and white."""
        keyed = self.seeds.decoder.derive(f"csfnns/1/trellis/signs/{label}").stream().signs(len(places))
        levels = self._levels[places]
        return np.where(levels == 0, 1, np.where(levels == 255, -1, keyed)).astype(np.int8)

    def prices(self, places: I32, price: float, exponent: float) -> tuple[U16, U16]:
        """Prices of a step up and of a step down, (n,) each: by HILL's cost, and none out of black or white."""
        costs = self._shared.costs[places] ** np.float32(exponent)
        prices = np.clip(np.rint(np.float32(price) * costs), 1, viterbi.DEAREST).astype(np.uint16)
        levels = self._levels[places]
        forbidden = np.uint16(viterbi.FORBIDDEN)
        return np.where(levels == 255, forbidden, prices), np.where(levels == 0, forbidden, prices)

    def mask_bytes(self, data: bytes, label: str) -> bytes:
        """Data with the receiver's keystream added; again undoes it."""
        stream = self.seeds.header.derive(f"csfnns/1/trellis/{label}").stream().take(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))

    def code(self, label: str, *parts: bytes) -> bytes:
        """Keyed digest of some parts."""
        key = self.seeds.header.derive(f"csfnns/1/trellis/{label}").data
        return hmac.new(key, b"".join(len(each).to_bytes(8, "big") + each for each in parts), sha256).digest()


def _read(layout: _Layout, delta: npt.NDArray[np.int16], home: int) -> Decoded | None:
    """Picture whose head is in that slot, or None."""
    places = layout.head(home)
    word = layout.mask_bytes(parity.read(delta[places]), "head")
    head = rs.decode(word, _HEAD_CHECKS)
    if head is None:
        return None
    fields, check, seal = head[0][:4], head[0][4 : 4 + _CHECK], head[0][4 + _CHECK :]
    mask, size = fields[0], int.from_bytes(fields[1:3], "big")
    rest = layout.rest(mask, home)
    length = parity.PLACES * _protected(size)
    if not mask >> home & 1 or length > len(rest):
        return None
    tables = _unprotect(layout.mask_bytes(parity.read(delta[rest[:length]]), "tables"), size)
    if tables is None or not hmac.compare_digest(layout.code("check", fields[:3], tables)[:_CHECK], check):
        return None
    model = PictureModel.from_bytes(tables[3:])
    body = delta[rest[length:]]
    kept = np.clip(body, -128, 127).astype(np.int8)
    unchanged = hmac.compare_digest(layout.code("seal", fields, tables, kept.tobytes())[:_SEAL], seal)
    written = np.concatenate(_header(layout, places, rest[:length], head[0], tables))
    unchanged &= np.array_equal(written, delta[np.concatenate([places, rest[:length]])])
    unchanged &= np.array_equal(kept, body)
    where, heights = model.heights()
    decoder = _grow(layout.seeds, tables, heights, model.water, len(body))
    values = decoder.decode(kept)[: len(where)] if decoder else np.zeros(0, np.int64)
    picture = model.picture(where, values)
    expected = fields[3] / _QUALITY_STEPS if unchanged and fields[3] else None
    return Decoded(picture, picture.shape[:2], expected, unchanged)


def _header(layout: _Layout, places: I32, room: I32, head: bytes, tables: bytes) -> tuple[I8, I8]:
    """Changes of the head's places and of the tables'."""
    word = layout.mask_bytes(rs.encode(head, _HEAD_CHECKS), "head")
    words = layout.mask_bytes(_protect(tables), "tables")
    return (
        parity.write(word, layout.signs(places, "head")),
        parity.write(words, layout.signs(room, "tables")),
    )


def _grow(seeds: ReceiverSeeds, tables: bytes, heights: U8, water: int, places: int) -> TrellisDecoder | None:
    """The decoder, from the key and the tables; None where there is nothing to decode. Raises DamagedError."""
    states, filler = 1 << tables[0], int.from_bytes(tables[1:3], "big") * _FILLER_UNIT
    heights = np.concatenate([heights, np.full(filler, _FILLER_HEIGHT, np.uint8)])
    if not len(heights):
        return None
    if places < _LEAST_BODY or not 4 <= states <= MOST_STATES:
        raise DamagedError("The message is no picture that csfnns hides.", "Ask for it again.")
    seed = seeds.decoder.derive(f"csfnns/1/trellis/{sha256(tables).hexdigest()}")
    return TrellisDecoder.grow(seed, heights, water, places, states)


def _checks(size: int) -> int:
    """Check bytes of a word of the tables: ±1 on 0.1 % of the sub-pixels is a wrong byte in 33."""
    return 2 * (5 + math.ceil(0.06 * size))


def _chunks(size: int) -> list[int]:
    number = max(1, -(-size // _CHUNK))
    return [size * (i + 1) // number - size * i // number for i in range(number)]


def _protected(size: int) -> int:
    """Bytes of tables of this size with their check bytes."""
    return sum(each + _checks(each) for each in _chunks(size))


def _protect(data: bytes) -> bytes:
    words, first = [], 0
    for size in _chunks(len(data)):
        words.append(rs.encode(data[first : first + size], _checks(size)))
        first += size
    return b"".join(words)


def _unprotect(data: bytes, size: int) -> bytes | None:
    found, first = [], 0
    for each in _chunks(size):
        word = data[first : first + each + _checks(each)]
        decoded = rs.decode(word, _checks(each))
        if decoded is None:
            return None
        found.append(decoded[0])
        first += len(word)
    return b"".join(found)


_RATES = (0.035, 0.068, 0.13, 0.25, 0.48, 0.92, 1.77, 3.39, 6.51, 12.5)
_PHOTOGRAPHS = {  # longer side in pixels → PSNR of Kodak's photographs at these bits a pixel, means of 24
    128: (21.1, 22.1, 23.4, 24.9, 26.8, 29.3, 32.7, 37.4, 43.9, 54.2),
    256: (21.8, 23.0, 24.4, 26.0, 28.0, 30.8, 34.5, 39.8, 46.9, 60.4),
    512: (22.4, 23.7, 25.2, 27.0, 29.2, 32.2, 36.4, 42.2, 49.5, 68.3),
    768: (22.8, 24.2, 25.7, 27.7, 30.1, 33.3, 37.8, 43.8, 50.9, 76.2),
}


def photograph_psnr(places: int, pixels: int) -> float:
    """PSNR in dB at which a usual photograph of so many pixels arrives in so many sub-pixels, as clear as `Quality` asks at most.

    Larger photographs than those measured are taken to be as detailed, which most are not.
    """
    usual = Quality()
    assert usual.recovered is not None
    assert usual.stego is not None
    bits = places * _EFFICIENCY * _entropy(255**2 * 10 ** (-usual.stego / 10))
    side = math.sqrt(1.5 * pixels)
    at = [np.interp(math.log(bits / pixels), np.log(_RATES), row) for row in _PHOTOGRAPHS.values()]
    found = float(np.interp(math.log(side), np.log(list(_PHOTOGRAPHS)), at))
    return min(found, usual.recovered)


def _analysed(secret: Picture, places: int) -> Analysis:
    """Analysis whose tables leave room for the picture in so many sub-pixels."""
    return analyse(
        secret, min(max(places // 128, 4), MOST_BLOCKS), min(max(places // _PLACES_PER_CLASS, 2), CLASSES)
    )


def _price(density: float) -> float:
    """Price of a change, in viterbi's units, where that share of the places shall change."""
    return viterbi.UNIT * _THRIFT * 2 * math.log(2) * math.log2(2 * (1 - density) / density)


def _entropy(density: float) -> float:
    """Bits that a place can carry if this share of them moves up or down."""
    if density <= 0:
        return 0.0
    return -density * math.log2(density / 2) - (1 - density) * math.log2(1 - density)


def densities(rates: F64) -> F64:
    """Share of the places that must change to carry so many bits a place; at most 2/3, (n,)."""
    known = np.concatenate([[0.0], np.geomspace(1e-7, 2 / 3, 4000)])
    return np.interp(rates, [_entropy(float(p)) for p in known], known)


def _last(holds: npt.NDArray[np.bool_]) -> int:
    """Last index at which a condition holds that then fails; 0 if it never holds."""
    return max(int(np.searchsorted(~holds, True)) - 1, 0)

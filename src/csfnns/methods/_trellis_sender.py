"""Sender's side of a trellis message: the number of changes in each receiver's part, and the searches for them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from csfnns.coding import make_model, parity
from csfnns.coding.distributions import GRAIN_SIGMA
from csfnns.decoders.trellis import FRACTION, SCALE, TrellisDecoder, water_level
from csfnns.errors import CapacityError, SearchError, UsageError
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.methods._direct import BytesPart, deal_partitions, reserve_levels, sender_seed
from csfnns.methods._trellis_format import (
    CHECK,
    FILLER_HEIGHT,
    FILLER_UNIT,
    HEAD,
    HEAD_CHECKS,
    LEAST_BODY,
    QUALITY_STEPS,
    Layout,
    Shared,
    grow,
    header_changes,
    pack_tables,
    protected_size,
)
from csfnns.methods.base import Envelope, ReceiverSeeds
from csfnns.payloads.blocks import CLASSES, MOST_BLOCKS, MOST_WATER, Analysis, PictureModel, analyse
from csfnns.search import Progress, viterbi
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

STATES: dict[viterbi.Form, int] = {"c": 4096, "numpy": 256}
"""States of the decoder at 512x512: more are better and slower. Receivers read the number from the header."""
LEAST_STATES, WORK = 256, 1 << 32
"""In larger covers, states times sub-pixels are about WORK at most; the states are at least LEAST_STATES."""
CLOSE = 0.1
"""dB within which a target is met."""
SEARCHES = 4
"""Most searches. The first one for a large picture uses a sample of the coefficients."""
SMALL, MOST_SEARCHES = 200_000, 12
"""Covers of at most SMALL sub-pixels may take MOST_SEARCHES, since chance matters there and a search is fast; so may
messages to several receivers, whose parts must look alike."""
SHARE, EFFICIENCY = 0.85, 0.7
"""Share of D, and of the bits that Gaussian sources need, that a search reaches: assumed before one was made."""

_SAMPLE = 6
_PSNR_SLOPE, _DENSITY_SLOPE = -1.5, -0.2  # of dB and of log(density) with the log of the last level's prices
_TURN = 0.7  # of that logarithm at most: beyond, a search with another D does better
_TREND = 0.3  # both move on with D: a part of the last step is added to the next
_LEAST_SAMPLE = 4000  # coefficients
_THRIFT = 0.85  # of the price that the bound's best trade-off has
_UNEVEN = 0.007  # by which the change rates of receivers may differ
_PLACES_PER_CLASS = 6000
_TOO_FAR = 0.4  # dB beyond CLOSE at which a target that was named is not met
_LARGE = 3_000_000  # sub-pixels of a picture
_NOTHING = np.full((16, 16, 3), 128, np.uint8)  # for shares of receivers who get nothing
_FINEST = 0.5  # share of the places that change, at most


@dataclass(frozen=True)
class Quality:
    """Targets in dB: the PSNR of the received picture, and the least PSNR of the stego.

    Where both cannot be met, the stego's is kept; if the quality is `strict`, that is an error. One of them can be None:
    then the other is met within 0.1 dB where chance allows.
    """

    recovered: float | None = 38.0
    stego: float | None = 56.0
    strict: bool = False

    def __post_init__(self) -> None:
        given = [each for each in (self.stego, self.recovered) if each is not None]
        if not given or not all(20 <= each <= 90 for each in given):
            raise UsageError("A target must be a PSNR in 20…90 dB.", "Give one for the stego, the secret or both.")


@dataclass(frozen=True)
class Settings:
    """Settings of the sender; see Trellis."""

    quality: Quality
    states: int | None
    exponent: float
    form: viterbi.Form | None
    shares: int
    sent: int
    names: Mapping[ReceiverSeeds, str]


@dataclass(frozen=True)
class Found:
    """Result of a search for one receiver."""

    delta: I8
    """Changes of the body."""
    model: PictureModel
    tables: bytes
    values: I64
    psnr: float
    """Of the received picture against the secret."""

    @property
    def density(self) -> float:
        """Share of the body's places that change."""
        return float((self.delta != 0).mean()) if len(self.delta) else 0.0


class Part:
    """One receiver's picture on its way into a cover."""

    def __init__(
        self, settings: Settings, layout: "Layout", secret: Picture, analysis: Analysis, mine: Sequence[int]
    ) -> None:
        self._settings, self._layout, self._secret = settings, layout, secret
        self.analysis = analysis
        self.mask, self.home = sum(1 << i for i in mine), mine[0]
        self.head = layout.head(self.home)
        self._rest = layout.rest(self.mask, self.home)
        self._share, self._efficiency, self._offset = SHARE, EFFICIENCY, 0.0
        self._tables = len(self._model_bytes(MOST_WATER // 2, 0))
        if self.places < LEAST_BODY:
            raise CapacityError("This cover is too small for the picture.", "Make a key with a larger --size.")

    @property
    def size(self) -> int:
        """Sub-pixels of the part."""
        return len(self.head) + len(self._rest)

    @property
    def places(self) -> int:
        """Approximate number of sub-pixels of the body."""
        return len(self._rest) - parity.PER_BYTE * protected_size(self._tables)

    def changes(self, densities: F64, *, several: bool) -> F64:
        """Approximate number of changes in head, tables and body for each share of the body's places that changes, (n,)."""
        header = parity.PER_BYTE * (HEAD + HEAD_CHECKS + protected_size(self._tables))
        least = header / 16
        return densities * self.places + (np.maximum(densities * header, least) if several else least)

    def psnr(self) -> F64:
        """Expected PSNR of the received picture at each step of D, (MOST_WATER + 1,)."""
        return self.analysis.psnr(self._share) + self._offset

    def density(self) -> F64:
        """Expected share of the places that change at each step of D, (MOST_WATER + 1,)."""
        return densities(self.analysis.bits / (self.places * self._efficiency))

    def filler(self, water: int, density: float) -> int:
        """Number, in units, of coefficients that nobody reads, which make up for a picture that needs fewer changes."""
        lacking = entropy(density) * self.places * self._efficiency - self.analysis.bits[water]
        return min(max(round(lacking / (FILLER_HEIGHT / 4) / FILLER_UNIT), 0), 65535)

    def sample(self, water: int, density: float) -> bool:
        """Search with a sample of coefficients and places, to estimate what a whole search reaches for this picture.

        False for a picture so small that a whole search takes no longer.
        """
        where, heights = self.analysis.model(water).heights()
        if len(where) < _SAMPLE * _LEAST_SAMPLE:
            return False
        # At random: every eighth would be the same frequencies in each block.
        some = np.sort(np.random.default_rng(0).permutation(len(where))[: len(where) // _SAMPLE])
        where, heights = where[some], heights[some]
        places = self.places // _SAMPLE
        decoder = TrellisDecoder.grow(self._layout.seeds.decoder, heights, water, places, self._states)
        body = self._rest[-places:]
        delta, values = self._search(decoder, where, body, density, None, None)
        bits = self.analysis.bits[water] / _SAMPLE
        self._learn(water, where, values, float((delta != 0).mean()), places, bits)
        return True

    def search(self, water: int, filler: int, density: float, goal: float | None, progress: Progress | None) -> Found:
        """Search once, for a received PSNR of `goal` in dB or, without one, for a `density` of changes."""
        model = self.analysis.model(water)
        tables = self._model_bytes(water, filler)
        self._tables = len(tables)
        body = self.body(tables)
        where, heights = model.heights()
        decoder = grow(self._layout.seeds, tables, heights, water, len(body))
        if decoder is None:
            delta, values = np.zeros(len(body), np.int8), np.zeros(0, np.int64)
        else:
            adjust = self._adjust(water, where, density, goal)
            delta, values = self._search(decoder, where, body, density, adjust, progress)
        reached = self._reached(model, where, values)
        found = Found(delta, model, tables, values, reached)
        if decoder is not None:
            bits = self.analysis.bits[water] + filler * FILLER_UNIT * FILLER_HEIGHT / 4
            self._learn(water, where, values, found.density, len(body), bits)
        if math.isfinite(reached):
            self._offset += reached - self.psnr()[water]
        return found

    def _reached(self, model: PictureModel, where: I64, values: I64) -> float:
        """PSNR of the received picture; of a large one from its coefficients, which is faster."""
        if self._secret.size > _LARGE and len(where):
            coefficients = self.analysis.coefficients.reshape(-1)[where]
            error = np.mean(np.square(coefficients - values / 2.0**FRACTION))
            return self.analysis.psnr_of(model.water, float(error))
        return psnr(self._secret, model.picture(where, values))

    def sketch(self, quality: Quality, progress: Progress | None) -> tuple[I32, I8, Picture]:
        """Search once, and miss the quality by some dB: places, their changes, and the picture that arrives."""
        density = self.density()
        wanted = last_index(self.psnr() >= (quality.recovered or math.inf))
        most = min(_FINEST, 255**2 * 10 ** (-(quality.stego or 0) / 10))
        water = min(max(wanted, int(np.searchsorted(-density, -most))), MOST_WATER)
        model = self.analysis.model(water)
        where, heights = model.heights()
        # As many bytes as real ones, which take a tenth of the time.
        tables = pack_tables(self._states.bit_length() - 1, 0, "", bytes(self.analysis.table_size))
        body = self.body(tables)
        decoder = grow(self._layout.seeds, tables, heights, water, len(body))
        if decoder is None:
            return body, np.zeros(len(body), np.int8), model.picture(where, np.zeros(0, np.int64))
        values = np.zeros(0, np.int64)

        def keep(found: I64, delta: I8, factor: float) -> float:
            nonlocal values
            values = found // SCALE
            return factor

        delta = self._changes(decoder, where, body, float(density[water]), keep, progress)
        return body, delta, model.picture(where, values)

    def body(self, tables: bytes) -> I32:
        """Sub-pixels of the body."""
        body = self._rest[parity.PER_BYTE * protected_size(len(tables)) :]
        if len(body) < LEAST_BODY:
            raise CapacityError("This cover is too small for the picture.", "Make a key with a larger --size.")
        return body

    def write_body(self, delta: I8, found: Found) -> I32:
        """Write the body into δ, (n,), and return its places."""
        body = self.body(found.tables)
        delta[body] = found.delta
        return body

    def write_head(self, delta: I8, found: Found, sent: int, *, several: bool) -> None:
        """Write head and tables into δ, (n,), which has the address; `several` parts all change at one rate."""
        body = self.body(found.tables)
        room = self._rest[: len(self._rest) - len(body)]
        quality = min(round(found.psnr * QUALITY_STEPS), 255) if math.isfinite(found.psnr) else 255
        rate = flip_rate(found.density) if several else 0
        fields = bytes([self.mask]) + len(found.tables).to_bytes(2, "big") + bytes([quality, rate])
        fields += sent.to_bytes(5, "big")
        check = self._layout.code("check", fields[:3], found.tables)[:CHECK]
        seal = self._layout.seal(fields, found.tables, delta, found.delta)
        head, tables = header_changes(self._layout, self.head, room, fields + check + seal, found.tables)
        delta[self.head], delta[room] = head, tables

    @property
    def _states(self) -> int:
        form = self._settings.form or viterbi.default_form()
        if self._settings.states is not None:
            return self._settings.states
        most = WORK // max(self.size, 1)
        return min(STATES[form], max(LEAST_STATES, 1 << (most.bit_length() - 1)))

    def _model_bytes(self, water: int, filler: int) -> bytes:
        states = self._states.bit_length() - 1
        model = self.analysis.model(water).to_bytes()
        return pack_tables(states, filler, self._settings.names.get(self._layout.seeds, ""), model)

    def _search(
        self,
        decoder: TrellisDecoder,
        where: I64,
        body: I32,
        density: float,
        adjust: viterbi.Adjust | None,
        progress: Progress | None,
    ) -> tuple[I8, I64]:
        """Changes of the body, and values of the coefficients at `where`; those that follow are filler."""
        delta = self._changes(decoder, where, body, density, adjust, progress)
        return delta, decoder.decode(delta)[: len(where)]

    def _changes(
        self,
        decoder: TrellisDecoder,
        where: I64,
        body: I32,
        density: float,
        adjust: viterbi.Adjust | None,
        progress: Progress | None,
    ) -> I8:
        targets = np.empty(decoder.coefficients)
        targets[: len(where)] = self.analysis.coefficients.reshape(-1)[where]
        filler = decoder.coefficients - len(where)
        noise = self._layout.seeds.header.derive("csfnns/2/trellis/filler").stream().normals(filler)
        deviation = math.sqrt(water_level(decoder.water) * 2 ** (FILLER_HEIGHT / 2))
        targets[len(where) :] = deviation * noise
        up, down = self._layout.prices(body, price_of(density), self._settings.exponent)
        form = self._settings.form
        return viterbi.search(decoder, targets, up, down, form=form, adjust=adjust, progress=progress)

    def _adjust(self, water: int, where: I64, density: float, goal: float | None) -> viterbi.Adjust:
        """Adjust the prices of the last level until the goal is met."""
        coefficients = self.analysis.coefficients.reshape(-1)[where]
        tried: list[tuple[float, float]] = []  # logarithm of the factor, and by how much the goal was exceeded

        def adjust(values: I64, delta: I8, factor: float) -> float:
            if goal is None or not len(where):
                excess = math.log(max(float((delta != 0).mean()), 1e-9) / density)
                slope, close = _DENSITY_SLOPE, 0.003
            else:
                error = np.mean(np.square(coefficients - values[: len(where)] / (SCALE * 2.0**FRACTION)))
                excess = self.analysis.psnr_of(water, float(error)) + self._offset - goal
                slope, close = _PSNR_SLOPE, 0.02
            if abs(excess) < close:
                return factor
            tried.append((math.log(factor), excess))
            if len(tried) > 1 and tried[0][0] != tried[1][0]:
                measured = (tried[1][1] - tried[0][1]) / (tried[1][0] - tried[0][0])
                slope = min(measured, slope / 4)
            return factor * math.exp(min(max(-excess / slope, -_TURN), _TURN))

        return adjust

    def _learn(
        self,
        water: int,
        where: I64,
        values: I64,
        density: float,
        places: int,
        bits: float,
    ) -> None:
        if len(where):
            error = self.analysis.coefficients.reshape(-1)[where] - values / 2.0**FRACTION
            share = float(np.mean(np.square(error))) / water_level(water)
            self._share = max(share + _TREND * (share - self._share), share / 2)
        efficiency = bits / places / max(entropy(density), 1e-9)
        self._efficiency = max(efficiency + _TREND * (efficiency - self._efficiency), efficiency / 2)


class Message:
    """All parts of one stego, and the number of changes of each."""

    def __init__(
        self,
        settings: Settings,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture | bytes],
        envelope: Envelope | None,
        progress: Progress | None,
    ) -> None:
        self._quality, self._cover, self._progress = settings.quality, cover, progress
        self._sent, shares = settings.sent, settings.shares
        secret = sender_seed(secrets)
        several = max(shares, len(secrets))
        pictures = {
            seeds: analyse_for(each, cover.size // several)
            for seeds, each in secrets.items()
            if not isinstance(each, bytes)
        }
        self._own = len(pictures)
        if len(pictures) == len(secrets) and several > 1:
            # Nobody must see how many others get something, or how much: all have equal shares, those who get nothing
            # too, and the changes do not depend on the pictures unless the sender named a clarity.
            nobody = {_unread(secret, i): _NOTHING for i in range(several - len(secrets))}
            secrets = {**secrets, **nobody}
            pictures |= {seeds: analyse_for(each, cover.size // several) for seeds, each in nobody.items()}
            dealt = deal_partitions(dict.fromkeys(secrets, 1.0), secret)
            if self._quality.stego is not None and not (self._quality.strict and self._quality.recovered):
                self._quality = replace(self._quality, recovered=None)
        else:
            needs = {
                seeds: 8.0 * len(each) if isinstance(each, bytes) else self._need(pictures[seeds])
                for seeds, each in secrets.items()
            }
            dealt = deal_partitions(needs, secret)
        self._parts: dict[ReceiverSeeds, Part] = {}
        self._files: list[BytesPart] = []
        shared = self._shared = Shared(cover, reserve_levels(envelope, cover, secret))
        for seeds, each in secrets.items():
            if isinstance(each, bytes):
                model = make_model("cost", cover, GRAIN_SIGMA)
                self._files.append(BytesPart(model, shared.partition, seeds, each, dealt[seeds]))
            else:
                layout = Layout(shared, seeds)
                self._parts[seeds] = Part(settings, layout, each, pictures[seeds], dealt[seeds])

    def stego(self) -> Picture:
        """Search until the quality is met. Raises SearchError where a strict one cannot be met."""
        searches = MOST_SEARCHES if self._several or self._cover.size <= SMALL else SEARCHES
        density, waters, _ = self._plan()
        parts = zip(self._parts.values(), waters, strict=True)
        searches -= max([part.sample(water, density) for part, water in parts])
        best: tuple[float, I8, float, float] | None = None
        for _ in range(searches):
            density, waters, clear = self._plan()
            delta = np.zeros(self._cover.size, np.int8)
            found, bodies = [], []
            for file in self._files:
                file.write_among(delta, density)
            for part, water in zip(self._parts.values(), waters, strict=True):
                filler = part.filler(water, density) if self._several and water == 0 else 0
                goal = self._quality.recovered if clear and not self._several else None
                found.append(part.search(water, filler, density, goal, self._progress))
                bodies.append(part.write_body(delta, found[-1]))
            if self._shared.reserved is not None:
                model = self._shared.model(delta, np.concatenate(bodies))
                self._shared.reserved.write(delta, model, 0)
            for part, each in zip(self._parts.values(), found, strict=True):
                part.write_head(delta, each, self._sent, several=self._several)
            recovered = min(each.psnr for each in found[: self._own])
            stego = 10 * math.log10(255**2 / max(float((delta != 0).mean()), 1e-9))
            uneven = max(abs(each.density / density - 1) for each in found) if self._several else 0.0
            miss = self._miss(recovered, stego, waters) + max(uneven - _UNEVEN, 0)
            if best is None or miss < best[0]:
                best = miss, delta, recovered, stego
            if miss <= 0:
                break
        assert best is not None
        miss, delta, recovered, stego = best
        if self._quality.strict and miss > _TOO_FAR:
            raise SearchError(
                f"The target cannot be met: the closest is {stego:.1f} dB for the stego and {recovered:.1f} dB for the"
                " secret.",
                "Ask for less, scale the secret down with --resize, or make a key with a larger --size.",
            )
        return (self._cover + delta.reshape(self._cover.shape)).astype(np.uint8)

    @property
    def _several(self) -> bool:
        return len(self._parts) + len(self._files) > 1

    def _need(self, analysis: Analysis) -> float:
        """Approximate bits of a picture at the target quality."""
        wanted = self._quality.recovered or 38.0
        return float(analysis.bits[last_index(analysis.psnr(SHARE) >= wanted)]) / EFFICIENCY + 2000

    def _plan(self) -> tuple[float, list[int], bool]:
        """Share of the places to change, step of D of each part, and whether the recovered target decides them."""
        parts = list(self._parts.values())
        least = max((each.density(each.least_rate()) for each in self._files), default=0.0)
        # Each density with what the parts then give: all curves are known, so that the right one is looked up.
        options = np.geomspace(1e-5, _FINEST, 2000)
        options = options[options >= least] if least < _FINEST else np.array([least])
        waters = np.stack([np.searchsorted(-part.density(), -options) for part in parts])
        waters = np.minimum(waters, MOST_WATER)
        own = list(zip(parts, waters, strict=True))[: self._own]
        recovered = np.min([part.psnr()[w] for part, w in own], axis=0)
        files = options * (self._cover.size - sum(part.size for part in parts))
        changed = files + sum(part.changes(options, several=self._several) for part in parts)
        stego = 10 * np.log10(255**2 * self._cover.size / changed)
        at = len(options) - 1
        if self._quality.recovered is not None:
            at = min(at, int(np.searchsorted(np.maximum.accumulate(recovered), self._quality.recovered)))
        clear = at < len(options) - 1
        if self._quality.stego is not None:
            allowed = last_index(stego >= self._quality.stego)
            clear &= at <= allowed
            at = min(at, allowed)
        if len(parts) == 1 and not self._files:
            density = float(parts[0].density()[waters[0, at]])
            # Where the changes decide, they must come out at what the stego allows; D is the step nearest to it.
            return max(density if clear else float(options[at]), 1e-5), [int(waters[0, at])], clear
        return float(options[at]), [int(water) for water in waters[:, at]], clear

    def _miss(self, recovered: float, stego: float, waters: Sequence[int]) -> float:
        """dB by which a result misses the targets, beyond CLOSE."""
        wanted, least = self._quality.recovered, self._quality.stego
        finest = max(waters) == 0 and not self._several  # of several, filler makes up for what is lacking
        over = 0.0 if least is None or self._files else max(least - stego, 0.0)
        if wanted is None:
            assert least is not None
            return (over if finest else abs(stego - least)) - CLOSE
        if self._quality.strict and least is not None:
            return 5 * (max(over, wanted - recovered) - CLOSE)  # both must hold, and may be exceeded
        if recovered >= wanted - CLOSE:
            extra = 0.0 if finest or not math.isfinite(recovered) else max(recovered - wanted, 0.0)
            return max(over, extra) - CLOSE
        if least is None:
            return wanted - recovered - CLOSE
        return min(max(over, wanted - recovered), abs(stego - least)) - CLOSE


def _unread(secret: Seed, number: int) -> ReceiverSeeds:
    """Seeds of a share that no receiver has."""
    decoder, header = (secret.derive(f"csfnns/2/trellis/nobody/{number}/{name}") for name in ("decoder", "header"))
    return ReceiverSeeds(decoder, header)


def analyse_for(secret: Picture, places: int) -> Analysis:
    """Analysis whose tables leave room for the picture itself in a number of sub-pixels."""
    return analyse(secret, min(max(places // 128, 4), MOST_BLOCKS), min(max(places // _PLACES_PER_CLASS, 2), CLASSES))


def flip_rate(density: float) -> int:
    """Share in 256ths of header places that change anyway, so that a share of `density` changes in the end.

    Behind the flips, 15 of 16 groups of 15 places have one of them changed once more.
    """
    return min(max(round(256 * (density - 1 / 16) / (1 - 1 / 8)), 0), 255)


def price_of(density: float) -> float:
    """Price of a change, in units of viterbi.UNIT, for a target share of the places that change."""
    return viterbi.UNIT * _THRIFT * 2 * math.log(2) * math.log2(2 * (1 - density) / density)


def entropy(density: float) -> float:
    """Bits that a place can carry if a share `density` of them moves up or down."""
    if density <= 0:
        return 0.0
    return -density * math.log2(density / 2) - (1 - density) * math.log2(1 - density)


@cache
def _known_densities() -> tuple[F64, F64]:
    """Densities in 0…2/3, and the bits per place that they carry."""
    known = np.concatenate([[0.0], np.geomspace(1e-7, 2 / 3, 4000)])
    return known, np.array([entropy(float(p)) for p in known])


def densities(rates: F64) -> F64:
    """Share of the places that must change to carry each rate in bits per place, at most 2/3; (n,)."""
    known, bits = _known_densities()
    return np.interp(rates, bits, known)


def last_index(holds: npt.NDArray[np.bool_]) -> int:
    """Last index at which a condition holds that then fails; 0 if it never holds."""
    return max(int(np.searchsorted(~holds, True)) - 1, 0)

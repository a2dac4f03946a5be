"""Format of a trellis message in δ, for one receiver: where its parts are, and how they are read.

    head     partitions 1 | size of the tables 2 | quality 1 | flips 1 | time 5 | check 6 | seal 8  in one partition, `home`
    tables   log2 of the states 1 | filler 2 | [length 1 | name] | the picture's model (payloads/blocks.py)    behind it, in
             all partitions; a name is there if the first byte has its highest bit
    body     all other sub-pixels of the receiver's partitions, in order: δ of the decoder

Head and tables are masked with the receiver's keystream, protected by a Reed-Solomon code, and written into parities of
keyed places, of which some change anyway, so that all change about as often as the body's. The check value identifies the
right key. The seal covers every change at this receiver's places and at those of the address, so that a picture that was
changed on its way is recognised, and still decoded as well as possible.
"""

import hmac
import math
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.coding import PARTITIONS, parity, partitions
from csfnns.coding import reed_solomon as rs
from csfnns.coding.arithmetic import TOTAL
from csfnns.coding.classes import count_classes
from csfnns.coding.distributions import KINDS, kinds
from csfnns.coding.hill import hill_channel
from csfnns.coding.layout import keyed_order
from csfnns.coding.models import Model
from csfnns.decoders.trellis import MOST_STATES, TrellisDecoder
from csfnns.errors import CapacityError, DamagedError
from csfnns.images.decode import check_memory
from csfnns.images.io import Picture
from csfnns.methods._direct import Reserved
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads.base import Decoded
from csfnns.payloads.blocks import PictureModel
from csfnns.search import viterbi

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

CHECK, SEAL = 6, 8
FIELDS = 1 + 2 + 1 + 1 + 5
HEAD = FIELDS + CHECK + SEAL
HEAD_CHECKS = 10
"""Check bytes of the head: ±1 on 0.1 % of the sub-pixels is a wrong byte in 33."""
HEAD_PLACES = parity.PER_BYTE * (HEAD + HEAD_CHECKS)
QUALITY_STEPS = 4
"""Steps a dB in which a sender says how clear the picture arrives."""
FILLER_HEIGHT, FILLER_UNIT = 8, 16
"""Height of the numbers that nobody reads, and how many of them one unit of the header's field stands for."""
LEAST_BODY = 64
"""Fewest sub-pixels of a body: there are at most 32 levels, and each needs one."""

LEAST_TABLES = 4
"""Fewest bytes of tables in which all fields before the model have a place."""
MOST_NAME = 32
"""Bytes of a picture's name that are sent, without its suffix: a byte takes 30 sub-pixels."""

_NAMED = 0x80
_BINS = 16  # classes of cost for the changes of the address
_PIECE = 1 << 16  # sub-pixels computed at a time, for the memory of large covers
_CHUNK = 180  # bytes of the tables in a word, at most


class Shared:
    """What the parts of a cover share."""

    def __init__(self, cover: Picture, reserved: Reserved | None = None) -> None:
        self.cover, self.reserved = cover, reserved
        every = partitions(cover)
        self.partition = every if reserved is None else reserved.keep_free(every)
        self._priced: dict[float, npt.NDArray[np.float32]] = {}

    def priced(self, exponent: float) -> npt.NDArray[np.float32]:
        """HILL's cost of each sub-pixel to a power, 1 in the middle, (n,)."""
        if exponent not in self._priced:
            self._priced[exponent] = self._costs ** np.float32(exponent)
        return self._priced[exponent]

    def model(self, delta: I8, body: I32) -> Model:
        """Model of the changes that were made at the places `body`, for the places of the address."""
        classes = self._classes
        size = KINDS * _BINS
        found, changes = classes[body], delta[body]
        totals = count_classes(found, size) + 1.0
        steps = [count_classes(found[changes == step], size) for step in (-1, 1)]
        usual = max(np.count_nonzero(changes) / len(changes), 1e-6)
        black, white = (np.arange(size) % KINDS == kind for kind in (1, 2))
        down = np.where(black, 0, (steps[0] + usual) / totals).clip(0, 0.4) * TOTAL
        up = np.where(white, 0, (steps[1] + usual) / totals).clip(0, 0.4) * TOTAL
        table = np.stack([0 * down, down, TOTAL - up, 0 * down + TOTAL], axis=1).astype(np.int64)
        return Model(1, 1, classes, classes, lambda rate: table, 0, classes, table)

    @cached_property
    def _classes(self) -> U16:
        """Class of each sub-pixel, by its cost and by the directions in which it can change, (n,)."""
        edges = np.quantile(self._costs[::31], np.arange(1, _BINS) / _BINS)
        bins = np.empty(self._costs.size, np.uint16)
        for first in range(0, bins.size, _PIECE):
            bins[first : first + _PIECE] = np.searchsorted(edges, self._costs[first : first + _PIECE])
        return KINDS * bins + kinds(self.cover).reshape(-1)

    @cached_property
    def _costs(self) -> npt.NDArray[np.float32]:
        costs = np.empty(self.cover.shape, np.float32)
        for channel in range(3):  # one at a time, for the memory of large covers
            costs[..., channel] = hill_channel(self.cover[..., channel])
        costs /= np.median(costs[::4, ::4])
        return costs.reshape(-1)


class Layout:
    """Where one receiver's parts are in a cover."""

    def __init__(self, shared: Shared, seeds: ReceiverSeeds) -> None:
        height, width, channels = shared.cover.shape
        self.seeds = seeds
        self._shared = shared
        self._levels = shared.cover.reshape(-1)
        self._order = keyed_order(seeds.decoder.derive("csfnns/2/trellis/places"), height, channels * width)
        self._partition_in_order = shared.partition[self._order]

    def head(self, home: int) -> I32:
        """Sub-pixels of the head. Raises CapacityError where a partition has fewer."""
        places = np.flatnonzero(self._partition_in_order == home)[:HEAD_PLACES]
        if len(places) < HEAD_PLACES:
            raise CapacityError("This cover is too small for a picture.", "Make a key with a larger --size.")
        return self._order[places]

    def rest(self, mask: int, home: int) -> I32:
        """All other sub-pixels of the partitions in the mask, in order."""
        mine = (self._partition_in_order < PARTITIONS) & (mask >> self._partition_in_order & 1 == 1)
        mine[np.flatnonzero(self._partition_in_order == home)[:HEAD_PLACES]] = False
        return self._order[mine]

    def signs(self, places: I32, label: str) -> I8:
        """Directions in which header places move: keyed, but inwards from black and white."""
        keyed = self.seeds.decoder.derive(f"csfnns/2/trellis/signs/{label}").stream().signs(len(places))
        levels = self._levels[places]
        return np.where(levels == 0, 1, np.where(levels == 255, -1, keyed)).astype(np.int8)

    def flips(self, number: int, rate: int, label: str) -> npt.NDArray[np.bool_]:
        """Which of so many header places change anyway: `rate` of 256."""
        stream = self.seeds.decoder.derive(f"csfnns/2/trellis/flips/{label}").stream()
        return np.frombuffer(stream.take(number), np.uint8) < rate

    def prices(self, places: I32, price: float, exponent: float) -> tuple[U16, U16]:
        """Prices of a step up and of a step down, (n,) each: by HILL's cost, and none out of black or white."""
        costs, forbidden = self._shared.priced(exponent), np.uint16(viterbi.FORBIDDEN)
        up, down = (np.empty(len(places), np.uint16) for _ in range(2))
        for first in range(0, len(places), _PIECE):
            piece = slice(first, first + _PIECE)
            here = places[piece]
            prices = np.clip(np.rint(np.float32(price) * costs[here]), 1, viterbi.MAX_PRICE).astype(np.uint16)
            levels = self._levels[here]
            up[piece] = np.where(levels == 255, forbidden, prices)
            down[piece] = np.where(levels == 0, forbidden, prices)
        return up, down

    def mask_bytes(self, data: bytes, label: str) -> bytes:
        """Data with the receiver's keystream added; again undoes it."""
        stream = self.seeds.header.derive(f"csfnns/2/trellis/{label}").stream().take(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))

    def seal(self, fields: bytes, tables: bytes, delta: npt.NDArray[np.signedinteger[Any]], body: I8) -> bytes:
        """Digest of fields, tables, changes of the body, and those of the address in δ, (n,)."""
        reserved = self._shared.reserved
        address = b"" if reserved is None else np.clip(delta[reserved.places], -128, 127).astype(np.int8).tobytes()
        return self.code("seal", fields, tables, address, body.tobytes())[:SEAL]

    def code(self, label: str, *parts: bytes) -> bytes:
        """Keyed digest of some parts."""
        key = self.seeds.header.derive(f"csfnns/2/trellis/{label}").data
        return hmac.new(key, b"".join(len(each).to_bytes(8, "big") + each for each in parts), sha256).digest()


@dataclass(frozen=True)
class Head:
    """Head and tables of one receiver's part, with the places that hold them."""

    data: bytes
    """Partitions 1 | size of the tables 2 | quality 1 | flips 1 | time 5 | check | seal."""
    tables: bytes
    places: I32
    """Of the head, followed by those of the tables."""
    body: I32

    @property
    def mask(self) -> int:
        """Partitions of this receiver, a bit each."""
        return self.data[0]

    @property
    def seal(self) -> bytes:
        """Digest of the fields, the tables and every change of the body."""
        return self.data[FIELDS + CHECK :]


def find_head(layout: Layout, delta: npt.NDArray[np.int16]) -> Head | None:
    """Head for these seeds in the changes (n,), in whichever partition it is; None where there is none."""
    for home in range(PARTITIONS):
        places = layout.head(home)
        found = rs.decode(layout.mask_bytes(parity.read(delta[places]), "head"), HEAD_CHECKS)
        if found is None:
            continue
        head = found[0]
        mask, size = head[0], int.from_bytes(head[1:3], "big")
        rest = layout.rest(mask, home)
        length = parity.PER_BYTE * protected_size(size)
        if size < LEAST_TABLES or not mask >> home & 1 or length > len(rest):
            continue
        tables = _unprotect(layout.mask_bytes(parity.read(delta[rest[:length]]), "tables"), size)
        check = head[FIELDS : FIELDS + CHECK]
        if tables is not None and hmac.compare_digest(layout.code("check", head[:3], tables)[:CHECK], check):
            return Head(head, tables, np.concatenate([places, rest[:length]]), rest[length:])
    return None


def read_picture(layout: Layout, delta: npt.NDArray[np.int16]) -> Decoded | None:
    """Picture for these seeds in the changes (n,), or None.

    Raises DamagedError and NoMessageError for odd headers, PictureError for a picture that is too large for this computer.
    """
    head = find_head(layout, delta)
    if head is None:
        return None
    name, packed = unpack_name(head.tables)
    model = PictureModel.from_bytes(packed)
    check_memory("The picture in the message", model.height, model.width)
    body = delta[head.body]
    kept = np.clip(body, -128, 127).astype(np.int8)
    seal = layout.seal(head.data[:FIELDS], head.tables, delta, kept)
    room = head.places[HEAD_PLACES:]
    written = np.concatenate(header_changes(layout, head.places[:HEAD_PLACES], room, head.data, head.tables))
    unchanged = (
        hmac.compare_digest(seal, head.seal)
        and np.array_equal(written, delta[head.places])
        and np.array_equal(kept, body)
    )
    where, heights = model.heights()
    decoder = grow(layout.seeds, head.tables, heights, model.water, len(body))
    values = decoder.decode(kept)[: len(where)] if decoder else np.zeros(0, np.int64)
    picture = model.picture(where, values)
    quality = head.data[3]
    expected = quality / QUALITY_STEPS if unchanged and quality else None
    sent = int.from_bytes(head.data[5:FIELDS], "big")
    return Decoded(picture, picture.shape[:2], expected, unchanged, sent, name)


def header_changes(layout: Layout, places: I32, room: I32, head: bytes, tables: bytes) -> tuple[I8, I8]:
    """Changes of the head's places and of the tables'."""
    word = layout.mask_bytes(rs.encode(head, HEAD_CHECKS), "head")
    words = layout.mask_bytes(_protect(tables), "tables")
    return (
        parity.write(word, layout.signs(places, "head"), layout.flips(len(places), head[4], "head")),
        parity.write(words, layout.signs(room, "tables"), layout.flips(len(room), head[4], "tables")),
    )


def pack_tables(states: int, filler: int, name: str, model: bytes) -> bytes:
    """Tables of a part; of the name, at most MOST_NAME bytes are kept."""
    label = name.encode()[:MOST_NAME].decode(errors="ignore").encode()
    named = bytes([len(label)]) + label if label else b""
    return bytes([states | (_NAMED if label else 0)]) + filler.to_bytes(2, "big") + named + model


def unpack_name(tables: bytes) -> tuple[str | None, bytes]:
    """Name of the picture, if there is one, and its model."""
    if not tables[0] & _NAMED:
        return None, tables[3:]
    end = 4 + tables[3]
    return tables[4:end].decode(errors="replace"), tables[end:]


def grow(seeds: ReceiverSeeds, tables: bytes, heights: U8, water: int, places: int) -> TrellisDecoder | None:
    """The decoder, from the key and the tables; None where there is nothing to decode. Raises DamagedError."""
    states, filler = 1 << (tables[0] & ~_NAMED), int.from_bytes(tables[1:3], "big") * FILLER_UNIT
    heights = np.concatenate([heights, np.full(filler, FILLER_HEIGHT, np.uint8)])
    if not len(heights):
        return None
    if places < LEAST_BODY or not 4 <= states <= MOST_STATES:
        raise DamagedError("The message is no picture that csfnns hides.", "Ask for it again.")
    seed = seeds.decoder.derive(f"csfnns/2/trellis/{sha256(tables).hexdigest()}")
    return TrellisDecoder.grow(seed, heights, water, places, states)


def _checks(size: int) -> int:
    """Check bytes of a word of the tables: ±1 on 0.1 % of the sub-pixels is a wrong byte in 33."""
    return 2 * (5 + math.ceil(0.06 * size))


def _chunks(size: int) -> list[int]:
    number = max(1, -(-size // _CHUNK))
    return [size * (i + 1) // number - size * i // number for i in range(number)]


def protected_size(size: int) -> int:
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

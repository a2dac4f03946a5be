"""What stands in a stego: addresses, headers, models, frames. Fields are as a sender with the key can write them."""

from contextlib import suppress
from functools import cache
from unittest import mock

import numpy as np
import numpy.typing as npt

from csfnns import address
from csfnns.coding import parity
from csfnns.coding.ldpc import RATES
from csfnns.covers import AbstractCovers
from csfnns.errors import CapacityError, NoMessageError
from csfnns.images.io import restore
from csfnns.methods import ReceiverSeeds, robust_bits
from csfnns.methods._trellis_format import (
    FIELDS,
    LEAST_TABLES,
    Layout,
    Shared,
    header_changes,
    pack_tables,
    protected_size,
    read_picture,
)
from csfnns.methods.base import context_of
from csfnns.payloads.blocks import PictureModel
from csfnns.payloads.frame import Kind, pack, safe_name, unpack
from csfnns.payloads.header import SIZE, Header
from csfnns.payloads.header import _check as header_check
from csfnns.payloads.seal import open_header, seal, seal_header, unseal
from csfnns.payloads.spectral import TARGET_STD, SpectralCodec
from csfnns.profile import Profile, make_profile
from csfnns.stream import Seed
from fuzz.fields import Fields, check

SEED = Seed(bytes(range(32)))
SEEDS = ReceiverSeeds(SEED.derive("decoder"), SEED.derive("header"))
SIDE = 64
_MOST = 1 << 23
"""Pixels of a picture that is made from a model: a sender with the key may ask for 256 megapixels, and for that time."""

F32 = npt.NDArray[np.float32]


def frames(data: bytes) -> None:
    """A file comes out of its frame as it went in; any other bytes give a file of the size they state, or an error."""
    fields = Fields(data)
    if fields.number(2):
        kind, sent = list(Kind)[fields.number(3)], int.from_bytes(fields.take(5), "big")
        name, content = fields.take(fields.number(256)).decode("utf-8", "surrogateescape"), fields.rest()
        file = unpack(pack(content, name, kind, sent))
        check((file.content, file.kind, file.sent) == (content, kind, sent), "another file came back")
        check(file.name == safe_name(name), f"{name!r} became {file.name!r}")
        return
    packed = fields.rest()
    with suppress(NoMessageError):
        file = unpack(packed)
        check(len(file.content) == int.from_bytes(packed[4:8], "big"), "the file has another size than it states")
        check(unpack(pack(file.content, file.name, file.kind, file.sent)) == file, "another file came back")


def seals(data: bytes) -> None:
    """What was sealed is opened or an error: nothing else."""
    fields = Fields(data)
    header, content = fields.take(fields.number(32)), fields.take(fields.number(64))
    flips = fields.take(len(header) + 6), fields.take(len(content) + 16)
    written = seal_header(header, SEED)
    sealed = seal(content, SEED, written)
    with suppress(NoMessageError):
        read = _flipped(written, flips[0])
        found = open_header(read, SEED)
        check(found == header and read == written, "a changed header was opened")
        check(unseal(_flipped(sealed, flips[1]), SEED, read) == content and not any(flips[1]), "a change was not seen")
    with suppress(NoMessageError):
        rest = fields.rest()
        open_header(rest, SEED)
        check(False, "bytes without a key were opened")


def addresses(data: bytes) -> None:
    """An address is read from what is left of a picture, or none is: never another, and not by another key."""
    fields = Fields(data)
    carrier = fields.number(2)
    levels, size = _addressed(carrier)
    layout = address.LevelAddress(SEED, SIDE, SIDE) if carrier == 0 else address.ProjectionAddress(SEED, SIDE, SIDE)
    context = context_of("levels" if carrier == 0 else "projections", SIDE, SIDE)
    changed = levels.reshape(-1).copy()
    draw = np.random.default_rng(fields.number(1 << 32))
    count = (0, 10, 100, 1000, size)[fields.number(5)]
    places = draw.integers(0, size, count)
    step = 1 + fields.number(40)
    changed[places] = np.clip(changed[places].astype(int) + draw.integers(-step, step + 1, count), 0, 255)
    rest = np.frombuffer(fields.rest()[:size], np.uint8)
    start = fields.number(2) * (size - len(rest))
    changed[start : start + len(rest)] ^= rest
    picture = changed.reshape(levels.shape)
    for key in (SEED, SEED.derive("another")):
        other = layout if key is SEED else type(layout)(key, SIDE, SIDE)
        read = picture if carrier == 0 else address.low_frequencies(picture, SIDE, SIDE)
        found = address.decode(key, other.read(read), context)  # type: ignore[arg-type]
        check(found is None or (key is SEED and found == _NONCE), "a nonce that nobody wrote was read")


_NONCE = bytes(range(16))


@cache
def _addressed(carrier: int) -> tuple[npt.NDArray[np.uint8], int]:
    """Picture with an address in its levels or projections."""
    cover = AbstractCovers(SIDE, SIDE)(SEED)
    if carrier == 1:
        bits = address.encode(SEED, _NONCE, context_of("projections", SIDE, SIDE))
        stego = address.ProjectionAddress(SEED, SIDE, SIDE).write(cover, bits, SEED)
        return stego, stego.size
    bits = address.encode(SEED, _NONCE, context_of("levels", SIDE, SIDE))
    layout, stego = address.LevelAddress(SEED, SIDE, SIDE), cover.reshape(-1).copy()
    wrong = (np.bitwise_xor.reduce(stego[layout.places], axis=1) & 1) ^ bits
    stego[layout.places[wrong == 1, 0]] ^= 1
    return stego.reshape(cover.shape), stego.size


def models(data: bytes) -> None:
    """A model of a picture is written as it reads, and its picture has its size."""
    with suppress(NoMessageError):
        model = PictureModel.from_bytes(data)
        again = PictureModel.from_bytes(model.to_bytes())
        check(again.to_bytes() == model.to_bytes() and again.mean == model.mean, "a model is read otherwise")
        check(
            np.array_equal(again.table, model.table) and np.array_equal(again.classes, model.classes), "other classes"
        )
        if model.height * model.width <= 1 << 16:
            where, heights = model.heights()
            check(len(where) == len(heights) == len(np.unique(where)), "coefficients stand twice")
            values = np.resize(np.frombuffer(data.ljust(4, b"\0")[-4:], "<i4"), len(where)).astype(np.int64)
            check(model.picture(where, values).shape == (model.height, model.width, 3), "another size")


def trellis(data: bytes) -> None:
    """A part of the trellis method is a picture of the model's size or an error; unchanged only where it is sealed."""
    fields = Fields(data)
    sealed, states, filler = fields.number(2), fields.number(16), fields.number(256)
    draw, damage, rate = np.random.default_rng(fields.number(1 << 32)), fields.number(256), fields.number(256)
    head = bytearray(fields.take(FIELDS))
    name = fields.take(fields.number(8)).decode("utf-8", "replace")
    packed = fields.rest()[:200]
    with suppress(NoMessageError):
        model = PictureModel.from_bytes(packed)
        if model.height * model.width > _MOST:
            return
    tables = pack_tables(states, filler, name, packed)
    layout = _layout()
    home = fields.number(8)
    head[0] |= 1 << home
    head[1:3] = len(tables).to_bytes(2, "big")
    places, room = layout.head(home), layout.rest(head[0], home)
    used = parity.PER_BYTE * protected_size(len(tables))
    if len(tables) < LEAST_TABLES or used > len(room):
        return
    delta = np.zeros(3 * SIDE * SIDE, np.int16)
    delta[room[used:]] = draw.integers(-1, 2, len(room) - used) * (draw.integers(0, 256, len(room) - used) < rate)
    body = delta[room[used:]].astype(np.int8)
    code = layout.code("check", bytes(head[:3]), tables)[:6]
    whole = bytes(head) + code + (layout.seal(bytes(head), tables, delta, body) if sealed else bytes(8))
    delta[places], delta[room[:used]] = header_changes(layout, places, room[:used], whole, tables)
    hit = draw.integers(0, delta.size, damage // 8)
    delta[hit] += draw.integers(-2, 3, len(hit)).astype(np.int16)
    with suppress(NoMessageError):
        found = read_picture(layout, delta)
        if found is not None:
            check(found.grid.shape[:2] == found.shape, "the picture has another size than it states")
            check(not found.unchanged or bool(sealed), "a picture without a seal counts as unchanged")
        check(found is not None or len(hit) > 0, "a part was not found")


@cache
def _layout() -> Layout:
    return Layout(Shared(AbstractCovers(SIDE, SIDE)(SEED)), SEEDS)


def bits(data: bytes) -> None:
    """Bytes come out of a network's output as they went in, or not at all; so do headers of any length and rate."""
    fields = Fields(data)
    raw, length, rate = fields.number(2), int.from_bytes(fields.take(4), "big"), fields.number(256)
    draw, noise = np.random.default_rng(fields.number(1 << 32)), 2.0 * fields.number(256) / 255
    content = fields.rest()[:32]
    codec = robust_bits.NeuralBits(_robust())._codec
    if not raw:
        length, rate = len(content), rate % (len(RATES) - 1)
    header = seal_header(length.to_bytes(4, "big") + bytes([rate]), SEEDS.header)
    words = np.zeros(0, np.uint8)
    if not raw:
        body = robust_bits._Body(length, rate)
        if body.sent > codec.room:
            return
        words = body.encode(seal(content, SEEDS.header, header), SEEDS)
    coded = robust_bits._header_code(SEEDS).encode(np.unpackbits(np.frombuffer(header, np.uint8)))
    output = codec.encode(coded, words) + noise * draw.standard_normal(codec.outputs).astype(np.float32)
    cover = np.zeros((SIDE, SIDE, 3), np.uint8)
    with suppress(NoMessageError, CapacityError), mock.patch.object(robust_bits, "decode", return_value=output):
        found = robust_bits.NeuralBits(_robust()).extract(cover + np.uint8(1), cover, SEEDS)
        check(not raw and found == content, "other bytes came back")


def spectra(data: bytes) -> None:
    """A picture of a network's output has the size in its header, within what is restored, or is an error."""
    fields = Fields(data)
    rest = fields.take(SIZE - 6)
    codec = _spectral()
    packed = header_check(SEEDS.header, rest) + rest
    values = np.resize(np.frombuffer(fields.rest().ljust(4, b"\0"), np.int8), codec[1]).astype(np.float32) / 16
    values.flat[codec[0]._places] = TARGET_STD * (2.0 * np.unpackbits(np.frombuffer(packed, np.uint8)) - 1)
    with suppress(NoMessageError):
        header = Header.from_bytes(packed, SEEDS.header)
        check(header.to_bytes(SEEDS.header) == packed, "a header is written otherwise than it reads")
        found = codec[0].decode(values)
        check(found.grid.shape == (codec[1][1], codec[1][2], 3), "another grid")
        check(found.expected_psnr is not None and np.isfinite(found.expected_psnr), "no PSNR")
        picture = restore(found.grid, found.shape)
        check(picture.shape[:2] == found.shape and picture.size <= 32 * found.grid.size, "a picture of another size")


@cache
def _robust() -> Profile:
    return make_profile("robust", width=SIDE, height=SIDE)


@cache
def _spectral() -> tuple[SpectralCodec, tuple[int, int, int]]:
    profile = make_profile("robust", width=256, height=256)
    return SpectralCodec(profile, SEEDS.header), (3, *profile.secret_size)


def _flipped(data: bytes, flips: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, flips, strict=True))

"""Files that must not be taken for a message: wrong keys, foreign and damaged pictures, frames that nobody writes."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from csfnns import Key, cover_of
from csfnns.coding.jpeg import Coefficients
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.jpeg_file import read_coefficients, write_coefficients
from csfnns.images.output import JPEG, encode_picture
from csfnns.messages.receive import find
from csfnns.messages.send import encode_file
from csfnns.methods import Envelope, ReceiverSeeds
from csfnns.payloads.frame import pack
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

Dice = np.random.Generator


@dataclass(frozen=True)
class Sent:
    """A message as it was written."""

    key: Key
    method: Any
    suffix: str
    file: bytes
    content: bytes | Picture
    """What was sent, or of a picture what its receiver gets."""


@dataclass(frozen=True)
class Spoilt:
    """A file that must give an error, or exactly what was sent."""

    kind: str
    file: bytes
    key: Key
    may_read: bool = False
    """Whether the right content is as good as an error: the damage may not matter, or be corrected."""


def spoilt(dice: Dice, sent: Sent, foreign: Picture) -> Iterator[Spoilt]:
    """About 30 files made from one message. `foreign` is any picture that is no stego."""
    key, cover = sent.key, cover_of(sent.file, sent.key)
    assert key.root is not None
    yield Spoilt("another key", sent.file, Key.from_root(key.profile, Seed(dice.bytes(32))))
    yield Spoilt("another link", sent.file, Key.from_root(key.profile, key.root, ["eve"]).for_receiver("eve"))
    for kind, file in _broken(dice, sent.file):
        yield Spoilt(kind, file, key, may_read=True)
    noise = dice.bytes(int(dice.integers(2000)))
    yield Spoilt("no picture", noise, key)
    yield Spoilt("noise behind the start", sent.file[: int(dice.integers(4, 60))] + noise, key)
    yield Spoilt("plain cover", _saved(cover, sent.suffix), key)
    yield Spoilt("foreign picture", _saved(fit(foreign, *cover.shape[:2]), sent.suffix), key)
    yield Spoilt("foreign picture of another size", _saved(foreign, sent.suffix), key)
    if isinstance(sent.content, bytes):
        yield Spoilt(*_bad_frame(dice, sent, cover), key)
    for kind, file in _changed(dice, sent, cover):
        yield Spoilt(kind, file, key, may_read=True)


def _broken(dice: Dice, file: bytes) -> Iterator[tuple[str, bytes]]:
    for _ in range(6):
        flipped = bytearray(file)
        for at in dice.choice(len(file), int(dice.integers(1, 4)), replace=False):
            flipped[at] ^= int(dice.integers(1, 256))
        yield "bytes flipped", bytes(flipped)
    for _ in range(3):
        yield "file cut", file[: int(dice.integers(len(file)))]


def _bad_frame(dice: Dice, sent: Sent, cover: Picture) -> tuple[str, bytes]:
    """An authentic message with a frame that no version of csfnns writes."""
    assert isinstance(sent.content, bytes)
    frame = pack(sent.content)
    off = (len(sent.content) + int(dice.integers(1, 2**32 - 1))) % 2**32
    frames = {
        "frame: wrong version": bytes([int(dice.integers(3, 256))]) + frame[1:],
        "frame: wrong kind": frame[:1] + bytes([int(dice.integers(4, 256))]) + frame[2:],
        "frame: wrong method": frame[:2] + bytes([int(dice.integers(3, 256))]) + frame[3:],
        "frame: wrong length": frame[:4] + off.to_bytes(4, "big") + frame[8:],
        "frame: cut": frame[: int(dice.integers(len(frame)))],
        "frame: noise": frame[:1] + dice.bytes(int(dice.integers(len(frame)))),
    }
    kind = list(frames)[int(dice.integers(len(frames)))]
    found = find(sent.file, sent.key)
    link, nonce = next(iter(found.route.readers.values())), found.nonce
    seeds = ReceiverSeeds(link.decoder_seed(nonce), link.header_seed(nonce))
    envelope = Envelope(found.route.link.address_key(), nonce)
    stego = sent.method.embed(cover, {seeds: frames[kind]}, envelope=envelope)
    return kind, encode_file(sent.method, stego, sent.suffix)


def _changed(dice: Dice, sent: Sent, cover: Picture) -> Iterator[tuple[str, bytes]]:
    """The picture of the file, changed and saved again."""
    picture = read_picture(sent.file)
    side, robust = picture.shape[0], sent.method.name == "robust"  # which survives what is usual
    noise = dice.normal(0, 40 if robust else 1, picture.shape)
    half = picture.copy()
    half[side // 2 :] = cover[side // 2 :]
    changes = {
        "noise": (picture + noise).round().clip(0, 255).astype(np.uint8),
        "few levels": _flipped(dice, picture, int(dice.integers(1, 9))),
        "many levels": _flipped(dice, picture, picture.size // 20),
        "one level up": np.where(picture < 255, picture + 1, picture).astype(np.uint8),
        "moved": np.roll(picture, int(dice.integers(1, side)), axis=int(dice.integers(2))),
        "mirrored": picture[:, ::-1],
        "scaled and back": fit(fit(picture, side * 3 // 4, side * 3 // 4), *picture.shape[:2]),
        "cropped": picture[: int(dice.integers(side // 2, side - 8))],
        "half replaced": half,
    }
    for kind, changed in changes.items():
        yield kind, _saved(np.ascontiguousarray(changed), sent.suffix)
    quality = int(dice.integers(2, 21)) if robust else int(dice.integers(30, 101))
    yield "compressed", encode_jpeg(picture, quality, ("420", "444")[int(dice.integers(2))])
    if sent.suffix in JPEG:
        yield "compressed alike", _saved(picture, sent.suffix)
        yield "saved without loss", encode_picture(picture, ".png")
    if sent.method.name == "jpeg":
        coefficients = read_coefficients(sent.file)
        for kind, count in (("few coefficients", int(dice.integers(1, 9))), ("many coefficients", 500)):
            yield kind, write_coefficients(_moved(dice, coefficients, count))


def _moved(dice: Dice, file: Coefficients, count: int) -> Coefficients:
    """Some coefficients of luminance, changed by one."""
    y = file.planes[0].copy()
    places = dice.choice(y.size, count, replace=False)
    y.reshape(-1)[places] += np.where(y.reshape(-1)[places] > 0, -1, 1).astype(y.dtype)
    return replace(file, planes=(y, *file.planes[1:]))


def _flipped(dice: Dice, picture: Picture, count: int) -> Picture:
    """Lowest bits of some levels changed."""
    changed = picture.copy().reshape(-1)
    changed[dice.choice(changed.size, count, replace=False)] ^= 1
    return changed.reshape(picture.shape)


def _saved(picture: Picture, suffix: str) -> bytes:
    """As a file of that kind: lossless if it can be, else as most programs save."""
    if suffix not in JPEG:
        return encode_picture(picture, suffix)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()

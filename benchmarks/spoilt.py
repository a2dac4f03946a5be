"""Pictures with a file in them that were damaged, are read with the wrong key, or should never have been made.

`spoilt` makes them from a message that was sent well, in whichever way; `files.py` reads them.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from csfnns import Key
from csfnns.coding.jpeg import Coefficients
from csfnns.jpeg_file import read_coefficients, write_coefficients
from csfnns.output import JPEG, encode_picture
from csfnns.payloads.file import pack
from csfnns.picture import Picture, read_picture
from csfnns.search.channel import encode_jpeg
from csfnns.sending import seeds_of
from csfnns.stream import Seed
from csfnns.ways import Way

Dice = np.random.Generator


@dataclass(frozen=True)
class Sent:
    """A message as it was sent."""

    key: Key
    message: int
    cover: Picture
    way: Way
    suffix: str
    file: bytes
    content: bytes


@dataclass(frozen=True)
class Spoilt:
    """A file that must not give other bytes than were sent."""

    kind: str
    file: bytes
    key: Key
    message: int | None
    """The number that the receiver names; None: he looks for it."""
    may_read: bool = False
    """Whether the right bytes are as good as an error: what was changed may not matter, or be corrected."""


def spoilt(dice: Dice, sent: Sent) -> Iterator[Spoilt]:
    """About 25 of them."""
    yield from _wrong_keys(dice, sent)
    yield from _broken_files(dice, sent)
    named = sent.key, sent.message
    yield Spoilt("plain cover", _saved(sent.cover, sent.suffix), *named)
    yield Spoilt(*_bad_frame(dice, sent), *named)
    yield from (Spoilt(kind, file, *named, may_read=True) for kind, file in _changed_pictures(dice, sent))
    if sent.way.name == "jpeg":
        coefficients = read_coefficients(sent.file)
        for kind, count in (("few coefficients", int(dice.integers(1, 9))), ("many coefficients", 500)):
            changed = write_coefficients(_changed(dice, coefficients, count))
            yield Spoilt(kind, changed, *named, may_read=True)


def _wrong_keys(dice: Dice, sent: Sent) -> Iterator[Spoilt]:
    assert sent.key.root is not None
    stranger = Key.from_root(sent.key.profile, Seed(dice.bytes(32)))
    named = None if dice.integers(16) == 0 else sent.message  # 200 covers to compare with take a second
    yield Spoilt("wrong key", sent.file, stranger, named)
    yield Spoilt(
        "wrong receiver", sent.file, Key.from_root(sent.key.profile, sent.key.root, ["eve"]), sent.message
    )
    yield Spoilt("wrong number", sent.file, sent.key, sent.message + int(dice.integers(1, 100)))


def _broken_files(dice: Dice, sent: Sent) -> Iterator[Spoilt]:
    file, named = sent.file, (sent.key, sent.message)
    for _ in range(6):
        flipped = bytearray(file)
        for at in dice.choice(len(file), int(dice.integers(1, 4)), replace=False):
            flipped[at] ^= int(dice.integers(1, 256))
        yield Spoilt("bytes flipped", bytes(flipped), *named, may_read=True)
    for _ in range(3):
        yield Spoilt("file cut", file[: int(dice.integers(len(file)))], *named, may_read=True)
    yield Spoilt("no picture", dice.bytes(int(dice.integers(2000))), *named)
    start = file[: int(dice.integers(4, 200))]
    yield Spoilt("noise behind the start", start + dice.bytes(int(dice.integers(2000))), *named)


def _bad_frame(dice: Dice, sent: Sent) -> tuple[str, bytes]:
    """Authentic, from somebody who has the key, and nothing that anybody should send."""
    frame = pack(sent.content)
    off = (len(sent.content) + int(dice.integers(1, 2**32 - 1))) % 2**32
    frames = {
        "frame: wrong version": bytes([int(dice.integers(2, 256))]) + frame[1:],
        "frame: wrong kind": frame[:1] + bytes([int(dice.integers(3, 256))]) + frame[2:],
        "frame: wrong method": frame[:2] + bytes([int(dice.integers(3, 256))]) + frame[3:],
        "frame: wrong length": frame[:4] + off.to_bytes(4, "big") + frame[8:],
        "frame: cut": frame[: int(dice.integers(len(frame)))],
        "frame: noise": b"\x02" + dice.bytes(int(dice.integers(len(frame)))),
    }
    kind = list(frames)[int(dice.integers(len(frames)))]
    seeds = seeds_of(sent.key, sent.key.names[0], sent.message)
    return kind, sent.way.embed(sent.cover, {seeds: frames[kind]})


def _changed_pictures(dice: Dice, sent: Sent) -> Iterator[tuple[str, bytes]]:
    """The picture that the file shows, changed."""
    picture = read_picture(sent.file)
    side = picture.shape[0]
    harsh = sent.way.name == "bits"  # which survive what is usual
    quality = int(dice.integers(2, 21)) if harsh else int(dice.integers(30, 101))
    noise = dice.normal(0, 40 if harsh else 1, picture.shape)
    cut = int(dice.integers(side // 2, side - 8)) if harsh else int(dice.integers(1, side))
    half = picture.copy()
    half[side // 2 :] = sent.cover[side // 2 :]
    changes = {
        "noise": (picture + noise).round().clip(0, 255).astype(np.uint8),
        "few levels": _flipped(dice, picture, int(dice.integers(1, 9))),
        "many levels": _flipped(dice, picture, picture.size // 20),
        "moved": np.roll(picture, int(dice.integers(1, side)), axis=int(dice.integers(2))),
        "mirrored": picture[:, ::-1],
        "picture cut": picture[:cut],
        "half replaced": half,
    }
    for kind, changed in changes.items():
        yield kind, _saved(np.ascontiguousarray(changed), sent.suffix)
    yield "compressed", encode_jpeg(picture, quality, ("420", "444")[int(dice.integers(2))])
    if sent.suffix in JPEG:
        yield "compressed alike", _saved(picture, sent.suffix)
        yield "saved without loss", _lossless(picture)


def _changed(dice: Dice, picture: Coefficients, count: int) -> Coefficients:
    """So many coefficients of luminance that change by one."""
    y = picture.planes[0].copy()
    there = dice.choice(y.size, count, replace=False)
    y.reshape(-1)[there] += np.where(y.reshape(-1)[there] > 0, -1, 1).astype(y.dtype)
    return replace(picture, planes=(y, *picture.planes[1:]))


def _flipped(dice: Dice, picture: Picture, count: int) -> Picture:
    """Lowest bits of some levels changed."""
    changed = picture.copy().reshape(-1)
    changed[dice.choice(changed.size, count, replace=False)] ^= 1
    return changed.reshape(picture.shape)


def _lossless(picture: Picture) -> bytes:
    return encode_picture(picture, ".png")


def _saved(picture: Picture, suffix: str) -> bytes:
    """As a file of that kind: without loss where there is such, else as most programs save."""
    if suffix not in JPEG:
        return encode_picture(picture, suffix)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()

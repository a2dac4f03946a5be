"""Whole reveals of stegos that were changed on their way: what arrives is right, or an error, or said to be changed."""

import io
import random
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import csfnns
from csfnns import Revealed
from csfnns.errors import CsfnnsError
from fuzz.fields import Fields, check
from fuzz.mutate import mutate
from fuzz.targets.pictures import in_process

STEGOS = Path(__file__).parents[1] / "stegos"
"""Keys and stegos: NAME.key with NAME-*.png, .webp or .jpg."""

_FOREIGN = 0.1
"""Share of the cases that all keys try: to look for an address that is not there takes long."""

U8 = npt.NDArray[np.uint8]


def reveals(data: bytes) -> None:
    """Reveal a stego after what happens on the way, for its key and for one that it is not for."""
    fields = Fields(data)
    names = sorted(_stegos())
    name, other = names[fields.number(len(names))], names[fields.number(len(names))]
    dice = random.Random(fields.number(1 << 32))
    stego: Any = _stegos()[name]
    for _ in range(1 + fields.number(3)):
        stego = _CHANGES[fields.number(len(_CHANGES))](stego, _stegos()[other], fields, dice)
    own = name.partition("-")[0]
    for key in sorted(_keys()) if dice.random() < _FOREIGN else [own]:
        possible = [each for each in (name, other) if each.startswith(key)]
        with suppress(CsfnnsError), in_process():
            found = csfnns.reveal(stego, _keys()[key])
            check(bool(possible), "a message was found that is not for this key")
            right = any(_same(found, _messages()[each]) for each in possible)
            check(right or (found.pixels is not None and not found.unchanged), "another message counts as unchanged")


def _same(found: Revealed, sent: Revealed) -> bool:
    same = (found.kind, found.content, found.name, found.sent) == (sent.kind, sent.content, sent.name, sent.sent)
    return same and (found.pixels is None or np.array_equal(found.pixels, sent.pixels))


@cache
def _keys() -> dict[str, csfnns.Key]:
    return {path.stem: csfnns.keys.decode_key(path.read_bytes(), path.stem) for path in sorted(STEGOS.glob("*.key"))}


@cache
def _stegos() -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(STEGOS.iterdir()) if path.suffix != ".key"}


@cache
def _messages() -> dict[str, Revealed]:
    """What the stegos hold, unchanged."""
    found = {name: csfnns.reveal(data, _keys()[name.partition("-")[0]]) for name, data in _stegos().items()}
    assert all(each.unchanged for each in found.values())
    return found


def _opened(stego: bytes) -> U8:
    with suppress(Exception), Image.open(io.BytesIO(stego)) as image:  # as any other program would
        return np.array(image.convert("RGB"))
    return np.zeros((1, 1, 3), np.uint8)


def _file(levels: U8, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, **({"format": "PNG", "compress_level": 1} | how))
    return file.getvalue()


def _bytes(stego: bytes, other: bytes, fields: Fields, dice: random.Random) -> bytes:
    return mutate(stego, other, dice)


def _steps(stego: bytes, other: bytes, fields: Fields, dice: random.Random) -> bytes:
    """Some levels one up or down."""
    levels = _opened(stego).astype(np.int16)
    draw = np.random.default_rng(dice.randrange(1 << 32))
    places = draw.integers(0, levels.size, 1 + fields.number(256) ** 2 // 20)
    levels.reshape(-1)[places] += draw.choice(np.array([-1, 1], np.int16), len(places))
    return _file(np.clip(levels, 0, 255).astype(np.uint8))


def _piece(stego: bytes, other: bytes, fields: Fields, dice: random.Random) -> bytes:
    """Rows or columns of another stego, a constant or noise."""
    levels, source = _opened(stego), _opened(other)
    a, b = sorted((fields.number(129), fields.number(129)))
    filled: U8 = np.random.default_rng(dice.randrange(1 << 32)).integers(0, 256, levels.shape).astype(np.uint8)
    kind = fields.number(4)
    if source.shape != levels.shape or kind == 1:
        source = np.full_like(levels, dice.randrange(256))
    if kind == 2:
        source = filled
    if fields.number(2):
        levels[a:b] = source[a:b]
    else:
        levels[:, a:b] = source[:, a:b]
    return _file(levels)


def _moved(stego: bytes, other: bytes, fields: Fields, dice: random.Random) -> bytes:
    """Turned, mirrored, shifted, cropped, padded or scaled."""
    levels, n = _opened(stego), fields.number(16)
    match fields.number(5):
        case 0:
            levels = np.rot90(levels[:, :: 1 - 2 * (n % 2)], n // 2)
        case 1:
            levels = np.roll(levels, n - 8, axis=fields.number(3))
        case 2:
            levels = levels[n : n + 64, : 64 + n] if min(levels.shape[:2]) > n else levels
        case 3:
            levels = np.pad(levels, ((0, n), (n, 0), (0, 0)), mode="edge")
        case _:
            size = (max(levels.shape[1] + 4 * n - 32, 1), max(levels.shape[0] + 4 * n - 32, 1))
            levels = np.array(Image.fromarray(levels).resize(size))
    return _file(np.ascontiguousarray(levels))


def _saved(stego: bytes, other: bytes, fields: Fields, dice: random.Random) -> bytes:  # noqa: PLR0911
    """Saved again in another format or mode."""
    levels = _opened(stego)
    quality = 1 + fields.number(100)
    match fields.number(8):
        case 0:
            return _file(levels, format="JPEG", quality=quality, subsampling=dice.choice((0, 1, 2)))
        case 1:
            return _file(levels, format="WEBP", quality=quality, lossless=bool(dice.randrange(2)), method=0)
        case 2:
            return _file(levels, format=dice.choice(("BMP", "TIFF", "PPM")), compress_level=None)
        case 3:
            return _file(np.dstack([levels, np.full(levels.shape[:2], dice.choice((0, 200, 255)), np.uint8)]))
        case 4:
            return _file(np.array(Image.fromarray(levels).quantize(256).convert("RGB")))
        case 5:
            return _file(levels[..., 1])
        case 6:
            return _file(levels[..., dice.sample(range(3), 3)])
        case _:
            return _file(levels, gamma=1.0, dpi=(72, 72))


_CHANGES = (_steps, _bytes, _piece, _moved, _saved)

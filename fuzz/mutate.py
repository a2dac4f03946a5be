"""Random changes of bytes; in files of parts (PNG, JPEG, WebP), also of whole parts, with lengths and checksums right."""

import random
import zlib
from collections.abc import Iterator, Sequence

MOST = 1 << 18
"""Bytes of a case, at most."""

_ODD = (0, 1, 2, 3, 7, 8, 16, 32, 64, 100, 127, 128, 254, 255, 256, 1024, 4096, 0x7FFF, 0x8000, 0xFFFF, 0x10000)
_ODDER = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE)
_PNG = b"\x89PNG\r\n\x1a\n"


def mutate(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Change a case in 1 to 8 places, some of them with what stands in another case."""
    for _ in range(1 << dice.randrange(4)):
        parts = split(data) if dice.random() < 0.7 else None
        data = _bytes(data, other, dice) if parts is None else join(data, _parts(parts, split(other) or parts, dice))
    return data[:MOST]


def _bytes(data: bytes, other: bytes, dice: random.Random) -> bytes:  # noqa: PLR0911
    """One change of bytes anywhere."""
    n = len(data)
    at = dice.randrange(n + 1)
    end = min(n, at + _length(dice))
    match dice.randrange(9):
        case 0 if at < n:
            return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        case 1 if at < n:
            return (
                data[:at]
                + bytes([dice.choice((data[at] + 1, data[at] - 1, dice.randrange(256))) & 255])
                + data[at + 1 :]
            )
        case 2:
            size = dice.choice((1, 2, 2, 4, 4, 8))
            value = (dice.choice(_ODD) if dice.random() < 0.7 else dice.choice(_ODDER)) & (1 << 8 * size) - 1
            return data[:at] + value.to_bytes(size, dice.choice(("big", "little"))) + data[at + size :]
        case 3:
            return data[:at] + dice.randbytes(_length(dice)) + data[at:]
        case 4:
            return data[:at] + data[end:]
        case 5:
            return data[:end] + data[at:end] * dice.choice((1, 1, 2, 50)) + data[end:]
        case 6:
            start = dice.randrange(len(other) + 1)
            return data[:at] + other[start : start + _length(dice)] + data[dice.choice((at, end)) :]
        case 7:
            return data[:at] + other[min(at, len(other)) :]
        case _:
            return (
                data[:at] + dice.choice((b"0", b"-1", b"1e999", b"\xff", b"\n", b'"', "\u202e".encode())) + data[end:]
            )


def _parts(parts: list[bytes], others: Sequence[bytes], dice: random.Random) -> list[bytes]:
    """One change of whole parts, or inside one."""
    at = dice.randrange(len(parts))
    match dice.randrange(7):
        case 0:
            return parts[:at] + parts[at + 1 :]
        case 1:
            return parts[:at] + [parts[at]] * dice.choice((2, 2, 3, 200)) + parts[at + 1 :]
        case 2:
            return [*parts[:at], dice.choice(others), *parts[at:]]
        case 3:
            swapped, there = list(parts), dice.randrange(len(parts))
            swapped[at], swapped[there] = swapped[there], swapped[at]
            return swapped
        case _:
            changed = parts[at][:4] + _bytes(parts[at][4:], dice.choice(others)[4:], dice)
            return [*parts[:at], changed, *parts[at + 1 :]]


def _length(dice: random.Random) -> int:
    return dice.choice((1, 1, 2, 4, 8, dice.randrange(1, 64), dice.randrange(1, 2048)))


def split(data: bytes) -> list[bytes] | None:
    """Parts of a file, each with four bytes for its kind and then its content; None where it is of no such format."""
    if data.startswith(_PNG):
        found = list(_chunks(data, len(_PNG), "big", 4))
    elif data.startswith(b"RIFF"):
        found = list(_chunks(data, 12, "little", 0))
    elif data.startswith(b"\xff\xd8\xff"):
        found = list(_segments(data))
    else:
        return None
    return found or None


def join(like: bytes, parts: Sequence[bytes]) -> bytes:
    """File of the format of another with these parts."""
    if like.startswith(_PNG):
        return _PNG + b"".join(
            (len(part) - 4 & 0xFFFFFFFF).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big")
            for part in parts
            if len(part) >= 4
        )
    if like.startswith(b"RIFF"):
        whole = like[8:12] + b"".join(
            part[:4] + max(len(part) - 4, 0).to_bytes(4, "little") + part[4:] + bytes(len(part) % 2) for part in parts
        )
        return b"RIFF" + len(whole).to_bytes(4, "little") + whole
    segments = [
        part[2:4] + (b"" if part[3:4] == b"\xd9" else min(len(part) - 2, 0xFFFF).to_bytes(2, "big")) + part[4:]
        if part[:2] == b"\0\0"
        else part[2:]
        for part in parts
    ]
    return b"\xff\xd8" + b"".join(segments)


def _chunks(data: bytes, at: int, order: str, after: int) -> Iterator[bytes]:
    """Kinds and contents of the chunks of PNG (length, kind) and RIFF (kind, length)."""
    while at + 8 <= len(data):
        head = data[at : at + 8]
        size, kind = (head[:4], head[4:]) if order == "big" else (head[4:], head[:4])
        length = int.from_bytes(size, "big" if order == "big" else "little")
        yield kind + data[at + 8 : at + 8 + length]
        at += 8 + length + after + (length % 2 if order == "little" else 0)


def _segments(data: bytes) -> Iterator[bytes]:
    """Segments of a JPEG file, as two zeros, the marker and the content; coded data as two ones before it."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] in (0, 0xFF):
            end = at + 1
            while end < len(data) - 1 and not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
            yield b"\1\1" + data[at:end]
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield b"\0\0" + data[at : at + 2] + data[at + 4 : end]
        at = end
    if data[at:]:
        yield b"\1\1" + data[at:]

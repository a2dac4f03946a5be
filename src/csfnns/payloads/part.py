"""A part of a file that is too large for one picture: its piece, or a parity piece, and what all parts have in common.

    set 16 | number 2 | data 2 | parts 2 | length of the file 8 | SHA-256 of the file 32 | piece

Numbers are big-endian. csfnns.payloads.frame packs these bytes with the file's name.
"""

from dataclasses import dataclass, field

from csfnns.coding.erasure import MOST_PIECES
from csfnns.errors import DamagedError

OVERHEAD = 62
"""Bytes of a part besides its piece."""


@dataclass(frozen=True, slots=True)
class Division:
    """How a file was divided: the same in all its parts."""

    id: bytes
    """16 random bytes."""
    data: int
    """Parts that restore the file, whichever they are; those of the lowest numbers hold the file itself."""
    parts: int
    """Parts in all."""
    length: int
    """Of the file in bytes."""
    sha256: bytes
    """Of the file, 32 bytes."""

    @property
    def piece(self) -> int:
        """Bytes of a piece: an even number. Zeros follow the file's end."""
        return piece_size(self.length, self.data)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file."""

    of: Division
    number: int
    """From 0."""
    piece: bytes = field(repr=False)


def piece_size(length: int, data: int) -> int:
    """Bytes of each of so many pieces of a file."""
    return 2 * -(-length // (2 * data))


def encode_part(part: Part) -> bytes:
    """Bytes of a part."""
    of = part.of
    head = of.id + b"".join(each.to_bytes(2, "big") for each in (part.number, of.data, of.parts))
    return head + of.length.to_bytes(8, "big") + of.sha256 + part.piece


def decode_part(data: bytes) -> Part:
    """Undo `encode_part`. Raises DamagedError for what contradicts itself."""
    number, count, parts = (int.from_bytes(data[i : i + 2], "big") for i in (16, 18, 20))
    of = Division(data[:16], count, parts, int.from_bytes(data[22:30], "big"), data[30:OVERHEAD])
    piece = data[OVERHEAD:]
    if len(data) < OVERHEAD or not 1 <= count <= parts <= MOST_PIECES or number >= parts or len(piece) != of.piece:
        raise DamagedError("The message is no part of a file.", "Ask for it again, with the sender's version.")
    return Part(of, number, piece)

"""Parts of a file: their bytes, and what contradicts itself."""

import hashlib
from dataclasses import replace

import pytest

import other_program
from csfnns.coding.erasure import MOST_PIECES
from csfnns.errors import DamagedError
from csfnns.payloads.frame import Kind, pack, unpack
from csfnns.payloads.part import OVERHEAD, Division, Part, decode_part, encode_part, piece_size

CONTENT = bytes(range(256)) * 3 + b"end"
OF = Division(bytes(range(16)), 4, 6, len(CONTENT), hashlib.sha256(CONTENT).digest())


def part(number: int) -> Part:
    return Part(OF, number, CONTENT[number * OF.piece : (number + 1) * OF.piece].ljust(OF.piece, b"\0"))


def test_a_part_comes_back_and_is_what_the_format_says() -> None:
    frames = [pack(encode_part(part(i)), "big.bin", Kind.PART, 7) for i in (2, 0, 3, 1)]
    for frame, number in zip(frames, (2, 0, 3, 1), strict=True):
        assert unpack(frame).kind is Kind.PART
        assert decode_part(unpack(frame).content) == part(number)
    read = [other_program.unpack(frame) for frame in frames]
    assert {(kind, sent, name) for kind, _, sent, name in read} == {("part", 7, "big.bin")}
    assert other_program.whole([content for _, content, _, _ in read]) == CONTENT


@pytest.mark.parametrize(
    ("length", "data", "size"), [(0, 1, 0), (1, 1, 2), (8, 2, 4), (9, 2, 6), (10**12, 60000, 16666668)]
)
def test_pieces_are_even_and_hold_all(length: int, data: int, size: int) -> None:
    assert piece_size(length, data) == size
    assert data * size >= length


@pytest.mark.parametrize(("data", "parts"), [(1, 1), (1, MOST_PIECES), (MOST_PIECES, MOST_PIECES)])
def test_a_file_has_one_part_to_as_many_as_the_code_knows(data: int, parts: int) -> None:
    content = encode_part(Part(replace(OF, data=data, parts=parts, length=2), parts - 1, b"ab"))
    assert decode_part(content).of.parts == parts


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        encode_part(part(0))[: OVERHEAD - 1],
        encode_part(part(0))[:-1],
        encode_part(part(0)) + b"\0",
        encode_part(Part(OF, 6, part(0).piece)),
        encode_part(Part(replace(OF, parts=3), 0, part(0).piece)),
        encode_part(Part(replace(OF, length=1 << 60), 0, part(0).piece)),
        bytes(OVERHEAD),
    ],
)
def test_what_contradicts_itself_is_damaged(wrong: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_part(wrong)

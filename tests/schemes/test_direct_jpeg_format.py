"""Another program: reads a JPEG file that `DirectJpeg` wrote, from docs/format-files.md alone.

What JPEG files share with other pictures (laws, coder, header) is read by the reader in test_direct_format.py; that a
file's coefficients are read with csfnns is JPEG's own affair.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from test_direct_format import Reader, class_of, hkdf, permutation, stream

from csfnns.coding.jpeg import Coefficients
from csfnns.jpeg_file import read_coefficients, write_coefficients
from csfnns.picture import Picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct_jpeg import DirectJpeg
from csfnns.stream import Seed

Scene = Callable[..., Picture]
Plane = list[list[int]]
T = [
    [8192, 8192, 8192, 8192],
    [11363, 9633, 6437, 2260],
    [10703, 4433, -4433, -10703],
    [9633, -2259, -11362, -6436],
    [8192, -8192, -8192, 8192],
    [6437, -11362, 2261, 9633],
    [4433, -10704, 10704, -4433],
    [2260, -6436, 9633, -11363],
]
FULL = [row + [(-1) ** u * value for value in reversed(row)] for u, row in enumerate(T)]


def components(cover: Any, halved: bool) -> list[Plane]:
    """Y, Cb, Cr, each padded to whole blocks."""
    s = 2 if halved else 1
    height, width = cover.shape[:2]
    rows, columns = -(-height // s) * s, -(-width // (8 * s)) * 8 * s
    pixels = [
        [[int(v) for v in cover[min(i, height - 1), min(j, width - 1)]] for j in range(columns)]
        for i in range(rows)
    ]
    weights = ((19595, 38470, 7471, 32768), (-11059, -21709, 32768, 8421375), (32768, -27439, -5329, 8421375))
    y, cb, cr = (
        [[(a * r + b * g + c * bl + d) // 65536 for r, g, bl in row] for row in pixels]
        for a, b, c, d in weights
    )
    y = [row[: -(-width // 8) * 8] for row in y]
    if halved:
        cb, cr = (
            [
                [
                    (x[i][j] + x[i][j + 1] + x[i + 1][j] + x[i + 1][j + 1] + 1 + j // 2 % 2) // 4
                    for j in range(0, columns, 2)
                ]
                for i in range(0, rows, 2)
            ]
            for x in (cb, cr)
        )
    return [x + [x[-1]] * (-len(x) % 8) for x in (y, cb, cr)]


def quantised(block: Plane, table: Plane) -> tuple[Plane, Plane]:
    x = [[value - 128 for value in row] for row in block]
    a = [[(sum(FULL[u][k] * x[i][k] for k in range(8)) + 1024) // 2048 for u in range(8)] for i in range(8)]
    b = [[(sum(FULL[v][k] * a[k][u] for k in range(8)) + 16384) // 32768 for u in range(8)] for v in range(8)]

    def divided(value: int, q: int) -> int:
        size = (abs(value) + 4 * q) // (8 * q)
        return size if value > 0 else -size

    c = [[divided(b[v][u], table[v][u]) for u in range(8)] for v in range(8)]
    return c, [[b[v][u] - 8 * table[v][u] * c[v][u] for u in range(8)] for v in range(8)]


@cache
def cover_file(
    pixels: bytes, shape: tuple[int, int], tables: bytes, halved: bool
) -> list[tuple[int, int, int]]:
    """Coefficient, remainder and rank of all that can carry something."""
    cover = np.frombuffer(pixels, np.uint8).reshape(*shape, 3)
    divisors = np.frombuffer(tables, np.uint8).reshape(2, 8, 8).tolist()
    found = []
    for number, plane in enumerate(components(cover, halved)):
        table = divisors[min(number, 1)]
        rows, columns = len(plane) // 8, len(plane[0]) // 8
        own = {
            (i, j): quantised([row[8 * j : 8 * j + 8] for row in plane[8 * i : 8 * i + 8]], table)
            for i in range(rows)
            for j in range(columns)
        }
        energy = {
            at: sum(abs(c[v][u]) * table[v][u] for v in range(8) for u in range(8) if u + v)
            for at, (c, _) in own.items()
        }
        for (i, j), (c, left) in own.items():
            s = 3 * energy[i, j]
            for k in (i - 1, i, i + 1):
                for m in (j - 1, j, j + 1):
                    s += energy[min(max(k, 0), rows - 1), min(max(m, 0), columns - 1)]
            for f in range(1, 64):
                v, u = divmod(f, 8)
                rho = 2**40 * (4 * table[v][u] + 1 - abs(left[v][u])) // (1 + s)
                found.append((c[v][u], left[v][u], class_of(rho)))
    return found


class JpegReader(Reader):
    def __init__(self, stego: Coefficients, cover: Any, decoder: bytes, header: bytes) -> None:
        self.decoder, self.header = decoder, header
        self.reach, self.members, self.size, self.grain = 1, 5, 128, False
        own = cover_file(cover.tobytes(), cover.shape[:2], stego.tables.tobytes(), stego.subsampling == "420")
        arrived = [
            value for plane in stego.planes for block in plane.reshape(-1, 64).tolist() for value in block[1:]
        ]
        self.delta = [there - c for there, (c, _, _) in zip(arrived, own, strict=True)]
        self.rank = [rank for _, _, rank in own]
        # Kinds 0, 1, 2, which the reader of pictures tells by their levels.
        self.level = [0 if left > 0 else 255 if left < 0 else 128 for _, left, _ in own]
        seed = hashlib.sha256(b"csfnns/1/direct/jpeg/slots" + cover.tobytes()).digest()
        self.slot = [byte % 8 for byte in stream(seed, len(own))]
        self.order = permutation(hkdf(decoder, "csfnns/1/direct/order"), len(own))


@pytest.mark.parametrize("scheme", [DirectJpeg(), DirectJpeg(75, "444")], ids=lambda s: s.subsampling)
def test_another_program_reads_it(scheme: DirectJpeg, scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    cover = scene(*((34, 41) if scheme.subsampling == "420" else (30, 33)), 7)
    shared = {receivers[0]: b"for one", receivers[1]: bytes(70)}
    for payloads in ({receivers[0]: b"alone"}, shared):
        stego = read_coefficients(write_coefficients(scheme.embed(cover, payloads)))
        for seeds, content in payloads.items():
            assert JpegReader(stego, cover, seeds.decoder.data, seeds.header.data).read() == content
        other = Seed(bytes(32)).data
        assert JpegReader(stego, cover, receivers[0].decoder.data, other).read() is None

"""Another program: reads a JPEG file that the method `jpeg` wrote, from docs/format-files.md alone.

What JPEG files share with other pictures (laws, coder, header) is read by tests/other_program.py; how a file packs its
coefficients is a matter of JPEG, so csfnns reads them.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from csfnns.coding.jpeg import Coefficients
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import read_coefficients, write_coefficients
from csfnns.methods import Envelope, Jpeg, ReceiverSeeds
from csfnns.stream import Seed
from other_program import Places, Stream, change_model, class_of_cost, coefficient_places, nonce_of

pytest.importorskip("jpeglib", reason="needs the extra jpeg")
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
        [[int(v) for v in cover[min(i, height - 1), min(j, width - 1)]] for j in range(columns)] for i in range(rows)
    ]
    weights = ((19595, 38470, 7471, 32768), (-11059, -21709, 32768, 8421375), (32768, -27439, -5329, 8421375))
    y, cb, cr = (
        [[(a * r + b * g + c * bl + d) // 65536 for r, g, bl in row] for row in pixels] for a, b, c, d in weights
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
def cover_file(pixels: bytes, shape: tuple[int, int], tables: bytes, halved: bool) -> list[tuple[int, int, int]]:
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
                found.append((c[v][u], left[v][u], class_of_cost(rho)))
    return found


def read(stego: Coefficients, cover: Any, decoder: bytes, header: bytes, address: Any) -> bytes | None:
    own = cover_file(cover.tobytes(), cover.shape[:2], stego.tables.tobytes(), stego.subsampling == "420")
    arrived = [value for plane in stego.planes for block in plane.reshape(-1, 64).tolist() for value in block[1:]]
    delta = np.array([there - c for there, (c, _, _) in zip(arrived, own, strict=True)])
    model = change_model([rank for _, _, rank in own], [(left > 0) + 2 * (left < 0) for _, left, _ in own])
    seed = hashlib.sha256(b"csfnns/2/direct/jpeg/partitions" + cover.tobytes()).digest()
    return Places(delta, Stream(seed).take(len(own)), decoder, header, address).read(model)


@pytest.mark.parametrize("scheme", [Jpeg(), Jpeg(75, "444")], ids=lambda s: s.subsampling)
def test_another_program_reads_it(scheme: Jpeg, scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    height, width = (66, 81) if scheme.subsampling == "420" else (62, 73)
    cover = scene(height, width, 7)
    payloads = {receivers[0]: b"for one", receivers[1]: bytes(70)}
    if scheme.subsampling == "444":
        payloads = {receivers[0]: b"alone"}
    envelope = Envelope(Seed(bytes(range(32))), bytes(range(16)))
    stego = read_coefficients(write_coefficients(scheme.embed(cover, payloads, envelope=envelope)))
    address = coefficient_places(envelope.key.data, height, width)
    luminance = stego.planes[0].reshape(-1, 64)[:, 1:].reshape(-1)
    bits = (luminance[address].sum(1) % 2).astype(np.uint8)
    assert nonce_of(envelope.key.data, bits, f"coefficients/{width}x{height}") == envelope.nonce
    for seeds, content in payloads.items():
        assert read(stego, cover, seeds.decoder.data, seeds.header.data, address) == content
    assert read(stego, cover, receivers[0].decoder.data, bytes(32), address) is None

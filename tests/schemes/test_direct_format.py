"""Another program: reads what `Direct` wrote, from docs/format-files.md alone and without any code of csfnns."""

import hashlib
import hmac
import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from csfnns.picture import Picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct import Direct
from csfnns.stream import Seed

Scene = Callable[..., Picture]
ONE = 2**30


def hkdf(secret: bytes, label: str) -> bytes:
    return hmac.new(secret, label.encode() + b"\x01", hashlib.sha256).digest()


def stream(seed: bytes, n: int) -> bytes:
    return Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor().update(bytes(n))


def permutation(seed: bytes, n: int) -> list[int]:
    data = stream(seed, 8 * n)
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, 8 * n, 8)]
    return sorted(range(n), key=lambda i: (words[i], i))


def exponential(x: Fraction) -> int:
    """E(x): series of e^x in exact fractions, with terms enough for x < 60."""
    if x > 60:
        return 0
    total = term = Fraction(1)
    for k in range(1, 300):
        term = term * x / k
        total += term
    return math.floor(ONE / total)


def costs(channel: Any) -> list[list[int]]:
    """ρ of each level of a channel (H, W)."""
    height, width = channel.shape
    x = channel.tolist()

    def mirrored(field: list[list[int]], i: int, j: int) -> int:
        i = -1 - i if i < 0 else 2 * height - 1 - i if i >= height else i
        j = -1 - j if j < 0 else 2 * width - 1 - j if j >= width else j
        return field[i][j]

    def around(field: list[list[int]], reach: int) -> list[list[int]]:
        span = range(-reach, reach + 1)
        return [
            [sum(mirrored(field, i + a, j + b) for a in span for b in span) for j in range(width)]
            for i in range(height)
        ]

    kernel = ((-1, 2, -1), (2, -4, 2), (-1, 2, -1))
    residual = [
        [
            abs(sum(kernel[a][b] * mirrored(x, i + a - 1, j + b - 1) for a in range(3) for b in range(3)))
            for j in range(width)
        ]
        for i in range(height)
    ]
    return around([[2**28 // (1 + value) for value in row] for row in around(residual, 1)], 7)


@cache
def ranks(pixels: bytes, height: int, width: int) -> list[int]:
    """Rank of each sub-pixel with the model `cost`."""
    cover = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    maps = np.stack([np.array(costs(cover[..., c])) for c in range(3)], axis=-1)
    return [class_of(rho) for rho in maps.ravel().tolist()]


def class_of(rho: int) -> int:
    e = rho.bit_length() - 1
    return 16 * (e - 21) + (rho >> (e - 4)) - 16


def change_law(w: int, kind: int) -> list[int]:
    f = w * ONE // (ONE + 2 * w) if kind == 0 else w * ONE // (ONE + w)
    return [[f, ONE - 2 * f, f], [0, ONE - f, f], [f, ONE - f, 0]][kind]


def grain_law(level: int, sigma: Fraction) -> list[int]:
    w = [exponential(Fraction(k * k) / (2 * sigma * sigma)) for k in range(4)]
    f = [w[k] * ONE // (w[0] + 2 * sum(w[1:])) for k in range(4)]
    free = {k: f[abs(k)] if k else ONE - 2 * sum(f[1:]) for k in range(-3, 4)}
    law = [0] * 7
    for k, frequency in free.items():
        law[min(max(level + k, 0), 255) - level + 3] += frequency
    return law


def bounds(law: list[int], members: int) -> list[int]:
    single = [sum(law[:t]) for t in range(len(law) + 1)]
    parts = [(0, ONE)]
    for _ in range(members):
        parts = [
            (a + (b * lower >> 30), (b * upper >> 30) - (b * lower >> 30))
            for a, b in parts
            for lower, upper in pairwise(single)
        ]
    return [a for a, _ in parts] + [ONE]


def encode(symbols: list[tuple[int, int]], bits: int) -> bytes | None:
    low, span, words = 0, 2**96, []
    for c, upper in symbols:
        if c == upper:
            return None
        step = span // ONE
        low += c * step
        span = span - c * step if upper == ONE else (upper - c) * step
        while span < 2**64:
            words.append(low // 2**64)
            low, span = low % 2**64 * 2**32, span * 2**32
    value = low
    for i, word in enumerate(reversed(words)):
        value += word << (32 * i + 96)
    total = 32 * len(words) + 96
    if (value ^ (value + span - 1)).bit_length() > total - bits:
        return None
    return (value >> (total - bits)).to_bytes(bits // 8, "big")


class Reader:
    def __init__(
        self, stego: Any, cover: Any, decoder: bytes, header: bytes, model: str, sigma: Fraction
    ) -> None:
        self.delta = (stego.astype(int) - cover).ravel().tolist()
        self.level = cover.ravel().tolist()
        self.decoder, self.header, self.sigma = decoder, header, sigma
        self.reach, self.members, self.size = (3, 3, 1024) if model == "grain" else (1, 5, 128)
        self.grain = model == "grain"
        n = cover.size
        seed = hashlib.sha256(b"csfnns/1/direct/slots" + cover.tobytes()).digest()
        self.slot = [byte % 8 for byte in stream(seed, n)]
        self.order = permutation(hkdf(decoder, "csfnns/1/direct/order"), n)
        self.rank = [0] * n
        if model == "cost":
            self.rank = ranks(cover.tobytes(), *cover.shape[:2])

    def kind(self, i: int) -> int:
        return {0: 1, 255: 2}.get(self.level[i], 0)

    def class_of(self, i: int) -> tuple[int, int]:
        if self.grain:
            level = self.level[i]
            return 0, level if level < 3 else level - 249 if level > 252 else 3
        return self.rank[i], self.kind(i)

    def block(self, slot: int) -> list[int]:
        inside = [i for i in self.order if self.slot[i] == slot]
        kept = sorted(inside, key=lambda i: self.rank[i])[: max(len(inside) // 16, self.size)]
        chosen = set(kept)
        return [i for i in inside if i in chosen][: self.size]

    def law(self, i: int, rate: int) -> list[int]:
        if self.grain:
            return grain_law(self.level[i], self.sigma)
        octave, m = divmod(self.rank[i], 16)
        scale = (1024 + rate % 1024) << (rate // 1024)
        return change_law(exponential(Fraction((33 + 2 * m) << (octave + 16), scale)), self.kind(i))

    def symbols(self, groups: list[list[int]], law: Callable[[int], list[int]]) -> list[tuple[int, int]]:
        found = []
        known: dict[tuple[int, int], list[int]] = {}
        for group in groups:
            key = self.class_of(group[0])
            if key not in known:
                known[key] = bounds(law(group[0]), len(group))
            s = 0
            for i in group:
                s = s * (2 * self.reach + 1) + self.delta[i] + self.reach
            found.append((known[key][s], known[key][s + 1]))
        return found

    def read(self) -> bytes | None:
        for home in range(8):
            block = [[i] for i in self.block(home)]
            even = (lambda i: self.law(i, 0)) if self.grain else (lambda i: change_law(ONE, self.kind(i)))
            header = encode(self.symbols(block, even), 104)
            if header is None:
                continue
            mask = stream(hkdf(self.header, "csfnns/1/sealed/header"), 7)
            fields = bytes(a ^ b for a, b in zip(header[:7], mask, strict=True))
            check = hmac.new(hkdf(self.header, "csfnns/1/sealed/check"), fields, hashlib.sha256).digest()[:6]
            if check == header[7:]:
                return self.body(home, fields, header)
        return None

    def body(self, home: int, fields: bytes, header: bytes) -> bytes | None:
        length, rate = int.from_bytes(fields[:4], "big"), int.from_bytes(fields[4:6], "big")
        mine = [i for i in range(8) if fields[6] >> i & 1]
        blocked = {i for slot in ([home] if fields[6] == 255 else mine) for i in self.block(slot)}
        classes: dict[tuple[int, int], list[int]] = {}
        for i in self.order:
            if self.slot[i] in mine and i not in blocked:
                classes.setdefault(self.class_of(i), []).append(i)
        m = self.members
        groups = [
            each[at : at + m] for _, each in sorted(classes.items()) for at in range(0, len(each) // m * m, m)
        ]
        order = permutation(hkdf(self.decoder, "csfnns/1/direct/groups"), len(groups))
        symbols = self.symbols([groups[q] for q in order], lambda i: self.law(i, rate))
        sealed = encode(symbols, 8 * (length + 16))
        if sealed is None:
            return None
        return ChaCha20Poly1305(hkdf(self.header, "csfnns/1/sealed/body")).decrypt(bytes(12), sealed, header)


@pytest.mark.parametrize(
    "scheme", [Direct("cost"), Direct("uniform"), Direct("grain", 0.7)], ids=lambda s: s.model
)
def test_another_program_reads_it(scheme: Direct, scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    cover = scene(*((64, 48) if scheme.model == "grain" else (36, 32)), 7)
    cover[:6, :10], cover[-6:, :10] = 0, 255
    sent = {receivers[0]: b"for one", receivers[1]: bytes(70)}
    for payloads in ({receivers[0]: b"alone"}, sent):
        stego = scheme.embed(cover, payloads)
        for seeds, content in payloads.items():
            reader = Reader(
                stego, cover, seeds.decoder.data, seeds.header.data, scheme.model, Fraction(str(scheme.sigma))
            )
            assert reader.read() == content
        other = Seed(bytes(32)).data
        assert (
            Reader(stego, cover, receivers[0].decoder.data, other, scheme.model, Fraction(1)).read() is None
        )

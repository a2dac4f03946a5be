"""Another program: covers of `abstract`, written from docs/format-covers.md alone and without any code of csfnns."""

import hashlib
import hmac
import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

Ints = npt.NDArray[np.int64]
Numbers = Ints | int
Scene = tuple[Numbers, Numbers, Numbers, Numbers, Numbers]

ONE, HALF = 65536, 32768
X, Y = 0x9E3779B1, 0x85EBCA77
FAMILIES = (
    *("silk", "agate", "papercut", "kintsugi", "dunes", "nebula", "marbling", "weave", "network"),
    *("strands", "ribbons", "peaks", "bloom", "bokeh", "tiles"),
    *("pebbles", "mud", "panes", "fields", "terrazzo", "leather"),
    *("bricks", "planks", "facade", "mosaic", "slates", "books", "blinds"),
    *("marble", "clouds", "contours", "coral", "smoke", "rust", "canyon"),
    *("sea", "lake", "meadow", "furrows", "snow"),
    *("leaves", "confetti", "daisies", "drops", "coins", "lanterns"),
    *("ripples", "pool", "sheet", "curtain", "moire"),
)
FLAT = (
    *("papercut", "dunes", "weave", "peaks", "bloom", "bricks", "planks", "facade", "slates", "books", "blinds"),
    *("sea", "lake", "meadow", "furrows", "snow"),
)
SHARDS = """
family   scale stretch warp  spread cloud furrow  rate seam    dark  dome     round
pebbles  4:7   1:1.6   .1:.3 .5:.8  .2:.4 0       1    .05:.1  0:.1  .02:.04  .4:.6
mud      3:6   1:1.3   .4:.9 0:.15  .3:.5 0       1    .02:.05 0:.1  .01:.02  .1:.2
panes    2.5:5 1:1.5   0:.3  .7:1   .2:.4 0:.03   3:9  .05:.09 0:.05 0:.01    .1:.3
fields   2.5:5 1.2:2.2 .1:.3 .5:.8  .1:.3 .06:.14 8:20 .02:.06 .1:.4 0        .1
terrazzo 8:14  1:1.5   0:.3  .8:1   .1:.2 0       1    .2:.4   .5:.9 0        .1
leather  9:16  1:1.4   .2:.6 .1:.2  .1:.3 0       1    .05:.1  .1:.3 .01:.016 .3:.5
"""
RELIEFS = """
family   scale  stretch warp  base  gain   veins   bands wave  flat  line  relief
marble   .8:1.6 1:2     .4:.9 .6:.8 .2:.4  -.8:-.5 1     0     0     0     0:.01
clouds   .7:1.5 1:1.8   .2:.6 .3:.5 .8:1.2 0:.2    1     0     0     0     .02:.05
contours .8:1.5 1:1.2   .1:.4 .4:.6 .6:.9  0       9:16  0     .8:1  .1:.2 .03:.06
coral    1:1.8  1:1.5   .2:.5 .4:.6 .2:.4  0       6:12  .2:.4 0     0     .005
smoke    .6:1.2 1:2     1.2:2 .1:.3 .5:.9  .3:.6   1     0     0     0     .02
rust     1:2    1:1.3   .2:.5 .4:.6 .6:.9  0       1.5:3 0     .6:.9 0     .1:.2
canyon   .5:.9  4:8     .3:.6 .4:.6 .4:.6  0:.1    5:9   0:.1  .5:.8 0     .04:.1
"""
WAVES = """
family  count far   rate  vary  warp  sharp base  gain  relief    caustic
ripples 2:5   .1:.8 8:16  0:.3  0:.2  0     .4:.6 .1:.2 .003:.006 0
pool    4:6   2:5   2:4   .3:.6 .2:.5 0     .5:.7 .1    .005      .3:.5
sheet   1:2   9:20  8:16  0     0:.1  0:.5  .4:.6 .1:.3 .01       0
curtain 1:2   9:20  3:6   0     .3:.6 0     .3:.6 .3:.4 .02:.04   0
moire   2:3   .2:1  18:36 0:.1  0:.1  .6:1  .4:.6 .3:.4 .001      0
"""
MOODS = (
    "285 350 70 190 130 262 225 175 55 115 15 40 85 230 140 195 155 110 60 100 330 5 55 200 120 265 235 205 340 75 "
    "310 45 80 215 105 280 195 150 335 130 315 340 90 165 110 255 245 80 40 45 210 195 60 40 100 150 115 100 20 115 "
    "275 268 85 30 125 10 25 65 170 125 50 60 85 30 30 300 250 345 100 125 235 285 330 85 120 30 75 95 250 110"
)
KEYS = ((18, 92), (24, 90), (16, 80), (30, 95), (20, 88), (38, 95))


def hkdf(secret: bytes, label: str) -> bytes:
    return hmac.new(secret, label.encode() + b"\x01", hashlib.sha256).digest()


def words(seed: bytes, n: int) -> npt.NDArray[np.uint64]:
    data = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor().update(bytes(8 * n))
    return np.frombuffer(data, "<u8")


def mul(a: Any, b: Any) -> Any:
    return (a * b) >> 16


def lerp(a: Any, b: Any, t: Any) -> Any:
    return a + (((b - a) * t) >> 16)


def clip(v: Any, low: int = 0, high: int = ONE) -> Any:
    return np.clip(v, low, high)


def step(low: int, high: int, v: Any) -> Any:
    t = clip(((v - low) * (ONE * ONE // (high - low))) >> 16)
    return (t * ((t * (3 * ONE - 2 * t)) >> 16)) >> 16


def root(v: Any) -> Any:
    return np.floor(np.sqrt(np.asarray(v, np.float64))).astype(np.int64)


def length(x: Any, y: Any) -> Any:
    return root(x * x + y * y)


def sine(t: Any) -> Any:
    u = (ONE // 4 - abs((t + ONE // 4) % ONE - HALF)) << 2
    q = (u * u) >> 16
    return (u * (102936 - ((q * (42153 - ((q * 4764) >> 16))) >> 16))) >> 16


def cosine(t: Any) -> Any:
    return sine(t + ONE // 4)


def turn(x: Any, y: Any, t: int) -> tuple[Any, Any]:
    c, s = int(cosine(t)), int(sine(t))
    return (c * x - s * y) >> 16, (s * x + c * y) >> 16


def scatter(i: Any, j: Any, salt: int) -> Any:
    h = (np.asarray(i * X + j * Y + salt, np.int64) % 2**32).astype(np.uint64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        h = h ^ (h >> np.uint64(shift))
        h = h * np.uint64(factor) % np.uint64(2**32)
    return h.astype(np.int64)


def share(h: Any, k: int = 16) -> Any:
    return (h >> k) & 0xFFFF


def signed(half: Any) -> Any:
    return np.where(half >= 2**15, half - 2**16, half)


def fade(t: Any) -> Any:
    c = (((t * t) >> 14) * t) >> 14
    return (c * (163840 - ((t * (245760 - 6 * t)) >> 14))) >> 15


def between(p: Any, q: Any, t: Any) -> Any:
    return p + (((q - p) * t) >> 13)


def noise(x: Any, y: Any, salt: int) -> Any:
    i, j, f, g = x >> 16, y >> 16, (x & 0xFFFF) >> 2, (y & 0xFFFF) >> 2

    def corner(a: int, b: int) -> Any:
        h = scatter(i + a, j + b, salt)
        low, high = signed(h & 0xFFFF), signed(h >> 16)
        return (low * (f - 16384 * a) + high * (g - 16384 * b)) >> 14

    above = between(corner(0, 0), corner(1, 0), fade(f))
    below = between(corner(0, 1), corner(1, 1), fade(f))
    return (between(above, below, fade(g)) * 25) >> 3


def line_noise(x: Any, salt: int) -> Any:
    i, f = x >> 16, (x & 0xFFFF) >> 2
    p = (share(scatter(i, 0, salt)) - HALF) * f
    q = (share(scatter(i + 1, 0, salt)) - HALF) * (f - 16384)
    return between(p, q, fade(f)) >> 12


def fbm(x: Any, y: Any, salt: int, n: int) -> Any:
    total: Any = 0
    for k in range(n):
        total = total + (noise(x, y, salt + 0x3C6EF372 * k) >> k)
        x, y = (104680 * x - 78882 * y) >> 16, (78882 * x + 104680 * y) >> 16
    return total


def ridged(x: Any, y: Any, salt: int, n: int) -> Any:
    total, weight = 0, ONE
    for k in range(n):
        crest = clip(ONE - ((abs(noise(x, y, salt + 0x3C6EF372 * k)) * 7) >> 2))
        crest = mul(mul(crest, crest), weight)
        total, weight = total + (crest >> (k + 1)), clip(2 * crest)
        x, y = (104680 * x - 78882 * y) >> 16, (78882 * x + 104680 * y) >> 16
    return total


def cells(x: Any, y: Any, salt: int) -> tuple[Any, Any, Any]:
    found, names = [], []
    for b in (-1, 0, 1):
        for a in (-1, 0, 1):
            h = scatter((x >> 16) + a, (y >> 16) + b, salt)
            dx = a * ONE + share(h, 0) - (x & 0xFFFF)
            dy = b * ONE + share(h, 16) - (y & 0xFFFF)
            found.append(dx * dx + dy * dy)
            names.append(h)
    d = np.stack(found)
    nearest = d.argmin(0)[None]
    name = np.take_along_axis(np.stack(names), nearest, 0)[0]
    first, second = np.sort(d, axis=0)[:2]
    return root(first), root(second), name


class Choices:
    def __init__(self, seed: bytes) -> None:
        self.words = iter(words(seed, 4096).tolist())

    def below(self, n: int) -> int:
        return ((next(self.words) >> 32) * n) >> 32

    def between(self, low: float, high: float) -> int:
        first = int(low * ONE)
        return first + self.below(int(high * ONE) - first + 1)

    def salts(self, n: int) -> list[int]:
        return [next(self.words) >> 32 for _ in range(n)]

    def row(self, table: str, family: str) -> dict[str, int]:
        names, *rows = (line.split() for line in table.strip().splitlines())
        numbers = next(row for row in rows if row[0] == family)[1:]
        ends = ([float(end) for end in number.split(":")] for number in numbers)
        return {name: self.between(each[0], each[-1]) for name, each in zip(names[1:], ends, strict=True)}


def silk(c: Choices) -> Callable[[Ints, Ints], Scene]:
    salts = c.salts(6)
    scale, bend, fold = c.between(0.7, 1.6), c.between(0.4, 0.9), c.between(0.5, 1.1)
    angle, stretch = c.below(ONE), c.between(0.35, 1)
    gain, pleats = c.between(0.9, 1.3), c.between(0, 5)

    def paint(x: Ints, y: Ints) -> Scene:
        u, v = turn(x, y, angle)
        u, v = mul(u, scale), mul(mul(v, scale), stretch)
        u2, v2 = u + mul(fbm(u, v, salts[0], 2), 2 * bend), v + mul(fbm(u, v, salts[1], 2), 2 * bend)
        rx, ry = fbm(u2, v2, salts[2], 3), fbm(u2, v2, salts[3], 3)
        f = fbm(u + mul(rx, 2 * fold), v + mul(ry, 2 * fold), salts[4], 4)
        fine = fbm(9 * u2, 9 * v2, salts[5], 4)
        pleat = sine(mul(f, pleats) + rx)
        tone = HALF + mul(f, gain) + (fbm(u, v, salts[0], 2) >> 1) + (pleat >> 3) + (fine >> 4)
        height = (3 * f >> 6) + (pleat >> 7) + (fine >> 10)
        return tone, HALF + mul(ry, 2 * ONE), height, 0, step(26000, 52000, rx) >> 1

    return paint


def agate(c: Choices) -> Callable[[Ints, Ints], Scene]:
    salts = c.salts(6)
    scale, bend = c.between(0.7, 1.6), c.between(0.25, 0.6)
    rings, bands = c.between(0, 1.6), c.between(5, 11)
    cx, cy = c.between(-0.5, 0.5), c.between(-0.5, 0.5)

    def paint(x: Ints, y: Ints) -> Scene:
        u, v = mul(x, scale), mul(y, scale)
        bx, by = fbm(u, v, salts[0], 4), fbm(u, v, salts[1], 4)
        f = fbm(u + mul(bx, 2 * bend), v + mul(by, 2 * bend), salts[2], 3)
        f = f + mul(length(x - cx + (bx >> 2), y - cy + (by >> 2)), rings)
        phase = mul(f + (fbm(14 * u, 14 * v, salts[5], 3) >> 7), bands)
        phase = phase + (3 * line_noise(phase, salts[3]) >> 2)
        band, within = phase >> 16, phase & 0xFFFF
        edge = step(int(0.86 * ONE), ONE, within)
        tone = lerp(share(scatter(band, 7, salts[3])), share(scatter(band + 1, 7, salts[3])), edge) * 3 // 4
        grown = line_noise(7 * phase, salts[4]) + (line_noise(19 * phase, salts[4] + 1) >> 1)
        tone = tone + (within >> 3) + (grown >> 3) + ONE // 16
        seam = step(int(0.1 * ONE), int(0.03 * ONE), abs(within - int(0.93 * ONE)))
        seam = mul(seam, step(44000, 52000, share(scatter(band, 9, salts[3]))))
        hue = share(scatter(band, 8, salts[3]))
        return tone, hue, (edge >> 9) + (grown >> 9), -(edge >> 5), seam

    return paint


def kintsugi(c: Choices) -> Callable[[Ints, Ints], Scene]:
    salts = c.salts(6)
    scale, bend, dome = c.between(2.2, 5), c.between(0.15, 0.5), c.between(0, 0.05)
    width, metal = c.between(0.03, 0.07), c.below(3) > 0

    def paint(x: Ints, y: Ints) -> Scene:
        u, v = mul(x, scale), mul(y, scale)
        p, q = fbm(u >> 1, v >> 1, salts[0], 5), fbm(u >> 1, v >> 1, salts[1], 5)
        near, following, name = cells(u + mul(p, 3 * bend), v + mul(q, 3 * bend), salts[2])
        gap = following - near
        cloud = fbm(u + share(name, 3), v + share(name, 9), salts[3], 5)
        n, m, _ = cells(5 * u + p, 5 * v + q, salts[4])
        crackle = step(ONE // 14, 0, m - n)
        seam = step(3 * width // 2, width // 2, gap + (cloud >> 5))
        rim = step(ONE // 3, 0, gap)
        tone = 5 * share(name, 0) // 8 + ONE // 5 + (cloud >> 2) - (rim >> 3) - (crackle >> 5)
        height = mul(dome, step(0, HALF, gap)) + (cloud >> 8) + (step(2 * width, 0, gap) >> 6)
        light = -(crackle >> 6) - (0 if metal else seam >> 2)
        return tone, share(name, 16), height, light, seam if metal else seam >> 2

    return paint


def strands(c: Choices) -> Callable[[Ints, Ints], Scene]:
    salts = c.salts(6)
    scale, density = c.between(0.8, 1.8), c.between(8, 20)
    bend, eyes = c.between(0.3, 0.8), c.between(-0.8, 0.8)

    def paint(x: Ints, y: Ints) -> Scene:
        u, v = mul(x, scale), mul(y, scale)
        u2, v2 = u + mul(noise(u, v, salts[0]), 2 * bend), v + mul(noise(u, v, salts[1]), 2 * bend)
        flow = fbm(u2, v2, salts[2], 2) + mul(length(x, y), eyes)
        along = fbm(v2, u2, salts[3], 2)
        p = mul(flow, density)
        locks, hair = noise(p, 3 * along, salts[4]), noise(5 * p, 6 * along, salts[4] + 1)
        fine = noise(17 * p, 9 * along, salts[4] + 2)
        brush = locks + (hair >> 1) + (fine >> 2)
        tone = HALF + brush * 5 // 8 + (along >> 2) + (noise(2 * u, 2 * v, salts[5]) >> 2)
        height = (locks >> 6) + (hair >> 8) + (fine >> 9) + (flow >> 4)
        return tone, HALF + along + (locks >> 1), height, fine >> 6, step(30000, 50000, hair) >> 2

    return paint


def shards(family: str, c: Choices) -> Callable[[Ints, Ints], Scene]:
    n, salts, angle = c.row(SHARDS, family), c.salts(4), c.below(ONE)

    def paint(x: Ints, y: Ints) -> Scene:
        u, v = turn(x, y, angle)
        u = mul(u, n["scale"])
        v = mul(mul(v, n["scale"]), n["stretch"])
        p, q = (fbm(u >> 1, v >> 1, salt, 4) for salt in salts[:2])
        first, second, name = cells(u + mul(p, n["warp"]), v + mul(q, n["warp"]), salts[2])
        gap, way = second - first, share(name, 5)
        grain = fbm(3 * u + share(name, 3), 3 * v + share(name, 9), salts[3], 5)
        along = mul(u, cosine(way)) + mul(v, sine(way))
        plough = mul(sine(mul(along, n["rate"]) + (p >> 1)), n["furrow"])
        own = HALF + mul(share(name, 0) - HALF, n["spread"]) + mul(grain, n["cloud"]) + plough
        tone = lerp(n["dark"] + (p >> 3) + (grain >> 3), own, step(n["seam"], 3 * n["seam"] // 2, gap))
        height = mul(n["dome"], step(0, n["round"], gap)) + (grain >> 9) + (plough >> 6)
        return tone, share(name, 16), height, 0, 0

    return paint


def reliefs(family: str, c: Choices) -> Callable[[Ints, Ints], Scene]:
    n, salts, angle = c.row(RELIEFS, family), c.salts(4), c.below(ONE)

    def paint(x: Ints, y: Ints) -> Scene:
        u, v = turn(x, y, angle)
        u, v = mul(u, n["scale"]), mul(mul(v, n["scale"]), n["stretch"])
        p, q = fbm(u, v, salts[0], 3), fbm(u, v, salts[1], 3)
        u, v = u + mul(p, n["warp"]), v + mul(q, n["warp"])
        f = fbm(u, v, salts[2], 3)
        phase = mul(f, n["bands"])
        band, within = phase >> 16, phase & 0xFFFF
        terrace = (band * ONE + step(7 * ONE // 8, ONE, within)) * ONE // n["bands"]
        level = lerp(f, terrace, n["flat"]) + mul(sine(phase), n["wave"])
        level = level + (fbm(6 * u, 6 * v, salts[2] + 9, 3) >> 3)
        tone = n["base"] + mul(level, n["gain"]) + mul(ridged(u, v, salts[3], 5), n["veins"]) + (q >> 3)
        ink = step(ONE // 8, ONE // 20, np.minimum(within, ONE - within))
        return tone, HALF + p + (q >> 1), mul(level, n["relief"]), -mul(ink, n["line"]), 0

    return paint


def waves(family: str, c: Choices) -> Callable[[Ints, Ints], Scene]:
    n, salts = c.row(WAVES, family), c.salts(3)
    sources = []
    for _ in range(n["count"] >> 16):
        place = turn(n["far"], 0, c.below(ONE))
        often = mul(n["rate"], ONE + mul(n["vary"], c.between(-1, 1)))
        sources.append((*place, often, c.below(ONE)))

    def paint(x: Ints, y: Ints) -> Scene:
        p, q = fbm(x, y, salts[0], 4), fbm(x, y, salts[1], 4)
        u, v = x + mul(p, n["warp"]), y + mul(q, n["warp"])
        total = sum(sine(mul(length(u - cx, v - cy), often) + phase) for cx, cy, often, phase in sources)
        total = total // len(sources)
        level = lerp(total, 2 * step(-ONE // 6, ONE // 6, total) - ONE, n["sharp"])
        grit = fbm(12 * x, 12 * y, salts[2], 5)
        tone = n["base"] + mul(level, n["gain"]) + (p >> 1) + (grit >> 4)
        light = mul(step(ONE // 3, 0, abs(total)), n["caustic"])
        return tone, HALF + q, mul(level, n["relief"]) + (grit >> 9), light, 0

    return paint


SCENES: dict[str, Callable[[Choices], Callable[[Ints, Ints], Scene]]] = {
    "silk": silk,
    "agate": agate,
    "kintsugi": kintsugi,
    "strands": strands,
    **{name: partial(shards, name) for name in FAMILIES[15:21]},
    **{name: partial(reliefs, name) for name in FAMILIES[28:35]},
    **{name: partial(waves, name) for name in FAMILIES[46:]},
}


class Palette:
    def __init__(self, c: Choices) -> None:
        numbers = [int(n) for n in MOODS.split()]
        mood = numbers[5 * (i := c.below(18)) : 5 * i + 5]
        self.low, self.high = (v * ONE // 100 for v in KEYS[c.below(6)])
        drift = c.between(-0.04, 0.04)
        dark, middle, light, other = (h * ONE // 360 + drift + c.between(-0.02, 0.02) for h in mood[:4])
        chroma = mul(mood[4] * ONE // 1000, c.between(0.8, 1.15))
        self.main = self.ramp(dark, middle, light, chroma)
        up = c.below(2) == 1
        aside = middle + (1 if up else -1) * c.between(0.08, 0.17)
        if c.below(2) == 0:
            self.counter = self.ramp(dark, aside, light, chroma)
        else:
            chroma = 3 * chroma // 4
            self.counter = self.ramp(dark, other, light, chroma)
        gold = 55050, 7 * ONE // 60, 85 * ONE // 360
        self.accent = self.colour(*(gold if c.below(3) > 0 else (self.high, chroma, other)))

    def ramp(self, dark: int, middle: int, light: int, chroma: int) -> list[Any]:
        t = np.arange(1024) * ONE // 1023
        r = t - 27525
        first, second = (((b - a + HALF) % ONE) - HALF for a, b in ((dark, middle), (middle, light)))
        hue = dark + mul(first, np.minimum(2 * t, ONE)) + mul(second, np.maximum(2 * t - ONE, 0))
        return self.colour(self.low + mul(self.high - self.low, t), mul(chroma, ONE - 2 * mul(r, r)), hue)

    def colour(self, lightness: Any, chroma: Any, hue: Any) -> list[Any]:
        return [lightness, mul(chroma, cosine(hue)), mul(chroma, sine(hue))]


def to_srgb(lightness: Any, a: Any, b: Any, low: int, high: int) -> list[Any]:
    def cube(v: Any) -> Any:
        return (((v * v) >> 16) * v) >> 16

    one = cube(lightness + ((25974 * a + 14143 * b) >> 16))
    two = cube(lightness - ((6918 * a + 4185 * b) >> 16))
    three = cube(lightness - ((5864 * a + 84639 * b) >> 16))
    rows = ((267173, -216774, 15137), (-83128, 171033, -22369), (-275, -46099, 111910))
    result = []
    for i, j, k in rows:
        v = clip((i * one + j * two + k * three) >> 18, -4096, 32767)
        code = np.where(v < 0, v * 1317840 // 409600, np.searchsorted(known_codes(), v, side="left"))
        result.append(high - bend(high - (low + bend(code - low))))
    return result


@cache
def known_codes() -> Ints:
    return np.array([linear(c) for c in range(8160)])


def bend(v: Any) -> Any:
    return (v + root(v * v + 50176)) >> 1


def linear(c: int) -> int:
    if 100000 * c <= 4045 * 4080:
        return c * 409600 // 1317840
    power = (((1000 * c + 224400) << 20) // 4304400) ** 12
    low, high = 0, 1 << (power.bit_length() // 5 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**5 <= power else (low, middle - 1)
    return low >> 34


class Plan:
    """Everything that a cover seed chooses, but for the scene."""

    def __init__(self, cover_seed: bytes) -> None:
        self.seed = hkdf(cover_seed, "csfnns/2/cover/abstract")
        self.choices = c = Choices(self.seed)
        self.family = FAMILIES[c.below(51)]
        self.palette, self.salts = Palette(c), c.salts(4)
        self.elevation = c.between(0.55, 0.8)
        self.light = turn(math.isqrt(ONE * ONE - self.elevation**2), 0, c.below(ONE))
        self.relief, self.gloss, self.vignette = c.between(0.5, 0.9), c.between(0, 0.5), c.between(0.05, 0.3)
        self.tooth = [(16 * ONE // (36 + c.below(40)), 1 + c.below(6)) for _ in range(2)]
        self.depth, self.common, self.own = c.between(0.012, 0.022), 60 + c.below(36), 36 + c.below(24)
        self.order = 3 + c.below(6) if c.below(9) == 0 and self.family not in FLAT else 0
        self.dark, self.bright = c.below(64) ** 3 >> 13, c.below(64) ** 3 >> 13


def family_of(cover_seed: bytes) -> str:
    return Plan(cover_seed).family


def order_of(cover_seed: bytes) -> int:
    return Plan(cover_seed).order


def cover(cover_seed: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Cover, uint8 (height, width, 3), of a family in SCENES."""
    plan = Plan(cover_seed)
    scene = SCENES[plan.family](plan.choices)
    places = [[(2 * i + 1) * side // 96 for i in range(48)] for side in (height, width)]
    metered = np.stack(
        np.broadcast_arrays(*levels(plan, scene, height, width, *np.meshgrid(*places, indexing="ij"))), -1
    )
    values = np.sort(metered, axis=None)
    black = min(int(values[plan.dark]), int(values[345]) - 80, 1152) if plan.dark else 0
    white = max(int(values[6911 - plan.bright]), int(values[6566]) + 80, 2944) if plan.bright else 4080

    row, column = np.mgrid[:height, :width].astype(np.int64)
    code = np.stack(levels(plan, scene, height, width, row, column), -1)
    code = ((code - black) * ((4080 << 16) // (white - black))) >> 16
    data = words(hkdf(plan.seed, "csfnns/2/cover/abstract/grain"), 2 * height * width)
    lanes = data.view(np.uint8).reshape(height, width, 2, 4, 2).sum((2, 4), dtype=np.int64) - 510
    grain = (lanes[..., :1] * plan.common + lanes[..., 1:] * plan.own) >> 8
    return np.clip((code + grain + 8) // 16, 0, 255).astype(np.uint8)


def levels(plan: Plan, scene: Any, height: int, width: int, row: Any, column: Any) -> list[Any]:
    """Sixteenths of the pixels' colours, before exposure and grain."""
    short = min(height, width)
    palette, salts, light = plan.palette, plan.salts, plan.light
    vignette = plan.vignette * 2 * short**2 // (height**2 + width**2)
    (f, long), (coarse, wide) = plan.tooth
    d = max(1, short // 512)

    def surface(row: Any, column: Any) -> Any:
        x = ((2 * column + 1 - width) << 15) // short
        y = ((2 * row + 1 - height) << 15) // short
        return x, y, np.broadcast_arrays(*scene(*fold(x, y, plan.order)))

    x, y, (tone, blend, here, glow, accent) = surface(row, column)
    p = (surface(row, column + d)[2][2] - here) * short // d
    q = (surface(row + d, column)[2][2] - here) * short // d

    i = (clip(tone, 0, ONE - 1) * 1024) >> 16
    t = clip(blend + (fbm(3 * x // 2, 3 * y // 2, salts[0], 2) >> 2))
    main, counter, gold = palette.main, palette.counter, clip(accent)
    lab = [lerp(lerp(main[k][i], counter[k][i], t), palette.accent[k], gold) for k in range(3)]
    lit = ((plan.elevation << 16) - p * light[0] - q * light[1]) // root(ONE * ONE + p * p + q * q)
    shade = np.maximum(mul(lit - plan.elevation, plan.relief), -HALF)
    lab = [mul(each, ONE + shade) for each in lab]
    lab[2] = lab[2] + (shade >> 6)
    texture = noise(column * f, row * f // long, salts[1])
    texture = texture + noise(column * coarse // wide, row * coarse, salts[2])
    glint = np.maximum(shade - ONE // 8, 0)
    level = lab[0] + glow + mul(texture, plan.depth) + mul(mul(glint, glint), 4 * plan.gloss)
    level = level - mul(mul(x, x) + mul(y, y), vignette)
    low, high = -512 if plan.dark else 208, 4592 if plan.bright else 3872
    return to_srgb(clip(level, ONE // 12, 21 * ONE // 20), lab[1], lab[2], low, high)


def fold(u: Any, v: Any, order: int) -> tuple[Any, Any]:
    """Kaleidoscope."""
    if order:
        v, n = abs(v), order
        while n > 1:
            n = (n + 1) // 2
            over = turn(u, v, -(n * HALF // order))[1]
            du, dv = turn(0, -2 * np.maximum(over, 0), n * HALF // order)
            u, v = u + du, v + dv
    return u, v

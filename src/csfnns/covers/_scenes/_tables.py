"""Scenes from tables: six painters, and for each a table whose rows are families.

A row gives each number of its painter a range, low:high, or one value for both. A seed rolls a row's numbers from left to
right, then the painter's own choices. The tables are part of the format.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from csfnns.covers._noise import (
    HALF,
    ONE,
    Dice,
    Field,
    bearing,
    cells,
    clip,
    cosine,
    fbm,
    length,
    lerp,
    line_noise,
    mul,
    noise,
    ridged,
    root,
    scatter,
    share,
    sine,
    step,
    turn,
)
from csfnns.covers._scenes._surface import Scene, Surface

SHARDS = """
family   scale stretch warp  spread cloud furrow  rate seam    dark  dome     round
pebbles  4:7   1:1.6   .1:.3 .5:.8  .2:.4 0       1    .05:.1  0:.1  .02:.04  .4:.6
mud      3:6   1:1.3   .4:.9 0:.15  .3:.5 0       1    .02:.05 0:.1  .01:.02  .1:.2
panes    2.5:5 1:1.5   0:.3  .7:1   .2:.4 0:.03   3:9  .05:.09 0:.05 0:.01    .1:.3
fields   2.5:5 1.2:2.2 .1:.3 .5:.8  .1:.3 .06:.14 8:20 .02:.06 .1:.4 0        .1
terrazzo 8:14  1:1.5   0:.3  .8:1   .1:.2 0       1    .2:.4   .5:.9 0        .1
leather  9:16  1:1.4   .2:.6 .1:.2  .1:.3 0       1    .05:.1  .1:.3 .01:.016 .3:.5
"""

COURSES = """
family rate  narrow shift ragged tilt     sway  uneven base  spread fibre along across joint   mortar bevel   lap   glow
bricks 7:12  .4:.5  .5    0:.1   0        0:.1  0      .3:.5 .3:.5  .2:.4 2     3      .05:.08 .6:.9  .05:.1  0     0
planks 4:8   .1:.2  0     1      -.25:.25 0:.1  0      .4:.6 .2:.5  .4:.6 .5    9      .01:.03 0:.1   .02     0     0
facade 4:7   .8:1.3 0     0      -.01:.01 0     0      .1:.3 .1:.2  .2:.3 1     1      .16:.24 .4:.8  -.05    0     .1:.25
mosaic 18:30 .8:1   0     0      -.1:.1   .2:.5 0      .4:.6 .5:.9  .1:.2 1     1      .06:.1  .3:.7  .05:.1  0     0
slates 8:14  .8:1.2 .5    0:.1   0        0:.1  0      .3:.6 .2:.4  .3:.4 2     2      .02:.04 0      0       .1:.3 0
books  3:5   3:5    0     1      0        0     .3:.7  .4:.5 .8:1   .2:.3 2     .5     .02     0:.05  .03:.06 0     0
blinds 14:22 .01    .05   0      -.02:.02 0:.05 0      .6:.8 .05:.1 .2:.4 .5    2      .05:.1  0:.2   .1:.2   .1:.2 0
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

VISTAS = """
family  horizon cloud dusk  disc    lift   land mirror base  swell wide  deep rows  rate glitter
sea     -.2:0   .2:.4 .2:.5 .03:.06 0      0    .4:.6  .1:.3 .4:.6 3:5   5:8  0     1    .3:.6
lake    -.1:.05 .1:.3 .2:.5 .03:.06 .1:.3  0:.2 .8:.9  .1:.3 .1:.2 1:2   3:6  0     1    0:.2
meadow  -.2:.1  .3:.5 .3:.6 .02:.05 .05:.2 .2   0      .3:.5 .4:.6 20:30 5:9  0     1    0
furrows -.25:0  .2:.4 .3:.6 .02:.05 .05:.2 .2   0      .3:.5 .2:.3 20:30 8    .3:.4 5:9  0
snow    -.1:.1  .1:.3 .4:.6 .02:.05 .1:.3  .3   0      .8:.9 .1:.2 1:2   2:3  0     1    0:.1
"""

STREWN = """
family   layers rate    sparse size  bulge petals lobe  base spread veil  ring  rings vein  dome  glow  back
leaves   6:8    1.5:2.5 .1:.3  .6:.9 1:2.5 0      0     .4   .6:.9  1     0     1     .1:.2 .1:.2 0     .2
confetti 5:7    3:5     .3:.6  .5:1  0     0      0     .5   .8:1   1     0     1     0     .02   0     .3:.8
daisies  4:6    2:3.5   .2:.4  .7:1  0     7:14   .1:.2 .8   .2:.3  1     .1:.2 1     0     .1    0     .2
drops    4:6    4:7     .3:.5  .4:.9 0:.5  0      0     .5   .1:.3  .5:.7 0     1     0     .5:.9 .03   .3:.6
coins    5:7    2:3.5   .1:.3  .8:.9 0     0      0     .5   .2:.5  1     .1:.2 2:4   0     .1    0     .2
lanterns 4:6    1.5:3   .5:.7  .4:.9 0:.3  0      0     .7   .2:.3  .7:.9 .1    1     0     0     .1:.2 .1:.2
"""

WAVES = """
family  count far   rate  vary  warp  sharp base  gain  relief    caustic
ripples 2:5   .1:.8 8:16  0:.3  0:.2  0     .4:.6 .1:.2 .003:.006 0
pool    4:6   2:5   2:4   .3:.6 .2:.5 0     .5:.7 .1    .005      .3:.5
sheet   1:2   9:20  8:16  0     0:.1  0:.5  .4:.6 .1:.3 .01       0
curtain 1:2   9:20  3:6   0     .3:.6 0     .3:.6 .3:.4 .02:.04   0
moire   2:3   .2:1  18:36 0:.1  0:.1  .6:1  .4:.6 .3:.4 .001      0
"""


def _roll(row: str, dice: Dice) -> list[int]:
    ranges = (number.split(":") for number in row.split())
    return [dice.between(float(each[0]), float(each[-1])) for each in ranges]


def shards(row: str, dice: Dice) -> Scene:
    """Stones, panes or plots side by side: cells of one colour each, ploughed each its own way, and what is between."""
    scale, stretch, warp, spread, cloud, furrow, rate, seam, dark, dome, round_ = _roll(row, dice)
    salts, angle = [dice.salt() for _ in range(4)], dice.below(ONE)

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, angle)
        u, v = mul(u, scale), mul(mul(v, scale), stretch)
        p, q = fbm(u >> 1, v >> 1, salts[0], 4), fbm(u >> 1, v >> 1, salts[1], 4)
        near, next_, name = cells(u + mul(p, warp), v + mul(q, warp), salts[2])
        gap, way = next_ - near, share(name, 5)
        grain = fbm(u * 3 + share(name, 3), v * 3 + share(name, 9), salts[3], 5)
        plough = mul(sine(mul(mul(u, cosine(way)) + mul(v, sine(way)), rate) + (p >> 1)), furrow)
        on = step(seam, seam * 3 // 2, gap)
        own = HALF + mul(share(name, 0) - HALF, spread) + mul(grain, cloud) + plough
        height = mul(dome, step(0, round_, gap)) + (grain >> 9) + (plough >> 6)
        return Surface(lerp(dark + (p >> 3) + (grain >> 3), own, on), share(name, 16), height)

    return paint


def courses(row: str, dice: Dice) -> Scene:
    """Walls, floors and shelves: courses of blocks with joints; some blocks may be lit from behind."""
    (
        rate, narrow, shift, ragged, tilt, sway, uneven,
        base, spread, fibre, along, across, joint, mortar, bevel, lap, glow,
    ) = _roll(row, dice)  # fmt: skip
    salts = [dice.salt() for _ in range(4)]

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, tilt)
        u, v = mul(u, rate), mul(v, rate)
        wear = fbm(u >> 1, v >> 1, salts[0], 6)
        v = v + mul(noise(u >> 2, v >> 2, salts[1]), sway)
        course = v >> 16
        u = mul(u, narrow) + course * shift + mul(share(scatter(course, 1, salts[2])), ragged) * 9
        u = u + mul(line_noise(u + course * 37 * ONE, salts[2]), uneven)
        h = scatter(u >> 16, course, salts[3])
        fu, fv = u & (ONE - 1), v & (ONE - 1)
        edge = np.minimum((np.minimum(fu, ONE - fu) << 16) // narrow, np.minimum(fv, ONE - fv))
        on = step(joint, joint * 5 // 4, edge)
        lines = fbm(mul(u << 16, along) // narrow + (share(h, 2) << 5), mul(v, across) + share(h, 7), salts[1] + 1, 5)
        lit = mul(step(HALF, HALF + ONE // 8, share(h, 11)), on) if glow else 0
        own = base + mul(share(h, 0) - HALF, spread) + mul(lines, fibre)
        own = lerp(own, ONE * 3 // 4 + (lines >> 2), lit)
        height = mul(bevel, step(joint, joint + ONE // 6, edge)) + mul(lap, fv) + mul(lines, fibre) // 32
        height = (height << 16) // rate + (wear >> 9)
        tone = lerp(mortar + (wear >> 2), own + (wear >> 3), on)
        return Surface(tone, mul(share(h, 16), on), height, mul(lit, glow), lit >> 1)

    return paint


def reliefs(row: str, dice: Dice) -> Scene:
    """What grows, flows or weathers: one bent field, as itself, in veins, waves, terraces or contour lines."""
    scale, stretch, warp, base, gain, veins, bands, wave, flat, line, relief = _roll(row, dice)
    salts, angle = [dice.salt() for _ in range(4)], dice.below(ONE)

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, angle)
        u, v = mul(u, scale), mul(mul(v, scale), stretch)
        p, q = fbm(u, v, salts[0], 3), fbm(u, v, salts[1], 3)
        u, v = u + mul(p, warp), v + mul(q, warp)
        f = fbm(u, v, salts[2], 3)
        fine = fbm(u * 6, v * 6, salts[2] + 9, 3) >> 3
        phase = mul(f, bands)
        within = phase & (ONE - 1)
        terrace = (((phase >> 16) << 16) + step(ONE * 7 // 8, ONE, within)) * ONE // bands
        level = lerp(f, terrace, flat) + mul(sine(phase), wave) + fine
        crest = ridged(u, v, salts[3], 5) if veins else 0
        ink = step(ONE // 8, ONE // 20, np.minimum(within, ONE - within))
        tone = base + mul(level, gain) + mul(crest, veins) + (q >> 3)
        return Surface(tone, HALF + p + (q >> 1), mul(level, relief), -mul(ink, line))

    return paint


def vistas(row: str, dice: Dice) -> Scene:
    """Water, snow or fields to the horizon, under clouds and a sun, with hills in the distance."""
    horizon, cloud, dusk, disc, lift, land, mirror, base, swell, wide, deep, rows, rate, glitter = _roll(row, dice)
    salts = [dice.salt() for _ in range(6)]
    sx, sy = dice.between(-0.35, 0.35), horizon - dice.between(0.05, 0.3)

    def paint(x: Field, y: Field) -> Surface:
        under = clip(y - horizon, 0, 8 * ONE)
        fade = step(0, ONE // 6, under)
        z = (ONE << 16) // (under + ONE // 12)
        gx, gz = mul(x - sx, z), z
        waves = fbm(mul(gx, wide), mul(gz, deep), salts[0], 4)
        waves = mul(waves, fade + ONE // 8)
        broad = fbm(gx, gz, salts[1], 4)
        up = np.where(y < horizon, y, horizon - mul(under, ONE * 3 // 4) + (waves >> 4))
        mist = fbm(x * 2, up * 5, salts[2], 5)
        far = length(x - sx, up - sy)
        sun, halo = step(disc + 300, disc - 300, far), step(int(0.6 * ONE), 0, far)
        tone = dusk + ((up - horizon) >> 1) + ONE // 4 + mul(mist, cloud) + (mul(halo, halo) >> 2)
        blend, light = HALF + (mist >> 1), sun >> 2
        for k in range(3 if lift else 0):
            crest = fbm(x * (2 + k), np.full_like(x, k * ONE), salts[3] + k, 4)
            top = horizon - mul(lift, (3 - k) * ONE // 4 + crest)
            on = step(-100, 100, up - top)
            grit = fbm(x * 20, up * 30, salts[4] + k, 2)
            tone = lerp(tone, lerp(HALF + dusk // 2, land, (k + 1) * ONE // 3) + (grit >> 4), on)
            blend, light = lerp(blend, k * ONE // 3 + (grit >> 3), on), lerp(light, 0, on)
        furrow = mul(mul(sine(mul(gx, rate)), rows), fade)
        ground = base + mul(waves, swell) + furrow + (broad >> 3) + (under >> 3)
        on = step(-100, 100, y - horizon)
        path = mul(step(ONE // 6, 0, abs(x - sx) - (under >> 3)), step(0, HALF, waves + (broad >> 2)))
        tone = lerp(tone, lerp(ground, tone + mul(waves, swell), mirror), on)
        blend = lerp(blend, lerp(ONE * 3 // 4 + (broad >> 1), blend, mirror), on)
        light = lerp(light, mul(light, mirror) + mul(path, glitter), on)
        return Surface(tone, blend, mul(mul(waves + furrow, swell), under) >> 5, light)

    return paint


def strewn(row: str, dice: Dice) -> Scene:
    """Things that lie over one another or float: discs, leaves or flowers, in layers, each shading what is below."""
    (
        layers, rate, sparse, size, bulge, petals, lobe, base, spread, veil, ring, rings, vein, dome, glow, back,
    ) = _roll(row, dice)  # fmt: skip
    salts = [dice.salt() for _ in range(3)]
    tilts = [dice.below(ONE) for _ in range(layers >> 16)]

    def paint(x: Field, y: Field) -> Surface:
        mist, grit = fbm(x * 2, y * 2, salts[0], 5), fbm(x * 20, y * 20, salts[0] + 9, 4)
        tone, blend, height = back + (mist >> 1) + (grit >> 4), HALF + mist, (mist >> 5) + (grit >> 9)
        light = np.zeros_like(x)
        for k, tilt in enumerate(tilts):
            pitch = rate * (2 * len(tilts) - k) // len(tilts)
            u, v = turn(x, y, tilt)
            u, v = mul(u, pitch), mul(v, pitch)
            h, g = (scatter(u >> 16, v >> 16, salts[1 + i] + k) for i in (0, 1))
            long = mul(HALF - (share(g, 4) >> 3), size)
            slack, way = HALF - long, share(g, 0)
            dx = (u & (ONE - 1)) - HALF + (mul(slack, share(h, 0) - HALF) << 1)
            dy = (v & (ONE - 1)) - HALF + (mul(slack, share(h, 16) - HALF) << 1)
            c, s = cosine(way), sine(way)
            dx, dy = mul(dx, c) - mul(dy, s), mul(dx, s) + mul(dy, c)
            half = (long << 16) // root((ONE + 2 * bulge) << 16)
            bow = mul(half, bulge)
            d = ((length(dx, abs(dy) + bow) - bow) << 16) // half
            if petals:
                d = d + mul(sine(bearing(dx, dy) * (petals >> 16)) + ONE, lobe)
            there = share(g, 16) > sparse
            on = np.where(there, mul(step(ONE, ONE - ONE // 24, d), veil), 0)
            shadow = np.where(there, step(ONE * 3 // 2, ONE * 3 // 4, d), 0)
            rib = step(ONE // 10, 0, abs(dy) * ONE // half) if vein else 0
            side = sine((dx * 3 + abs(dy) * 2) * ONE // half) if vein else 0
            own = base + mul(share(h, 8) - HALF, spread) + mul(sine(mul(d, rings)), ring)
            own = own + mul(rib + (side >> 2), vein) + (grit >> 3) + (mist >> 3)
            cup = mul(root(np.maximum(ONE - mul(d, d), 0) << 16), mul(half, dome)) * ONE // pitch
            tone = lerp(tone, own, on)
            blend = lerp(blend, share(h, 4), on)
            height = lerp(height, cup + (grit >> 9), on)
            light = lerp(light - (shadow >> 4), mul(glow, ONE - (clip(d) >> 1)), on)
        return Surface(tone, blend, height, light)

    return paint


def waves(row: str, dice: Dice) -> Scene:
    """Rings, folds and engraved lines: sines of the distances from points near or far."""
    count, far, rate, vary, warp, sharp, base, gain, relief, caustic = _roll(row, dice)
    salts = [dice.salt() for _ in range(3)]
    sources = [
        (*turn(far, 0, dice.below(ONE)), mul(rate, ONE + mul(vary, dice.between(-1.0, 1.0))), dice.below(ONE))
        for _ in range(count >> 16)
    ]

    def paint(x: Field, y: Field) -> Surface:
        p, q = fbm(x, y, salts[0], 4), fbm(x, y, salts[1], 4)
        u, v = x + mul(p, warp), y + mul(q, warp)
        total = np.zeros_like(x)
        for cx, cy, often, phase in sources:
            total = total + sine(mul(length(u - cx, v - cy), often) + phase)
        total = total // len(sources)
        hard = step(-ONE // 6, ONE // 6, total) * 2 - ONE
        level = lerp(total, hard, sharp)
        grit = fbm(x * 12, y * 12, salts[2], 5)
        net = step(ONE // 3, 0, abs(total)) if caustic else np.zeros_like(x)
        tone = base + mul(level, gain) + (p >> 1) + (grit >> 4)
        return Surface(tone, HALF + q, mul(level, relief) + (grit >> 9), mul(net, caustic))

    return paint


def _families(painter: Callable[[str, Dice], Scene], table: str) -> dict[str, Callable[[Dice], Scene]]:
    rows = (line.split(maxsplit=1) for line in table.strip().splitlines()[1:])
    return {name: partial(painter, row) for name, row in rows}


TABLED = {
    **_families(shards, SHARDS),
    **_families(courses, COURSES),
    **_families(reliefs, RELIEFS),
    **_families(vistas, VISTAS),
    **_families(strewn, STREWN),
    **_families(waves, WAVES),
}
"""Families by name, in the format's order."""

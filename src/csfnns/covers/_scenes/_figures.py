"""Scenes of clear figures: ribbons, flowers, lights, tiles, and what a random network draws."""

import numpy as np

from csfnns.covers._noise import (
    HALF,
    ONE,
    Dice,
    Field,
    bearing,
    clip,
    fbm,
    length,
    lerp,
    line_noise,
    mul,
    root,
    scatter,
    share,
    sine,
    step,
    turn,
)
from csfnns.covers._scenes._surface import Scene, Surface


def network(dice: Dice) -> Scene:
    """Random coordinate network: layers of sines of weighted sums, grown from the point's coordinates."""
    wide, salt = 10, dice.salt()

    def unit() -> list[tuple[int, int]]:
        return [(dice.below(wide), dice.between(-0.45, 0.45)) for _ in range(3)]

    layers = [[(unit(), dice.below(ONE)) for _ in range(wide)] for _ in range(3)]
    zoom, swirl = dice.between(0.35, 0.8), dice.between(0.03, 0.2)

    def paint(x: Field, y: Field) -> Surface:
        u, v = mul(x, zoom), mul(y, zoom)
        u, v = u + mul(fbm(x * 2, y * 2, salt, 3), swirl), v + mul(fbm(x * 2, y * 2, salt + 9, 3), swirl)
        far = length(u, v)
        values = [u * 2, v * 2, far, u + v, u - v, mul(u, v) * 3, sine(u), sine(v), sine(far * 2), far - u]
        for layer in layers:
            values = [sine(sum(mul(values[i], w) for i, w in weights) + bias) for weights, bias in layer]
        grain = fbm(values[0] + x * 10, values[1] + y * 10, salt + 3, 5)
        lines = sine(values[6] * 6)
        tone = HALF + (values[0] * 3 + values[1] * 2 >> 4) * 3 // 2 + (grain >> 3) + (lines >> 5)
        height = (values[2] + values[3] >> 7) + (lines >> 11) + (grain >> 8)
        return Surface(tone, HALF + (values[4] >> 1), height, accent=step(ONE // 16, ONE // 40, abs(values[5])))

    return paint


def ribbons(dice: Dice) -> Scene:
    """Two layers of Truchet arcs: striped ribbons that wander, the upper ones shading the lower."""
    salts = [dice.salt() for _ in range(4)]
    angle, count, wobble = dice.below(ONE), dice.between(2.0, 4.0), dice.between(0.0, 0.35)
    stripes = 1 + dice.below(5)
    plan = [(count, int(0.25 * ONE)), (count * 2, int(0.30 * ONE))]

    def band(u: Field, v: Field, salt: int) -> tuple[Field, Field]:
        h = scatter(u >> 16, v >> 16, salt)
        fx, fy = u & (ONE - 1), v & (ONE - 1)
        fx = np.where(h & np.uint32(1), ONE - fx, fx)
        d0, d1 = length(fx, fy) - HALF, length(ONE - fx, ONE - fy) - HALF
        return np.minimum(abs(d0), abs(d1)), np.where(abs(d0) < abs(d1), d0, d1)

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, angle)
        u, v = (
            u + mul(fbm(u * 2, v * 2, salts[0], 3), wobble >> 1),
            v + mul(fbm(v * 2, u * 2, salts[1], 3), wobble >> 1),
        )
        cloud = fbm(u * 2, v * 2, salts[2], 6)
        grit = fbm(u * 40, v * 40, salts[2] + 9, 3)
        tone, blend = ONE // 5 + (cloud >> 2) + (grit >> 6), clip(HALF + cloud)
        height, light = (cloud >> 6) + (grit >> 11), np.zeros_like(x)
        for k, (rate, width) in enumerate(reversed(plan)):
            d, signed = band(mul(u, rate), mul(v, rate), salts[3] + k)
            on = step(width + ONE // 100, width - ONE // 100, d)
            shade = step(width + ONE // 4, width, d) - on
            bow = root(np.maximum(width * width - d * d, 0))
            stripe = sine(signed * stripes * 2 + (k << 14))
            own = ONE // 3 + (k * ONE >> 2) + (stripe >> 2) + (cloud >> 2) + (grit >> 5)
            tone, height = lerp(tone, own, on), lerp(height, (bow << 16) // (rate * 3) + (grit >> 11), on)
            blend = lerp(blend, clip(HALF * k + (stripe >> 1) + cloud), on)
            light = lerp(light, 0, on) - (shade >> 3)
        return Surface(tone, blend, height, light)

    return paint


def bloom(dice: Dice) -> Scene:
    """A flower seen from above: whorls of petals, the inner ones over the outer, veined and curled."""
    salts = [dice.salt() for _ in range(4)]
    cx, cy = dice.between(-0.22, 0.22), dice.between(-0.22, 0.22)
    whorls, petals, twist = 6 + dice.below(8), 4 + dice.below(16), dice.below(ONE)
    size, curl, point = dice.between(0.4, 0.85), dice.between(-0.12, 0.12), dice.between(0.1, 0.65)

    def paint(x: Field, y: Field) -> Surface:
        bend = fbm(x * 2, y * 2, salts[0], 4)
        dx, dy = x - cx + (bend >> 5), y - cy + (fbm(x * 2, y * 2, salts[1], 4) >> 5)
        r, turns = length(dx, dy), bearing(dx, dy)
        leaves = fbm(x * 3 + bend, y * 3, salts[2], 6)
        tone, blend, height = ONE // 5 + (leaves >> 2), HALF + leaves + HALF, leaves >> 6
        light = -(step(size * 5 // 3, size // 2, r) >> 3)
        for k in range(whorls):
            outer = mul(size, ONE - mul(k * ONE // whorls, ONE - 3 * k * ONE // (whorls * 11)))
            around = turns * petals + k * twist + mul(r, curl) * petals
            within = (around & (ONE - 1)) - HALF
            wobble = share(scatter((around >> 16) % petals, k, salts[3])) >> 4
            reach = mul(outer, ONE - wobble - mul(mul(within, within) * 4, point))
            edge = ((reach - r) << 16) // outer
            on, shadow = step(-ONE // 160, ONE // 160, edge), step(-ONE // 7, 0, edge)
            vein = line_noise(within * 14 + (bend >> 2), salts[3] + k)
            rib = step(ONE // 12, 0, abs(within))
            own = ONE // 4 + (k * HALF // whorls) + (clip(edge) * 3 >> 3) + (vein >> 4) - (rib >> 5)
            cup = mul(reach, ONE // 2 - (mul(within, within) << 1)) >> 2
            tone = lerp(tone, own, on)
            blend = lerp(blend, clip(edge), on)
            height = lerp(height, cup + (vein >> 9) - (rib >> 9), on)
            light = lerp(light - (shadow >> 4), 0, on)
        return Surface(tone + (bend >> 4), blend, height, light, step(outer // 2, outer // 4, r + (leaves >> 6)) >> 1)

    return paint


def bokeh(dice: Dice) -> Scene:
    """Lights out of focus: translucent discs of several sizes over a soft dusk."""
    salts = [dice.salt() for _ in range(4)]
    slope, rim = dice.below(ONE), dice.between(0.3, 1.0)
    rates = [dice.between(low, 2 * low) for low in (1.2, 1.9, 3.2, 5.0, 9.0)[dice.below(2) :]]
    turns = [dice.below(ONE) for _ in rates]
    sides = dice.below(2)

    def paint(x: Field, y: Field) -> Surface:
        mist = fbm(x * 3 // 2, y * 3 // 2, salts[0], 6)
        dusk, _ = turn(x, y, slope)
        smear = fbm(x * 8 + mist, y * 8, salts[1], 4)
        tone = int(0.3 * ONE) + (dusk >> 2) + (mist >> 2) + (smear >> 4)
        blend, light = HALF + mist, np.zeros_like(x)
        for rate, tilt in zip(rates, turns, strict=True):
            u, v = turn(x, y, tilt)
            u, v = mul(u, rate), mul(v, rate)
            h = scatter(u >> 16, v >> 16, salts[2] + rate)
            radius = ONE // 7 + (share(h, 4) >> 2)
            slack = HALF - radius
            dx = (u & (ONE - 1)) - HALF + (mul(slack, share(h, 0) - HALF) << 1)
            dy = (v & (ONE - 1)) - HALF + (mul(slack, share(h, 16) - HALF) << 1)
            d = np.maximum(length(dx, dy), (abs(dx) * 7 >> 3) + (abs(dy) >> 1)) if sides else length(dx, dy)
            inside = step(0, ONE // 40, radius - d)
            ring = step(ONE // 8, 0, radius - d)
            there = clip(share(scatter(u >> 16, v >> 16, salts[3] + rate)) - ONE // 3)
            strength = mul(mul(inside, there), ONE - mul(rim, ONE - ring) // 2 + (smear >> 2))
            tone = tone + (strength >> 1)
            blend = lerp(blend, share(h, 10), mul(inside, ONE * 3 // 4))
            light = light + (strength >> 4)
        return Surface(tone, blend, (mist >> 6) + (smear >> 9), light)

    return paint


def tiles(dice: Dice) -> Scene:
    """Mid-century geometry: squares with quarter discs, rings, stripes or wedges, on rough paper."""
    salts = [dice.salt() for _ in range(4)]
    count, tilt = 3 + dice.below(5), dice.below(8) * ONE // 8 if dice.below(2) else 0
    inks = [(dice.below(ONE), dice.below(ONE)) for _ in range(7)]
    tones, hues = (np.array(v, np.int64) for v in zip(*inks, strict=True))

    def motif(h: Field, u: Field, v: Field) -> Field:
        """Distance-like field of one of eight figures: inside where negative."""
        near, centre = length(u, v), length(u - HALF, v - HALF)
        figures = (
            near - ONE * 15 // 16,
            abs(near - int(0.65 * ONE)) - ONE // 5,
            centre - int(0.42 * ONE),
            abs(centre - ONE // 3) - ONE // 9,
            u + v - ONE,
            abs(((u * 3) & (ONE - 1)) - HALF) // 3 - ONE // 12,
            abs(((near * 4) & (ONE - 1)) - HALF) // 4 - ONE // 16,
            np.maximum(near, length(u - ONE, v - ONE)) - ONE,
        )
        return np.choose(h, figures)

    def paint(x: Field, y: Field) -> Surface:
        wobble = fbm(x * 40, y * 40, salts[0], 3)
        u, v = turn(x, y, tilt)
        u, v = u * count + (wobble >> 8) * count // 2, v * count + (wobble >> 8)
        h = scatter(u >> 16, v >> 16, salts[1])
        split = (share(h, 12) & 7) < 2
        u, v = np.where(split, u * 2, u), np.where(split, v * 2, v)
        h = np.where(split, scatter(u >> 16, v >> 16, salts[1] + 1), h)
        fu, fv = u & (ONE - 1), v & (ONE - 1)
        fu, fv = np.where(h & np.uint32(1), ONE - fu, fu), np.where(h & np.uint32(2), ONE - fv, fv)
        d = motif((share(h, 2) & 7), fu, fv)
        on = step(ONE // 90, -ONE // 90, d)
        ground, ink = share(h, 6) % 7, (share(h, 6) % 7 + 1 + share(h, 11) % 6) % 7
        wear = fbm(x * 6, y * 6, salts[2], 6)
        edge = np.minimum(np.minimum(fu, ONE - fu), np.minimum(fv, ONE - fv))
        joint = step(ONE // 40, 0, edge)
        pressed = step(ONE // 12, -ONE // 50, abs(d))
        tone = lerp(tones[ground], tones[ink], on) * 13 // 16 + ONE // 10 + (wear >> 3) + (wobble >> 5)
        blend = lerp(hues[ground], hues[ink], on)
        return Surface(
            tone,
            blend,
            (on >> 8) - (joint >> 9) + (wobble >> 11) + (wear >> 8),
            -(joint >> 5) - (pressed >> 6),
        )

    return paint

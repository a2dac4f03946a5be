"""Scenes with a sky: gas and stars, mountains."""

from collections.abc import Callable

import numpy as np

from csfnns.covers._noise import (
    HALF,
    ONE,
    Dice,
    Field,
    clip,
    fbm,
    length,
    lerp,
    line_noise,
    mul,
    ridged,
    root,
    scatter,
    share,
    step,
    turn,
)
from csfnns.covers._scenes._surface import Scene, Surface


def nebula(dice: Dice) -> Scene:
    """Deep space: glowing gas with dark lanes, stars of several sizes, sometimes a planet with a lit limb."""
    salts = [dice.salt() for _ in range(8)]
    scale, bend = dice.between(0.8, 1.7), dice.between(0.4, 0.9)
    cx, cy = dice.between(-0.3, 0.3), dice.between(-0.3, 0.3)
    angle = dice.below(ONE)
    planet = _planet(dice) if dice.below(2) else None

    def paint(x: Field, y: Field) -> Surface:
        u, v = mul(x, scale), mul(y, scale)
        bx, by = fbm(u, v, salts[0], 5), fbm(u, v, salts[1], 5)
        u2, v2 = u + mul(bx, bend * 2), v + mul(by, bend * 2)
        gas = fbm(u2, v2, salts[2], 6)
        threads = ridged(u2 * 3 // 2, v2 * 3 // 2, salts[3], 6)
        lanes = ridged(u2 + 99 * ONE, v2, salts[4], 5)
        _, across = turn(x - cx, y - cy, angle)
        body = step(int(0.6 * ONE), 0, abs(across + (bx >> 2)))
        tone = mul(body, HALF + mul(gas, HALF)) + mul(threads, body + ONE // 4) + (gas >> 2)
        tone = tone - mul(lanes, HALF) + (fbm(u2 * 8, v2 * 8, salts[5], 3) >> 5)
        star = sum(_stars(x, y, rate, salts[6] + rate) for rate in (9, 23, 61, 140))
        sky = Surface(tone, clip(HALF + by * 2), gas >> 6, star)
        return planet(x, y, sky) if planet else sky

    return paint


def _planet(dice: Dice) -> Callable[[Field, Field, Surface], Surface]:
    salt, spin = dice.salt(), dice.below(ONE)
    cx, cy, radius = dice.between(-0.32, 0.32), dice.between(-0.32, 0.32), dice.between(0.13, 0.36)
    lx, ly = turn(int(0.85 * ONE), 0, dice.below(ONE))
    stretch = 1 + dice.below(6)

    def cover(x: Field, y: Field, sky: Surface) -> Surface:
        nx, ny = ((x - cx) << 16) // radius, ((y - cy) << 16) // radius
        square = nx * nx + ny * ny >> 16
        nz = root(np.maximum(ONE - square, 0) << 16)
        inside = step(ONE + 400, ONE - 400, square)
        day = mul(nx, lx) + mul(ny, ly) + (nz >> 1)
        u, v = turn(nx, ny, spin)
        swirl = fbm(u + (nz >> 2), v * stretch, salt, 6)
        ground = fbm(u + swirl, v * stretch + (swirl >> 1), salt + 5, 6)
        tone = mul(step(-ONE // 5, ONE, day), int(0.75 * ONE) + (ground >> 1)) + (ground >> 5)
        rim = mul(step(0, ONE, square), step(-ONE // 4, ONE // 2, day))
        air = mul(step(ONE * 3 // 2, ONE, square), step(-ONE // 3, ONE, day)) >> 3
        return Surface(
            lerp(sky.tone, tone, inside),
            lerp(sky.blend, clip(HALF + swirl), inside),
            lerp(sky.height, ground >> 7, inside),
            lerp(sky.light + air, rim >> 3, inside),
        )

    return cover


def peaks(dice: Dice) -> Scene:
    """Ranges behind ranges in the haze, wooded in front, under a sun, a moon or an aurora."""
    salts = [dice.salt() for _ in range(8)]
    ranges, horizon = 5 + dice.below(4), dice.between(-0.2, 0.08)
    sx, sy, size = dice.between(-0.38, 0.38), dice.between(-0.36, -0.08), dice.between(0.03, 0.1)
    night, rough = dice.below(5) < 2, dice.between(0.6, 1.2)
    far_tone, near_tone = (dice.between(0.3, 0.42), 0) if night else (dice.between(0.6, 0.75), ONE // 16)

    def sky(x: Field, y: Field) -> tuple[Field, Field, Field]:
        cloud = fbm(x * 2 + (fbm(x * 2, y * 5, salts[1], 3) >> 1), y * 6, salts[0], 6)
        d = length(x - sx, y - sy)
        disc, glow = step(size + 200, size - 200, d), step(int(0.7 * ONE), 0, d)
        fall = clip(y - horizon + int(0.7 * ONE))
        if not night:
            return (fall * 3 >> 2) + (mul(glow, glow) >> 2) + (cloud * 3 >> 4), HALF + cloud, disc >> 2
        veil = np.zeros_like(x)
        for k in (0, 1):
            foot = y - horizon + ONE // 9 + k * ONE // 6 + (line_noise(x * 2 + k * ONE, salts[4]) >> 2)
            folds = x * 9 + y * (k + 1) + line_noise(x * 4, salts[3] + k) * 5
            rays = (HALF + line_noise(folds, salts[3]) + (line_noise(folds * 5, salts[3] + 2) >> 2)) * 3 >> 2
            veil = veil + mul(mul(step(ONE // 20, -ONE // 12, foot), step(-HALF, 0, foot)), clip(rays))
        star = _stars(x, y, 24, salts[5]) + _stars(x, y, 70, salts[5] + 3)
        return (
            (fall >> 3) + (veil * 3 >> 2) + (cloud >> 4),
            ONE - veil,
            mul(star, ONE - disc) + (disc >> 2) + (glow >> 5),
        )

    def crest(x: Field, k: int, near: int) -> Field:
        total, rate = np.zeros_like(x), ONE * 3 // 2 + near
        for octave in range(7):
            fine = line_noise(mul(x + 7 * k * ONE, rate) << octave, salts[7] + k)
            total = total + (fine >> (octave + (octave > 1)))
        return mul(mul(total, rough), ONE // 9 + near // 7)

    def trees(x: Field, k: int) -> Field:
        total = np.zeros_like(x)
        for rate in (47, 71):
            u = x * rate + k * 99 * ONE
            tip = share(scatter(u >> 16, k, salts[6]))
            total = np.maximum(total, mul(ONE - abs(2 * (u & (ONE - 1)) - ONE), tip + ONE // 3) // rate)
        return total

    def paint(x: Field, y: Field) -> Surface:
        tone, blend, light = sky(x, y)
        rock, grit = ridged(x * 6, y * 8, salts[6], 5), fbm(x * 30, y * 40, salts[6] + 7, 4)
        height = np.zeros_like(x)
        for k in range(ranges):
            near = (k + 1) * ONE // ranges
            top = horizon + (int(0.5 * ONE) - horizon) * k // ranges
            edge = y - top + crest(x, k, near)
            if k >= ranges - 2:
                edge = edge + trees(x + (grit >> 9), k)
            on, haze = step(-100, 100, edge), step(int(0.3 * ONE), ONE // 50, edge)
            lit = mul(ONE - haze, ONE - near * 3 // 4) >> 2
            own = lerp(far_tone, near_tone, near) + lit + (mul(rock - ONE // 4, near + ONE // 4) >> 3) + (grit >> 5)
            tone, blend = lerp(tone, own, on), lerp(blend, near // 2 + (grit >> 3), on)
            light, height = lerp(light, 0, on), lerp(height, mul(rock, near) >> 7, on)
        return Surface(tone, blend, height, light)

    return paint


def _stars(x: Field, y: Field, rate: int, salt: int) -> Field:
    """One star in some cells of a lattice, never crossing its cell: a core and a halo, as added lightness."""
    u, v = x * rate, y * rate
    h = scatter(u >> 16, v >> 16, salt)
    dx = (u & (ONE - 1)) - ONE // 4 - (share(h, 0) >> 1)
    dy = (v & (ONE - 1)) - ONE // 4 - (share(h, 8) >> 1)
    magnitude = share(scatter(u >> 16, v >> 16, salt + 1))
    there = clip((magnitude - int(0.62 * ONE)) * 5 // 2)
    d = length(dx, dy)
    halo = step(ONE // 4, 0, d)
    core = step(ONE // 10, ONE // 40, d)
    return mul(there, (core >> 1) + (mul(mul(halo, halo), halo) >> 3))

"""Scenes of stone, glaze and ink: agate, mended pottery, marbled paper, sand."""

import numpy as np

from csfnns.covers._noise import (
    HALF,
    ONE,
    Dice,
    Field,
    cells,
    clip,
    fbm,
    length,
    lerp,
    line_noise,
    mul,
    noise,
    root,
    scatter,
    share,
    sine,
    step,
    turn,
)
from csfnns.covers._scenes._surface import Scene, Surface


def agate(dice: Dice) -> Scene:
    """Cut stone: bands of uneven width and colour along a bent field, fine growth lines, bright seams."""
    salts = [dice.salt() for _ in range(6)]
    scale, bend = dice.between(0.7, 1.6), dice.between(0.25, 0.6)
    rings, bands = dice.between(0.0, 1.6), dice.between(5.0, 11.0)
    cx, cy = dice.between(-0.5, 0.5), dice.between(-0.5, 0.5)

    def paint(x: Field, y: Field) -> Surface:
        u, v = mul(x, scale), mul(y, scale)
        bx, by = fbm(u, v, salts[0], 4), fbm(u, v, salts[1], 4)
        f = fbm(u + mul(bx, bend * 2), v + mul(by, bend * 2), salts[2], 3)
        f = f + mul(length(x - cx + (bx >> 2), y - cy + (by >> 2)), rings) + (fbm(u * 14, v * 14, salts[5], 3) >> 7)
        phase = mul(f, bands)
        phase = phase + (line_noise(phase, salts[3]) * 3 >> 2)
        index, within = phase >> 16, phase & (ONE - 1)
        here, after = share(scatter(index, 7, salts[3])), share(scatter(index + 1, 7, salts[3]))
        edge = step(int(0.86 * ONE), ONE, within)
        grown = line_noise(phase * 7, salts[4]) + (line_noise(phase * 19, salts[4] + 1) >> 1)
        tone = lerp(here, after, edge) * 3 // 4 + (within >> 3) + (grown >> 3) + ONE // 16
        seam = step(int(0.10 * ONE), int(0.03 * ONE), abs(within - int(0.93 * ONE)))
        seam = mul(seam, step(44000, 52000, share(scatter(index, 9, salts[3]))))
        hue = share(scatter(index, 8, salts[3]))
        return Surface(tone, hue, (edge >> 9) + (grown >> 9), -(edge >> 5), seam)

    return paint


def kintsugi(dice: Dice) -> Scene:
    """Broken glaze mended with gold: warped cells, crackle inside, bright seams of uneven width."""
    salts = [dice.salt() for _ in range(6)]
    scale, bend = dice.between(2.2, 5.0), dice.between(0.15, 0.5)
    dome = dice.between(0.0, 0.05)
    seam_width = dice.between(0.03, 0.07)
    metal = dice.below(3) > 0

    def paint(x: Field, y: Field) -> Surface:
        u, v = mul(x, scale), mul(y, scale)
        bx, by = fbm(u >> 1, v >> 1, salts[0], 5), fbm(u >> 1, v >> 1, salts[1], 5)
        near, next_, name = cells(u + mul(bx, bend * 3), v + mul(by, bend * 3), salts[2])
        gap = next_ - near
        cloud = fbm(u + share(name, 3), v + share(name, 9), salts[3], 5)
        n2, m2, _ = cells(u * 5 + bx, v * 5 + by, salts[4])
        crackle = step(ONE // 14, 0, m2 - n2)
        seam = step(seam_width * 3 // 2, seam_width // 2, gap + (cloud >> 5))
        rim = step(ONE // 3, 0, gap)
        tone = share(name, 0) * 5 // 8 + ONE // 5 + (cloud >> 2) - (rim >> 3)
        tone = tone - (crackle >> 5)
        height = mul(dome, step(0, HALF, gap)) + (cloud >> 8) + (step(seam_width * 2, 0, gap) >> 6)
        glint = seam if metal else seam >> 2
        return Surface(tone, share(name, 16), height, -(crackle >> 6) - (0 if metal else seam >> 2), glint)

    return paint


def marbling(dice: Dice) -> Scene:
    """Turkish paper: drops of ink push each other aside, combs draw them out (mathematical marbling, Jaffer).

    Points are taken back through the combs and drops, last first, until a drop contains them.
    """
    salt, tilt = dice.salt(), dice.below(ONE)
    centres = [(dice.between(-0.6, 0.6), dice.between(-0.6, 0.6)) for _ in range(11)]
    drops = [(*centres[dice.below(11)], dice.between(0.05, 0.21)) for _ in range(40)]
    inks = [(dice.below(ONE), dice.below(ONE)) for _ in range(6)]
    shades = [inks[dice.below(6)] for _ in drops]
    combs = [(dice.below(ONE), dice.between(2.0, 14.0), dice.between(0.012, 0.06)) for _ in range(dice.below(5))]

    def paint(x: Field, y: Field) -> Surface:
        x, y = turn(x, y, tilt)
        x, y = x + (fbm(x * 2, y * 2, salt, 5) >> 4), y + (fbm(x * 2, y * 2, salt + 9, 5) >> 4)
        for angle, teeth, pull in combs:
            u, v = turn(x, y, angle)
            v = v + mul(pull, sine(mul(u, teeth)) + line_noise(mul(u, teeth), salt))
            x, y = turn(u, v, -angle)
        vein = fbm(x * 4, y * 4, salt + 1, 6)
        tone, blend = inks[0][0] + (vein >> 2), inks[0][1] + (vein >> 1)
        rim, settled = np.full_like(x, ONE), np.zeros(x.shape, bool)
        for (cx, cy, radius), (shade, hue) in zip(drops, shades, strict=True):
            dx, dy = x - cx, y - cy
            square = np.maximum(dx * dx + dy * dy, 1)
            inside = (square < radius * radius) & ~settled
            tone = np.where(inside, ONE // 10 + (shade * 4 // 5), tone)
            blend = np.where(inside, hue, blend)
            rim = np.where(inside, ONE - root(np.minimum((square << 16) // (radius * radius), ONE) << 16), rim)
            settled |= inside
            back = root(np.maximum(ONE - (radius * radius << 16) // square, 0) << 16)
            x, y = cx + mul(dx, back), cy + mul(dy, back)
        edge = step(ONE // 9, 0, rim)
        tone = tone + (rim >> 3) + (vein >> 2) - (edge >> 3)
        return Surface(tone, blend, (vein >> 8) - (edge >> 9), -(edge >> 5))

    return paint


def dunes(dice: Dice) -> Scene:
    """Wind-blown sand: sharp crests with one steep, shaded side, and ripples that run along the slopes."""
    salts = [dice.salt() for _ in range(6)]
    angle, count = dice.below(ONE), dice.between(1.4, 3.2)
    wander, ripples = dice.between(0.25, 0.7), dice.between(30.0, 60.0)
    slip = ONE // 4

    def crests(phase: Field) -> tuple[Field, Field]:
        t = phase & (ONE - 1)
        rising = step(-ONE // 8, ONE - slip, t)
        falling = step(ONE, ONE - slip, t)
        foot = int(step(-ONE // 8, ONE - slip, np.zeros(1, np.int64))[0])
        lee = t >= ONE - slip
        return np.where(lee, lerp(foot, ONE, falling), rising), np.where(lee, falling, 0)

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, angle)
        sway = fbm(u, v // 2, salts[0], 2)
        drift = fbm(u * 3, v * 2, salts[1], 3)
        phase = mul(u, count) + mul(sway, wander * 4) + (drift >> 4)
        dune, lee = crests(phase)
        strength = clip(HALF + noise(u * 2, v * 2, salts[2]), ONE // 5)
        dune, lee = mul(dune, strength), mul(lee, strength)
        minor, minor_lee = crests(phase * 2 + drift + (sway << 1))
        ripple = sine(mul(v, ripples) + mul(u, ripples // 3) + drift * 4 + dune * 2)
        ripple = mul(ripple, ONE - lee)
        sand = fbm(x * 50, y * 50, salts[3], 3)
        height = (dune >> 3) + (mul(minor, ONE - lee) >> 6) + (ripple >> 10) + (sand >> 11)
        tone = int(0.42 * ONE) + (dune >> 2) + (sway >> 2) + (ripple >> 6) + (sand >> 5) - (lee >> 2) - (minor_lee >> 4)
        return Surface(tone, (sway >> 1) + (lee >> 1), height)

    return paint

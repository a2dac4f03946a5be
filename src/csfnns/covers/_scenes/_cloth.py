"""Scenes of cloth, hair and paper."""

import numpy as np

from csfnns.covers._noise import (
    HALF,
    ONE,
    Dice,
    Field,
    fbm,
    length,
    line_noise,
    mul,
    noise,
    scatter,
    share,
    sine,
    squash,
    step,
    turn,
)
from csfnns.covers._scenes._surface import Scene, Surface


def silk(dice: Dice) -> Scene:
    """Folded veils: noise whose coordinates are bent by noise, twice (Quilez's domain warping)."""
    salts = [dice.salt() for _ in range(6)]
    scale, bend, fold = dice.between(0.7, 1.6), dice.between(0.4, 0.9), dice.between(0.5, 1.1)
    angle, stretch = dice.below(ONE), dice.between(0.35, 1.0)
    gain, pleats = dice.between(0.9, 1.3), dice.between(0.0, 5.0)

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, angle)
        u, v = mul(u, scale), mul(mul(v, scale), stretch)
        qx, qy = fbm(u, v, salts[0], 2), fbm(u, v, salts[1], 2)
        u2, v2 = u + mul(qx, 2 * bend), v + mul(qy, 2 * bend)
        rx, ry = fbm(u2, v2, salts[2], 3), fbm(u2, v2, salts[3], 3)
        f = fbm(u + mul(rx, 2 * fold), v + mul(ry, 2 * fold), salts[4], 4)
        fine = fbm(u2 * 9, v2 * 9, salts[5], 4)
        pleat = sine(mul(f, pleats) + rx)
        tone = HALF + mul(f, gain) + (qx >> 1) + (pleat >> 3) + (fine >> 4)
        height = (f * 3 >> 6) + (pleat >> 7) + (fine >> 10)
        return Surface(tone, HALF + mul(ry, 2 * ONE), height, accent=step(26000, 52000, rx) >> 1)

    return paint


def strands(dice: Dice) -> Scene:
    """Combed fibres: threads that follow the level lines of a calm field, as hair, wood or brush strokes."""
    salts = [dice.salt() for _ in range(6)]
    scale, density = dice.between(0.8, 1.8), dice.between(8.0, 20.0)
    bend, eyes = dice.between(0.3, 0.8), dice.between(-0.8, 0.8)

    def paint(x: Field, y: Field) -> Surface:
        u, v = mul(x, scale), mul(y, scale)
        bx, by = noise(u, v, salts[0]), noise(u, v, salts[1])
        u2, v2 = u + mul(bx, bend * 2), v + mul(by, bend * 2)
        flow = fbm(u2, v2, salts[2], 2) + mul(length(x, y), eyes)
        along = fbm(v2, u2, salts[3], 2)
        p = mul(flow, density)
        locks = noise(p, along * 3, salts[4])
        hair = noise(p * 5, along * 6, salts[4] + 1)
        fine = noise(p * 17, along * 9, salts[4] + 2)
        brush = locks + (hair >> 1) + (fine >> 2)
        tone = HALF + brush * 5 // 8 + (along >> 2) + (noise(u * 2, v * 2, salts[5]) >> 2)
        height = (locks >> 6) + (hair >> 8) + (fine >> 9) + (flow >> 4)
        return Surface(tone, HALF + along + (locks >> 1), height, (fine >> 6), step(30000, 50000, hair) >> 2)

    return paint


def weave(dice: Dice) -> Scene:
    """Draped cloth: twill or plain weave in bands of dyed yarn, with folds that catch the light."""
    salts = [dice.salt() for _ in range(6)]
    threads, angle = 44 + dice.below(50), dice.below(ONE)
    bands, floats = dice.between(1.5, 5.0), 1 + dice.below(3)
    drape, motif = dice.between(0.06, 0.14), dice.below(2)

    def dyed(u: Field, salt: int) -> Field:
        broad, narrow = line_noise(mul(u, bands), salt), line_noise(mul(u, bands) * 5, salt + 1)
        return step(-ONE // 4, ONE // 4, broad) // 3 + (step(-ONE // 6, ONE // 6, narrow) >> 2) - ONE // 4

    def paint(x: Field, y: Field) -> Surface:
        u, v = turn(x, y, angle)
        fold = fbm(u * 3 // 2, v // 2, salts[0], 3)
        u, v = u + (fold >> 4), v + (noise(u * 2, v * 2, salts[1]) >> 5)
        a, b = u * threads, v * threads
        ia, ib = a >> 16, b >> 16
        over = ((ia + ib) % (2 * floats)) < floats
        across, along = np.where(over, a, b) & (ONE - 1), np.where(over, b, a)
        thread = np.where(over, ia, ib)
        bow = sine(across >> 1)
        twist = sine(along + across * 2 + share(scatter(thread, 3, salts[2])))
        warp, weft = dyed(u, salts[3]), dyed(v, salts[4])
        if motif:
            cloud = fbm(u * 3, v * 3 + (share(scatter(ia, 5, salts[2])) >> 3), salts[5], 3)
            warp, weft = warp + (cloud >> 1), weft + (cloud >> 2)
        yarn = np.where(over, warp, weft) + (share(scatter(thread, 4, salts[2])) >> 4)
        tone = HALF + yarn + (fold >> 2) + (bow >> 4) + (twist >> 5)
        height = mul(fold, drape) + ((bow * 5 >> 4) + (twist >> 4)) // threads
        return Surface(tone, HALF + (weft if motif else warp), height, (bow - ONE // 2) >> 4)

    return paint


def papercut(dice: Dice) -> Scene:
    """Stacked sheets of cut paper, each throwing a soft shadow on the sheet below."""
    salts = [dice.salt() for _ in range(4)]
    scale, well = dice.between(1.0, 2.2), dice.between(-2.0, 2.0)
    sheets, octaves = 8 + dice.below(8), 2 + dice.below(2)
    cx, cy = dice.between(-0.3, 0.3), dice.between(-0.3, 0.3)
    sx, sy = turn(dice.between(0.012, 0.024), 0, dice.below(ONE))

    def depth(x: Field, y: Field) -> Field:
        u, v = mul(x, scale), mul(y, scale)
        u, v = u + (noise(u, v, salts[0]) >> 1), v + (noise(u, v, salts[1]) >> 1)
        f = fbm(u, v, salts[2], octaves) * 2 + mul(length(x - cx, y - cy) - HALF, well)
        return squash(f * 2) + ONE

    def paint(x: Field, y: Field) -> Surface:
        level = depth(x, y) * sheets >> 1
        index = level >> 16
        shadow = np.zeros_like(x)
        for reach in (1, 2, 3, 4):
            above = depth(x + reach * sx, y + reach * sy) * sheets >> 1
            shadow = shadow + step(0, ONE // 6, above - ((index + 1) << 16))
        within = level & (ONE - 1)
        lip = step(ONE // 14, 0, within)
        fibre = fbm(x * 60, y * 60, salts[3], 3)
        tone = (2 * index + 1) * ONE // (2 * sheets) + (fibre >> 5) + (noise(x * 2, y * 2, salts[3] + 9) >> 4)
        hue = share(scatter(index, 1, salts[3])) * 3 >> 2
        return Surface(tone, hue, fibre >> 10, (lip >> 5) - (shadow >> 4), lip >> 3)

    return paint

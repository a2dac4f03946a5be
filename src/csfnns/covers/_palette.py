"""Colours of the abstract covers: OKLab, picked by a seed, turned into sRGB with integers only.

OKLab is Björn Ottosson's perceptual space (2020): L lightness, a green–red, b blue–yellow, here with ONE = 1.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from csfnns.covers._noise import ONE, Dice, Field, cosine, mul, sine

SHADES = 1024  # entries of a ramp
CODE = 16  # steps of one grey level in what `to_srgb` returns
MARGIN = 13 * CODE  # between black or white and the levels of a picture that spares them

# Hues in degrees of the OKLab circle: dark end, middle, light end, counterpoint; chroma in thousandths.
_MOODS = (
    (285, 350, 70, 190, 130),  # dusk
    (262, 225, 175, 55, 115),  # ocean
    (15, 40, 85, 230, 140),  # ember
    (195, 155, 110, 60, 100),  # forest
    (330, 5, 55, 200, 120),  # rose
    (265, 235, 205, 340, 75),  # ice
    (310, 45, 80, 215, 105),  # desert
    (280, 195, 150, 335, 130),  # aurora
    (315, 340, 90, 165, 110),  # plum and gold
    (255, 245, 80, 40, 45),  # slate
    (210, 195, 60, 40, 100),  # copper and verdigris
    (150, 115, 100, 20, 115),  # citrus
    (275, 268, 85, 30, 125),  # indigo and sand
    (10, 25, 65, 170, 125),  # wine and peach
    (50, 60, 85, 30, 30),  # sepia ink
    (300, 250, 345, 100, 125),  # candy
    (235, 285, 330, 85, 120),  # iris
    (30, 75, 95, 250, 110),  # honey
)
# Lightness of the dark and the light end, in hundredths.
_KEYS = ((18, 92), (24, 90), (16, 80), (30, 95), (20, 88), (38, 95))


class Palette(NamedTuple):
    """Two ramps from dark to light, (SHADES, 3) each, and an accent colour (L, a, b)."""

    main: Field
    counter: Field
    accent: tuple[int, int, int]


def grow(dice: Dice) -> Palette:
    """Palette of one picture: a mood, with hues, chroma and contrast shifted a little."""
    dark, middle, light, counter, chroma = _MOODS[dice.below(len(_MOODS))]
    low, high = (v * ONE // 100 for v in _KEYS[dice.below(len(_KEYS))])
    drift = dice.between(-0.04, 0.04)
    hues = [h * ONE // 360 + drift + dice.between(-0.02, 0.02) for h in (dark, middle, light, counter)]
    strength = mul(chroma * ONE // 1000, dice.between(0.8, 1.15))
    main = _ramp((hues[0], hues[1], hues[2]), low, high, strength)
    aside = hues[1] + (dice.between(0.08, 0.17) if dice.below(2) else -dice.between(0.08, 0.17))
    middle, strength = (aside, strength) if dice.below(2) == 0 else (hues[3], strength * 3 // 4)
    other = _ramp((hues[0], middle, hues[2]), low, high, strength)
    gold = dice.below(3) > 0
    accent = _lch(int(0.84 * ONE), 7 * ONE // 60, 85 * ONE // 360) if gold else _lch(high, strength, hues[3])
    return Palette(main, other, accent)


def _lch(lightness: int, chroma: int, hue: int) -> tuple[int, int, int]:
    return lightness, mul(chroma, int(cosine(hue))), mul(chroma, int(sine(hue)))


def _ramp(hues: tuple[int, int, int], low: int, high: int, chroma: int) -> Field:
    """Smooth path through three hues, the shorter way round; chroma is fullest a little below the middle."""
    t = np.arange(SHADES) * ONE // (SHADES - 1)
    dark, middle, light = hues
    first, second = _turned(dark, middle), _turned(middle, light)
    hue = dark + mul(first, np.minimum(2 * t, ONE)) + mul(second, np.maximum(2 * t - ONE, 0))
    rest = t - 27525  # 0.42
    strength = mul(chroma, ONE - 2 * mul(rest, rest))
    return np.stack([low + mul(high - low, t), mul(strength, cosine(hue)), mul(strength, sine(hue))], axis=1)


def _turned(start: int, end: int) -> int:
    return (end - start + ONE // 2) % ONE - ONE // 2


def to_srgb(
    lightness: Field, a: Field, b: Field, low: int = MARGIN, high: int = 255 * CODE - MARGIN
) -> tuple[Field, Field, Field]:
    """OKLab to sRGB in 1/16 grey levels, kept inside low…high (also in 1/16 levels) by a soft toe and shoulder.

    The matrices are Ottosson's, rounded to 16 bits.
    """
    long = _cube(lightness + ((25974 * a + 14143 * b) >> 16))
    medium = _cube(lightness - ((6918 * a + 4185 * b) >> 16))
    short = _cube(lightness - ((5864 * a + 84639 * b) >> 16))
    table = _tone_table(low, high)
    return (
        _encode(table, 267173 * long - 216774 * medium + 15137 * short),
        _encode(table, -83128 * long + 171033 * medium - 22369 * short),
        _encode(table, -275 * long - 46099 * medium + 111910 * short),
    )


def _cube(v: Field) -> Field:
    return np.asarray(((v * v >> 16) * v) >> 16)


_LINEAR_BITS = 14
_UNDER, _OVER = 1 << 12, 1 << 15  # how far below 0 and up to where light outside the gamut is told apart


def _encode(table: Field, light: Field) -> Field:
    index = (light >> (32 - _LINEAR_BITS)) + _UNDER
    return table[np.minimum(np.maximum(index, 0), _UNDER + _OVER - 1)]


@lru_cache(maxsize=4)
def _tone_table(low: int, high: int) -> Field:
    """SRGB code in 1/CODE grey levels for linear light from -_UNDER to _OVER in 2^-14, softly limited."""
    softness = 14 * CODE
    return np.asarray(high - _softened(high - low - _softened(_codes() - low, softness), softness), np.int64)


@lru_cache(maxsize=1)
def _codes() -> Field:
    """The same without limits."""
    codes = 2 * 255 * CODE  # up to code 510, far beyond white
    decode = np.array([_linear(c) for c in range(codes)], np.int64)
    light = np.arange(-_UNDER, _OVER)
    straight = np.where(light < 0, light * (255 * CODE * 323) // (25 << _LINEAR_BITS), 0)
    return np.where(light < 0, straight, np.searchsorted(decode, light))


def _softened(v: Any, softness: int) -> Any:
    """Smooth stand-in for max(v, 0): (v + sqrt(v^2 + softness^2)) / 2."""
    return (v + np.sqrt((v * v + softness * softness).astype(np.float64)).astype(np.int64)) >> 1


def _linear(code: int) -> int:
    """Inverse sRGB transfer: linear light in 2^-14 of a code in 1/CODE grey levels, by integer roots."""
    top = 255 * CODE
    if code * 100000 <= 4045 * top:
        return (code * 25 << _LINEAR_BITS) // (323 * top)
    base = (code * 1000 + 55 * top) << 20  # ((c + 0.055) / 1.055)^2.4 = (base^12)^(1/5), rescaled
    ratio = base // (1055 * top)
    return _fifth_root(ratio**12) >> (48 - _LINEAR_BITS)


def _fifth_root(n: int) -> int:
    """Integer part of the fifth root: Newton's steps from above."""
    x = 1 << -(-n.bit_length() // 5)
    while True:
        y = (4 * x + n // x**4) // 5
        if y >= x:
            return x
        x = y

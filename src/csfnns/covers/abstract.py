"""Pictures drawn from the key alone: the built-in cover generator, exact on every machine.

Each pixel is a function of the cover seed, the picture's size and the pixel's position, in integers:

    seed ─ choices ─ scene, palette, light ┐
    position ─ kaleidoscope ─ scene ─ tone, height, glow ─ palette ─ relief light ─ sRGB ─ exposure ┐
    seed ─ ChaCha20 stream ─ grain ─────────────────────────────────────────────────────────────── + ─ picture

The forms come from hashed lattices, which are fast but not a cipher. The grain is read from the seed's stream itself:
even an attacker who guesses every form does not know any pixel's grain.
"""

import numpy as np
import numpy.typing as npt

from csfnns.covers._noise import HALF, ONE, Dice, Field, clip, fbm, lerp, mul, noise, root, turn
from csfnns.covers._palette import CODE, MARGIN, SHADES, grow, to_srgb
from csfnns.covers._scenes import FLAT, SCENES, Surface
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.profile import GRID, Profile
from csfnns.stream import Seed

_BEYOND = 32 * CODE  # how far levels of a picture that clips an end go beyond it, before exposure
_TILE = 128  # side of what is painted at once; no pixel depends on it
_METER = 48  # rows and columns of pixels whose levels set the exposure
_CROWD = 3 * _METER**2 // 20
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)


class AbstractCovers:
    """Covers from nothing but the key; sides are multiples of 16 in 64…8192, else UsageError."""

    def __init__(self, height: int, width: int) -> None:
        for side in (height, width):
            if not 64 <= side <= 8192 or side % GRID:
                raise UsageError(
                    f"A cover cannot be {width}x{height}.",
                    "Take multiples of 16 from 64 to 8192 for both sides.",
                )
        self.height, self.width = height, width

    def __call__(self, seed: Seed) -> Picture:
        """Cover of a cover seed, uint8 (height, width, 3)."""
        painter = _Painter(seed.derive("csfnns/2/cover/abstract"), self.height, self.width)
        picture = np.empty((self.height, self.width, 3), np.uint8)
        for top in range(0, self.height, _TILE):
            strip = picture[top : top + _TILE]
            grain = painter.grain(len(strip))
            for left in range(0, self.width, _TILE):
                part = grain[:, left : left + _TILE]
                strip[:, left : left + _TILE] = painter.tile(top, left, part)
        return picture


def from_profile(profile: Profile) -> AbstractCovers:
    """Generator of a key with generator `abstract`."""
    return AbstractCovers(profile.height, profile.width)


class _Painter:
    """One message's picture: its choices, and the colours of any of its pixels."""

    def __init__(self, seed: Seed, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._stream = seed.derive("csfnns/2/cover/abstract/grain").stream()
        self.short = min(height, width)
        self.reach = max(1, self.short // 512)  # pixels between the heights whose difference is a slope
        dice = Dice(seed)
        self.family = list(SCENES)[dice.below(len(SCENES))]
        self.palette = grow(dice)
        self.salts = [dice.salt() for _ in range(4)]
        self.elevation = dice.between(0.55, 0.8)
        self.light = turn(int(root((ONE * ONE) - self.elevation**2)), 0, dice.below(ONE))
        self.relief = dice.between(0.5, 0.9)
        self.gloss = dice.between(0.0, 0.5)
        # Relative to the half diagonal, so that the ends of a panorama are no darker than a square's corners.
        self.vignette = dice.between(0.05, 0.3) * 2 * self.short**2 // (height**2 + width**2)
        self.tooth = [(ONE * 16 // (36 + dice.below(40)), 1 + dice.below(6)) for _ in range(2)]
        self.tooth_depth = dice.between(0.012, 0.022)
        self.grain_gains = 60 + dice.below(36), 36 + dice.below(24)
        self.order = 3 + dice.below(6) if dice.below(9) == 0 and self.family not in FLAT else 0
        dark, bright = (dice.below(64) ** 3 >> 13 for _ in range(2))
        # Where an end is clipped, no toe or shoulder may crowd levels together there: whole areas shall be beyond it.
        self.limits = -_BEYOND if dark else MARGIN, 255 * CODE + (_BEYOND if bright else -MARGIN)
        self.scene = SCENES[self.family](dice)
        self.black, self.white = self._meter(dark, bright)

    def grain(self, rows: int) -> npt.NDArray[np.int16]:
        """Grain of the next rows, (rows, width, 4): common, red, green, blue; sums of 4 bytes less their mean."""
        words = self._stream.words(2 * rows * self.width)
        pairs = (words & _EVEN_BYTES) + ((words >> np.uint64(8)) & _EVEN_BYTES)
        sums = pairs[0::2] + pairs[1::2]
        lanes = sums[:, None] >> np.array([0, 16, 32, 48], np.uint64)
        return lanes.astype(np.int16).reshape(rows, self.width, 4) - np.int16(510)

    def tile(self, top: int, left: int, grain: npt.NDArray[np.int16]) -> Picture:
        """Pixels from row `top` and column `left` on, of the grain's height and width."""
        d, (height, width) = self.reach, grain.shape[:2]
        py, px = np.mgrid[top : top + height + d, left : left + width + d]
        x, y = self._place(py, px)
        surface = self.scene(*self._fold(x, y))
        relief = np.broadcast_to(surface.height, x.shape)
        shade = self._shade(relief[:-d, :-d], relief[:-d, d:], relief[d:, :-d])
        inner = Surface(*(np.broadcast_to(v, x.shape)[:-d, :-d] for v in surface))
        x, y, px, py = (v[:-d, :-d] for v in (x, y, px, py))
        return self._expose(self._codes(inner, shade, x, y, px, py), grain)

    def _meter(self, dark: int, bright: int) -> tuple[int, int]:
        """Levels in sixteenths that become black and white, so that about so many of the metered ones lie beyond."""
        d = self.reach
        row, column = ((2 * np.arange(_METER) + 1) * side // (2 * _METER) for side in (self.height, self.width))
        py, px = np.meshgrid(row, column, indexing="ij")
        py, px = np.stack([py, py, py + d]), np.stack([px, px + d, px])
        x, y = self._place(py, px)
        surface = self.scene(*self._fold(x, y))
        shade = self._shade(*np.broadcast_to(surface.height, x.shape))
        inner = Surface(*(np.broadcast_to(v, x.shape)[0] for v in surface))
        levels = np.sort(np.concatenate(self._codes(inner, shade, x[0], y[0], px[0], py[0]), axis=None))
        # Five grey levels: where many levels crowd at an end, the grain would carry more of them across it.
        black = min(int(levels[dark]), int(levels[_CROWD]) - 5 * CODE, 72 * CODE) if dark else 0
        white = max(int(levels[~bright]), int(levels[~_CROWD]) + 5 * CODE, 184 * CODE) if bright else 255 * CODE
        return black, white

    def _place(self, py: Field, px: Field) -> tuple[Field, Field]:
        """Points of the plane of pixels, also of those beyond the edge."""
        return ((2 * px + 1 - self.width) << 15) // self.short, ((2 * py + 1 - self.height) << 15) // self.short

    def _codes(
        self, surface: Surface, shade: Field, x: Field, y: Field, px: Field, py: Field
    ) -> tuple[Field, Field, Field]:
        """Levels of the three colours in sixteenths, before exposure and grain."""
        lightness, a, b = self._colour(surface, x, y)
        gain, glint = ONE + shade, np.maximum(shade - ONE // 8, 0)
        # Scaling light by k^3 scales all of OKLab by k, so shading multiplies all three.
        lightness, a, b = mul(lightness, gain), mul(a, gain), mul(b, gain) + (shade >> 6)
        lightness = lightness + surface.light + self._texture(px, py)
        lightness = lightness - mul(mul(x, x) + mul(y, y), self.vignette) + mul(mul(glint, glint), self.gloss * 4)
        return to_srgb(clip(lightness, ONE // 12, ONE * 21 // 20), a, b, *self.limits)

    def _fold(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Kaleidoscope: reflect the plane into one sector of 1 / (2 order) turns."""
        if not self.order:
            return x, y
        y = abs(y)
        sectors = self.order
        while sectors > 1:
            sectors = (sectors + 1) // 2
            _, over = turn(x, y, -(sectors * HALF // self.order))
            nx, ny = turn(0, -2 * np.maximum(over, 0), sectors * HALF // self.order)
            x, y = x + nx, y + ny
        return x, y

    def _shade(self, here: Field, right: Field, below: Field) -> Field:
        """Lambert's law for the relief's slopes, less what level ground shows, times its strength."""
        slope_x = (right - here) * self.short // self.reach
        slope_y = (below - here) * self.short // self.reach
        facing = (self.elevation << 16) - slope_x * self.light[0] - slope_y * self.light[1]
        lit = facing // root((ONE * ONE) + slope_x * slope_x + slope_y * slope_y)
        return np.asarray(np.maximum(mul(lit - self.elevation, self.relief), -ONE // 2))

    def _colour(self, surface: Surface, x: Field, y: Field) -> tuple[Field, Field, Field]:
        """OKLab colours from the palette; its two ramps drift across the picture."""
        drift = fbm(x * 3 // 2, y * 3 // 2, self.salts[0], 2)
        index = clip(surface.tone, 0, ONE - 1) * SHADES >> 16
        blend, gold = clip(surface.blend + (drift >> 2)), clip(surface.accent)
        main, counter = self.palette.main[index], self.palette.counter[index]
        lab = [lerp(main[..., k], counter[..., k], blend) for k in range(3)]
        lightness, a, b = (lerp(lab[k], self.palette.accent[k], gold) for k in range(3))
        return lightness, a, b

    def _texture(self, px: Field, py: Field) -> Field:
        """Tooth of the paper, a few pixels long, brushed one way or crossed."""
        (fine, long), (coarse, wide) = self.tooth
        across = noise(px * fine, py * fine // long, self.salts[1])
        down = noise(px * coarse // wide, py * coarse, self.salts[2])
        return np.asarray(mul(across + down, self.tooth_depth))

    def _expose(self, codes: tuple[Field, Field, Field], grain: npt.NDArray[np.int16]) -> Picture:
        """Stretch from the black to the white point, add grain, partly common to the colours, and round to levels.

        What lies far beyond the points is clipped as in a photograph: in areas without grain, each colour by itself.
        """
        common, own = self.grain_gains
        gain = (255 * CODE << 16) // (self.white - self.black)
        channels = []
        for k, code in enumerate(codes):
            speck = (grain[..., 0] * np.int64(common) + grain[..., k + 1] * np.int64(own)) >> 8
            level = (mul(code - self.black, gain) + speck + CODE // 2) // CODE
            channels.append(clip(level, 0, 255).astype(np.uint8))
        return np.stack(channels, axis=-1)

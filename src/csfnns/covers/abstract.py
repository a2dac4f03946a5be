"""Pictures grown from the key: the embedded cover generator, exact on every machine.

Each pixel is a function of the message's seed, the picture's size and the pixel's own place, in integers:

    seed ─ dice ─ scene, palette, light ┐
    place ─ kaleidoscope ─ scene ─ tone, height, glow ─ palette ─ relief light ─ sRGB ┐
    seed ─ a ChaCha20 stream a row ─ grain ─────────────────────────────────────────── + ─ picture

The forms come from hashed lattices, which are fast but no cipher. The grain is read from the seed's stream
itself, so that even a guess of every form leaves each pixel as uncertain as the grain is strong.
"""

import numpy as np
import numpy.typing as npt

from csfnns.covers._noise import HALF, ONE, Dice, Field, clip, fbm, lerp, mul, noise, root, turn
from csfnns.covers._palette import CODE, SHADES, grow, to_srgb
from csfnns.covers._scenes import FOLDING, SCENES, Surface
from csfnns.errors import UsageError
from csfnns.picture import Picture
from csfnns.profile import GRID
from csfnns.stream import Seed

_TILE = 128  # side of what is painted at once; no pixel depends on it


class AbstractCovers:
    """Covers from nothing but the key; sides are multiples of 16 in 64…8192, else UsageError."""

    exact = True

    def __init__(self, height: int, width: int) -> None:
        for side in (height, width):
            if not 64 <= side <= 8192 or side % GRID:
                raise UsageError(
                    f"A cover cannot be {width}x{height}.",
                    "Take multiples of 16 from 64 to 8192 for both sides.",
                )
        self.height, self.width = height, width

    def __call__(self, key: Seed, message: int) -> Picture:
        """Cover of a message, uint8 (height, width, 3). Message 0 is the check cover."""
        painter = _Painter(_seed(key, message), self.height, self.width)
        picture = np.empty((self.height, self.width, 3), np.uint8)
        for top in range(0, self.height, _TILE):
            rows = np.arange(top, min(top + _TILE, self.height))
            grain = painter.grain_rows(rows)
            for left in range(0, self.width, _TILE):
                columns = np.arange(left, min(left + _TILE, self.width))
                part = painter.tile(rows, columns, grain[:, columns])
                picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = part
        return picture

    def probe(
        self, key: Seed, message: int, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        """Colours of that cover at n pixels, uint8 (n, 3), equal to `self(key, message)[rows, columns]`."""
        return _Painter(_seed(key, message), self.height, self.width).points(rows, columns)


def _seed(key: Seed, message: int) -> Seed:
    return key.derive(f"csfnns/1/cover/abstract/{message}")


class _Painter:
    """One message's picture: its choices, and the colours of any of its pixels."""

    def __init__(self, seed: Seed, height: int, width: int) -> None:
        self.seed, self.height, self.width = seed, height, width
        self.short = min(height, width)
        self.reach = max(1, self.short // 512)  # pixels between the heights whose difference is a slope
        dice = Dice(seed)
        family = SCENES[dice.below(len(SCENES))]
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
        self.order = 3 + dice.below(6) if dice.below(9) == 0 and family in FOLDING else 0
        self.scene = family(dice)

    def tile(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], grain: npt.NDArray[np.int16]
    ) -> Picture:
        """Pixels at each of `rows` with each of `columns`, both runs of neighbours."""
        d = self.reach
        py, px = np.meshgrid(
            np.arange(rows[0], rows[-1] + 1 + d), np.arange(columns[0], columns[-1] + 1 + d), indexing="ij"
        )
        return self._develop(px, py, d, grain)

    def points(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Single pixels: each a tile of its own, with only the neighbours that its slope needs."""
        near = np.array([0, self.reach])
        py = rows.astype(np.int64)[:, None, None] + near[:, None] + 0 * near  # (n, 2, 2)
        px = columns.astype(np.int64)[:, None, None] + 0 * near[:, None] + near
        grain = self.grain_rows(rows)[np.arange(len(rows)), columns]
        return self._develop(px, py, 1, grain[:, None, None])[:, 0, 0]

    def grain_rows(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
        """Grain of whole rows, (n, width, 4): common, red, green, blue; sums of 4 bytes less their mean."""
        bytes_ = np.uint64(0x00FF00FF00FF00FF)
        grain = np.empty((len(rows), self.width, 4), np.int16)
        for k, row in enumerate(rows):
            words = self.seed.derive(f"csfnns/1/cover/abstract/grain/{row}").stream().words(2 * self.width)
            pairs = (words & bytes_) + ((words >> np.uint64(8)) & bytes_)
            sums = pairs[0::2] + pairs[1::2]
            for lane in range(4):
                total = (sums >> np.uint64(16 * lane)) & np.uint64(0xFFFF)
                grain[k, :, lane] = total.astype(np.int16) - np.int16(510)
        return grain

    def _develop(self, px: Field, py: Field, step: int, grain: npt.NDArray[np.int16]) -> Picture:
        """Colours of all but the last `step` rows and columns of coordinates (…, h + step, w + step)."""
        x = ((2 * px + 1 - self.width) << 15) // self.short
        y = ((2 * py + 1 - self.height) << 15) // self.short
        surface = self.scene(*self._fold(x, y))
        shade = self._shade(surface.height, step)
        inner = Surface(*(np.broadcast_to(v, x.shape)[..., :-step, :-step] for v in surface))
        x, y, px, py = (v[..., :-step, :-step] for v in (x, y, px, py))

        lightness, a, b = self._colour(inner, x, y)
        gain, glint = ONE + shade, np.maximum(shade - ONE // 8, 0)
        # Scaling light by k^3 scales all of OKLab by k, so shading multiplies the three alike.
        lightness, a, b = mul(lightness, gain), mul(a, gain), mul(b, gain) + (shade >> 6)
        lightness = lightness + inner.light + self._texture(px, py)
        lightness = (
            lightness - mul(mul(x, x) + mul(y, y), self.vignette) + mul(mul(glint, glint), self.gloss * 4)
        )
        return self._expose(to_srgb(clip(lightness, ONE // 12, ONE * 21 // 20), a, b), grain)

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

    def _shade(self, height: Field, step: int) -> Field:
        """Lambert's law for the relief's slopes, less what level ground shows, times its strength."""
        here, right, below = (
            height[..., :-step, :-step],
            height[..., :-step, step:],
            height[..., step:, :-step],
        )
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
        """Add the grain, partly common to the three colours, and round to grey levels."""
        common, own = self.grain_gains
        channels = []
        for k, code in enumerate(codes):
            speck = (grain[..., 0] * np.int64(common) + grain[..., k + 1] * np.int64(own)) >> 8
            channels.append(clip((code + speck + CODE // 2) // CODE, 0, 255).astype(np.uint8))
        return np.stack(channels, axis=-1)

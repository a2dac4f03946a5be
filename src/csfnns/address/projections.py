"""Addresses that survive lossy channels: dither modulation of low luminance frequencies at keyed blocks.

Each bit has a number of its own: a coefficient of the DCT of one 8x8 block of the luminance. Bit 0 moves it to the nearest
multiple of STEP from a keyed offset, bit 1 to the nearest point half way between two (Chen and Wornell, "Quantization
index modulation", IEEE Trans. Information Theory 47, 2001). Why so (benchmarks/address.py measures it):

- The two lowest frequencies of a block are what JPEG quantises in the finest steps and scaling attenuates least: at quality
  60 they are off by about 5 at most, in flat pictures too; a bit is wrong beyond STEP / 4. Larger blocks are better behind
  scaling, but flat pictures lose them at quality 60, where several rounded coefficients make a number.
- One block for a bit rather than sums over many: after a channel most blocks are nearly right and those with fine texture
  are far off. Sums would spread that over all bits; single blocks leave few wrong bits, which the code corrects.
- Numbers are read from the picture at half the size. Blocks of the picture itself see what scaling takes away, at their
  edges: read so, up to 27 % of the bits were wrong at half size by Lanczos, now 5 %.
- Changes follow the numbers' gradient in whole levels, so green moves first.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from csfnns.address.code import CODED, draw_distinct
from csfnns.images.io import Picture
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

STEP = 32.0
"""Distance of two points that stand for the same bit, in levels times the orthonormal DCT's unit."""
LEAST_SIDE = 64

_SIDE = 8
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2))  # vertical first
_LUMINANCE = np.array((0.299, 0.587, 0.114))
_SHARPEN = (
    0.0,
    0.035,
    0.09,
    -0.05,
)  # filters that scaled as ours, more softly (box, bilinear), more sharply (Lanczos)
_CONFIDENCE = 3.5  # largest |log-likelihood ratio|
_CLOSE = STEP / 24  # a number written this close to its point needs no further change
_ROUNDS, _BISECTIONS = 3, 16


def low_frequencies(picture: Picture, height: int, width: int) -> F64:
    """Coefficients (K, F, blocks) that addresses are read from: once per picture, for all keys of a size.

    The picture, uint8 (H, W, 3), may have another size; then there are K = 4 candidates, else one.
    """
    from PIL import Image

    plane = (picture @ _LUMINANCE).astype(np.float32)
    half = np.asarray(Image.fromarray(plane).resize((width // 2, height // 2), Image.Resampling.BICUBIC))
    planes = [half] if plane.shape == (height, width) else [_sharpened(half, a) for a in _SHARPEN]
    blocks = np.stack(planes).reshape(len(planes), height // _SIDE, _SIDE // 2, width // _SIDE, _SIDE // 2)
    waves = 2 * _waves(_SIDE // 2)[: _used(height, width)]  # a mean of four pixels has half of what they add up to
    return np.einsum("fij,kaibj->kfab", waves, blocks, optimize=True).reshape(len(planes), len(waves), -1)


class ProjectionAddress:
    """Where pictures of a size have the address of a key that survives lossy channels; sides are multiples of 8."""

    def __init__(self, key: Seed, height: int, width: int) -> None:
        if min(height, width) < LEAST_SIDE or height % _SIDE or width % _SIDE:
            raise ValueError(f"sides must be multiples of {_SIDE} from {LEAST_SIDE}, got {width}x{height}")
        self.height, self.width = height, width
        stream = key.derive(f"csfnns/2/address/projections/{width}x{height}").stream()
        blocks = height // _SIDE * (width // _SIDE)
        used = _used(height, width)
        self._blocks = np.stack([draw_distinct(stream, CODED // used, blocks) for _ in range(used)])  # (F, CODED / F)
        self._offsets = STEP * stream.uniforms(CODED).reshape(self._blocks.shape)

    def read(self, frequencies: F64) -> F64:
        """Soft bits (K, CODED) of `low_frequencies` of a picture: log P(0) / P(1), for `decode`."""
        turns = (self._at(frequencies) - self._offsets) / STEP  # (K, F, CODED / F)
        return _CONFIDENCE * np.cos(2 * np.pi * turns).reshape(len(frequencies), CODED)

    def _at(self, frequencies: F64) -> F64:
        """Numbers of the blocks that carry bits, (K, F, blocks) → (K, F, CODED / F)."""
        return np.take_along_axis(frequencies, self._blocks[None], 2)

    def write(
        self, picture: Picture, bits: U8, seed: Seed, channels: Sequence[Callable[[Picture], Picture]] = ()
    ) -> Picture:
        """Picture of this size, uint8 (H, W, 3), with the bits (CODED,), by few changes; `seed` breaks ties.

        Levels that are clipped move inward. Write into the finished stego: later changes would move the numbers again.
        `channels` are cases to prepare for: numbers are moved so that the middle of what arrives is right. It helps
        where a channel does the same to a number whatever the change: scaling, of pictures with fine texture.
        """
        rows, columns = self.height // _SIDE, self.width // _SIDE
        blocks = picture.reshape(rows, _SIDE, columns, _SIDE, 3).swapaxes(1, 2).reshape(-1, _SIDE, _SIDE, 3).copy()
        points = self._offsets + STEP / 2 * bits.reshape(self._offsets.shape)
        stream = seed.stream()
        lead = np.zeros(points.shape)
        for i in range(2 * _ROUNDS):  # a change of one block moves its neighbours' numbers a little
            picture = blocks.reshape(rows, columns, _SIDE, _SIDE, 3).swapaxes(1, 2).reshape(picture.shape)
            numbers = self._numbers(picture)[0]
            if i == _ROUNDS:
                lead = self._lead(numbers, [channel(picture) for channel in channels])
            aim = numbers + lead
            missing = points + STEP * np.round((aim - points) / STEP) - aim
            for wave, places, short in zip(_waves(_SIDE), self._blocks, missing, strict=False):
                far = np.abs(short) > _CLOSE
                own = blocks[places[far]]
                blocks[places[far]] = _moved(own, wave, short[far], stream.uniforms(own.size))
        return picture

    def _numbers(self, picture: Picture) -> F64:
        """Numbers that carry the bits, (K, F, CODED / F)."""
        return self._at(low_frequencies(picture, self.height, self.width))

    def _lead(self, numbers: F64, received: Sequence[Picture]) -> F64:
        """How far the middle of what arrives is from the numbers, (F, CODED / F): STEP / 6 at most."""
        low = high = np.zeros(numbers.shape)
        for picture in received:
            off = self._numbers(picture) - numbers
            error = min(off, key=lambda each: float(np.minimum(np.abs(each), STEP).mean()))
            low, high = np.minimum(low, error), np.maximum(high, error)
        return np.clip((low + high) / 2, -STEP / 6, STEP / 6)


def _moved(blocks: U8, wave: F64, shift: F64, dice: F64) -> U8:
    """Blocks (n, 8, 8, 3) whose luminance coefficients are about `shift` (n,) higher, by least squares in levels."""
    direction = wave[..., None] * _LUMINANCE  # (8, 8, 3)
    wanted = np.tensordot(blocks, direction, 3) + shift
    jitter = 0.4 * (dice.reshape(blocks.shape) - 0.5)  # or whole columns of a flat block would move at once
    low, high = np.full(len(blocks), -4096.0), np.full(len(blocks), 4096.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        moved = np.clip(blocks + np.round(middle[:, None, None, None] * direction + jitter), 0, 255)
        short = np.tensordot(moved, direction, 3) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return moved.astype(np.uint8)


def _sharpened(plane: F32, amount: float) -> F32:
    """Plane with each value moved away from its neighbours' mean, along both axes."""
    for axis in (0, 1):
        sides = np.pad(plane, [(1, 1) if i == axis else (0, 0) for i in (0, 1)], mode="edge")
        n = plane.shape[axis]
        around = np.take(sides, range(n), axis) + np.take(sides, range(2, n + 2), axis)
        plane = ((1 + 2 * amount) * plane - amount * around).astype(np.float32)
    return plane


def _used(height: int, width: int) -> int:
    """How many frequencies carry bits: two, or six where there are fewer blocks than two need."""
    return 2 if height // _SIDE * (width // _SIDE) >= CODED // 2 else len(_FREQUENCIES)


@cache
def _waves(side: int) -> F64:
    """Orthonormal DCT-II waves of the frequencies, (6, side, side)."""
    k = np.arange(side)
    dct = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * side)) * np.sqrt(2 / side)
    return np.stack([np.outer(dct[u], dct[v]) for u, v in _FREQUENCIES]) * np.sqrt(0.5) ** np.array(
        [(u == 0) + (v == 0) for u, v in _FREQUENCIES]
    ).reshape(-1, 1, 1)

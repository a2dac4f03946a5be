"""Fixed-point mathematics and noise in integers, from which the abstract covers are made.

Numbers are int64 with 16 fractional bits (ONE = 65536 is 1) unless stated otherwise. Products are shifted down, so they
round towards minus infinity. No result depends on a library's `sin`, `exp` or order of summation; the one
floating-point step is a square root, which IEEE 754 rounds correctly. Noise is computed in 32 bits, for speed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.stream import Seed

ONE = 1 << 16
HALF = ONE // 2

Field = npt.NDArray[np.int64]
Hash = npt.NDArray[np.uint32]

_X, _Y = 0x9E3779B1, 0x85EBCA77  # odd, so that lattice points spread over all 32 bits


class Dice:
    """The choices that a seed makes for one picture, in the order they are asked for."""

    def __init__(self, seed: Seed) -> None:
        self._stream = seed.stream()

    def below(self, bound: int) -> int:
        """Integer in 0…bound-1."""
        return int(self._stream.integers(1, bound)[0])

    def between(self, low: float, high: float) -> int:
        """Fixed-point number in low…high, both multiples of 1/65536 after rounding down."""
        first = int(low * ONE)
        return first + self.below(int(high * ONE) - first + 1)

    def salt(self) -> int:
        """32 bits that make one noise field differ from all others."""
        return int(self._stream.words(1)[0]) >> 32


def mul(a: Any, b: Any) -> Any:
    """Product of two fixed-point numbers."""
    return (a * b) >> 16


def lerp(a: Any, b: Any, t: Any) -> Any:
    """From a at t = 0 to b at t = ONE."""
    return a + (((b - a) * t) >> 16)


def clip(v: Any, low: int = 0, high: int = ONE) -> Field:
    """Clamp; faster than numpy.clip on short arrays."""
    return np.asarray(np.minimum(np.maximum(v, low), high))


def step(low: int, high: int, v: Any) -> Field:
    """Cubic ramp from 0 at `low` to ONE at `high`; falling when high < low."""
    t = clip((v - low) * (ONE * ONE // (high - low)) >> 16)
    return np.asarray(t * ((t * (3 * ONE - 2 * t)) >> 16) >> 16)


def squash(v: Any) -> Field:
    """Odd map of all numbers into (-ONE, ONE), slope 1 at 0: v / (1 + |v|)."""
    return np.asarray((v << 16) // (abs(v) + ONE))


def root(v: Any) -> Field:
    """Integer part of the square root of integers 0…2^52; root(v << 16) is the fixed-point root."""
    return np.sqrt(np.asarray(v, np.float64)).astype(np.int64)


def length(x: Any, y: Any) -> Field:
    """Distance from the origin."""
    return root(x * x + y * y)


def sine(turns: Any) -> Any:
    """Sine of a number of full turns, to 2e-4: an odd polynomial of the folded angle. Ints or arrays."""
    folded = (HALF // 2 - abs(((turns + HALF // 2) & (ONE - 1)) - HALF)) << 2
    square = (folded * folded) >> 16
    return folded * (102936 - (square * (42153 - ((square * 4764) >> 16)) >> 16)) >> 16


def cosine(turns: Any) -> Any:
    """Cosine of a number of full turns."""
    return sine(turns + HALF // 2)


def bearing(x: Field, y: Field) -> Field:
    """Direction of a point from the origin in turns, 0…ONE, to 2e-4: a polynomial of the smaller slope."""
    ax, ay = abs(x), abs(y)
    slope = (np.minimum(ax, ay) << 16) // np.maximum(np.maximum(ax, ay), 1)
    square = slope * slope >> 16
    turns = slope * (10417 - (square * (3337 - (square * (1555 - (square * 435 >> 16)) >> 16)) >> 16)) >> 16
    turns = np.where(ay > ax, ONE // 4 - turns, turns)
    turns = np.where(x < 0, HALF - turns, turns)
    return np.where(y < 0, ONE - turns, turns)


def turn(x: Any, y: Any, turns: int) -> tuple[Any, Any]:
    """Rotate the plane about the origin."""
    c, s = int(cosine(turns)), int(sine(turns))
    return (c * x - s * y) >> 16, (s * x + c * y) >> 16


def scatter(ix: Any, iy: Any, salt: int) -> Hash:
    """32 mixed bits for each lattice point (two multiply-xorshift rounds)."""
    return _mix((ix * _X + iy * _Y + salt).astype(np.uint32))


def share(bits: Hash, shift: int = 16) -> Field:
    """16 bits of a hash, as a number in 0…ONE-1."""
    return ((bits >> np.uint32(shift)) & np.uint32(0xFFFF)).astype(np.int64)


def _mix(h: Hash) -> Hash:
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    return h


def _fraction(x: Field) -> Hash:
    """Place between two lattice points, in 14 bits: products with hashes then fit into 32 bits."""
    return (x.astype(np.uint32) & np.uint32(0xFFFF)) >> np.uint32(2)


def _fade(t: Hash) -> npt.NDArray[np.int32]:
    """6t^5 - 15t^4 + 10t^3 of 14 bits, in 13: its second derivative is 0 at the lattice, as relief light needs."""
    cube = (t * t >> 14) * t >> 14
    return (cube * ((10 << 14) - (t * ((15 << 14) - 6 * t) >> 14)) >> 15).view(np.int32)


def noise(x: Field, y: Field, salt: int) -> Field:
    """Gradient noise with one lattice cell a unit: standard deviation about 0.27, hardly ever beyond ±1."""
    base = (x >> 16).astype(np.uint32) * _X + (y >> 16).astype(np.uint32) * _Y + (salt & 0xFFFFFFFF)
    fx, fy = _fraction(x), _fraction(y)
    px, py = fx.view(np.int32), fy.view(np.int32)

    def corner(step_x: int, step_y: int) -> npt.NDArray[np.int32]:
        h = _mix(base + ((step_x * _X + step_y * _Y) & 0xFFFFFFFF))
        gx, gy = (h << 16).view(np.int32) >> 16, h.view(np.int32) >> 16
        dx, dy = px - (1 << 14) if step_x else px, py - (1 << 14) if step_y else py
        return gx * dx + gy * dy >> 14

    def between(a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], t: npt.NDArray[np.int32]) -> Any:
        return a + ((b - a) * t >> 13)

    u, v = _fade(fx), _fade(fy)
    value = between(between(corner(0, 0), corner(1, 0), u), between(corner(0, 1), corner(1, 1), u), v)
    return np.asarray(value * 25 >> 3, np.int64)


def line_noise(x: Field, salt: int) -> Field:
    """Gradient noise along a line: as `noise`, of one coordinate."""
    ix, fx = x >> 16, _fraction(x)
    left = (share(scatter(ix, 0, salt)) - HALF) * fx
    right = (share(scatter(ix + 1, 0, salt)) - HALF) * (fx - np.int64(1 << 14))
    return (left + ((right - left) * _fade(fx) >> 13)) >> 12


def fbm(x: Field, y: Field, salt: int, octaves: int) -> Field:
    """Octaves of noise, each twice as fine, half as strong and turned by 37° against lattice alignment."""
    total = noise(x, y, salt)
    for k in range(1, octaves):
        x, y = (104680 * x - 78882 * y) >> 16, (78882 * x + 104680 * y) >> 16
        total = total + (noise(x, y, salt + 0x3C6EF372 * k) >> k)
    return total


def ridged(x: Field, y: Field, salt: int, octaves: int) -> Field:
    """Sharp crests, 0…about ONE: octaves of (1 - |noise|)^2, each weighted by the one before."""
    total, weight = np.zeros_like(x), np.full_like(x, ONE)
    for k in range(octaves):
        crest = clip(ONE - (abs(noise(x, y, salt + 0x3C6EF372 * k)) * 7 >> 2), 0, ONE)
        crest = mul(mul(crest, crest), weight)
        total = total + (crest >> (k + 1))
        weight = clip(crest * 2)
        x, y = (104680 * x - 78882 * y) >> 16, (78882 * x + 104680 * y) >> 16
    return total


def cells(x: Field, y: Field, salt: int, jitter: int = ONE) -> tuple[Field, Field, Hash]:
    """Distances to the nearest and second nearest of one keyed point a cell, and the nearest one's hash."""
    ix, iy = x >> 16, y >> 16
    fx, fy = x & (ONE - 1), y & (ONE - 1)
    far = np.int64(64) << 32
    first, second = np.full_like(x, far), np.full_like(x, far)
    name = np.zeros(x.shape, np.uint32)
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            h = scatter(ix + i, iy + j, salt)
            dx = i * ONE + HALF + mul(share(h, 0) - HALF, jitter) - fx
            dy = j * ONE + HALF + mul(share(h, 16) - HALF, jitter) - fy
            d = dx * dx + dy * dy
            nearer = d < first
            second = np.minimum(second, np.maximum(first, d))
            name = np.where(nearer, h, name)
            first = np.minimum(first, d)
    return root(first), root(second), name

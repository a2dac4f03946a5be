"""Secrets as spectra: the decoder's output is read as coefficients of an orthonormal transform of the picture.

    secret → fitted to the grid → minus its mean colour → opponent colours → block DCT → c
    target t = c / a, the same power in every band on average; picture = inverse(a * output) + mean

The decoder reproduces each target with about the same error n, whatever the target. The picture's error is then
n² mean(a²), and the targets' power mean(σ²/a²), with σ the standard deviation of a coefficient in its band: for a
given power the error is least for a ∝ √σ, as in analogue transmission. The bands' σ are those of this very secret and
travel in the header, so calm pictures, and calm bands of any picture, cost little perturbation.

Header bits are targets too, repeated in the places of the finest colour detail; what their outputs are off is the
receiver's measure of n, and so of the picture's quality.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from csfnns.errors import CapacityError
from csfnns.payloads.base import F32, Decoded, Target
from csfnns.payloads.header import BANDS, LEVELS, SIZE, Header
from csfnns.picture import Picture, fit, restored_shape
from csfnns.profile import Profile
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]

TARGET_STD = 1.0
"""Standard deviation τ of the targets. More drives the decoder into what it cannot follow, less wastes its range."""
REPEATS = 27
"""Most repeats of a header bit: what a channel adds must not drown it before the picture."""
SHARE = 8
"""The header takes about one place in so many, if that allows 3 repeats."""
HEADER_WEIGHT = 4.0
"""Weight of a header place, in means of the picture's. A third as many repeats are added, of weight 1: they are as exact
as the picture's places, and so tell the receiver its error."""
LEAST_WEIGHT = 2e-3  # a secret of one colour has no coefficients, but a header all the same
BAND_EDGES = (1, 2, 6, 16, 36, 81, 169)
"""Squared frequencies u² + v² at which bands 1…7 begin; band 0 is the block's mean."""

OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
"""Orthonormal brightness and two colour differences, (3, 3)."""


class SpectralCodec:
    """Secrets of any size in the coefficients of the grid of a profile `robust`."""

    def __init__(self, profile: Profile, header_seed: Seed) -> None:
        self._height, self._width = profile.secret_size
        self._seed = header_seed
        common = math.gcd(self._height, self._width)
        self._block = min(16, common & -common)
        self._places = header_places(self._height, self._width, self._block)
        self._voters, self._gauges = np.split(self._places, [-(len(self._places) // 4)])

    def encode(self, secret: Picture) -> Target:
        """Coefficient targets, header included; weights are a², so that the error is the picture's (Parseval)."""
        if max(secret.shape) >= 2**16:
            raise CapacityError("A secret's sides are at most 65535 pixels.", "Scale it down first.")
        pixels = fit(secret, self._height, self._width) / 255.0
        mean = np.rint(255 * pixels.mean((0, 1)))
        coefficients = forward(pixels - mean / 255, self._block)
        spectrum = _levels(coefficients, self._block)
        scale = _scales(spectrum, self._block)[:, None, :, None, :]
        split = _split(coefficients, self._block)
        values = _join(np.divide(split, scale, out=np.zeros_like(split), where=scale > 0))
        weights = _join(np.broadcast_to(scale**2, split.shape))

        red, green, blue = (int(m) for m in mean)
        header = Header(secret.shape[0], secret.shape[1], (red, green, blue), spectrum)
        bits = np.unpackbits(np.frombuffer(header.to_bytes(self._seed), np.uint8))
        values.flat[self._places] = TARGET_STD * (2.0 * bits - 1)
        usual = float(weights.mean())
        weights.flat[self._places] = max(HEADER_WEIGHT * usual, LEAST_WEIGHT)
        weights.flat[self._gauges] = max(usual, LEAST_WEIGHT)
        return Target(values.astype(np.float32), weights.astype(np.float32))

    def decode(self, output: F32) -> Decoded:
        """Picture as carried, and the shape that the header tells. Raises NoMessageError."""
        values = output.astype(np.float64)
        bits = values.flat[self._voters].sum(0) > 0  # of (repeats, bits)
        header = Header.from_bytes(np.packbits(bits).tobytes(), self._seed)
        gauges = values.flat[self._gauges]
        noise = float(np.mean((gauges - TARGET_STD * (2.0 * bits - 1)) ** 2))

        values.flat[self._places] = 0
        scale = _scales(header.spectrum, self._block)[:, None, :, None, :]
        error = noise * float(np.mean(np.broadcast_to(scale**2, _split(values, self._block).shape)))
        pixels = inverse(_join(_split(values, self._block) * scale), self._block)
        grid = np.rint(255 * np.clip(pixels + np.array(header.mean) / 255, 0, 1)).astype(np.uint8)
        shape = restored_shape(header.height, header.width, self._height, self._width)
        return Decoded(grid, shape, -10 * math.log10(error + 1 / (12 * 255**2)))  # rounded to levels, too


def forward(pixels: F64, block: int) -> F64:
    """Coefficients (3, H, W) of pixels (H, W, 3): frequency (u, v) of a block stands at its pixel (u, v)."""
    dct = dct_matrix(block)
    colours = np.einsum("kc,hwc->khw", OPPONENT, pixels)
    return _join(np.einsum("uy,cmynx,vx->cmunv", dct, _split(colours, block), dct, optimize=True))


def inverse(coefficients: F64, block: int) -> F64:
    """Pixels (H, W, 3) of coefficients (3, H, W)."""
    dct = dct_matrix(block)
    colours = _join(np.einsum("uy,cmunv,vx->cmynx", dct, _split(coefficients, block), dct, optimize=True))
    pixels: F64 = np.einsum("kc,khw->hwc", OPPONENT, colours)
    return pixels


@cache
def dct_matrix(n: int) -> F64:
    """Orthonormal DCT-II, rows are frequencies, (n, n)."""
    k = np.arange(n)
    matrix = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * n)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


def header_places(height: int, width: int, block: int) -> npt.NDArray[np.int64]:
    """Flat places of the header's bits in (3, H, W), (repeats, bits): the highest frequencies, colour first."""
    bits = 8 * SIZE
    places = 3 * height * width
    repeats = min(REPEATS, max(3, places // (SHARE * bits) | 1))
    repeats += repeats // 3
    if 2 * bits * repeats > places:
        raise CapacityError(f"A grid of {width}x{height} is too small for the header.", "Use a larger cover.")
    u = np.arange(block)
    frequency = np.tile(u[:, None] ** 2 + u[None] ** 2, (height // block, width // block))
    rank = np.stack([frequency - 4 * block**2, frequency, frequency])
    return np.argsort(-rank, axis=None, kind="stable")[: bits * repeats].reshape(repeats, bits)


def _bands(block: int) -> npt.NDArray[np.int64]:
    """Band of each frequency, (block, block)."""
    u = np.arange(block)
    return np.searchsorted(BAND_EDGES, u[:, None] ** 2 + u[None] ** 2, side="right")


def _levels(coefficients: F64, block: int) -> npt.NDArray[np.int64]:
    """Level of each band's root mean square: half octaves below 2^3.5; the last level is an empty band."""
    power = (_split(coefficients, block) ** 2).mean((1, 3))  # (3, block, block)
    bands = _bands(block)
    levels = np.full((3, BANDS), LEVELS - 1)
    for band in range(bands.max() + 1):
        deviation = np.sqrt(power[:, bands == band].mean(1))
        levels[:, band] = np.clip(np.rint(2 * (3.5 - np.log2(deviation + 1e-9))), 0, LEVELS - 1)
    return levels


def _scales(levels: npt.NDArray[np.int64], block: int) -> F64:
    """Weight a of each frequency, (3, block, block): ∝ √σ, such that targets have that standard deviation."""
    deviation = np.where(levels < LEVELS - 1, 2.0 ** (3.5 - levels / 2), 0)[:, _bands(block)]
    scales: F64 = np.sqrt(deviation * deviation.mean()) / TARGET_STD
    return scales


def _split(coefficients: F64, block: int) -> F64:
    """(3, H, W) → (3, H/block, block, W/block, block)."""
    c, height, width = coefficients.shape
    return coefficients.reshape(c, height // block, block, width // block, block)


def _join(blocks: F64) -> F64:
    """(3, M, block, N, block) → (3, M * block, N * block)."""
    c, m, block, n, _ = blocks.shape
    return np.ascontiguousarray(blocks).reshape(c, m * block, n * block)

"""Secrets as spectra: the decoder's output is the coefficients of an orthonormal transform of the picture.

    secret → fitted to the grid → minus its mean colour → opponent colours → block DCT → c
    target t = c / a, the same power in every band on average; picture = inverse(a * output) + mean

The decoder reproduces each target with about the same error n, whatever the target. The picture's error is then
n² mean(a²), and the targets' power mean(σ²/a²), with σ the standard deviation of a coefficient in its band: for a
given power the error is least for a ∝ √σ, as in analogue transmission. The bands' σ are those of this very secret and
travel in the header, so calm pictures, and calm bands of any picture, cost little perturbation.

Header bits are targets, too, repeated at the frequencies of the finest colour detail; from the error of their outputs the
receiver estimates n, and so the picture's quality.
"""

import math

import numpy as np
import numpy.typing as npt

from csfnns.errors import CapacityError
from csfnns.images.io import Picture, fit, restored_shape
from csfnns.payloads.base import F32, Decoded, Target
from csfnns.payloads.header import LEVELS, SIZE, Header
from csfnns.payloads.transform import BANDS, OPPONENT, bands_of_frequencies, dct_matrix
from csfnns.profile import Profile
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]

TARGET_STD = 1.0
"""Standard deviation τ of the targets. The decoder cannot reach larger ones, and smaller ones waste its range."""
REPEATS = 27
"""Most repeats of a header bit: a channel must not destroy it before the picture."""
SHARE = 8
"""The header takes about one coefficient in this many, if that allows 3 repeats."""
HEADER_WEIGHT = 4.0
"""Weight of a header bit, relative to the picture's mean. A third as many repeats are added with weight 1: they are as
exact as the picture's coefficients, so the receiver estimates the error from them."""
LEAST_WEIGHT = 2e-3  # for secrets of one colour, which have a header but no coefficients


class SpectralCodec:
    """Secrets of any size in the coefficients of the grid of a profile `robust`."""

    def __init__(self, profile: Profile, header_seed: Seed) -> None:
        self._height, self._width = profile.secret_size
        self._seed = header_seed
        common = math.gcd(self._height, self._width)
        self._block = min(16, common & -common)
        self._places = header_places(self._height, self._width, self._block)
        self._voters, self._gauges = np.split(self._places, [-(len(self._places) // 4)])

    def encode(self, secret: Picture, sent: int = 0) -> Target:
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
        header = Header(secret.shape[0], secret.shape[1], (red, green, blue), spectrum, sent)
        bits = np.unpackbits(np.frombuffer(header.to_bytes(self._seed), np.uint8))
        values.flat[self._places] = TARGET_STD * (2.0 * bits - 1)
        usual = float(weights.mean())
        weights.flat[self._places] = max(HEADER_WEIGHT * usual, LEAST_WEIGHT)
        weights.flat[self._gauges] = max(usual, LEAST_WEIGHT)
        return Target(values.astype(np.float32), weights.astype(np.float32))

    def decode(self, output: F32) -> Decoded:
        """Picture as transmitted, and the shape in the header. Raises NoMessageError."""
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
        expected = -10 * math.log10(error + 1 / (12 * 255**2))  # with the rounding to levels
        return Decoded(grid, shape, expected, sent=header.sent)


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


def header_places(height: int, width: int, block: int) -> npt.NDArray[np.int64]:
    """Flat indices of the header's bits in (3, H, W), (repeats, bits): the highest frequencies, colour first."""
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


def _levels(coefficients: F64, block: int) -> npt.NDArray[np.int64]:
    """Level of each band's root mean square: half octaves below 2^3.5; the last level is an empty band."""
    power = (_split(coefficients, block) ** 2).mean((1, 3))  # (3, block, block)
    bands = bands_of_frequencies(block)
    levels = np.full((3, BANDS), LEVELS - 1)
    for band in range(bands.max() + 1):
        deviation = np.sqrt(power[:, bands == band].mean(1))
        levels[:, band] = np.clip(np.rint(2 * (3.5 - np.log2(deviation + 1e-9))), 0, LEVELS - 1)
    return levels


def _scales(levels: npt.NDArray[np.int64], block: int) -> F64:
    """Weight a of each frequency, (3, block, block): ∝ √σ, such that the targets have that standard deviation."""
    deviation = np.where(levels < LEVELS - 1, 2.0 ** (3.5 - levels / 2), 0)[:, bands_of_frequencies(block)]
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

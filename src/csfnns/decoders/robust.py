"""The decoder `robust`, for stegos that are compressed, scaled or made noisy on their way.

    δ ─ tiles ─ luminance ─ DCT of 8x8 blocks ─ u + v < 7, in steps of JPEG's table ─ keyed permutation ─┐
                                                                                  (28, h/8, w/8)         │
        ┌────────────────────────────────────────────────────────────────────────────────────────────────┘
        └─ matrix ─ LeakyReLU ─ instance norm ─ matrix ─ keyed permutation ─ Hadamard ─ signs ─ keyed places
          (48 x 28)                            (12 x 48)

Each part was chosen by measurement (docs/research.md):

- Channels preserve the low frequencies of the luminance best. In steps of JPEG's table, what a channel adds is about as
  strong in each frequency, so the orthonormal mixing afterwards weighs them well.
- Chrominance is ignored: most programs that write JPEG halve its resolution.
- The numbers of a tile are permuted first, and permuted numbers have no neighbours: both layers are matrices that all
  positions share. Orthogonal weights and a steep LeakyReLU keep the map well conditioned.
- The outputs are coefficients of an orthonormal transform of the secret (payloads/spectral.py), each a sum of many
  numbers with keyed signs at keyed positions, so the perturbation is equally strong everywhere, whatever the secret is.
- Tiles of at most 512x512 decode on their own: time a pixel and memory do not grow with the picture.

This module decodes in NumPy. _robust_torch.py is the same network for the search, made of the same arrays.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from csfnns.decoders.initialise import INSTANCE_NORM_EPSILON, draw_weights
from csfnns.images.jpeg_file import LUMINANCE_STEPS
from csfnns.profile import GRID, Profile
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

TILE = 512
"""Largest side of a tile, in pixels."""
BLOCK = 4096
"""Most numbers that one Hadamard transform mixes."""
SLOPE = 0.5
SIDE = 8
BELOW = 7
"""Frequencies (u, v) with u + v below this are used: 28 of 64."""
FREQUENCIES = 28
OUTPUTS = 12
"""Outputs of a block of 8x8 pixels, at 1.5 bpp."""
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Tile:
    """A part of the picture that decodes on its own."""

    rows: slice
    columns: slice
    """Where it is in δ."""
    gather: I64
    """Permutation of its frequencies: input i of the network is number gather[i] of the spectrum."""
    spread: I64
    """Permutation of the network's outputs before the Hadamard transform, likewise."""
    signs: npt.NDArray[np.int8]
    """Signs of the transform's results, (n,)."""
    indices: I64
    """Flat indices of the n results in the decoder's output."""


class RobustNetwork:
    """The decoder of a profile `robust`, grown from a seed."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        self._seed = seed
        self.shape = (3, *profile.secret_size)
        self._windows = list(product(cuts(profile.height), cuts(profile.width)))
        sides = ((profile.channels, FREQUENCIES), (OUTPUTS, profile.channels))
        self.first, self.second = (
            draw_weights(seed, i, profile.weights, out, fan_in, out, SLOPE) for i, (out, fan_in) in enumerate(sides)
        )
        """Matrices of both layers, (channels, 28) and (12, channels)."""

    def tiles(self) -> Iterator[Tile]:
        """Tiles of the picture, row by row, each grown when it is needed."""
        indices = self._seed.derive("csfnns/2/places").stream().permutation(math.prod(self.shape))
        done = 0
        for i, (rows, columns) in enumerate(self._windows):
            blocks = (rows.stop - rows.start) * (columns.stop - columns.start) // SIDE**2
            stream = self._seed.derive(f"csfnns/2/tile/{i}").stream()
            n = OUTPUTS * blocks
            gather, spread = stream.permutation(FREQUENCIES * blocks), stream.permutation(n)
            yield Tile(rows, columns, gather, spread, stream.signs(n), indices[done : done + n])
            done += n

    def decode(self, delta: F64) -> F64:
        """δ in [-1, 1], (3, Hc, Wc) → coefficients (3, Hs, Ws), in the order of the codec; 0 for δ = 0."""
        output = np.empty(math.prod(self.shape))
        for tile in self.tiles():
            output[tile.indices] = self._decode_tile(tile, delta[:, tile.rows, tile.columns])
        return output.reshape(self.shape)

    def _decode_tile(self, tile: Tile, delta: F64) -> F64:
        mixed = spectrum(delta).reshape(-1)[tile.gather].reshape(FREQUENCIES, -1)
        x = self.first @ mixed
        x = np.where(x < 0, SLOPE * x, x)
        x -= x.mean(1, keepdims=True)
        x /= np.sqrt(np.square(x).mean(1, keepdims=True) + INSTANCE_NORM_EPSILON)
        return mix((self.second @ x).reshape(-1), tile.spread, tile.signs)


def cuts(side: int) -> list[slice]:
    """Cut a side into as few parts as possible of at most 512 pixels, about equal and multiples of 16."""
    count = -(-side // TILE)
    edges = [side // GRID * i // count * GRID for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def spectrum(delta: F64) -> F64:
    """Low frequencies of the luminance of 8x8 blocks, in JPEG's steps: (3, h, w) → (28, h/8, w/8)."""
    _, height, width = delta.shape
    luminance = np.tensordot(LUMINANCE, delta, 1).reshape(height // SIDE, SIDE, width // SIDE, SIDE)
    found: F64 = np.tensordot(basis(), luminance, ((1, 2), (1, 3)))
    return found


@cache
def basis() -> F64:
    """Rows of the orthonormal DCT-II of 255 times a block, over the steps: (28, 8, 8)."""
    k = np.arange(SIDE)
    dct = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    dct[0] /= np.sqrt(2)
    u, v = np.nonzero(k[:, None] + k[None] < BELOW)
    gains = 255 / np.array(LUMINANCE_STEPS)[u, v]
    waves: F64 = gains[:, None, None] * dct[u, :, None] * dct[v, None, :]
    return waves


def mix(numbers: F64, order: I64, signs: npt.NDArray[np.int8]) -> F64:
    """Keyed orthonormal mixing of numbers (n,): permutation, Hadamard transform of blocks, signs."""
    left, right = (hadamard(side) for side in hadamard_sides(len(numbers)))
    blocks = numbers[order].reshape(-1, len(left), len(right))
    mixed: F64 = (left @ blocks @ right).reshape(-1) * signs
    return mixed


def hadamard_sides(n: int) -> tuple[int, int]:
    """Sides of the two Hadamard matrices whose Kronecker product mixes blocks of n numbers.

    A block has the largest power of two that divides n, at most 4096.
    """
    block = min(n & -n, BLOCK)
    left = 2 ** (block.bit_length() // 2)
    return left, block // left


@cache
def hadamard(n: int) -> F64:
    """Orthonormal Walsh–Hadamard matrix (n, n), n a power of two (Sylvester's construction)."""
    matrix = np.ones((1, 1))
    while len(matrix) < n:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / math.sqrt(n)

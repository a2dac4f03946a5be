"""Our decoder: a shallow random network whose outputs, spread and interleaved by the key, are spectral coefficients.

    δ ─ tiles ─ PixelUnshuffle(4) ─ Conv1x1 ─ LeakyReLU ─ InstanceNorm ─ Conv3x3 ─ PixelShuffle ─┐
                (48, h/4, w/4)                                          (12 at 6 bpp)            │
    coefficients ─ keyed places over all tiles ─ keyed signs ─ Hadamard ─ keyed permutation ─────┘

Why each part is there is measured in docs/research.md:

- Orthogonal weights and a steep LeakyReLU keep the map from δ to the coefficients well conditioned, so that a
  search of few steps on the integer grid finds small perturbations; in the 3x3 kernel neighbours share the work.
- The outputs are not pixels but coefficients of an orthonormal transform of the secret (payloads/spectral.py).
- Every coefficient is a sum of many outputs with keyed signs at keyed places, so the perturbation is
  equally strong everywhere, whatever the secret shows and wherever it shows it.
- Tiles of at most 512x512 decode on their own: time a pixel and memory do not grow with the picture.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor, nn

from csfnns.decoders.base import Decoder, InstanceNorm, Part
from csfnns.decoders.initialise import initialise
from csfnns.profile import GRID, Profile
from csfnns.stream import Seed

SLOPE = 0.5
UNSHUFFLE = 4
SHUFFLE = {"24": 4, "6": 2, "1.5": 1}
TILE = 512
BLOCK = 4096


class SpectralDecoder(Decoder):
    """δ (N, 3, Hc, Wc) → coefficients (N, 3, Hs, Ws), in the order of the codec."""

    places: Tensor

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__()
        r = SHUFFLE[profile.bpp]
        self.network = nn.Sequential(
            nn.PixelUnshuffle(UNSHUFFLE),  # (N, 48, h/4, w/4)
            nn.Conv2d(3 * UNSHUFFLE**2, profile.channels, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            InstanceNorm(),
            nn.Conv2d(profile.channels, 3 * r**2, 3, padding=1, bias=False),
            nn.PixelShuffle(r),  # (N, 3, hs, ws)
            nn.Flatten(),
        )
        initialise(self.network, seed, profile.weights, slope=SLOPE)
        self._shape = (3, *profile.secret_size)
        ratio = profile.height // profile.secret_size[0]
        self._windows = list(product(cuts(profile.height), cuts(profile.width)))
        self.tiles = nn.ModuleList(
            nn.Sequential(
                self.network, Spread(3 * _area(window) // ratio**2, seed.derive(f"csfnns/1/tile/{i}"))
            )
            for i, window in enumerate(self._windows)
        )
        order = seed.derive("csfnns/1/places").stream().permutation(math.prod(self._shape))
        self.register_buffer("places", torch.from_numpy(order))

    def forward(self, delta: Tensor) -> Tensor:
        """Coefficients of about unit variance. Of δ = 0 they are 0."""
        outputs = [part.decoder(delta[:, :, part.rows, part.columns]) for part in self.parts()]
        mixed = torch.cat(outputs, 1)
        return torch.empty_like(mixed).index_copy(1, self.places, mixed).reshape(-1, *self._shape)

    def parts(self) -> Sequence[Part]:
        """Return the tiles, row by row."""
        sizes = [tile[1].n for tile in self.tiles]  # type: ignore[index]
        places = torch.split(self.places, sizes)
        windows = zip(self._windows, self.tiles, places, strict=True)
        return [Part(rows, columns, tile, there) for (rows, columns), tile, there in windows]


def cuts(side: int) -> list[slice]:
    """Cut a side into as few parts as possible of at most 512 pixels, about equal and multiples of 16."""
    count = -(-side // TILE)
    edges = [side // GRID * i // count * GRID for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _area(window: tuple[slice, slice]) -> int:
    rows, columns = window
    return int((rows.stop - rows.start) * (columns.stop - columns.start))


class Spread(nn.Module):
    """Keyed orthonormal mixing of n numbers: permutation, Hadamard transform of blocks, signs.

    The block is the largest power of two that divides n, at most 4096, so each result mixes up to 4096 numbers.
    """

    order: Tensor
    inverse: Tensor
    signs: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, n: int, seed: Seed) -> None:
        super().__init__()
        self.n = n
        stream = seed.stream()
        block = min(n & -n, BLOCK)
        side = 2 ** (block.bit_length() // 2)
        self._blocks = (-1, side, block // side)
        self.register_buffer("order", torch.from_numpy(stream.permutation(n)))
        self.register_buffer("inverse", torch.argsort(self.order))
        self.register_buffer("signs", torch.from_numpy(stream.signs(n)).float())
        self.register_buffer("left", hadamard(side))
        self.register_buffer("right", hadamard(block // side))

    def forward(self, x: Tensor) -> Tensor:
        """(N, n) → (N, n), length preserved; float32 or wider."""
        wide = x if x.dtype == torch.float64 else x.float()
        return _Orthonormal.apply(wide, self.mix, self.unmix)  # type: ignore[no-untyped-call]

    def mix(self, x: Tensor) -> Tensor:
        """Mix: the map itself, without a gradient."""
        return self._hadamard(x[:, self.order]) * self.signs

    def unmix(self, y: Tensor) -> Tensor:
        """Undo `mix`: inverse and transpose at once."""
        return self._hadamard(y * self.signs)[:, self.inverse]

    def _hadamard(self, x: Tensor) -> Tensor:
        """Transform of the Kronecker product: rows and columns of each block, laid out as a matrix."""
        with torch.autocast(x.device.type, enabled=False):
            return (self.left @ (x.reshape(len(x), *self._blocks) @ self.right)).flatten(1)


class _Orthonormal(torch.autograd.Function):
    """An orthonormal map, whose gradient is its inverse: a gather instead of torch's slow scatter."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mix: Callable[[Tensor], Tensor], unmix: Callable[[Tensor], Tensor]
    ) -> Tensor:
        ctx.unmix = unmix
        return mix(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.unmix(gradients[0]), None, None


def hadamard(n: int) -> Tensor:
    """Orthonormal Walsh–Hadamard matrix (n, n), n a power of two (Sylvester's construction)."""
    matrix = torch.ones(1, 1)
    while len(matrix) < n:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / math.sqrt(n)

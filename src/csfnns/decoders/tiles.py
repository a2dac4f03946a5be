"""What our decoders share: tiles that decode on their own, and keyed orthonormal mixing inside and between them."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from csfnns.decoders.base import Decoder, Part
from csfnns.profile import GRID, Profile
from csfnns.stream import Seed, Stream

TILE = 512
BLOCK = 4096


class TiledDecoder(Decoder):
    """δ (N, 3, Hc, Wc) → coefficients (N, 3, Hs, Ws), tile by tile, each tile's outputs at keyed places.

    `grow(stream, height, width)` makes the network of a tile, which ends with `Spread`.
    """

    places: Tensor

    def __init__(
        self, profile: Profile, seed: Seed, grow: Callable[[Stream, int, int], nn.Sequential]
    ) -> None:
        super().__init__()
        self._shape = (3, *profile.secret_size)
        self._windows = list(product(cuts(profile.height), cuts(profile.width)))
        self.tiles = nn.ModuleList(
            grow(
                seed.derive(f"csfnns/1/tile/{i}").stream(),
                rows.stop - rows.start,
                columns.stop - columns.start,
            )
            for i, (rows, columns) in enumerate(self._windows)
        )
        order = seed.derive("csfnns/1/places").stream().permutation(math.prod(self._shape))
        self.register_buffer("places", torch.from_numpy(order))

    def forward(self, delta: Tensor) -> Tensor:
        """Return the coefficients; of δ = 0 they are 0."""
        outputs = [part.decoder(delta[:, :, part.rows, part.columns]) for part in self.parts()]
        mixed = torch.cat(outputs, 1)
        return torch.empty_like(mixed).index_copy(1, self.places, mixed).reshape(-1, *self._shape)

    def parts(self) -> Sequence[Part]:
        """Return the tiles, row by row."""
        sizes = [tile[-1].n for tile in self.tiles]  # type: ignore[index]
        places = torch.split(self.places, sizes)
        windows = zip(self._windows, self.tiles, places, strict=True)
        return [Part(rows, columns, tile, there) for (rows, columns), tile, there in windows]


def cuts(side: int) -> list[slice]:
    """Cut a side into as few parts as possible of at most 512 pixels, about equal and multiples of 16."""
    count = -(-side // TILE)
    edges = [side // GRID * i // count * GRID for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


class Interleave(nn.Module):
    """Keyed permutation of a tile's numbers: (N, ...) → (N, channels, height, width)."""

    order: Tensor
    inverse: Tensor

    def __init__(self, channels: int, height: int, width: int, stream: Stream) -> None:
        super().__init__()
        self._shape = (channels, height, width)
        _register_order(self, stream.permutation(channels * height * width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same numbers at other places."""
        mixed = _Orthonormal.apply(x.flatten(1), self._mix, self._unmix)  # type: ignore[no-untyped-call]
        return mixed.reshape(-1, *self._shape)

    def _mix(self, x: Tensor) -> Tensor:
        return x.index_select(1, self.order)

    def _unmix(self, y: Tensor) -> Tensor:
        return y.index_select(1, self.inverse)


class Spread(nn.Module):
    """Keyed orthonormal mixing of n numbers: permutation, Hadamard transform of blocks, signs.

    The block is the largest power of two that divides n, at most 4096, so each result mixes up to 4096 numbers.
    """

    order: Tensor
    inverse: Tensor
    signs: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, n: int, stream: Stream) -> None:
        super().__init__()
        self.n = n
        block = min(n & -n, BLOCK)
        side = 2 ** (block.bit_length() // 2)
        self._blocks = (-1, side, block // side)
        _register_order(self, stream.permutation(n))
        self.register_buffer("signs", torch.from_numpy(stream.signs(n)).float())
        self.register_buffer("left", hadamard(side))
        self.register_buffer("right", hadamard(block // side))

    def forward(self, x: Tensor) -> Tensor:
        """(N, n) → (N, n), length preserved; float32 or wider."""
        wide = x if x.dtype == torch.float64 else x.float()
        return _Orthonormal.apply(wide, self.mix, self.unmix)  # type: ignore[no-untyped-call]

    def mix(self, x: Tensor) -> Tensor:
        """Mix: the map itself, without a gradient."""
        return self._hadamard(x.index_select(1, self.order)) * self.signs

    def unmix(self, y: Tensor) -> Tensor:
        """Undo `mix`: inverse and transpose at once."""
        return self._hadamard(y * self.signs).index_select(1, self.inverse)

    def _hadamard(self, x: Tensor) -> Tensor:
        """Transform of the Kronecker product: rows and columns of each block, laid out as a matrix."""
        with torch.autocast(x.device.type, enabled=False):
            return (self.left @ (x.reshape(len(x), *self._blocks) @ self.right)).flatten(1)


def _register_order(module: nn.Module, permutation: npt.NDArray[np.int64]) -> None:
    """Buffers `order` and its `inverse`, as int32: half the memory to read at every step."""
    inverse = np.empty(len(permutation), np.int32)
    inverse[permutation] = np.arange(len(permutation), dtype=np.int32)
    module.register_buffer("order", torch.from_numpy(permutation.astype(np.int32)))
    module.register_buffer("inverse", torch.from_numpy(inverse))


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

"""The decoder of robust.py in torch, with gradients for the search."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from csfnns.decoders import robust
from csfnns.decoders.base import Decoder, InstanceNorm, Part
from csfnns.profile import Profile
from csfnns.stream import Seed


class RobustDecoder(Decoder):
    """δ (N, 3, Hc, Wc) → coefficients (N, 3, Hs, Ws), tile by tile."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__()
        network = robust.RobustNetwork(profile, seed)
        self._shape = network.shape
        tiles = list(network.tiles())
        self.tiles = nn.ModuleList(TileDecoder(network, tile) for tile in tiles)
        self._windows = [(tile.rows, tile.columns) for tile in tiles]
        self._indices = [torch.from_numpy(tile.indices) for tile in tiles]

    def forward(self, delta: Tensor) -> Tensor:
        """Return the coefficients; 0 for δ = 0."""
        outputs = [part.decoder(delta[:, :, part.rows, part.columns]) for part in self.parts()]
        mixed = torch.cat(outputs, 1)
        indices = torch.cat(self._indices).to(delta.device)
        return torch.empty_like(mixed).index_copy(1, indices, mixed).reshape(-1, *self._shape)

    def parts(self) -> Sequence[Part]:
        """Return the tiles, row by row."""
        every = zip(self._windows, self.tiles, self._indices, strict=True)
        return [Part(*window, tile, indices) for window, tile, indices in every]


class TileDecoder(nn.Module):
    """One tile: δ (N, 3, h, w) → its coefficients in keyed order, (N, n), float32 or wider."""

    waves: Tensor
    first: Tensor
    second: Tensor
    gather: Tensor
    gather_back: Tensor
    spread: Tensor
    spread_back: Tensor
    signs: Tensor
    left: Tensor
    right: Tensor

    def __init__(self, network: robust.RobustNetwork, tile: robust.Tile) -> None:
        super().__init__()
        left, right = map(robust.hadamard, robust.hadamard_sides(len(tile.signs)))
        waves = np.einsum("c,fyx->fcyx", robust.LUMINANCE, robust.basis())
        numbers = {"waves": waves, "first": network.first, "second": network.second}
        numbers |= {"left": left, "right": right, "signs": tile.signs}
        for name, array in numbers.items():
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)))
        for name, order in (("gather", tile.gather), ("spread", tile.spread)):
            # int32 halves the memory read at every step.
            self.register_buffer(name, torch.from_numpy(order.astype(np.int32)))
            self.register_buffer(f"{name}_back", torch.from_numpy(_inverse(order)))
        self.norm = InstanceNorm()

    def forward(self, delta: Tensor) -> Tensor:
        """Return the coefficients; 0 for δ = 0."""
        spectrum = functional.conv2d(delta, self.waves, stride=robust.SIDE)
        mixed = _permute(spectrum.flatten(1), self.gather, self.gather_back)
        x = mixed.reshape(len(delta), robust.FREQUENCIES, -1)
        x = self.norm(functional.leaky_relu(self.first @ x, robust.SLOPE)[..., None])[..., 0]
        numbers = _permute((self.second @ x).flatten(1), self.spread, self.spread_back)
        wide = numbers if numbers.dtype == torch.float64 else numbers.float()
        with torch.autocast(delta.device.type, enabled=False):
            blocks = wide.reshape(len(delta), -1, len(self.left), len(self.right))
            return (self.left @ (blocks @ self.right)).flatten(1) * self.signs


def _inverse(order: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    inverse = np.empty(len(order), np.int32)
    inverse[order] = np.arange(len(order), dtype=np.int32)
    return inverse


def _permute(x: Tensor, order: Tensor, back: Tensor) -> Tensor:
    """Numbers (N, n) in another order."""
    permuted: Tensor = _Permutation.apply(x, order, back)  # type: ignore[no-untyped-call]
    return permuted


class _Permutation(torch.autograd.Function):
    """A permutation whose gradient is its inverse: a gather instead of torch's slow scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.back = back
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0].index_select(1, ctx.back), None, None

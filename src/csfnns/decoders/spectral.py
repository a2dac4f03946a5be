"""Our decoder: a shallow random network whose outputs, interleaved and spread by the key, are spectral coefficients.

    δ ─ PixelUnshuffle(4) ─ Conv1x1 ─ LeakyReLU ─ InstanceNorm ─ Conv3x3 ─ PixelShuffle ─ permute ─ Hadamard ─ signs
      (48, H/4, W/4)                                            (12 at 6 bpp)                      ─ permute ─→ coefficients

Why each part is there is measured in docs/research.md:

- Orthogonal weights and a steep LeakyReLU keep the map from δ to the coefficients well conditioned, so that a
  search with few steps on the integer grid finds small perturbations; the 3x3 kernel lets neighbours share the work.
- The outputs are not pixels but coefficients of an orthonormal transform of the secret (payloads/spectral.py).
- Every coefficient is a sum of many outputs with keyed signs at keyed places, so the perturbation is
  equally strong everywhere, whatever the secret shows and wherever it shows it.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from csfnns.decoders.base import Decoder, InstanceNorm
from csfnns.decoders.initialise import initialise
from csfnns.profile import Profile
from csfnns.stream import Seed

SLOPE = 0.5
UNSHUFFLE = 4
SHUFFLE = {"24": 4, "6": 2, "1.5": 1}


class SpectralDecoder(Decoder):
    """δ (N, 3, Hc, Wc) → coefficients of about unit variance, (N, 3, Hs, Ws), in the order of the codec."""

    def __init__(self, profile: Profile, seed: Seed) -> None:
        super().__init__()
        r = SHUFFLE[profile.bpp]
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(UNSHUFFLE),  # (N, 48, Hc/4, Wc/4)
            nn.Conv2d(3 * UNSHUFFLE**2, profile.channels, 1, bias=False),
            nn.LeakyReLU(SLOPE),
            InstanceNorm(),
            nn.Conv2d(profile.channels, 3 * r**2, 3, padding=1, bias=False),
            nn.PixelShuffle(r),  # (N, 3, Hs, Ws)
        )
        initialise(self, seed, profile.weights, slope=SLOPE)
        height, width = profile.secret_size
        self.spread = Spread(3 * height * width, seed)

    def forward(self, delta: Tensor) -> Tensor:
        """Return the coefficients. Raises nothing; δ = 0 gives zeros."""
        outputs = self.layers(delta)
        return self.spread(outputs.float().flatten(1)).reshape(outputs.shape)


class Spread(nn.Module):
    """Keyed orthonormal mixing of n numbers: permutation, Hadamard transform of blocks, signs, permutation.

    The block is the largest power of two that divides n, at most 4096, so each result mixes up to 4096 numbers.
    """

    first: Tensor
    second: Tensor
    signs: Tensor
    left: Tensor
    right: Tensor
    first_inverse: Tensor
    second_inverse: Tensor

    def __init__(self, n: int, seed: Seed) -> None:
        super().__init__()
        stream = seed.derive("csfnns/1/spread").stream()
        block = min(n & -n, 4096)
        side = 2 ** (block.bit_length() // 2)
        self.shape = (-1, side, block // side)
        self.register_buffer("first", torch.from_numpy(stream.permutation(n)))
        self.register_buffer("signs", torch.from_numpy(stream.signs(n)).float())
        self.register_buffer("second", torch.from_numpy(stream.permutation(n)))
        self.register_buffer("left", hadamard(side))
        self.register_buffer("right", hadamard(block // side))
        self.register_buffer("first_inverse", torch.argsort(self.first))
        self.register_buffer("second_inverse", torch.argsort(self.second))

    def forward(self, x: Tensor) -> Tensor:
        """(N, n) → (N, n), length preserved."""
        return _Orthonormal.apply(x, self.mix, self.unmix)  # type: ignore[no-untyped-call]

    def mix(self, x: Tensor) -> Tensor:
        """Mix: the map itself, without a gradient."""
        return (self._hadamard(x[:, self.first]) * self.signs)[:, self.second]

    def unmix(self, y: Tensor) -> Tensor:
        """Undo `mix`: inverse and transpose at once."""
        return self._hadamard(y[:, self.second_inverse] * self.signs)[:, self.first_inverse]

    def _hadamard(self, x: Tensor) -> Tensor:
        """Transform of the Kronecker product: rows and columns of each block, laid out as a matrix."""
        return (self.left @ (x.reshape(len(x), *self.shape) @ self.right)).flatten(1)


class _Orthonormal(torch.autograd.Function):
    """An orthonormal map, whose gradient is its inverse: a gather instead of torch's slow scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mix: Any, unmix: Any) -> Tensor:
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

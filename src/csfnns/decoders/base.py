"""Interface of decoders in torch, and the layer that they share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csfnns.decoders.initialise import INSTANCE_NORM_EPSILON


class Decoder(nn.Module, ABC):
    """Fixed random network, grown from a key and never trained.

    δ in [-1, 1], (N, 3, Hc, Wc) → output (N, 3, Hs, Ws): a picture in [0, 1], or the coefficients of one.
    """

    @abstractmethod
    def forward(self, delta: Tensor) -> Tensor:
        """Decode δ."""

    def parts(self) -> "Sequence[Part]":
        """Parts that can be searched one after another, so that memory does not grow with the picture."""
        whole = slice(None)
        return [Part(whole, whole, self, None)]


@dataclass(frozen=True)
class Part:
    """A part of the picture that decodes on its own."""

    rows: slice
    columns: slice
    """Where it is in δ."""
    decoder: nn.Module
    """δ of the part (N, 3, h, w) → its outputs, which flatten to (N, n)."""
    indices: Tensor | None
    """Flat indices of these outputs in the decoder's output, (n,) int64; None for all of them in order."""


class Together(nn.Module):
    """Decoders of several pictures: the i-th decodes the i-th δ."""

    def __init__(self, decoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.decoders = nn.ModuleList(decoders)

    def forward(self, delta: Tensor) -> Tensor:
        """δ (N, 3, H, W) → outputs (N, n)."""
        outputs = [decoder(delta[i : i + 1]).flatten(1) for i, decoder in enumerate(self.decoders)]
        return torch.cat(outputs)


class InstanceNorm(nn.Module):
    """Instance normalisation without affine parameters: each channel of each picture to mean 0 and variance 1.

    torch's own returns a wrong input gradient after a convolution in channels_last on the CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W), float32 or wider whatever the precision of x."""
        x = x if x.dtype == torch.float64 else x.float()
        centred = x - x.mean((2, 3), keepdim=True)
        variance = centred.square().mean((2, 3), keepdim=True)
        return centred * torch.rsqrt(variance + INSTANCE_NORM_EPSILON)

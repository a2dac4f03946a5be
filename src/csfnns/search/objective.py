"""The objective of the search: terms with weights and shares of the steps (Eq. 3, 6, 10), and channels in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from csfnns.images.io import Picture
from csfnns.search.box import LEVELS
from csfnns.search.channel import Channel, perturbation
from csfnns.stream import Seed


@dataclass(frozen=True)
class SearchState:
    """Input of the terms."""

    cover: Tensor
    """(N, 3, H, W) in [0, 1]."""
    delta: Tensor
    """Difference of stego and cover, (N, 3, H, W) in [-1, 1], with the graph of the search's variable."""
    received: Tensor | None = None
    """δ as receivers see it after the channel; None where there is no channel."""


class Term(Protocol):
    """One loss: unweighted values (N,), so that the batch size never rescales a gradient."""

    def __call__(self, state: SearchState) -> Tensor:
        """Return values (N,)."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A term with its weight, active from `start` until before `stop`, both as shares of all steps."""

    term: Term
    weight: float
    start: float = 0.0
    stop: float = float("inf")
    grows: bool = False
    """Whether the weight grows during the search (`Search.growth`), as that of recovery terms does."""

    def active(self, progress: float) -> bool:
        """Return whether the term is active at this share of the steps."""
        return self.start <= progress < self.stop


class Distortion:
    """Mean square of δ: the first term of Eq. 3, as the authors' code has it; on request, of δ after the channel."""

    def __init__(self, *, received: bool = False) -> None:
        self.received = received

    def __call__(self, state: SearchState) -> Tensor:
        """Return the mean of δ², (N,)."""
        delta = state.received if self.received and state.received is not None else state.delta
        return delta.square().mean((1, 2, 3))


class Recovery:
    """Weighted mean squared error of one receiver's decoder: ‖D(δ) - S‖ of Eq. 3, one term per receiver in Eq. 10."""

    def __init__(self, decoder: nn.Module, values: Tensor, weights: Tensor | None = None) -> None:
        self.decoder = decoder
        self.values = values.flatten(1)  # (N, n), whatever the shape of the decoder's output
        self.weights = None if weights is None else weights.flatten(1)  # None where all are equal

    def __call__(self, state: SearchState) -> Tensor:
        """Return the mean of weights * (D(δ) - values)², (N,)."""
        seen = state.delta if state.received is None else state.received
        error = (self.decoder(seen).flatten(1) - self.values).square()
        if self.weights is not None:
            error = error * self.weights
        return error.mean(1)


class Undetected:
    """Cross-entropy of detectors' outputs towards "cover", summed over detectors: the last term of Eq. 6.

    A detector maps pictures (N, 3, H, W) of float levels, 0 to 255, to logits (N, 2) for cover and stego.
    """

    def __init__(self, detectors: Sequence[nn.Module]) -> None:
        self.detectors = [each.eval().requires_grad_(False) for each in detectors]

    def __call__(self, state: SearchState) -> Tensor:
        """Return the sum of -log p(cover), (N,)."""
        picture = LEVELS * (state.cover + state.delta)
        return -torch.stack([each(picture).float().log_softmax(1)[:, 0] for each in self.detectors]).sum(0)


def evaluate(terms: Sequence[Weighted], state: SearchState, progress: float) -> list[tuple[Weighted, Tensor]]:
    """Active terms with their unweighted values (N,)."""
    return [(each, each.term(state)) for each in terms if each.active(progress)]


def total(values: Sequence[tuple[Weighted, Tensor]], factor: float = 1.0) -> Tensor:
    """Sum of weighted terms over the batch, a scalar; `factor` multiplies the weights that grow."""
    weights = [each.weight * (factor if each.grows else 1.0) for each, _ in values]
    return torch.stack([w * value for w, (_, value) in zip(weights, values, strict=True)]).sum(dtype=torch.float32)


class Transit:
    """A channel inside a search: each call draws a case of it for each picture."""

    def __init__(self, channel: Channel, seeds: Sequence[Seed]) -> None:
        """Take one seed a picture. Only the sender draws from it, so the draws may differ between machines."""
        self._channel = channel
        derived = (seed.derive("csfnns/2/channel") for seed in seeds)
        self._randoms = [np.random.default_rng(list(seed.data)) for seed in derived]

    def __call__(self, cover: Tensor, delta: Tensor) -> Tensor:
        """Return δ as receivers will see it, (N, 3, H, W) like δ; gradients pass unchanged."""
        with torch.no_grad():
            pairs = zip(_pictures(cover), _pictures(cover + delta), self._randoms, strict=True)
            seen = np.stack([perturbation(self._channel(s, random), c) for c, s, random in pairs])
            levels = torch.from_numpy(seen).permute(0, 3, 1, 2).contiguous().to(delta) / LEVELS
            change = levels - delta
        return delta + change


def _pictures(images: Tensor) -> list[Picture]:
    """Images (N, 3, H, W) in [0, 1] as files hold them."""
    levels = (LEVELS * images.clamp(0, 1)).round().to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())

"""What the search minimises: terms, each with its weight and its share of the steps (Eq. 3, 6, 10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from csfnns.search.box import LEVELS


@dataclass(frozen=True)
class SearchState:
    """What terms may look at."""

    cover: Tensor
    """(N, 3, H, W) in [0, 1]."""
    delta: Tensor
    """(N, 3, H, W) in [-1, 1], with the graph of the search's variable: what the stego differs by."""
    received: Tensor | None = None
    """The same as receivers see it behind the channel (transit.py); None where that is `delta`."""


class Term(Protocol):
    """One loss: (N,) values, unweighted, so that the batch size never rescales a gradient."""

    def __call__(self, state: SearchState) -> Tensor:
        """Values (N,)."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A term with its weight, counted from `start` to before `stop`, both as shares of all steps."""

    term: Term
    weight: float
    start: float = 0.0
    stop: float = float("inf")
    grows: bool = False
    """Whether the weight grows during the search (see sps.py): so for recovery terms."""

    def active(self, progress: float) -> bool:
        """Whether the term counts at this share of the steps."""
        return self.start <= progress < self.stop


class Distortion:
    """Mean square of δ: the first term of Eq. 3, as the authors' code has it."""

    def __call__(self, state: SearchState) -> Tensor:
        """Mean of δ², (N,)."""
        return state.delta.square().mean((1, 2, 3))


class Recovery:
    """Weighted mean squared error of one receiver's decoder: ‖D(δ) - S‖ of Eq. 3, one term a receiver in Eq. 10."""

    def __init__(self, decoder: nn.Module, values: Tensor, weights: Tensor | None = None) -> None:
        self.decoder = decoder
        self.values = values.flatten(1)  # (N, n), whatever the shape of the decoder's output
        self.weights = None if weights is None else weights.flatten(1)  # None where all count the same

    def __call__(self, state: SearchState) -> Tensor:
        """Mean of weights * (D(δ) - values)², (N,)."""
        seen = state.delta if state.received is None else state.received
        error = (self.decoder(seen).flatten(1) - self.values).square()
        if self.weights is not None:
            error = error * self.weights
        return error.mean(1)


class Undetected:
    """Cross-entropy of detectors' verdicts towards "cover", summed over them: the last term of Eq. 6.

    A detector takes pictures (N, 3, H, W) of float levels, 0 to 255, and gives logits (N, 2) for cover and stego.
    """

    def __init__(self, detectors: Sequence[nn.Module]) -> None:
        self.detectors = [each.eval().requires_grad_(False) for each in detectors]

    def __call__(self, state: SearchState) -> Tensor:
        """Sum of -log p(cover), (N,)."""
        picture = LEVELS * (state.cover + state.delta)
        return -torch.stack([each(picture).float().log_softmax(1)[:, 0] for each in self.detectors]).sum(0)


def evaluate(terms: Sequence[Weighted], state: SearchState, progress: float) -> list[tuple[Weighted, Tensor]]:
    """Active terms with their unweighted values (N,)."""
    return [(each, each.term(state)) for each in terms if each.active(progress)]


def total(values: Sequence[tuple[Weighted, Tensor]], factor: float = 1.0) -> Tensor:
    """Sum of weighted terms over the batch, a scalar; `factor` multiplies the weights that grow."""
    weights = [each.weight * (factor if each.grows else 1.0) for each, _ in values]
    return torch.stack([w * value for w, (_, value) in zip(weights, values, strict=True)]).sum(
        dtype=torch.float32
    )

"""Steganographic perturbation search (Sec. 3.1): the loop, and the settings of each profile."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.search.box import LEVELS, IntegerGrid, Space, TanhBox
from csfnns.search.objective import SearchState, Weighted, total
from csfnns.stream import Seed

Progress = Callable[[int, int], bool | None]
"""Called with the steps done and all steps; returning False cancels the search."""


@dataclass(frozen=True)
class Search:
    """Settings of a search. They are the sender's alone: a receiver needs none of them."""

    steps: int = 300
    beta: float = 0.01
    """β of Eq. 3: weight of the secret's error against the perturbation's strength."""
    epsilon: float = 0.05
    """ε of Eq. 3: largest change of a pixel, in [0, 1]."""
    space: Literal["tanh", "grid"] = "grid"
    learning_rate: float = 0.5
    schedule: Literal["halving", "cosine"] = "cosine"
    """halving: by half after each third of the steps, as the paper; cosine: to 0."""
    start: float = 1.0
    """Deviation of the first guess, in grey levels (grid)."""
    round_from: float = 0.4
    """Share of the steps after which δ is whole grey levels (grid)."""
    bf16: bool = False
    """Convolutions in bfloat16. Everything else stays float32."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.beta <= 0 or not 0 < self.epsilon <= 1 or self.learning_rate <= 0:
            hint = "steps ≥ 1, beta > 0, 0 < epsilon ≤ 1, learning_rate > 0."
            raise UsageError("These search settings cannot be.", hint)

    def __call__(
        self, cover: Tensor, terms: Sequence[Weighted], *, seed: Seed, progress: Progress | None = None
    ) -> Tensor:
        """Perturbation of `cover` (N, 3, H, W, in [0, 1] on the 8-bit grid) that minimises the terms.

        Returns δ in whole grey levels, (N, 3, H, W) int16, inside the box. Runs on the cover's device. `seed` makes
        the first guess. Raises Cancelled, and SearchError when the search diverges.
        """
        space = self._space(cover, seed)
        optimiser = torch.optim.Adam([space.variable], lr=self.learning_rate, fused=True)
        for step in range(self.steps):
            self._step(step / self.steps, cover, terms, space, optimiser)
            if progress is not None and progress(step + 1, self.steps) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
        with torch.no_grad():
            delta = space.delta(1.0)
        if not bool(torch.isfinite(delta).all()):
            raise SearchError("The search diverged.", "Try a smaller learning rate.")
        return to_levels(cover, delta)

    def _space(self, cover: Tensor, seed: Seed) -> Space:
        if self.space == "tanh":
            return TanhBox(cover, self.epsilon)
        return IntegerGrid(cover, self.epsilon, seed, start=self.start, round_from=self.round_from)

    def _step(
        self,
        progress: float,
        cover: Tensor,
        terms: Sequence[Weighted],
        space: Space,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        for group in optimiser.param_groups:
            group["lr"] = self._rate(progress)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(cover.device.type, torch.bfloat16, enabled=self.bf16):
            loss = total(terms, SearchState(cover, space.delta(progress)), progress)
        # Adam ignores the scale of a loss but for its ε = 1e-8: the mean's gradients would drown in it.
        scale = space.variable[0].numel() if self.space == "grid" else 1
        (scale * loss).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        space.project()

    def _rate(self, progress: float) -> float:
        if self.schedule == "halving":
            return self.learning_rate * 0.5 ** math.floor(3 * progress + 1e-9)
        return float(self.learning_rate * (1 + math.cos(math.pi * progress)) / 2)


def to_levels(cover: Tensor, delta: Tensor) -> Tensor:
    """δ as a file will hold it: round(255 clamp(C + δ)) - 255 C, (N, 3, H, W) int16."""
    stego = (LEVELS * (cover + delta).clamp(0, 1)).round()
    return (stego - (LEVELS * cover).round()).to(torch.int16)


PRESETS: dict[str, Search] = {
    "standard": Search(),
    # Sec. 4.1 and the authors' code: 1500 steps, lr 10^-1.25 halved every 500, ε = 0.2, β = 0.5, z from 0.
    "paper": Search(
        steps=1500, beta=0.5, epsilon=0.2, space="tanh", learning_rate=10**-1.25, schedule="halving"
    ),
}

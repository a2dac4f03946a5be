"""Steganographic perturbation search (Sec. 3.1): the loop, and the settings of each profile."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.profile import Profile
from csfnns.search.adam import Adam
from csfnns.search.box import LEVELS, IntegerGrid, Space, TanhBox
from csfnns.search.objective import SearchState, Weighted, evaluate, total
from csfnns.stream import Seed

Progress = Callable[[int, int], bool | None]
"""Called with the steps done and all steps; returning False cancels the search."""


@dataclass(frozen=True)
class Search:
    """Settings of a search. They are the sender's alone: a receiver needs none of them."""

    steps: int = 300
    beta: float = 0.0015
    """β of Eq. 3: weight of the secret's error against the perturbation's strength."""
    growth: float = 30.0
    """Factor by which β grows from `round_from` to the end, by the same share a step.

    A low β at first finds where few changes do most; the higher one later, when steps are small, makes the best of them.
    """
    epsilon: float = 0.05
    """ε of Eq. 3: largest change of a pixel, in [0, 1]."""
    space: Literal["tanh", "grid"] = "grid"
    learning_rate: float = 0.4
    schedule: Literal["halving", "cosine"] = "cosine"
    """halving: by half after each third of the steps, as the paper; cosine: to 0."""
    start: float = 1.0
    """Standard deviation of the first guess, in grey levels (grid)."""
    round_from: float = 0.3
    """Share of the steps after which δ is whole grey levels (grid)."""
    bf16: bool = False
    """Convolutions in bfloat16. Everything else stays float32."""

    def __post_init__(self) -> None:
        # Comparisons written so that NaN fails them.
        rates = all(0 < x < math.inf for x in (self.beta, self.growth, self.learning_rate))
        shares = 0 <= self.round_from < 1 and 0 <= self.start < math.inf and 0 < self.epsilon <= 1
        if not (self.steps >= 1 and rates and shares):
            hint = (
                "steps ≥ 1; beta, growth, learning_rate > 0; 0 < epsilon ≤ 1; 0 ≤ round_from < 1; start ≥ 0."
            )
            raise UsageError("These search settings cannot be.", hint)
        if self.space not in ("tanh", "grid") or self.schedule not in ("halving", "cosine"):
            hint = "space is tanh or grid, schedule is halving or cosine."
            raise UsageError(f"There is no space {self.space!r} or no schedule {self.schedule!r}.", hint)

    def __call__(
        self, cover: Tensor, terms: Sequence[Weighted], *, seed: Seed, progress: Progress | None = None
    ) -> Tensor:
        """Perturbation of `cover` (N, 3, H, W, in [0, 1] on the 8-bit grid) that minimises the terms.

        Returns δ in whole grey levels, (N, 3, H, W) int16, inside the box (grid: its nearest whole levels). Runs on
        the cover's device. `seed` makes the first guess. Raises Cancelled, and SearchError when the search diverges.
        """
        space = self._space(cover, seed)
        optimiser = Adam(space.variable)
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
        optimiser: Adam,
    ) -> None:
        with torch.autocast(cover.device.type, torch.bfloat16, enabled=self.bf16):
            state = SearchState(cover, space.delta(progress))
            values = evaluate(terms, state, progress)
        loss = total(values, self._growth(progress))
        # Adam ignores the scale of a loss but for its ε = 1e-8: the mean's gradients would drown in it.
        scale = space.variable[0].numel() if self.space == "grid" else 1
        (gradient,) = torch.autograd.grad(scale * loss, space.variable)
        optimiser.step(gradient, self._rate(progress))
        space.project()

    def _growth(self, progress: float) -> float:
        return float(self.growth ** max(0.0, (progress - self.round_from) / (1 - self.round_from)))

    def _rate(self, progress: float) -> float:
        if self.schedule == "halving":
            return self.learning_rate * 0.5 ** math.floor(3 * progress + 1e-9)
        return float(self.learning_rate * (1 + math.cos(math.pi * progress)) / 2)


def to_levels(cover: Tensor, delta: Tensor) -> Tensor:
    """δ as a file will hold it: round(255 clamp(C + δ)) - 255 C, (N, 3, H, W) int16."""
    stego = (LEVELS * (cover + delta).clamp(0, 1)).round()
    return (stego - (LEVELS * cover).round()).to(torch.int16)


STANDARD_BETA = {"24": 0.006, "6": 0.0015, "1.5": 0.0004}
"""The middle of the frontier at each capacity (benchmarks/frontier.py draws it)."""


def preset(profile: Profile) -> Search:
    """Settings of the profile's search. A profile of one's own name gets those of `standard`."""
    if profile.name == "paper":
        # Sec. 4.1 and the authors' code: 1500 steps, lr 10^-1.25 halved every 500, ε = 0.2, β = 0.5, z from 0.
        return Search(
            steps=1500,
            beta=0.5,
            growth=1.0,
            epsilon=0.2,
            space="tanh",
            learning_rate=10**-1.25,
            schedule="halving",
        )
    return Search(beta=STANDARD_BETA[profile.bpp])

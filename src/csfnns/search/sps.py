"""Steganographic perturbation search (Sec. 3.1): the loop, and the settings of each profile."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.profile import Profile
from csfnns.search.box import LEVELS, IntegerGrid, Space, TanhBox
from csfnns.search.objective import SearchState, Weighted, evaluate, total
from csfnns.search.steer import Steering, decibels
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
    """Factor by which β has grown at the last step, from `round_from` on, by the same share a step.

    A low β at first finds where few changes do most; the higher one later, when steps are small, makes the best of them.
    """
    epsilon: float = 0.05
    """ε of Eq. 3: largest change of a pixel, in [0, 1]."""
    space: Literal["tanh", "grid"] = "grid"
    learning_rate: float = 0.4
    schedule: Literal["halving", "cosine"] = "cosine"
    """halving: by half after each third of the steps, as the paper; cosine: to 0."""
    start: float = 1.0
    """Deviation of the first guess, in grey levels (grid)."""
    round_from: float = 0.3
    """Share of the steps after which δ is whole grey levels (grid)."""
    texture: float = 0.0
    """How much more a change costs in flat places than in texture, 0…2 (see texture.py)."""
    target_stego: float | None = None
    """PSNR of the stego in dB to end at, if the steps suffice; β then is a first guess."""
    target_recovered: float | None = None
    """Likewise for the secret, as the decoder gives it before it is rounded to pixels."""
    bf16: bool = False
    """Convolutions in bfloat16. Everything else stays float32."""

    def __post_init__(self) -> None:
        positive = 0 < self.beta < math.inf and 0 < self.learning_rate < math.inf  # so no NaN either
        if not (self.steps >= 1 and positive and 0 < self.epsilon <= 1 and 0 < self.growth < math.inf):
            hint = "steps ≥ 1, beta > 0, growth > 0, 0 < epsilon ≤ 1, learning_rate > 0."
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
        steering = Steering(self.target_stego, self.target_recovered)
        for step in range(self.steps):
            met = self._step(step / self.steps, cover, terms, space, optimiser, steering)
            if progress is not None and progress(self.steps if met else step + 1, self.steps) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
            if met:
                break
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
        steering: Steering,
    ) -> bool:
        """One step; whether the targets were already met before it, which then changes nothing."""
        for group in optimiser.param_groups:
            group["lr"] = self._rate(progress)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(cover.device.type, torch.bfloat16, enabled=self.bf16):
            state = SearchState(cover, space.delta(progress))
            values = evaluate(terms, state, progress)
        if self._steers and progress >= self.round_from:
            recovered = [float(value.detach().mean()) for each, value in values if each.steered]
            stego = float(state.delta.detach().square().mean())
            if steering.update(decibels(stego), decibels(max(recovered))):
                return True
        loss = total(values, steering.factor * self._growth(progress))
        # Adam ignores the scale of a loss but for its ε = 1e-8: the mean's gradients would drown in it.
        scale = space.variable[0].numel() if self.space == "grid" else 1
        (scale * loss).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        space.project()
        return False

    @property
    def _steers(self) -> bool:
        return self.target_stego is not None or self.target_recovered is not None

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
"""The middle of the frontier at each capacity: about as many decibels above its bar for the stego as for the secret."""


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

"""Steganographic perturbation search (Sec. 3.1): the loop, and the settings of each profile."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.profile import Profile
from csfnns.search.adam import Adam
from csfnns.search.box import LEVELS, IntegerGrid, Space, TanhBox
from csfnns.search.channel import Channel, Jpeg
from csfnns.search.objective import SearchState, Weighted, evaluate, total
from csfnns.search.progress import Progress
from csfnns.search.transit import Transit
from csfnns.stream import Seed


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
    """tanh: as the paper; grid: whole grey levels in the end."""
    learning_rate: float = 0.4
    schedule: Literal["halving", "cosine"] = "cosine"
    """halving: by half after each third of the steps, as the paper; cosine: to 0."""
    start: float = 1.0
    """Standard deviation of the first guess, in grey levels (grid)."""
    round_from: float = 0.3
    """Share of the steps after which δ is whole grey levels (grid)."""
    gamma: float = 0.0
    """γ of Eq. 6: weight of the detectors' verdicts, if the search has any (CsFnns), for each β of the secret's error."""
    gamma_from: float = 0.5
    """Share of the steps after which they count."""
    channel: Channel | None = None
    """What may happen to the stego on its way: each step draws one case of it. None: nothing does."""
    bf16: bool = False
    """Convolutions in bfloat16. Everything else stays float32."""

    def __post_init__(self) -> None:
        # Comparisons written so that NaN fails them.
        rates = all(0 < x < math.inf for x in (self.beta, self.growth, self.learning_rate))
        shares = 0 <= self.round_from < 1 and 0 <= self.start < math.inf and 0 < self.epsilon <= 1
        shares = shares and 0 <= self.gamma < math.inf and 0 <= self.gamma_from <= 1
        if not (self.steps >= 1 and rates and shares):
            hint = (
                "steps ≥ 1; beta, growth, learning_rate > 0; 0 < epsilon ≤ 1; 0 ≤ round_from < 1; start ≥ 0;"
                " gamma ≥ 0; 0 ≤ gamma_from ≤ 1."
            )
            raise UsageError("These search settings cannot be.", hint)
        if self.space not in ("tanh", "grid") or self.schedule not in ("halving", "cosine"):
            hint = "space is tanh or grid, schedule is halving or cosine."
            raise UsageError(f"There is no space {self.space!r} or no schedule {self.schedule!r}.", hint)

    def __call__(
        self,
        cover: Tensor,
        terms: Sequence[Weighted],
        *,
        seeds: Sequence[Seed],
        progress: Progress | None = None,
    ) -> Tensor:
        """Perturbations of covers (N, 3, H, W, in [0, 1] on the 8-bit grid) that minimise the terms.

        Returns δ in whole grey levels, (N, 3, H, W) int16, inside the box (grid: its nearest whole levels). Runs on
        the covers' device. `seeds`, one a cover, make the first guesses; covers do not influence each other. Raises
        Cancelled, and SearchError when the search diverges.
        """
        space = self._space(cover, seeds)
        optimiser = Adam(space.variable)
        transit = None if self.channel is None else Transit(self.channel, seeds)
        for number in range(self.steps):
            self._step(number / self.steps, cover, terms, space, optimiser, transit)
            if progress is not None and progress(number + 1, self.steps) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
        with torch.no_grad():
            delta = space.delta(1.0)
        if not bool(torch.isfinite(delta).all()):
            raise SearchError("The search diverged.", "Try a smaller learning rate.")
        return to_levels(cover, delta)

    def _space(self, cover: Tensor, seeds: Sequence[Seed]) -> Space:
        if self.space == "tanh":
            return TanhBox(cover, self.epsilon)
        return IntegerGrid(cover, self.epsilon, seeds, start=self.start, round_from=self.round_from)

    def _step(
        self,
        share: float,
        cover: Tensor,
        terms: Sequence[Weighted],
        space: Space,
        optimiser: Adam,
        transit: Transit | None,
    ) -> None:
        with torch.autocast(cover.device.type, torch.bfloat16, enabled=self.bf16):
            delta = space.delta(share)
            state = SearchState(cover, delta, None if transit is None else transit(cover, delta))
            values = evaluate(terms, state, share)
        loss = total(values, self._growth(share))
        # Adam ignores the scale of a loss but for its ε = 1e-8: the mean's gradients would drown in it.
        scale = 1 if self.space == "tanh" else space.variable[0].numel()
        (gradient,) = torch.autograd.grad(scale * loss, space.variable)
        optimiser.step(gradient, self._rate(share))
        space.project()

    def _growth(self, progress: float) -> float:
        return float(self.growth ** max(0.0, (progress - self.round_from) / (1 - self.round_from)))

    def _rate(self, progress: float) -> float:
        if self.schedule == "halving":
            return self.learning_rate * 0.5 ** math.floor(3 * progress + 1e-9)
        return float(self.learning_rate * (1 + math.cos(math.pi * progress)) / 2)


def check_device(device: str) -> None:
    """Raise UsageError for a torch device on which no search runs."""
    try:
        kind = torch.empty(0, device=device).device.type
        if kind not in ("cpu", "cuda"):
            raise RuntimeError(f"{kind} has no search")
    except (RuntimeError, AssertionError) as error:  # torch raises either, by device and build
        reason = str(error).splitlines()[0]
        raise UsageError(f"The device {device!r} cannot be used: {reason}.", "Try 'cpu'.") from error


def to_levels(cover: Tensor, delta: Tensor) -> Tensor:
    """δ as a file will hold it: round(255 clamp(C + δ)) - 255 C, (N, 3, H, W) int16."""
    stego = (LEVELS * (cover + delta).clamp(0, 1)).round()
    return (stego - (LEVELS * cover).round()).to(torch.int16)


ROBUST_BETA = 0.02
"""For about 40 dB, and a secret of 30 dB or more behind JPEG (benchmarks/channels.py)."""
GAMMA = 1e-4
"""γ for networks to evade where a profile has none."""


def preset(profile: Profile) -> Search:
    """Settings of the search of a profile: robust's, or the paper's for the paper's decoders.

    Raises UsageError for a decoder that is not searched by gradients.
    """
    if profile.decoder == "robust":
        return Search(beta=ROBUST_BETA, epsilon=0.2, learning_rate=1.0, channel=Jpeg(75, 95))
    if profile.decoder not in ("plain", "shuffle"):
        hint = "Leave its settings out, or use a key of profile robust or paper."
        raise UsageError(f"The decoder {profile.decoder!r} has no search by gradients.", hint)
    # Sec. 4.1 and the authors' code: 1500 steps, lr 10^-1.25 halved every 500, ε = 0.2, β = 0.5, z from 0,
    # γ = 2e-5 in the last 100 steps.
    return Search(
        steps=1500,
        beta=0.5,
        growth=1.0,
        epsilon=0.2,
        space="tanh",
        learning_rate=10**-1.25,
        schedule="halving",
        gamma=2e-5,
        gamma_from=14 / 15,
    )

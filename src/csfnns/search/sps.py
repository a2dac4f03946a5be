"""Steganographic perturbation search (Sec. 3.1): the loop, and the settings of each profile."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.profile import Profile
from csfnns.search import Progress
from csfnns.search.box import LEVELS, IntegerGrid, Space, TanhBox
from csfnns.search.channel import Channel, Jpeg
from csfnns.search.objective import SearchState, Transit, Weighted, evaluate, total
from csfnns.stream import Seed


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1) for one tensor, which it changes in place.

    Equal to torch.optim.Adam, whose first use imports a compiler for a second or more.
    """

    def __init__(self, variable: Tensor, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self._variable = variable
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon
        self._mean = torch.zeros_like(variable, requires_grad=False)
        self._square = torch.zeros_like(variable, requires_grad=False)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """Take a step at a learning rate, down the gradient, of the variable's shape."""
        self._steps += 1
        self._mean.lerp_(gradient, 1 - self._beta1)
        self._square.mul_(self._beta2).addcmul_(gradient, gradient, value=1 - self._beta2)
        size = self._square.sqrt().div_((1 - self._beta2**self._steps) ** 0.5).add_(self._epsilon)
        self._variable.addcdiv_(self._mean, size, value=-rate / (1 - self._beta1**self._steps))


@dataclass(frozen=True)
class Search:
    """Settings of a search. Only the sender needs them."""

    steps: int = 300
    beta: float = 0.0015
    """β of Eq. 3: weight of the secret's error relative to the perturbation's energy."""
    growth: float = 30.0
    """Factor by which β grows from `round_from` to the end, by an equal factor each step.

    A low β first finds the changes that help most; a higher one later, when steps are small, refines them.
    """
    epsilon: float = 0.05
    """ε of Eq. 3: largest change of a pixel, in (0, 1]."""
    space: Literal["tanh", "grid"] = "grid"
    """tanh: the paper's parametrisation; grid: whole grey levels in the end."""
    learning_rate: float = 0.4
    schedule: Literal["halving", "cosine"] = "cosine"
    """halving: by half after each third of the steps, as in the paper; cosine: to 0."""
    start: float = 1.0
    """Standard deviation of the first guess, in grey levels (grid)."""
    round_from: float = 0.3
    """Share of the steps after which δ is whole grey levels (grid)."""
    gamma: float = 0.0
    """γ of Eq. 6: weight of the detectors' term, where the search evades detectors, in units of β."""
    gamma_from: float = 0.5
    """Share of the steps after which that term is active."""
    channel: Channel | None = None
    """What may happen to the stego on its way; each step draws one case of it."""
    channel_every: int = 1
    """Steps of which the last sees the channel, and the others none."""
    received_distortion: bool = False
    """Whether the distortion is that of the stego after the channel, in steps that see it."""
    bf16: bool = False
    """Whether convolutions run in bfloat16. Everything else stays float32."""

    def __post_init__(self) -> None:
        for name, (valid, allowed) in {
            "steps": (self.steps >= 1, "at least 1"),
            "channel_every": (self.channel_every >= 1, "at least 1"),
            "beta": (0 < self.beta < math.inf, "positive"),
            "growth": (0 < self.growth < math.inf, "positive"),
            "learning_rate": (0 < self.learning_rate < math.inf, "positive"),
            "epsilon": (0 < self.epsilon <= 1, "in (0, 1]"),
            "start": (0 <= self.start < math.inf, "at least 0"),
            "round_from": (0 <= self.round_from < 1, "in [0, 1)"),
            "gamma": (0 <= self.gamma < math.inf, "at least 0"),
            "gamma_from": (0 <= self.gamma_from <= 1, "in [0, 1]"),
            "space": (self.space in ("tanh", "grid"), "tanh or grid"),
            "schedule": (self.schedule in ("halving", "cosine"), "halving or cosine"),
        }.items():
            if not valid:
                raise UsageError(f"{name} must be {allowed}, got {getattr(self, name)}.")

    def __call__(
        self,
        cover: Tensor,
        terms: Sequence[Weighted],
        *,
        seeds: Sequence[Seed],
        progress: Progress | None = None,
    ) -> Tensor:
        """Perturbations of covers (N, 3, H, W, in [0, 1] on the 8-bit grid) that minimise the terms.

        Returns δ in whole grey levels, (N, 3, H, W) int16, inside the box. Runs on the covers' device. `seeds`, one a
        cover, make the first guesses; covers do not influence each other. Raises Cancelled, and SearchError when the
        search diverges.
        """
        space = self._space(cover, seeds)
        optimiser = Adam(space.variable)
        transit = None if self.channel is None else Transit(self.channel, seeds)
        for number in range(self.steps):
            seen = None if (number + 1) % self.channel_every else transit
            self._step(number / self.steps, cover, terms, space, optimiser, seen)
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
        # Adam ignores the scale of a loss except for its ε = 1e-8, which would dominate the gradients of a mean.
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
    """Return δ as a file will hold it: round(255 clamp(C + δ)) - 255 C, (N, 3, H, W) int16."""
    stego = (LEVELS * (cover + delta).clamp(0, 1)).round()
    return (stego - (LEVELS * cover).round()).to(torch.int16)


ROBUST_BETA = 0.02
"""β for stegos of about 40 dB and secrets of 30 dB or more after JPEG (benchmarks/channels.py)."""
GAMMA = 1e-4
"""γ for evading detectors where a profile has none."""


def preset(profile: Profile) -> Search:
    """Settings of the search of a profile: those of `robust`, or the paper's for the paper's decoders.

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

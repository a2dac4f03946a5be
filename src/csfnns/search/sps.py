"""Steganographic perturbation search (Sec. 3.1): the loop, and the settings of each profile."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from csfnns.coding import GRAIN_SIGMA
from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.profile import Profile
from csfnns.search.adam import Adam
from csfnns.search.box import LEVELS, IntegerGrid, Space, TanhBox
from csfnns.search.channel import Channel, Jpeg, Transit
from csfnns.search.cost import clipped_cost, texture_cost
from csfnns.search.grain import GrainGrid
from csfnns.search.objective import SearchState, Weighted, evaluate, total
from csfnns.search.record import Step, repeatable
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
    space: Literal["tanh", "grid", "grain"] = "grid"
    """tanh: as the paper; grid: whole grey levels in the end; grain: these, of a decoy's values (grain.py)."""
    sigma: float = float(GRAIN_SIGMA)
    """Of the grain, in levels."""
    learning_rate: float = 0.4
    schedule: Literal["halving", "cosine"] = "cosine"
    """halving: by half after each third of the steps, as the paper; cosine: to 0."""
    start: float = 1.0
    """Standard deviation of the first guess, in grey levels (grid)."""
    round_from: float = 0.3
    """Share of the steps after which δ is whole grey levels (grid)."""
    texture: float = 0.0
    """How far changes go where the cover's texture hides them, 0 to 1 (cost.py)."""
    clipped: float = 1.0
    """How many times as much a change costs where the cover is clipped to black or white, at most; 1 or more (cost.py)."""
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
        shares = (
            shares and 0.5 <= self.sigma <= 2 and 0 <= self.gamma < math.inf and 0 <= self.gamma_from <= 1
        )
        costs = 0 <= self.texture <= 1 and 1 <= self.clipped < math.inf
        if not (self.steps >= 1 and rates and shares and costs):
            hint = (
                "steps ≥ 1; beta, growth, learning_rate > 0; 0 < epsilon ≤ 1; 0 ≤ round_from < 1; start ≥ 0;"
                " 0 ≤ texture ≤ 1; clipped ≥ 1; 0.5 ≤ sigma ≤ 2; gamma ≥ 0; 0 ≤ gamma_from ≤ 1."
            )
            raise UsageError("These search settings cannot be.", hint)
        if self.space not in ("tanh", "grid", "grain") or self.schedule not in ("halving", "cosine"):
            hint = "space is tanh, grid or grain, schedule is halving or cosine."
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
        growth = torch.ones((), device=cover.device)
        transit = None if self.channel is None else Transit(self.channel, seeds)
        recorded: dict[tuple[bool, ...], Step] = {}
        for number in range(self.steps):
            share = number / self.steps
            growth.fill_(self._growth(share))
            optimiser.begin(self._rate(share))
            space.prepare(share)
            # Steps do the same work as long as nothing begins or ends.
            phase = (share >= self.round_from, *(each.active(share) for each in terms))
            if phase not in recorded:
                step = partial(self._step, share, cover, terms, space, optimiser, growth, transit)
                # What a channel does is done on the processor, afresh at each step: no graph holds it.
                state = (space.variable, *optimiser.state)
                recorded[phase] = repeatable(step, state, cover.device) if transit is None else step
            recorded[phase]()
            if progress is not None and progress(number + 1, self.steps) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
        space.prepare(1.0)
        with torch.no_grad():
            delta = space.delta(1.0)
        if not bool(torch.isfinite(delta).all()):
            raise SearchError("The search diverged.", "Try a smaller learning rate.")
        return to_levels(cover, delta)

    def balanced(self, balance: float) -> "Search":
        """These settings moved along the frontier: -1 changes the cover least, 0 as they are, 1 keeps most of the secret.

        β goes from 1/8 to 8 times its value. Raises UsageError outside [-1, 1].
        """
        if not -1 <= balance <= 1:
            raise UsageError(f"There is no balance {balance}.", "Give -1 (invisible) to 1 (faithful).")
        return replace(self, beta=self.beta * DIAL**balance)

    def in_grain(self) -> "Search":
        """These settings, with δ held to the law of grain: strength and place are given, β and costs have no say."""
        return replace(
            self, space="grain", beta=GRAIN_BETA, sigma=float(GRAIN_SIGMA), texture=0.0, clipped=1.0
        )

    def cost(self, cover: Tensor) -> Tensor | None:
        """Cost of a squared change at each sub-pixel of covers (N, 3, H, W) in [0, 1]; None where all cost the same."""
        texture = texture_cost(cover, self.texture) if self.texture else None
        clipped = clipped_cost(cover, self.clipped) if self.clipped > 1 else None
        if texture is None or clipped is None:
            return clipped if texture is None else texture
        return texture * clipped

    def _space(self, cover: Tensor, seeds: Sequence[Seed]) -> Space:
        if self.space == "tanh":
            return TanhBox(cover, self.epsilon)
        if self.space == "grain":
            return GrainGrid(cover, seeds, sigma=self.sigma, start=self.start, round_from=self.round_from)
        return IntegerGrid(cover, self.epsilon, seeds, start=self.start, round_from=self.round_from)

    def _step(
        self,
        share: float,
        cover: Tensor,
        terms: Sequence[Weighted],
        space: Space,
        optimiser: Adam,
        growth: Tensor,
        transit: Transit | None,
    ) -> None:
        # Without the cache of casts, which must not outlive a recording.
        with torch.autocast(cover.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            delta = space.delta(share)
            state = SearchState(cover, delta, None if transit is None else transit(cover, delta))
            values = evaluate(terms, state, share)
        loss = total(values, growth)
        # Adam ignores the scale of a loss but for its ε = 1e-8: the mean's gradients would drown in it.
        scale = 1 if self.space == "tanh" else space.variable[0].numel()
        (gradient,) = torch.autograd.grad(scale * loss, space.variable)
        optimiser.step(gradient)
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
DIAL = 8.0
"""Factor on β at the ends of the dial."""
GRAIN_BETA = 0.01
"""Within a factor of 5 either way, secrets come out the same (docs/research.md)."""
CLIPPED_COST = 16.0
"""Leaves hardly a change there while it is a small part of the cover (docs/research.md)."""
GAMMA = 1e-4
"""γ for networks to deceive where a profile has none: hardly dearer on Stable Diffusion pictures (docs/steganalysis.md)."""
STANDARD_BETA = {"24": 0.006, "6": 0.0015, "1.5": 0.0004}
"""The middle of the frontier at each capacity (benchmarks/frontier.py draws it)."""


def preset(profile: Profile) -> Search:
    """Settings of the profile's search. A profile of one's own name gets those of `standard`."""
    if profile.name == "paper":
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
    if profile.decoder == "robust":
        return Search(beta=ROBUST_BETA, epsilon=0.2, learning_rate=1.0, channel=Jpeg(75, 95))
    return Search(beta=STANDARD_BETA[profile.bpp], clipped=CLIPPED_COST)

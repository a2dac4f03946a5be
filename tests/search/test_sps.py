from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from csfnns.covers.abstract import AbstractCovers
from csfnns.decoders import make_decoder
from csfnns.errors import Cancelled, SearchError, UsageError
from csfnns.methods import CsFnns, ReceiverSeeds
from csfnns.profile import make_profile
from csfnns.search import Distortion, Recovery, Search, SearchState, Weighted, preset
from csfnns.search.objective import evaluate, total
from csfnns.search.sps import Adam
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
SHORT = Search(steps=30)
NUMBERS = ("steps", "beta", "growth", "epsilon", "learning_rate", "start", "round_from")
SPACES = pytest.mark.parametrize(
    "search",
    [
        SHORT,
        Search(steps=30, space="tanh", epsilon=0.2, beta=0.5, learning_rate=10**-1.25, schedule="halving"),
    ],
    ids=["grid", "tanh"],
)


def covers(n: int) -> Tensor:
    """Covers (n, 3, 64, 64) in [0, 1]."""
    pictures = np.stack([AbstractCovers(64, 64)(SEED.derive(str(message))) for message in range(1, n + 1)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous() / 255


def terms(n: int = 1, beta: float = 0.01) -> list[Weighted]:
    """Loss of one receiver, targets of unit variance for each of n covers."""
    profile = make_profile("robust", width=64, height=64, channels=24)
    normals = SEED.derive("targets").stream().normals(n * 3 * 16 * 16)
    values = torch.from_numpy(normals).reshape(n, 3, 16, 16).float()
    weights = torch.full_like(values, 0.004)
    recovery = Recovery(make_decoder(profile, SEED), values, weights)
    return [Weighted(Distortion(), 1.0), Weighted(recovery, beta)]


def losses(cover: Tensor, levels: Tensor, each: list[Weighted]) -> float:
    with torch.inference_mode():
        return float(total(evaluate(each, SearchState(cover, levels.float() / 255), 1.0)))


@SPACES
def test_a_search_lowers_the_loss(search: Search) -> None:
    cover, each = covers(1), terms(beta=search.beta)
    noise = torch.from_numpy(SEED.stream().normals(cover.numel())).round().reshape(cover.shape)
    found = search(cover, each, seeds=[SEED])
    assert losses(cover, found, each) < 0.7 * losses(cover, noise, each)


def test_more_steps_find_a_better_perturbation() -> None:
    cover, each = covers(1), terms()
    few, many = (Search(steps=n)(cover, each, seeds=[SEED]) for n in (15, 60))
    assert losses(cover, many, each) < losses(cover, few, each)


def test_beta_trades_the_secret_against_the_stego() -> None:
    cover = covers(1)
    weak, strong = (SHORT(cover, terms(beta=beta), seeds=[SEED]).float() for beta in (0.003, 0.1))
    recovery = terms()[1].term
    errors = [float(recovery(SearchState(cover, levels / 255))) for levels in (weak, strong)]
    assert weak.square().mean() < strong.square().mean()
    assert errors[1] < errors[0]


@SPACES
def test_a_search_depends_on_its_seed_alone(search: Search) -> None:
    cover, found = covers(1), []
    for state in (1, 2):
        torch.manual_seed(state)
        found.append(search(cover, terms(), seeds=[SEED], progress=lambda done, steps: True))
    assert torch.equal(*found)
    assert torch.equal(cover, covers(1))
    other = search(cover, terms(), seeds=[SEED.derive("other")])
    assert torch.equal(found[0], other) == (search.space == "tanh")  # which starts from 0


@SPACES
def test_the_result_is_whole_levels_that_a_file_can_hold(search: Search) -> None:
    cover = covers(1)
    levels = search(cover, terms(), seeds=[SEED])
    stego = (255 * cover).round() + levels
    assert levels.dtype == torch.int16
    assert levels.shape == cover.shape
    assert 0 <= float(stego.min()) <= float(stego.max()) <= 255


@pytest.mark.parametrize("space", ["grid", "tanh"])
@pytest.mark.parametrize(("epsilon", "most"), [(0.004, 1), (0.012, 3)])
def test_no_pixel_moves_further_than_epsilon(space: Any, epsilon: float, most: int) -> None:
    search = Search(steps=30, space=space, epsilon=epsilon, learning_rate=0.5, start=3.0)
    levels = search(covers(1), terms(beta=1.0), seeds=[SEED])
    assert int(levels.abs().max()) == most


def test_saturated_covers_stay_in_range() -> None:
    cover = torch.zeros(1, 3, 64, 64)
    cover[:, :, :, 32:] = 1
    levels = SHORT(cover, terms(beta=0.1), seeds=[SEED])
    assert int(levels[..., :32].min()) == 0 < int(levels[..., :32].max())
    assert int(levels[..., 32:].max()) == 0 > int(levels[..., 32:].min())


@pytest.mark.parametrize("at", [1, 3, 5])
def test_progress_cancels_by_returning_false(at: int) -> None:
    seen: list[int] = []

    def progress(done: int, steps: int) -> bool:
        assert steps == 5
        seen.append(done)
        return done < at

    with pytest.raises(Cancelled):
        Search(steps=5)(covers(1), terms(), seeds=[SEED], progress=progress)
    assert seen == list(range(1, at + 1))


class Broken:
    """Term without a value."""

    def __call__(self, state: SearchState) -> Tensor:
        return state.delta.mean((1, 2, 3)) * float("nan")


@SPACES
def test_a_search_that_diverges_says_so(search: Search) -> None:
    with pytest.raises(SearchError, match="diverged"):
        search(covers(1), [Weighted(Broken(), 1.0)], seeds=[SEED])


class Counting(Distortion):
    """Distortion that counts its steps."""

    steps = 0

    def __call__(self, state: SearchState) -> Tensor:
        self.steps += 1
        return super().__call__(state)


def test_a_late_term_costs_nothing_before_its_start() -> None:
    """As the paper's term against detectors: the last 100 of 1500 steps."""
    late = Counting()
    Search(steps=15)(covers(1), [*terms(), Weighted(late, 1.0, start=14 / 15)], seeds=[SEED])
    assert late.steps == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"beta": 0},
        {"beta": -1},
        {"epsilon": 0},
        {"epsilon": 1.1},
        {"learning_rate": 0},
        {"growth": 0},
        {"growth": float("inf")},
        {"round_from": -0.1},
        {"round_from": 1},
        {"start": -1},
        {"start": float("inf")},
        {"space": "cube"},
        {"schedule": "linear"},
        *({name: float("nan")} for name in NUMBERS),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        Search(**settings)
    assert next(iter(settings)) in error.value.message


def test_the_papers_settings_are_those_of_section_4_1() -> None:
    with pytest.raises(UsageError, match="'trellis'"):
        preset(make_profile("standard"))
    paper = preset(make_profile("paper"))
    assert paper == Search(
        steps=1500,
        beta=0.5,
        growth=1.0,
        epsilon=0.2,
        space="tanh",
        learning_rate=10**-1.25,
        schedule="halving",
        start=paper.start,  # of the grid alone
        round_from=paper.round_from,  # of the grid, and of a growth that is not 1
        gamma=2e-5,  # for the detectors that a search is given
        gamma_from=1400 / 1500,
        bf16=False,
    )


def plain_search(cover: Tensor, decoder: torch.nn.Module, secret: Tensor, steps: int) -> Tensor:
    """Sec. 3.1 and 4.1, one statement after the other: δ in grey levels."""
    lower, upper = torch.maximum(-cover, torch.tensor(-0.2)), torch.minimum(1 - cover, torch.tensor(0.2))
    z = torch.zeros_like(cover, requires_grad=True)
    optimiser = torch.optim.Adam([z], lr=10**-1.25)
    halving = torch.optim.lr_scheduler.StepLR(optimiser, step_size=steps // 3, gamma=0.5)
    for _ in range(steps):
        delta = lower + (upper - lower) * (torch.tanh(z) + 1) / 2
        loss = torch.mean(delta**2) + 0.5 * torch.mean((decoder(delta) - secret) ** 2)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        halving.step()
    delta = (lower + (upper - lower) * (torch.tanh(z) + 1) / 2).detach()
    return torch.round(255 * torch.clamp(cover + delta, 0, 1)) - torch.round(255 * cover)


def test_the_papers_search_is_the_loop_that_the_paper_describes() -> None:
    profile = make_profile("paper", width=64, height=64, channels=8)
    search, seeds = replace(preset(profile), steps=6), ReceiverSeeds(SEED, SEED)
    cover, ramp = AbstractCovers(64, 64)(SEED.derive("0")), np.mgrid[:32, :32]
    secret = np.stack([8 * ramp[0], 8 * ramp[1], 4 * ramp.sum(0)], -1).astype(np.uint8)
    cover[:8], cover[-8:] = 0, 255  # where the box is cut off
    stego = CsFnns(profile, search).embed(cover, {seeds: secret})

    image, values = (torch.from_numpy(x).permute(2, 0, 1)[None].double() / 255 for x in (cover, secret))
    plain = plain_search(image, make_decoder(profile, SEED).double(), values, steps=6)
    found = torch.from_numpy(stego.astype(np.int16) - cover).permute(2, 0, 1)[None]
    assert int(plain.abs().max()) > 10
    # float32 against float64: where δ is half a level, the last bit decides.
    assert int((found - plain).abs().max()) <= 1
    assert float((found != plain).float().mean()) < 0.001


class Weighed(Distortion):
    """Distortion that notes what it counts: the gradient that arrives at its value."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float] = []

    def __call__(self, state: SearchState) -> Tensor:
        value = super().__call__(state)
        value.register_hook(lambda gradient: self.noted.append(float(gradient)))  # type: ignore[no-untyped-call]
        return value


def test_growth_multiplies_the_weights_that_grow_and_no_others() -> None:
    growing, constant = Weighed(), Weighed()
    search = Search(steps=10, growth=32, round_from=0.5)
    search(covers(1), [Weighted(constant, 2.0), Weighted(growing, 2.0, grows=True)], seeds=[SEED])
    assert constant.noted == [constant.noted[0]] * 10
    factors = np.array(growing.noted) / constant.noted[0]
    assert factors == pytest.approx([1, 1, 1, 1, 1, 1, 2, 4, 8, 16])


def test_the_papers_rate_is_halved_every_500_steps() -> None:
    paper = preset(make_profile("paper"))
    rates = [paper._rate(step / 1500) / 10**-1.25 for step in range(1500)]
    assert rates == [1] * 500 + [0.5] * 500 + [0.25] * 500


def test_the_cosine_falls_from_the_rate_to_nothing() -> None:
    search = Search(steps=100, learning_rate=0.7, schedule="cosine")
    rates = [search._rate(step / 100) for step in range(100)]
    assert rates[0] == 0.7
    assert rates[50] == pytest.approx(0.35)
    assert 0 < rates[-1] < 0.001
    assert all(a > b for a, b in pairwise(rates))


def test_covers_of_a_batch_are_searched_as_if_alone() -> None:
    """Each cover gets what it gets alone, but for the last bits of sums."""
    search = Search(steps=12, learning_rate=0.1)
    both, each, seeds = covers(2), terms(2, beta=0.5), [SEED, SEED.derive("other")]
    together = search(both, each, seeds=seeds)
    recovery = each[1].term
    assert isinstance(recovery, Recovery)
    assert recovery.weights is not None
    for i in range(2):
        own = Recovery(recovery.decoder, recovery.values[i : i + 1], recovery.weights[i : i + 1])
        alone = search(both[i : i + 1], [each[0], Weighted(own, 0.5)], seeds=[seeds[i]])
        assert (together[i] != alone[0]).float().mean() < 0.01
        assert int((together[i] - alone[0]).abs().max()) <= 1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bf16", [False, True])
def test_precision_and_memory_format_make_no_other_result(layout: torch.memory_format, bf16: bool) -> None:
    """Not bit for bit, but as good: the loss is that of float32 within 5 %."""
    cover, each = covers(1), terms()
    reference = losses(cover, SHORT(cover, each, seeds=[SEED]), each)
    found = Search(steps=30, bf16=bf16)(cover.contiguous(memory_format=layout), each, seeds=[SEED])
    assert losses(cover, found, each) == pytest.approx(reference, rel=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@SPACES
def test_a_search_on_a_gpu_ends_as_good_as_on_a_processor(search: Search) -> None:
    cover, each = covers(1), terms(beta=search.beta)
    here = losses(cover, search(cover, each, seeds=[SEED]), each)
    recovery = each[1].term
    assert isinstance(recovery, Recovery)
    assert recovery.weights is not None
    there = Recovery(recovery.decoder.cuda(), recovery.values.cuda(), recovery.weights.cuda())
    found = search(cover.cuda(), [each[0], Weighted(there, each[1].weight)], seeds=[SEED])
    assert losses(cover, found.cpu(), terms(beta=search.beta)) == pytest.approx(here, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_takes_the_steps_of_torch(dtype: torch.dtype) -> None:
    normals = torch.from_numpy(SEED.stream().normals(60)).to(dtype).reshape(6, 10)
    ours, theirs = normals[0].clone(), normals[0].clone().requires_grad_()
    mine, reference = Adam(ours), torch.optim.Adam([theirs])
    for i, gradient in enumerate(normals[1:]):
        rate = 0.1 / (i + 1)
        mine.step(1e-7 * gradient, rate)  # as small as the gradients of a mean, where epsilon counts
        reference.param_groups[0]["lr"] = rate
        theirs.grad = 1e-7 * gradient
        reference.step()
    torch.testing.assert_close(ours, theirs.detach())

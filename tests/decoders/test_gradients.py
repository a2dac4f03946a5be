"""Gradients of the whole loss against float64, in every precision and memory format that a search may run in.

torch's own instance_norm gives a wrong one behind a convolution in channels_last on the CPU, and says nothing.
"""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from csfnns.decoders import DECODERS, Decoder, make_decoder
from csfnns.decoders.base import InstanceNorm
from csfnns.decoders.initialise import INSTANCE_NORM_EPSILON
from csfnns.profile import make_profile
from csfnns.search import Distortion, Recovery, SearchState, Weighted, preset
from csfnns.search.objective import evaluate, total
from csfnns.stream import Seed

HEIGHT, WIDTH = 96, 64
LEAST_COSINE = 0.99
CASES = [(name, bpp) for name in DECODERS for bpp in ("24", "6", "1.5") if name != "robust" or bpp == "1.5"]
FORMATS = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
SEED = Seed(bytes(range(32)))


@cache
def problem(name: str, bpp: str) -> tuple[Decoder, Tensor, Tensor, Tensor, float]:
    """Decoder, δ in whole grey levels, target, weights and β."""
    base = "robust" if name == "robust" else "paper"
    profile = make_profile(base, decoder=name, bpp=bpp, height=HEIGHT, width=WIDTH)
    levels = np.rint(SEED.stream().normals(3 * HEIGHT * WIDTH)).reshape(1, 3, HEIGHT, WIDTH)
    shape = (1, 3, *profile.secret_size)
    values, weights = SEED.derive("target").stream().uniforms(2 * int(np.prod(shape))).reshape(2, *shape)
    delta, target, weight = (torch.from_numpy(x) for x in (levels / 255, values, weights))
    return make_decoder(profile, SEED), delta, target, weight, preset(profile).beta


def loss_of(decoder: Decoder, delta: Tensor, target: Tensor, weights: Tensor, beta: float) -> Tensor:
    """Loss of the search, scaled as it is there."""
    recovery = Recovery(decoder, target.to(delta), weights.to(delta))
    terms = [Weighted(Distortion(), 1.0), Weighted(recovery, beta)]
    return delta.numel() * total(evaluate(terms, SearchState(torch.zeros_like(delta), delta), 0.5))


@cache
def exact(name: str, bpp: str) -> Tensor:
    """Gradient in contiguous float64."""
    decoder, delta, target, weights, beta = problem(name, bpp)
    delta = delta.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(deepcopy(decoder).double(), delta, target, weights, beta), delta)
    return gradient


@FORMATS
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(("name", "bpp"), CASES)
def test_gradients_agree_with_float64(name: str, bpp: str, bf16: bool, layout: torch.memory_format) -> None:
    decoder, delta, target, weights, beta = problem(name, bpp)
    delta = delta.float().contiguous(memory_format=layout).requires_grad_()
    decoder = deepcopy(decoder).to(memory_format=layout)  # type: ignore[call-overload]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = loss_of(decoder, delta, target, weights, beta)
    (gradient,) = torch.autograd.grad(loss, delta)
    expected = exact(name, bpp)
    cosine = torch.nn.functional.cosine_similarity(gradient.double().flatten(), expected.flatten(), dim=0)
    assert float(cosine) > LEAST_COSINE
    assert float(gradient.norm() / expected.norm()) == pytest.approx(1, abs=0.02)
    if not bf16:
        assert float(cosine) > 1 - 1e-5  # sums in float32 differ between processors


@pytest.mark.parametrize(("name", "bpp"), CASES)
def test_the_exact_gradient_is_the_slope_of_the_loss(name: str, bpp: str) -> None:
    """Central difference of the secret's error along its own gradient: no cancellation."""
    decoder, delta, target, weights, _ = problem(name, bpp)
    error = Recovery(deepcopy(decoder).double(), target, weights)
    point = delta.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(error(SearchState(point, point)).sum(), point)
    direction = gradient / gradient.square().mean().sqrt()
    ends = [delta + shift * direction for shift in (-1e-7, 1e-7)]
    low, high = (float(error(SearchState(end, end))) for end in ends)
    assert float((gradient * direction).sum()) == pytest.approx((high - low) / 2e-7, rel=1e-3)


@FORMATS
def test_instance_norm_is_torchs_in_contiguous_float64(layout: torch.memory_format) -> None:
    x = torch.from_numpy(SEED.stream().normals(2 * 5 * 12 * 8)).reshape(2, 5, 12, 8) * 3 + 1
    torchs = nn.InstanceNorm2d(5, eps=INSTANCE_NORM_EPSILON, affine=False, track_running_stats=False)
    a, b = x.clone().requires_grad_(), x.contiguous(memory_format=layout).requires_grad_()
    expected, found = torchs(a), InstanceNorm()(b)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad(y.sin().sum(), z)[0] for y, z in ((expected, a), (found, b))]
    torch.testing.assert_close(slopes[1], slopes[0])


def test_instance_norm_computes_in_float32_at_least() -> None:
    x = torch.ones(1, 2, 8, 8, dtype=torch.bfloat16)
    assert InstanceNorm()(x).dtype == torch.float32
    assert InstanceNorm()(x.double()).dtype == torch.float64


def test_instance_norm_of_a_constant_is_zero() -> None:
    assert not InstanceNorm()(torch.full((1, 2, 8, 8), 7.0)).any()

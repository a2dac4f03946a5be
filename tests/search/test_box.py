import pytest
import torch
from torch import Tensor

from csfnns.search.box import LEVELS, IntegerGrid, TanhBox, bounds
from csfnns.search.sps import to_levels
from csfnns.stream import Seed

EPSILON = pytest.mark.parametrize("epsilon", [0.004, 0.05, 0.2, 1.0])


@pytest.fixture(scope="module")
def cover() -> Tensor:
    """Every level from 0 to 255, (1, 3, 16, 16) on the 8-bit grid."""
    return torch.arange(256).repeat(3).reshape(1, 3, 16, 16).float() / 255


def grid(cover: Tensor, epsilon: float, *, start: float = 1.0, round_from: float = 0.4) -> IntegerGrid:
    return IntegerGrid(cover, epsilon, [Seed(bytes(32))], start=start, round_from=round_from)


@EPSILON
def test_bounds_are_those_of_equation_4(cover: Tensor, epsilon: float) -> None:
    lower, upper = bounds(cover, epsilon)
    for c, low, high in zip(cover.flatten(), lower.flatten(), upper.flatten(), strict=True):
        assert float(low) == pytest.approx(max(-float(c), -epsilon))
        assert float(high) == pytest.approx(min(1 - float(c), epsilon))


@EPSILON
def test_the_tanh_box_holds_for_every_z(cover: Tensor, epsilon: float) -> None:
    box = TanhBox(cover, epsilon)
    for z in (-1e9, -3.0, -0.1, 0.1, 3.0, 1e9):
        with torch.no_grad():
            box.variable.fill_(z)
        delta = box.delta(0.0).detach()
        assert float(delta.abs().max()) <= epsilon + 1e-7
        assert float((cover + delta).min()) >= -1e-7
        assert float((cover + delta).max()) <= 1 + 1e-7


def test_z_starts_in_the_middle_of_the_box(cover: Tensor) -> None:
    box = TanhBox(cover, 0.2)
    lower, upper = bounds(cover, 0.2)
    assert not box.variable.any()
    torch.testing.assert_close(box.delta(0.0), (lower + upper) / 2)


def test_the_slope_of_the_tanh_box_is_that_of_equation_5(cover: Tensor) -> None:
    box = TanhBox(cover, 0.2)
    (slope,) = torch.autograd.grad(box.delta(0.0).sum(), box.variable)
    lower, upper = bounds(cover, 0.2)
    torch.testing.assert_close(slope, (upper - lower) / 2)


def test_the_grid_holds_whole_levels_from_its_moment_on(cover: Tensor) -> None:
    space = grid(cover, 0.05)
    before, after = (LEVELS * space.delta(progress).detach() for progress in (0.39, 0.4))
    assert (before - before.round()).abs().max() > 0.3
    torch.testing.assert_close(after, after.round(), rtol=0, atol=1e-5)
    torch.testing.assert_close(after.round(), space.variable.detach().round())


def test_the_grid_starts_from_noise_of_the_given_strength() -> None:
    cover = torch.full((1, 3, 64, 64), 0.5)
    noise = grid(cover, 1.0, start=2.0).variable.detach()
    assert float(noise.std()) == pytest.approx(2, rel=0.03)
    assert abs(float(noise.mean())) < 0.1


def test_the_first_guess_is_the_seeds(cover: Tensor) -> None:
    assert torch.equal(grid(cover, 0.05).variable, grid(cover, 0.05).variable)
    other = IntegerGrid(cover, 0.05, [Seed(bytes([1]) * 32)], start=1.0, round_from=0.4)
    assert not torch.equal(grid(cover, 0.05).variable, other.variable)


@EPSILON
def test_the_grid_clamps_to_the_box(cover: Tensor, epsilon: float) -> None:
    """Saturated pixels move inwards only, and no pixel further than the nearest whole level of ε."""
    space = grid(cover, epsilon)
    for shift in (-1000.0, 1000.0):
        with torch.no_grad():
            space.variable.fill_(shift)
        space.project()
        levels = space.variable.detach()
        assert torch.equal(levels, levels.round())
        stego = 255 * cover + levels
        assert float(stego.min()) > -0.01
        assert float(stego.max()) < 255.01
        assert float(levels.abs().max()) == round(255 * epsilon)


@pytest.mark.parametrize("progress", [0.0, 0.9])
def test_the_gradient_passes_rounding_as_the_identity(cover: Tensor, progress: float) -> None:
    space = grid(cover, 0.05)
    weights = torch.linspace(-1, 1, cover.numel()).reshape(cover.shape)
    (slope,) = torch.autograd.grad((weights * space.delta(progress)).sum(), space.variable)
    torch.testing.assert_close(slope, weights / LEVELS)


def test_levels_are_what_a_file_will_hold(cover: Tensor) -> None:
    """round(255 clamp(C + δ)) - 255 C, also where C + δ leaves the range."""
    for shift in (-0.301, -0.0019, 0.0, 0.0019, 0.0021, 0.301):
        delta = torch.full_like(cover, shift)
        levels = to_levels(cover, delta)
        assert levels.dtype == torch.int16
        file = torch.clamp(cover.double() + shift, 0, 1).mul(255).round()
        assert torch.equal((255 * cover).round().double() + levels, file)


def test_levels_on_the_grid_come_through_unchanged(cover: Tensor) -> None:
    space = grid(cover, 0.05, start=3.0)
    assert torch.equal(to_levels(cover, space.delta(1.0)).float(), space.variable.detach().round())

import pytest
import torch
from torch import Tensor

from csfnns.search import Search, clipped_cost, texture_cost
from csfnns.stream import Seed


@pytest.fixture
def half_calm() -> Tensor:
    """Cover (1, 3, 64, 64): flat on the left, noise on the right."""
    noise = torch.from_numpy(Seed(bytes(32)).stream().normals(3 * 64 * 64)).reshape(1, 3, 64, 64).float()
    cover = torch.full((1, 3, 64, 64), 0.5)
    cover[..., 32:] += 0.1 * noise[..., 32:]
    return cover.clamp(0, 1)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_its_mean_is_one_and_it_is_positive(half_calm: Tensor, strength: float) -> None:
    cost = texture_cost(half_calm, strength)
    assert cost.shape == (1, 1, 64, 64)
    assert float(cost.mean()) == pytest.approx(1, rel=1e-5)
    assert float(cost.min()) > 0


def test_strength_none_costs_the_same_everywhere(half_calm: Tensor) -> None:
    torch.testing.assert_close(texture_cost(half_calm, 0.0), torch.ones(1, 1, 64, 64))


def test_texture_is_cheaper_than_calm(half_calm: Tensor) -> None:
    weak, strong = (texture_cost(half_calm, strength)[0, 0] for strength in (0.3, 1.0))
    ratios = [float(cost[:, :28].mean() / cost[:, 36:].mean()) for cost in (weak, strong)]
    assert 1.5 < ratios[0] < ratios[1]


def test_pictures_of_a_batch_have_their_own_costs(half_calm: Tensor) -> None:
    both = torch.cat([half_calm, half_calm.flip(3)])
    torch.testing.assert_close(texture_cost(both, 0.5)[1:], texture_cost(half_calm.flip(3), 0.5))


@pytest.fixture
def clipped_corner() -> Tensor:
    """Cover (1, 3, 64, 64) of mid grey: a black corner of 8x8 in red, one white pixel elsewhere."""
    cover = torch.full((1, 3, 64, 64), 0.5)
    cover[0, 0, :8, :8] = 0
    cover[0, :, 40, 40] = 1
    return cover


def test_clipped_areas_cost_more_and_single_pixels_do_not(clipped_corner: Tensor) -> None:
    cost = clipped_cost(clipped_corner, 16)
    assert cost.shape == (1, 3, 64, 64)
    usual = cost[0, 1, 0, 0]
    assert bool((cost[0, 0, :7, :7] > 15 * usual).all())
    assert bool((cost[0, 1:] == usual).all())
    assert cost[0, 0, 40, 40] == usual


def test_the_cost_of_what_is_left_stays(clipped_corner: Tensor) -> None:
    cost = clipped_cost(clipped_corner, 16)
    assert float((1 / cost).mean()) == pytest.approx(1, rel=1e-5)
    assert float(cost[0, 1, 0, 0]) == pytest.approx(1, abs=0.02)


def test_the_factor_falls_with_the_share_of_clipped_places() -> None:
    ratios = []
    for rows in (4, 16, 32):
        cover = torch.full((1, 3, 64, 64), 0.5)
        cover[..., :rows, :] = 1
        cost = clipped_cost(cover, 16)
        ratios.append(float(cost[0, 0, 0, 0] / cost[0, 0, 63, 63]))
    assert 10 < ratios[0] < 16
    assert 3 < ratios[1] < 5
    assert ratios[2] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_cover_that_is_clipped_all_over_costs_the_same_everywhere(level: float) -> None:
    cost = clipped_cost(torch.full((1, 3, 32, 32), level), 16)
    torch.testing.assert_close(cost, torch.ones(1, 3, 32, 32))


def test_a_search_multiplies_its_costs(clipped_corner: Tensor) -> None:
    assert Search().cost(clipped_corner) is None
    both = Search(texture=0.5, clipped=16).cost(clipped_corner)
    assert both is not None
    torch.testing.assert_close(both, texture_cost(clipped_corner, 0.5) * clipped_cost(clipped_corner, 16))

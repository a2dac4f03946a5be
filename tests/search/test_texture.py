import pytest
import torch
from torch import Tensor

from csfnns.search import texture_cost
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

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from csfnns.errors import SearchError
from csfnns.schemes._lbfgs import lbfgs_round

SCALES = torch.logspace(-1, 2, 30, dtype=torch.float64)
Loss = Callable[[Tensor], Tensor]


def bowl(x: Tensor) -> Tensor:
    return (SCALES * (x - 2).square()).sum()


def valley(x: Tensor) -> Tensor:
    """Rosenbrock's."""
    return (100 * (x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square()).sum()


def flat(x: Tensor) -> Tensor:
    """The bowl, so shallow that the tolerances end a round early."""
    return 1e-9 * bowl(x)


def of_torch(start: Tensor, loss: Loss, steps: int, rate: float) -> Tensor:
    x = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([x], lr=rate, max_iter=steps, max_eval=2 * steps)

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(x)
        value.backward()
        return value

    optimiser.step(closure)
    return x.detach()


@pytest.mark.parametrize("loss", [bowl, valley, flat])
@pytest.mark.parametrize(("steps", "rate"), [(1, 1.0), (2, 0.1), (20, 0.1), (60, 1.0)])
def test_it_goes_where_torchs_goes(loss: Loss, steps: int, rate: float) -> None:
    start = torch.linspace(-1, 1, 30, dtype=torch.float64)
    found = lbfgs_round(start, loss, steps=steps, rate=rate)
    assert torch.allclose(found, of_torch(start, loss, steps, rate), rtol=1e-6, atol=1e-9)
    assert not found.requires_grad


def test_it_finds_the_bottom_of_a_bowl_and_leaves_the_start_alone() -> None:
    start = torch.zeros(30, dtype=torch.float64)
    found = lbfgs_round(start, bowl, steps=100, rate=1.0)
    assert torch.allclose(found, torch.full_like(found, 2.0), atol=1e-5)
    assert (start == 0).all()


def test_a_search_that_diverges_is_an_error() -> None:
    with pytest.raises(SearchError):
        lbfgs_round(torch.ones(3), lambda x: -x.pow(4).sum(), steps=50, rate=1.0)

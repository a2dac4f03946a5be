import pytest
import torch

from csfnns.search.adam import Adam
from csfnns.stream import Seed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_takes_the_steps_of_torch(dtype: torch.dtype) -> None:
    normals = torch.from_numpy(Seed(bytes(32)).stream().normals(60)).to(dtype).reshape(6, 10)
    ours, theirs = normals[0].clone(), normals[0].clone().requires_grad_()
    mine, reference = Adam(ours), torch.optim.Adam([theirs])
    for i, gradient in enumerate(normals[1:]):
        rate = 0.1 / (i + 1)
        mine.step(1e-7 * gradient, rate)  # as small as the gradients of a mean, where epsilon counts
        reference.param_groups[0]["lr"] = rate
        theirs.grad = 1e-7 * gradient
        reference.step()
    torch.testing.assert_close(ours, theirs.detach())

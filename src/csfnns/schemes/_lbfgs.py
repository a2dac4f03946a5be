"""L-BFGS without line search (Nocedal & Wright, Numerical Optimization, 2nd ed., Algorithm 7.5)."""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from csfnns.errors import SearchError

FLAT = 1e-7
"""A gradient whose largest part is no larger ends a round."""
STILL = 1e-9
"""So does a step, a slope or a change of the loss that is no larger."""
STRAIGHT = 1e-10
"""A step along which the gradient changes less tells nothing about curvature."""


def lbfgs_round(variable: Tensor, loss: Callable[[Tensor], Tensor], *, steps: int, rate: float) -> Tensor:
    """`variable` after at most `steps` steps from an empty history of curvatures, detached.

    Equal to torch.optim.LBFGS with its usual settings, whose first use imports a compiler for seconds: its short first
    step and the tolerances above are part of what was published, and at float32 decide how far a round gets. The
    loss gives a scalar. Raises SearchError when the search diverges.
    """
    x = variable.detach().clone()
    pairs: deque[tuple[Tensor, Tensor, Tensor]] = (
        deque()
    )  # steps, changes of gradient, their inverse products
    value, gradient = _evaluate(loss, x)
    scale: Tensor | float = 1.0
    for step in range(steps):
        if float(gradient.abs().max()) <= FLAT:
            break
        direction = _direction(-gradient, pairs, scale)
        if float((gradient * direction).sum()) > -STILL:
            break
        length = rate if step else rate * min(1.0, 1 / float(gradient.abs().sum()))
        x = x + length * direction
        if step + 1 == steps:
            break
        before, former = value, gradient
        value, gradient = _evaluate(loss, x)
        moved, bent = length * direction, gradient - former
        product = (moved * bent).sum()
        if float(product) > STRAIGHT:
            pairs.append((moved, bent, 1 / product))
            scale = product / bent.square().sum()
        if float(moved.abs().max()) <= STILL or abs(value - before) < STILL:
            break
    if not bool(torch.isfinite(x).all()):
        raise SearchError("The search diverged.", "Try a smaller learning rate.")
    return x


def _evaluate(loss: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = loss(x)
        (gradient,) = torch.autograd.grad(value, x)
    return float(value.detach()), gradient


def _direction(q: Tensor, pairs: deque[tuple[Tensor, Tensor, Tensor]], scale: Tensor | float) -> Tensor:
    """Inverse Hessian, as far as the pairs tell, times q: the two loops."""
    factors = []
    for moved, bent, inverse in reversed(pairs):
        factors.append((moved * q).sum() * inverse)
        q = q - factors[-1] * bent
    r = q * scale
    for (moved, bent, inverse), factor in zip(pairs, reversed(factors), strict=True):
        r = r + (factor - (bent * r).sum() * inverse) * moved
    return r

"""Adam (Kingma & Ba 2015, Algorithm 1) for one tensor."""

import torch
from torch import Tensor


class Adam:
    """Moves `variable` in place. Equal to torch.optim.Adam, whose first use imports a compiler for a second or more."""

    def __init__(
        self, variable: Tensor, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
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

"""Adam (Kingma & Ba 2015, Algorithm 1) for one tensor."""

import torch
from torch import Tensor


class Adam:
    """Moves `variable` in place. Equal to torch.optim.Adam, whose first use imports a compiler for a second or more.

    A step is two calls: what changes with its number is computed on the host and put into tensors, so that the rest
    can be recorded once and replayed on a GPU.
    """

    def __init__(
        self, variable: Tensor, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self._variable = variable
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon
        self._mean = torch.zeros_like(variable, requires_grad=False)
        self._square = torch.zeros_like(variable, requires_grad=False)
        self._slope = torch.zeros((), dtype=variable.dtype, device=variable.device)
        self._offset = torch.zeros_like(self._slope)
        self._steps = 0

    @property
    def state(self) -> tuple[Tensor, Tensor]:
        """Running means of the gradient and of its square: what a step changes beside the variable."""
        return self._mean, self._square

    def begin(self, rate: float) -> None:
        """Set the next step's number and learning rate."""
        self._steps += 1
        scale = (1 - self._beta1**self._steps) / rate
        self._slope.fill_(-scale / (1 - self._beta2**self._steps) ** 0.5)
        self._offset.fill_(-scale * self._epsilon)

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Take the step that was begun, down the gradient, of the variable's shape."""
        self._mean.lerp_(gradient, 1 - self._beta1)
        self._square.mul_(self._beta2).addcmul_(gradient, gradient, value=1 - self._beta2)
        self._variable.addcdiv_(self._mean, torch.addcmul(self._offset, self._square.sqrt(), self._slope))

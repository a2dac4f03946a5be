"""The variable that the search optimises, and the box that bounds the perturbation (Sec. 3.1, Eq. 4–5)."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from csfnns.stream import Seed

LEVELS = 255.0


class Space(Protocol):
    """Maps an unconstrained variable to a perturbation inside the box."""

    variable: Tensor

    def delta(self, progress: float) -> Tensor:
        """δ in [-1, 1], (N, 3, H, W), differentiable in the variable; `progress` is from 0 to 1."""
        ...

    def project(self) -> None:
        """Clamp the variable to its range after a step."""
        ...


def bounds(cover: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Lower and upper bound of δ: l = max(-C, -ε), u = min(1 - C, ε) (Eq. 4). Cover (N, 3, H, W) in [0, 1]."""
    return (-cover).clamp(min=-epsilon), (1 - cover).clamp(max=epsilon)


class TanhBox:
    """The paper's parametrisation, δ = l + (u - l)(tanh z + 1) / 2, from z = 0 (Eq. 5)."""

    def __init__(self, cover: Tensor, epsilon: float) -> None:
        self.lower, self.upper = bounds(cover, epsilon)
        self.variable = torch.zeros_like(cover).requires_grad_()

    def delta(self, progress: float) -> Tensor:
        """δ of the current z."""
        return self.lower + (self.upper - self.lower) * (torch.tanh(self.variable) + 1) / 2

    def project(self) -> None:
        """Do nothing: every z is allowed."""


class IntegerGrid:
    """δ in grey levels, rounded from a point of the search on.

    Files hold 8-bit pixels and δ is a level or two, so rounding is the main noise and must be part of the search. It
    starts late, because from a rounded δ = 0 the normalisation layers return wild gradients. The variable starts as keyed
    normal noise, from one seed a cover. The gradient of rounding is the identity (straight-through).
    """

    def __init__(
        self, cover: Tensor, epsilon: float, seeds: Sequence[Seed], *, start: float, round_from: float
    ) -> None:
        lower, upper = bounds(cover, epsilon)
        self.lower, self.upper = (LEVELS * lower).round(), (LEVELS * upper).round()
        streams = (seed.derive("csfnns/2/start").stream() for seed in seeds)
        noise = [torch.from_numpy(stream.normals(cover[0].numel())) for stream in streams]
        self.variable = (start * torch.stack(noise)).reshape(cover.shape).to(cover)
        self.project()
        self.variable.requires_grad_()
        self._round_from = round_from

    def delta(self, progress: float) -> Tensor:
        """δ = w / 255, rounded to whole levels once `progress` has reached `round_from`."""
        if progress < self._round_from:
            return self.variable / LEVELS
        return round_through(self.variable) / LEVELS

    def project(self) -> None:
        """Clamp to the box."""
        with torch.no_grad():
            torch.maximum(self.variable, self.lower, out=self.variable)
            torch.minimum(self.variable, self.upper, out=self.variable)


def round_through(x: Tensor) -> Tensor:
    """Round to the nearest whole numbers; gradients pass unchanged."""
    return x + (x.detach().round() - x.detach())

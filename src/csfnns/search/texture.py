"""Where changes show least: a cost of changing each pixel, from the texture of the cover around it."""

from torch import Tensor, nn

_WINDOW = 7
_MOST = (5 / 255) ** 2
"""Variance that hides a change of a level or two as well as any more does: above it, cost is the same."""
_LEAST = (1 / 255) ** 2
"""Variance of what calm areas have anyway."""


def texture_cost(cover: Tensor, strength: float) -> Tensor:
    """Cost of a squared change at each pixel of covers (N, 3, H, W) in [0, 1]: (N, 1, H, W), of mean 1.

    (min(v, 5²) + 1²)^-strength, with v the variance in grey levels of the 7x7 pixels around, mean over colours: where
    neighbours tell a pixel to a few levels, detectors see a change of one. Strength 0 costs the same everywhere.
    """
    mean = _blur(cover)
    variance = (_blur(cover.square()) - mean.square()).clamp(min=0).mean(1, keepdim=True)
    cost = (variance.clamp(max=_MOST) + _LEAST) ** -strength
    return cost / cost.mean((1, 2, 3), keepdim=True)


def _blur(x: Tensor) -> Tensor:
    """Mean over 7x7 pixels, at the border over those inside."""
    return nn.functional.avg_pool2d(x, _WINDOW, stride=1, padding=_WINDOW // 2, count_include_pad=False)

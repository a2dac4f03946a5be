"""Where changes show least: a cost of changing each pixel, from the texture of the cover around it."""

from torch import Tensor, nn

_WINDOW = 7
_FLOOR = (0.03**2) / 2
"""Half of SSIM's second constant, in [0, 1]²: below that variance, texture no longer hides more or less (SSIM, Eq. 13)."""


def texture_cost(cover: Tensor, strength: float) -> Tensor:
    """Cost of a squared change at each pixel of covers (N, 3, H, W) in [0, 1]: (N, 1, H, W), of mean 1.

    (v + floor)^-strength, with v the variance of the 7x7 pixels around, mean over colours: SSIM divides a change's
    energy by just that, and detectors predict a pixel from such neighbours. Strength 0 costs the same everywhere.
    """
    mean = _blur(cover)
    variance = (_blur(cover.square()) - mean.square()).clamp(min=0).mean(1, keepdim=True)
    cost = (variance + _FLOOR) ** -strength
    return cost / cost.mean((1, 2, 3), keepdim=True)


def _blur(x: Tensor) -> Tensor:
    """Mean over 7x7 pixels, at the border over those inside."""
    return nn.functional.avg_pool2d(x, _WINDOW, stride=1, padding=_WINDOW // 2, count_include_pad=False)

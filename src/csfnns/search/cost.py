"""Where changes show: costs of changing each sub-pixel, from the cover around it."""

from torch import Tensor, nn

from csfnns.search.box import LEVELS

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


def clipped_cost(cover: Tensor, factor: float) -> Tensor:
    """Cost of a squared change at each sub-pixel of covers (N, 3, H, W) in [0, 1]: (N, 3, H, W), of harmonic mean 1.

    Up to `factor` times as much where the cover is clipped: black or white, and half of the 3x3 around it in its channel
    too. Changes have one sign there, so that they stay within a pair of values, 0 and 1 or 254 and 255, as replaced bits
    do: sample pairs, RS and primary sets see these. The factor falls with the share of such places, to 1 at a half:
    secrets need room. The harmonic mean keeps the cost of the room that is left.
    """
    levels = (LEVELS * cover).round()
    clipped = ((levels == 0) | (levels == LEVELS)).to(cover)
    # A little below half: sums of ninths are not exact.
    flat = clipped * (_blur(clipped, 3) > 0.49)
    share = flat.mean((1, 2, 3), keepdim=True)
    cost = 1 + (factor ** (1 - 2 * share).clamp(min=0) - 1) * flat
    return cost * (1 / cost).mean((1, 2, 3), keepdim=True)


def _blur(x: Tensor, window: int = _WINDOW) -> Tensor:
    """Mean over so many pixels squared, at the border over those inside."""
    return nn.functional.avg_pool2d(x, window, stride=1, padding=window // 2, count_include_pad=False)

"""Where a change shows least: a cost map of the cover, so that the perturbation goes into texture, not into sky."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

FLOOR = 1.5 / 255
"""Deviation of a texture that counts as none, in [0, 1]: about what the eye, SSIM and sensors take for flat."""
_WINDOW = 7


def texture_cost(cover: Tensor, strength: float) -> Tensor:
    """Cost of a squared change at each pixel, (N, 1, H, W), mean 1; cover (N, 3, H, W) in [0, 1].

    The cost is (s² + floor²)^(-strength / 2), with s the deviation of the brightness' high frequencies in 7x7 pixels.
    Strength 0 costs the same everywhere; 2 is what SSIM asks for, whose loss is δ² over the local variance.
    """
    brightness = cover.mean(1, keepdim=True)
    kernel = torch.tensor([[-1.0, 2.0, -1.0]]).to(cover)
    kernel = (kernel.T @ kernel / 6)[None, None]  # unit gain for white noise
    high = conv2d(pad(brightness, (1, 1, 1, 1), mode="reflect"), kernel)
    margin = _WINDOW // 2
    variance = avg_pool2d(pad(high.square(), (margin,) * 4, mode="reflect"), _WINDOW, stride=1)
    cost = (variance + FLOOR**2) ** (-strength / 2)
    return cost / cost.mean((2, 3), keepdim=True)

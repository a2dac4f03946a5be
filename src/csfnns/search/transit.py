"""A channel within a search: what is hidden is changed on its way, step by step."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from csfnns.picture import Picture
from csfnns.search.box import LEVELS
from csfnns.search.channel import Channel, perturbation
from csfnns.stream import Seed


class Transit:
    """δ on its way: each call draws a case of the channel for each picture."""

    def __init__(self, channel: Channel, seeds: Sequence[Seed]) -> None:
        """One seed a picture. What they draw is the sender's affair alone, and need not be the same everywhere."""
        self._channel = channel
        derived = (seed.derive("csfnns/1/channel") for seed in seeds)
        self._randoms = [np.random.default_rng(list(seed.data)) for seed in derived]

    def __call__(self, cover: Tensor, delta: Tensor) -> Tensor:
        """δ as receivers will see it, (N, 3, H, W) like δ, whose gradients it hands on unchanged."""
        with torch.no_grad():
            pairs = zip(_pictures(cover), _pictures(cover + delta), self._randoms, strict=True)
            seen = np.stack([perturbation(self._channel(s, random), c) for c, s, random in pairs])
            levels = torch.from_numpy(seen).permute(0, 3, 1, 2).contiguous().to(delta) / LEVELS
            change = levels - delta
        return delta + change


def _pictures(images: Tensor) -> list[Picture]:
    """Images (N, 3, H, W) in [0, 1] as files hold them."""
    levels = (LEVELS * images.clamp(0, 1)).round().to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())

"""Searches in torch of one part of the covers after another, and pictures as tensors."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from csfnns.images.io import Picture
from csfnns.search import Progress, Search, Weighted
from csfnns.stream import Seed


def search_parts(
    covers: Sequence[Picture],
    windows: Sequence[tuple[slice, slice]],
    terms_of: Callable[[int], Sequence[Weighted]],
    search: Search,
    *,
    seeds: Sequence[Seed],
    device: str,
    progress: Progress | None,
) -> list[Picture]:
    """Search the parts of covers, uint8 (H, W, 3) of one size, at `windows` (rows, columns); return the stegos.

    `terms_of(i)` returns the terms of part i; `seeds`, one a cover, make the first guesses. Memory does not grow with the
    number of parts. Raises SearchError and Cancelled.
    """
    images = torch.cat([as_image(cover) for cover in covers])
    stegos = [cover.copy() for cover in covers]
    for i, (rows, columns) in enumerate(windows):
        delta = search(
            images[:, :, rows, columns].to(device),
            terms_of(i),
            seeds=[seed.derive(f"csfnns/2/part/{i}") for seed in seeds],
            progress=_part_of(progress, i, len(windows)),
        )
        for stego, cover, levels in zip(stegos, covers, delta.cpu(), strict=True):
            stego[rows, columns] = cover[rows, columns] + levels.permute(1, 2, 0).numpy()
    return stegos


def as_image(picture: Picture, device: str = "cpu") -> Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) float32 in [0, 1]."""
    chw = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return torch.from_numpy(chw)[None].to(device).float() / 255


def as_picture(image: Tensor) -> Picture:
    """(1, 3, H, W) → (H, W, 3) uint8: clamped to [0, 1] and rounded."""
    levels = (255 * image[0].clamp(0, 1)).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def _part_of(progress: Progress | None, i: int, parts: int) -> Progress | None:
    """Progress callback of the i-th of several searches, reported as progress of all."""
    if progress is None:
        return None
    return lambda step, steps: progress(i * steps + step, parts * steps)

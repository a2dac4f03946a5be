"""What the schemes with a search in torch share: part after part of the covers, until their stegos are whole."""

from collections.abc import Callable, Sequence

import torch

from csfnns.errors import SearchError
from csfnns.picture import Picture
from csfnns.schemes._fixed import as_image
from csfnns.search import Progress, Search, Weighted, part_of
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
    """Stegos of covers, uint8 (H, W, 3) of one size, whose parts at `windows` (rows, columns) are searched in turn.

    `terms_of(i)` gives the terms of the i-th part; `seeds`, one a cover, make the first guesses. Memory does not grow
    with the number of parts. Raises SearchError and Cancelled.
    """
    images = torch.cat([as_image(cover) for cover in covers])
    stegos = [cover.copy() for cover in covers]
    for i, (rows, columns) in enumerate(windows):
        try:
            delta = search(
                images[:, :, rows, columns].to(device),
                terms_of(i),
                seeds=[seed.derive(f"csfnns/1/part/{i}") for seed in seeds],
                progress=part_of(progress, i, len(windows)),
            )
        except torch.OutOfMemoryError as error:
            hint = "Hide fewer pictures at once, or search on the processor: --device cpu."
            raise SearchError(f"{device} has too little memory for this search.", hint) from error
        for stego, cover, levels in zip(stegos, covers, delta.cpu(), strict=True):
            stego[rows, columns] = cover[rows, columns] + levels.permute(1, 2, 0).numpy()
    return stegos

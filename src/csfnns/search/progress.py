"""How a search tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], bool | None]
"""Called with the steps done and all steps; returning False cancels the search."""


def part_of(progress: Progress | None, i: int, parts: int) -> Progress | None:
    """Progress of the i-th of some searches, told as progress of all."""
    if progress is None:
        return None
    return lambda step, steps: progress(i * steps + step, parts * steps)

"""Families of composition: each rolls its choices from dice once, then paints any points of the plane.

A scene says what there is at a point (`Surface`); colours, light and grain are common to all: see `abstract`.
The order below is part of the format: a seed names a scene by its place.
"""

from collections.abc import Callable

from csfnns.covers._noise import Dice
from csfnns.covers._scenes._cloth import papercut, silk, strands, weave
from csfnns.covers._scenes._figures import bloom, bokeh, network, ribbons, tiles
from csfnns.covers._scenes._sky import nebula, peaks
from csfnns.covers._scenes._stone import agate, dunes, kintsugi, marbling
from csfnns.covers._scenes._surface import Scene, Surface
from csfnns.covers._scenes._tables import TABLED

_WRITTEN = (
    silk, agate, papercut, kintsugi, dunes, nebula, marbling, weave,
    network, strands, ribbons, peaks, bloom, bokeh, tiles,
)  # fmt: skip

SCENES: dict[str, Callable[[Dice], Scene]] = {scene.__name__: scene for scene in _WRITTEN} | TABLED

FLAT = (
    "papercut", "dunes", "weave", "peaks", "bloom",
    "bricks", "planks", "facade", "slates", "books", "blinds",
    "sea", "lake", "meadow", "furrows", "snow",
)  # fmt: skip
"""Scenes that are no kaleidoscopes."""

__all__ = ["FLAT", "SCENES", "Surface"]

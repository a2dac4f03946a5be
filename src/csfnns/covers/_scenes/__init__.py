"""Families of composition: each rolls its choices from dice once, then paints any points of the plane.

A scene says what there is at a point (`Surface`); colours, light and grain are common to all: see `abstract`.
The order below is part of the format: a seed names a scene by its place.
"""

from csfnns.covers._scenes._cloth import papercut, silk, strands, weave
from csfnns.covers._scenes._figures import bloom, bokeh, network, ribbons, tiles
from csfnns.covers._scenes._sky import nebula, peaks
from csfnns.covers._scenes._stone import agate, dunes, kintsugi, marbling
from csfnns.covers._scenes._surface import Surface

SCENES = (
    silk, agate, papercut, kintsugi, dunes, nebula, marbling, weave,
    network, strands, ribbons, peaks, bloom, bokeh, tiles,
)  # fmt: skip

FOLDING = (silk, agate, kintsugi, nebula, marbling, network, strands, ribbons, bokeh, tiles)
"""Scenes that a kaleidoscope becomes."""

__all__ = ["FOLDING", "SCENES", "Surface"]

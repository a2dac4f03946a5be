"""What a scene is: a function of the plane, in units of the picture's short side, y down."""

from collections.abc import Callable
from typing import Any, NamedTuple

from csfnns.covers._noise import Field


class Surface(NamedTuple):
    """What there is at each point; fields of the points' shape, or one number for all of them."""

    tone: Any
    """0…ONE along the palette's ramps, dark to light; beyond is clipped."""
    blend: Any = 0
    """0…ONE from the main to the counter ramp."""
    height: Any = 0
    """Relief, in units of the short side; its slope catches the light."""
    light: Any = 0
    """Added lightness: glow, mist, shadow."""
    accent: Any = 0
    """0…ONE towards the accent colour."""


Scene = Callable[[Field, Field], Surface]

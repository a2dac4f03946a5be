"""Steganographic perturbation search. Channels need NumPy alone; a search by gradients needs the extra `network`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from csfnns.extras import load_lazily
from csfnns.search.channel import CHANNELS, Channel, Jpeg, parse_channel, perturbation

if TYPE_CHECKING:
    from csfnns.search.box import bounds as bounds
    from csfnns.search.objective import Distortion as Distortion
    from csfnns.search.objective import Recovery as Recovery
    from csfnns.search.objective import SearchState as SearchState
    from csfnns.search.objective import Term as Term
    from csfnns.search.objective import Transit as Transit
    from csfnns.search.objective import Undetected as Undetected
    from csfnns.search.objective import Weighted as Weighted
    from csfnns.search.sps import GAMMA as GAMMA
    from csfnns.search.sps import Search as Search
    from csfnns.search.sps import check_device as check_device
    from csfnns.search.sps import preset as preset

__all__ = [
    "CHANNELS",
    "GAMMA",
    "Channel",
    "Distortion",
    "Jpeg",
    "Progress",
    "Recovery",
    "Search",
    "SearchState",
    "Term",
    "Transit",
    "Undetected",
    "Weighted",
    "bounds",
    "check_device",
    "parse_channel",
    "perturbation",
    "preset",
]

Progress = Callable[[int, int], bool | None]
"""Called with the steps done and all steps; returning False cancels the search."""

_OBJECTIVE = ("Distortion", "Recovery", "SearchState", "Term", "Transit", "Undetected", "Weighted")
_SPS = ("GAMMA", "Search", "check_device", "preset")

__getattr__ = load_lazily(
    __name__, {"bounds": "box"} | dict.fromkeys(_OBJECTIVE, "objective") | dict.fromkeys(_SPS, "sps")
)

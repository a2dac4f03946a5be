"""Steganographic perturbation search."""

from csfnns.search.box import bounds
from csfnns.search.channel import Channel, Jpeg, Transit, parse_channel, perturbation
from csfnns.search.objective import Distortion, Recovery, SearchState, Term, Undetected, Weighted
from csfnns.search.sps import Progress, Search, check_device, preset
from csfnns.search.texture import texture_cost

__all__ = [
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
    "texture_cost",
]

"""Steganographic perturbation search."""

from csfnns.search.box import bounds
from csfnns.search.channel import Channel, Jpeg, Transit, parse_channel, perturbation
from csfnns.search.cost import clipped_cost, texture_cost
from csfnns.search.objective import Distortion, Recovery, SearchState, Term, Undetected, Weighted
from csfnns.search.sps import GAMMA, Progress, Search, check_device, preset

__all__ = [
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
    "clipped_cost",
    "parse_channel",
    "perturbation",
    "preset",
    "texture_cost",
]

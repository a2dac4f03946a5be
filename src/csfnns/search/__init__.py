"""Steganographic perturbation search."""

from csfnns.search.box import bounds
from csfnns.search.objective import Distortion, Recovery, SearchState, Term, Weighted
from csfnns.search.sps import Progress, Search, preset
from csfnns.search.texture import texture_cost

__all__ = [
    "Distortion",
    "Progress",
    "Recovery",
    "Search",
    "SearchState",
    "Term",
    "Weighted",
    "bounds",
    "preset",
    "texture_cost",
]

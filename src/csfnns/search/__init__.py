"""Steganographic perturbation search."""

from csfnns.search.box import bounds
from csfnns.search.objective import Distortion, Recovery, SearchState, Term, Weighted
from csfnns.search.sps import PRESETS, Progress, Search

__all__ = [
    "PRESETS",
    "Distortion",
    "Progress",
    "Recovery",
    "Search",
    "SearchState",
    "Term",
    "Weighted",
    "bounds",
]

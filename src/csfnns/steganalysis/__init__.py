"""Steganalysis by statistics: how likely a picture holds something, without its cover.

base.py          what a detector is
primary_sets.py · sample_pairs.py · rs.py    estimate the rate of LSB replacement
chi_square.py    finds LSB replacement that fills a picture from its beginning
stegexpose.py    the mean of these four
spam.py          features of neighbours, judged by a trained ensemble (_ensemble.py)
deep.py          networks that are trained: xunet.py · yenet.py · siastegnet.py · srnet.py, taught by learning.py
roc.py           how well scores tell stegos from covers
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from csfnns.errors import UsageError
from csfnns.steganalysis.base import Detector
from csfnns.steganalysis.chi_square import ChiSquare
from csfnns.steganalysis.deep import (
    NETWORKS,
    Deep,
    Learned,
    Lesson,
    draw_curve,
    find_model,
    learn,
    make_network,
    shipped_networks,
)
from csfnns.steganalysis.primary_sets import PrimarySets
from csfnns.steganalysis.roc import Roc, draw, roc
from csfnns.steganalysis.rs import Rs
from csfnns.steganalysis.sample_pairs import SamplePairs
from csfnns.steganalysis.spam import Spam, cross_scores, spam_features
from csfnns.steganalysis.stegexpose import StegExpose

UNTRAINED: dict[str, Callable[[], Detector]] = {
    "stegexpose": lambda: StegExpose((PrimarySets(), ChiSquare(), SamplePairs(), Rs())),
    "primary-sets": PrimarySets,
    "chi-square": ChiSquare,
    "sample-pairs": SamplePairs,
    "rs": Rs,
}
"""Makers of the detectors that need no model."""

TRAINED: dict[str, Callable[[Path], Detector]] = {
    "spam": Spam.load,
    **{name: partial(Deep.load, detector=name) for name in NETWORKS},
}
"""Readers of the detectors that come from a model file."""

DETECTORS = (*UNTRAINED, *TRAINED)
"""Names that `make_detector` knows."""

__all__ = [
    "DETECTORS",
    "NETWORKS",
    "TRAINED",
    "UNTRAINED",
    "ChiSquare",
    "Deep",
    "Detector",
    "Learned",
    "Lesson",
    "PrimarySets",
    "Roc",
    "Rs",
    "SamplePairs",
    "Spam",
    "StegExpose",
    "cross_scores",
    "draw",
    "draw_curve",
    "find_model",
    "learn",
    "make_detector",
    "make_network",
    "roc",
    "shipped_networks",
    "spam_features",
]


def make_detector(name: str, model: Path | None = None) -> Detector:
    """Detector of that name; `model` is the file of one that is trained, and of no other.

    Without it, a network is the one that comes taught with this package, where there is one. Raises UsageError for an
    unknown name, and for a model that is missing, broken or not needed.
    """
    if name in UNTRAINED:
        if model is not None:
            raise UsageError(f"The detector {name!r} needs no model.", "Leave the model out.")
        return UNTRAINED[name]()
    if name not in TRAINED:
        raise UsageError(f"There is no detector {name!r}.", f"Choose one of: {', '.join(DETECTORS)}.")
    shipped = shipped_networks()
    model = model or shipped.get(name)
    if model is None:
        hint = "Name its file: --model FILE. 'csfnns steganalysis train' makes one."
        hint += f" Taught already: {', '.join(shipped)}." if shipped else ""
        raise UsageError(f"The detector {name!r} is trained, and comes from a model.", hint)
    return TRAINED[name](model)

"""Steganalysis: how likely a picture holds a message, scored without its cover.

base.py          what a detector is
detectors.py     the registry
replacement.py   detectors of LSB replacement: primary sets, sample pairs, RS, chi-square, StegExpose
ensemble.py      features classified by a trained ensemble: spam.py (neighbours) · srm.py (the rich model) ·
                 residual.py (noise in smooth places)
deep.py          networks as detectors: xunet.py · yenet.py · siastegnet.py · srnet.py, trained by training.py
roc.py           how well scores separate stegos from covers
"""

from pathlib import Path

from csfnns.errors import UsageError
from csfnns.steganalysis.base import Detector, DetectorEntry
from csfnns.steganalysis.config import TrainingConfig
from csfnns.steganalysis.deep import (
    Deep,
    TrainingResult,
    draw_curve,
    find_model,
    make_network,
    shipped_networks,
    train_network,
)
from csfnns.steganalysis.detectors import DETECTORS, networks
from csfnns.steganalysis.ensemble import cross_scores
from csfnns.steganalysis.replacement import ChiSquare, PrimarySets, Rs, SamplePairs, StegExpose
from csfnns.steganalysis.residual import Residual, residual_features
from csfnns.steganalysis.roc import Roc, draw, roc, roc_curve
from csfnns.steganalysis.spam import Spam, spam_features
from csfnns.steganalysis.srm import Srm, srm_features

__all__ = [
    "DETECTORS",
    "ChiSquare",
    "Deep",
    "Detector",
    "DetectorEntry",
    "PrimarySets",
    "Residual",
    "Roc",
    "Rs",
    "SamplePairs",
    "Spam",
    "Srm",
    "StegExpose",
    "TrainingConfig",
    "TrainingResult",
    "cross_scores",
    "draw",
    "draw_curve",
    "find_model",
    "make_detector",
    "make_network",
    "networks",
    "residual_features",
    "roc",
    "roc_curve",
    "shipped_networks",
    "spam_features",
    "srm_features",
    "train_network",
]


def make_detector(name: str, model: Path | None = None) -> Detector:
    """Detector of that name. `model` is the file of a trained one; None for a pretrained network, where there is one.

    Raises UsageError for an unknown name, for a model that is missing, broken or not needed, and for a missing extra.
    """
    kind = DETECTORS[name].kind
    factory = DETECTORS.load(name)
    if kind == "statistic":
        if model is not None:
            raise UsageError(f"The detector {name!r} takes no model.", "Leave the model out.")
        return factory()
    shipped = shipped_networks()
    model = model or shipped.get(name)
    if model is None:
        hint = "Give its file with --model, or train one: csfnns steganalysis train."
        hint += f" Pretrained: {', '.join(shipped)}." if shipped else ""
        raise UsageError(f"The detector {name!r} needs a model.", hint)
    return Deep.load(model, detector=name) if kind == "network" else factory.load(model)

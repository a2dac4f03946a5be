"""Steganalysis: how likely a picture holds a message, scored without its cover.

base.py          what a detector is
detectors.py     the registry
replacement.py   detectors of LSB replacement: primary sets, sample pairs, RS, chi-square, StegExpose
ensemble.py      features classified by a trained ensemble: spam.py (neighbours) · srm.py (the rich model) ·
                 residual.py (noise in smooth places) · dctr.py (of JPEG files)
deep.py          networks as detectors: xunet.py · yenet.py · siastegnet.py · srnet.py, trained by training.py
roc.py           how well scores separate stegos from covers
"""

from pathlib import Path
from typing import Any

from csfnns.errors import NoMessageError, PictureError, UsageError
from csfnns.images.decode import open_file
from csfnns.images.io import read_picture
from csfnns.images.jpeg_file import is_jpeg, read_foreign_coefficients
from csfnns.steganalysis.base import Detector, DetectorEntry
from csfnns.steganalysis.config import TrainingConfig
from csfnns.steganalysis.dctr import Dctr, dctr_features
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
    "Dctr",
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
    "dctr_features",
    "draw",
    "draw_curve",
    "find_model",
    "make_detector",
    "make_network",
    "networks",
    "read_for",
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


def read_for(name: str, path: Path) -> Any:
    """Read a file as the detector of that name scores it: levels, uint8 (H, W, 3), or Coefficients.

    Raises UsageError for a file that is no JPEG where coefficients are scored, and for grey ones; PictureError for damaged
    ones.
    """
    if DETECTORS[name].reads == "levels":
        return read_picture(path)
    with open_file(path) as file:
        data = file.read()
    if not is_jpeg(data):
        hint = "Give .jpg files as they were sent, or choose another detector: csfnns steganalysis detectors."
        raise UsageError(f"{path} is no JPEG file, and {name} looks at the coefficients of one.", hint)
    try:
        return read_foreign_coefficients(data)
    except NoMessageError as error:
        hint = "It takes files in colour, 4:2:0 or 4:4:4, with one table for both chrominances."
        raise UsageError(f"{path} is a JPEG file of a kind that {name} does not take.", hint) from error
    except PictureError as error:
        raise PictureError(f"{path}: {error.message}", error.hint) from error

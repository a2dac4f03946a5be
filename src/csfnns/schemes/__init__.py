"""Schemes: ways to hide secrets in a given cover and to get them back. Cs-FNNS, and the baselines beside it."""

from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from csfnns.errors import UsageError
from csfnns.extras import load_lazily, require
from csfnns.profile import Profile
from csfnns.schemes.base import ReceiverSeeds, Scheme
from csfnns.schemes.csfnns import CsFnns
from csfnns.schemes.direct import Direct
from csfnns.schemes.direct_jpeg import DirectJpeg
from csfnns.schemes.lsb import Lsb
from csfnns.schemes.neural_bits import NeuralBits

if TYPE_CHECKING:
    from csfnns.schemes.kishore import Kishore as Kishore
    from csfnns.schemes.luo import Luo as Luo
    from csfnns.schemes.udh import Udh as Udh

_CLASSES = {
    "trellis": "Trellis",
    "csfnns": "CsFnns",
    "kishore": "Kishore",
    "luo": "Luo",
    "lsb": "Lsb",
    "udh": "Udh",
}
"""Class of each scheme, in the module of its name."""
_WITHOUT_TORCH = ("trellis", "lsb")

SCHEMES = tuple(_CLASSES)
"""Names that `make_scheme` knows."""

__all__ = [
    "SCHEMES",
    "CsFnns",
    "Direct",
    "DirectJpeg",
    "Kishore",
    "Lsb",
    "Luo",
    "NeuralBits",
    "ReceiverSeeds",
    "Scheme",
    "Udh",
    "make_scheme",
]

__getattr__ = load_lazily(__name__, {"Kishore": "kishore", "Luo": "luo", "Udh": "udh"})


def make_scheme(name: str, profile: Profile, **settings: Any) -> Scheme:
    """Scheme of that name, to hide with; `settings` are the fields of its class.

    Raises UsageError for an unknown name or setting, for what the scheme refuses, and without the extra `network` where
    the scheme needs it.
    """
    if name not in _CLASSES:
        raise UsageError(f"There is no scheme {name!r}.", f"Choose one of: {', '.join(SCHEMES)}.")
    if name not in _WITHOUT_TORCH:
        require("network", f"The scheme {name!r}")
    cls = getattr(import_module(f"csfnns.schemes.{name}"), _CLASSES[name])
    known = {field.name for field in fields(cls)} - {"profile"}
    unknown = sorted(set(settings) - known)
    if unknown:
        hint = f"It has: {', '.join(sorted(known))}."
        raise UsageError(f"The scheme {name!r} has no setting {unknown[0]!r}.", hint)
    scheme: Scheme = cls(profile, **settings)
    return scheme

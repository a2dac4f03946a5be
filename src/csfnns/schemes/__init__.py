"""Schemes: ways to hide secrets in a given cover and to get them back. Cs-FNNS, and the baselines beside it."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from csfnns.errors import UsageError
from csfnns.profile import Profile
from csfnns.schemes.base import ReceiverSeeds, Scheme
from csfnns.schemes.csfnns import CsFnns
from csfnns.schemes.direct import Direct
from csfnns.schemes.direct_jpeg import DirectJpeg
from csfnns.schemes.kishore import Kishore
from csfnns.schemes.lsb import Lsb
from csfnns.schemes.luo import Luo
from csfnns.schemes.neural_bits import NeuralBits
from csfnns.schemes.udh import Udh

_CLASSES: dict[str, Callable[..., Scheme]] = {
    "csfnns": CsFnns,
    "kishore": Kishore,
    "luo": Luo,
    "lsb": Lsb,
    "udh": Udh,
}

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


def make_scheme(name: str, profile: Profile, **settings: Any) -> Scheme:
    """Scheme of that name; `settings` are the fields of its class.

    Raises UsageError for an unknown name or setting, and for what the scheme refuses.
    """
    if name not in _CLASSES:
        raise UsageError(f"There is no scheme {name!r}.", f"Choose one of: {', '.join(SCHEMES)}.")
    known = {field.name for field in fields(_CLASSES[name])} - {"profile"}  # type: ignore[arg-type]
    unknown = sorted(set(settings) - known)
    if unknown:
        hint = f"It has: {', '.join(sorted(known))}."
        raise UsageError(f"The scheme {name!r} has no setting {unknown[0]!r}.", hint)
    return _CLASSES[name](profile, **settings)

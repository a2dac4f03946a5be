"""Baselines: schemes that experiments compare, Cs-FNNS among them. Each hides pictures in a given cover."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from csfnns.baselines.lsb import Lsb
from csfnns.errors import UsageError
from csfnns.extras import load_lazily
from csfnns.methods.base import Scheme
from csfnns.profile import Profile
from csfnns.registry import Entry, Registry

if TYPE_CHECKING:
    from csfnns.baselines.kishore import Kishore as Kishore
    from csfnns.baselines.luo import Luo as Luo
    from csfnns.baselines.steganogan import SteganoGan as SteganoGan
    from csfnns.baselines.udh import Udh as Udh

SCHEMES = Registry(
    "scheme",
    {
        "trellis": Entry("csfnns.methods.trellis:Trellis", "Cs-FNNS with the trellis decoder (profile standard)"),
        "csfnns": Entry("csfnns.methods.network:CsFnns", "Cs-FNNS by gradients (profiles paper, robust)", ("network",)),
        "kishore": Entry("csfnns.baselines.kishore:Kishore", "Kishore et al., ICLR 2022", ("network",)),
        "luo": Entry("csfnns.baselines.luo:Luo", "Luo et al., ACM Multimedia 2023", ("network",)),
        "lsb": Entry("csfnns.baselines.lsb:Lsb", "low bits replaced, or matched by ±1"),
        "steganogan": Entry("csfnns.baselines.steganogan:SteganoGan", "SteganoGAN, Zhang et al., 2019", ("network",)),
        "udh": Entry("csfnns.baselines.udh:Udh", "universal deep hiding, Zhang et al., NeurIPS 2020", ("network",)),
    },
    group="csfnns.baselines",
)
"""Classes that implement `Scheme`: frozen dataclasses whose first field is the profile."""

__all__ = ["SCHEMES", "Kishore", "Lsb", "Luo", "SteganoGan", "Udh", "make_scheme"]

__getattr__ = load_lazily(__name__, {"Kishore": "kishore", "Luo": "luo", "SteganoGan": "steganogan", "Udh": "udh"})


def make_scheme(name: str, profile: Profile, **settings: Any) -> Scheme:
    """Scheme of that name; `settings` are the fields of its class.

    Raises UsageError for an unknown name or setting, for values that the scheme refuses, and for a missing extra.
    """
    cls = SCHEMES.load(name)
    known = {field.name for field in fields(cls)} - {"profile"}
    unknown = sorted(set(settings) - known)
    if unknown:
        hint = f"Choose from: {', '.join(sorted(known))}."
        raise UsageError(f"The scheme {name!r} has no setting {unknown[0]!r}.", hint)
    scheme: Scheme = cls(profile, **settings)
    return scheme

"""Schemes: ways to hide secrets in a given cover and to get them back."""

from csfnns.schemes.base import ReceiverSeeds, Scheme
from csfnns.schemes.csfnns import CsFnns

__all__ = ["CsFnns", "ReceiverSeeds", "Scheme"]

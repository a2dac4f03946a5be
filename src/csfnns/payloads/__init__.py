"""Payloads: what is hidden, as a decoder's target, and back."""

from csfnns.payloads.base import Decoded, PictureCodec, Target
from csfnns.payloads.pixels import PixelCodec
from csfnns.payloads.spectral import SpectralCodec
from csfnns.profile import Profile
from csfnns.stream import Seed

__all__ = ["Decoded", "PictureCodec", "Target", "make_codec"]


def make_codec(profile: Profile, header_seed: Seed) -> PictureCodec:
    """Codec that speaks the language of the profile's decoder."""
    return SpectralCodec(profile, header_seed) if profile.has_header else PixelCodec(profile, header_seed)

"""Payloads: secrets as a decoder's target and back, files as bytes."""

from csfnns.payloads.base import Decoded, PictureCodec, Target
from csfnns.payloads.pixels import PixelCodec
from csfnns.payloads.spectral import SpectralCodec
from csfnns.profile import Profile
from csfnns.stream import Seed

__all__ = ["Decoded", "PictureCodec", "Target", "make_codec"]


def make_codec(profile: Profile, header_seed: Seed) -> PictureCodec:
    """Codec for the network of a profile: coefficients for `robust`, pixels for the paper's decoders."""
    if profile.decoder == "robust":
        return SpectralCodec(profile, header_seed)
    return PixelCodec(profile, header_seed)

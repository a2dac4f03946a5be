"""Decoders: fixed random networks grown from a key."""

from collections.abc import Callable

from csfnns.decoders.base import Decoder, Part, Together, freeze
from csfnns.decoders.plain import PlainDecoder
from csfnns.decoders.robust import RobustDecoder
from csfnns.decoders.shuffle import ShuffleDecoder
from csfnns.decoders.spectral import SpectralDecoder
from csfnns.profile import Profile
from csfnns.stream import Seed

DECODERS: dict[str, Callable[[Profile, Seed], Decoder]] = {
    "plain": PlainDecoder,
    "shuffle": ShuffleDecoder,
    "spectral": SpectralDecoder,
    "robust": RobustDecoder,
}

__all__ = ["DECODERS", "Decoder", "Part", "Together", "make_decoder"]


def make_decoder(profile: Profile, seed: Seed) -> Decoder:
    """Grow the profile's decoder from the seed, frozen, in evaluation mode (D[θ] with θ = I(D, k_d), Eq. 7)."""
    decoder = DECODERS[profile.decoder](profile, seed)
    freeze(decoder)
    return decoder.eval()

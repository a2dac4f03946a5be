"""Decoders: fixed random networks grown from a key.

The decoder `robust` runs in NumPy, so that its receivers need no torch; all others, and every search, run in torch.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from csfnns.decoders.robust import RobustNetwork
from csfnns.extras import load_lazily, require
from csfnns.profile import Profile
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.decoders.base import Decoder as Decoder
    from csfnns.decoders.base import Part as Part
    from csfnns.decoders.base import Together as Together

DECODERS = ("plain", "shuffle", "robust")
"""Names that `make_decoder` knows."""

__all__ = ["DECODERS", "Decoder", "Part", "RobustNetwork", "Together", "decode", "make_decoder"]

__getattr__ = load_lazily(__name__, dict.fromkeys(("Decoder", "Part", "Together"), "base"))


def make_decoder(profile: Profile, seed: Seed) -> "Decoder":
    """Grow the profile's decoder in torch, frozen, in evaluation mode (D[θ] with θ = I(D, k_d), Eq. 7).

    Raises UsageError without the extra `network`.
    """
    require("network", f"The decoder {profile.decoder!r}")
    from csfnns.decoders.base import freeze
    from csfnns.decoders.plain import PlainDecoder
    from csfnns.decoders.shuffle import ShuffleDecoder

    makers: dict[str, Callable[[Profile, Seed], Decoder]] = {
        "plain": PlainDecoder,
        "shuffle": ShuffleDecoder,
        "robust": lambda profile, seed: RobustNetwork(profile, seed).to_torch(),
    }
    decoder = makers[profile.decoder](profile, seed)
    freeze(decoder)
    return decoder.eval()


def decode(profile: Profile, seed: Seed, levels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Output (3, Hs, Ws) of the profile's decoder for δ, or a picture, in grey levels (H, W, 3).

    The decoder `robust` needs no torch. Raises UsageError for the others without the extra `network`.
    """
    image = levels.transpose(2, 0, 1).astype(np.float64, order="C") / 255  # (3, H, W)
    if profile.decoder == "robust":
        return RobustNetwork(profile, seed).decode(image).astype(np.float32)
    decoder = make_decoder(profile, seed)
    import torch

    with torch.inference_mode():
        output: npt.NDArray[np.float32] = decoder(torch.from_numpy(image).float()[None])[0].numpy()
    return output

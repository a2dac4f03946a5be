"""Decoders: fixed random networks grown from a key, and the trellis decoder (trellis.py).

The decoder `robust` also runs in NumPy, so that its receivers need no torch; the others, and every search, run in torch.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from csfnns.decoders.robust import RobustNetwork
from csfnns.extras import load_lazily
from csfnns.profile import Profile
from csfnns.registry import Entry, Registry
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.decoders.base import Decoder as Decoder
    from csfnns.decoders.base import Part as Part
    from csfnns.decoders.base import Together as Together

DECODERS = Registry(
    "decoder",
    {
        "plain": Entry(
            "csfnns.decoders.paper:PlainDecoder",
            "the network of the paper's text and Fig. 2, on pixels",
            ("network",),
        ),
        "shuffle": Entry(
            "csfnns.decoders.paper:ShuffleDecoder",
            "the network of the authors' code, on 2x2 pixels at a time",
            ("network",),
        ),
        "robust": Entry(
            "csfnns.decoders._robust_torch:RobustDecoder",
            "for stegos that are compressed, scaled or made noisy on their way",
            ("network",),
        ),
    },
)
"""Decoders that are networks: a factory takes a profile and a seed."""

__all__ = ["DECODERS", "Decoder", "Part", "RobustNetwork", "Together", "decode", "make_decoder"]

__getattr__ = load_lazily(__name__, dict.fromkeys(("Decoder", "Part", "Together"), "base"))


def make_decoder(profile: Profile, seed: Seed) -> "Decoder":
    """Grow the profile's decoder in torch, frozen, in evaluation mode (D[θ] with θ = I(D, k_d), Eq. 7).

    Raises UsageError without the extra `network`.
    """
    decoder: Decoder = DECODERS.make(profile.decoder, profile, seed)
    return decoder.requires_grad_(False).eval()


def decode(profile: Profile, seed: Seed, levels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Output (3, Hs, Ws) of the profile's decoder for δ, or a picture, in grey levels (H, W, 3).

    Raises UsageError without the extra `network`, unless the decoder is `robust`.
    """
    image = levels.transpose(2, 0, 1).astype(np.float64, order="C") / 255  # (3, H, W)
    if profile.decoder == "robust":
        return RobustNetwork(profile, seed).decode(image).astype(np.float32)
    decoder = make_decoder(profile, seed)
    import torch

    with torch.inference_mode():
        output: npt.NDArray[np.float32] = decoder(torch.from_numpy(image).float()[None])[0].numpy()
    return output

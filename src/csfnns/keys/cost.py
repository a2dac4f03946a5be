"""What covers and decoders of a key cost, estimated before any is made: a key file may come from anybody."""

from dataclasses import dataclass

from csfnns.errors import KeyFileError
from csfnns.profile import Profile

MAX_MEMORY = 1_000_000_000
MAX_SECONDS = 30.0
MAX_DIFFUSION = 100 * 1024 * 1024
"""Most pixels times steps of a diffusion cover. Its time and memory are the model's, which the user names."""

_BYTES, _SECONDS = 200, 5e-6  # per pixel of the cover, measured from 512x512 to 2048x2048
_START, _TORCH = 60_000_000, 330_000_000  # bytes that Python and NumPy take, and with torch
_ACTIVATIONS = 44  # bytes per number of a hidden layer, in a search
_PER_PRODUCT = 3.5e-11  # seconds of a multiplication and an addition of a convolution


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimate for one message, on one core of 2020."""

    memory: int
    """Bytes at most, to hide or to reveal."""
    seconds: float
    """To make the cover and to reveal. A search by a network takes longer, as long as its steps say."""


def estimate_cost(profile: Profile) -> Cost:
    """Cost of a message with a key of this profile, without that of a diffusion model."""
    pixels = profile.width * profile.height
    memory, seconds = _START + _BYTES * pixels, _SECONDS * pixels
    if profile.decoder in ("shuffle", "plain"):
        hidden = pixels // 4 if profile.decoder == "shuffle" or profile.bpp == "1.5" else pixels
        memory += _TORCH + _ACTIVATIONS * profile.channels * hidden
        seconds += _PER_PRODUCT * 9 * profile.channels**2 * hidden
    elif profile.decoder == "robust":
        memory += _TORCH
    return Cost(memory, seconds)


def check_cost(profile: Profile, source: str) -> None:
    """Raise KeyFileError, which says what the key of `source` asks for, where that is over 1 GB or 30 seconds."""
    cost = estimate_cost(profile)
    size = f"{profile.width}x{profile.height}"
    drawn = profile.diffusion
    if drawn is not None and drawn.steps * profile.width * profile.height > MAX_DIFFUSION:
        asked = f"diffusion covers of {size} in {drawn.steps} steps"
    elif cost.memory > MAX_MEMORY or cost.seconds > MAX_SECONDS:
        network = f" and {profile.channels} channels" if profile.is_network else ""
        asked = f"covers of {size}{network}: about {cost.memory / 1e9:.1f} GB and {cost.seconds:.0f} s for a message"
    else:
        return
    raise KeyFileError(
        f"{source} asks for {asked}.",
        "If you trust whoever made it: csfnns config set allow_large yes; in Python, allow_large=True.",
    )

"""What the schemes in torch share, above all the two earlier ones whose decoder sees the stego picture itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from csfnns.decoders import make_decoder
from csfnns.errors import CapacityError, UsageError
from csfnns.payloads import Decoded, make_codec
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import Channel, Transit
from csfnns.stream import SEED_BYTES, Seed

ROOM = 24.0
"""Bits of a cover pixel."""


@dataclass(frozen=True)
class Reading:
    """What one receiver reads: a decoder, and what it shall say."""

    decoder: nn.Module
    values: Tensor
    """(1, 3, Hs, Ws) in [0, 1]."""
    key: Tensor | float = 0.0
    """Added to the picture before it is decoded, (1, 3, H, W) or nothing."""

    def error(self, stego: Tensor) -> Tensor:
        """Mean squared error of the secret, a scalar."""
        return (self.decoder(stego + self.key) - self.values).square().mean()


def check_profile(profile: Profile) -> None:
    """Raise UsageError unless the profile's decoder puts out pictures: these schemes are compared on those."""
    if profile.has_header:
        hint = "Use the profile 'paper': it has the decoder that the published tables were made with."
        raise UsageError("This scheme needs a decoder that puts out pictures.", hint)


def check_secrets(profile: Profile, secrets: Sequence[Picture]) -> None:
    """Raise CapacityError for more bits than the cover's, or for a secret that cannot be told from noise."""
    need = len(secrets) * float(profile.bpp)
    if need > ROOM:
        raise CapacityError(
            f"{len(secrets)} secrets of {profile.bpp} bits a cover pixel are more than a cover's {ROOM:.0f}.",
            "Hide fewer at once, or choose fewer bits.",
        )
    for secret in secrets:
        make_codec(profile, Seed(bytes(SEED_BYTES))).encode(secret)


def make_readings(profile: Profile, secrets: Mapping[ReceiverSeeds, Picture], device: str) -> list[Reading]:
    """One a receiver, in the mapping's order, without keys."""
    readings = []
    for seeds, secret in secrets.items():
        values = torch.from_numpy(make_codec(profile, seeds.header).encode(secret).values)
        readings.append(Reading(make_decoder(profile, seeds.decoder).to(device), values[None].to(device)))
    return readings


def arrival(
    image: Tensor, secrets: Mapping[ReceiverSeeds, Picture], channel: Channel | None
) -> Callable[[Tensor], Tensor]:
    """Stego of the cover `image` → what arrives of it through the channel; gradients pass unchanged."""
    if channel is None:
        return lambda stego: stego
    transit = Transit(channel, [next(iter(secrets)).decoder])
    return lambda stego: image + transit(image, stego - image)


def as_image(picture: Picture, device: str = "cpu") -> Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) float32 in [0, 1]."""
    chw = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return torch.from_numpy(chw)[None].to(device).float() / 255


def as_picture(image: Tensor) -> Picture:
    """(1, 3, H, W) → (H, W, 3) uint8: clamped to [0, 1] and rounded."""
    levels = (255 * image[0].clamp(0, 1)).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def decode(profile: Profile, image: Tensor, seeds: ReceiverSeeds) -> Decoded:
    """Secret that a receiver's decoder finds in an image (1, 3, H, W). Raises NoMessageError for noise."""
    with torch.inference_mode():
        output = make_decoder(profile, seeds.decoder)(image)[0].numpy()
    return make_codec(profile, seeds.header).decode(output)

"""Universal deep hiding: a trained network makes a perturbation from the secrets alone, others extract them.

Chaoning Zhang, Philipp Benz, Adil Karjauv, Geng Sun and In So Kweon, "UDH: Universal Deep Hiding for Steganography,
Watermarking, and Light Field Messaging", NeurIPS 2020. The weights come from training/udh.py; none are shipped.

    secrets ─ U-Net ─ PixelShuffle ─ tanh · 10/255 ─ δ      stego = cover + δ      stego ─ PixelUnshuffle ─ Revealer i
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from csfnns.decoders.base import InstanceNorm
from csfnns.errors import Cancelled, CapacityError, NoMessageError, UsageError
from csfnns.files import write_whole
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded, make_codec
from csfnns.profile import Profile
from csfnns.search import Progress
from csfnns.search.parts import as_image, as_picture
from csfnns.stream import SEED_BYTES, Seed
from csfnns.tensors import BadTensorsError, read_header, read_tensors, specs

STRENGTH = 10 / 255
"""Largest change of a pixel."""
MOST_SECRETS = 4
DIVISORS = {"24": 1, "6": 2, "1.5": 4}
_COMMAND = "python training/udh.py --secrets 2 --bpp 6"


@dataclass(frozen=True)
class Shape:
    """Sizes of the networks; saved in the file of their weights."""

    secrets: int = 2
    """Secrets in one cover, each with a network of its own, 1 to 4."""
    bpp: str = "6"
    channels: int = 32
    """Of the U-Net's first level and the revealers, 1 to 512; the levels below have 2 and 4 times as many."""

    def __post_init__(self) -> None:
        if not (1 <= self.secrets <= MOST_SECRETS and self.bpp in DIVISORS and 1 <= self.channels <= 512):
            hint = "secrets must be 1 to 4, bpp 24, 6 or 1.5, and channels 1 to 512."
            raise UsageError(f"There are no networks of {self}.", hint)


class Hider(nn.Module):
    """U-Net of two levels on the secrets' grid; it does not see the cover."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        c, divisor = shape.channels, DIVISORS[shape.bpp]
        self.down1 = _block(nn.Conv2d(3 * shape.secrets, c, 3, padding=1))
        self.down2 = _block(nn.Conv2d(c, 2 * c, 4, stride=2, padding=1))
        self.bottom = _block(nn.Conv2d(2 * c, 4 * c, 4, stride=2, padding=1))
        self.up2 = _block(nn.ConvTranspose2d(4 * c, 2 * c, 4, stride=2, padding=1))
        self.up1 = _block(nn.ConvTranspose2d(4 * c, c, 4, stride=2, padding=1))
        self.out = nn.Sequential(nn.Conv2d(2 * c, 3 * divisor**2, 3, padding=1), nn.PixelShuffle(divisor))

    def forward(self, secrets: Tensor) -> Tensor:
        """Secrets in [0, 1], (N, 3T, Hs, Ws) → δ, (N, 3, H, W), at most STRENGTH in size."""
        first = self.down1(secrets)
        second = self.down2(first)  # (N, 2c, Hs/2, Ws/2)
        deep = self.bottom(second)  # (N, 4c, Hs/4, Ws/4)
        up = torch.cat([self.up2(deep), second], 1)
        up = torch.cat([self.up1(up), first], 1)
        return STRENGTH * torch.tanh(self.out(up))


class Revealer(nn.Module):
    """Five convolutions on the secret's grid: one receiver's network."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        c, divisor = shape.channels, DIVISORS[shape.bpp]
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(divisor),
            _block(nn.Conv2d(3 * divisor**2, c, 3, padding=1)),
            _block(nn.Conv2d(c, 2 * c, 3, padding=1)),
            _block(nn.Conv2d(2 * c, 2 * c, 3, padding=1)),
            _block(nn.Conv2d(2 * c, c, 3, padding=1)),
            nn.Conv2d(c, 3, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, stego: Tensor) -> Tensor:
        """Stego in [0, 1], (N, 3, H, W) → secret in [0, 1], (N, 3, Hs, Ws)."""
        return self.layers(stego)


class Networks(nn.Module):
    """A hider and a revealer for each secret, trained together."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.hider = Hider(shape)
        self.revealers = nn.ModuleList(Revealer(shape) for _ in range(shape.secrets))


def _block(convolution: nn.Module) -> nn.Module:
    return nn.Sequential(convolution, InstanceNorm(), nn.LeakyReLU(0.2))


def save_networks(networks: Networks, path: Path) -> None:
    """Write weights as safetensors, with the networks' shape in the file's metadata; whole or not at all."""
    from safetensors.torch import save

    data = save(networks.state_dict(), {"udh": json.dumps(asdict(networks.shape))})
    write_whole(path, data, overwrite=True)


def load_networks(path: Path) -> Networks:
    """Frozen networks on the CPU from a file of `save_networks`. Raises UsageError for anything else."""
    if not path.is_file():
        raise UsageError(f"There are no weights for UDH at {path}.", f"Train some: {_COMMAND} --out {path}")
    try:
        shape = Shape(**json.loads(read_header(path).metadata["udh"]))
        with torch.device("meta"):  # no random numbers are drawn
            networks = Networks(shape)
        networks.load_state_dict(read_tensors(path, specs(networks.state_dict())), assign=True)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = f": {error}" if isinstance(error, BadTensorsError) else ""
        raise UsageError(f"{path} does not hold weights of UDH{reason}.", f"Train some: {_COMMAND}") from error
    return networks.float().eval().requires_grad_(False)


@dataclass(frozen=True)
class Udh:
    """Hides exactly as many secrets as it was trained for. Receivers need no cover, and there is no key.

    Whoever has a revealing network extracts its secret from every picture; the seeds only say who has which one.
    Raises UsageError for weights that are missing or of another rate than the profile's.
    """

    profile: Profile
    weights: Path
    """File that training/udh.py wrote."""
    receivers: tuple[ReceiverSeeds, ...] = ()
    """Who has the first network, the second and so on; needed for more than one secret."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        shape = self.networks.shape
        if shape.bpp != self.profile.bpp:
            reason = f"{self.weights} is for {shape.bpp} bits a pixel, the profile for {self.profile.bpp}."
            raise UsageError(reason, f"Train others with --bpp {self.profile.bpp}, or change the profile.")
        if self.profile.has_header:
            raise UsageError("UDH outputs pictures, not coefficients.", "Use the profile 'paper'.")
        if len(self.receivers) != shape.secrets and not (shape.secrets == 1 and not self.receivers):
            raise UsageError(
                f"receivers must have {shape.secrets} entries, got {len(self.receivers)}.",
                "Name the receiver of each network of these weights.",
            )

    @cached_property
    def networks(self) -> Networks:
        """Networks of the weights, on the CPU."""
        return load_networks(self.weights)

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for another number of secrets than the networks', or one that looks like noise."""
        expected = self.networks.shape.secrets
        if len(secrets) != expected:
            hint = f"Train networks for {len(secrets)} with --secrets, or hide {expected}."
            raise CapacityError(f"These networks hide {expected} secrets, not {len(secrets)}.", hint)
        for secret in secrets:
            make_codec(self.profile, Seed(bytes(SEED_BYTES))).encode(secret)

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3).

        Raises CapacityError, UsageError for a receiver without a network, and Cancelled.
        """
        self.check(list(secrets.values()))
        if self.receivers and set(secrets) != set(self.receivers):
            raise UsageError("A receiver has no network of these weights.", "Name them all in `receivers`.")
        ordered = [(seeds, secrets[seeds]) for seeds in sorted(secrets, key=self._index)]
        values = [make_codec(self.profile, seeds.header).encode(secret).values for seeds, secret in ordered]
        stacked = torch.from_numpy(np.concatenate(values))[None].to(self.device)  # (1, 3T, Hs, Ws)
        with torch.inference_mode():
            delta = deepcopy(self.networks.hider).to(self.device)(stacked)
        if progress is not None and progress(1, 1) is False:
            raise Cancelled("The embedding was cancelled.", "Nothing was written.")
        return as_picture(as_image(cover, self.device) + delta)

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret that this receiver's network extracts; the cover is ignored.

        Raises NoMessageError for a receiver without a network, and for noise.
        """
        revealer = self.networks.revealers[self._index(seeds)]
        with torch.inference_mode():
            output = revealer(as_image(stego))[0].numpy()
        return make_codec(self.profile, seeds.header).decode(output)

    def _index(self, seeds: ReceiverSeeds) -> int:
        """Number of the receiver's network."""
        if not self.receivers:
            return 0
        if seeds not in self.receivers:
            hint = "Its networks belong to other receivers."
            raise NoMessageError("This receiver has no network of this scheme.", hint)
        return self.receivers.index(seeds)

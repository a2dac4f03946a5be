"""Universal deep hiding: a trained network makes a perturbation from the secrets alone, others read them back.

Chaoning Zhang, Philipp Benz, Adil Karjauv, Geng Sun and In So Kweon, "UDH: Universal Deep Hiding for Steganography,
Watermarking, and Light Field Messaging", NeurIPS 2020. The weights come from training/udh.py; none are shipped.

    secrets ─ U-Net ─ PixelShuffle ─ tanh · 10/255 ─ δ      stego = cover + δ      stego ─ PixelUnshuffle ─ Revealer i
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from csfnns.decoders.base import InstanceNorm, freeze
from csfnns.errors import Cancelled, CapacityError, NoMessageError, UsageError
from csfnns.files import write_whole
from csfnns.payloads import Decoded, make_codec
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.schemes import _fixed
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import Progress
from csfnns.stream import SEED_BYTES, Seed

STRENGTH = 10 / 255
"""Largest change of a pixel."""
MOST_SECRETS = 4
DIVISORS = {"24": 1, "6": 2, "1.5": 4}


@dataclass(frozen=True)
class Shape:
    """What networks are built from; it travels in the file of their weights."""

    secrets: int = 2
    """Secrets in one cover, each read by a network of its own, 1 to 4."""
    bpp: str = "6"
    channels: int = 32
    """Of the U-Net's first level and the revealers; the levels below have 2 and 4 times as many."""

    def __post_init__(self) -> None:
        if not (1 <= self.secrets <= MOST_SECRETS and self.bpp in DIVISORS and 1 <= self.channels <= 512):
            raise UsageError(
                "These networks cannot be.", "1 to 4 secrets; bpp 24, 6 or 1.5; 1 to 512 channels."
            )


class Hider(nn.Module):
    """U-Net of two levels on the secrets' grid; it never sees the cover."""

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
        delta: Tensor = STRENGTH * torch.tanh(self.out(up))
        return delta


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
        secret: Tensor = self.layers(stego)
        return secret


class Networks(nn.Module):
    """A hider and as many revealers as secrets, trained together."""

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
    """Frozen networks on the CPU from a file of `save_networks`; the last ones stay in memory and are shared.

    Raises UsageError for anything else.
    """
    if not path.is_file():
        raise UsageError(f"There are no weights for UDH at {path}.", f"Train some: {_COMMAND} --out {path}")
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=MOST_SECRETS)
def _load(path: Path, changed: int, size: int) -> Networks:
    """Networks of a file as it was at that time, of that size."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            shape = Shape(**json.loads(file.metadata()["udh"]))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        networks = Networks(shape)
        networks.load_state_dict(weights)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise UsageError(f"{path} does not hold weights of UDH.", f"Train some: {_COMMAND}") from error
    freeze(networks)
    return networks.eval()


_COMMAND = "python training/udh.py --secrets 2 --bpp 6"


@dataclass(frozen=True)
class Udh:
    """Hides exactly as many secrets as it was trained for. Receivers need no cover, and there is no key.

    Whoever has a revealing network reads its secret in every picture; the seeds only say who has which one. Raises
    UsageError for weights that are missing or of another rate than the profile's.
    """

    profile: Profile
    weights: Path
    """What training/udh.py wrote."""
    receivers: tuple[ReceiverSeeds, ...] = ()
    """Who has the first network, the second and so on; needed for more than one secret."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        shape = load_networks(self.weights).shape
        if shape.bpp != self.profile.bpp:
            reason = f"{self.weights} is for {shape.bpp} bits a pixel, the profile for {self.profile.bpp}."
            raise UsageError(reason, f"Train others with --bpp {self.profile.bpp}, or change the profile.")
        if self.profile.has_header:
            raise UsageError(
                "UDH puts out pictures, no coefficients.", "Use the profile 'paper'; its decoder is not used."
            )
        if len(self.receivers) != shape.secrets and not (shape.secrets == 1 and not self.receivers):
            raise UsageError(
                f"These weights are for {shape.secrets} receivers.",
                "Say who has which network: receivers=(…).",
            )

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for another number of secrets than the networks', or one that looks like noise."""
        expected = load_networks(self.weights).shape.secrets
        if len(secrets) != expected:
            hint = f"Train networks for {len(secrets)} with --secrets, or hide {expected}."
            raise CapacityError(f"These networks hide {expected} secrets, not {len(secrets)}.", hint)
        for secret in secrets:
            make_codec(self.profile, Seed(bytes(SEED_BYTES))).encode(secret)

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture],
        *,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Raises CapacityError, UsageError for a stranger, and Cancelled."""
        self.check(list(secrets.values()))
        if self.receivers and set(secrets) != set(self.receivers):
            raise UsageError(
                "A secret is for somebody who has no network.", "Give one to each of `receivers`."
            )
        slots = sorted(secrets, key=self._slot)
        codecs = [make_codec(self.profile, seeds.header) for seeds in slots]
        values = [codec.encode(secrets[seeds]).values for codec, seeds in zip(codecs, slots, strict=True)]
        stacked = torch.cat([torch.from_numpy(each) for each in values])[None].to(
            self.device
        )  # (1, 3T, Hs, Ws)
        with torch.inference_mode():
            delta = deepcopy(load_networks(self.weights).hider).to(self.device)(stacked)
        if progress is not None and progress(1, 1) is False:
            raise Cancelled("The embedding was cancelled.", "Nothing was written.")
        return _fixed.as_picture(_fixed.as_image(cover, self.device) + delta)

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret that this receiver's network reads; the cover is not looked at.

        Raises NoMessageError for who has no network, and for noise.
        """
        revealer = load_networks(self.weights).revealers[self._slot(seeds)]
        with torch.inference_mode():
            output = revealer(_fixed.as_image(stego))[0].numpy()
        return make_codec(self.profile, seeds.header).decode(output)

    def _slot(self, seeds: ReceiverSeeds) -> int:
        if not self.receivers:
            return 0
        if seeds not in self.receivers:
            hint = "Its networks belong to other receivers."
            raise NoMessageError("This receiver has no network of this scheme.", hint)
        return self.receivers.index(seeds)

"""SteganoGAN: a trained network writes bits into a cover, another one reads them.

Kevin Alex Zhang, Alfredo Cuesta-Infante, Lei Xu and Kalyan Veeramachaneni, "SteganoGAN: High capacity image steganography
with GANs", arXiv 1901.03892 (2019). The weights are those of its package (`csfnns weights convert`); none are shipped.

    bits ─ code ─ planes (D, H, W), the rest random ─┐
    cover, −1…1 ─────────────────────────────────────┴ encoder → stego ─ decoder → logits (D, H, W) ─ code ─ bits

The planes of one pixel differ: of the 8 of "dense", one loses every second bit and one a hundredth. The file of weights
says which are the best. A word of coding/ldpc.py has its bits at random places of as few planes as hold it. Its decoder
takes the logits, but none as surer than one in 400: a few are large and wrong.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from csfnns.baselines._exact import message_bits, no_message, read_message, write_message
from csfnns.coding.ldpc import RATES, Ldpc
from csfnns.errors import Cancelled, CapacityError, UsageError
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded
from csfnns.profile import Profile
from csfnns.search import Progress
from csfnns.stream import Seed
from csfnns.tensors import BadTensorsError, read_header, read_tensors, specs

Kind = Literal["dense", "residual", "basic"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_PLANES = 16
_NAME = "steganogan"
_CHANNELS = 32
_SUREST = 6.0
_RATES = RATES[:2]
"""A quarter and a half: with more, these networks lose too many bits."""
_CONVERT = "pip download --no-deps steganogan, then: csfnns weights convert steganogan-….whl -o FOLDER"


class Networks(nn.Module):
    """Encoder and decoder of that kind for a number of planes."""

    def __init__(self, kind: Kind, planes: int) -> None:
        super().__init__()
        self.kind, self.planes = kind, planes
        before = (0, 1, 2, 3) if kind == "dense" else (0, 1, 1, 1)  # earlier layers that a layer of the encoder sees
        bits = (0, 1, 1, 1) if kind == "dense" else (0, 1, 0, 0)
        inputs = [c * _CHANNELS + b * planes for c, b in zip(before, bits, strict=True)]
        self.encoder = _layers(3, *inputs[1:], outputs=3)
        self.decoder = _layers(3, *(c * _CHANNELS for c in (1, 2, 3)), outputs=planes)
        self.order = tuple(range(planes))
        """Planes, from that which loses fewest bits on."""

    def embed(self, image: Tensor, planes: Tensor) -> Tensor:
        """Stego of an image in [−1, 1], (N, 3, H, W), that holds bits 0 and 1, (N, D, H, W)."""
        maps: list[Tensor] = []
        for i, layer in enumerate(self.encoder):
            if i == 0:
                seen = [image]
            elif self.kind == "dense":
                seen = [*maps, planes]
            else:
                seen = [maps[-1], planes] if i == 1 else [maps[-1]]
            maps.append(layer(torch.cat(seen, 1)))
        return torch.tanh(maps[-1]) if self.kind == "basic" else image + maps[-1]

    def read(self, stego: Tensor) -> Tensor:
        """Logits (N, D, H, W) of bits, above 0 for 1, of a stego in [−1, 1]."""
        maps: list[Tensor] = []
        for layer in self.decoder:
            maps.append(layer(torch.cat(maps, 1) if maps else stego))
        return maps[-1]


def _layers(*inputs: int, outputs: int) -> nn.ModuleList:
    """Convolutions of 3x3, each but the last with a leaky ReLU and batch normalisation behind it."""
    inner = (_convolution(n, _CHANNELS, nn.LeakyReLU(), nn.BatchNorm2d(_CHANNELS)) for n in inputs[:-1])
    return nn.ModuleList([*inner, _convolution(inputs[-1], outputs)])


def _convolution(inputs: int, outputs: int, *behind: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), *behind)


def rank_planes(networks: Networks) -> tuple[int, ...]:
    """`Networks.order`, found with random bits in a smooth picture of random colours."""
    random = np.random.default_rng(0)
    colours = torch.from_numpy(random.uniform(-0.7, 0.7, (1, 3, 16, 16)).astype(np.float32))
    image = nn.functional.interpolate(colours, scale_factor=16, mode="bicubic")
    bits = torch.from_numpy(random.integers(0, 2, (1, networks.planes, 256, 256)).astype(np.float32))
    with torch.inference_mode():
        stego = (networks.embed(image, bits).clamp(-1, 1) * 127.5).round() / 127.5
        wrong = ((networks.read(stego) > 0) != (bits > 0)).float().mean((0, 2, 3))
    return tuple(torch.argsort(wrong, stable=True).tolist())


def network_data(networks: Networks) -> bytes:
    """Networks as a safetensors file."""
    from safetensors.torch import save

    about = {"kind": networks.kind, "order": networks.order}
    return save(networks.state_dict(), {_NAME: json.dumps(about)})


def load_networks(path: Path) -> Networks:
    """Frozen networks on the CPU from a file of `network_data`. Raises UsageError for anything else."""
    if not path.is_file():
        raise UsageError(f"There are no weights of SteganoGAN at {path}.", f"Get them: {_CONVERT}.")
    try:
        about = json.loads(read_header(path).metadata[_NAME])
        networks = make_networks(about["kind"], len(about["order"]))
        if sorted(about["order"]) != list(range(networks.planes)):
            raise ValueError(about["order"])
        networks.order = tuple(about["order"])
        networks.load_state_dict(read_tensors(path, specs(networks.state_dict())), assign=True)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, UsageError) as error:
        reason = f": {error}" if isinstance(error, BadTensorsError) else ""
        raise UsageError(f"{path} does not hold weights of SteganoGAN{reason}.", f"Get them: {_CONVERT}.") from error
    return networks.float().eval().requires_grad_(False)


def make_networks(kind: str, planes: int) -> Networks:
    """Networks without weights. Raises UsageError for an unknown kind and a number of planes out of range."""
    for known in KINDS:
        if known == kind and isinstance(planes, int) and 1 <= planes <= MOST_PLANES:
            with torch.device("meta"):  # no random numbers are drawn
                return Networks(known, planes)
    hint = f"Kinds are {', '.join(KINDS)}; planes are 1 to {MOST_PLANES}."
    raise UsageError(f"There are no networks {kind!r} with {planes} planes.", hint)


@dataclass(frozen=True)
class SteganoGan:
    """One secret a cover, exact to the bit or nothing. Receivers need no cover, and the profile's decoder is not used.

    Raises UsageError for weights that are missing.
    """

    profile: Profile
    weights: Path
    """File that `csfnns weights convert` wrote."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        _ = self.networks

    @cached_property
    def networks(self) -> Networks:
        """Networks of the weights. Normalisation is by the means and variances of the training."""
        return load_networks(self.weights).to(self.device)

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for several secrets, and for more bits than the networks carry with error correction."""
        if len(secrets) > 1:
            raise CapacityError(f"{len(secrets)} secrets would overwrite each other's bits.", "Hide one in each cover.")
        self._code_rate()

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Raises CapacityError and Cancelled.

        Bits may be lost for good: whether the secret arrives shows `extract`.
        """
        self.check(list(secrets.values()))
        ((seeds, secret),) = secrets.items()
        word = self._code(seeds.decoder).encode(write_message(_NAME, self.profile, secret, seeds))
        stream = seeds.decoder.derive("csfnns/2/steganogan/rest").stream()
        places = self.networks.planes * cover.shape[0] * cover.shape[1]
        bits = np.unpackbits(np.frombuffer(stream.take(places // 8), np.uint8))
        bits[self._places(seeds.decoder, len(word))] = word
        planes = torch.from_numpy(bits.astype(np.float32)).reshape(1, -1, *cover.shape[:2]).to(self.device)
        with torch.inference_mode():
            stego = self.networks.embed(self._image(cover), planes)
            levels = ((stego[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        if progress is not None and progress(1, 1) is False:
            raise Cancelled("The embedding was cancelled.", "Nothing was written.")
        return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of the receiver, exact; the cover is ignored.

        Raises NoMessageError for a wrong key, and where more bits were lost than the code restores.
        """
        with torch.inference_mode():
            logits = self.networks.read(self._image(stego)).flatten().cpu().numpy()
        code = self._code(seeds.decoder)
        given = logits[self._places(seeds.decoder, code.length)]
        bits = code.decode(-given.clip(-_SUREST, _SUREST))
        if bits is None:
            raise no_message()
        return read_message(_NAME, self.profile, bits, seeds)

    def _image(self, picture: Picture) -> Tensor:
        levels = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32))[None].to(self.device)
        return levels / 127.5 - 1

    def _code_rate(self) -> int:
        """Index of the lowest rate whose words fit. Raises CapacityError."""
        bits, planes = message_bits(self.profile), self.networks.planes
        for i, rate in enumerate(_RATES):
            if bits + rate.parities(bits) <= planes * self.profile.width * self.profile.height:
                return i
        raise CapacityError(
            f"{self.profile.bpp} bits a pixel in {planes} planes leave too little room for error correction.",
            "Choose 1.5 bits a pixel.",
        )

    def _code(self, seed: Seed) -> Ldpc:
        code = seed.derive("csfnns/2/steganogan/code")
        return Ldpc(_RATES[self._code_rate()], message_bits(self.profile), code)

    def _places(self, seed: Seed, count: int) -> npt.NDArray[np.int64]:
        """Flat places of a word's bits: in as many of the best planes as hold them, in keyed order."""
        pixels = self.profile.width * self.profile.height
        used = np.array(self.networks.order[: -(-count // pixels)])
        places = seed.derive("csfnns/2/steganogan/places").stream().permutation(len(used) * pixels)[:count]
        return used[places // pixels] * pixels + places % pixels

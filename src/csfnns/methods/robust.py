"""Method for keys of profile robust: pictures or bytes that survive compression, scaling and noise."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from csfnns.address import ProjectionAddress, low_frequencies
from csfnns.address import decode as decode_address
from csfnns.address import encode as encode_address
from csfnns.errors import CapacityError, NoMessageError, SearchError, UsageError
from csfnns.images.io import Picture
from csfnns.methods._direct import TYPICAL, sender_seed
from csfnns.methods.base import Carrier, Envelope, Payload, ReceiverSeeds, context_of
from csfnns.methods.network import CsFnns, load_adversaries, torch_device
from csfnns.methods.robust_bits import JPEG, NeuralBits
from csfnns.payloads.base import Decoded
from csfnns.profile import Profile
from csfnns.search import Channel, Jpeg, Progress, parse_channel

if TYPE_CHECKING:
    from csfnns.search import Search

LEAST_SIDE = 256
"""Shortest side of covers in which bytes survive beside the address, in pixels (benchmarks/channels.py)."""
# Of searches for bytes, one after another until all cases are exact. The address is written afterwards and disturbs them:
# in covers smaller than LEAST_SIDE, where it is most of what changes, the first three are often too weak.
_STRENGTHS = (1.0, 1.7, 3.0, 6.0, 12.0)


@dataclass(frozen=True)
class Robust:
    """A picture, or a file of a few kB, for each receiver, that survives what `survive` says. Needs the extra `network`."""

    profile: Profile | None = None
    survive: str | tuple[str, ...] = ()
    """Channels such as "jpeg:75-95" (the default), "noise:2" or "resize:0.5+jpeg:90" (search/channel.py): any of them."""
    steps: int | None = None
    """Steps of the search for a picture; 300 by default."""
    beta: float | None = None
    """Weight of the picture in the search, above 0: more is clearer and changes the cover more."""
    evade: str | tuple[str, ...] = ()
    """Detectors that the search for a picture evades: names of pretrained ones or files."""
    gamma: float | None = None
    """Weight of these detectors, above 0."""
    device: str = "auto"
    """Device of torch; "auto" is "cuda" where there is one."""

    name: ClassVar[str] = "robust"
    carrier: ClassVar[Carrier] = "projections"

    def __post_init__(self) -> None:
        if self.profile is not None and self.profile.decoder != "robust":
            raise UsageError(
                f"A stego of this key does not survive {self.channel}: its profile is {self.profile.name!r}.",
                "Make a key with 'csfnns key new --profile robust'.",
            )
        _ = self.channel
        check_weights(self.steps, self.beta, self.gamma, self.evade)

    @cached_property
    def channel(self) -> Channel:
        """What a stego survives. Raises UsageError."""
        texts = (self.survive,) if isinstance(self.survive, str) else tuple(self.survive)
        return parse_channel(*texts) if any(texts) else JPEG

    @property
    def one_jpeg(self) -> Jpeg | None:
        """The channel if it is one kind of JPEG file: then the stego can be that file."""
        return self.channel if isinstance(self.channel, Jpeg) and self.channel.is_one_file else None

    @cached_property
    def bits(self) -> NeuralBits:
        """The scheme for bytes."""
        assert self.profile is not None
        device = torch_device(self.device)
        return NeuralBits(self.profile, channel=self.channel, device=device, steps=self.steps or 150)

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for pictures that `embed` would certainly refuse or fail at."""
        self._pictures.check(secrets)

    def embed(
        self,
        cover: Picture,
        payloads: Mapping[ReceiverSeeds, Payload],
        *,
        envelope: Envelope | None = None,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with a picture for each receiver, or bytes for each.

        Bytes are read back in every case of the channel; pictures are not. Raises CapacityError, SearchError, Cancelled,
        and UsageError without the extra `network`.
        """
        contents = {seeds: each for seeds, each in payloads.items() if isinstance(each, bytes)}
        if contents:
            return self._embed_bytes(cover, contents, envelope, progress)
        pictures = {seeds: each for seeds, each in payloads.items() if not isinstance(each, bytes)}
        sent = 0 if envelope is None else envelope.sent
        stego = self._pictures.embed(cover, pictures, sent=sent, progress=progress)
        return self._with_address(stego, payloads, envelope)

    def extract(
        self, stego: Picture, cover: Picture, seeds: ReceiverSeeds, *, envelope: Envelope | None = None
    ) -> bytes | Decoded:
        """Picture or bytes of one receiver. Raises NoMessageError and DamagedError. Needs no torch."""
        assert self.profile is not None
        try:
            return CsFnns(self.profile).extract(stego, cover, seeds)
        except (NoMessageError, CapacityError):  # a cover too small for any picture may hold bytes
            return NeuralBits(self.profile).extract(stego, cover, seeds)

    def fits(self, sizes: Sequence[int], pixels: int) -> bool:
        """Whether payloads of these sizes in bytes have a place."""
        return max(sizes) <= self.bits.room_for(len(sizes))

    def room(self, cover: Picture, receivers: int) -> int:
        """Bytes that have a place for each of several receivers in the code that corrects most."""
        return self.bits.safe_for(receivers)

    def capacity(self, cover: Picture, *, progress: Progress | None = None) -> int:
        """Bytes for one receiver that survive in this cover beside an address, by up to four searches. Raises Cancelled."""
        scheme = replace(self.bits, strength=_STRENGTHS[-1])
        return scheme.capacity(cover, lambda stego: self._with_address(stego, (), TYPICAL), progress=progress)

    def cases(self, stego: Picture, random: np.random.Generator) -> Iterator[tuple[str, Picture]]:
        """What arrives in each case of the channel."""
        return ((str(case), case(stego, random)) for case in self.channel.cases())

    def address_survives(self, cover: Picture, envelope: Envelope) -> bool:
        """Whether an address in this cover is read in each case of the channel; scaling loses it in some fine textures."""
        stego = self._with_address(cover, (), envelope)
        layout = ProjectionAddress(envelope.key, *cover.shape[:2])
        for case in self.channel.cases():
            arrived = case(stego, np.random.default_rng(0))
            soft = layout.read(low_frequencies(arrived, *cover.shape[:2]))
            if decode_address(envelope.key, soft, self._context(cover)) != envelope.nonce:
                return False
        return True

    def _with_address(self, stego: Picture, receivers: Iterable[ReceiverSeeds], envelope: Envelope | None) -> Picture:
        if envelope is None:
            return stego
        bits = encode_address(envelope.key, envelope.nonce, self._context(stego))
        seed = sender_seed(receivers).derive("csfnns/2/address/draw")
        scaling = [case for case in self.channel.cases() if case(stego, np.random.default_rng(0)).shape != stego.shape]
        channels = [partial(case, random=np.random.default_rng(0)) for case in scaling]
        return ProjectionAddress(envelope.key, *stego.shape[:2]).write(stego, bits, seed, channels)

    def _context(self, picture: Picture) -> bytes:
        return context_of("projections", *picture.shape[:2])

    @property
    def _pictures(self) -> CsFnns:
        from csfnns.search import GAMMA, preset

        assert self.profile is not None
        search = replace(preset(self.profile), channel=self.channel)
        search = with_settings(search, self.steps, self.beta, self.gamma or (GAMMA if self.evade else None))
        return CsFnns(self.profile, search, torch_device(self.device), load_adversaries(self.evade))

    def _embed_bytes(
        self,
        cover: Picture,
        contents: Mapping[ReceiverSeeds, bytes],
        envelope: Envelope | None,
        progress: Progress | None,
    ) -> Picture:
        lost: list[str] = []
        for strength in _STRENGTHS:
            scheme = replace(self.bits, strength=strength)
            stego = self._with_address(scheme.embed(cover, contents, progress=progress), contents, envelope)
            lost = scheme.losses(stego, cover, contents)
            if not scheme.delivers(stego, cover, contents):
                lost.append("no change at all")
            if not lost:
                return stego
        raise SearchError(
            f"The secret could not be read after {', '.join(lost)}.",
            "Survive less, send less, or make a key with a larger --size. With --method direct more fits, and nothing"
            " survives.",
        )


def with_settings(search: "Search", steps: int | None, beta: float | None, gamma: float | None) -> "Search":
    """The search with those settings replaced that are given."""
    given = {"steps": steps, "beta": beta, "gamma": gamma}
    return replace(search, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def check_weights(steps: int | None, beta: float | None, gamma: float | None, evade: str | tuple[str, ...]) -> None:
    """Raise UsageError for settings out of range, and for γ without detectors."""
    if steps is not None and steps < 1:
        raise UsageError(f"steps must be at least 1, got {steps}.")
    for name, value in (("beta", beta), ("gamma", gamma)):
        if value is not None and not 0 < value < inf:
            raise UsageError(f"{name} must be above 0, got {value}.")
    if gamma is not None and not evade:
        raise UsageError("gamma is the weight of detectors to evade, and there are none.", "Give evade, such as xunet.")

"""Bytes through the network of a profile `robust`: exact after JPEG, noise, and with a slightly different cover.

    bytes → sealed → LDPC words → signs of D(δ) → search → δ            the code corrects what the search leaves wrong
    δ → D(δ) → soft bits → LDPC → unsealed → bytes                      and what happens on the way

    header = fields (length 4 | rate 1), masked | check 6               a word of a code of rate 1/4, twice
    sealed = data, encrypted | tag 16                                   words of the code of the header's rate

The search demands signs alone, with a margin; outputs without a bit are free. So a short message changes the cover little.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from csfnns.coding.ldpc import RATES, Ldpc
from csfnns.decoders import decode, make_decoder
from csfnns.errors import CapacityError, DamagedError, NoMessageError, SearchError, UsageError
from csfnns.extras import require
from csfnns.images.io import Picture, check_picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads.bits import BitCodec
from csfnns.payloads.seal import CHECK_BYTES, TAG_BYTES, open_header, seal, seal_header, unseal
from csfnns.process import undisturbed
from csfnns.profile import Profile
from csfnns.search import Channel, Jpeg, Progress, perturbation
from csfnns.stream import SEED_BYTES, Seed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from csfnns.decoders import Part
    from csfnns.search import SearchState, Weighted

Bits = npt.NDArray[np.uint8]

HEADER_BITS = 8 * (5 + CHECK_BYTES)
BLOCK = 16384
"""Information bits of a word, at most."""
JPEG = Jpeg(75, 95)
MARGIN = 0.5
"""Least distance of an output from 0 that the search demands; outputs have a deviation of about 1."""

_HEADER_RATE, *_BODY_RATES = RATES
_BETAS = (2e-4, 4e-4, 6e-4, 1e-3)
"""β of the search for each rate: a code that corrects less needs more outputs that are right."""


@dataclass(frozen=True)
class Margin:
    """Term of the search: mean over all outputs of max(0, MARGIN - sign * D(δ))², 0 for outputs without a bit."""

    decoder: "nn.Module"
    places: "Tensor"
    """Outputs that carry a bit, (n,) int64."""
    signs: "Tensor"
    """Sign of each of them, (n,)."""

    def __call__(self, state: "SearchState") -> "Tensor":
        """Values (N,)."""
        output = self.decoder(state.delta if state.received is None else state.received).flatten(1)
        short = (MARGIN - self.signs * output[:, self.places]).clamp(min=0)
        return short.square().sum(1) / output.shape[1]


@dataclass(frozen=True)
class NeuralBits:
    """Bytes for any number of receivers, exact or an error. Receivers need the profile alone and no torch."""

    profile: Profile
    channel: Channel = JPEG
    """What the bytes survive."""
    strength: float = 1.0
    """Factor on β: more makes the bytes safer and the changes larger."""
    steps: int = 150
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.profile.decoder != "robust":
            hint = "Make a key with --profile robust."
            raise UsageError(f"The decoder {self.profile.decoder!r} carries no bits through a channel.", hint)
        if not 0 < self.strength < math.inf:
            raise UsageError(f"There is no strength {self.strength}.", "Give a factor such as 2.")
        if self.device != "cpu":
            from csfnns.search import check_device

            check_device(self.device)

    @undisturbed(SearchError)
    def embed(
        self, cover: Picture, payloads: Mapping[ReceiverSeeds, bytes], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with bytes of any kind for each receiver.

        Two messages must not share seeds. Raises CapacityError, SearchError, Cancelled, and UsageError without the
        extra `network`. What survives is not checked here: `losses` does.
        """
        require("network", "Hiding bytes that survive a channel")
        from csfnns.search import Distortion, Search, Weighted
        from csfnns.search.parts import search_parts

        check_picture(cover)
        jobs = self._jobs(payloads)

        def terms_of(i: int) -> "list[Weighted]":
            recovery = [Weighted(job.term(i, self.device), self.strength * job.beta, grows=True) for job in jobs]
            return [Weighted(Distortion(), 1.0), *recovery]

        return search_parts(
            [cover],
            [(part.rows, part.columns) for part in jobs[0].parts],
            terms_of,
            Search(steps=self.steps, epsilon=0.2, learning_rate=1.0, channel=self.channel),
            seeds=[next(iter(payloads)).decoder],
            device=self.device,
            progress=progress,
        )[0]

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> bytes:
        """Bytes for one receiver, from a picture as it arrived.

        Raises NoMessageError when there are none, DamagedError when too much was lost on the way.
        """
        delta = perturbation(stego, cover)
        if not delta.any():
            raise NoMessageError("Nothing is hidden in this picture.", "Use the picture as it was sent.")
        output = decode(self.profile, seeds.decoder, delta)
        codec = self._codec
        word = _header_code(seeds).decode(codec.decode_header(output))
        header = b"" if word is None else np.packbits(word).tobytes()
        fields = open_header(header.ljust(HEADER_BITS // 8, b"\0"), seeds.header)
        length, rate = int.from_bytes(fields[:4], "big"), fields[4]
        if rate >= len(_BODY_RATES) or _Body(length, rate).sent > codec.room:
            raise NoMessageError("The message has a form unknown here.", "Update csfnns.")
        body = _Body(length, rate)
        sealed = body.decode(codec.decode_body(output, body.sent), seeds)
        return unseal(sealed, seeds.header, header)

    def delivers(self, received: Picture, cover: Picture, payloads: Mapping[ReceiverSeeds, bytes]) -> bool:
        """Whether each receiver gets their bytes from a picture as it arrived."""
        try:
            return all(self.extract(received, cover, seeds) == data for seeds, data in payloads.items())
        except NoMessageError:
            return False

    def losses(
        self,
        stego: Picture,
        cover: Picture,
        payloads: Mapping[ReceiverSeeds, bytes],
        draws: np.random.Generator | None = None,
    ) -> list[str]:
        """Cases of the channel after which a receiver does not get their bytes, such as "jpeg:75/420".

        `draws` draws what they leave open; None: the same each time.
        """
        draws = draws or np.random.default_rng(0)
        return [str(case) for case in self.channel.cases() if not self.delivers(case(stego, draws), cover, payloads)]

    @property
    def room(self) -> int:
        """Bytes that have a place, whether or not they survive."""
        return self.room_for(1)

    def room_for(self, receivers: int) -> int:
        """Bytes that have a place for each of so many receivers, whether or not they survive."""
        return max(self._most(len(_BODY_RATES) - 1, receivers), 0)

    def safe_for(self, receivers: int) -> int:
        """Bytes that have a place for each of so many receivers in the code that corrects most."""
        return max(self._most(0, receivers), 0)

    def capacity(
        self,
        cover: Picture,
        finish: Callable[[Picture], Picture] = np.copy,
        *,
        progress: Progress | None = None,
    ) -> int:
        """Bytes for one receiver that survive every case of the channel in this very cover; 0 where none do.

        `finish` is what is done to a stego before it is sent, such as writing an address.

        Measured: a search for each of the code's rates, highest first, until what fills the cover at that rate survives.
        """
        root = Seed(bytes(SEED_BYTES)).derive("csfnns/2/bits/capacity")
        seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
        for rate in reversed(range(len(_BODY_RATES))):
            most = self._most(rate)
            if most <= 0:
                continue
            sent = {seeds: root.stream().take(most)}
            if not self.losses(finish(self.embed(cover, sent, progress=progress)), cover, sent):
                return most
        return 0

    @property
    def _codec(self) -> BitCodec:
        outputs = 3 * math.prod(self.profile.secret_size)
        return BitCodec(outputs, HEADER_BITS + _HEADER_RATE.parities(HEADER_BITS))

    def _places(self, receivers: int) -> int:
        """Bits of words that each of so many receivers may have; negative where there is no place for a header."""
        codec = self._codec
        return codec.outputs // receivers - codec.outputs + codec.room

    def _most(self, rate: int, receivers: int = 1) -> int:
        """Bytes that fill the cover at a rate; negative where nothing fits."""
        room = self._places(receivers)
        length = room * _BODY_RATES[rate].numerator // _BODY_RATES[rate].denominator // 8 - TAG_BYTES
        while length >= 0 and _Body(length, rate).sent > room:
            length -= 1
        return length

    def _jobs(self, payloads: Mapping[ReceiverSeeds, bytes]) -> list["_Job"]:
        """What to search for. The lowest rate that fits is the code that corrects most."""
        if not payloads:
            raise UsageError("There is nothing to hide.", "Give bytes for a receiver.")
        codec, jobs = self._codec, []
        room = self._places(len(payloads))
        for seeds, data in payloads.items():
            bodies = (_Body(len(data), rate) for rate in range(len(_BODY_RATES)))
            body = next((body for body in bodies if body.sent <= room), None)
            if body is None:
                raise CapacityError(
                    f"{len(data):,} bytes have no place in this picture.",
                    "Send less, or make a key with a larger --size.",
                )
            fields = body.length.to_bytes(4, "big") + bytes([body.rate])
            header = seal_header(fields, seeds.header)
            signs = codec.encode(
                _header_code(seeds).encode(_bits(header)),
                body.encode(seal(data, seeds.header, header), seeds),
            )
            parts = make_decoder(self.profile, seeds.decoder).parts()
            jobs.append(_Job(parts, signs, _BETAS[body.rate]))
        return jobs


@dataclass(frozen=True)
class _Job:
    """Bytes for one receiver: the parts of their decoder, and the signs of the target outputs."""

    parts: "Sequence[Part]"
    signs: npt.NDArray[np.float32]
    beta: float

    def term(self, i: int, device: str) -> Margin:
        """Term of the i-th part."""
        import torch

        part, whole = self.parts[i], torch.from_numpy(self.signs)
        signs = whole if part.indices is None else whole[part.indices]
        places = torch.nonzero(signs)[:, 0]
        return Margin(part.decoder.to(device), places.to(device), signs[places].to(device))


@dataclass(frozen=True)
class _Body:
    """Sealed data as words: how many, and of how many bits."""

    length: int
    rate: int

    @property
    def _words(self) -> tuple[int, int]:
        """Words, and information bits of each; the last is filled up with zeros."""
        bits = 8 * (self.length + TAG_BYTES)
        count = -(-bits // BLOCK)
        return count, -(-bits // count)

    @property
    def sent(self) -> int:
        """Bits of all words."""
        count, bits = self._words
        return count * (bits + _BODY_RATES[self.rate].parities(bits))

    def encode(self, sealed: bytes, seeds: ReceiverSeeds) -> Bits:
        """Words, one after another, (sent,)."""
        count, bits = self._words
        information = np.zeros(count * bits, np.uint8)
        information[: 8 * len(sealed)] = _bits(sealed)
        code = self._code(seeds)
        return np.concatenate([code.encode(each) for each in information.reshape(count, bits)])

    def decode(self, soft: npt.NDArray[np.float32], seeds: ReceiverSeeds) -> bytes:
        """Undo `encode` from soft bits (sent,). Raises DamagedError."""
        code = self._code(seeds)
        found = []
        for each in soft.reshape(self._words[0], -1):
            word = code.decode(each)
            if word is None:
                raise DamagedError(
                    "The picture holds a message for this key, but too much of it was lost on its way.",
                    "Ask for the file as it was written, or for a message that was prepared for this way.",
                )
            found.append(word)
        return np.packbits(np.concatenate(found)).tobytes()[: self.length + TAG_BYTES]

    def _code(self, seeds: ReceiverSeeds) -> Ldpc:
        return Ldpc(_BODY_RATES[self.rate], self._words[1], seeds.header.derive("csfnns/2/bits/body"))


def _header_code(seeds: ReceiverSeeds) -> Ldpc:
    return Ldpc(_HEADER_RATE, HEADER_BITS, seeds.header.derive("csfnns/2/bits/header"))


def _bits(data: bytes) -> Bits:
    return np.unpackbits(np.frombuffer(data, np.uint8))

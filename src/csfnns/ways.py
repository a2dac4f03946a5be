"""The ways of secrets into the file that is sent, and out of what arrived.

    pixels    in the levels of a .png or .webp: pictures by the trellis decoder, bytes by direct coding
    grain     bytes in the levels of a .png or .webp, with δ of the law of grain
    jpeg      bytes in the coefficients of a .jpg, by direct coding
    bits      bytes through the network of a key of profile robust, by a search: they survive what they are prepared for
    network   pictures through the network of a key of profile robust or paper, by a search

A sender chooses one (`choose_way`), and then what each receiver gets by it (select.py). Nothing in the file says which, so
a receiver tries all that there can be (`to_read`); each has a check value of its own but the network of profile paper.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from csfnns.errors import CapacityError, DamagedError, NoMessageError, PictureError, SearchError, UsageError
from csfnns.extras import require
from csfnns.jpeg_file import (
    check_jpeglib,
    has_jpeglib,
    is_jpeg,
    jpeg_start,
    read_coefficients,
    write_coefficients,
)
from csfnns.output import JPEG, encode_picture
from csfnns.picture import Picture, read_picture
from csfnns.profile import Profile
from csfnns.results import Carrier

if TYPE_CHECKING:
    from csfnns.coding.jpeg import Coefficients
    from csfnns.payloads import Decoded
    from csfnns.schemes import CsFnns, Direct, DirectJpeg, NeuralBits, ReceiverSeeds
    from csfnns.schemes.trellis import Trellis
    from csfnns.search import Channel, Jpeg, Progress

QUALITY = 90
"""Of a JPEG file, unless said."""

AVIF_STEGO: dict[Carrier, float] = {"pixels": 56.0, "jpeg": 40.0}
"""An AVIF is as large as leaves the stego at this PSNR in dB, where it is one receiver's; against the same JPEG file
without a message, if it is one. Other ways change as much whatever they carry, or know only what has a place."""

_STRENGTHS = (1.0, 1.7, 3.0)  # of searches for bits, one after another until all cases are exact
_PIXEL_BITS = log2(3)  # of a sub-pixel or a coefficient, at most: it stays, goes up or goes down
_GRAIN_BITS = 2.05  # the entropy of normal grain of σ = 1
_UNEVEN = 1.05  # the eighths of a cover differ a little

Payload: TypeAlias = "bytes | Picture"
"""What goes to one receiver: bytes that arrive exactly, or a picture."""


@dataclass(frozen=True)
class Arrived:
    """A stego as it arrived."""

    picture: Picture
    """uint8 (H, W, 3)."""
    jpeg: bytes | None = None
    """The file, if it is a JPEG."""

    @cached_property
    def coefficients(self) -> "Coefficients | None":
        """Of the file; None where it is no JPEG, one that csfnns never writes, or jpeglib is missing."""
        if self.jpeg is None or not has_jpeglib():
            return None
        try:
            return read_coefficients(self.jpeg)
        except (NoMessageError, PictureError):
            return None

    @property
    def lacks_jpeglib(self) -> bool:
        """Whether there may be more in it than can be read without jpeglib."""
        return self.jpeg is not None and not has_jpeglib()


def arrive(source: Any) -> Arrived:
    """Read whatever `read_picture` reads. Raises PictureError."""
    picture = read_picture(source)
    if isinstance(source, bytes):
        return Arrived(picture, source if is_jpeg(source) else None)
    if isinstance(source, str | os.PathLike) and jpeg_start(Path(source)):
        return Arrived(picture, Path(source).read_bytes())
    return Arrived(picture)


class Way(Protocol):
    """How secrets go."""

    @property
    def carrier(self) -> Carrier:
        """What of the stego carries them."""
        ...

    def embed(self, cover: Picture, payloads: "Mapping[ReceiverSeeds, Payload]") -> bytes:
        """File to send. Raises CapacityError, SearchError, UsageError and Cancelled."""
        ...

    def plain(self, cover: Picture) -> Picture:
        """What to compare the stego with: the cover as such a file shows it without a message."""
        ...

    def extract(self, arrived: Arrived, cover: Picture, seeds: "ReceiverSeeds") -> "bytes | Decoded | None":
        """Payload of one receiver, None where there is none. Raises DamagedError for bytes that were changed."""
        ...

    def behind(self, sent: Picture, draws: np.random.Generator) -> Iterator[tuple[str, Picture]]:
        """Cases that the file was prepared for, each with the picture that arrives behind it."""
        ...


@dataclass(frozen=True)
class Pixels:
    """In the levels of a lossless picture."""

    profile: Profile
    suffix: str = ".png"
    grain: bool = False
    trellis: "Trellis | None" = None
    """Settings for pictures; the usual ones unless given."""
    shares: int = 1
    """Receivers who could get something, if several do."""
    progress: "Progress | None" = None

    @property
    def carrier(self) -> Carrier:
        """What of the stego carries them."""
        return "grain" if self.grain else "pixels"

    def has_room(self, sizes: Sequence[int]) -> bool:
        """Whether payloads of these sizes may fit into a cover."""
        return _slots_do(self.profile, sizes, 3 * (_GRAIN_BITS if self.grain else _PIXEL_BITS))

    def too_much(self, size: int) -> CapacityError:
        """Error for bytes that certainly do not fit."""
        hint = "Send less, or make a key with a larger --size: 'csfnns capacity' shows how much fits."
        return CapacityError(f"{_amount(size, self.profile)} holds.", hint)

    def room(self, cover: Picture, receivers: int) -> int:
        """Bytes that an AVIF for each of so many receivers may have."""
        if self.grain:
            return _share(self.direct.capacity(cover, ()).most, receivers)
        level = AVIF_STEGO["pixels"]
        return _share(self.direct.capacity(cover, [level]).at[level], receivers)

    def embed(self, cover: Picture, payloads: "Mapping[ReceiverSeeds, Payload]") -> bytes:
        """File to send. Raises CapacityError, SearchError, UsageError and Cancelled."""
        contents = {seeds: each for seeds, each in payloads.items() if isinstance(each, bytes)}
        if len(contents) == len(payloads):
            return encode_picture(self.direct.embed(cover, contents), self.suffix)
        shares = self.shares if len(payloads) > 1 else 1
        stego = self._pictures.embed(cover, payloads, shares=shares, progress=self.progress)
        return encode_picture(stego, self.suffix)

    def plain(self, cover: Picture) -> Picture:
        """The cover as such a file shows it without a message."""
        return cover

    def extract(self, arrived: Arrived, cover: Picture, seeds: "ReceiverSeeds") -> "bytes | Decoded | None":
        """Payload of one receiver, None where there is none. Raises DamagedError for bytes that were changed."""
        if arrived.picture.shape != cover.shape:
            return None
        if not self.grain:
            try:
                return self._pictures.extract(arrived.picture, cover, seeds)
            except (NoMessageError, CapacityError):
                pass
        return _or_none(lambda: self.direct.extract(arrived.picture, cover, seeds))

    def behind(self, sent: Picture, draws: np.random.Generator) -> Iterator[tuple[str, Picture]]:
        """Nothing: one changed level can destroy what is in it."""
        return iter(())

    @property
    def direct(self) -> "Direct":
        """The scheme of bytes."""
        from csfnns.schemes import Direct

        return Direct("grain" if self.grain else "cost")

    @property
    def _pictures(self) -> "Trellis":
        from csfnns.schemes.trellis import Trellis

        return self.trellis or Trellis(self.profile)


@dataclass(frozen=True)
class JpegFile:
    """In the coefficients of a JPEG file."""

    profile: Profile
    quality: int = QUALITY

    @property
    def carrier(self) -> Carrier:
        """What of the stego carries them."""
        return "jpeg"

    def has_room(self, sizes: Sequence[int]) -> bool:
        """Whether payloads of these sizes may fit into a cover."""
        return _slots_do(
            self.profile, sizes, 1.5 * _PIXEL_BITS
        )  # chrominance has a quarter of the pixels, twice

    def too_much(self, size: int) -> CapacityError:
        """Error for bytes that certainly do not fit."""
        hint = "A .png holds more, and so does a key with a larger --size: 'csfnns capacity' shows how much."
        return CapacityError(f"{_amount(size, self.profile)} holds as a JPEG.", hint)

    def room(self, cover: Picture, receivers: int) -> int:
        """Bytes that an AVIF for each of so many receivers may have."""
        level = AVIF_STEGO["jpeg"]
        return _share(self._scheme.capacity(cover, [level]).at[level], receivers)

    def embed(self, cover: Picture, payloads: "Mapping[ReceiverSeeds, Payload]") -> bytes:
        """File to send. Raises CapacityError, SearchError, UsageError and Cancelled."""
        return write_coefficients(self._scheme.embed(cover, _contents(payloads)))

    def plain(self, cover: Picture) -> Picture:
        """The cover as such a file shows it without a message."""
        return read_picture(write_coefficients(self._scheme.plain(cover)))

    def extract(self, arrived: Arrived, cover: Picture, seeds: "ReceiverSeeds") -> "bytes | Decoded | None":
        """Payload of one receiver, None where there is none. Raises DamagedError for bytes that were changed."""
        coefficients = arrived.coefficients
        if coefficients is None:
            return None
        return _or_none(lambda: self._scheme.extract(coefficients, cover, seeds))

    def behind(self, sent: Picture, draws: np.random.Generator) -> Iterator[tuple[str, Picture]]:
        """Nothing: encoded again, it holds nothing."""
        return iter(())

    @property
    def _scheme(self) -> "DirectJpeg":
        from csfnns.schemes import DirectJpeg

        return DirectJpeg(self.quality)


@dataclass(frozen=True)
class Bits:
    """Through the network of a key of profile robust."""

    scheme: "NeuralBits"
    suffix: str = ".png"
    progress: "Progress | None" = None

    @property
    def carrier(self) -> Carrier:
        """What of the stego carries them."""
        return "bits"

    def has_room(self, sizes: Sequence[int]) -> bool:
        """Whether payloads of these sizes may fit into a cover."""
        return max(sizes) <= self.scheme.room_for(len(sizes))

    def too_much(self, size: int) -> CapacityError:
        """Error for bytes that certainly do not fit."""
        return CapacityError(
            f"{_amount(size, self.scheme.profile)} carries so that it survives.",
            f"At most {self.scheme.room:,} bytes, packed, have a place in it, which receivers share. Send less, make a"
            " key with a larger --size, or say --exact: then more fits, and nothing survives.",
        )

    def room(self, cover: Picture, receivers: int) -> int:
        """Bytes that an AVIF for each of so many receivers may have."""
        return self.scheme.safe_for(receivers)

    def embed(self, cover: Picture, payloads: "Mapping[ReceiverSeeds, Payload]") -> bytes:
        """File to send. Raises CapacityError, SearchError, UsageError and Cancelled."""
        contents = _contents(payloads)
        draws = np.random.default_rng(0)
        lost: list[str] = []
        for strength in _STRENGTHS:
            scheme = replace(self.scheme, strength=strength * self.scheme.strength)
            stego = scheme.embed(cover, contents, progress=self.progress)
            data = self._jpeg.encode(stego) if self._jpeg else encode_picture(stego, self.suffix)
            lost = self._losses(read_picture(data), cover, contents, draws)
            if not lost:
                return data
        raise SearchError(
            f"What is hidden could not be read {', '.join(lost)}.",
            "Prepare for less, send less, or make a key with a larger --size. With --exact more fits, and nothing"
            " survives.",
        )

    def plain(self, cover: Picture) -> Picture:
        """The cover as such a file shows it without a message."""
        return read_picture(self._jpeg.encode(cover)) if self._jpeg else cover

    def extract(self, arrived: Arrived, cover: Picture, seeds: "ReceiverSeeds") -> "bytes | Decoded | None":
        """Payload of one receiver, None where there is none. Raises DamagedError for bytes that were changed."""
        return _or_none(lambda: self.scheme.extract(arrived.picture, cover, seeds))

    def behind(self, sent: Picture, draws: np.random.Generator) -> Iterator[tuple[str, Picture]]:
        """Cases of the channel; `embed` has read everything behind each."""
        cases = () if self._jpeg else self.scheme.channel.cases()
        return ((str(case), case(sent, draws)) for case in cases)

    @property
    def _jpeg(self) -> "Jpeg | None":
        """What it is prepared for, if the file is to be that very JPEG."""
        return one_jpeg(self.scheme.channel) if self.suffix in JPEG else None

    def _losses(
        self,
        sent: Picture,
        cover: Picture,
        payloads: "Mapping[ReceiverSeeds, bytes]",
        draws: np.random.Generator,
    ) -> list[str]:
        """Cases in which somebody would not get their bytes."""
        if not self.scheme.delivers(sent, cover, payloads):
            return ["as it is"]
        # A JPEG file is compressed already: what it is prepared for has happened.
        lost = [] if self._jpeg else self.scheme.losses(sent, cover, payloads, draws)
        return [f"behind {case}" for case in lost]


@dataclass(frozen=True)
class Network:
    """Through the network of a key of profile robust or paper, as pictures."""

    scheme: "CsFnns"
    channel: "Channel | None" = None
    suffix: str = ".png"
    progress: "Progress | None" = field(default=None, repr=False)

    @property
    def carrier(self) -> Carrier:
        """What of the stego carries them."""
        return "network"

    def embed(self, cover: Picture, payloads: "Mapping[ReceiverSeeds, Payload]") -> bytes:
        """File to send. Raises CapacityError, SearchError, UsageError and Cancelled."""
        pictures = {seeds: each for seeds, each in payloads.items() if not isinstance(each, bytes)}
        stego = self.scheme.embed(cover, pictures, progress=self.progress)
        # What a JPEG file is prepared for has happened.
        return self._jpeg.encode(stego) if self._jpeg else encode_picture(stego, self.suffix)

    def plain(self, cover: Picture) -> Picture:
        """The cover as such a file shows it without a message."""
        return read_picture(self._jpeg.encode(cover)) if self._jpeg else cover

    def extract(self, arrived: Arrived, cover: Picture, seeds: "ReceiverSeeds") -> "bytes | Decoded | None":
        """Payload of one receiver, None where there is none."""
        try:
            return self.scheme.extract(arrived.picture, cover, seeds)
        except CapacityError:  # a cover too small for any picture; it may hold a file
            return None
        except DamagedError:
            raise
        except NoMessageError:
            if np.array_equal(arrived.picture, cover):
                raise
            return None

    def behind(self, sent: Picture, draws: np.random.Generator) -> Iterator[tuple[str, Picture]]:
        """Cases of the channel, each with what arrives."""
        cases = self.channel.cases() if self.channel and not self._jpeg else ()
        return ((str(case), case(sent, draws)) for case in cases)

    @property
    def _jpeg(self) -> "Jpeg | None":
        """What it is prepared for, if the file is to be that very JPEG."""
        return one_jpeg(self.channel) if self.suffix in JPEG else None


def choose_way(
    profile: Profile,
    suffix: str,
    *,
    survive: Sequence[str] = (),
    exact: bool = False,
    quality: int | None = None,
    grain: bool = False,
    trellis: "Trellis | None" = None,
    shares: int = 1,
    device: str = "cpu",
    progress: "Progress | None" = None,
) -> "Pixels | JpegFile | Bits":
    """Way for bytes, or with a key of profile standard for pictures too, into a file with this suffix; "" for none.

    A key of profile robust sends bits unless `exact`. Raises UsageError for what does not go together, and without
    jpeglib if it is needed; PictureError for a .jpg that bits cannot go into.
    """
    jpeg = suffix in JPEG or (not suffix and quality is not None)
    direct = {"--quality": quality is not None, "--grain": grain}
    if survive and exact:
        raise UsageError(
            "--survive and --exact do not go together: what goes exactly survives nothing.",
            "Give one of them.",
        )
    if survive:
        check_robust(profile, ", ".join(survive))
    if profile.decoder == "robust" and not exact:
        for option, given in direct.items():
            if given:
                hint = "Say --exact too; or leave it out, so that the file survives."
                raise UsageError(f"{option} goes with direct coding, and this key's files survive.", hint)
        require("network", "Hiding a file with a robust key")
        return _bits(profile, suffix, survive, device, progress)
    if not jpeg and quality is not None:
        raise UsageError(f"--quality is of a JPEG file, not of a {suffix}.", "Name the file .jpg.")
    if not jpeg:
        return Pixels(profile, suffix or ".png", grain, trellis, shares, progress)
    if grain:
        raise UsageError(
            "Grain is for lossless pictures.", "Name the file .png or .webp, or leave --grain out."
        )
    check_jpeglib()
    from csfnns.coding.jpeg import standard_tables

    way = JpegFile(profile, QUALITY if quality is None else quality)
    standard_tables(way.quality)
    return way


def to_read(profile: Profile, arrived: Arrived, cover: Picture) -> list[Way]:
    """Ways to look for a payload, in this order."""
    ways: list[Way] = [JpegFile(profile)] if arrived.jpeg is not None else []
    pixels: list[Way] = [Pixels(profile), Pixels(profile, grain=True)]
    if not profile.is_network:
        return [*pixels, *ways]
    from csfnns.schemes import CsFnns

    network: list[Way] = [Network(CsFnns(profile))]
    if profile.decoder != "robust":  # bytes have a check value, its pictures have none
        return [*ways, *pixels, *network]
    network.insert(0, _bits(profile, ".png", (), "cpu", None))
    same = arrived.picture.shape == cover.shape
    # Direct coding changes levels by one at most, a search nearly always some by more.
    if same and np.abs(arrived.picture.astype(np.int16) - cover).max() <= 1:
        return [*ways, *pixels, *network]
    return [*network, *ways, *pixels]


def check_robust(profile: Profile, wanted: str) -> None:
    """Raise UsageError unless a stego of this profile survives anything."""
    if profile.decoder != "robust":
        raise UsageError(
            f"A stego of this key does not survive {wanted}: its profile is {profile.name!r}.",
            "Make a key with 'csfnns key new --profile robust'.",
        )


def one_jpeg(channel: "Channel | None") -> "Jpeg | None":
    """The channel, if it is one kind of JPEG file."""
    from csfnns.search import Jpeg

    return channel if isinstance(channel, Jpeg) and channel.is_one_file else None


def check_suffix(profile: Profile, suffix: str, channel: "Channel | None") -> None:
    """Raise PictureError where a search cannot write a .jpg: only what it prepares for survives."""
    if suffix not in JPEG or one_jpeg(channel):
        return
    hint = "Name the file .png or .webp; or say --exact for the secret's own bytes in the file's coefficients"
    if profile.decoder == "robust":
        hint += ", or --survive jpeg:90 for one quality"
    raise PictureError(f"{suffix} is a lossy format: it would destroy what is hidden.", f"{hint}.")


def _bits(
    profile: Profile, suffix: str, survive: Sequence[str], device: str, progress: "Progress | None"
) -> Bits:
    from csfnns.schemes import NeuralBits
    from csfnns.search import parse_channel

    scheme = NeuralBits(profile, device=device)
    if survive:
        scheme = replace(scheme, channel=parse_channel(*survive))
    check_suffix(profile, suffix, scheme.channel)
    return Bits(scheme, suffix or ".png", progress)


def _contents(payloads: "Mapping[ReceiverSeeds, Payload]") -> "dict[ReceiverSeeds, bytes]":
    """Payloads of a way that carries bytes alone."""
    contents = {seeds: each for seeds, each in payloads.items() if isinstance(each, bytes)}
    assert len(contents) == len(payloads)
    return contents


def _or_none(extract: Callable[[], bytes]) -> bytes | None:
    """What is extracted. Damage is reported only of what has the right check value: then it is the one, and an error."""
    try:
        return extract()
    except DamagedError:
        raise
    except NoMessageError:
        return None


def _slots_do(profile: Profile, sizes: Sequence[int], bits: float) -> bool:
    """Whether there are slots for so many bytes each, where a pixel of the cover carries at most so many bits."""
    from csfnns.coding import SLOTS
    from csfnns.payloads.seal import TAG_BYTES

    slot = _UNEVEN * bits * profile.height * profile.width / 8 / SLOTS
    return sum(1 + int((size + TAG_BYTES) / slot) for size in sizes) <= SLOTS


def _share(most: int, receivers: int) -> int:
    """What each may have of what one could."""
    from csfnns.coding import SLOTS

    return most * (SLOTS // receivers) // SLOTS


def _amount(size: int, profile: Profile) -> str:
    return f"{size:,} bytes, packed, are more than a cover of {profile.width}x{profile.height}"

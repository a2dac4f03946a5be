"""Channels: what may happen to a stego on its way, so that the search can prepare it.

A channel is the real thing, such as Pillow's JPEG, and no differentiable imitation: it turns the picture that is sent into
the one that arrives. Each step of a search draws what is left open (quality, subsampling) anew, and so minimises the mean
over all cases. Gradients pass a channel as if it changed nothing (straight-through).

    jpeg:90        quality 90, chrominance at full or half resolution          jpeg:90/444, jpeg:90/420: one of them
    jpeg:75-95     any quality from 75 to 95
    noise:2        normal noise of σ = 2 grey levels
    mismatch:0.05  5 % of the sub-pixels off by one level, as where the receiver's cover differs a little
    resize:0.5     half the sides, by any usual filter                         resize:0.5/lanczos: by this one
    a+b            a, then b

Receivers need not know what happened: they subtract the cover (`perturbation`).
"""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.images.io import Picture, Shape, read_picture
from csfnns.registry import Entry, Registry

LEVELS = 255
"""Highest level of a sub-pixel."""
MAX_CASES = 32
"""Most cases of a channel: each of them is checked before a stego is sent."""

F32 = npt.NDArray[np.float32]
Subsampling = Literal["any", "420", "444"]
Filter = Literal["any", "box", "bilinear", "bicubic", "lanczos"]

_FILTERS: tuple[Filter, ...] = ("box", "bilinear", "bicubic", "lanczos")


class Channel(Protocol):
    """Something that may happen to a picture on its way. `str` returns its text."""

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Return the picture that arrives, uint8; `random` draws what the channel leaves open."""
        ...

    def cases(self) -> "Sequence[Channel]":
        """Channels to check a stego with: the ends of each range. They leave nothing open but noise."""
        ...


@dataclass(frozen=True)
class Jpeg:
    """Compression by Pillow at a quality from `low` to `high`."""

    low: int
    high: int
    subsampling: Subsampling = "any"

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= 100:
            raise UsageError(f"JPEG qualities must rise within 1…100, got {self.low}-{self.high}.")
        if self.subsampling not in ("any", "420", "444"):
            raise UsageError(f"The subsampling must be 420 or 444, got {self.subsampling}.")

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Compress and decompress."""
        quality = int(random.integers(self.low, self.high + 1))
        subsampling = random.choice(self._subsamplings())
        return read_picture(encode_jpeg(picture, quality, subsampling), as_stored=True)

    @property
    def is_one_file(self) -> bool:
        """Whether the quality is fixed, so that the stego itself can be such a file."""
        return self.low == self.high

    def encode(self, picture: Picture) -> bytes:
        """Return a file of the highest quality, with chrominance at full resolution where that is open."""
        return encode_jpeg(picture, self.high, self._subsamplings()[-1])

    def cases(self) -> "Sequence[Jpeg]":
        """Lowest and highest quality, each subsampling."""
        qualities = sorted({self.low, self.high})
        return [Jpeg(q, q, s) for q, s in product(qualities, self._subsamplings())]

    def __str__(self) -> str:
        quality = str(self.low) if self.low == self.high else f"{self.low}-{self.high}"
        return f"jpeg:{quality}" + ("" if self.subsampling == "any" else f"/{self.subsampling}")

    def _subsamplings(self) -> tuple[Subsampling, ...]:
        return ("420", "444") if self.subsampling == "any" else (self.subsampling,)


def encode_jpeg(picture: Picture, quality: int, subsampling: str) -> bytes:
    """JPEG file of a picture, without metadata; subsampling is 420 or 444."""
    from PIL import Image

    file = io.BytesIO()
    sampling = {"420": "4:2:0", "444": "4:4:4"}[subsampling]
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=sampling)
    return file.getvalue()


@dataclass(frozen=True)
class Noise:
    """Normal noise on every sub-pixel, rounded to levels and clipped."""

    sigma: float
    """In grey levels."""

    def __post_init__(self) -> None:
        if not 0 < self.sigma <= LEVELS:
            raise UsageError(f"The noise's σ must be in (0, {LEVELS}] levels, got {self.sigma}.")

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Add noise."""
        noise = self.sigma * random.standard_normal(picture.shape, np.float32)
        return np.clip(np.rint(picture + noise), 0, LEVELS).astype(np.uint8)

    def cases(self) -> "Sequence[Noise]":
        """Return this channel alone."""
        return [self]

    def __str__(self) -> str:
        return f"noise:{_number(self.sigma)}"


@dataclass(frozen=True)
class Mismatch:
    """A share of the sub-pixels off by one level, up or down; δ arrives as if the receiver's cover were."""

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"The share of mismatches must be in (0, 1], got {self.share}.")

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Move some sub-pixels by one level."""
        draws = random.random(picture.shape, np.float32)
        off = (draws < self.share / 2).astype(np.int16) - (draws >= 1 - self.share / 2)
        return np.clip(picture + off, 0, LEVELS).astype(np.uint8)

    def cases(self) -> "Sequence[Mismatch]":
        """Return this channel alone."""
        return [self]

    def __str__(self) -> str:
        return f"mismatch:{_number(self.share)}"


@dataclass(frozen=True)
class Resize:
    """Sides multiplied by `scale`, with one of Pillow's filters."""

    scale: float
    filter: Filter = "any"

    def __post_init__(self) -> None:
        if not 0.1 <= self.scale <= 4:
            raise UsageError(f"The scale must be in 0.1…4, got {self.scale}.")
        if self.filter not in ("any", *_FILTERS):
            raise UsageError(f"The filter must be one of {', '.join(_FILTERS)}, got {self.filter}.")

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Resize."""
        height, width = (max(1, round(self.scale * side)) for side in picture.shape[:2])
        return _resize(picture, (height, width), random.choice(self._filters()))

    def cases(self) -> "Sequence[Resize]":
        """Each filter."""
        return [Resize(self.scale, each) for each in self._filters()]

    def __str__(self) -> str:
        return f"resize:{_number(self.scale)}" + ("" if self.filter == "any" else f"/{self.filter}")

    def _filters(self) -> tuple[Filter, ...]:
        return _FILTERS if self.filter == "any" else (self.filter,)


def _number(x: float) -> str:
    """Exact and short: 2 for 2.0."""
    return repr(float(x)).removesuffix(".0")


@dataclass(frozen=True)
class Chain:
    """One channel after another."""

    channels: tuple[Channel, ...]

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Pass all channels in order."""
        for channel in self.channels:
            picture = channel(picture, random)
        return picture

    def cases(self) -> "Sequence[Chain]":
        """Every combination."""
        return [Chain(each) for each in product(*(channel.cases() for channel in self.channels))]

    def __str__(self) -> str:
        return "+".join(map(str, self.channels))


@dataclass(frozen=True)
class OneOf:
    """One of several channels, with equal probability."""

    channels: tuple[Channel, ...]

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Pass one of the channels."""
        return self.channels[random.integers(len(self.channels))](picture, random)

    def cases(self) -> Sequence[Channel]:
        """Cases of each channel."""
        return [case for channel in self.channels for case in channel.cases()]

    def __str__(self) -> str:
        return ", ".join(map(str, self.channels))


@dataclass(frozen=True)
class Service:
    """A service that sends pictures: scaled to its longest side, then compressed. docs/choosing.md has the sources."""

    name: str
    longest: int
    """Longest side in pixels; longer ones are scaled down to it."""
    jpeg: Jpeg

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Scale down if needed, and compress."""
        scale = self.longest / max(picture.shape[:2])
        return self.jpeg(Resize(scale)(picture, random) if scale < 1 else picture, random)

    def cases(self) -> "Sequence[Service]":
        """Cases of the compression."""
        return [Service(self.name, self.longest, each) for each in self.jpeg.cases()]

    def __str__(self) -> str:
        return f"{self.name} ({self.jpeg})"


def _parse_jpeg(quality: str, subsampling: str = "any") -> Jpeg:
    found = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", quality)
    if found is None:
        raise ValueError(quality)
    return Jpeg(int(found[1]), int(found[2] or found[1]), subsampling)  # type: ignore[arg-type]  # Jpeg checks it


@dataclass(frozen=True)
class ChannelEntry(Entry):
    """A channel. Its factory takes the texts after the colon, split at "/", and raises ValueError or UsageError."""

    example: str = ""
    """Text of such a channel, for hints."""


CHANNELS = Registry(
    "channel",
    {
        "jpeg": ChannelEntry(_parse_jpeg, "JPEG of a quality, or of a range of them", example="jpeg:75-95"),
        "noise": ChannelEntry(
            lambda sigma: Noise(float(sigma)), "normal noise of a σ in grey levels", example="noise:2"
        ),
        "mismatch": ChannelEntry(
            lambda share: Mismatch(float(share)), "a share of levels off by one", example="mismatch:0.05"
        ),
        "resize": ChannelEntry(
            lambda scale, name="any": Resize(float(scale), name),
            "sides multiplied by a factor",
            example="resize:0.5",
        ),
        "whatsapp": ChannelEntry(
            lambda: Service("whatsapp", 1600, Jpeg(55, 85, "420")),
            "a photo sent by WhatsApp",
            example="whatsapp",
        ),
        "signal": ChannelEntry(lambda: Service("signal", 1600, Jpeg(60, 90, "420")), "a photo sent by Signal"),
        "telegram": ChannelEntry(lambda: Service("telegram", 1280, Jpeg(75, 95, "420")), "a photo sent by Telegram"),
        "email": ChannelEntry(lambda: Service("email", 2048, Jpeg(75, 95)), "a photo that a mail program shrinks"),
        "web": ChannelEntry(lambda: Service("web", 2048, Jpeg(60, 95)), "a picture on a web page"),
    },
    group="csfnns.channels",
)


def parse_channel(*texts: str) -> Channel:
    """Channel of a text such as "jpeg:75-95" or "resize:0.5+jpeg:90/420"; of several texts: any one of them.

    Raises UsageError.
    """
    if not texts:
        raise UsageError("No channel was given.", _syntax())
    channels = tuple(_parse_chain(text) for text in texts)
    channel = channels[0] if len(channels) == 1 else OneOf(channels)
    _check_cases(channel, len(channel.cases()))
    return channel


def _check_cases(channel: Channel, number: int) -> None:
    if number > MAX_CASES:
        hint = "Name fewer: each end of each range, combined with all others, is checked."
        raise UsageError(f"{channel} has {number} cases, more than {MAX_CASES}.", hint)


def _parse_chain(text: str) -> Channel:
    links = tuple(_parse_link(link) for link in text.split("+"))
    if len(links) == 1:
        return links[0]
    _check_cases(Chain(links), math.prod(len(link.cases()) for link in links))  # counted, before they are listed
    return Chain(links)


def _parse_link(text: str) -> Channel:
    name, _, settings = text.strip().lower().partition(":")
    if name not in CHANNELS:
        raise UsageError(f"There is no channel {text!r}.", _syntax())
    try:
        channel: Channel = CHANNELS.make(name, *(settings.split("/") if settings else ()))
    except (ValueError, TypeError) as error:
        raise UsageError(f"There is no channel {text!r}.", _syntax()) from error
    except UsageError as error:
        raise UsageError(error.message, error.hint or _syntax()) from error
    return channel


def _syntax() -> str:
    examples = [entry.example for entry in CHANNELS.entries().values() if entry.example]
    return f"Write {', '.join(examples)}, or several joined by '+'."


def perturbation(received: Picture, cover: Picture) -> F32:
    """δ as a receiver sees it, in grey levels, (H, W, 3) like the cover: the picture minus the cover.

    If the picture has another size, the cover is scaled to it by each usual filter, the nearest result subtracted, and
    the difference scaled to the cover's size.
    """
    if received.shape == cover.shape:
        return received.astype(np.float32) - cover
    shape = received.shape[:2]
    guesses = (received.astype(np.float32) - _resize(cover, shape, name) for name in _FILTERS)
    nearest = min(guesses, key=lambda difference: float(np.square(difference).mean()))
    return np.stack([_resize(plane, cover.shape[:2], "bicubic") for plane in np.moveaxis(nearest, 2, 0)], -1)


def _resize(picture: npt.NDArray[Any], shape: Shape, name: str) -> npt.NDArray[Any]:
    """Resize a picture (H, W, 3) of levels, or one plane (H, W) of float32, by one of Pillow's filters."""
    from PIL import Image

    method = Image.Resampling[name.upper()]
    return np.asarray(Image.fromarray(picture).resize(shape[::-1], method))

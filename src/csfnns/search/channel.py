"""Channels: what may happen to a stego on its way, so that the search can prepare it for that.

A channel is the real thing, Pillow's JPEG and no imitation of it: a picture goes in, the picture that arrives comes
out. What is not known beforehand (which quality, which subsampling) is drawn afresh at each step of a search, which
so minimises the mean over all cases. Gradients pass a channel as if it changed nothing (straight-through).

    jpeg:90        quality 90, chrominance at full or at half resolution       jpeg:90/444, jpeg:90/420: one of them
    jpeg:75-95     any quality from 75 to 95
    noise:2        normal noise of σ = 2 grey levels
    mismatch:0.05  5 % of the sub-pixels off by a level: so a receiver's cover that is not quite the sender's
    resize:0.5     half the sides, by any usual filter                         resize:0.5/lanczos: by this one
    a+b            a, then b

Receivers need not know what happened: they subtract the cover (`perturbation`).
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from csfnns.errors import UsageError
from csfnns.picture import Picture, Shape

LEVELS = 255
"""Highest level of a sub-pixel."""

F32 = npt.NDArray[np.float32]
Subsampling = Literal["any", "420", "444"]
Filter = Literal["any", "box", "bilinear", "bicubic", "lanczos"]

_FILTERS: tuple[Filter, ...] = ("box", "bilinear", "bicubic", "lanczos")
MOST_CASES = 32
"""Of one channel: every one of them is checked before a stego is sent."""

_SYNTAX = "Say jpeg:75-95, jpeg:90/420, noise:2, mismatch:0.05 or resize:0.5, several joined by '+'."


class Channel(Protocol):
    """Something that may happen to a picture on its way. `str` gives its text."""

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Picture that arrives, uint8; `random` draws what the channel leaves open."""
        ...

    def cases(self) -> "Sequence[Channel]":
        """Channels that leave nothing open but noise, the ends of each range: what to check a stego with."""
        ...


@dataclass(frozen=True)
class Jpeg:
    """Compression by Pillow at a quality from `low` to `high`."""

    low: int
    high: int
    subsampling: Subsampling = "any"

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= 100 or self.subsampling not in ("any", "420", "444"):
            raise UsageError(
                f"There is no JPEG {self}.", "Qualities go from 1 to 100, subsampling is 420 or 444."
            )

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Compress and decompress."""
        from PIL import Image

        quality = int(random.integers(self.low, self.high + 1))
        subsampling = random.choice(self._subsamplings())
        with Image.open(io.BytesIO(encode_jpeg(picture, quality, subsampling))) as image:
            return np.asarray(image)

    @property
    def is_one_file(self) -> bool:
        """Whether there is one quality, so that the stego itself can be such a file."""
        return self.low == self.high

    def encode(self, picture: Picture) -> bytes:
        """File of the highest quality; with chrominance at full resolution where that is open."""
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
            raise UsageError(f"There is no noise of {self.sigma} levels.", "Give its σ, such as noise:2.")

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Add noise."""
        noise = self.sigma * random.standard_normal(picture.shape, np.float32)
        return np.clip(np.rint(picture + noise), 0, LEVELS).astype(np.uint8)

    def cases(self) -> "Sequence[Noise]":
        """Itself."""
        return [self]

    def __str__(self) -> str:
        return f"noise:{_number(self.sigma)}"


@dataclass(frozen=True)
class Mismatch:
    """A share of the sub-pixels off by a level, up or down: the same to δ as a receiver's cover that is."""

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(
                f"There is no share of {self.share}.", "Give one up to 1, such as mismatch:0.05."
            )

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Move some sub-pixels by a level."""
        draws = random.random(picture.shape, np.float32)
        off = (draws < self.share / 2).astype(np.int16) - (draws >= 1 - self.share / 2)
        return np.clip(picture + off, 0, LEVELS).astype(np.uint8)

    def cases(self) -> "Sequence[Mismatch]":
        """Itself."""
        return [self]

    def __str__(self) -> str:
        return f"mismatch:{_number(self.share)}"


@dataclass(frozen=True)
class Resize:
    """Sides multiplied by `scale`, with one of Pillow's filters."""

    scale: float
    filter: Filter = "any"

    def __post_init__(self) -> None:
        if not (isfinite(self.scale) and 0.1 <= self.scale <= 4) or self.filter not in ("any", *_FILTERS):
            hint = f"The scale goes from 0.1 to 4, the filter is {', '.join(_FILTERS)}."
            raise UsageError(f"There is no {self}.", hint)

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
        """Through all of them."""
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
    """One of some channels, each as likely as another."""

    channels: tuple[Channel, ...]

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Through one of them."""
        return self.channels[random.integers(len(self.channels))](picture, random)

    def cases(self) -> Sequence[Channel]:
        """Cases of each."""
        return [case for channel in self.channels for case in channel.cases()]

    def __str__(self) -> str:
        return ", ".join(map(str, self.channels))


def parse_channel(*texts: str) -> Channel:
    """Channel of a text such as "jpeg:75-95" or "resize:0.5+jpeg:90/420"; of several texts: any one of them.

    Raises UsageError.
    """
    if not texts:
        raise UsageError("There is no channel.", _SYNTAX)
    channels = tuple(_parse_chain(text) for text in texts)
    channel = channels[0] if len(channels) == 1 else OneOf(channels)
    if len(channel.cases()) > MOST_CASES:
        hint = "Say less at once: each end of each range, with each other, is checked."
        raise UsageError(f"{channel} has {len(channel.cases())} cases, more than {MOST_CASES}.", hint)
    return channel


def _parse_chain(text: str) -> Channel:
    links = tuple(_parse_link(link) for link in text.split("+"))
    return links[0] if len(links) == 1 else Chain(links)


def _parse_link(text: str) -> Channel:
    name, _, settings = text.strip().lower().partition(":")
    try:
        return _PARSERS[name](*settings.split("/"))
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"There is no channel {text!r}.", _SYNTAX) from error


def _parse_jpeg(quality: str, subsampling: str = "any") -> Jpeg:
    found = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", quality)
    if found is None:
        raise ValueError(quality)
    return Jpeg(int(found[1]), int(found[2] or found[1]), subsampling)  # type: ignore[arg-type]  # Jpeg refuses others


_PARSERS: dict[str, Callable[..., Channel]] = {
    "jpeg": _parse_jpeg,
    "noise": lambda sigma: Noise(float(sigma)),
    "mismatch": lambda share: Mismatch(float(share)),
    "resize": lambda scale, name="any": Resize(float(scale), name),
}


def perturbation(received: Picture, cover: Picture) -> F32:
    """What a receiver knows of δ, in grey levels, (H, W, 3) like the cover: the picture minus the cover.

    If the picture has another size, the cover is brought to that by each usual filter, the nearest result subtracted,
    and the difference brought to the cover's size.
    """
    if received.shape == cover.shape:
        return received.astype(np.float32) - cover
    shape = received.shape[:2]
    guesses = (received.astype(np.float32) - _resize(cover, shape, name) for name in _FILTERS)
    nearest = min(guesses, key=lambda difference: float(np.square(difference).mean()))
    return np.stack([_resize(plane, cover.shape[:2], "bicubic") for plane in np.moveaxis(nearest, 2, 0)], -1)


def _resize(picture: npt.NDArray[Any], shape: Shape, name: str) -> npt.NDArray[Any]:
    """Picture (H, W, 3) of levels or one plane (H, W) of float32, by one of Pillow's filters."""
    from PIL import Image

    method = Image.Resampling[name.upper()]
    return np.asarray(Image.fromarray(picture).resize(shape[::-1], method))

"""What an experiment is: methods x cases x data sets, what is measured of each picture, and what the paper has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from csfnns.errors import NoMessageError
from csfnns.picture import Picture
from csfnns.profile import Profile, Rate

if TYPE_CHECKING:
    from csfnns.schemes import ReceiverSeeds, Scheme

Seen = Literal["perturbation", "stego"]

Value = float | str
"""A figure, or the reason why there is none."""

Figures = Mapping[str, Value]
"""Values by the key of their column."""

Measured = Mapping[str, Figures]
"""Figures by variant: one search, seen in several ways."""

HERE = "here"
PUBLISHED = "here, as published"
CORRECTED = "here, corrected"
"""The variants: HERE where the paper's procedure has no known defect; otherwise with the defect, and without."""


def denoised(variant: str) -> str:
    """The same, after the receiver's denoiser."""
    return f"{variant}, denoised"


PUBLISHED_SIDE = 512
"""Side of the paper's covers, in pixels (Sec. 4.1)."""

_DATASETS = {"imagenet": "ImageNet", "coco": "COCO", "celeba": "CelebA", "celebahq": "CelebA-HQ"}


def dataset_label(name: str) -> str:
    """Name of a data set as people write it."""
    return _DATASETS.get(name, name)


@dataclass(frozen=True)
class Column:
    """One figure of the table."""

    key: str
    group: str
    """Heading that it shares with its neighbours, such as "stego"; empty for none."""
    label: str
    digits: int
    better: Literal["higher", "lower"]


STEGO = (
    Column("stego_psnr", "stego", "PSNR (dB)", 2, "higher"),
    Column("stego_ssim", "stego", "SSIM", 4, "higher"),
    Column("stego_lpips", "stego", "LPIPS", 4, "lower"),
)
RECOVERED = (
    Column("recovered_psnr", "recovered", "PSNR (dB)", 2, "higher"),
    Column("recovered_ssim", "recovered", "SSIM", 4, "higher"),
    Column("recovered_lpips", "recovered", "LPIPS", 4, "lower"),
)
FIDELITY = STEGO[:2] + RECOVERED[:2]
"""PSNR and SSIM of both."""


@dataclass(frozen=True)
class Case:
    """What changes from one part of a table to the next."""

    name: str
    label: str
    bpp: Rate = "6"
    receivers: int = 1
    scale: float = 1.0
    """Side of the covers, as a share of the side that is asked for."""
    weights: str | None = None
    """Law of the decoder's weights; None for the profile's own."""


ONE = (Case("one", "one secret"),)


@dataclass(frozen=True)
class Published:
    """A row of the paper: figures by data set and column."""

    method: str
    figures: Mapping[str, Mapping[str, float]]
    case: str = "one"


def published(
    method: str, columns: Sequence[Column], figures: Mapping[str, Sequence[float]], case: str = "one"
) -> Published:
    """Row of the paper, its figures given in the order of the columns."""
    keys = [column.key for column in columns]
    rows = {dataset: dict(zip(keys, row, strict=True)) for dataset, row in figures.items()}
    return Published(method, rows, case)


@dataclass(frozen=True)
class Found:
    """What one receiver gets out of a stego."""

    picture: Picture
    """On the decoder's grid, as the decoder gives it."""
    expected_psnr: float | None
    """PSNR in dB that the receiver expects without knowing the secret; None where he cannot tell."""


@dataclass(frozen=True)
class Trial:
    """One hiding that has been done: what measures look at."""

    method: str
    profile: Profile
    scheme: "Scheme"
    cover: Picture
    """uint8 (H, W, 3), at the experiment's size."""
    secrets: "Mapping[ReceiverSeeds, Picture]"
    """Each receiver's secret, fitted to the decoder's grid."""
    stego: Picture
    """As read back from its file."""
    search_seconds: float
    seen: "Seen | None"
    """What the profile's decoder looks at; None for schemes with another way to decode."""
    adapted: bool
    """Whether the search knew the JPEG compression that was to come."""

    def recover(self, stego: Picture | None = None) -> list[Found | None]:
        """What each receiver gets from the stego, or from what has become of it; None for nothing."""
        return [self._recover(self.stego if stego is None else stego, seeds) for seeds in self.secrets]

    def _recover(self, stego: Picture, seeds: "ReceiverSeeds") -> Found | None:
        try:
            decoded = self.scheme.extract(stego, self.cover, seeds)
        except NoMessageError:
            return self._noise(stego, seeds)
        return Found(decoded.grid, decoded.expected_psnr)

    def _noise(self, stego: Picture, seeds: "ReceiverSeeds") -> Found | None:
        """What the decoder puts out, though it is no picture: the paper's tables count that too.

        None where pixels cannot be told without a message, since they need what a header tells.
        """
        if self.seen is None or self.profile.has_header:
            return None
        from csfnns.decoders import decode

        levels = stego.astype(np.float32) - (self.cover if self.seen == "perturbation" else 0)
        output = decode(self.profile, seeds.decoder, levels)
        picture = np.rint(255 * output.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0).copy()
        return Found(picture, None)


@dataclass(frozen=True)
class Experiment:
    """A table or a figure of the paper, declared: the shared runner does the rest."""

    name: str
    title: str
    methods: tuple[str, ...]
    """Names in METHODS that it compares unless others are chosen."""
    columns: tuple[Column, ...]
    measure: Callable[[Trial], Measured]
    cases: tuple[Case, ...] = ONE
    case_heading: str = ""
    series: str = ""
    """Experiment whose rows these are too: seeds are derived from its name. Empty for its own."""
    variants: tuple[str, ...] = (HERE,)
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()
    timed: bool = False
    """Whether figures are times, which no two runs have in common."""
    pairs: int | None = None
    """Pictures a method and data set unless others are asked for; None for all."""
    draw: "Callable[[Sequence[Shot], str], Sequence[Page]] | None" = None
    """For a figure: its pages, with a remark on each. The pictures of each trial are then kept."""

    @property
    def rows_of(self) -> str:
        """Name under which rows are made and kept."""
        return self.series or self.name


@dataclass(frozen=True)
class Shot:
    """Pictures of one trial that were kept, for a figure."""

    method: str
    label: str
    case: Case
    dataset: str
    pair: int
    cover: Picture
    stego: Picture
    secrets: tuple[Picture, ...]
    recovered: tuple[Picture | None, ...]


@dataclass(frozen=True)
class Page:
    """A page of a figure."""

    name: str
    """End of the file's name, such as "imagenet-0"."""
    picture: Picture

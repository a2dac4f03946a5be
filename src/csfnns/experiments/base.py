"""What an experiment is: methods x cases x data sets, what is measured of each picture, and the paper's figures."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from csfnns.images.io import Picture
from csfnns.profile import Rate
from csfnns.registry import Entry

DecoderInput = Literal["perturbation", "stego"]

Value = float | str
"""A figure, or the reason why there is none."""
Figures = Mapping[str, Value]
"""Values by the key of their column."""
Measured = Mapping[str, Figures]
"""Figures by variant: one search, evaluated in several ways."""

HERE = "here"
PUBLISHED = "here, as published"
CORRECTED = "here, corrected"
"""Variants: HERE where the paper's procedure has no known defect; otherwise with the defect, and without."""


def denoised(variant: str) -> str:
    """The variant after the receiver's denoiser."""
    return f"{variant}, denoised"


PUBLISHED_SIDE = 512
"""Side of the paper's covers, in pixels (Sec. 4.1)."""

_DATASETS = {"imagenet": "ImageNet", "coco": "COCO", "celeba": "CelebA", "celebahq": "CelebA-HQ"}


def dataset_label(name: str) -> str:
    """A data set's name as it is usually written."""
    return _DATASETS.get(name, name)


@dataclass(frozen=True)
class Column:
    """One figure of a table."""

    key: str
    group: str
    """Heading that it shares with its neighbours, such as "stego"; empty for none."""
    label: str
    digits: int
    better: Literal["higher", "lower"]

    @property
    def heading(self) -> str:
        """Heading with an arrow in the direction that is better."""
        arrow = "↑" if self.better == "higher" else "↓"
        return " ".join(part for part in (self.group, self.label, arrow) if part)


def _fidelity(group: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"{group}_psnr", group, "PSNR (dB)", 2, "higher"),
        Column(f"{group}_ssim", group, "SSIM", 4, "higher"),
        Column(f"{group}_lpips", group, "LPIPS", 4, "lower"),
    )


STEGO, RECOVERED = _fidelity("stego"), _fidelity("recovered")
STEGO_APD, RECOVERED_APD = (Column(f"{group}_apd", group, "APD", 2, "lower") for group in ("stego", "recovered"))
"""Average pixel discrepancy, which the authors' program and UDH's paper give, and the paper's tables do not."""
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
    """Side of the covers, relative to the side of the run."""
    weights: str | None = None
    """Distribution of the decoder's weights; None for the profile's own."""


ONE = (Case("one", "one secret"),)


@dataclass(frozen=True)
class Published:
    """A row of the paper."""

    case: str
    method: str
    dataset: str
    figures: Mapping[str, float]
    """By the key of their column."""


@dataclass(frozen=True)
class Recovered:
    """What one receiver gets from a stego."""

    picture: Picture
    """On the decoder's grid, as the decoder returns it."""
    expected_psnr: float | None
    """PSNR in dB that the receiver expects without the secret; None where the method cannot say."""


@dataclass(frozen=True)
class Shot:
    """Pictures of one trial, kept for a figure."""

    method: str
    label: str
    case: Case
    dataset: str
    pair: int
    cover: Picture
    stego: Picture
    secrets: tuple[Picture, ...]
    recovered: tuple[Picture | None, ...]


Pages = Mapping[str, Picture]
"""Pages of a figure by the end of their files' names, such as "imagenet-0"."""


@dataclass(frozen=True, kw_only=True)
class Experiment(Entry):
    """A table or a figure as data. Its factory measures a trial: Trial → figures by variant."""

    name: str
    methods: tuple[str, ...]
    """Names in METHODS that it compares unless others are chosen."""
    columns: tuple[Column, ...]
    cases: tuple[Case, ...] = ONE
    case_heading: str = ""
    series: str = ""
    """Experiment with which it shares its rows; empty for its own."""
    variants: tuple[str, ...] = (HERE,)
    published: Sequence[Published] = ()
    notes: tuple[str, ...] = ()
    timed: bool = False
    """Whether its figures are times, which depend on the machine."""
    pairs: int | None = None
    """Pictures for each method and data set unless others are asked for; None for all."""
    draw: Callable[[Sequence[Shot], str], Pages] | None = None
    """Draws the pages of a figure, with a remark on each. The pictures of each trial are then kept."""

    @property
    def title(self) -> str:
        """Such as "Table 1: visual quality of the stego pictures"."""
        label = re.sub(r"(?<=\D)(?=\d+$)", " ", self.name.capitalize())
        return f"{label}: {self.help}"

    @property
    def rows_of(self) -> str:
        """Name under which its rows are made and kept."""
        return self.series or self.name

    def measure(self, trial: Any) -> Measured:
        """Figures of a trial by variant."""
        assert callable(self.factory)
        found: Measured = self.factory(trial)
        return found

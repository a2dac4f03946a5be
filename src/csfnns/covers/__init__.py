"""Cover generators: pictures that both ends make from the shared key."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from csfnns.covers.abstract import AbstractCovers
from csfnns.covers.diffusion import DiffusionCovers, describe_diffusion
from csfnns.covers.folder import FolderCovers, choose_nonce
from csfnns.covers.register import AlbumRegister, parse_share
from csfnns.errors import CoverError, UsageError
from csfnns.images.io import Picture
from csfnns.profile import Profile
from csfnns.registry import Entry, Registry
from csfnns.stream import Seed

__all__ = [
    "GENERATORS",
    "AbstractCovers",
    "AlbumRegister",
    "CoverGenerator",
    "DiffusionCovers",
    "FolderCovers",
    "GeneratorEntry",
    "choose_nonce",
    "describe_diffusion",
    "make_generator",
    "parse_share",
]


class CoverGenerator(Protocol):
    """Makes the cover of each message."""

    def __call__(self, seed: Seed) -> Picture:
        """Cover of a message's cover seed, uint8 (height, width, 3). Raises CoverError if it cannot be made."""
        ...


@dataclass(frozen=True)
class GeneratorEntry(Entry):
    """A cover generator. Its factory is called with the profile, and with the source if it needs one."""

    source: Literal["album", "model"] | None = None
    """What it needs beside the profile: an album's folder, or a model's folder, file or hub:NAME@REVISION."""


GENERATORS = Registry(
    "cover generator",
    {
        "abstract": GeneratorEntry(
            "csfnns.covers.abstract:from_profile", "pictures drawn from the key alone, exact on every machine"
        ),
        "folder": GeneratorEntry(
            "csfnns.covers.folder:from_profile", "pictures of an album that both ends hold", source="album"
        ),
        "diffusion": GeneratorEntry(
            "csfnns.covers.diffusion:from_profile",
            "pictures of a diffusion model, on the same kind of computer at both ends",
            extras=("sd",),
            source="model",
        ),
    },
    group="csfnns.covers",
)


def make_generator(profile: Profile, source: str | os.PathLike[str] | None = None) -> CoverGenerator:
    """Generator of the profile's covers.

    `source` is the folder of the album, or the model's folder, file or hub:NAME@REVISION.
    Raises UsageError for an unknown generator and for a source that it does not need, and CoverError for one that is
    missing or not the profile's.
    """
    needed = GENERATORS[profile.generator].source
    if needed is None and source is not None:
        raise UsageError("This key's covers need no album and no model.", "Leave --covers out.")
    if needed is not None and source is None:
        raise CoverError(f"This key's covers need the {needed} they were made with.", "Give it: --covers PATH.")
    sources = [] if source is None else [Path(source) if needed == "album" else os.fspath(source)]
    generator: CoverGenerator = GENERATORS.make(profile.generator, profile, *sources)
    return generator

"""Cover generators: pictures that both ends make from the shared key."""

from pathlib import Path

from csfnns.covers.abstract import AbstractCovers
from csfnns.covers.base import CoverGenerator, Slow
from csfnns.covers.diffusion import DiffusionCovers, describe_diffusion
from csfnns.covers.folder import FolderCovers
from csfnns.errors import CoverError, UsageError
from csfnns.profile import Profile

__all__ = [
    "GENERATORS",
    "AbstractCovers",
    "CoverGenerator",
    "DiffusionCovers",
    "FolderCovers",
    "Slow",
    "describe_diffusion",
    "make_generator",
]

GENERATORS = ("abstract", "folder", "diffusion")


def make_generator(profile: Profile, album: Path | None = None, model: str | None = None) -> CoverGenerator:
    """Generator of the profile's covers. `album` is the folder of pictures, for generator `folder` only; `model`
    the model's folder, file or name, for generator `diffusion` only.

    Raises CoverError for an unknown generator and for an album or a model that is missing or not the profile's,
    and UsageError for one that is not needed.
    """
    if album is not None and profile.generator != "folder":
        raise UsageError("This key's covers need no album.", "Leave the album out.")
    if model is not None and profile.generator != "diffusion":
        raise UsageError("This key's covers need no model.", "Leave the model out.")
    if profile.generator == "abstract":
        return AbstractCovers(profile.height, profile.width)
    if profile.generator == "folder":
        if album is None:
            raise CoverError(
                "This key's covers come from an album of pictures.", "Name its folder: --album DIR."
            )
        return FolderCovers(album, profile.height, profile.width, profile.album)
    if profile.diffusion is not None:
        if model is None:
            raise CoverError(
                "This key's covers come from a diffusion model.", "Name its place: --model PATH|NAME."
            )
        return DiffusionCovers(model, profile.height, profile.width, profile.diffusion)
    raise CoverError(
        f"This csfnns has no cover generator {profile.generator!r}.", f"It has: {', '.join(GENERATORS)}."
    )

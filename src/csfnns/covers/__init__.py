"""Cover generators: pictures that both ends make from the shared key."""

from pathlib import Path

from csfnns.covers.abstract import AbstractCovers
from csfnns.covers.base import CoverGenerator
from csfnns.covers.folder import FolderCovers
from csfnns.errors import CoverError, UsageError
from csfnns.profile import Profile

__all__ = ["GENERATORS", "AbstractCovers", "CoverGenerator", "FolderCovers", "make_generator"]

GENERATORS = ("abstract", "folder")


def make_generator(profile: Profile, album: Path | None = None) -> CoverGenerator:
    """Generator of the profile's covers. `album` is the folder of pictures, for generator `folder` only.

    Raises CoverError for an unknown generator and an album that is missing or not the profile's.
    """
    if profile.generator == "abstract":
        if album is not None:
            raise UsageError("This key's covers need no album.", "Leave the album out.")
        return AbstractCovers(profile.height, profile.width)
    if profile.generator == "folder":
        if album is None:
            raise CoverError(
                "This key's covers come from an album of pictures.", "Name its folder: --album DIR."
            )
        return FolderCovers(album, profile.height, profile.width, profile.album)
    raise CoverError(
        f"This csfnns has no cover generator {profile.generator!r}.", f"It has: {', '.join(GENERATORS)}."
    )

"""Where pairs come from: crops of pictures of a folder or pictures of the generator, and secrets."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from csfnns.covers import AbstractCovers
from csfnns.errors import PictureError, UsageError
from csfnns.experiments.pair_wanted import Wanted, root_of
from csfnns.experiments.plan import find_pictures
from csfnns.picture import Picture, read_picture

ABSTRACT = "abstract"
"""Instead of a folder of covers: the generator of that name."""


class Sources:
    """Covers, by the number of the pair."""

    def __init__(self, wanted: Wanted, out: Path, count: int) -> None:
        self._wanted = wanted
        if wanted.covers is None:
            self._generator = AbstractCovers(wanted.side, wanted.side)
            self.digest = ABSTRACT
            return
        files = find_pictures(wanted.covers, out)
        self._files = dict(zip(_names(wanted.covers, files), files, strict=True))
        self.digest = digest_of(files)
        self._names = list(self._files)
        for i, name in enumerate(self._names[:count]):
            self._check(name, len(range(i, count, len(self._names))))

    def name(self, i: int) -> str:
        """NAME@K of the i-th pair."""
        if self._wanted.covers is None:
            return f"{i}@0"
        return f"{self._names[i % len(self._names)]}@{i // len(self._names)}"

    def cover(self, i: int) -> Picture:
        """uint8 (side, side, 3)."""
        if self._wanted.covers is None:
            return self._generator(root_of(self._wanted).derive("csfnns/1/experiment/pairs/covers"), i)
        name = self._names[i % len(self._names)]
        picture = read_picture(self._files[name])
        side = self._wanted.side
        top, left = self._place(name, picture.shape[:2], i // len(self._names))
        return picture[top : top + side, left : left + side].copy()

    def _check(self, name: str, crops: int) -> None:
        """Raise for a picture that does not have so many crops."""
        height, width = read_picture(self._files[name]).shape[:2]
        side = self._wanted.side
        path = self._files[name]
        if min(height, width) < side:
            hint = "Take it away, or make crops smaller: --size."
            raise PictureError(f"{path} has {width}x{height} pixels, and no crop of {side}x{side}.", hint)
        places = (height - side + 1) * (width - side + 1)
        if crops > places:
            reason = f"{path} has {places} crops of {side}x{side}, and {crops} are needed."
            raise UsageError(reason, "Make fewer pairs, or add covers.")

    def _place(self, name: str, shape: tuple[int, ...], crop: int) -> tuple[int, int]:
        """Top left corner of a crop of a picture, no two at one place."""
        stream = root_of(self._wanted).derive(f"csfnns/1/experiment/pairs/places/{name}").stream()
        height, width = (side - self._wanted.side + 1 for side in shape)
        found: dict[int, None] = {}
        while len(found) <= crop:
            found[int(stream.integers(1, height * width)[0])] = None
        return divmod(list(found)[crop], width)


class Secrets:
    """Secrets, by the number of the pair: all of them in a drawn order, then all in another."""

    def __init__(self, wanted: Wanted, out: Path) -> None:
        self._wanted = wanted
        self._files = [] if wanted.secrets is None else find_pictures(wanted.secrets, out)
        self.digest = digest_of(self._files) if self._files else None

    def secret(self, i: int) -> Picture | None:
        """Of any size; None where the scheme hides no picture."""
        if not self._files:
            return None
        turn, place = divmod(i, len(self._files))
        order = root_of(self._wanted).derive(f"csfnns/1/experiment/pairs/secrets/{turn}").stream()
        return read_picture(self._files[order.permutation(len(self._files))[place]])


def _names(folder: Path, files: Sequence[Path]) -> list[str]:
    """Name of each source picture: its path below the folder. Raises UsageError for two of one name."""
    names = ["_".join(path.relative_to(folder).with_suffix("").parts) for path in files]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Two pictures in {folder} are called {name}.", "Rename one of them.")
    return names


def digest_of(files: Sequence[Path]) -> str:
    """Of names and bytes of pictures."""
    try:
        parts = [f"{path.name} {sha256(path.read_bytes()).hexdigest()}" for path in files]
    except OSError as error:
        raise PictureError(
            f"{error.filename} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    return sha256("\n".join(parts).encode()).hexdigest()

"""Receive files that were sent over several pictures, in any order, and whatever else is among these.

picture → part → its piece to its place in a draft; at the end: parity → what is missing; SHA-256 → the file's name
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from csfnns.coding.erasure import recover
from csfnns.covers import CoverGenerator, make_generator
from csfnns.errors import CsfnnsError, DamagedError, PictureError, UsageError
from csfnns.files import DISK_HINT, Draft
from csfnns.images import sandbox
from csfnns.images.header import picture_suffixes
from csfnns.images.io import READABLE
from csfnns.images.output import check_place
from csfnns.keys import Key
from csfnns.messages.receive import find, receive_found
from csfnns.messages.results import LongRevealed, Revealed, RevealedPart, is_own_suffix, own_name
from csfnns.payloads.part import Division

Came: TypeAlias = "Revealed | RevealedPart | CsfnnsError"
"""What came of a picture."""

_BLOCK = 1 << 20
_HEAD = 64  # bytes that tell a picture's format
_NAMED = 12  # missing parts, at most, that an error lists


def receive_long(
    pictures: Iterable[Any],
    key: Key,
    out: Path,
    *,
    receiver: str | None,
    covers: str | os.PathLike[str] | None,
    denoise: bool | None,
    overwrite: bool,
    each: Callable[[Any, Came], object],
) -> list[LongRevealed]:
    """Reveal files as `csfnns.reveal_long` describes."""
    if not out.is_dir():
        check_place(out, overwrite=overwrite)
    generator: CoverGenerator | None = None
    with ExitStack() as stack:
        found: dict[tuple[Division, str, str | None], _Assembly] = {}
        for picture in pictures:
            came: Came
            try:
                address = find(picture, key)
                sandbox.prepare("stored")  # for the next picture
                if generator is None:
                    generator = make_generator(key.profile, covers)
                came = receive_found(address, key, generator, receiver=receiver, denoise=denoise)
            except CsfnnsError as error:
                came = error
            if isinstance(came, RevealedPart):
                identity = came.part.of, came.receiver, came.author
                if identity not in found:
                    found[identity] = stack.enter_context(_Assembly(came, out, overwrite=overwrite))
                found[identity].add(came)
            each(picture, came)
        return [assembly.finish() for assembly in found.values()]


def pictures_in(folder: Path) -> list[Path]:
    """Pictures of a folder by their names, without hidden ones. Raises UsageError for a folder without any."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in READABLE and path.name[0] != "."]
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read: {error.strerror}.", "Check the path.") from error
    if not found:
        raise UsageError(f"There are no pictures in {folder}.", "Give the folder that holds what was sent.")
    return sorted(found)


class _Assembly:
    """A file that is being put together: each piece, parity too, at its place in a draft on disk."""

    def __init__(self, first: RevealedPart, out: Path, *, overwrite: bool) -> None:
        self._first, self._of, self._out, self._overwrite = first, first.part.of, out, overwrite
        self._there: set[int] = set()
        try:
            self._draft = Draft(out if out.is_dir() else out.parent)
        except OSError as error:
            raise _unwritable(out, error) from error

    def __enter__(self) -> "_Assembly":
        return self

    def __exit__(self, *_: object) -> None:
        self._draft.__exit__()

    def add(self, revealed: RevealedPart) -> None:
        """Keep a piece; a second copy changes nothing. Raises PictureError when the disk refuses."""
        self._write(revealed.part.number, revealed.part.piece)
        self._there.add(revealed.part.number)

    def finish(self) -> LongRevealed:
        """Restore what is missing, check the whole, and give it its name."""
        of, first = self._of, self._first
        path, problem = None, None
        try:
            self._restore()
            path = self._save()
        except CsfnnsError as error:
            path, problem = None, error
        missing = tuple(i + 1 for i in range(of.parts) if i not in self._there)
        about = first.receiver, first.author, first.sent
        return LongRevealed(path, problem, first.name, of.length, of.parts, of.data, missing, *about)

    def _restore(self) -> None:
        of, title = self._of, self._first.name or "the file"
        missing = [i for i in range(of.data) if i not in self._there]
        parity = [i for i in range(of.data, of.parts) if i in self._there]
        if len(missing) > len(parity):
            lost = [str(i + 1) for i in range(of.parts) if i not in self._there]
            listed = ", ".join(lost[:_NAMED]) + (", …" if len(lost) > _NAMED else "")
            needed = len(missing) - len(parity)
            reason = f"{len(lost)} of the {of.parts} parts of {title} are missing: {listed}."
            raise DamagedError(reason, f"Ask for {needed} of them, whichever they are, as they were written.")
        if missing:
            pieces = {i - of.data: self._read(i) for i in parity[: len(missing)]}
            others = ((i, self._read(i)) for i in range(of.data) if i in self._there)
            for i, piece in recover(missing, pieces, others).items():
                self._write(i, piece)
        self._draft.file.truncate(of.length)
        if self._sha256() != of.sha256:
            reason = f"The parts of {title} do not make the file that was sent."
            raise DamagedError(reason, "Ask its sender to hide it again.")

    def _save(self) -> Path:
        self._draft.file.seek(0)
        formats = picture_suffixes(self._draft.file.read(_HEAD))
        suffix = formats[0] if formats else ".bin"
        path, overwrite = self._out, self._overwrite
        if path.is_dir():  # the sender's name replaces nothing
            path /= own_name(self._first.name or f"message-{self._first.id}{suffix}", formats, suffix)
            overwrite = False
        elif not is_own_suffix(path, formats):
            what = f"a {suffix} picture" if formats else "no picture"
            raise PictureError(f"What was sent is {what}, and cannot be saved as {path.suffix}.", "Name it otherwise.")
        try:
            self._draft.finish(path, overwrite=overwrite)
        except FileExistsError as error:
            raise PictureError(f"{path} already exists.", "Name another file or folder: -o FILE.") from error
        except OSError as error:
            raise _unwritable(path, error) from error
        return path

    def _write(self, number: int, piece: bytes) -> None:
        try:
            self._draft.file.seek(number * self._of.piece)
            self._draft.file.write(piece)
        except OSError as error:
            raise _unwritable(self._out, error) from error

    def _read(self, number: int) -> bytes:
        self._draft.file.seek(number * self._of.piece)
        return self._draft.file.read(self._of.piece)

    def _sha256(self) -> bytes:
        digest = hashlib.sha256()
        for block in self._blocks():
            digest.update(block)
        return digest.digest()

    def _blocks(self) -> Iterator[bytes]:
        self._draft.file.seek(0)
        while block := self._draft.file.read(_BLOCK):
            yield block


def _unwritable(path: Path, error: OSError) -> PictureError:
    return PictureError(f"{path} cannot be written: {error.strerror}.", DISK_HINT)

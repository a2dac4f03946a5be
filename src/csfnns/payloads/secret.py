"""Secrets as a sender gives them: a path, the bytes of a file, a line of text, an array or a Pillow image."""

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from csfnns.errors import PictureError, UsageError
from csfnns.images.header import PHONE, picture_suffixes
from csfnns.images.io import READABLE, Picture, fit, load, lost_with_alpha, picture_size
from csfnns.images.sandbox import count_frames, read_shown
from csfnns.payloads.frame import MAX_CONTENT, File, Kind, pack

if TYPE_CHECKING:
    from PIL import Image as Pil


@dataclass(frozen=True, slots=True)
class Text:
    """Text to hide, made by `csfnns.text`."""

    content: str = field(repr=False)


_NAME = "The picture"  # what errors call a secret
Source: TypeAlias = "str | os.PathLike[str] | bytes | File | Text | npt.NDArray[Any] | Pil.Image"
"""Path of a file, the bytes of one, these with a name, text, an array or a Pillow image."""


def text(content: str) -> Text:
    """Mark a string as text to hide; a bare string is the path of a file."""
    return Text(content)


@dataclass(frozen=True)
class Secret:
    """What one receiver is to get."""

    content: bytes | None
    """Bytes of the file; None for an array, an image, and a picture that was scaled."""
    name: str | None
    kind: Kind
    picture: Picture | None = None
    """The pixels, if it is a picture."""
    original: Picture | None = None
    """The picture before it was scaled."""
    sent: int = 0
    """Time of sending in seconds since 1970; 0: not stated."""
    lost: str | None = None
    """What of the file does not arrive with the pixels, as a sentence."""
    pictures: int = 1
    """In the file: an animation and a file of several pages have more."""

    @cached_property
    def packed(self) -> bytes:
        """Frame with the bytes of the file, or with a lossless copy of the pixels. Raises CapacityError."""
        if self.content is not None:
            return pack(self.content, self.name, self.kind, self.sent)
        from csfnns.payloads.avif import lossless

        assert self.picture is not None
        data = lossless(self.picture)
        return pack(data, self.renamed(".webp" if data.startswith(b"RIFF") else ".png"), self.kind, self.sent)

    def renamed(self, suffix: str) -> str | None:
        """Name with another suffix; None without a name."""
        return None if self.name is None else f"{Path(self.name).stem}{suffix}"

    @property
    def as_pixels(self) -> "Secret":
        """The same picture without the bytes of its file."""
        return replace(self, content=None)


def read_secret(source: Source, *, name: str | None = None, resize: int | None = None, sent: int = 0) -> Secret:
    """Read a secret. `name` replaces the name of a path; `resize` is the longest side of a picture in pixels.

    A path with a picture's suffix, and bytes in a picture's format, are a picture; all other bytes are a file, and so are
    animations and files of several pages, unless `resize` asks for a picture. Raises UsageError for a `resize` below 1 or
    of no picture, and PictureError for what cannot be read.
    """
    if resize is not None and resize < 1:
        raise UsageError(f"resize must be at least 1 pixel, got {resize}.", "Give the longest side, such as 1280.")
    if isinstance(source, File):
        name, source = name or source.name, source.content
    if isinstance(source, Text):
        secret = Secret(source.content.encode(), name, Kind.TEXT, sent=sent)
    elif isinstance(source, bytes):
        secret = Secret(source, name, Kind.FILE, sent=sent)
    elif isinstance(source, str | os.PathLike):
        secret = Secret(_read_file(Path(source)), name or Path(source).name, Kind.FILE, sent=sent)
    else:
        pixels, lost = load(source)
        secret = Secret(None, name, Kind.PICTURE, pixels, pixels, sent, lost)
    if secret.kind is Kind.FILE and is_picture(source):
        try:
            secret = _as_picture(secret, resize)
        except PictureError:
            if _claims_picture(source):
                raise
    if resize is None:
        return secret
    if secret.picture is None:
        raise UsageError("resize is for pictures, and the secret is a file.", "Leave it out.")
    scale = resize / max(secret.picture.shape[:2])
    if scale >= 1:
        return secret
    height, width = (max(1, round(side * scale)) for side in secret.picture.shape[:2])
    scaled = fit(secret.picture, height, width)
    return replace(secret, content=None, name=secret.renamed(".png"), picture=scaled)


def _as_picture(secret: Secret, resize: int | None) -> Secret:
    """The secret with its pixels; as it is where it has several pictures, of which pixels would be the first alone."""
    assert secret.content is not None
    several = count_frames(secret.content, _NAME)
    if several > 1 and resize is None:
        return replace(secret, pictures=several)
    shown = read_shown(secret.content, _NAME, resize)
    pixels, lost, several = shown.picture, lost_with_alpha(shown.hidden), shown.frames
    if several > 1 and resize is None:  # HEIC, which says so once it is decoded
        return replace(secret, pictures=several)
    if several > 1:
        lost = f"Only the first of its {several} pictures is inside: without --resize, the whole file goes."
        secret = replace(secret, content=None, name=secret.renamed(".png"))
    return replace(secret, kind=Kind.PICTURE, picture=pixels, original=pixels, lost=lost)


def is_picture(source: Source) -> bool:
    """Whether a secret is a picture: by the suffix of a path, else by the format of its content."""
    if isinstance(source, File):
        source = source.content
    if isinstance(source, Text):
        return False
    if _claims_picture(source):
        return True
    try:
        picture_size(source)
    except PictureError:
        return False
    return True


def _claims_picture(source: Source) -> bool:
    """Whether it is a picture by its name, or in a format that is named where it cannot be read."""
    if isinstance(source, bytes):
        return picture_suffixes(source) in (PHONE, (".jxl",))
    return isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in (
        *READABLE,
        *PHONE,
        ".jxl",
    )


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe or a device would block, or never end
            reason = f"{path} is not a regular file." if path.exists() else f"There is no file {path}."
            raise PictureError(reason, "Give the name of a file.")
        with path.open("rb") as file:
            return file.read(MAX_CONTENT + 1)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error

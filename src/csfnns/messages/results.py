"""Results of hiding and revealing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from csfnns.errors import PictureError
from csfnns.images.header import PICTURE_SUFFIXES, picture_suffixes
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import is_jpeg
from csfnns.images.metrics import Figures
from csfnns.images.output import JPEG, check_output_name, check_place, encode_picture, write_atomically, write_picture
from csfnns.images.sandbox import count_frames, read_shown
from csfnns.methods.base import Form
from csfnns.payloads.frame import inert_name

if TYPE_CHECKING:
    from csfnns.errors import CsfnnsError
    from csfnns.payloads.frame import File
    from csfnns.payloads.part import Part

KindName = Literal["picture", "file", "text", "part"]


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """What one receiver gets, read back from the stego as it was written."""

    kind: KindName
    form: Form
    width: int | None = None
    """Of a picture, in pixels; None for files and text."""
    height: int | None = None
    figures: Figures | None = None
    """Received picture against the one that was sent; None for what arrives byte for byte."""
    original_psnr: float | None = None
    """PSNR in dB of the received picture, scaled to the size of the original by Lanczos; infinite if identical."""
    file: "File | None" = None
    """What travels byte for byte: `content`, `name` and `kind`."""

    def __repr__(self) -> str:
        if self.width is None:
            return f"Arrival({self.kind}, {len(self.file.content) if self.file else 0} bytes, exact)"
        psnr = "" if self.original_psnr is None else f", {self.original_psnr:.1f} dB"
        return f"Arrival(picture, {self.form}, {self.width}x{self.height}{psnr})"


@dataclass(frozen=True, slots=True, repr=False)
class Hidden:
    """A stego, checked as its receivers will read it."""

    picture: Picture
    """uint8 (H, W, 3)."""
    method: str
    """Name of the method: trellis, direct, grain, jpeg, robust or paper."""
    id: str
    """Name of the message in words, which its receivers see too."""
    stego: Figures
    """Stego against cover; of a JPEG file, against the cover as the same JPEG."""
    receivers: Mapping[str, Arrival]
    """What each receiver gets, by name."""
    survives: Mapping[str, Mapping[str, Figures | None]]
    """What receivers get in each case that the stego was prepared for, such as "jpeg:75/420"; None: byte for byte."""
    data: bytes
    """The file as it was checked."""
    warnings: tuple[str, ...] = ()
    """What of the secrets does not arrive and shows, as sentences: transparency, frames of an animation."""

    @property
    def least_recovered(self) -> float:
        """PSNR in dB of the worst picture in the worst case; infinite where everything arrives byte for byte."""
        cases = [{name: each.figures for name, each in self.receivers.items()}, *self.survives.values()]
        found = [each.psnr for case in cases for each in case.values() if each is not None]
        return min(found, default=float("inf"))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp; a JPEG file also, or only, as .jpg. Raises PictureError."""
        if self.method == "jpeg" and Path(path).suffix.lower() not in JPEG:
            reason = "The message is in the coefficients of a JPEG file: another format would lose it."
            raise PictureError(reason, "Name the file .jpg.")
        path = check_output_name(path, overwrite=overwrite, jpeg=is_jpeg(self.data))
        suffix = path.suffix.lower()
        data = self.data if suffix in JPEG else encode_picture(self.picture, suffix)
        write_atomically(data, path, overwrite=overwrite)

    def __repr__(self) -> str:
        height, width = self.picture.shape[:2]
        about = f"{width}x{height}, {self.stego.psnr:.1f} dB, id={self.id!r}, receivers={dict(self.receivers)!r}"
        return f"Hidden({self.method}, {about})"

    def _repr_png_(self) -> bytes:
        return encode_picture(self.picture, ".png")


@dataclass(frozen=True, slots=True, repr=False)
class Revealed:
    """What a stego holds for one receiver: a picture, a file or text."""

    kind: KindName
    content: bytes | None
    """Bytes exactly as sent; None for a picture that came through a decoder."""
    pixels: Picture | None
    """uint8 (H, W, 3) of a picture that came through a decoder, at the size in which it was sent; else None."""
    name: str | None
    """File name that the sender gave, made safe to join to a folder."""
    id: str
    """Name of the message in words, which its sender sees too."""
    receiver: str
    """Name of the receiver."""
    author: str | None
    """"sender" or the receiver who answered; None in a conversation, where either end may have written."""
    sent: datetime | None
    """Time of sending in UTC, as the sender states it."""
    expected_psnr: float | None = None
    """PSNR in dB of the picture that the sender measured or, with a network, the decoder estimates; else None."""
    unchanged: bool = True
    """False if the stego was changed on its way, and this is what is left of the picture."""
    denoised: bool = False
    """Whether noise was removed from the decoder's output."""

    @property
    def picture(self) -> Picture:
        """The picture, uint8 (H, W, 3). Raises PictureError for a file that is not one."""
        if self.pixels is not None:
            return self.pixels
        assert self.content is not None
        return read_shown(self.content, "The picture").picture

    @property
    def text(self) -> str:
        """Text that was sent as such, or the file in UTF-8. Raises PictureError for a picture from a decoder."""
        if self.content is None:
            raise PictureError("The secret is a picture, not text.", "Use .picture.")
        return self.content.decode("utf-8", "replace")

    @property
    def file_name(self) -> str:
        """Name of the file in a folder: the one that was sent, or one made from the message's id.

        A name that a system runs when it is opened ends in .bin.
        """
        formats = picture_suffixes(self.content) if self.content is not None else (".png",)
        suffix = formats[0] if formats else ".txt" if self.kind == "text" else ".bin"
        return own_name(self.name or f"message-{self.id}{suffix}", formats, suffix)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write to a file, or into a folder as `file_name`; return the path. Raises PictureError.

        The sender's name replaces nothing: `overwrite` is for a path that names the file. A picture is converted if the
        path ends in .png, .webp or .jpg (of quality 95) and that is not its format.
        Everything else is written byte for byte, and never under the suffix of a picture's format that is not its own.
        """
        path = Path(path)
        if path.is_dir():
            path, overwrite = path / self.file_name, False
            if os.path.lexists(path):
                raise PictureError(f"{path} already exists.", "Name another file or folder: -o FILE.")
        check_place(path, overwrite=overwrite)
        suffix = path.suffix.lower()
        if self.is_converted(path):
            data = encode_picture(self.picture, suffix)
        elif self.content is None:
            data = encode_picture(self.picture, check_output_name(path, overwrite=overwrite).suffix.lower())
        else:
            formats = picture_suffixes(self.content)
            if not is_own_suffix(path, formats):
                what = f"a {formats[0]} picture" if formats else "no picture"
                hint = f"Name the file {formats[0] if formats else Path(self.file_name).suffix}."
                raise PictureError(f"What was sent is {what}, and cannot be saved as {suffix}.", hint)
            data = self.content
        write_atomically(data, path, overwrite=overwrite, from_elsewhere=data is self.content)
        return path

    def is_converted(self, path: str | os.PathLike[str]) -> bool:
        """Whether `save` writes a picture in another format than it was sent in, or with a loss."""
        suffix = Path(path).suffix.lower()
        if self.content is None:
            return suffix in JPEG
        formats = picture_suffixes(self.content)
        convertible = suffix in (".png", ".webp", *JPEG) and suffix not in formats
        return (
            convertible and bool(formats) and (self.kind == "picture" or count_frames(self.content, "The picture") == 1)
        )

    def __repr__(self) -> str:
        if self.pixels is not None:
            what = f"{self.pixels.shape[1]}x{self.pixels.shape[0]}"
        else:
            what = f"{len(self.content or b'')} bytes"
        return f"Revealed({self.kind}, {what}, id={self.id!r}, receiver={self.receiver!r})"

    def _repr_png_(self) -> bytes | None:
        return encode_picture(self.picture, ".png") if self.kind == "picture" else None


@dataclass(frozen=True, slots=True)
class LongHidden:
    """A file in several pictures."""

    pictures: tuple[Path, ...]
    """Files that were written, the spare ones last."""
    spare: int
    """Pictures that may be missing, whichever they are."""
    length: int
    """Of the file in bytes."""
    method: str
    """Name of the method."""
    least_psnr: float
    """PSNR in dB of the stego that differs most from its cover."""


@dataclass(frozen=True, slots=True)
class RevealedPart:
    """What a stego holds that is one of several with a file."""

    part: "Part"
    name: str | None
    """File name that the sender gave, made safe to join to a folder."""
    id: str
    """Name of the message in words."""
    receiver: str
    author: str | None
    sent: datetime | None

    @property
    def title(self) -> str:
        """Such as "part 3 of 12 of big.zip"."""
        return f"part {self.part.number + 1} of {self.part.of.parts} of {self.name or 'a file'}"


@dataclass(frozen=True, slots=True)
class LongRevealed:
    """A file from several pictures, whole or not at all."""

    path: Path | None
    """File that was written; None where it could not be."""
    error: "CsfnnsError | None"
    """Why not: too many parts are missing, or the file cannot be written."""
    name: str | None
    """File name that the sender gave, made safe to join to a folder."""
    length: int
    """Of the file in bytes."""
    parts: int
    """Pictures that the sender made."""
    needed: int
    """Pictures that restore the file, whichever they are."""
    missing: tuple[int, ...]
    """Numbers of the pictures that were not there or held nothing any more, from 1."""
    receiver: str
    """Name of the receiver."""
    author: str | None
    """"sender" or the receiver who answered; None in a conversation, where either end may have written."""
    sent: datetime | None
    """Time of sending in UTC, as the sender states it."""


@dataclass(frozen=True, slots=True, repr=False)
class Decoy:
    """A cover with grain that holds nothing."""

    picture: Picture
    """uint8 (H, W, 3)."""
    id: str
    """Name in words: whoever has the key sees it."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp. Raises PictureError."""
        write_picture(self.picture, path, overwrite=overwrite)

    def __repr__(self) -> str:
        return f"Decoy({self.picture.shape[1]}x{self.picture.shape[0]}, id={self.id!r})"

    def _repr_png_(self) -> bytes:
        return encode_picture(self.picture, ".png")


@dataclass(frozen=True, slots=True, repr=False)
class Cover:
    """The check cover of a key and its fingerprint, which both ends compare."""

    picture: Picture
    """uint8 (H, W, 3)."""
    fingerprint: str
    """64 bits of SHA-256 of the pixels, as words to read aloud."""

    def __repr__(self) -> str:
        return f"Cover({self.picture.shape[1]}x{self.picture.shape[0]}, {self.fingerprint!r})"

    def _repr_png_(self) -> bytes:
        return encode_picture(self.picture, ".png")


def own_name(name: str, formats: tuple[str, ...], suffix: str) -> str:
    """A name that does not run, with this suffix where its own would say that it is a picture in another format."""
    path = Path(name)
    return inert_name(str(path if is_own_suffix(path, formats) else path.with_suffix(suffix)))


def is_own_suffix(path: Path, formats: tuple[str, ...]) -> bool:
    """Whether a name does not say that a file in one of these formats is a picture in another."""
    suffix = path.suffix.lower()
    return suffix not in PICTURE_SUFFIXES or suffix in formats


def time_of(sent: int) -> datetime | None:
    """Stated time of sending, of seconds since 1970; None where it was left out."""
    return datetime.fromtimestamp(sent, UTC) if sent else None

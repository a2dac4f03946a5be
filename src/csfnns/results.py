"""What hiding and revealing give: pictures and files, with what is known of them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from csfnns.errors import PictureError
from csfnns.jpeg_file import is_jpeg
from csfnns.measure import Figures
from csfnns.output import JPEG, check_output_name, encode_picture, write_atomically, write_picture
from csfnns.picture import Picture, read_picture

if TYPE_CHECKING:
    from csfnns.payloads.file import File, Kind

MethodName = Literal["exact", "trellis", "avif", "network"]
"""How one receiver's secret was prepared: byte for byte, by the trellis decoder, as a smaller AVIF, or by a network."""

Carrier = Literal["pixels", "grain", "jpeg", "bits", "network"]
"""What of the stego carries it (ways.py)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one receiver gets."""

    method: MethodName
    width: int | None
    """Of a picture, in pixels; None for other files."""
    height: int | None
    figures: Figures | None
    """A picture as it arrives, against the original at that size; None for what arrives byte for byte."""
    original_psnr: float | None
    """PSNR in dB of a picture scaled to the original's size by Lanczos, against the original; infinite for the same."""
    file: "File | None" = None
    """What is sent byte for byte: `content`, `name` and `kind`."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A stego picture, checked as its receivers will see it."""

    picture: Picture
    """uint8 (H, W, 3)."""
    message: int
    """Number of the message: says which cover was used."""
    stego: Figures
    """Stego against cover; of a JPEG file, against the cover in the same JPEG."""
    receivers: dict[str, Arrival]
    """What each receiver gets."""
    carrier: Carrier
    """What of the stego carries it."""
    survives: dict[str, dict[str, Figures | None]]
    """What receivers get behind each case that the stego was prepared for, such as "jpeg:75/420"; None: byte for byte."""
    data: bytes = field(repr=False)
    """The file as it was checked."""

    @property
    def least_recovered(self) -> float:
        """PSNR in dB of the worst picture in the worst case; infinite where everything arrives byte for byte."""
        cases = [{name: each.figures for name, each in self.receivers.items()}, *self.survives.values()]
        found = [each.psnr for case in cases for each in case.values() if each is not None]
        return min(found, default=float("inf"))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp; a JPEG file also, or only, as the .jpg that it is. Raises PictureError."""
        if self.carrier == "jpeg" and Path(path).suffix.lower() not in JPEG:
            reason = "What is hidden is in the coefficients of a JPEG file: another format would lose it."
            raise PictureError(reason, "Name the file .jpg.")
        path = check_output_name(path, overwrite=overwrite, jpeg=is_jpeg(self.data))
        suffix = path.suffix.lower()
        data = self.data if suffix in JPEG else encode_picture(self.picture, suffix)
        write_atomically(data, path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A picture that was found."""

    picture: Picture
    """uint8 (H, W, 3), at the size in which it was sent."""
    message: int
    receiver: str
    expected_psnr: float | None
    """Quality in dB that the sender measured, or with a network estimated from its output, before any denoising; None where
    it is unknown: with the profile `paper`, and for a stego that was changed on its way."""
    unchanged: bool
    """Whether the stego is what was sent, to the last bit; with networks, which cannot tell, True."""
    denoised: bool
    """Whether noise was taken out of the decoder's output."""

    @property
    def file_name(self) -> str:
        """What it is called in a folder."""
        return f"message-{self.message}.png"

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write to .png or lossless .webp, or into a folder; returns where it is. Raises PictureError."""
        path = _in_folder(path, self.file_name)
        write_picture(self.picture, path, overwrite=overwrite)
        return path


@dataclass(frozen=True, slots=True)
class RevealedFile:
    """A file that was found: byte for byte what was sent."""

    content: bytes
    name: str | None
    """As the sender gave it, made safe to join to a folder; None where none was sent."""
    kind: "Kind"
    """Whether the sender meant it as a file or as a picture."""
    message: int
    receiver: str

    @property
    def picture(self) -> Picture:
        """The content as a picture, uint8 (H, W, 3). Raises PictureError for what is none."""
        return read_picture(self.content)

    @property
    def file_name(self) -> str:
        """What it is called in a folder: its own name if it has one."""
        return self.name or f"message-{self.message}.bin"

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write to a file, or into a folder under its own name; returns where it is. Raises PictureError.

        What was sent as a picture becomes a .png or .webp if that is the name and it is in another format; everything
        else, whatever the name, is written byte for byte.
        """
        path = _in_folder(path, self.file_name)
        converted = self.is_converted(path)
        data = encode_picture(self.picture, path.suffix.lower()) if converted else self.content
        write_atomically(data, path, overwrite=overwrite)
        return path

    def is_converted(self, path: str | os.PathLike[str]) -> bool:
        """Whether `save` writes the picture in another format than it was sent in."""
        from csfnns.payloads.file import Kind

        start = {".png": b"\x89PNG", ".webp": b"RIFF"}.get(Path(path).suffix.lower(), b"")
        return self.kind is Kind.PICTURE and not self.content.startswith(start)


@dataclass(frozen=True, slots=True)
class Decoy:
    """A cover with grain that holds nothing."""

    picture: Picture
    """uint8 (H, W, 3)."""
    message: int
    """Number that it used up."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp. Raises PictureError."""
        write_picture(self.picture, path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Cover:
    """The cover of one message and its fingerprint, which both ends compare."""

    picture: Picture
    fingerprint: str
    """64 bits of SHA-256 of the pixels, as words to read out."""


def _in_folder(path: str | os.PathLike[str], name: str) -> Path:
    """The path, or this name in it if it is a folder."""
    return Path(path) / name if os.path.isdir(path) else Path(path)

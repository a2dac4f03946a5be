"""Direct coding of bytes into a JPEG file: δ is added to the quantised coefficients of the cover.

    cover → coefficients (in integers) ┬→ costs → distributions ─┐
                                       └───────── + δ ←── arithmetic decoder ← sealed bytes

The file is an ordinary one, and exact as long as nobody encodes its picture again. Receivers compress the cover with
the tables of the file, so that sender and receivers need not agree on a quality.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import ClassVar, get_args

import numpy as np
import numpy.typing as npt

from csfnns.coding.jpeg import Coefficients, Encoded, Subsampling, compress, standard_tables
from csfnns.coding.uerd import changed, flatten, jpeg_model, jpeg_partitions
from csfnns.errors import DamagedError, NoMessageError, UsageError
from csfnns.images.io import Picture, check_picture
from csfnns.methods._direct import (
    TYPICAL,
    Capacity,
    measure_capacity,
    partitions_suffice,
    read_delta,
    reserve_coefficients,
    sender_seed,
    share_of,
    write_delta,
)
from csfnns.methods.base import Carrier, Envelope, ReceiverSeeds
from csfnns.search import Progress

F64 = npt.NDArray[np.float64]

AVIF_STEGO = 40.0
"""PSNR in dB of a stego that carries an AVIF, against the same file without a message."""

# What a unit of Y, Cb and Cr adds to the squares of R, G and B, on the average of the three.
_GAINS = (1.0, (0.344136**2 + 1.772**2) / 3, (1.402**2 + 0.714136**2) / 3)
_ALIKE = 4.0  # most grey levels between the blocks of a cover and of the same cover encoded again


@dataclass(frozen=True)
class Jpeg:
    """Bytes for up to eight receivers in a JPEG file, exact or an error. The settings are the sender's."""

    quality: int = 90
    """1…100, as libjpeg counts."""
    subsampling: Subsampling = "420"

    name: ClassVar[str] = "jpeg"
    carrier: ClassVar[Carrier] = "coefficients"

    def __post_init__(self) -> None:
        standard_tables(self.quality)
        if self.subsampling not in get_args(Subsampling):
            choices = ", ".join(get_args(Subsampling))
            raise UsageError(f"subsampling must be one of {choices}, got {self.subsampling!r}.")

    def embed(
        self,
        cover: Picture,
        payloads: Mapping[ReceiverSeeds, bytes],
        *,
        envelope: Envelope | None = None,
        progress: Progress | None = None,
    ) -> Coefficients:
        """Stego file of a cover, uint8 (H, W, 3), with bytes for each receiver.

        Two messages must share neither seeds nor a cover. Raises CapacityError for what does not fit, and UsageError.
        """
        own = self._encode(cover)
        model = jpeg_model(own)
        reserved = reserve_coefficients(envelope, own.file, sender_seed(payloads))
        partition = jpeg_partitions(cover, model.classes.size)
        return changed(own.file, write_delta(model, partition, payloads, reserved=reserved))

    def plain(self, cover: Picture) -> Coefficients:
        """The cover as a JPEG file without a message. Raises UsageError."""
        return self._encode(cover).file

    def extract(
        self, stego: Coefficients, cover: Picture, seeds: ReceiverSeeds, *, envelope: Envelope | None = None
    ) -> bytes:
        """Bytes for one receiver, whatever the file's tables and subsampling.

        Raises NoMessageError where there are none or the picture was encoded again, DamagedError where they were
        changed.
        """
        check_picture(cover)
        if stego.shape != cover.shape[:2]:
            raise _no_message()
        own = compress(cover, stego.tables, stego.subsampling)
        delta = flatten(stego.planes).astype(np.int32) - flatten(own.file.planes)
        if not delta.any():
            raise _no_message()
        model = jpeg_model(own)
        reserved = reserve_coefficients(envelope, own.file, seeds.header)
        try:
            return read_delta(model, jpeg_partitions(cover, delta.size), delta, seeds, reserved)
        except DamagedError:
            raise
        except NoMessageError:
            if _is_encoded_again(stego, own.file):
                raise NoMessageError(
                    "Nothing is left in this JPEG picture: it was encoded again on its way.",
                    "Ask for the file as it was written.",
                ) from None
            raise

    def fits(self, sizes: Sequence[int], pixels: int) -> bool:
        """Whether payloads of these sizes in bytes may fit into a cover of so many pixels, at a glance."""
        return partitions_suffice(sizes, 1.5 * pixels * log2(3))  # chrominance has a quarter of the pixels, twice

    def room(self, cover: Picture, receivers: int) -> int:
        """Bytes for each of several receivers that leave the stego at 40 dB against the same file without a message."""
        return share_of(self.capacity(cover, [AVIF_STEGO]).at[AVIF_STEGO], receivers)

    def capacity(self, cover: Picture, psnr: Sequence[float] = (40, 45, 50)) -> Capacity:
        """Bytes for one receiver: the most, and those that leave about each PSNR in dB.

        That is of the pixels of the file against those of the same file without a message.
        """
        own = self._encode(cover)
        model = jpeg_model(own)
        partition = jpeg_partitions(cover, model.classes.size)
        reserved = reserve_coefficients(TYPICAL, own.file, TYPICAL.key)
        assert reserved is not None
        return measure_capacity(model, partition, reserved, _noise(own.file), psnr)

    def _encode(self, cover: Picture) -> Encoded:
        return compress(cover, standard_tables(self.quality), self.subsampling)


def _noise(cover: Coefficients) -> F64:
    """What a change of ±1 of each coefficient adds to the mean squared error, (n,)."""
    height, width = cover.shape
    spread = 4 if cover.subsampling == "420" else 1  # pixels for a sample of chrominance
    weights = (1.0, spread * _GAINS[1], spread * _GAINS[2])
    squares = cover.tables[[0, 1, 1]].astype(np.float64) ** 2
    shares = [
        np.broadcast_to(weight * square / (height * width), plane.shape)
        for weight, square, plane in zip(weights, squares, cover.planes, strict=True)
    ]
    return flatten(shares)


def _is_encoded_again(stego: Coefficients, own: Coefficients) -> bool:
    """Whether the blocks' mean levels are nearly those of the cover, but not the same, as no message makes them."""
    difference = np.abs(stego.planes[0][:, :, 0, 0].astype(np.int32) - own.planes[0][:, :, 0, 0])
    return 0 < difference.mean() * own.tables[0, 0, 0] / 8 < _ALIKE


def _no_message() -> NoMessageError:
    return NoMessageError("Nothing is hidden in this JPEG picture.", "Use the picture as it was sent.")

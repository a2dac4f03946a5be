"""Direct coding into JPEG files: δ is added to the quantised coefficients of the cover, as a JPEG encoder makes them.

    cover → coefficients (in integers) ┬→ costs → laws ─┐
                                       └───── + δ ←── arithmetic decoder ← sealed bytes

The file that comes of it is an ordinary one, and exact as long as nobody encodes its picture again. Receivers compress
the cover with the file's own tables, so that sender and receivers need not agree on a quality.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from csfnns.coding import RATES, energies
from csfnns.coding.jpeg import Coefficients, Encoded, Subsampling, compress, standard_tables
from csfnns.coding.jpeg_costs import changed, flatten, jpeg_model, jpeg_slots
from csfnns.errors import DamagedError, NoMessageError, UsageError
from csfnns.picture import Picture, check_picture
from csfnns.schemes._direct import (
    Capacity,
    check_receivers,
    class_counts,
    most_bytes,
    read_delta,
    write_delta,
)
from csfnns.schemes.base import ReceiverSeeds

F64 = npt.NDArray[np.float64]

_PEAK = 255.0
# What a unit of Y, Cb and Cr adds to the squares of R, G and B, on the average of the three.
_GAINS = (1.0, (0.344136**2 + 1.772**2) / 3, (1.402**2 + 0.714136**2) / 3)
_ALIKE = 4.0  # grey levels between the blocks of a cover and of the same cover encoded again, at most


@dataclass(frozen=True)
class DirectJpeg:
    """Bytes for up to eight receivers in a JPEG file, exact or an error. The settings are the sender's."""

    quality: int = 90
    """1…100, as libjpeg counts."""
    subsampling: Subsampling = "420"

    def __post_init__(self) -> None:
        standard_tables(self.quality)
        if self.subsampling not in get_args(Subsampling):
            hint = f"Choose one of: {', '.join(get_args(Subsampling))}."
            raise UsageError(f"There is no subsampling {self.subsampling!r} here.", hint)

    def embed(self, cover: Picture, payloads: Mapping[ReceiverSeeds, bytes]) -> Coefficients:
        """Stego file of a cover, uint8 (H, W, 3), with bytes of any kind and number for each receiver.

        Two messages must share neither seeds nor a cover. Raises CapacityError for what does not fit, and UsageError.
        """
        check_receivers(payloads)
        own = self._encode(cover)
        model = jpeg_model(own)
        return changed(own.file, write_delta(model, jpeg_slots(cover, model.classes.size), payloads))

    def plain(self, cover: Picture) -> Coefficients:
        """The cover as a JPEG file without a message. Raises UsageError."""
        return self._encode(cover).file

    def extract(self, stego: Coefficients, cover: Picture, seeds: ReceiverSeeds) -> bytes:
        """Bytes for one receiver, whatever the file's tables and subsampling.

        Raises NoMessageError when there are none, or the picture was encoded again; DamagedError when they were changed.
        """
        check_picture(cover)
        if stego.shape != cover.shape[:2]:
            raise _no_message()
        own = compress(cover, stego.tables, stego.subsampling)
        delta = flatten(stego.planes).astype(np.int32) - flatten(own.file.planes)
        if not delta.any():
            raise _no_message()
        model = jpeg_model(own)
        try:
            return read_delta(model, jpeg_slots(cover, delta.size), delta, seeds)
        except DamagedError:
            raise
        except NoMessageError:
            if _is_encoded_again(stego, own.file):
                raise NoMessageError(
                    "Nothing is left in this JPEG picture: it was encoded again on its way.",
                    "Ask for the file as it was written.",
                ) from None
            raise

    def capacity(self, cover: Picture, psnr: Sequence[float] = (40, 45, 50)) -> Capacity:
        """Bytes for one receiver: the most, and those that leave about each PSNR in dB.

        That is of the pixels of the file against those of the same file without a message.
        """
        own = self._encode(cover)
        model = jpeg_model(own)
        counts = class_counts(model, jpeg_slots(cover, model.classes.size))
        noise = np.bincount(model.classes, _noise(own.file), minlength=len(model.laws(0)))

        def mse(rate: int) -> float:
            return float(noise @ energies(model.laws(rate)))

        at = {}
        for each in psnr:
            rate = bisect_right(range(RATES), _PEAK**2 * 10 ** (-each / 10), key=mse) - 1
            at[each] = most_bytes(model, counts, rate) if rate >= 0 else 0
        return Capacity(most_bytes(model, counts), at)

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

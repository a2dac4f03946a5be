"""A picture of any size as coefficients of 16x16 blocks, and the model that the receiver needs to rebuild it.

    picture → minus its mean, opponent colours → orthonormal DCT of each block → coefficients
    model: classes of blocks by energy, and how far σ² is above D for each class, colour and band of frequencies

Receivers compute in integers, so that a picture has the same pixels on every machine. Blocks that extend beyond the picture
are filled with its mirror image.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from csfnns.coding.adaptive import Decoder, Encoder
from csfnns.decoders.trellis import FRACTION, OCTAVE, water_level
from csfnns.errors import DamagedError, NoMessageError
from csfnns.images.header import MAX_PIXELS
from csfnns.images.io import Picture
from csfnns.payloads.transform import BANDS, OPPONENT, bands_of_frequencies, dct_matrix

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

VERSION = 1
BLOCK = 16
CLASSES = 8
"""Most classes of blocks."""
MOST_BLOCKS = 1024
"""Most squares in a class map; in large pictures a square has several blocks."""
HIGHEST = 63
"""Largest height: σ² = D 2^(height / 2)."""
MOST_WATER = 20 * OCTAVE
"""Largest step of D."""

_CLASS_DB = 3.0
_BITS = 14  # fractional bits of the matrices
_AT_ONCE = 1024  # blocks
_GUARD = 8  # fractional bits of levels and coefficients


@dataclass(frozen=True)
class PictureModel:
    """Everything but the coefficients."""

    height: int
    width: int
    mean: tuple[int, ...]
    """Mean level of each colour; a single one for a grey picture."""
    water: int
    """Step of D."""
    group: int
    """Side in blocks of the squares that share a class."""
    classes: U8
    """Class of each square of blocks, (M, N)."""
    table: U8
    """Height of each class, colour and band, (classes, colours, BANDS); 0 where σ² is no larger than D."""

    def to_bytes(self) -> bytes:
        """Serialise the model, to a few hundred bytes at any size of the picture."""
        fixed = bytes([VERSION, len(self.mean), len(self.table), *self.mean])
        sides = b"".join(x.to_bytes(2, "big") for x in (self.height, self.width, self.water, self.group))
        coder = Encoder()
        for cls, context in zip(self.classes.flat, _contexts(self.classes), strict=True):
            coder.put(int(cls), len(self.table), context)
        for height, guess in zip(self.table.flat, _predictions(self.table), strict=True):
            coder.put(int(height) - guess + HIGHEST, 2 * HIGHEST + 1, min(guess, 1))
        return fixed + sides + coder.finish()

    @classmethod
    def from_bytes(cls, data: bytes) -> "PictureModel":
        """Undo `to_bytes`. Raises NoMessageError for another version, DamagedError for invalid bytes."""
        if not data or data[0] != VERSION:
            raise NoMessageError(
                f"The message is a picture of version {data[:1].hex()}, unknown here.", "Update csfnns."
            )
        colours, number = (data[1], data[2]) if len(data) > 2 else (0, 0)
        rest = data[3 + colours :]
        if colours not in (1, 3) or not 1 <= number <= CLASSES or len(rest) < 8:
            raise _damaged()
        height, width, water, group = (int.from_bytes(rest[i : i + 2], "big") for i in (0, 2, 4, 6))
        if not (height > 0 and width > 0 and height * width <= MAX_PIXELS and water <= MOST_WATER):
            raise _damaged()
        m, n = blocks_of(height, width)
        if not group or -(-m // group) * -(-n // group) > MOST_BLOCKS:
            raise _damaged()
        coder = Decoder(rest[8:])
        classes = np.zeros((-(-m // group), -(-n // group)), np.uint8)
        for (i, j), context in zip(np.ndindex(classes.shape), _contexts(classes), strict=True):
            classes[i, j] = coder.get(number, context)
        table = np.zeros((number, colours, BANDS), np.uint8)
        for place, guess in zip(np.ndindex(table.shape), _predictions(table), strict=True):
            height_of = coder.get(2 * HIGHEST + 1, min(guess, 1)) + guess - HIGHEST
            if not 0 <= height_of <= HIGHEST:
                raise _damaged()
            table[place] = height_of
        return cls(height, width, tuple(data[3 : 3 + colours]), water, group, classes, table)

    def heights(self) -> tuple[I64, U8]:
        """Flat indices of the coefficients that are sent, in (colours, m, n, 16, 16), and their heights; (n,) each."""
        m, n = blocks_of(self.height, self.width)
        bands = bands_of_frequencies(BLOCK)
        active = self.table[:, :, bands] > 0  # (classes, colours, 16, 16)
        cls = _of_blocks(self.classes, self.group, m, n)
        found, values = [], []
        for colour in range(len(self.mean)):
            for number in range(len(self.table)):
                frequencies = np.flatnonzero(active[number, colour])
                if len(frequencies):
                    there = (colour * m * n + np.flatnonzero(cls == number)) * BLOCK * BLOCK
                    found.append((there[:, None] + frequencies).reshape(-1))
                    heights = self.table[number, colour][bands.reshape(-1)[frequencies]]
                    values.append(np.tile(heights, len(there)))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.uint8)
        return np.concatenate(found), np.concatenate(values)

    def picture(self, where: I64, values: I64) -> Picture:
        """Rebuild the picture, uint8 (height, width, 3), from coefficients (n,) in units of 2^-FRACTION levels."""
        m, n = blocks_of(self.height, self.width)
        colours = len(self.mean)
        number, frequency = np.divmod(where, BLOCK * BLOCK)
        row_of = (number % (m * n) // n).astype(np.uint16)
        order = np.argsort(row_of, kind="stable")
        rows, starts = np.unique(row_of[order], return_index=True)
        picture = np.empty((m * BLOCK, n * BLOCK, 3), np.uint8)
        picture[:] = np.broadcast_to(
            np.array(self.mean, np.uint8), picture.shape[1:]
        ).copy()  # all that empty rows cost
        for row, there in zip(rows.tolist(), np.split(order, starts[1:]), strict=False):
            place = number[there] // (m * n) * n + number[there] % n
            blocks = np.zeros((colours * n, BLOCK * BLOCK))  # whole numbers of 2^-_GUARD levels
            blocks[place, frequency[there]] = _shifted(values[there], FRACTION - _GUARD)
            filled = np.flatnonzero(np.bincount(place))
            levels = np.zeros((colours * n, BLOCK, BLOCK))
            levels[filled] = _inverse_dct(blocks[filled].reshape(-1, BLOCK, BLOCK))
            band = levels.reshape(colours, n, BLOCK, BLOCK).transpose(2, 1, 3, 0).reshape(-1, colours)
            if colours == 3:
                band = _rounded(band @ np.rint(OPPONENT * 2**_BITS))
            band += np.array(self.mean) * 2.0**_GUARD
            band = np.floor(band / 2**_GUARD + 0.5).clip(0, 255)
            picture[row * BLOCK : (row + 1) * BLOCK] = band.reshape(BLOCK, n * BLOCK, colours)
        return np.ascontiguousarray(picture[: self.height, : self.width])


@dataclass(frozen=True)
class Analysis:
    """A picture's coefficients and their variances, for any D."""

    height: int
    width: int
    mean: tuple[int, ...]
    coefficients: npt.NDArray[np.float32]
    """(colours, m, n, 16, 16), in levels."""
    group: int
    classes: U8
    variance: F64
    """Mean square of each class, colour and band, (classes, colours, BANDS), in levels²."""
    counts: I64
    """Number of coefficients of each, the same shape."""

    def model(self, water: int) -> PictureModel:
        """Return the model at a step of D."""
        table = _heights(self.variance, water_level(water))
        return PictureModel(self.height, self.width, self.mean, water, self.group, self.classes, table)

    @cached_property
    def table_size(self) -> int:
        """Bytes of the model in the middle of the steps of D; at others it has about as many."""
        return len(self.model(MOST_WATER // 2).to_bytes())

    @cached_property
    def bits(self) -> F64:
        """Bits at each step of D, (MOST_WATER + 1,): the Gaussian rate-distortion function of coefficients above D."""
        ratio = np.log2(np.maximum(self.variance[..., None] / _waters(), 1e-30))
        return np.asarray((self.counts[..., None] * 0.5 * np.maximum(ratio, 0)).sum((0, 1, 2)))

    @cached_property
    def left(self) -> F64:
        """Mean square in levels² of the coefficients that are not sent at each step of D, (MOST_WATER + 1,)."""
        kept = _heights(self.variance[..., None], _waters()) > 0
        errors = np.where(kept, 0, self.variance[..., None] * self.counts[..., None])
        return np.asarray(errors.sum((0, 1, 2)) / self.counts.sum())

    @cached_property
    def sent(self) -> F64:
        """Share of the coefficients that are sent at each step of D, (MOST_WATER + 1,)."""
        kept = _heights(self.variance[..., None], _waters()) > 0
        return np.asarray((kept * self.counts[..., None]).sum((0, 1, 2)) / self.counts.sum())

    def psnr_of(self, water: int, error: float) -> float:
        """PSNR in dB where coefficients sent at a step of D have this mean squared error, in levels²."""
        whole = _rounded_error(np.array([self.left[water] + self.sent[water] * error]))
        return float(10 * np.log10(255**2 / max(float(whole[0]), 1e-6)))

    def psnr(self, share: float) -> F64:
        """PSNR in dB at each step of D, (MOST_WATER + 1,), where coefficients sent have an error of `share` D."""
        errors = _rounded_error(self.left + share * self.sent * _waters())
        return np.asarray(10 * np.log10(255**2 / np.maximum(errors, 1e-6)))


def analyse(picture: Picture, most_blocks: int = MOST_BLOCKS, classes: int = CLASSES) -> Analysis:
    """Analyse a picture, uint8 (H, W, 3), with at most `classes` classes and `most_blocks` squares.

    A picture with three equal colours is grey: it needs a third of the header's tables and no colour.
    """
    height, width = picture.shape[:2]
    grey = bool((picture[..., :1] == picture).all())
    pixels = picture[..., :1] if grey else picture
    mean = tuple(round(float(x)) for x in pixels.mean((0, 1), dtype=np.float64))
    m, n = blocks_of(height, width)
    pixels = np.pad(pixels, ((0, m * BLOCK - height), (0, n * BLOCK - width), (0, 0)), mode="symmetric")
    coefficients = np.empty((len(mean), m, n, BLOCK, BLOCK), np.float32)
    dct = dct_matrix(BLOCK).astype(np.float32)
    for row in range(0, m, 16):  # in parts, for the memory of large pictures
        part = pixels[row * BLOCK : (row + 16) * BLOCK].astype(np.float32) - np.array(mean, np.float32)
        if not grey:
            part = part @ OPPONENT.T.astype(np.float32)
        blocks = part.reshape(-1, BLOCK, n, BLOCK, len(mean)).transpose(4, 0, 2, 1, 3)  # (c, m, n, y, x)
        coefficients[:, row : row + 16] = dct @ (blocks @ dct.T)
    group = group_of(m, n, most_blocks)
    found = _classes(coefficients, group, classes)
    return Analysis(height, width, mean, coefficients, group, found, *_variances(coefficients, found, group))


def blocks_of(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of blocks that hold a picture."""
    return -(-height // BLOCK), -(-width // BLOCK)


def group_of(m: int, n: int, most: int) -> int:
    """Least side in blocks of squares that share a class, of which there may be at most `most`."""
    group = max(1, math.isqrt(m * n // most))
    while -(-m // group) * -(-n // group) > most:
        group += 1
    return group


def _of_blocks(classes: U8, group: int, m: int, n: int) -> U8:
    """Classes of squares as classes of blocks, (m, n)."""
    return np.repeat(np.repeat(classes, group, 0), group, 1)[:m, :n]


@cache
def _waters() -> F64:
    """D of each step, in levels², (MOST_WATER + 1,)."""
    return np.array([water_level(step) for step in range(MOST_WATER + 1)])


def _heights(variance: F64, level: "F64 | float") -> U8:
    """Variances over D, in half octaves."""
    return np.clip(np.rint(2 * np.log2(np.maximum(variance, 1e-12) / level)), 0, HIGHEST).astype(np.uint8)


def _rounded_error(variance: F64) -> F64:
    """Mean square of a normal error after rounding to whole levels, which removes small errors."""
    deviation = np.sqrt(variance) * math.sqrt(2)
    error = np.zeros_like(variance)
    erfc = np.frompyfunc(math.erfc, 1, 1)
    for k in range(1, 9):
        tail = np.asarray(erfc((k - 0.5) / np.maximum(deviation, 1e-9)), np.float64)
        error += (2 * k - 1) * tail
    return np.where(deviation < 2, error, variance + 1 / 12)


def _classes(coefficients: npt.NDArray[np.float32], group: int, most: int) -> U8:
    """Class of each square of blocks, (M, N), by its energy without the blocks' means: 3 dB a class, 0 the strongest."""
    _, m, n = coefficients.shape[:3]
    energy = np.einsum("cmnuv,cmnuv->cmn", coefficients, coefficients, dtype=np.float64)
    energy -= coefficients[..., 0, 0].astype(np.float64) ** 2
    energy[1:] /= 2
    edges = np.arange(0, m, group), np.arange(0, n, group)
    sums = np.add.reduceat(np.add.reduceat(energy.sum(0), edges[0], 0), edges[1], 1)
    sizes = np.minimum(group, m - edges[0])[:, None] * np.minimum(group, n - edges[1])
    decibels = 10 * np.log10(np.maximum(sums / sizes / BLOCK**2, 0) + 0.01)
    steps = np.rint((decibels.max() - decibels) / _CLASS_DB)
    _, classes = np.unique(np.minimum(steps, most - 1), return_inverse=True)
    return classes.reshape(decibels.shape).astype(np.uint8)


def _variances(coefficients: npt.NDArray[np.float32], classes: U8, group: int) -> tuple[F64, I64]:
    """Mean square and number of the coefficients of each class, colour and band, (classes, colours, BANDS)."""
    colours, m, n = coefficients.shape[:3]
    cls = _of_blocks(classes, group, m, n).reshape(-1)
    bands = bands_of_frequencies(BLOCK).reshape(-1)
    one_hot = (bands[:, None] == np.arange(BANDS)).astype(np.float32)  # (256, BANDS)
    number = int(classes.max()) + 1
    sums, counts = np.zeros((number, colours, BANDS)), np.zeros((number, colours, BANDS), np.int64)
    flat = coefficients.reshape(colours, m * n, BLOCK * BLOCK)
    squares = np.stack([np.square(each) @ one_hot for each in flat])  # (colours, m n, BANDS)
    for c in range(number):
        there = cls == c
        sums[c] = squares[:, there].sum(1, dtype=np.float64)
        counts[c] = there.sum() * np.bincount(bands, minlength=BANDS)
    return sums / counts, counts


def _contexts(classes: U8) -> Iterator[int]:
    """Context of each class: the sum of the classes above and to the left, which the receiver already has."""
    for i, j in np.ndindex(classes.shape):
        above = int(classes[i - 1, j]) if i else None
        left = int(classes[i, j - 1]) if j else above
        yield 0 if left is None else left + (left if above is None else above)


def _predictions(table: U8) -> Iterator[int]:
    """Prediction of each height from those before it: 3 dB less than the class, or the band, before."""
    for cls, colour, band in np.ndindex(table.shape):
        if cls:
            yield max(int(table[cls - 1, colour, band]) - (2 if band else 0), 0)
        elif band:
            yield max(int(table[cls, colour, band - 1]) - 3, 0)
        else:
            yield int(table[cls, colour - 1, band]) if colour else HIGHEST // 2


def _damaged() -> DamagedError:
    return DamagedError("The message is no picture of csfnns.", "Ask for it again, with the sender's version.")


def _shifted(values: I64, bits: int) -> F64:
    """Values / 2^bits, rounded with halves up, as float64."""
    return (values + (1 << (bits - 1)) >> bits).astype(np.float64)


def _rounded(products: F64) -> F64:
    """Whole numbers / 2^_BITS, rounded with halves up, in place: exact in float64, whatever the order of a sum."""
    products *= 2.0**-_BITS
    products += 0.5
    return np.floor(products, out=products)


def _inverse_dct(blocks: F64) -> F64:
    """Pixels (n, 16, 16) of coefficients (n, 16, 16), whole numbers in the same units."""
    matrix = np.rint(dct_matrix(BLOCK) * 2**_BITS)
    pixels = np.empty_like(blocks)
    for first in range(0, len(blocks), _AT_ONCE):  # in the processor's cache
        part = blocks[first : first + _AT_ONCE]
        rows = _rounded(part.reshape(-1, BLOCK) @ matrix).reshape(part.shape)
        columns = np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(-1, BLOCK)
        pixels[first : first + _AT_ONCE] = _rounded(columns @ matrix).reshape(part.shape).transpose(0, 2, 1)
    return pixels

"""What it costs to change each coefficient of a JPEG file, and the laws that follow.

A change costs its size over the energy of the block and its neighbours: Guo, Ni, Su, Tang and Shi, "Using statistical
image model for JPEG steganography: uniform embedding revisited" (UERD), IEEE Trans. Information Forensics and Security
10, 2015. Its size is how much farther from the picture it takes the coefficient than rounding did, so coefficients go
the way that they were nearly rounded: Denemark and Fridrich, "Side-informed steganography with additive distortion",
WIFS 2015. Elsewhere receivers cannot know that; here both ends have the picture. Computed in integers.

Only coefficients of frequencies above 0 carry anything; they are numbered plane by plane, block by block, row by row:
n in all.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.coding.costs import class_cost, cost_classes
from csfnns.coding.jpeg import Coefficients, Encoded
from csfnns.coding.laws import KINDS, change_laws, even_laws
from csfnns.coding.models import Model
from csfnns.coding.places import SLOTS
from csfnns.picture import Picture
from csfnns.stream import Seed

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_ONE = 1 << 40


def jpeg_model(cover: Encoded) -> Model:
    """Law of each coefficient's δ, -1…1. It never leaves the range of a JPEG file: no cover comes near its ends."""
    found, ranks = np.unique(cost_classes(jpeg_costs(cover)), return_inverse=True)
    prices = [class_cost(int(number)) for number in found]
    kind = directions(cover)
    return Model(
        reach=1,
        members=5,
        ranks=ranks.astype(np.uint16),
        classes=(KINDS * ranks + kind).astype(np.uint16),
        laws=lambda rate: change_laws(prices, rate),
        block=128,  # 104 bits of a header at 1 bit at least, and a failure in 2^24 even then
        block_classes=kind,
        block_laws=even_laws(),
    )


def jpeg_slots(cover: Picture, n: int) -> U8:
    """Slot 0…7 of each coefficient, (n,): the low bits of a keystream that the cover's pixels start."""
    seed = Seed(sha256(b"csfnns/1/direct/jpeg/slots" + cover.tobytes()).digest())
    return np.frombuffer(seed.stream().take(n), np.uint8) % SLOTS


def jpeg_costs(cover: Encoded) -> I64:
    """Cost of the change that a coefficient may have, (n,), 2^22 at least."""
    costs = []
    tables = cover.file.tables[[0, 1, 1]].astype(np.int64)
    for plane, left, table in zip(cover.file.planes, cover.remainders, tables, strict=True):
        sizes = 4 * table + 1 - np.abs(left)
        costs.append(_ONE * sizes // (1 + _energy(plane, table))[:, :, None, None])
    return flatten(costs)


def directions(cover: Encoded) -> npt.NDArray[np.uint16]:
    """Kind of each coefficient, (n,): 0 may change both ways, 1 only up, 2 only down, to where it was before rounding."""
    left = flatten(cover.remainders)
    return ((left > 0) + 2 * (left < 0)).astype(np.uint16)


def flatten(planes: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Values of frequencies above 0, one after another: planes (rows, columns, 8, 8) → (n,)."""
    return np.concatenate([plane.reshape(-1, 64)[:, 1:].reshape(-1) for plane in planes])


def changed(cover: Coefficients, delta: npt.NDArray[np.int8]) -> Coefficients:
    """The cover with δ, (n,), added to the frequencies above 0."""
    planes, at = [], 0
    for plane in cover.planes:
        sums = plane.reshape(-1, 64).copy()
        end = at + 63 * len(sums)
        sums[:, 1:] += delta[at:end].reshape(-1, 63)
        planes.append(sums.reshape(plane.shape))
        at = end
    return replace(cover, planes=tuple(planes))


def _energy(plane: I16, table: I64) -> I64:
    """What block and neighbours hold above frequency 0, the block itself four times: (rows, columns)."""
    sizes = np.abs(plane).astype(np.int64) * table
    own = sizes.sum((2, 3)) - sizes[:, :, 0, 0]
    rows, columns = own.shape
    p = np.pad(own, 1, mode="symmetric")
    return 3 * own + sum(p[i : i + rows, j : j + columns] for i in range(3) for j in range(3))

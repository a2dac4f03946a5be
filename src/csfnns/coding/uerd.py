"""UERD costs of changing each coefficient of a JPEG file, and the model that follows from them.

The cost of a change is its size over the energy of the block and its neighbours: Guo, Ni, Su, Tang and Shi, "Using
statistical image model for JPEG steganography: uniform embedding revisited" (UERD), IEEE Trans. Information Forensics and
Security 10, 2015. Its size is how much farther from the picture it takes the coefficient than rounding did, so
coefficients move towards where they were before rounding: Denemark and Fridrich, "Side-informed steganography with
additive distortion", WIFS 2015. Usually receivers cannot know that; here both ends have the cover. Computed in integers.

Only the n coefficients of frequencies above 0 carry bits; they are numbered plane by plane, block by block, row by row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csfnns.coding.hill import cost_classes
from csfnns.coding.jpeg import Encoded
from csfnns.coding.layout import hash_partitions
from csfnns.coding.models import Model, change_model
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import Coefficients

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]

_ONE = 1 << 40


def jpeg_model(cover: Encoded) -> Model:
    """Model of δ = -1…1 of each coefficient. No cover comes near the ends of a JPEG file's range."""
    return change_model(cost_classes(uerd_costs(cover)), directions(cover))


def jpeg_partitions(cover: Picture, n: int) -> npt.NDArray[np.uint8]:
    """Partition 0…7 of each coefficient, (n,): the low bits of a keystream seeded with the cover's pixels."""
    return hash_partitions("csfnns/2/direct/jpeg/partitions", cover, n)


def uerd_costs(cover: Encoded) -> I64:
    """Cost of the change that a coefficient may have, (n,), at least 2^22."""
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
    """Values at frequencies above 0 of planes (rows, columns, 8, 8), one after another: (n,)."""
    return np.concatenate([plane.reshape(-1, 64)[:, 1:].reshape(-1) for plane in planes])


def changed(cover: Coefficients, delta: npt.NDArray[np.int8]) -> Coefficients:
    """Return the cover with δ, (n,), added at the frequencies above 0."""
    planes, at = [], 0
    for plane in cover.planes:
        sums = plane.reshape(-1, 64).copy()
        end = at + 63 * len(sums)
        sums[:, 1:] += delta[at:end].reshape(-1, 63)
        planes.append(sums.reshape(plane.shape))
        at = end
    return replace(cover, planes=tuple(planes))


def _energy(plane: I16, table: I64) -> I64:
    """Energy of each block and its neighbours above frequency 0, the block itself four times: (rows, columns)."""
    sizes = np.abs(plane).astype(np.int64) * table
    own = sizes.sum((2, 3)) - sizes[:, :, 0, 0]
    rows, columns = own.shape
    p = np.pad(own, 1, mode="symmetric")
    return 3 * own + sum(p[i : i + rows, j : j + columns] for i in range(3) for j in range(3))

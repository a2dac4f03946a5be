"""Opponent colours, the block DCT and its bands of frequencies."""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

BAND_EDGES = (1, 2, 6, 16, 36, 81, 169)
"""Squared frequencies u² + v² at which bands 1…7 begin; band 0 is the block's mean."""
BANDS = len(BAND_EDGES) + 1
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
"""Orthonormal brightness and two colour differences, (3, 3)."""


@cache
def dct_matrix(n: int) -> F64:
    """Orthonormal DCT-II, rows are frequencies, (n, n)."""
    k = np.arange(n)
    matrix = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * n)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


@cache
def bands_of_frequencies(n: int) -> npt.NDArray[np.int64]:
    """Band of each frequency, (n, n)."""
    u = np.arange(n)
    return np.searchsorted(BAND_EDGES, u[:, None] ** 2 + u[None] ** 2, side="right")

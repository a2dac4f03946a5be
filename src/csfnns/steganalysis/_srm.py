"""High-pass filters of the spatial rich model, by the rules that make them.

Fridrich and Kodovský, "Rich models for steganalysis of digital images", IEEE Trans. Information Forensics and Security
7 (2012): differences of first, second and third order along lines, and squares and edges of 3x3 and 5x5.
"""

import numpy as np

from csfnns.steganalysis.base import F64

SIDE = 5
_CENTRE = SIDE // 2
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))  # down, right
_SECOND = np.array([0.0, 1, -2, 1, 0])
_FOURTH = np.array([1.0, -4, 6, -4, 1])


def srm_filters() -> F64:
    """The 30 linear filters, (30, 5, 5): each sums to zero, and its largest coefficient is 1 or −1.

    8 of first order, 4 of second, 8 of third, then SQUARE 3x3, four EDGE 3x3, SQUARE 5x5 (`kv_filter`), four EDGE 5x5.
    """
    small = -np.outer(_SECOND, _SECOND)
    filters = [
        *(_along((-1, 1), 0, *step) for step in _AROUND),
        *(_along((1, -2, 1), -1, *step) for step in _AROUND[:4]),
        *(_along((1, -3, 3, -1), -1, *step) for step in _AROUND),
        small,
        *_edges(small),
        kv_filter(),
        *_edges(kv_filter()),
    ]
    return np.array([kernel / abs(kernel).max() for kernel in filters])


def kv_filter() -> F64:
    """SQUARE 5x5, the filter of Ker and Böhme (KV), (5, 5), with −1 in the centre and a sum of zero."""
    mixed = np.outer(_SECOND, _FOURTH)
    kernel = np.outer(_FOURTH, _FOURTH) + 2 * (mixed + mixed.T) + 6 * np.outer(_SECOND, _SECOND)
    return -kernel / 12


def _along(coefficients: tuple[int, ...], first: int, down: int, right: int) -> F64:
    """Coefficients on a line through the centre, the first of them `first` steps from it."""
    kernel = np.zeros((SIDE, SIDE))
    for k, value in enumerate(coefficients, first):
        kernel[_CENTRE + k * down, _CENTRE + k * right] = value
    return kernel


def _edges(square: F64) -> list[F64]:
    """Upper half of a square filter with its middle row, turned four times."""
    upper = np.where(np.arange(SIDE)[:, None] <= _CENTRE, square, 0.0)
    return [np.rot90(upper, k).copy() for k in range(4)]

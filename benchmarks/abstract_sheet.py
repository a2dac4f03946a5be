"""Contact sheet of 24 abstract covers: `python benchmarks/abstract_sheet.py sheet.png --side 256 --first 1`.

Prints for each its processor time, the share of 8x8 blocks whose brightness hardly varies, and the share of levels near
saturation.
"""

import argparse
import time

import numpy as np
from PIL import Image

from csfnns.covers.abstract import AbstractCovers
from csfnns.images.io import Picture
from csfnns.stream import Seed

COLUMNS, ROWS = 6, 4


def calm_share(picture: Picture) -> float:
    """Share of 8x8 blocks whose luminance has a standard deviation below 1.5 grey levels."""
    luminance = picture @ np.array([0.299, 0.587, 0.114])
    h, w = luminance.shape
    blocks = luminance.reshape(h // 8, 8, w // 8, 8)
    return float(np.mean(blocks.std(axis=(1, 3)) < 1.5))


def saturated_share(picture: Picture) -> float:
    """Share of sub-pixels in 0…3 or 252…255."""
    return float(np.mean((picture <= 3) | (picture >= 252)))


def main() -> None:
    """Write the sheet and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--first", type=int, default=1)
    arguments = parser.parse_args()
    side, key = arguments.side, Seed(bytes(range(32)))
    sheet = np.full((ROWS * (side + 8) + 8, COLUMNS * (side + 8) + 8, 3), 24, np.uint8)
    for k in range(COLUMNS * ROWS):
        start = time.process_time()
        picture = AbstractCovers(side, side)(key.derive(str(arguments.first + k)))
        seconds = time.process_time() - start
        y, x = (8 + (k // COLUMNS) * (side + 8), 8 + (k % COLUMNS) * (side + 8))
        sheet[y : y + side, x : x + side] = picture
        print(
            f"message {arguments.first + k:4}: {seconds:5.2f} s, calm blocks {calm_share(picture):7.3%}, "
            f"near saturation {saturated_share(picture):7.3%}"
        )
    Image.fromarray(sheet).save(arguments.output)


if __name__ == "__main__":
    main()

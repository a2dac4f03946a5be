"""How abstract covers look: a contact sheet of 48, or whether somebody can tell them from other pictures.

python benchmarks/abstract_sheet.py sheet.png --side 256 --first 1
python benchmarks/abstract_sheet.py --style --data DATA

The sheet comes with the processor time of each cover, the share of 8x8 blocks whose brightness hardly varies, and the share
of levels at 0 and 255. The style check asks SPAM features with an ensemble, and single statistics, to tell the middles of
abstract covers from those of Kodak's photographs and of Stable Diffusion's pictures: it trains on one half of the pictures
and counts on the other, both ways round. 50 % is guessing. Nobody should expect that of pictures with a style.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import DATA, pictures, print_table
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture, read_picture
from csfnns.images.output import write_picture
from csfnns.steganalysis.ensemble import Ensemble
from csfnns.steganalysis.roc import roc
from csfnns.steganalysis.spam import spam_features
from csfnns.stream import Seed

COLUMNS, ROWS = 8, 6
CROP, CROPS = 128, 6
"""Side of the crops of the style check, and their number from a picture of 384x384."""
KEY = Seed(bytes(range(32)))


def luminance(picture: Picture) -> np.ndarray:
    """Brightness as in television: float64 (height, width)."""
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114]))


def calm_share(picture: Picture) -> float:
    """Share of 8x8 blocks whose luminance has a standard deviation below 1.5 grey levels."""
    light = luminance(picture)
    h, w = light.shape
    return float(np.mean(light.reshape(h // 8, 8, w // 8, 8).std(axis=(1, 3)) < 1.5))


def clipped_share(picture: Picture) -> float:
    """Share of sub-pixels at 0 or 255."""
    return float(np.mean((picture == 0) | (picture == 255)))


def noise_level(picture: Picture) -> float:
    """Grey levels: the lower decile, over 8x8 blocks, of the deviation of green from its four neighbours' mean."""
    x = picture[..., 1].astype(np.float64)
    rest = (x - (np.roll(x, 1, 0) + np.roll(x, -1, 0) + np.roll(x, 1, 1) + np.roll(x, -1, 1)) / 4)[8:-8, 8:-8]
    h, w = rest.shape
    return float(np.quantile(rest.reshape(h // 8, 8, w // 8, 8).std(axis=(1, 3)), 0.1))


def colourfulness(picture: Picture) -> float:
    """Mean distance of the greatest from the least of the three colours."""
    return float(np.ptp(picture.astype(np.int16), axis=2).mean())


STATISTICS: dict[str, Callable[[Picture], float]] = {
    "share at 0 or 255": clipped_share,
    "calm blocks": calm_share,
    "noise of the calmest blocks": noise_level,
    "colourfulness": colourfulness,
    "mean brightness": lambda picture: float(luminance(picture).mean()),
    "contrast": lambda picture: float(luminance(picture).std()),
}


def crops(picture: Picture) -> list[Picture]:
    """CROPS parts of the picture's middle, in two rows."""
    top, left = (picture.shape[0] - 2 * CROP) // 2, (picture.shape[1] - 3 * CROP) // 2
    return [
        picture[top + CROP * i : top + CROP * (i + 1), left + CROP * j : left + CROP * (j + 1)]
        for i in range(2)
        for j in range(3)
    ]


def right_share(ours: list[Picture], others: list[Picture]) -> float:
    """Share of crops that the ensemble assigns rightly, when it was trained on the other half of the pictures."""
    sides = [np.array([[spam_features(crop) for crop in crops(each)] for each in side]) for side in (ours, others)]
    right = []
    for odd in (0, 1):
        learnt, asked = ([side[k::2].reshape(-1, side.shape[-1]) for side in sides] for k in (odd, 1 - odd))
        ensemble = Ensemble.fit(*learnt)
        right += [np.abs(truth - ensemble.votes(each)) < 0.5 for truth, each in enumerate(asked)]
    return float(np.mean(np.concatenate(right)))


def style(data: Path, count: int) -> None:
    """Print how well each judge tells abstract covers from photographs and from a model's pictures."""
    sides = {
        "abstract": [AbstractCovers(512, 512)(KEY.derive(str(i))) for i in range(count)],
        "Kodak": [read_picture(path) for path in pictures(data / "kodak")[:count]],
        "Stable Diffusion": [read_picture(path) for path in pictures(data / "covers" / "train")[:count]],
    }
    print(f"{count} pictures of each kind, {CROPS} crops of {CROP}x{CROP}; right answers, half by half")
    rows = [["SPAM and an ensemble", "", "", "", *(f"{right_share(sides['abstract'], sides[k]):.0%}" for k in OTHERS)]]
    for name, statistic in STATISTICS.items():
        values = {kind: [statistic(each) for each in side] for kind, side in sides.items()}
        areas = (roc(values["abstract"], values[kind]).auc for kind in OTHERS)
        rows.append([name, *(f"{np.median(v):.4g}" for v in values.values()), *(f"{max(a, 1 - a):.0%}" for a in areas)])
    print_table(("judge", *(f"{kind}, median" for kind in sides), *(f"from {kind}" for kind in OTHERS)), rows)
    print("Judges by one number: area under the curve.")


OTHERS = ("Kodak", "Stable Diffusion")


def sheet(output: Path, side: int, first: int) -> None:
    """Write the sheet and print the figures."""
    drawn = np.full((ROWS * (side + 8) + 8, COLUMNS * (side + 8) + 8, 3), 24, np.uint8)
    for k in range(COLUMNS * ROWS):
        start = time.process_time()
        picture = AbstractCovers(side, side)(KEY.derive(str(first + k)))
        seconds = time.process_time() - start
        y, x = (8 + (k // COLUMNS) * (side + 8), 8 + (k % COLUMNS) * (side + 8))
        drawn[y : y + side, x : x + side] = picture
        print(
            f"message {first + k:4}: {seconds:5.2f} s, calm blocks {calm_share(picture):7.3%}, "
            f"at 0 {np.mean(picture == 0):7.3%}, at 255 {np.mean(picture == 255):7.3%}"
        )
    write_picture(drawn, output, overwrite=True)


def main() -> None:
    """Make the sheet, or the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", nargs="?", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--style", action="store_true")
    parser.add_argument("--count", type=int, default=24, help="pictures of each kind for --style (default %(default)s)")
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    if arguments.style:
        style(arguments.data, arguments.count)
    elif arguments.output:
        sheet(arguments.output, arguments.side, arguments.first)
    else:
        parser.error("name the sheet's file, or give --style")


if __name__ == "__main__":
    main()

"""What a perturbation tells of its secret to whoever has the cover, but not the decoder's key.

Over pairs of real pictures (the i-th cover of covers/eval with the i-th secret), for the profile `standard`:
correlation of δ's and the secret's local energy in matching blocks, δ's largest autocorrelation, and the
unevenness of its energy over that of its own values in a random order. Exit status 1 when a bar fails.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import make_method, make_parser, pairs, print_table, save
from csfnns.measure import autocorrelation, energy_variation, local_energy
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.stream import Seed

BLOCK = 16  # of the cover
LAGS = 4
BARS = {"layout": 0.05, "texture": 0.05, "autocorrelation": 0.01, "unevenness": 1.5}
"""Upper bounds of the means over all pairs; of the correlations `layout` and `texture`, of their sizes."""

Delta = npt.NDArray[np.int16]


def leakage(delta: Delta, grid: Picture, seed: Seed) -> dict[str, float]:
    """Figures of BARS for δ and the secret in its grid (a whole number of times smaller)."""
    block = BLOCK * grid.shape[0] // delta.shape[0]
    energy = local_energy(delta, BLOCK).ravel()
    rows, columns = grid.shape[0] // block, grid.shape[1] // block
    parts = grid.astype(np.float64).reshape(rows, block, columns, block, 3)
    about_mean = (parts - grid.mean((0, 1))) ** 2
    about_block = (parts - parts.mean((1, 3), keepdims=True)) ** 2
    layout, texture = (x.mean((1, 3, 4)).ravel() for x in (about_mean, about_block))
    lags = np.stack([autocorrelation(delta[..., c], LAGS) for c in range(3)])
    lags[:, LAGS, LAGS] = 0
    shuffled = delta.reshape(-1)[seed.derive("shuffle").stream().permutation(delta.size)].reshape(delta.shape)
    return {
        "layout": float(np.corrcoef(energy, layout)[0, 1]),
        "texture": float(np.corrcoef(energy, texture)[0, 1]),
        "autocorrelation": float(np.abs(lags).max()),
        "unevenness": energy_variation(delta, BLOCK) / energy_variation(shuffled, BLOCK),
    }


def measure_pair(bpp: str, cover_path: Path, secret_path: Path, seed: int) -> dict[str, float]:
    """Figures of one pair; the seed makes the decoder."""
    cover = read_picture(cover_path)
    scheme, side = make_method("standard", bpp, cover.shape[0])
    secret = fit(read_picture(secret_path), side, side)
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/{cover_path.name}/{secret_path.name}")
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    return leakage(scheme.embed(cover, {seeds: secret}).astype(np.int16) - cover, secret, root)


def report(rows: list[dict[str, float]]) -> tuple[dict[str, float], bool]:
    """Print the table; means of sizes, and whether every bar holds."""
    means = {name: float(np.mean([abs(row[name]) for row in rows])) for name in BARS}
    table: list[list[Any]] = [[i, *(f"{row[name]:.4f}" for name in BARS)] for i, row in enumerate(rows)]
    table.append(["mean size", *(f"{means[name]:.4f}" for name in BARS)])
    table.append(["bar", *(f"{bar:.4f}" for bar in BARS.values())])
    print_table(("pair", *BARS), table)
    failed = [name for name, bar in BARS.items() if means[name] >= bar]
    for name in failed:
        print(f"FAILED {name}: {means[name]:.4f}, not below {BARS[name]}")
    return means, not failed


def main() -> int:
    """Measure, print, save."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=10, help="(default %(default)s)")
    parser.add_argument("--bpp", default="6", choices=("24", "6", "1.5"))
    arguments = parser.parse_args()
    count = 2 if arguments.quick else arguments.pairs
    paths = pairs(arguments.data, arguments.secrets, count)
    rows = [measure_pair(arguments.bpp, *pair, arguments.seed) for pair in paths]
    means, passed = report(rows)
    payload = {"secrets": arguments.secrets, "bpp": arguments.bpp, "bars": BARS, "means": means, "rows": rows}
    save(f"secrecy-{arguments.secrets}-{arguments.bpp}", payload, arguments.out)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

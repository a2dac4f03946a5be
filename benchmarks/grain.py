"""Whether pictures of the profile `standard` in grain have the grain of pictures that hold nothing.

Over covers of covers/eval and covers/train, 512x512, with secrets/imagenet fitted to 256x256: the search's δ is
measured beside nine decoys' δ on the same cover, by what the law leaves open: how it follows brightness, texture, edges
and neighbours. (The histograms of each class of levels are a decoy's by construction.) For each figure, the rank of the
stego among its decoys is uniform if both have one law: a Kolmogorov-Smirnov test gives p. Stegos are kept in a
folder: empty it after changes to the scheme. Exit status 1 when any p is below 0.01 divided by the number of figures.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kstest  # type: ignore[import-untyped]

from common import ROOT, make_parser, pictures, print_table, save
from csfnns.errors import NoMessageError
from csfnns.measure import autocorrelation, compare, energy_variation, local_energy
from csfnns.output import write_picture
from csfnns.picture import Picture, fit, read_picture
from csfnns.profile import make_profile
from csfnns.schemes import CsFnns, Direct, ReceiverSeeds
from csfnns.search import preset
from csfnns.stream import Seed

DECOYS = 9
"""For each stego. Where it stands among them is one of 10 ranks."""
BLOCK = 16
LEAST_P = 0.01

F64 = npt.NDArray[np.float64]
Figure = Callable[[F64, F64], float]
"""Of a cover and δ in grey levels, both (H, W, 3)."""


def _lag(dy: int, dx: int) -> Figure:
    return lambda cover, delta: float(autocorrelation(delta, 2)[2 + dy, 2 + dx])


def _brightness(cover: F64, delta: F64) -> float:
    """Correlation of δ² with the level it is added to."""
    inside = (cover > 2) & (cover < 253)
    return _correlation(cover[inside], delta[inside] ** 2)


def _texture(cover: F64, delta: F64) -> float:
    """Correlation of δ's energy with the cover's variance, in blocks."""
    return _correlation(
        np.log1p(local_energy(cover - _smooth(cover), BLOCK)).ravel(), local_energy(delta, BLOCK).ravel()
    )


def _residual(cover: F64, delta: F64) -> float:
    """Correlation of δ with what neighbours do not tell of the cover."""
    return _correlation((cover - _smooth(cover)).ravel(), delta.ravel())


def _smooth(x: F64) -> F64:
    """Mean of the four neighbours."""
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]) / 4


def _correlation(a: F64, b: F64) -> float:
    return float(np.corrcoef(a, b)[0, 1])


FIGURES: dict[str, Figure] = {
    "mean of δ": lambda cover, delta: float(delta.mean()),
    "δ² and brightness": _brightness,
    "δ² and texture": _texture,
    "δ and the cover's residual": _residual,
    "unevenness of δ²": lambda cover, delta: energy_variation(delta, BLOCK),
    "neighbours across": _lag(0, 1),
    "neighbours down": _lag(1, 0),
    "neighbours aslant": _lag(1, 1),
    "second neighbours": _lag(0, 2),
    "red and green": lambda cover, delta: _correlation(delta[..., 0].ravel(), delta[..., 1].ravel()),
    "green and blue": lambda cover, delta: _correlation(delta[..., 1].ravel(), delta[..., 2].ravel()),
    "sizes of neighbours": lambda cover, delta: float(autocorrelation(np.abs(delta), 1)[1, 2]),
}


def make_stego(cover: Picture, secret: Path, root: Seed, file: Path) -> tuple[Picture, float]:
    """Stego from the folder or a search, and the recovered secret's PSNR in dB."""
    profile = make_profile("standard")
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    scheme = CsFnns(profile, preset(profile).in_grain())
    target = fit(read_picture(secret), *profile.secret_size)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_picture(scheme.embed(cover, {seeds: target}), file)
    stego = read_picture(file)
    try:
        return stego, compare(scheme.extract(stego, cover, seeds).grid, target).psnr
    except NoMessageError:
        return stego, float("nan")


def ranks(cover: Picture, stego: Picture, root: Seed) -> dict[str, int]:
    """How many of the decoys have a smaller figure than the stego."""
    clean = cover.astype(np.float64)
    decoys = [Direct("grain").decoy(cover, root.derive(f"decoy/{i}")) for i in range(DECOYS)]
    return {
        name: sum(figure(clean, decoy - clean) < figure(clean, stego - clean) for decoy in decoys)
        for name, figure in FIGURES.items()
    }


def p_value(found: list[int]) -> float:
    """Of the ranks being uniform in 0…DECOYS; discrete, so a jitter fills the steps."""
    jitter = np.random.default_rng(len(found)).random(len(found))
    return float(kstest((np.array(found) + jitter) / (DECOYS + 1), "uniform").pvalue)


def main() -> int:
    """Measure, print, save; exit status 1 when a law shows."""
    parser = make_parser(__doc__)
    parser.add_argument("--covers", type=int, default=40, help="eval first, then train (default %(default)s)")
    parser.add_argument(
        "--stegos",
        type=Path,
        default=ROOT / "runs" / "grain",
        help="where they are kept (default %(default)s)",
    )
    arguments = parser.parse_args()
    count = 6 if arguments.quick else arguments.covers
    covers = [path for part in ("eval", "train") for path in pictures(arguments.data / "covers" / part)][
        :count
    ]
    secrets = pictures(arguments.data / "secrets" / "imagenet")
    found: dict[str, list[int]] = {name: [] for name in FIGURES}
    fidelity = []
    for i, path in enumerate(covers):
        root = Seed(arguments.seed.to_bytes(32, "big")).derive(
            f"benchmark/grain/{path.parent.name}/{path.name}"
        )
        cover = read_picture(path)
        file = arguments.stegos / str(arguments.seed) / f"{path.parent.name}-{path.stem}.png"
        stego, recovered = make_stego(cover, secrets[i % len(secrets)], root, file)
        fidelity.append((compare(cover, stego).psnr, recovered))
        for name, rank in ranks(cover, stego, root).items():
            found[name].append(rank)
    figures = {name: (float(np.mean(each)) / DECOYS, p_value(each)) for name, each in found.items()}
    print_table(
        (f"{len(covers)} covers", "mean rank, 0…1", "p"),
        [[name, f"{mean:.3f}", f"{p:.3f}"] for name, (mean, p) in figures.items()],
    )
    stego_psnr, recovered = np.mean(fidelity, axis=0)
    print(
        f"stego {stego_psnr:.2f} dB, recovered {recovered:.2f} dB (least {np.min(fidelity, axis=0)[1]:.2f})"
    )
    content: dict[str, Any] = {"figures": figures, "fidelity": fidelity, "ranks": found}
    save("grain", content, arguments.out)
    failed = [name for name, (_, p) in figures.items() if p < LEAST_P / len(FIGURES)]
    for name in failed:
        print("FAILED", name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

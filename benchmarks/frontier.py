"""The frontier: stego against recovered PSNR along β, with time and memory, and the coding limit above it.

Pairs as in core.py. Any setting of the search can be replaced, so every decision about it can be checked with this
command: --set steps=600 --set learning_rate=0.3. Runs resume; each setting has its own file.

The coding limit is what the best code would need that knows the cover at both ends: the secret as AVIF of that
PSNR, its bits drawn as ±1 changes of sub-pixels, all at equal odds (payload-limited sender, additive distortion).
"""

import io
import math
import resource
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import Log, make_parser, pairs, print_table, save
from core import FIGURES, measure_pair
from csfnns.measure import psnr
from csfnns.picture import Picture, fit, read_picture
from csfnns.profile import make_profile
from csfnns.search import preset

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
QUALITIES = (20, 35, 50, 65, 75, 85, 92, 97)


def main() -> int:
    """Measure, print, plot, save."""
    parser = make_parser(__doc__)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--bpp", default="6", choices=("24", "6", "1.5"))
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--factors", type=float, nargs="+", default=FACTORS, help="of the profile's β")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="setting of the search"
    )
    arguments = parser.parse_args()
    count = 2 if arguments.quick else arguments.pairs
    changes = {name: _value(text) for name, text in (each.split("=", 1) for each in arguments.set)}
    profile = make_profile(arguments.profile, bpp=arguments.bpp)
    beta = changes.pop("beta", preset(profile).beta)

    label = "-".join([arguments.profile, arguments.bpp, arguments.secrets, *sorted(arguments.set)])
    log = Log(f"frontier-{label}", arguments)
    done = {(row["factor"], row["pair"]): row for row in log.rows}
    chosen = pairs(arguments.data, arguments.secrets, count)
    for factor in arguments.factors:
        for i, paths in enumerate(chosen):
            if (factor, i) not in done:
                row = measure_pair(profile, *paths, arguments.seed, beta=factor * beta, **changes)
                done[factor, i] = log.add({"factor": factor, "pair": i} | row)

    points = [_point(factor * beta, [done[factor, i] for i in range(count)]) for factor in arguments.factors]
    size = profile.secret_size
    limit = coding_limit(
        [fit(read_picture(secret), *size) for _, secret in chosen], 3 * profile.height * profile.width
    )
    heads = ("beta", "stego", "ssim", "recovered", "ssim", "seconds", "least stego", "least recovered")
    print_table(heads, [[*point["mean"], *point["worst"]] for point in points])
    print_table(("coding limit: stego", "recovered"), limit)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    payload = {"label": label, "pairs": count, "points": points, "limit": limit, "peak_gib": peak}
    path = save(f"frontier-{label}", payload, arguments.out)
    plot(points, limit, label, path.with_suffix(".png"))
    return 0


def _value(text: str) -> Any:
    try:
        return literal_eval(text)
    except ValueError:
        return text


def _point(beta: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    values = np.array([[row[figure] for figure in FIGURES] for row in rows])
    return {
        "mean": [beta, *values.mean(0).tolist()],
        "spread": values.std(0, ddof=1 if len(rows) > 1 else 0).tolist(),
        "worst": [values[:, 0].min(), values[:, 2].min()],
    }


def coding_limit(secrets: list[Picture], places: int) -> list[tuple[float, float]]:
    """Points (stego, recovered) in dB, means over the secrets, one an AVIF quality."""
    points = []
    for quality in QUALITIES:
        coded = [_avif(secret, quality) for secret in secrets]
        stego = [-10 * math.log10(_least_changes(8 * size / places) / 255**2) for size, _ in coded]
        points.append((float(np.mean(stego)), float(np.mean([quality_db for _, quality_db in coded]))))
    return points


def _avif(secret: Picture, quality: int) -> tuple[int, float]:
    buffer = io.BytesIO()
    Image.fromarray(secret).save(buffer, "AVIF", quality=quality, subsampling="4:4:4", speed=4)
    return buffer.tell(), psnr(secret, read_picture(buffer.getvalue()))


def _least_changes(rate: float) -> float:
    """Share of ±1 changes that carries `rate` bits a sub-pixel: the ternary entropy, inverted by bisection."""
    low, high = 1e-9, 2 / 3
    for _ in range(60):
        p = (low + high) / 2
        entropy = -(1 - p) * math.log2(1 - p) - p * math.log2(p / 2)
        low, high = (p, high) if entropy < rate else (low, p)
    return high


def plot(points: list[dict[str, Any]], limit: list[tuple[float, float]], title: str, path: Path) -> None:
    """Frontier, its worst pairs and the limit, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), dpi=130, layout="constrained")
    axes.plot([p["mean"][1] for p in points], [p["mean"][3] for p in points], "o-", label="Cs-FNNS, mean")
    axes.plot(
        [p["worst"][0] for p in points],
        [p["worst"][1] for p in points],
        "v:",
        label="least of each, over pairs",
    )
    axes.plot(*zip(*limit, strict=True), "k--", label="coding limit (AVIF, ±1 at equal odds)")
    if "-6-imagenet" in title:
        axes.plot([41.9], [33.0], "rx", markersize=9, label="the paper's own figures, with its denoiser")
    axes.set(xlabel="stego against cover, PSNR in dB", ylabel="recovered, PSNR in dB", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path)
    print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())

"""Recovered pictures with and without the receiver's denoiser, in the network's profiles, on real pairs.

The i-th cover of covers/eval with the i-th secret, resized to the decoder's grid by Pillow's LANCZOS. The column `clean`
is the secret itself, denoised. `paper` runs the authors' 1500 steps and takes minutes a picture. What was recovered is kept
beside the result, so that a run that was stopped goes on where it was, and one with other weights need not search again.
"""

import argparse
import sys
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from common import ROOT, Log, finish, make_parser, pairs, print_table, receiver, root_of
from csfnns.images.denoise import denoise, helps
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr, ssim
from csfnns.images.output import write_picture
from csfnns.methods import CsFnns
from csfnns.payloads import Decoded
from csfnns.profile import Profile, make_profile
from csfnns.stream import Seed

FIGURES = ("raw", "denoised", "raw_ssim", "denoised_ssim", "clean")
LEAST_GAIN = {("paper", "6"): 3.0}
"""Mean gain in dB where the denoiser is on by default; elsewhere 0.1."""
LARGEST_LOSS, LEAST_CLEAN = 0.25, 38.0
"""Loss of the worst pair in dB where it is on by default, and PSNR of the worst clean picture."""


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--bpp", nargs="+", default=["24", "6", "1.5"], choices=("24", "6", "1.5"))
    parser.add_argument("--pairs", type=int, default=10, help="pairs for robust (default %(default)s)")
    parser.add_argument("--paper-pairs", type=int, default=2, help="pairs for paper (default %(default)s)")
    arguments = parser.parse_args()
    counts = {"robust": arguments.pairs, "paper": arguments.paper_pairs}
    if arguments.quick:
        counts = {"robust": 1, "paper": 0}

    name = f"denoiser-{arguments.secrets}"
    log = Log(name, arguments)
    kept = {(row["profile"], row["bpp"], row["pair"]): row for row in log.rows}
    folder = (arguments.out or ROOT / "runs" / f"{name}.json").with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind, bpp in [("robust", "1.5"), *(("paper", bpp) for bpp in arguments.bpp)]:
        profile = make_profile(kind, bpp=bpp)
        for i, paths in enumerate(pairs(arguments.data, arguments.secrets, counts[kind])):
            if (kind, bpp, i) not in kept:
                found, file = recover(profile, *paths, root_of(arguments)), folder / f"{kind}-{bpp}-{i}.png"
                write_picture(found.grid, file, overwrite=True)
                row = {"profile": kind, "bpp": bpp, "pair": i, "file": str(file)}
                kept[kind, bpp, i] = log.add(row | {"expected": found.expected_psnr})
            row = kept[kind, bpp, i]
            secret = fit(read_picture(paths[1]), *profile.secret_size)
            figures = compare(read_picture(row["file"]), secret, row["expected"])
            rows.append({"profile": kind, "bpp": bpp, "pair": i} | figures)
            print(f"{kind} {bpp} bpp, pair {i}: {figures['raw']:.2f} → {figures['denoised']:.2f} dB", flush=True)
    return report(name, rows, arguments)


def recover(profile: Profile, cover_path: Path, secret_path: Path, root: Seed) -> Decoded:
    """What a receiver gets of one pair."""
    seeds = receiver(root, f"{cover_path.name}/{secret_path.name}")
    scheme, cover = CsFnns(profile), read_picture(cover_path)
    return scheme.extract(scheme.embed(cover, {seeds: read_picture(secret_path)}), cover, seeds)


def compare(recovered: Picture, secret: Picture, expected: float | None) -> dict[str, float]:
    """PSNR in dB and SSIM before and after the denoiser, and PSNR of a clean picture after it."""
    cleaned = denoise(recovered, expected)
    psnrs = psnr(recovered, secret), psnr(cleaned, secret)
    ssims = ssim(recovered, secret), ssim(cleaned, secret)
    return dict(zip(FIGURES, (*psnrs, *ssims, psnr(denoise(secret), secret)), strict=True))


def report(name: str, rows: list[dict[str, Any]], arguments: argparse.Namespace) -> int:
    """Print means and check the bars."""
    table, means, failed = [], {}, []
    for kind, bpp in dict.fromkeys((row["profile"], row["bpp"]) for row in rows):
        mine = [row for row in rows if (row["profile"], row["bpp"]) == (kind, bpp)]
        values = np.array([[row[figure] for figure in FIGURES] for row in mine])
        mean, gains = values.mean(0), values[:, 1] - values[:, 0]
        is_on = helps(make_profile(kind, bpp=bpp))
        means[f"{kind} {bpp}"] = dict(zip(FIGURES, mean.tolist(), strict=True))
        cells = [f"{m:.2f}" if m > 1 else f"{m:.3f}" for m in mean]
        spread = f"{gains.mean():+.2f}", f"{gains.min():+.2f}"
        table.append((kind, bpp, len(mine), *cells, *spread, "on" if is_on else "off"))
        if is_on and (gains.min() < -LARGEST_LOSS or gains.mean() < LEAST_GAIN.get((kind, bpp), 0.1)):
            failed.append(f"{kind}, {bpp} bpp: {spread[0]} dB on average, {spread[1]} dB at worst")
        if values[:, -1].min() < LEAST_CLEAN:
            failed.append(f"{kind}, {bpp} bpp: a clean picture had {values[:, -1].min():.1f} dB")
    print_table(("profile", "bpp", "pairs", *FIGURES, "gain", "least gain", "default"), table)
    digest = sha256((files("csfnns") / "weights" / "denoiser.safetensors").read_bytes()).hexdigest()
    content = {"secrets": arguments.secrets, "weights": digest, "means": means, "rows": rows}
    return finish(name, content, failed, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

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

from common import ROOT, Log, make_parser, pairs, print_table, save
from csfnns.denoise import denoise, helps
from csfnns.measure import psnr, ssim
from csfnns.output import write_picture
from csfnns.payloads import Decoded
from csfnns.picture import Picture, fit, read_picture
from csfnns.profile import Profile, make_profile
from csfnns.schemes import CsFnns, ReceiverSeeds
from csfnns.stream import Seed

FIGURES = ("raw", "denoised", "raw_ssim", "denoised_ssim", "clean")
LEAST_GAIN = {("paper", "6"): 3.0}
"""Mean gain in dB where it is on by default; elsewhere 0.1."""
LARGEST_LOSS = 0.25
"""What the worst pair may lose in dB where it is on by default."""
LEAST_CLEAN = 38.0


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

    log = Log(f"denoiser-{arguments.secrets}", arguments)
    kept = {(row["profile"], row["bpp"], row["pair"]): row for row in log.rows}
    folder = (arguments.out or ROOT / "runs" / f"denoiser-{arguments.secrets}.json").with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, bpp in [("robust", "1.5"), *(("paper", bpp) for bpp in arguments.bpp)]:
        profile = make_profile(name, bpp=bpp)
        for i, paths in enumerate(pairs(arguments.data, arguments.secrets, counts[name])):
            if (name, bpp, i) not in kept:
                found, file = recover(profile, *paths, arguments.seed), folder / f"{name}-{bpp}-{i}.png"
                write_picture(found.grid, file, overwrite=True)
                row = {"profile": name, "bpp": bpp, "pair": i, "file": str(file)}
                kept[name, bpp, i] = log.add(row | {"expected": found.expected_psnr})
            secret = fit(read_picture(paths[1]), *profile.secret_size)
            row = kept[name, bpp, i]
            figures = compare(read_picture(row["file"]), secret, row["expected"])
            rows.append({"profile": name, "bpp": bpp, "pair": i} | figures)
            print(
                f"{name} {bpp} bpp, pair {i}: {figures['raw']:.2f} → {figures['denoised']:.2f} dB", flush=True
            )
    return report(rows, arguments)


def recover(profile: Profile, cover_path: Path, secret_path: Path, seed: int) -> Decoded:
    """What a receiver gets of one pair."""
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/{cover_path.name}/{secret_path.name}")
    seeds = ReceiverSeeds(root.derive("decoder"), root.derive("header"))
    scheme, cover = CsFnns(profile), read_picture(cover_path)
    stego = scheme.embed(cover, {seeds: read_picture(secret_path)})
    return scheme.extract(stego, cover, seeds)


def compare(recovered: Picture, secret: Picture, expected: float | None) -> dict[str, float]:
    """PSNR in dB and SSIM before and after the denoiser, and PSNR of a clean picture after it."""
    cleaned = denoise(recovered, expected)
    before = psnr(recovered, secret), ssim(recovered, secret)
    after = psnr(cleaned, secret), ssim(cleaned, secret)
    figures = (before[0], after[0], before[1], after[1], psnr(denoise(secret), secret))
    return dict(zip(FIGURES, figures, strict=True))


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> int:
    """Table of means; whether the bars hold."""
    table, means, failed = [], {}, []
    for name, bpp in dict.fromkeys((row["profile"], row["bpp"]) for row in rows):
        mine = [row for row in rows if (row["profile"], row["bpp"]) == (name, bpp)]
        values = np.array([[row[figure] for figure in FIGURES] for row in mine])
        mean, gains = values.mean(0), values[:, 1] - values[:, 0]
        is_on = helps(make_profile(name, bpp=bpp))
        means[f"{name} {bpp}"] = dict(zip(FIGURES, mean.tolist(), strict=True))
        cells = [f"{m:.2f}" if m > 1 else f"{m:.3f}" for m in mean]
        spread = f"{gains.mean():+.2f}", f"{gains.min():+.2f}"
        table.append((name, bpp, len(mine), *cells, *spread, "on" if is_on else "off"))
        if is_on and (gains.min() < -LARGEST_LOSS or gains.mean() < LEAST_GAIN.get((name, bpp), 0.1)):
            failed.append(f"{name}, {bpp} bpp: {spread[0]} dB in the mean, {spread[1]} dB at worst")
        if values[:, -1].min() < LEAST_CLEAN:
            failed.append(f"{name}, {bpp} bpp: a clean picture had {values[:, -1].min():.1f} dB")
    print_table(("profile", "bpp", "pairs", *FIGURES, "gain", "least gain", "default"), table)
    digest = sha256((files("csfnns") / "weights" / "denoiser.safetensors").read_bytes()).hexdigest()
    payload = {"secrets": arguments.secrets, "weights": digest, "means": means, "rows": rows}
    save(f"denoiser-{arguments.secrets}", payload, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

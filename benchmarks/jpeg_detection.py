"""How well DCTR and its ensemble tell JPEG files with bytes from those without, beside changes that they should find.

Covers are all of covers/, 512x512, as the method `jpeg` writes them without a message: quality 90, 4:2:0. Stegos are made
of them by that method (costs by UERD, with an address), or by ±1 at random coefficients above frequency 0 that are not 0.
The pairs are dealt into halves, anew in each repeat, and each half is scored by an ensemble trained on the other. Intervals
are of pictures drawn again, each with all decisions on it and on its stego; they do not include what other training
pictures would change. PSNRs are of the shown pictures, against the same file without a message.

Exit status 1 when a control is found too seldom.
"""

import sys
import time
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from common import envelope, finish, make_parser, pictures, print_table, receiver, root_of
from csfnns.coding.uerd import changed, flatten
from csfnns.images.io import read_picture
from csfnns.images.jpeg_file import Coefficients, write_coefficients
from csfnns.images.metrics import psnr
from csfnns.methods import Jpeg
from csfnns.steganalysis import cross_scores, dctr_features
from csfnns.stream import Seed
from detection import accuracy_row

Row = dict[str, Any]

SIZES = (2_000, 5_000)
"""Random bytes by the method."""
SHARES = (0.1, 0.2)
"""Of the coefficients above frequency 0 that are not 0, changed at random: the controls."""
CONTROL = 0.85
"""Least accuracy on the second."""
REPEATS = 5


def materials(cover: Coefficients, path: Path, root: Seed, i: int) -> dict[str, tuple[str, Coefficients]]:
    """Stegos of the i-th cover, by name, with what they are."""
    found, picture = {}, read_picture(path)
    for size in SIZES:
        label = f"jpeg-detection/{size}/{i}"
        data = {receiver(root, label): root.derive(f"benchmark/data/{label}").stream().take(size)}
        stego = Jpeg().embed(picture, data, envelope=envelope(root, label))
        found[f"direct-{size}"] = f"direct, {size:,} bytes", stego
    values = flatten(cover.planes)
    places = np.flatnonzero(values)
    most = round(np.count_nonzero(flatten(stego.planes) - values))
    counts = {f"±1 on {100 * share:g} % of the others than 0": round(share * len(places)) for share in SHARES}
    counts[f"±1 on as many as direct, {SIZES[-1]:,} bytes"] = most
    for k, (what, count) in enumerate(counts.items()):
        random = np.random.default_rng([*root.data[-4:], i, k])
        delta = np.zeros(values.size, np.int8)
        delta[random.choice(places, count, replace=False)] = random.choice([-1, 1], count)
        found[f"random-{k}"] = what, changed(cover, delta)
    return found


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    arguments = make_parser(__doc__).parse_args()
    paths = pictures(arguments.data / "covers")[: 24 if arguments.quick else None]
    root, plain, seconds = root_of(arguments), [], 0.0
    features: dict[str, list[Any]] = {}
    figures: dict[str, list[tuple[float, float]]] = {}
    labels: dict[str, str] = {}
    for i, path in enumerate(paths):
        cover = Jpeg().plain(read_picture(path))
        shown = read_picture(write_coefficients(cover))
        started = time.process_time()
        plain.append(dctr_features(cover))
        seconds += time.process_time() - started
        for name, (what, stego) in materials(cover, path, root, i).items():
            labels[name] = what
            features.setdefault(name, []).append(dctr_features(stego))
            share = float((flatten(stego.planes) != flatten(cover.planes)).mean())
            figures.setdefault(name, []).append((psnr(shown, read_picture(write_coefficients(stego))), share))
    rows, names = list[Row](), [path.stem for path in paths]
    for name, found in features.items():
        scores = []
        for repeat in range(1, (2 if arguments.quick else REPEATS) + 1):
            started = time.process_time()
            sides = cross_scores(np.array(plain), np.array(found), folds=2, seed=repeat)
            scores.append({"names": names, "covers": sides[0].tolist(), "stegos": sides[1].tolist()})
            scores[-1]["seconds"] = time.process_time() - started
        psnrs, shares = zip(*figures[name], strict=True)
        about: Row = {"detector": "dctr", "material": name, "what": labels[name]}
        about |= {"control": name.startswith("random"), "size": "512x512", "pairs": len(paths)}
        about |= {"stego_psnr": {"mean": fmean(psnrs), "sd": pstdev(psnrs)}, "changed": fmean(shares)}
        rows.append(about | accuracy_row(scores, arguments.seed))
    head = ("stegos", "pairs", "stego dB", "% changed", "% right", "AUC", "95 %")
    table = [
        (
            *(row["what"], row["pairs"], row["stego_psnr"]["mean"], 100 * row["changed"], 100 * row["accuracy"]),
            *(f"{row['auc']:.3f}", "…".join(f"{end:.3f}" for end in row["interval"])),
        )
        for row in rows
    ]
    print_table(head, table)
    (control,) = (row for row in rows if row["material"] == f"random-{len(SHARES) - 1}")
    failed = [] if control["accuracy"] >= CONTROL else [f"{control['what']}: found in {control['accuracy']:.3f}"]
    content = {"rows": rows, "repeats": REPEATS, "seconds_a_picture": seconds / len(paths)}
    out = arguments.out or Path(__file__).parents[1] / "results" / "detection" / "dctr.json"
    return finish("jpeg_detection", content, failed, out)


if __name__ == "__main__":
    sys.exit(main())

"""Checks statistical detectors on Kodak's 24 pictures, where the share of replaced lowest bits is known.

Sample pairs and RS must report the share, and StegExpose must find it. What detectors find of the package's own stegos is
measured by detection.py.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from common import finish, make_parser, pictures, print_table
from csfnns.experiments.pairs import lsb_matching
from csfnns.images.io import Picture, read_picture
from csfnns.steganalysis import DETECTORS, make_detector, roc

STATISTICS = tuple(name for name, entry in DETECTORS.entries().items() if entry.kind == "statistic")
RATES = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)
RATE_OFF = 0.05
"""Largest error of the mean estimate of sample pairs and RS, at rates above 0."""
KNOWN = 0.2
"""Rate at which areas are measured."""
LEAST_FOUND = 0.95
"""Least AUC of StegExpose for bits replaced at that rate."""


def matched(cover: Picture, rate: float, random: np.random.Generator) -> Picture:
    """Cover with a share of the bits, at random places, written by ±1: half of them change a level."""
    return lsb_matching(cover, round(rate / 2 * cover.size), random)


def replaced(cover: Picture, rate: float, random: np.random.Generator) -> Picture:
    """Cover with random lowest bits at a share of random places."""
    bits = random.integers(0, 2, cover.shape, np.uint8)
    return np.where(random.random(cover.shape) < rate, (cover & 254) | bits, cover)


def scores(name: str, shown: Sequence[Picture]) -> Any:
    """Scores of a detector, (N,)."""
    detector = make_detector(name)
    return np.array([detector.score(each) for each in shown])


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    arguments = make_parser(__doc__).parse_args()
    paths = pictures(arguments.data / "kodak")[: 6 if arguments.quick else None]
    covers, failed, rates = [read_picture(path) for path in paths], [], []
    for rate in RATES:
        stegos = [replaced(each, rate, np.random.default_rng([arguments.seed, i])) for i, each in enumerate(covers)]
        row: dict[str, Any] = {"rate": rate}
        for name in STATISTICS:
            values = scores(name, stegos)
            row[name] = (float(values.mean()), float(values.std(ddof=1)))
        rates.append(row)
        failed += [
            f"{name} reports {row[name][0]:.3f} for a rate of {rate}"
            for name in ("sample-pairs", "rs")
            if rate and abs(row[name][0] - rate) > RATE_OFF
        ]
    table = [[f"{row['rate']:.1f}", *("{:.3f} ± {:.3f}".format(*row[n]) for n in STATISTICS)] for row in rates]
    print_table(("score at rate", *STATISTICS), table)
    areas: dict[str, Any] = {}
    plain = {name: scores(name, covers) for name in STATISTICS}
    for label, change in (("replaced", replaced), ("matching", matched)):
        stegos = [change(each, KNOWN, np.random.default_rng([arguments.seed, i])) for i, each in enumerate(covers)]
        found = {name: roc(plain[name], scores(name, stegos), paired=True) for name in STATISTICS}
        areas[label] = {name: {"auc": r.auc, "low": r.low, "high": r.high} for name, r in found.items()}
    found_share = areas["replaced"]["stegexpose"]["auc"]
    if found_share < LEAST_FOUND:
        failed.append(f"StegExpose finds replacement at {KNOWN} with AUC {found_share:.3f}")
    cells = "{auc:.3f} ({low:.3f}…{high:.3f})"
    table = [[label, *(cells.format(**row[name]) for name in STATISTICS)] for label, row in areas.items()]
    print_table((f"AUC at rate {KNOWN}", *STATISTICS), table)
    content = {"pictures": len(covers), "rates": rates, "areas": areas}
    return finish("steganalysis", content, failed, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

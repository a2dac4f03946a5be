"""What the pretrained detectors find, and how often they are wrong about covers: `python benchmarks/pretrained.py`.

Pairs of pictures that no training saw: crops of covers/eval, covers of `abstract`, and crops of Kodak's photographs, with
stegos of several schemes; secrets are of ImageNet. A detector says "stego" above 0.5. The pairs are kept in --work, so that
detectors that are trained anew are tested on the same.
"""

import argparse
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from common import ROOT, finish, make_parser, print_table
from csfnns.experiments import PairSet, PairSpec, load_pairs, make_pairs
from csfnns.steganalysis import Deep, find_model, roc

DETECTORS = ("xunet",)
SIDE = 256
COVERS = {"diffusion": "covers/eval", "abstract": None, "photographs": "kodak"}
"""Name of the covers → their folder; None: made by that generator."""
MATERIALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *((covers, "matching", {"rate": 0.4}) for covers in COVERS),
    *((covers, "standard", {"bpp": "24"}) for covers in COVERS),
    *((covers, "standard", {"bpp": "6"}) for covers in COVERS),
    ("diffusion", "paper", {"bpp": "6", "side": 128}),
    ("diffusion", "direct-grain", {"bytes": 4000}),
)
"""Covers, scheme and settings of each set."""
LEAST_CONTROL = 0.85
"""Share that is right of LSB matching that changes 20 % of the levels, on the covers that are like those trained on."""


def main() -> int:
    """Make the pairs that are missing, score them, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__, seed=2)
    parser.add_argument("--pairs", type=int, default=40, help="of each set (default %(default)s)")
    parser.add_argument("--paper-pairs", type=int, default=20, help="of the set of `paper` (default %(default)s)")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "pretrained", help="(default %(default)s)")
    arguments = parser.parse_args()
    rows = [measure(make(*material, arguments), *material) for material in MATERIALS]
    head = ("covers", "scheme", "bits a pixel", "pairs", "stego, dB", *DETECTORS)
    cells = [[*(row[name] for name in ("covers", "scheme", "payload", "pairs", "psnr")), *shown(row)] for row in rows]
    print_table(head, cells)
    failed = [
        f"{name} is right about {row['detectors'][name]['right']:.0%} of LSB matching on {row['covers']}"
        for row in rows[:1]
        for name in DETECTORS
        if row["detectors"][name]["right"] < LEAST_CONTROL
    ]
    return finish("pretrained", {"rows": rows}, failed, arguments.out)


def make(covers: str, scheme: str, settings: dict[str, Any], arguments: argparse.Namespace) -> PairSet:
    """The set of a material."""
    count = arguments.paper_pairs if scheme == "paper" else arguments.pairs
    folder = arguments.work / "-".join([covers, scheme, settings.get("bpp", "")]).rstrip("-")
    source, data = COVERS[covers], arguments.data
    hides_pictures = {"secrets": data / "secrets" / "imagenet"} if "bpp" in settings else {}
    place = covers if source is None else data / source
    spec = PairSpec(scheme, place, seed=arguments.seed, **({"side": SIDE} | hides_pictures | settings))
    make_pairs(spec, 2 if arguments.quick else count, folder)
    return load_pairs(folder)


def measure(pairs: PairSet, covers: str, scheme: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Figures of each detector on a set."""
    detectors = {}
    for name in DETECTORS:
        detector = Deep.load(find_model(name))
        plain, hiding = (detector.scores([read(each) for each in pairs.names]) for read in (pairs.cover, pairs.stego))
        curve = roc(plain, hiding, paired=True)
        detectors[name] = {
            "right": float(((plain <= 0.5).sum() + (hiding > 0.5).sum()) / (2 * len(pairs.names))),
            "false_alarms": float((plain > 0.5).mean()),
            "auc": curve.auc,
            "interval": [curve.low, curve.high],
        }
    return {
        "covers": covers,
        "scheme": scheme,
        "payload": pairs.payload,
        "side": settings.get("side", SIDE),
        "pairs": len(pairs.names),
        "psnr": fmean(float(row["psnr"]) for row in pairs.figures.values()),
        "changed": fmean(float(row["changed"]) for row in pairs.figures.values()),
        "detectors": detectors,
    }


def shown(row: dict[str, Any]) -> list[str]:
    """What is right, the false alarms and the AUC of each detector."""
    each = (row["detectors"][name] for name in DETECTORS)
    return [f"{found['right']:.1%}, {found['false_alarms']:.1%}, {found['auc']:.3f}" for found in each]


if __name__ == "__main__":
    sys.exit(main())

"""Statistical detectors: checked at known rates of embedding, then turned on the profile `standard` and on files.

Checks on kodak, 24 pictures of 768x512: bits replaced at random places come back as rates, and are found. Then covers
of covers/eval and covers/train, 512x512, against stegos made of them: the profile `standard` with secrets/imagenet (used
again and again, fitted to 256x256 by Pillow's LANCZOS), 20 kB of random bytes by the direct scheme, and for comparison
the same bytes by ±1 at random places (LSB matching). Where stegos are held to the law of grain, the pictures without a
message carry grain too. The trained detector is judged by cross-validation in five parts of whole pairs.

Stegos are kept in a folder, so a run that was stopped goes on where it was. Empty the folder after changes to the
schemes. Exit status 1 when a bar fails.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import ROOT, make_method, make_parser, pictures, print_table, save
from csfnns.experiments.teaching import matched
from csfnns.measure import compare
from csfnns.output import write_picture
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import Direct, ReceiverSeeds
from csfnns.steganalysis import UNTRAINED, cross_scores, make_detector, roc, spam_features
from csfnns.stream import Seed

RATES = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)
RATE_OFF = 0.05
"""Most that the mean estimate of sample pairs and RS may be off, at rates above 0."""
REPLACED = 0.2
LEAST_FOUND = 0.95
"""AUC of StegExpose for bits replaced at that rate, at least."""
MOST_FOUND = {"standard": 0.55, "direct": 0.53}
"""AUC of StegExpose for stegos, at most. The paper has 0.594 (Fig. 4a)."""
BYTES = 20_000


def replaced(cover: Picture, rate: float, random: np.random.Generator) -> Picture:
    """Cover with random lowest bits at a share of random places."""
    bits = random.integers(0, 2, cover.shape, np.uint8)
    return np.where(random.random(cover.shape) < rate, (cover & 254) | bits, cover)


def measure_rates(covers: Sequence[Picture], seed: int, failed: list[str]) -> list[dict[str, Any]]:
    """Scores at known rates of replacement: mean and spread over pictures."""
    rows = []
    for rate in RATES:
        stegos = [replaced(each, rate, np.random.default_rng([seed, i])) for i, each in enumerate(covers)]
        scores = {name: score_all(name, stegos) for name in UNTRAINED}
        row = {name: (float(values.mean()), float(values.std(ddof=1))) for name, values in scores.items()}
        rows.append({"rate": rate} | row)
        for name in ("sample-pairs", "rs"):
            if rate and abs(row[name][0] - rate) > RATE_OFF:
                failed.append(f"{name} says {row[name][0]:.3f} for a rate of {rate}")
    table = [
        [f"{row['rate']:.1f}", *(f"{row[name][0]:.3f} ± {row[name][1]:.3f}" for name in UNTRAINED)]
        for row in rows
    ]
    print_table(("replaced, kodak", *UNTRAINED), table)
    return rows


def measure_known(covers: Sequence[Picture], seed: int, failed: list[str]) -> dict[str, dict[str, Any]]:
    """How well each detector finds bits replaced, and ±1, at one rate."""
    results = {}
    for name, embed in (("replacement", replaced), ("matching", matched)):
        stegos = [embed(each, REPLACED, np.random.default_rng([seed, i])) for i, each in enumerate(covers)]
        results[name] = judge(covers, stegos)
    found = results["replacement"]["stegexpose"]["auc"]
    if found < LEAST_FOUND:
        failed.append(f"StegExpose finds replacement at {REPLACED} with AUC {found:.3f}, below {LEAST_FOUND}")
    print_aucs(f"AUC at rate {REPLACED}, kodak", results)
    return results


def score_all(name: str, pictures: Sequence[Picture]) -> Any:
    """Scores of a detector that needs no model, (N,)."""
    detector = make_detector(name)
    return np.array([detector.score(each) for each in pictures])


def judge(covers: Sequence[Picture], stegos: Sequence[Picture]) -> dict[str, Any]:
    """Area and interval for each detector that needs no model."""
    results = {}
    for name in UNTRAINED:
        found = roc(score_all(name, covers), score_all(name, stegos), paired=True)
        results[name] = {"auc": found.auc, "low": found.low, "high": found.high}
    return results


def print_aucs(head: str, results: dict[str, dict[str, Any]]) -> None:
    """Row for each kind of stego."""
    table = [
        [kind, *(f"{row[n]['auc']:.3f} ({row[n]['low']:.3f}…{row[n]['high']:.3f})" for n in UNTRAINED)]
        for kind, row in results.items()
    ]
    print_table((head, *UNTRAINED), table)


@dataclass(frozen=True)
class Maker:
    """Makes stegos, or takes those that are in the folder."""

    folder: Path
    root: Seed
    secrets: Sequence[Path]

    def picture(self, kind: str, path: Path, i: int) -> Picture:
        """Picture of that kind on the i-th cover, uint8 (H, W, 3)."""
        file = self.folder / kind / f"{path.parent.name}-{path.stem}.png"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_picture(self._make(kind, read_picture(path), path, i), file)
        return read_picture(file)

    def _make(self, kind: str, cover: Picture, path: Path, i: int) -> Picture:
        own = self.root.derive(f"benchmark/steganalysis/{kind}/{path.parent.name}/{path.name}")
        seeds = ReceiverSeeds(own.derive("decoder"), own.derive("header"))
        if kind == "standard":
            scheme, side = make_method(kind, "6", cover.shape[0])
            stego: Picture = scheme.embed(
                cover, {seeds: fit(read_picture(self.secrets[i % len(self.secrets)]), side, side)}
            )
            return stego
        if kind == "decoy":
            return Direct("grain").decoy(cover, own)
        data = own.derive("data").stream().take(BYTES)
        if kind == "matching":
            rate = 8 * BYTES / cover.size
            return matched(cover, rate, np.random.default_rng(list(data[:16])))
        return Direct("grain" if kind == "grain" else "cost").embed(cover, {seeds: data})


KINDS = {
    "standard": None,
    "direct": None,
    "matching": None,
    "grain": "decoy",
}
"""Stegos, and what the pictures without a message are: the cover itself, or a picture of that kind."""


def measure_scheme(kind: str, paths: Sequence[Path], maker: Maker) -> dict[str, Any]:
    """What every detector, and the trained one, make of one kind of stego."""
    plain, detectors = KINDS[kind], {name: make_detector(name) for name in UNTRAINED}
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in detectors}
    features, fidelity = [], []
    for i, path in enumerate(paths):
        stego = maker.picture(kind, path, i)
        cover = maker.picture(plain, path, i) if plain else read_picture(path)
        for name, detector in detectors.items():
            scores[name].append((detector.score(cover), detector.score(stego)))
        features.append((spam_features(cover), spam_features(stego)))
        figures = compare(read_picture(path), stego)
        fidelity.append((figures.psnr, figures.changed))
    psnr, changed = np.mean(fidelity, axis=0)
    result: dict[str, Any] = {"pairs": len(paths), "psnr": float(psnr), "changed": float(changed)}
    for name, both in scores.items():
        c, s = np.array(both).T
        found = roc(c, s, paired=True)
        result[name] = {"auc": found.auc, "low": found.low, "high": found.high}
        result[name] |= {
            "covers": float(c.mean()),
            "stegos": float(s.mean()),
            "scores": np.array(both).tolist(),
        }
    c, s = cross_scores(*np.moveaxis(np.array(features), 1, 0))
    found = roc(c, s, paired=True)
    right = float(((c < 0.5).mean() + (s > 0.5).mean()) / 2)
    result["spam"] = {"auc": found.auc, "low": found.low, "high": found.high, "accuracy": right}
    return result


def measure_schemes(
    paths: Sequence[Path], kinds: Sequence[str], maker: Maker, failed: list[str]
) -> dict[str, Any]:
    """All kinds of stego; bars for StegExpose."""
    results = {}
    for kind in kinds:
        results[kind] = measure_scheme(kind, paths, maker)
        found = results[kind]["stegexpose"]["auc"]
        if found > MOST_FOUND.get(kind, 1):
            failed.append(f"StegExpose finds {kind} with AUC {found:.3f}, above {MOST_FOUND[kind]}")
    print_aucs(f"AUC, {len(paths)} covers", results)
    table = []
    for kind, row in results.items():
        spam = row["spam"]
        interval = f"{spam['low']:.3f}…{spam['high']:.3f}"
        right = 100 * spam["accuracy"]
        table.append([kind, row["psnr"], 100 * row["changed"], right, f"{spam['auc']:.3f}", interval])
    print_table(("SPAM, trained", "stego dB", "% changed", "% right", "AUC", "95 % interval"), table)
    return results


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--covers", type=int, default=120, help="eval first, then train (default %(default)s)"
    )
    parser.add_argument("--kinds", default=",".join(KINDS), help="of stegos (default %(default)s)")
    parser.add_argument(
        "--stegos",
        type=Path,
        default=ROOT / "runs" / "steganalysis",
        help="where they are kept (default %(default)s)",
    )
    arguments = parser.parse_args()
    kinds = [each for each in arguments.kinds.split(",") if each]
    if set(kinds) - set(KINDS):
        parser.error(f"--kinds are some of {', '.join(KINDS)}")
    count = 12 if arguments.quick else arguments.covers
    every = [path for part in ("eval", "train") for path in pictures(arguments.data / "covers" / part)]
    if not 10 <= count <= len(every):
        raise SystemExit(f"There are {len(every)} covers, and at least 10 are needed, not {count}.")
    kodak = [read_picture(path) for path in pictures(arguments.data / "kodak")]
    root = Seed(arguments.seed.to_bytes(32, "big"))
    secrets = pictures(arguments.data / "secrets" / "imagenet")
    maker = Maker(arguments.stegos / str(arguments.seed), root, secrets)
    failed: list[str] = []
    content: dict[str, Any] = {
        "rates": measure_rates(kodak, arguments.seed, failed),
        "known": measure_known(kodak, arguments.seed, failed),
        "schemes": measure_schemes(every[:count], kinds, maker, failed),
    }
    save("steganalysis", content | {"failed": failed}, arguments.out)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

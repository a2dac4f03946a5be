"""Train a detector network (src/csfnns/steganalysis/deep.py) on pairs of cover and stego, as the pretrained ones were.

    python training/detectors.py --detector xunet --out runs/detectors
    python training/detectors.py --detector siastegnet --pairs runs/detectors/pairs --out runs/detectors --device cuda
    python training/detectors.py --detector xunet --out runs/detectors --test-covers clean --test-stegos sent

Covers are crops of covers/train below --data, secrets the pictures of secrets/; covers/eval, with which the benchmarks
measure, is never read. --pairs takes a set that `csfnns experiment pairs` made instead. The same command resumes a run
that was stopped, and only tests a finished one again: its pairs are in OUT/pairs, its state in OUT/NAME.state. The
weights are rounded to half precision and tested as they are written: OUT/NAME.safetensors, beside the card OUT/NAME.md
and the curve OUT/NAME.json.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from csfnns.errors import CsfnnsError
from csfnns.experiments import PairSet, PairSpec, load_pairs, make_pairs
from csfnns.experiments.pairs import source_of
from csfnns.files import write_result
from csfnns.images.io import READABLE, read_picture
from csfnns.steganalysis import Deep, TrainingConfig, networks, roc, train_network

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CSFNNS_DATA", ROOT.parent / "shared" / "data"))
EVERY = 30.0
"""Seconds between two lines of progress."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pairs that are missing, train, test, and write the weights."""
    settings = _parser().parse_args(arguments)
    if (settings.test_covers is None) != (settings.test_stegos is None):
        raise SystemExit("--test-covers and --test-stegos go together.")
    try:
        _run(settings)
    except CsfnnsError as error:
        raise SystemExit(f"error: {error.message}\nhint: {error.hint}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of pairs, state, weights and card")
    add("--detector", choices=networks(), default="xunet", help="(default %(default)s)")
    add("--pairs", type=Path, help="set of pairs to train on, instead of making one")
    add("--data", type=Path, default=DATA, help="folder of real pictures (default %(default)s)")
    add("--size", type=int, default=128, help="side of the covers (default %(default)s)")
    add("--crops", type=int, default=8, help="pairs of each picture (default %(default)s)")
    add("--search-steps", type=int, help="steps of each pair's search; the profile's own unless given")
    add("--pictures", help="what the covers are, for the card; Stable Diffusion pictures without --pairs")
    add("--licence", default="Apache-2.0", help="of the weights, for the card (default %(default)s)")
    add("--steps", type=int, default=3000, help="of the training (default %(default)s)")
    add("--batch", type=int, default=8, help="pairs a step (default %(default)s)")
    add("--crop", type=int, default=64, help="side of the squares trained on (default %(default)s)")
    add("--rate", type=float, help="highest learning rate; the network's own unless given")
    add("--seed", type=int, default=1, help="of every random choice (default %(default)s)")
    add("--start", type=Path, help="model to start from")
    add("--device", default="cpu", help="torch device (default %(default)s)")
    add("--test-covers", type=Path, help="whole pictures to test on, without crops in the training")
    add("--test-stegos", type=Path, help="stegos of these, with the same names")
    return parser


def _run(settings: argparse.Namespace) -> None:
    test = None if settings.test_covers is None else _test(settings.test_covers, settings.test_stegos)
    pairs = load_pairs(settings.pairs or made_pairs(settings))
    names = ("detector", "steps", "batch", "crop", "rate", "seed", "start", "device")
    path = settings.out / f"{settings.detector}.safetensors"
    settings.out.mkdir(parents=True, exist_ok=True)
    result = train_network(
        [pairs.cover(name) for name in pairs.names],
        [pairs.stego(name) for name in pairs.names],
        TrainingConfig(**{name: getattr(settings, name) for name in names}),
        groups=[source_of(name) for name in pairs.names],
        state=path.with_suffix(".state"),
        progress=_reporter("step"),
    )
    curve = (json.dumps(result.curve, indent=1) + "\n").encode()
    write_result(path.with_suffix(".json"), curve, overwrite=True)
    pictures = settings.pictures or ("pictures" if settings.pairs else "Stable Diffusion pictures")
    notes = {"data": described(pictures, pairs), "licence": settings.licence}
    result.detector.save(path, **notes, half=True, overwrite=True)
    # The rounded weights are tested as they were written.
    written = Deep.load(path, device=settings.device)
    about = dict(written.about) | {"accuracy": _accuracy(written, pairs, result.held_out)}
    if test is not None:
        about |= _tested(written, *test)
    replace(written, about=about).save(path, half=True, overwrite=True)
    print(path.with_suffix(".md").read_text("utf-8"))


def made_pairs(settings: argparse.Namespace) -> Path:
    """Folder with the pairs of the recipe: paper, 6 bits a pixel; those that are missing are made."""
    covers = settings.data / "covers" / "train"
    pictures = _pictures(covers)
    spec = PairSpec(
        scheme="paper",
        covers=covers,
        secrets=settings.data / "secrets",
        side=settings.size,
        bpp="6",
        steps=settings.search_steps,
        seed=settings.seed,
        device=settings.device,
    )
    folder: Path = settings.out / "pairs"
    report = _reporter("pair")
    make_pairs(spec, settings.crops * len(pictures), folder, lambda _, done, count: report(done, count))
    return folder


def described(pictures: str, pairs: PairSet) -> str:
    """What a network was trained on, for people."""
    return f"{pictures} with secrets of the scheme {pairs.scheme}, {pairs.payload:g} bits a pixel"


def _accuracy(detector: Deep, pairs: PairSet, held_out: Sequence[int]) -> float:
    names = [pairs.names[i] for i in held_out]
    covers, stegos = (detector.scores([read(name) for name in names]) for read in (pairs.cover, pairs.stego))
    return float((covers <= 0.5).sum() + (stegos > 0.5).sum()) / (2 * len(names))


def _test(covers: Path, stegos: Path) -> tuple[list[Path], list[Path]]:
    """Pictures to test on, of equal names. Ends the program where they are not pairs."""
    originals, changed = _pictures(covers), _pictures(stegos)
    if [path.stem for path in originals] != [path.stem for path in changed]:
        raise SystemExit(f"The pictures of {covers} and {stegos} are not pairs: their names differ.")
    return originals, changed


def _tested(detector: Deep, originals: Sequence[Path], changed: Sequence[Path]) -> dict[str, Any]:
    """Accuracy at 0.5 on whole pictures that it never saw, and area under the curve with its interval."""
    covers, stegos = (detector.scores([read_picture(path) for path in paths]) for paths in (originals, changed))
    curve = roc(covers, stegos, paired=True)
    correct = int((covers <= 0.5).sum() + (stegos > 0.5).sum())
    return {
        "test_pictures": 2 * len(originals),
        "test_accuracy": correct / (2 * len(originals)),
        "test_auc": round(curve.auc, 3),
        "test_auc_interval": [round(curve.low, 3), round(curve.high, 3)],
    }


def _pictures(folder: Path) -> list[Path]:
    """Pictures of a folder by name. Ends the program where there are none."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in READABLE)
    if not found:
        raise SystemExit(f"There are no pictures in {folder}: point --data or CSFNNS_DATA at them.")
    return found


def _reporter(what: str) -> Callable[[int, int], None]:
    """Function that prints a line every half minute, and at the end."""
    last = time.monotonic()

    def report(done: int, count: int) -> None:
        nonlocal last
        if done == count or time.monotonic() - last > EVERY:
            last = time.monotonic()
            print(f"{what} {done} of {count}", flush=True)

    return report


if __name__ == "__main__":
    main()

"""Train a detector network (src/csfnns/steganalysis/deep.py) on pairs of cover and stego, as the pretrained ones were.

    python training/detectors.py --detector xunet --pairs runs/a --pairs runs/b --out runs/detectors

Pairs are sets that `csfnns experiment pairs` made; a quarter of the pictures that they are cut from is held out. The same
command resumes a run that was stopped, and only tests a finished one again. The weights are rounded to half precision and
tested as they are written, on what is held out of each set. OUT/NAME.safetensors lies beside the card OUT/NAME.md, the
curve and the tests OUT/NAME.json, and the state OUT/NAME.state. benchmarks/pretrained.py measures those that ship.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from csfnns.errors import CsfnnsError
from csfnns.experiments import PairSet, load_pairs
from csfnns.experiments.pairs import source_of
from csfnns.files import write_result
from csfnns.steganalysis import Deep, TrainingConfig, networks, roc, train_network

EVERY = 30.0
"""Seconds between two lines of progress."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, test, and write the weights."""
    settings = _parser().parse_args(arguments)
    try:
        _run(settings)
    except CsfnnsError as error:
        raise SystemExit(f"error: {error.message}\nhint: {error.hint}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of state, weights and card")
    add("--pairs", type=Path, action="append", required=True, help="set of pairs to train on; repeat for more")
    add("--detector", choices=networks(), default="xunet", help="(default %(default)s)")
    add("--pictures", default="pictures", help="what the covers are, for the card")
    add("--licence", default="Apache-2.0", help="of the weights, for the card (default %(default)s)")
    add("--steps", type=int, default=3000, help="of the training (default %(default)s)")
    add("--batch", type=int, default=8, help="pairs a step (default %(default)s)")
    add("--crop", type=int, default=64, help="side of the squares trained on (default %(default)s)")
    add("--rate", type=float, help="highest learning rate; the network's own unless given")
    add("--seed", type=int, default=1, help="of every random choice (default %(default)s)")
    add("--start", type=Path, help="model to start from")
    add("--device", default="cpu", help="torch device (default %(default)s)")
    return parser


def _run(settings: argparse.Namespace) -> None:
    sets = [load_pairs(folder) for folder in settings.pairs]
    pairs = [(each, name) for each in sets for name in each.names]
    names = ("detector", "steps", "batch", "crop", "rate", "seed", "start", "device")
    path = settings.out / f"{settings.detector}.safetensors"
    settings.out.mkdir(parents=True, exist_ok=True)
    result = train_network(
        [each.cover(name) for each, name in pairs],
        [each.stego(name) for each, name in pairs],
        TrainingConfig(**{name: getattr(settings, name) for name in names}),
        groups=[source_of(name) for _, name in pairs],
        state=path.with_suffix(".state"),
        progress=_reporter("step"),
    )
    schemes = dict.fromkeys(f"{each.scheme}, {each.payload:g} bits a pixel" for each in sets)
    notes = {"data": f"{settings.pictures}; stegos of {'; '.join(schemes)}", "licence": settings.licence}
    result.detector.save(path, **notes, half=True, overwrite=True)
    # The rounded weights are tested as they were written.
    written = Deep.load(path, device=settings.device)
    held_out = [pairs[i] for i in result.held_out]
    tested = [_tested(written, each, [name for of, name in held_out if of is each]) for each in sets]
    right, pictures = (sum(row[name] for row in tested) for name in ("right", "pictures"))
    about = dict(written.about) | {"accuracy": right / pictures}
    replace(written, about=about).save(path, half=True, overwrite=True)
    report = {"curve": result.curve, "tested": tested}
    write_result(path.with_suffix(".json"), (json.dumps(report, indent=1) + "\n").encode(), overwrite=True)
    print(path.with_suffix(".md").read_text("utf-8"))
    for row in tested:
        print(f"{row['set']}: {row['right']} of {row['pictures']} right, AUC {row['auc']}")


def _tested(detector: Deep, pairs: PairSet, names: Sequence[str]) -> dict[str, Any]:
    """What is right at 0.5 on whole pictures that it never saw, and the area under the curve."""
    covers, stegos = (detector.scores([read(name) for name in names]) for read in (pairs.cover, pairs.stego))
    right = int((covers <= 0.5).sum() + (stegos > 0.5).sum())
    return {
        "set": pairs.folder.resolve().name,
        "scheme": pairs.scheme,
        "payload": pairs.payload,
        "pictures": 2 * len(names),
        "right": right,
        "auc": round(roc(covers, stegos, paired=True).auc, 4) if names else None,
    }


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

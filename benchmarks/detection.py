"""How well detectors that learn from scratch tell stegos from their covers, each beside material that it should find.

Covers are the first 120 of covers/train, 512x512; the last 43 chose the parameters and are not used. Secrets are those of
imagenet, coco and celebahq in turn, resized to 256x256 by Pillow's LANCZOS. Keys follow from the seed and the index.

Networks learn by Figure 4's procedure (csfnns.experiments.judging): a third of the pictures is held out, others in each
split, and judged whole; squares of the rest are learned from, by SRNet in stages. SPAM is judged by five-fold
cross-validation of whole pairs, dealt anew in each repeat. The interval of an accuracy is from pictures drawn again, each
with all verdicts on it and on its stego; it does not include what other pictures to learn from would change, which the
accuracies of single splits show.

The result is written anew after each row, and stegos and verdicts are kept in a folder that is named after the code: a run
that was stopped goes on where it was. Exit status 1 when a bar fails.
"""

import json
import math
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from common import ROOT, make_method, make_parser, pictures, print_table
from csfnns.errors import NoMessageError
from csfnns.experiments.judging import Teaching, plan_judging, run_judging, split
from csfnns.experiments.pair_set import VERSION, PairSet, load_pairs
from csfnns.experiments.provenance import code_digest
from csfnns.experiments.store import Store
from csfnns.experiments.teaching import describe_stages, matched
from csfnns.experiments.verdicts import accuracy, area
from csfnns.measure import compare
from csfnns.output import write_picture
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.trellis import COST_EXPONENT, Trellis
from csfnns.search.viterbi import default_form
from csfnns.steganalysis import cross_scores, make_detector, roc, spam_features
from csfnns.stream import Seed

COVERS = 120
"""Of covers/train; those behind them chose parameters."""
SECRETS = ("imagenet", "coco", "celebahq")
DETECTORS = ("xunet", "siastegnet", "srnet", "spam", "stegexpose")
NETWORKS = DETECTORS[:3]
SLOWEST_FIRST = ("srnet", "siastegnet", "xunet")
FIRST = ("standard", "matching-40", "matching-10")
"""Materials that are judged before any others."""
FOLDS = 5
CONTROL = 0.8
"""Accuracy of a network on one of its controls, at least: else what it says of other material is worthless."""
BARS = {"spam": 0.58, "stegexpose": 0.52} | dict.fromkeys(NETWORKS, 0.65)
"""Accuracy on `standard`, at most; of StegExpose the AUC."""
CODE = ("schemes", "search", "coding", "decoders", "payloads", "steganalysis", "picture.py")
PAPER_BATCH = 15

Row = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What detectors are shown beside the covers."""

    label: str
    side: int = 512
    """Of pictures; below 512 their middle."""
    exponent: float | None = None
    """Of HILL's cost, for the trellis."""
    share: float | None = None
    """Of the sub-pixels changed by ±1 at random places, for LSB matching; 0: as many as `standard` changes there."""
    control: bool = False
    most: int = COVERS
    """Pairs, at most."""


MATERIALS = {
    "standard": Material("trellis, defaults", exponent=COST_EXPONENT),
    "matching-40": Material("LSB matching, 40 % changed", share=0.4, control=True),
    "matching-10": Material("LSB matching, 10 % changed", share=0.1, control=True),
    "matching-same": Material("LSB matching, as many changes as standard", share=0.0),
    "paper": Material("the paper's search, middles of 256x256", side=256, most=60),
    "unweighted": Material("trellis, all places at one cost", exponent=0.0),
    "textured": Material("trellis, cost to the power 0.5", exponent=0.5),
}


@dataclass(frozen=True)
class Place:
    """Where pictures are and go."""

    covers: tuple[Path, ...]
    secrets: tuple[tuple[Path, ...], ...]
    work: Path
    seed: int

    def count(self, material: str) -> int:
        """Pairs of a material."""
        return min(len(self.covers), MATERIALS[material].most)

    def cover(self, material: str, i: int) -> Picture:
        """The i-th cover, uint8 (side, side, 3)."""
        picture, side = read_picture(self.covers[i]), MATERIALS[material].side
        top, left = ((long - side) // 2 for long in picture.shape[:2])
        return np.ascontiguousarray(picture[top : top + side, left : left + side])

    def secret(self, material: str, i: int) -> Picture:
        """The i-th secret, with half of the cover's side."""
        of_set = self.secrets[i % len(self.secrets)]
        side = MATERIALS[material].side // 2
        return fit(read_picture(of_set[i // len(self.secrets) % len(of_set)]), side, side)

    def secret_name(self, i: int) -> str:
        """Set and name of the i-th secret."""
        of_set = self.secrets[i % len(self.secrets)]
        path = of_set[i // len(self.secrets) % len(of_set)]
        return f"{path.parent.name}/{path.stem}"

    def seeds(self, i: int) -> ReceiverSeeds:
        """Key of the i-th pair."""
        root = Seed(self.seed.to_bytes(32, "big")).derive(f"benchmark/detection/{i}")
        return ReceiverSeeds(root.derive("decoder"), root.derive("header"))

    def file(self, material: str, kind: str, i: int) -> Path:
        """The i-th picture of that kind, covers or stegos."""
        return self.work / material / kind / f"{self.covers[i].stem}.png"

    def pairs(self, material: str) -> PairSet:
        """The pairs as Figure 4's judges take them."""
        return load_pairs(self.work / material)


def write_once(picture: Picture, file: Path) -> None:
    """Write a picture, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"unfinished-{os.getpid()}-{file.name}")
    write_picture(picture, unfinished)
    unfinished.replace(file)


def take_stego(place: Place, material: str, i: int) -> Picture:
    """The i-th stego: from the folder, or made and kept there."""
    file = place.file(material, "stegos", i)
    if not file.exists():
        write_once(embed(place, material, i), file)
    return read_picture(file)


def embed(place: Place, material: str, i: int) -> Picture:
    """The i-th stego by the trellis or by LSB matching."""
    about, cover = MATERIALS[material], place.cover(material, i)
    if about.exponent is not None:
        scheme = Trellis(exponent=about.exponent)
        return scheme.embed(cover, {place.seeds(i): place.secret(material, i)})
    assert about.share is not None
    share = about.share or compare(place.cover("standard", i), take_stego(place, "standard", i)).changed
    random = np.random.default_rng([place.seed, list(MATERIALS).index(material), i])
    return matched(cover, 2 * share, random)


def search_paper(place: Place, numbers: Sequence[int], device: str, steps: int | None) -> float:
    """Make stegos of `paper` that are not there; gives seconds."""
    started = time.monotonic()
    todo = [i for i in numbers if not place.file("paper", "stegos", i).exists()]
    if todo:
        scheme, _ = make_method("paper", "6", MATERIALS["paper"].side, steps)
        secrets = [{place.seeds(i): place.secret("paper", i)} for i in todo]
        covers = [place.cover("paper", i) for i in todo]
        for i, stego in zip(todo, replace(scheme, device=device).embed_batch(covers, secrets), strict=True):
            write_once(stego, place.file("paper", "stegos", i))
    return time.monotonic() - started


def look(place: Place, material: str, i: int, untrained: bool) -> tuple[Row, Any]:
    """Figures of the i-th pair, and SPAM's features of cover and stego, (2, 686)."""
    started = time.monotonic()
    cover, stego = place.cover(material, i), take_stego(place, material, i)
    if not place.file(material, "covers", i).exists():
        write_once(cover, place.file(material, "covers", i))
    figures = compare(cover, stego)
    row: Row = {"cover": place.covers[i].stem, "psnr": figures.psnr, "changed": figures.changed}
    if MATERIALS[material].share is None:
        scheme: Any = Trellis() if material != "paper" else make_method("paper", "6", cover.shape[0])[0]
        row |= {"secret": place.secret_name(i), "recovered": None}
        with suppress(NoMessageError):
            found = scheme.extract(stego, cover, place.seeds(i)).grid
            row["recovered"] = compare(found, place.secret(material, i)).psnr
    if untrained:
        row["stegexpose"] = [make_detector("stegexpose").score(each) for each in (cover, stego)]
    features = np.array([spam_features(each) for each in (cover, stego)])
    return row | {"seconds": time.monotonic() - started}, features


def judge_spam(features: Any, seed: int) -> Row:
    """Verdicts of one repeat of the cross-validation."""
    started = time.monotonic()
    covers, stegos = cross_scores(features[:, 0], features[:, 1], folds=FOLDS, seed=seed)
    row = {"covers": covers.tolist(), "stegos": stegos.tolist()}
    return row | {"seconds": time.monotonic() - started}


def begin_making() -> None:
    """What every other process does first: those that teach networks are not to wait for it."""
    if hasattr(os, "nice"):
        os.nice(10)


def begin_learning(device: str) -> None:
    """What every process that teaches networks does first."""
    import torch

    torch.set_num_threads(1)
    if device != "cpu":
        torch.backends.cudnn.benchmark = True


def judge_network(place: Place, material: str, detector: str, number: int, teaching: Teaching) -> Row:
    """Verdicts of a network in one split, by Figure 4's procedure."""
    pairs = place.pairs(material)
    taught = len(split(pairs.names, number).taught)
    teaching = replace(teaching, judges=(detector,), numbers=(taught,), seeds=number)
    plan = plan_judging([pairs], teaching)
    job = next(each for each in plan.jobs if (each.judge, each.seed) == (detector, number))
    store = Store(place.work / material / "judged")
    run_judging(replace(plan, jobs=(job,)), [pairs], teaching, store)
    return dict(store.rows()[job.id])


class Run:
    """A run: what is known, and the file that tells it."""

    def __init__(self, arguments: Any, place: Place) -> None:
        self.arguments, self.place, self.started = arguments, place, time.monotonic()
        self.figures: dict[str, list[Row]] = {}
        self.verdicts: dict[tuple[str, str], list[Row]] = {}
        self.left_out: list[str] = []

    @property
    def late(self) -> bool:
        """Whether nothing more may begin."""
        return time.monotonic() - self.started > self.arguments.limit

    def say(self, text: str) -> None:
        """Print with the time."""
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", flush=True)

    def note(self, material: str, detector: str, verdicts: Row, what: str) -> None:
        """Verdicts of one split."""
        self.verdicts.setdefault((material, detector), []).append(verdicts)
        share = accuracy(verdicts["covers"], verdicts["stegos"])
        known = f", {100 * accuracy(**verdicts['known']):.0f} % of known" if "known" in verdicts else ""
        took = _seconds(verdicts)
        self.say(f"{detector}, {material}, {what}: {100 * share:.1f} %{known}, {took:.0f} s")
        self.save()

    def rows(self) -> list[Row]:
        """A row for each material and detector that anything is known of."""
        found = []
        for material, figures in self.figures.items():
            if figures and "stegexpose" in figures[0]:
                found.append(self._base(material, "stegexpose") | _area_row(figures))
            for detector in DETECTORS:
                verdicts = self.verdicts.get((material, detector))
                if verdicts:
                    found.append(
                        self._base(material, detector) | _accuracy_row(verdicts, self.arguments.seed)
                    )
        return found

    def _base(self, material: str, detector: str) -> Row:
        figures, about = self.figures[material], MATERIALS[material]
        psnrs = [each["psnr"] for each in figures]
        recovered = [each["recovered"] for each in figures if each.get("recovered") is not None]
        return {
            "detector": detector,
            "material": material,
            "what": about.label,
            "control": about.control,
            "size": f"{about.side}x{about.side}",
            "pairs": len(figures),
            "stego_psnr": {"mean": fmean(psnrs), "sd": pstdev(psnrs)},
            "recovered": {"mean": fmean(recovered), "least": min(recovered)} if recovered else None,
            "changed": fmean(each["changed"] for each in figures),
        }

    def save(self) -> None:
        """Write the result as far as it is known."""
        arguments = self.arguments
        content = {
            "benchmark": "detection",
            "command": "python benchmarks/detection.py " + " ".join(arguments.told),
            "commit": arguments.commit,
            "code": code_digest(CODE),
            "environment": arguments.environment,
            "seconds": time.monotonic() - self.started,
            "settings": arguments.settings,
            "rows": self.rows(),
            "failed": self.failures(),
            "left_out": self.left_out,
            "pictures": self.figures,
            "verdicts": [
                {"material": material, "detector": detector} | _short(each)
                for (material, detector), found in self.verdicts.items()
                for each in found
            ],
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = arguments.out.with_suffix(".unfinished")
        unfinished.write_text(as_text(content))
        unfinished.replace(arguments.out)

    def failures(self) -> list[str]:
        """Bars that do not hold, and networks whose verdicts say nothing."""
        found, rows = [], self.rows()
        for row in rows:
            name, value = (
                row["detector"],
                row["auc"] if row["detector"] == "stegexpose" else row.get("accuracy"),
            )
            if row["material"] != "standard" or value is None:
                continue
            if value > BARS[name]:
                found.append(f"{name} finds standard with {value:.3f}, above {BARS[name]}")
            controls = [
                each["accuracy"]
                for each in rows
                if each["control"] and each["detector"] == name and "accuracy" in each
            ]
            if name != "stegexpose" and max(controls, default=0.0) < CONTROL:
                found.append(f"{name} finds no control: its verdicts on standard say nothing")
        return found


def as_text(content: Row) -> str:
    """JSON with a line for each entry, and for each of a list: short, and yet to be compared line by line."""
    entries = []
    for name, value in content.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"  {json.dumps(each)}" for each in value) + "\n ]"
        entries.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _area_row(figures: Sequence[Row]) -> Row:
    covers, stegos = np.array([each["stegexpose"] for each in figures]).T
    found = roc(covers, stegos, paired=True)
    return {"auc": found.auc, "auc_interval": [found.low, found.high], "least_error": found.error}


def _accuracy_row(verdicts: Sequence[Row], seed: int) -> Row:
    """Accuracy over splits with its interval by pictures drawn again; the AUC of each split.

    `set` is the accuracy at the threshold that is best on pairs learned from, `best` at the one best on those judged: no
    detector knows the latter, and it flatters.
    """
    shares = [accuracy(each["covers"], each["stegos"]) for each in verdicts]
    areas = [area(each["covers"], each["stegos"]) for each in verdicts]
    right: dict[str, list[float]] = {}  # verdicts on each picture and its stego
    for each in verdicts:
        for name, c, s in zip(each["names"], each["covers"], each["stegos"], strict=True):
            right.setdefault(name, []).append(accuracy([c], [s]))
    sums = np.array([[sum(each), len(each)] for each in right.values()])
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), 4000) @ sums
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    row: Row = {
        "accuracy": fmean(shares),
        "interval": [float(low), float(high)],
        "splits": shares,
        "auc": fmean(areas),
        "aucs": areas,
        "judged": len(right),
        "seconds": [_seconds(each) for each in verdicts],
    }
    row["best"] = [_share_right(each["covers"], each["stegos"], _threshold(each)) for each in verdicts]
    if all("known" in each for each in verdicts):
        row["known"] = [accuracy(**each["known"]) for each in verdicts]
        row["set"] = [
            _share_right(each["covers"], each["stegos"], _threshold(each["known"])) for each in verdicts
        ]
    return row


def _threshold(scores: Row) -> float:
    """Score that tells most of these covers and stegos apart."""
    values = np.unique([*scores["covers"], *scores["stegos"]])
    between = [*((values[1:] + values[:-1]) / 2), 0.5]
    return float(max(between, key=lambda each: _share_right(scores["covers"], scores["stegos"], each)))


def _share_right(covers: Sequence[float], stegos: Sequence[float], threshold: float) -> float:
    """Share of right verdicts at a threshold."""
    return float(np.mean([*(each <= threshold for each in covers), *(each > threshold for each in stegos)]))


def _short(verdicts: Row) -> Row:
    """Scores as the result holds them."""
    kept: Row = {name: verdicts[name] for name in ("seed", "names", "settings") if name in verdicts}
    kept |= {side: _rounded(verdicts[side]) for side in ("covers", "stegos")}
    if "known" in verdicts:
        kept["known"] = {side: _rounded(verdicts["known"][side]) for side in ("covers", "stegos")}
    return kept | {"seconds": _seconds(verdicts)}


def _rounded(scores: Sequence[float]) -> list[float]:
    return [round(each, 6) for each in scores]


def _seconds(verdicts: Row) -> float:
    seconds = verdicts["seconds"]
    return float(sum(seconds.values()) if isinstance(seconds, dict) else seconds)


class Measurement:
    """Makes, looks at and judges everything, in two pools of processes; what is late is left out."""

    def __init__(self, run: Run, makers: ProcessPoolExecutor, learners: ProcessPoolExecutor) -> None:
        self.run, self.place, self.arguments = run, run.place, run.arguments
        self._makers, self._learners = makers, learners
        self._running: dict[Future[Any], tuple[str, ...]] = {}
        self._looks: dict[str, dict[int, tuple[Row, Any]]] = {}
        wanted = self.arguments.materials
        self._first = [each for each in wanted if each in FIRST]
        self._others = [each for each in wanted if each not in (*FIRST, "paper")]
        self._papers, self._begun, self._learning = 0, False, set[str]()

    def all(self) -> None:
        """Until nothing is left."""
        if "paper" in self.arguments.materials:  # while the others are made
            self._search_paper()
        for material in (*self._first, *self._others):
            self._look_at(material)
        if not self._first:
            self._begun = True
        while self._running:
            done, _ = wait(self._running, timeout=5, return_when=FIRST_COMPLETED)
            for job in done:
                about = self._running.pop(job)
                if job.exception() is None:
                    self._take(about, job.result())
                else:
                    self.run.left_out.append(f"{' '.join(about)}: {job.exception()}")
                    self.run.say(self.run.left_out[-1])
            if self.run.late:
                for job in [each for each in self._running if each.cancel()]:
                    self.run.left_out.append(" ".join(self._running.pop(job)))

    def _look_at(self, material: str) -> None:
        untrained = "stegexpose" in self.arguments.detectors
        for i in range(self.place.count(material)):
            job = self._makers.submit(look, self.place, material, i, untrained)
            self._running[job] = ("look", material, str(i))

    def _learn(self, materials: Sequence[str]) -> None:
        """Split by split, so that a run that ends early has some of everything."""
        arguments = self.arguments
        teaching = Teaching(
            steps=arguments.steps, batch=arguments.batch, crop=arguments.crop, device=arguments.device
        )
        for number in range(arguments.first_split, arguments.first_split + arguments.splits):
            for detector in (each for each in SLOWEST_FIRST if each in arguments.detectors):
                for material in materials:
                    job = self._learners.submit(
                        judge_network, self.place, material, detector, number, teaching
                    )
                    self._running[job] = ("network", material, detector, str(number))

    def _search_paper(self) -> None:
        every = range(self.place.count("paper"))
        for k in range(0, len(every), PAPER_BATCH):
            batch, device, steps = (
                every[k : k + PAPER_BATCH],
                self.arguments.device,
                self.arguments.paper_steps,
            )
            job = self._learners.submit(search_paper, self.place, batch, device, steps)
            self._running[job] = ("paper", str(k))

    def _take(self, about: tuple[str, ...], result: Any) -> None:
        kind, material, *rest = about
        if kind == "look":
            looks = self._looks.setdefault(material, {})
            looks[int(rest[0])] = result
            if len(looks) == self.place.count(material):
                self._looked(material)
        elif kind == "paper":
            self._papers += 1
            self.run.say(f"paper, pictures from {material}: searched in {result:.0f} s")
            if self._papers == math.ceil(self.place.count("paper") / PAPER_BATCH):
                self._look_at("paper")
        elif kind == "spam":
            names = [each["cover"] for each in self.run.figures[material]]
            self.run.note(material, "spam", result | {"names": names}, f"repeat {rest[0]}")
        else:
            self.run.note(material, rest[0], result, f"split {rest[1]}")

    def _looked(self, material: str) -> None:
        """All pairs of a material are there."""
        run, looks = self.run, self._looks[material]
        run.figures[material] = [looks[i][0] for i in range(len(looks))]
        features = np.array([looks[i][1] for i in range(len(looks))])
        about = {"version": VERSION, "scheme": material, "payload": 6, "label": MATERIALS[material].label}
        (self.place.work / material / "pairs.json").write_text(json.dumps(about))
        changed, psnr = (fmean(each[name] for each in run.figures[material]) for name in ("changed", "psnr"))
        run.say(f"{material}: {psnr:.2f} dB, {100 * changed:.2f} % changed")
        run.save()
        if "spam" in self.arguments.detectors:
            for seed in range(1, self.arguments.repeats + 1):
                self._running[self._makers.submit(judge_spam, features, seed)] = ("spam", material, str(seed))
        if material == "paper":
            self._learn(["paper"])
        elif not self._begun and all(each in run.figures for each in self._first):
            self._begun = True
            self._learn(self._first)
        if material != "paper" and self._begun:
            ready = [each for each in self._others if each in run.figures and each not in self._learning]
            self._learning.update(ready)
            for each in ready:
                self._learn([each])


def measure(run: Run) -> None:
    """Everything that the arguments ask for."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # one process a core, and not threads of each
        os.environ.setdefault(name, "1")
    spawn = multiprocessing.get_context("spawn")
    workers, device = run.arguments.workers, run.arguments.device
    with (
        ProcessPoolExecutor(run.arguments.processes, spawn, initializer=begin_making) as makers,
        ProcessPoolExecutor(workers, spawn, begin_learning, (device,)) as learners,
    ):
        Measurement(run, makers, learners).all()


def make_environment(device: str) -> Row:
    """Machine and versions that a result belongs to."""
    import torch

    gpu = torch.cuda.get_device_name() if device.startswith("cuda") else None
    packages = {name: version(name) for name in ("torch", "numpy", "pillow")}
    return {
        "gpu": gpu,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
    } | packages


def this_commit() -> str:
    """Commit of the source; "unknown" outside a checkout."""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        found = ""
    return found or "unknown"


def parse() -> Any:
    """The arguments, with what follows from them."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    add("--materials", nargs="+", default=list(MATERIALS), choices=list(MATERIALS))
    add("--device", default="cpu", help="where networks learn and `paper` is searched (default %(default)s)")
    add("--covers", type=int, default=COVERS, help="the first ones (default %(default)s, and no more)")
    add("--splits", type=int, default=3, help="times that each network learns anew (default %(default)s)")
    add("--first-split", type=int, default=1, help="number of the first one (default %(default)s)")
    add("--repeats", type=int, default=10, help="of SPAM's cross-validation (default %(default)s)")
    add("--steps", type=int, default=2000, help="of each network (default %(default)s)")
    add("--batch", type=int, default=16, help="pairs a step (default %(default)s)")
    add("--crop", type=int, default=64, help="side of the squares learned from (default %(default)s)")
    add("--paper-steps", type=int, help="of the search of `paper` (default: its own 1500)")
    add("--workers", type=int, default=1, help="networks that learn at a time (default %(default)s)")
    add("--processes", type=int, default=os.cpu_count() or 1, help="for all else (default: the cores)")
    add("--limit", type=float, default=math.inf, help="seconds after which nothing more begins")
    add("--commit", default=None, help="of the source, where there is no checkout")
    add("--work", type=Path, default=ROOT / "runs" / "detection", help="folder of the stegos")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.covers, arguments.splits, arguments.repeats = 12, 1, 1
        arguments.steps, arguments.batch, arguments.crop, arguments.paper_steps = 20, 4, 32, 2
        if len(arguments.materials) == len(MATERIALS):
            arguments.materials = ["standard", "matching-40"]
        if len(arguments.detectors) == len(DETECTORS):
            arguments.detectors = ["xunet", "spam", "stegexpose"]
    if not 2 * FOLDS + 2 <= arguments.covers <= COVERS:
        parser.error(f"--covers are {2 * FOLDS + 2} to {COVERS}: those behind them chose parameters")
    arguments.told = sys.argv[1:]
    arguments.commit = arguments.commit or this_commit()
    arguments.out = arguments.out or ROOT / "runs" / "detection.json"
    arguments.environment = make_environment(arguments.device)
    lesson = Teaching(steps=arguments.steps, batch=arguments.batch, crop=arguments.crop)
    arguments.settings = {
        "seed": arguments.seed,
        "form": default_form(),
        "spam": f"{arguments.repeats} repeats of cross-validation in {FOLDS} parts",
        "splits": list(range(arguments.first_split, arguments.first_split + arguments.splits)),
    } | {
        each: f"{arguments.steps} steps of {arguments.batch} pairs, squares of {arguments.crop},"
        f" rate {lesson.lesson(each, 1).rate or 'its own'}, steps by {describe_stages(each)}"
        for each in NETWORKS
        if each in arguments.detectors
    }
    return arguments


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    arguments = parse()
    train = pictures(arguments.data / "covers" / "train")
    if len(train) < arguments.covers:
        raise SystemExit(f"There are {len(train)} covers, not {arguments.covers}.")
    secrets = tuple(tuple(pictures(arguments.data / "secrets" / each)) for each in SECRETS)
    work = arguments.work / f"{code_digest(CODE)[:12]}-{arguments.seed}-{arguments.covers}"
    if arguments.quick:
        work = work.with_name(work.name + "-quick")
    run = Run(arguments, Place(tuple(train[: arguments.covers]), secrets, work, arguments.seed))
    measure(run)
    run.save()
    table = []
    for row in run.rows():
        low, high = row.get("interval") or row["auc_interval"]
        share = f"{100 * row['accuracy']:.1f}" if "accuracy" in row else "–"
        table.append(
            [
                row["detector"],
                row["material"],
                row["pairs"],
                f"{row['stego_psnr']['mean']:.2f}",
                f"{100 * row['changed']:.2f}",
                share,
                f"{row['auc']:.3f}",
                f"{low:.3f}…{high:.3f}",
            ]
        )
    print_table(("detector", "material", "pairs", "stego dB", "% changed", "% right", "AUC", "95 %"), table)
    print(f"written to {arguments.out}")
    failed = run.failures()
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

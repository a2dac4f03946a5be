"""How well detectors that are trained from scratch tell stegos from their covers, each beside material that it should find.

Covers are the first 120 of covers/train, 512x512; the last 43 chose the parameters and are not used. Secrets are those of
imagenet, coco and celebahq in turn, resized to 256x256 by Pillow's LANCZOS, or 20 kB of random bytes. Keys follow from the
seed and the index. Stegos carry an address, as those that are sent do; only `paper` is the paper's procedure to the letter.

Networks are trained by Figure 4's procedure (csfnns.experiments.evaluation): a third of the pictures is held out, others in
each split, and scored whole. SPAM is scored by five-fold cross-validation of whole pairs, dealt anew in each repeat. The
interval of an accuracy is from pictures drawn again, each with all decisions on it and on its stego; it does not include
what other training pictures would change, which the accuracies of single splits show.

The result is written anew after each row. Stegos and scores are kept in a folder that is named after all that they depend
on, code, libraries, form of the search and pictures: a run that was stopped goes on where it was. Exit status 1 when a bar
fails.
"""

import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from common import ROOT, envelope, make_method, make_parser, own_code, pictures, print_table, receiver, write
from csfnns.batch.store import VERSION
from csfnns.errors import NoMessageError
from csfnns.experiments import EvaluationConfig, PairSet, Store, load_pairs, plan_evaluation, run_evaluation
from csfnns.experiments.evaluation import split
from csfnns.experiments.methods import fingerprint
from csfnns.experiments.pairs import lsb_matching
from csfnns.experiments.provenance import HIDING, code_digest, libraries
from csfnns.experiments.run import digest_of
from csfnns.experiments.statistics import accuracy, area
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import compare
from csfnns.images.output import write_picture
from csfnns.methods import Direct, Envelope, ReceiverSeeds, Trellis
from csfnns.methods.trellis import COST_EXPONENT
from csfnns.search.viterbi import default_form
from csfnns.steganalysis import cross_scores, make_detector, roc, spam_features
from csfnns.stream import Seed

COVERS = 120
"""Of covers/train; those behind them chose parameters."""
SECRETS = ("imagenet", "coco", "celebahq")
DETECTORS = ("xunet", "siastegnet", "srnet", "spam", "stegexpose")
NETWORKS = DETECTORS[:3]
SLOWEST_FIRST = ("srnet", "siastegnet", "xunet")
FOLDS = 5
CONTROL = 0.8
"""Least accuracy of a network on one of its controls: otherwise its scores of other material mean nothing."""
BARS = {"spam": 0.58, "stegexpose": 0.52} | dict.fromkeys(NETWORKS, 0.65)
"""Largest accuracy on `standard`; of StegExpose the AUC."""
CODE = (*HIDING, "steganalysis", "experiments/evaluation.py", "experiments/pairs.py")
PAPER_BATCH = 15
BYTES = 20_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Material:
    """What detectors are shown beside the covers."""

    label: str
    side: int = 512
    """Of pictures; below 512 their middle."""
    exponent: float | None = None
    """Of HILL's cost, for the trellis method."""
    direct: Direct | None = None
    """Method of 20 kB; with grain, the covers have grain too."""
    share: float | None = None
    """Share of the levels changed by ±1 at random places, for LSB matching; 0: as many as `standard` changes there."""
    control: bool = False
    most: int = COVERS
    """Pairs, at most."""


MATERIALS = {
    "standard": Material("trellis, defaults", exponent=COST_EXPONENT),
    "matching-40": Material("LSB matching, 40 % changed", share=0.4, control=True),
    "matching-10": Material("LSB matching, 10 % changed", share=0.1, control=True),
    "matching-same": Material("LSB matching, as many changes as standard", share=0.0),
    "paper": Material("the paper's search, middles of 256x256", side=256, most=60),
    "direct": Material("direct, 20 kB", direct=Direct()),
    "grain": Material("grain, 20 kB, against decoys", direct=Direct("grain")),
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

    def plain(self, material: str, i: int) -> Picture:
        """The i-th cover as the method takes it, uint8 (side, side, 3)."""
        picture, side = read_picture(self.covers[i]), MATERIALS[material].side
        top, left = ((long - side) // 2 for long in picture.shape[:2])
        return np.ascontiguousarray(picture[top : top + side, left : left + side])

    def cover(self, material: str, i: int) -> Picture:
        """What is sent without a message: the cover, or with grain a decoy."""
        cover, method = self.plain(material, i), MATERIALS[material].direct
        if method is None or method.name != "grain":
            return cover
        seed = self._root.derive(f"decoy/{i}")
        return method.decoy(cover, seed, envelope=envelope(seed, "decoy"))

    def secret(self, material: str, i: int) -> Picture:
        """The i-th secret, with half of the cover's side."""
        side = MATERIALS[material].side // 2
        return fit(read_picture(self.secret_path(i)), side, side)

    def secret_path(self, i: int) -> Path:
        """File of the i-th secret."""
        of_set = self.secrets[i % len(self.secrets)]
        return of_set[i // len(self.secrets) % len(of_set)]

    def seeds(self, i: int) -> ReceiverSeeds:
        """Seeds of the i-th pair."""
        return receiver(self._root, f"detection/{i}")

    def envelope(self, i: int) -> Envelope:
        """Address of the i-th pair."""
        return envelope(self._root, f"detection/{i}")

    def data(self, i: int) -> bytes:
        """Random bytes of the i-th pair."""
        return self._root.derive(f"data/{i}").stream().take(BYTES)

    def file(self, material: str, kind: str, i: int) -> Path:
        """The i-th picture of that kind, covers or stegos."""
        return self.work / material / kind / f"{self.covers[i].stem}.png"

    def pairs(self, material: str) -> PairSet:
        """The pairs as Figure 4's procedure takes them."""
        return load_pairs(self.work / material)

    def describe(self, material: str) -> None:
        """Write what a folder of pairs needs for that."""
        about = {"version": VERSION, "scheme": material, "payload": 6, "label": MATERIALS[material].label}
        (self.work / material / "pairs.json").write_text(json.dumps(about))

    @property
    def _root(self) -> Seed:
        return Seed(self.seed.to_bytes(32, "big"))


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
    """The i-th stego, but for those of `paper`."""
    about, cover = MATERIALS[material], place.plain(material, i)
    if about.exponent is not None:
        scheme = Trellis(exponent=about.exponent)
        return scheme.embed(cover, {place.seeds(i): place.secret(material, i)}, envelope=place.envelope(i))
    if about.direct is not None:
        return about.direct.embed(cover, {place.seeds(i): place.data(i)}, envelope=place.envelope(i))
    assert about.share is not None
    share = about.share or compare(place.plain("standard", i), take_stego(place, "standard", i)).changed
    random = np.random.default_rng([place.seed, list(MATERIALS).index(material), i])
    return lsb_matching(cover, round(share * cover.size), random)


def search_paper(place: Place, numbers: Sequence[int], device: str, steps: int | None) -> float:
    """Make the stegos of `paper` that are missing; return seconds."""
    started = time.monotonic()
    todo = [i for i in numbers if not place.file("paper", "stegos", i).exists()]
    if todo:
        scheme, _ = make_method("paper", "6", MATERIALS["paper"].side, steps)
        secrets = [{place.seeds(i): place.secret("paper", i)} for i in todo]
        covers = [place.plain("paper", i) for i in todo]
        for i, stego in zip(todo, replace(scheme, device=device).embed_batch(covers, secrets), strict=True):
            write_once(stego, place.file("paper", "stegos", i))
    return time.monotonic() - started


def inspect(place: Place, material: str, i: int, untrained: bool) -> tuple[Row, Any]:
    """Figures of the i-th pair, and SPAM's features of cover and stego, (2, 686)."""
    cover, stego = place.cover(material, i), take_stego(place, material, i)
    if not place.file(material, "covers", i).exists():
        write_once(cover, place.file(material, "covers", i))
    figures = compare(place.plain(material, i), stego)
    row: Row = {"cover": place.covers[i].stem, "psnr": figures.psnr, "changed": figures.changed}
    if material == "paper" or MATERIALS[material].exponent is not None:
        secret = place.secret_path(i)
        row |= {"secret": f"{secret.parent.name}/{secret.stem}", "recovered": None}
        with suppress(NoMessageError):
            plain, seeds = place.plain(material, i), place.seeds(i)
            if material == "paper":
                found = make_method("paper", "6", cover.shape[0])[0].extract(stego, plain, seeds)
            else:
                found = Trellis().extract(stego, plain, seeds, envelope=place.envelope(i))
            row["recovered"] = compare(found.grid, place.secret(material, i)).psnr
    if untrained:
        row["stegexpose"] = [make_detector("stegexpose").score(each) for each in (cover, stego)]
    return row, np.array([spam_features(each) for each in (cover, stego)])


def score_spam(features: Any, names: Sequence[str], seed: int) -> Row:
    """Scores of one repeat of the cross-validation."""
    started = time.monotonic()
    covers, stegos = cross_scores(features[:, 0], features[:, 1], folds=FOLDS, seed=seed)
    row = {"names": list(names), "covers": covers.tolist(), "stegos": stegos.tolist()}
    return row | {"seconds": time.monotonic() - started}


def begin_making() -> None:
    """Start every process that trains no network: those that do must not wait for it."""
    if hasattr(os, "nice"):
        os.nice(10)


def begin_training(device: str) -> None:
    """Start every process that trains networks."""
    import torch

    torch.set_num_threads(1)
    if device != "cpu":
        torch.backends.cudnn.benchmark = True


def score_network(place: Place, material: str, detector: str, number: int, config: EvaluationConfig) -> Row:
    """Scores of a network in one split, by Figure 4's procedure."""
    pairs = place.pairs(material)
    trained = len(split(pairs.names, number).training)
    config = replace(config, detectors=(detector,), pairs=(trained,), seeds=number)
    plan = plan_evaluation([pairs], config)
    job = next(each for each in plan.jobs if (each.detector, each.seed) == (detector, number))
    store = Store(place.work / material / "scores")
    run_evaluation(replace(plan, jobs=(job,)), [pairs], config, store)
    return dict(store.rows()[job.id])


class Run:
    """A run: its rows so far, and the file with them."""

    def __init__(self, arguments: Any, place: Place) -> None:
        self.arguments, self.place, self.started = arguments, place, time.monotonic()
        self.figures: dict[str, list[Row]] = {}
        self.scores: dict[tuple[str, str], list[Row]] = {}
        self.left_out: list[str] = []

    @property
    def late(self) -> bool:
        """Whether nothing more may begin."""
        return bool(time.monotonic() - self.started > self.arguments.limit)

    def say(self, text: str) -> None:
        """Print with the time."""
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", flush=True)

    def note(self, material: str, detector: str, scores: Row, what: str) -> None:
        """Scores of one split."""
        self.scores.setdefault((material, detector), []).append(scores)
        share = accuracy(scores["covers"], scores["stegos"])
        seen = scores.get("training")
        trained = f", {100 * accuracy(**seen):.0f} % of pairs trained on" if seen else ""
        took = _seconds(scores)
        self.say(f"{detector}, {material}, {what}: {100 * share:.1f} %{trained}, {took:.0f} s")
        self.save()

    def rows(self) -> list[Row]:
        """A row for each material and detector that anything is known of."""
        found = []
        for material, figures in self.figures.items():
            if figures and "stegexpose" in figures[0]:
                found.append(self._base(material, "stegexpose") | _area_row(figures))
            for detector in DETECTORS:
                scores = self.scores.get((material, detector))
                if scores:
                    found.append(self._base(material, detector) | accuracy_row(scores, self.arguments.seed))
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
            "code": code_digest(CODE),
            "seconds": time.monotonic() - self.started,
            "settings": arguments.settings,
            "rows": self.rows(),
            "failed": self.failures(),
            "left_out": self.left_out,
            "pictures": self.figures,
            "scores": [
                {"material": material, "detector": detector} | _short(each)
                for (material, detector), found in self.scores.items()
                for each in found
            ],
        }
        write("detection", content, arguments.out, device=arguments.device, commit=arguments.commit)

    def failures(self) -> list[str]:
        """Bars that do not hold, and detectors whose scores mean nothing because they find no control."""
        rows, found = self.rows(), []
        best = dict.fromkeys(DETECTORS, 0.0)
        for row in rows:
            if row["control"]:
                best[row["detector"]] = max(best[row["detector"]], row.get("accuracy", 0.0))
        for row in (row for row in rows if row["material"] == "standard"):
            name = row["detector"]
            value = row["auc"] if name == "stegexpose" else row["accuracy"]
            if value > BARS[name]:
                found.append(f"{name} finds standard with {value:.3f}, above {BARS[name]}")
            if name != "stegexpose" and best[name] < CONTROL:
                found.append(f"{name} finds no control: its scores of standard mean nothing")
        return found


def _area_row(figures: Sequence[Row]) -> Row:
    covers, stegos = np.array([each["stegexpose"] for each in figures]).T
    found = roc(covers, stegos, paired=True)
    return {"auc": found.auc, "auc_interval": [found.low, found.high], "least_error": found.error}


def accuracy_row(scores: Sequence[Row], seed: int) -> Row:
    """Accuracy over splits with its interval by pictures drawn again; the AUC of each split.

    `set` is the accuracy at the threshold that is best on training pairs, `best` at the one best on the held-out ones: no
    detector knows the latter, and it flatters.
    """
    shares = [accuracy(each["covers"], each["stegos"]) for each in scores]
    areas = [area(each["covers"], each["stegos"]) for each in scores]
    right: dict[str, list[float]] = {}  # decisions on each picture and its stego
    for each in scores:
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
        "seconds": [_seconds(each) for each in scores],
    }
    row["best"] = [_share_right(each["covers"], each["stegos"], _threshold(each)) for each in scores]
    if all("training" in each for each in scores):
        row["training"] = [accuracy(**each["training"]) for each in scores]
        row["set"] = [_share_right(each["covers"], each["stegos"], _threshold(each["training"])) for each in scores]
    return row


def _threshold(scores: Row) -> float:
    """Score that tells most of these covers and stegos apart."""
    values = np.unique([*scores["covers"], *scores["stegos"]])
    between = [*((values[1:] + values[:-1]) / 2), 0.5]
    return float(max(between, key=lambda each: _share_right(scores["covers"], scores["stegos"], each)))


def _share_right(covers: Sequence[float], stegos: Sequence[float], threshold: float) -> float:
    """Share of right decisions at a threshold."""
    return float(np.mean([*(each <= threshold for each in covers), *(each > threshold for each in stegos)]))


def _short(scores: Row) -> Row:
    """Scores as the result holds them."""
    kept: Row = {name: scores[name] for name in ("seed", "names", "settings") if name in scores}
    kept |= {side: _rounded(scores[side]) for side in ("covers", "stegos")}
    if "training" in scores:
        kept["training"] = {side: _rounded(scores["training"][side]) for side in ("covers", "stegos")}
    return kept | {"seconds": _seconds(scores)}


def _rounded(scores: Sequence[float]) -> list[float]:
    return [round(each, 6) for each in scores]


def _seconds(scores: Row) -> float:
    seconds = scores["seconds"]
    return float(sum(seconds.values()) if isinstance(seconds, dict) else seconds)


def complete(run: Run, jobs: dict[Future[Any], tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What each job is about, and its result, as they end. Failed and late ones are left out. Jobs may be added."""
    while jobs:
        done, _ = wait(jobs, timeout=5, return_when=FIRST_COMPLETED)
        for job in done:
            about = jobs.pop(job)
            if job.exception() is None:
                yield about, job.result()
            else:
                run.left_out.append(f"{' '.join(about)}: {job.exception()}")
                run.say(run.left_out[-1])
        if run.late:
            run.left_out += [" ".join(jobs.pop(job)) for job in list(jobs) if job.cancel()]


def make_all(run: Run, makers: ProcessPoolExecutor, trainers: ProcessPoolExecutor) -> dict[str, Any]:
    """Make and inspect every pair; return SPAM's features (n, 2, 686) of each material that is complete."""
    place, arguments = run.place, run.arguments
    found: dict[str, dict[int, tuple[Row, Any]]] = {}
    features, jobs = {}, dict[Future[Any], tuple[str, ...]]()

    def inspect_all(material: str, numbers: Sequence[int]) -> None:
        for i in numbers:
            job = makers.submit(inspect, place, material, i, "stegexpose" in arguments.detectors)
            jobs[job] = ("pair", material, str(i))

    for material in arguments.materials:
        every = range(place.count(material))
        if material != "paper":
            inspect_all(material, every)
            continue
        for k in every[::PAPER_BATCH]:
            batch = every[k : k + PAPER_BATCH]
            jobs[trainers.submit(search_paper, place, batch, arguments.device, arguments.paper_steps)] = (
                "paper",
                str(k),
            )
    for (kind, *rest), result in complete(run, jobs):
        if kind == "paper":
            run.say(f"paper, pictures from {rest[0]}: searched in {result:.0f} s")
            first = int(rest[0])
            inspect_all("paper", range(first, min(first + PAPER_BATCH, place.count("paper"))))
            continue
        material, pairs = rest[0], found.setdefault(rest[0], {})
        pairs[int(rest[1])] = result
        if len(pairs) == place.count(material):
            run.figures[material] = [pairs[i][0] for i in range(len(pairs))]
            features[material] = np.array([pairs[i][1] for i in range(len(pairs))])
            place.describe(material)
            changed, psnr = (fmean(each[name] for each in run.figures[material]) for name in ("changed", "psnr"))
            run.say(f"{material}: {psnr:.2f} dB, {100 * changed:.2f} % changed")
            run.save()
    return features


def score_all(run: Run, makers: ProcessPoolExecutor, trainers: ProcessPoolExecutor, features: dict[str, Any]) -> None:
    """Score every material by SPAM and networks, split by split, so that a run that ends early has some of each."""
    arguments, jobs = run.arguments, dict[Future[Any], tuple[str, ...]]()
    config = EvaluationConfig(
        steps=arguments.steps, batch=arguments.batch, crop=arguments.crop, device=arguments.device
    )
    materials = [each for each in arguments.materials if each in features]
    for number in range(1, arguments.splits + 1):
        for detector in (each for each in SLOWEST_FIRST if each in arguments.detectors):
            for material in materials:
                job = trainers.submit(score_network, run.place, material, detector, number, config)
                jobs[job] = (material, detector, f"split {number}")
    for seed in range(1, arguments.repeats + 1) if "spam" in arguments.detectors else ():
        for material in materials:
            names = [each["cover"] for each in run.figures[material]]
            jobs[makers.submit(score_spam, features[material], names, seed)] = (
                material,
                "spam",
                f"repeat {seed}",
            )
    for (material, detector, part), result in complete(run, jobs):
        run.note(material, detector, result, part)


def measure(run: Run) -> None:
    """Do everything that the arguments ask for."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # one process a core, and not threads of each
        os.environ.setdefault(name, "1")
    spawn = multiprocessing.get_context("spawn")
    workers, device = run.arguments.workers, run.arguments.device
    with (
        ProcessPoolExecutor(run.arguments.processes, spawn, begin_making) as makers,
        ProcessPoolExecutor(workers, spawn, begin_training, (device,)) as trainers,
    ):
        score_all(run, makers, trainers, make_all(run, makers, trainers))


def parse() -> Any:
    """The arguments, with what follows from them."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    add("--materials", nargs="+", default=list(MATERIALS), choices=list(MATERIALS))
    add(
        "--device",
        default="cpu",
        help="where networks are trained and `paper` is searched (default %(default)s)",
    )
    add("--covers", type=int, default=COVERS, help="the first ones (default %(default)s, and no more)")
    add("--splits", type=int, default=3, help="trainings of each network (default %(default)s)")
    add("--repeats", type=int, default=10, help="of SPAM's cross-validation (default %(default)s)")
    add("--steps", type=int, default=2000, help="of each network (default %(default)s)")
    add("--batch", type=int, default=16, help="pairs a step (default %(default)s)")
    add(
        "--crop",
        type=int,
        default=64,
        help="side of the squares that networks are trained on (default %(default)s)",
    )
    add("--paper-steps", type=int, help="of the search of `paper` (default: its own 1500)")
    add("--workers", type=int, default=1, help="networks trained at a time (default %(default)s)")
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
    arguments.out = arguments.out or ROOT / "runs" / "detection.json"
    config = EvaluationConfig(steps=arguments.steps, batch=arguments.batch, crop=arguments.crop)
    arguments.settings = {
        "seed": arguments.seed,
        "form": default_form(),
        "spam": f"{arguments.repeats} repeats of cross-validation in {FOLDS} parts",
        "splits": list(range(1, arguments.splits + 1)),
    } | {each: config.describe(each) for each in NETWORKS if each in arguments.detectors}
    return arguments


def make_place(arguments: Any) -> Place:
    """Pictures of a run, and its folder, which is named after the pictures, and the code and libraries that make stegos."""
    train = pictures(arguments.data / "covers" / "train")
    if len(train) < arguments.covers:
        raise SystemExit(f"There are {len(train)} covers, not {arguments.covers}.")
    secrets = tuple(tuple(pictures(arguments.data / "secrets" / each)) for each in SECRETS)
    covers = tuple(train[: arguments.covers])
    depends: Row = {"code": code_digest(CODE), "own": own_code("common", "detection"), "form": default_form()}
    depends |= libraries() | {"pictures": [fingerprint(each) for each in (*covers, *chain(*secrets))]}
    name = f"{digest_of(depends)[:12]}-{arguments.seed}-{arguments.covers}" + ("-quick" if arguments.quick else "")
    return Place(covers, secrets, arguments.work / name, arguments.seed)


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    arguments = parse()
    run = Run(arguments, make_place(arguments))
    measure(run)
    run.save()
    table = []
    for row in run.rows():
        share = f"{100 * row['accuracy']:.1f}" if "accuracy" in row else "–"
        low, high = row.get("interval") or row["auc_interval"]
        cells = (
            f"{row['stego_psnr']['mean']:.2f}",
            f"{100 * row['changed']:.2f}",
            share,
            f"{row['auc']:.3f}",
        )
        table.append((row["detector"], row["material"], row["pairs"], *cells, f"{low:.3f}…{high:.3f}"))
    print_table(("detector", "material", "pairs", "stego dB", "% changed", "% right", "AUC", "95 %"), table)
    print(f"written to {arguments.out}")
    failed = run.failures()
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

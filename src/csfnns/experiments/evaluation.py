"""How well detectors tell the stegos of pairs from their covers, on pictures that they were not trained on.

Detectors that need no training score every pair of a set. The others are trained from scratch for every row, on a part
of the source pictures, and score the pairs of the rest.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from statistics import fmean
from typing import Any, Self, get_args

import numpy as np

import csfnns
from csfnns.batch.run import Runner, RunResult
from csfnns.batch.store import Row, Store, read_json, write_json
from csfnns.errors import UsageError
from csfnns.experiments.pairs import PairSet, Side, lsb_matching, source_of
from csfnns.experiments.provenance import code_digest, environment, libraries, outside_modules
from csfnns.experiments.run import digest_of
from csfnns.extras import require
from csfnns.images.io import Picture
from csfnns.steganalysis import DETECTORS, Deep, TrainingConfig, make_detector, make_network

NAME = "figure4"
UNTRAINED = "stegexpose"
"""The detector without training that scores every set."""
HELD_OUT = 1 / 3
"""Share of the source pictures on which no detector is trained; the paper's (Sec. 4.3)."""
LEAST_PAIRS = 8
"""Pairs to train on, at least."""
_CHECKED = 50
"""Pairs trained on whose scores are kept too: a detector that fails even on these has learned nothing."""
_SOURCES = ("steganalysis", "images/io.py", "images/jpeg_file.py", "experiments/evaluation.py")
"""Modules, or folders of them, on which scores depend."""


@dataclass(frozen=True)
class Stage:
    """Part of a network's training."""

    strength: int
    """Its stegos are the covers with half of their levels moved by that much; 0 for the stegos of the pairs."""
    percent: int
    """Of all steps."""


PLAIN = (Stage(0, 100),)
_LADDER = (Stage(4, 20), Stage(2, 20), Stage(0, 60))
STAGES = {"yenet": _LADDER, "srnet": _LADDER}
"""Networks with easier pairs first: SRNet then depends less on its first weights, and Ye-Net learns sooner."""
RATES = {"yenet": 5e-4}
"""Learning rates other than a network's own: at its own, Ye-Net falls back to where it began."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Which detectors are trained, on how many pairs, and how."""

    detectors: tuple[str, ...] = ()
    """None for all that are trained on levels."""
    pairs: tuple[int, ...] = ()
    """Numbers of pairs to train on; none for 50, 100, 200, … and all that there are."""
    seeds: int = 3
    """How often each detector is trained anew, with other pictures held out each time."""
    steps: int | None = None
    """Of a network's training, all stages together; this and the next three are TrainingConfig's unless given."""
    batch: int | None = None
    """Pairs a step."""
    crop: int | None = None
    """Side of the squares that networks are trained on; they score whole pictures."""
    rate: float | None = None
    """Adam's highest learning rate."""
    device: str = "cpu"
    """Where networks are trained."""

    def __post_init__(self) -> None:
        if not self.detectors:
            found = DETECTORS.entries().items()
            trained = tuple(name for name, each in found if each.kind != "statistic" and each.reads == "levels")
            object.__setattr__(self, "detectors", trained)
        kinds = {name: DETECTORS[name].kind for name in self.detectors}  # raises for an unknown one
        if self.seeds < 1:
            raise UsageError(f"seeds must be 1 or more, got {self.seeds}.", "Give a larger number.")
        few = [number for number in self.pairs if number < LEAST_PAIRS]
        if few:
            raise UsageError(f"pairs must be {LEAST_PAIRS} or more, got {few[0]}.", "Give larger numbers.")
        for name, kind in kinds.items():
            if kind == "network":
                self.training(name, 0)

    def training(self, detector: str, seed: int) -> TrainingConfig:
        """How a network is trained. Raises UsageError for a value out of range."""
        given = {name: getattr(self, name) for name in ("steps", "batch", "crop", "rate")}
        chosen = {name: value for name, value in given.items() if value is not None}
        chosen.setdefault("rate", RATES.get(detector))
        return TrainingConfig(detector=detector, seed=seed, checks=1, device=self.device, **chosen)

    def describe(self, detector: str) -> str:
        """Every setting of a detector but the seed, in words."""
        if DETECTORS[detector].kind != "network":
            return detector
        config = self.training(detector, 0)
        names = ("detector", "steps", "batch", "crop", "rate", "device")
        values = [f"{name}={getattr(config, name)}" for name in names]
        return ", ".join([*values, f"steps by {describe_stages(detector)}"])

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """The chosen detectors of these kinds."""
        return tuple(name for name in self.detectors if DETECTORS[name].kind in kinds)


@dataclass(frozen=True)
class Job:
    """One detector on one set."""

    set: str
    detector: str
    pairs: int
    """Pairs that it is trained on; 0 for a detector without training."""
    seed: int
    id: str
    """Digest of everything that its row depends on."""


@dataclass(frozen=True)
class SetSummary:
    """What a result says of a set; fields that are not described here are those of PairSet."""

    key: str
    scheme: str
    label: str
    payload: float
    trained_against: tuple[str, ...]
    steps: int | None
    folder: str
    pairs: int
    missing: int
    """Pairs that were asked for and do not exist."""
    sources: int
    """Pictures that the pairs come from."""
    size: str
    """Of its first cover."""
    psnr: float | None
    """In dB. This and the next two are means over pairs, of readable ones in `recovered`; None where unknown."""
    changed: float | None
    recovered: float | None
    unreadable: int
    """Pairs from which nothing can be read."""

    @classmethod
    def of(cls, pairs: PairSet) -> Self:
        """Summary of a set."""
        height, width = pairs.cover(pairs.names[0]).shape[:2]
        rows = pairs.figures.values()

        def mean(figure: str) -> float | None:
            values = [row[figure] for row in rows if row.get(figure) is not None]
            return fmean(values) if values else None

        return cls(
            pairs.key,
            pairs.scheme,
            pairs.label,
            pairs.payload,
            pairs.trained_against,
            pairs.steps,
            folder=str(pairs.folder),
            pairs=len(pairs.names),
            missing=max(0, pairs.count - len(pairs.names)),
            sources=len(set(map(source_of, pairs.names))),
            size=f"{width}x{height}",
            psnr=mean("psnr"),
            changed=mean("changed"),
            recovered=mean("recovered"),
            unreadable=sum(row.get("recovered", 0) is None for row in rows),
        )


@dataclass(frozen=True)
class EvaluationPlan:
    """One run."""

    sets: tuple[SetSummary, ...]
    detectors: tuple[str, ...]
    """Those that are trained."""
    untrained: tuple[str, ...]
    pairs: tuple[int, ...]
    seeds: int
    settings: Mapping[str, str]
    """Settings of each detector in words."""
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def several_payloads(self) -> bool:
        """Whether a scheme has sets of more than one payload."""
        return len({each.scheme for each in self.sets}) < len(self.sets)

    def save(self, folder: Path) -> None:
        """Write it beside its rows, for `render_figure4`. Raises UsageError when the disk refuses."""
        write_json(folder / f"{NAME}.json", self)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Plan of the last run in that folder. Raises UsageError when there is none."""
        missing, hint = (
            f"There is no run of {NAME} in {folder}.",
            f"Run it first: csfnns experiment {NAME} DIR...",
        )
        return read_json(folder / f"{NAME}.json", cls, missing, hint)


@dataclass(frozen=True)
class Split:
    """Names of pairs to train on, in the order in which more are added, and of those held out."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


def split(names: Sequence[str], seed: int) -> Split:
    """Split by source picture, so that no picture has crops on both sides; two sets of the same pictures alike.

    Pairs to train on come evenly from all pictures: every first crop before any second. Raises UsageError for fewer
    than two source pictures.
    """

    def draw(text: str) -> bytes:
        return sha256(f"{seed}/{text}".encode()).digest()

    sources = sorted({source_of(name) for name in names}, key=draw)
    if len(sources) < 2:
        raise UsageError(
            "All pairs come from one picture, and detectors must be tested on others.",
            "Make pairs of more pictures.",
        )
    held = set(sources[: math.ceil(HELD_OUT * len(sources))])
    training = [name for name in names if source_of(name) not in held]
    turns: dict[str, list[str]] = {}
    for name in sorted(training, key=draw):
        turns.setdefault(source_of(name), []).append(name)
    place = {name: turn for crops in turns.values() for turn, name in enumerate(crops)}
    training.sort(key=lambda name: (place[name], draw(name)))
    return Split(tuple(training), tuple(sorted(name for name in names if source_of(name) in held)))


def plan_evaluation(sets: Sequence[PairSet], config: EvaluationConfig) -> EvaluationPlan:
    """Jobs for every set: each untrained detector once, and each other for each number of pairs and each seed.

    Raises UsageError for what does not fit together, before any training, and PictureError for broken files.
    """
    require("network", "Evaluating detectors")
    networks = config.of_kind("network")
    _check_sets(sets, max((config.training(name, 0).crop or 0 for name in networks), default=0))
    seeds = range(1, config.seeds + 1)
    splits = {(each.key, seed): split(each.names, seed) for each in sets for seed in seeds}
    pairs = config.pairs or _doublings(min(len(each.training) for each in splits.values()))
    for (key, _), each in splits.items():
        if max(pairs) > len(each.training):
            reason = f"{key} has {len(each.training)} pairs to train on, not {max(pairs)}"
            raise UsageError(f"{reason}: the others are held out.", "Make more pairs, or give smaller --pairs.")
    trained = config.of_kind("model", "network")
    untrained = tuple(dict.fromkeys((UNTRAINED, *config.of_kind("statistic"))))
    for name in (*untrained, *trained):
        for chosen in sets:
            if DETECTORS[name].reads == "coefficients" and chosen.suffix != ".jpg":
                reason = (
                    f"{name} looks at coefficients of JPEG files, and the pairs of {chosen.key} are {chosen.suffix}."
                )
                raise UsageError(reason, f"Leave {name} out of --detectors, or evaluate pairs of direct-jpeg.")
    settings = {name: config.describe(name) for name in (*untrained, *trained)}
    made_with = {"csfnns": csfnns.__version__, **libraries()}
    code = {name: code_digest(_SOURCES, outside_modules(DETECTORS[name].factory)) for name in settings}
    digests = {each.key: {name: each.digest(name) for name in each.names} for each in sets}

    def job(chosen: PairSet, detector: str, number: int, seed: int, parts: Split) -> Job:
        row = made_with | {"code": code[detector], "detector": [settings[detector], number, seed]}
        row |= {"training": [digests[chosen.key][name] for name in parts.training[:number]]}
        row |= {"held out": [digests[chosen.key][name] for name in parts.held_out]}
        return Job(chosen.key, detector, number, seed, digest_of(row))

    jobs = [job(each, name, 0, 0, Split((), each.names)) for name in untrained for each in sets]
    # Seed by seed and from few pairs to many, so that a run that is stopped has some of every set.
    jobs += [
        job(each, name, number, seed, splits[each.key, seed])
        for seed in seeds
        for number in pairs
        for name in trained
        for each in sets
    ]
    summaries = tuple(map(SetSummary.of, sets))
    return EvaluationPlan(summaries, trained, untrained, pairs, config.seeds, settings, tuple(jobs))


def _check_sets(sets: Sequence[PairSet], crop: int) -> None:
    """Look at the first pair of each set; training looks at the others."""
    keys = [each.key for each in sets]
    for each in sets:
        if keys.count(each.key) > 1:
            raise UsageError(f"There are two sets of {each.key}.", "Evaluate one of them at a time.")
        name = each.names[0]
        cover, stego = (f"{side.shape[1]}x{side.shape[0]}" for side in (each.cover(name), each.stego(name)))
        if cover != stego:
            reason = f"In {each.key}, the cover {name} has {cover} pixels, and its stego {stego}."
            raise UsageError(reason, "A stego must have the size of its cover.")
        if min(each.cover(name).shape[:2]) < crop:
            reason = f"crop is {crop}, and pictures of {each.key} have {cover} pixels."
            raise UsageError(reason, "Give a smaller --crop.")


def _doublings(most: int) -> tuple[int, ...]:
    """50, 100, 200, … and the most. Raises UsageError for too few."""
    if most < LEAST_PAIRS:
        raise UsageError(f"Training needs {LEAST_PAIRS} pairs, got {most}.", "Make more pairs.")
    return (*(50 * 2**k for k in range(most.bit_length()) if 50 * 2**k < most), most)


_STEP_SECONDS = {"xunet": 0.3, "yenet": 0.7, "siastegnet": 1.2, "srnet": 1.6}
"""Of 16 pairs of squares of 64, on one core; rough figures."""


def seconds(job: Job, config: EvaluationConfig) -> float:
    """Time of a job on one core, roughly."""
    if DETECTORS[job.detector].kind != "network":
        return 10.0
    training = config.training(job.detector, job.seed)
    area = ((training.crop or 64) / 64) ** 2
    return training.steps * training.batch / 16 * area * _STEP_SECONDS.get(job.detector, 1.0)


def run_evaluation(
    plan: EvaluationPlan,
    sets: Sequence[PairSet],
    config: EvaluationConfig,
    store: Store,
    done: Callable[[Job], object] = lambda job: None,
    *,
    runner: Runner | None = None,
) -> RunResult:
    """Do what the plan asks for and the store lacks; `done` is called with each job once its row is on disk.

    Several runs may share a folder, and the runner decides who does the work: each evaluation is done once. A cluster
    must find the folders of the sets and of the store under the same names.
    """
    task = Evaluation(plan, {each.key: each for each in sets}, config, store.folder / "training")

    def finish(job: Job) -> None:
        rmtree(task.states / job.id, ignore_errors=True)
        done(job)

    ran = (runner or Runner())(plan.jobs, store, task, finish)
    with suppress(OSError):  # not there, or with the states of others
        task.states.rmdir()
    return ran


@dataclass(frozen=True)
class Evaluation:
    """What to do with a job: train a detector, and score pairs that it has not seen."""

    plan: EvaluationPlan
    sets: Mapping[str, PairSet]
    config: EvaluationConfig
    states: Path

    def pack(self, job: Job) -> Callable[[], Row]:
        """Its work, which reads the pictures itself: there are thousands."""
        settings = self.plan.settings[job.detector]
        return partial(_evaluate, job, self.sets[job.set], settings, self.config, self.states.absolute() / job.id)

    def unpack(self, job: Job, result: Row) -> Row:
        """The row."""
        return result

    def lost(self, job: Job, reason: str) -> Row:
        """Raise UsageError: without its scores, there is no curve."""
        raise UsageError(f"{job.detector} on {job.set} was given up. {reason}", "Give smaller --batch or --crop.")


def _evaluate(job: Job, pairs: PairSet, settings: str, config: EvaluationConfig, states: Path) -> Row:
    """Scores of one detector: those of the i-th cover and the i-th stego belong to the i-th name."""
    parts = split(pairs.names, job.seed) if job.pairs else Split((), pairs.names)
    trained_on = parts.training[: job.pairs]
    started = time.monotonic()
    score = _make_score(job, pairs, trained_on, config, states)
    trained = time.monotonic()

    def scores(names: Iterable[str]) -> dict[str, list[float | None]]:
        chosen = list(names)
        return {
            side: [_number(score(each)) for each in pairs.read(side, chosen, job.detector)] for side in get_args(Side)
        }

    found = scores(parts.held_out)
    network = DETECTORS[job.detector].kind == "network"
    if network and None in (*found["covers"], *found["stegos"]):
        hint = f"Give a lower --rate, or leave {job.detector} out of --detectors."
        raise UsageError(f"{job.detector} diverged on {job.set}, and has no scores.", hint)
    row: dict[str, Any] = {"rows": NAME, "set": job.set, "detector": job.detector, "seed": job.seed}
    row |= {"pairs": job.pairs, "names": list(parts.held_out), **found, "trained_on": list(trained_on)}
    row |= {"settings": settings}
    row |= {"training": scores(trained_on[:_CHECKED])} if job.pairs else {}
    spent = {"training": trained - started, "scoring": time.monotonic() - trained}
    return row | environment(config.device if network else "cpu") | {"seconds": spent}


def _make_score(
    job: Job, pairs: PairSet, names: Sequence[str], config: EvaluationConfig, states: Path
) -> Callable[[Any], float]:
    """Score in [0, 1] of a picture as the detector reads it, by one trained on these pairs."""
    kind = DETECTORS[job.detector].kind
    if kind == "statistic":
        return make_detector(job.detector).score
    covers, stegos = ([*pairs.read(side, names, job.detector)] for side in get_args(Side))
    if kind == "network":
        return train_in_stages(covers, stegos, names, config.training(job.detector, job.seed), states).score
    trained = DETECTORS.load(job.detector).train(covers, stegos, seed=job.seed)
    found: Callable[[Any], float] = trained.score
    return found


def _number(score: float) -> float | None:
    """Score as JSON has it: there is no NaN."""
    return None if math.isnan(score) else float(score)


def describe_stages(detector: str) -> str:
    """Stages of a network's training in words."""
    return " → ".join(
        f"{each.percent} % {f'±{each.strength}' if each.strength else 'pairs'}" for each in STAGES.get(detector, PLAIN)
    )


def stage_configs(config: TrainingConfig) -> list[tuple[int, TrainingConfig]]:
    """Strength and training of each stage that has a step at all; together they have the config's steps."""
    stages = STAGES.get(config.detector, PLAIN)
    ends = np.cumsum([each.percent for each in stages]) * config.steps // 100
    counts = np.diff(ends, prepend=0).tolist()
    return [(each.strength, replace(config, steps=count)) for each, count in zip(stages, counts, strict=True) if count]


def train_in_stages(
    covers: Sequence[Picture],
    stegos: Sequence[Picture],
    names: Sequence[str],
    config: TrainingConfig,
    states: Path,
) -> Deep:
    """Network trained on every one of these pairs, easier ones first where STAGES say so.

    A stopped training continues from the files in the folder `states`, one a stage. Raises UsageError for pictures
    that are no pairs or smaller than the crop, and where the training diverges.
    """
    from csfnns.steganalysis.training import Pairs, check_pairs, train

    check_pairs(covers, stegos, config.crop)
    network = make_network(config.detector, config.seed)
    everyone, groups = tuple(range(len(names))), len(set(map(source_of, names)))
    states.mkdir(parents=True, exist_ok=True)
    for strength, stage in stage_configs(config):
        shown = easier_stegos(covers, strength, config.seed) if strength else stegos
        # The curve needs a pair to test on, and is not used.
        pairs = Pairs(covers, shown, training=everyone, held_out=everyone[:1], groups=groups)
        train(network, pairs, stage, states / f"{strength}.state")
    return Deep(config.detector, network.eval())


def easier_stegos(covers: Sequence[Picture], strength: int, seed: int) -> list[Picture]:
    """Covers with half of their levels `strength` higher or lower, at random; inwards at the ends of the scale."""
    draws = (np.random.default_rng([seed, strength, place]) for place in range(len(covers)))
    return [lsb_matching(cover, cover.size // 2, random, strength) for cover, random in zip(covers, draws, strict=True)]

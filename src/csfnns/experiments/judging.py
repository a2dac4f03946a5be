"""How well detectors tell pairs apart: those that need no training on all of them, the others on pictures held out."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from statistics import fmean
from typing import Any, Self

import csfnns
from csfnns.errors import UsageError
from csfnns.experiments.pair_set import PairSet, source_of
from csfnns.experiments.provenance import code_digest, environment, libraries
from csfnns.experiments.run import Ran
from csfnns.experiments.store import Row, Store
from csfnns.experiments.teaching import RATES, describe_stages, teach
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.picture import Picture
from csfnns.steganalysis import NETWORKS, Lesson, Spam, make_detector

UNTAUGHT = "stegexpose"
"""The detector that judges every pair as it is."""
JUDGES = ("yenet", "siastegnet", "srnet", "xunet", "spam")
"""Detectors that learn, each from scratch for every row."""
HELD_OUT = 1 / 3
"""Share of the source pictures that no judge learns from; the paper's (Sec. 4.3)."""
LEAST_PAIRS = 8
"""Pairs that a judge learns from, at least."""
_KNOWN = 50
"""Pairs that it learned from and judges too, at most: one that does not tell even these has learned nothing."""

_VERSION = 1
_SOURCES = ("steganalysis", "picture.py", "experiments/judging.py", "experiments/teaching.py")
"""Sources, or folders of them, that scores follow from."""


@dataclass(frozen=True)
class Teaching:
    """What judges shall learn from, and how."""

    judges: tuple[str, ...] = JUDGES
    numbers: tuple[int, ...] = ()
    """Pairs to learn from; none for 50, 100, 200, … and all that there are."""
    seeds: int = 3
    """Times that each judge learns anew, with another split of the pictures each time."""
    steps: int | None = None
    """Of the networks' learning, all stages together; this and the next three are the lesson's own number unless given."""
    batch: int | None = None
    """Pairs a step."""
    crop: int | None = None
    """Side of the squares that networks learn from; they judge whole pictures."""
    rate: float | None = None
    """Adam's learning rate at its highest."""
    device: str = "cpu"
    """Where networks learn."""

    def lesson(self, judge: str, seed: int) -> Lesson:
        """Lesson of a network. Raises UsageError for numbers that make no sense."""
        given = {name: getattr(self, name) for name in ("steps", "batch", "crop", "rate")}
        chosen = {name: value for name, value in given.items() if value is not None}
        chosen.setdefault("rate", RATES.get(judge))
        return Lesson(detector=judge, seed=seed, checks=1, device=self.device, **chosen)


@dataclass(frozen=True)
class Job:
    """One detector on one set."""

    set: str
    judge: str
    number: int
    """Pairs that it learns from; 0 for UNTAUGHT."""
    seed: int
    id: str
    """Digest of everything that its row depends on."""


@dataclass(frozen=True)
class About:
    """A set, as far as its result must tell."""

    key: str
    scheme: str
    label: str
    payload: float
    met: tuple[str, ...]
    folder: str
    pairs: int
    missing: int
    """Pairs that were asked for and are not there."""
    sources: int
    """Pictures that the pairs come from."""
    size: str
    """Of its first cover."""
    steps: int | None
    """Of its searches, where they were not the method's own."""
    psnr: float | None
    """Of stegos against plain covers in dB, mean over pairs; None, as the next two, where it is not known."""
    changed: float | None
    """Share of sub-pixels."""
    recovered: float | None
    """What receivers get in dB, mean over pairs from which something can be read."""
    unreadable: int
    """Pairs from which nothing can be read."""


@dataclass(frozen=True)
class JudgingPlan:
    """One run."""

    sets: tuple[About, ...]
    judges: tuple[str, ...]
    numbers: tuple[int, ...]
    seeds: int
    settings: Mapping[str, str]
    """Settings of each judge in words."""
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def several_payloads(self) -> bool:
        """Whether a scheme has sets of more than one payload."""
        return len({each.scheme for each in self.sets}) < len(self.sets)

    def save(self, path: Path) -> None:
        """Write it beside its rows. Raises UsageError when the disk refuses."""
        content = {
            "version": _VERSION,
            **asdict(self),
            "sets": [_encoded(asdict(each)) for each in self.sets],
        }
        text = json.dumps(content, indent=1, allow_nan=False)
        write_result(path, text.encode(), hint="Choose another --out.")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Plan of the last run. Raises UsageError when there is none."""
        hint = "Run it first: csfnns experiment figure4 DIR..."
        try:
            content = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"There is no run of figure4 in {path.parent}.", hint) from error
        except ValueError as error:
            raise UsageError(f"{path} is damaged.", hint) from error
        if not isinstance(content, dict) or content.pop("version", None) != _VERSION:
            raise UsageError(f"{path} was written by another version of csfnns.", hint)
        try:
            sets = tuple(About(**_decoded(each)) for each in content.pop("sets"))
            jobs = tuple(Job(**each) for each in content.pop("jobs"))
            content |= {name: tuple(content[name]) for name in ("judges", "numbers")}
            return cls(sets=sets, jobs=jobs, **content)
        except (TypeError, KeyError) as error:
            raise UsageError(f"{path} is damaged.", f"{hint} Rows that are stored are used again.") from error


def _encoded(about: Mapping[str, Any]) -> dict[str, Any]:
    """The same with "inf" for infinity, which JSON does not have: secrets may arrive exactly."""
    return {name: "inf" if value == math.inf else value for name, value in about.items()}


def _decoded(about: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: math.inf for name, value in about.items() if value == "inf"}
    return {**about, **numbers, "met": tuple(about["met"])}


@dataclass(frozen=True)
class Split:
    """Names of pairs to learn from, in the order in which more are taken, and of those held out."""

    taught: tuple[str, ...]
    held: tuple[str, ...]


def split(names: Sequence[str], seed: int) -> Split:
    """Split by source picture, so that no picture has crops on both sides; of two sets with the same pictures, alike.

    Pairs to learn from come evenly from all pictures: every first crop before any second. Raises UsageError for fewer
    than two source pictures.
    """
    sources = sorted({source_of(name) for name in names}, key=lambda source: _draw(seed, source))
    if len(sources) < 2:
        raise UsageError(
            "All pairs come from one picture, and judges must be tested on others.",
            "Make pairs of more pictures.",
        )
    held = set(sources[: math.ceil(HELD_OUT * len(sources))])
    taught = [name for name in names if source_of(name) not in held]
    turns: dict[str, list[str]] = {}
    for name in sorted(taught, key=lambda name: _draw(seed, name)):
        turns.setdefault(source_of(name), []).append(name)
    place = {name: turn for crops in turns.values() for turn, name in enumerate(crops)}
    taught.sort(key=lambda name: (place[name], _draw(seed, name)))
    return Split(tuple(taught), tuple(sorted(name for name in names if source_of(name) in held)))


def _draw(seed: int, text: str) -> bytes:
    return sha256(f"{seed}/{text}".encode()).digest()


def plan_judging(sets: Sequence[PairSet], teaching: Teaching) -> JudgingPlan:
    """Jobs for every set: UNTAUGHT once, and each judge for each number of pairs and each seed.

    Raises UsageError for what does not fit together, before anything is learned, and PictureError for broken files.
    """
    require("network", "Judging pairs")
    _check(sets, teaching)
    splits = {(each.key, seed): split(each.names, seed) for each in sets for seed in _seeds(teaching)}
    numbers = teaching.numbers or _doublings(min(len(each.taught) for each in splits.values()))
    for (key, _), each in splits.items():
        if max(numbers) > len(each.taught):
            reason = f"Of {key}, {len(each.taught)} pairs are there to learn from, not {max(numbers)}"
            raise UsageError(
                f"{reason}: the others are held out.", "Make more pairs, or give smaller --numbers."
            )
    settings = {judge: describe_judge(judge, teaching) for judge in (UNTAUGHT, *teaching.judges)}
    depends = {"csfnns": csfnns.__version__, "code": code_digest(_SOURCES), **libraries()}
    digests = {each.key: {name: each.digest(name) for name in each.names} for each in sets}

    def job(pairs: PairSet, judge: str, number: int, seed: int, parts: Split) -> Job:
        taught = [digests[pairs.key][name] for name in parts.taught[:number]]
        held = [digests[pairs.key][name] for name in parts.held]
        row = depends | {"judge": [settings[judge], number, seed], "taught": taught, "held": held}
        return Job(pairs.key, judge, number, seed, sha256(json.dumps(row).encode()).hexdigest()[:32])

    jobs = [job(each, UNTAUGHT, 0, 0, Split((), each.names)) for each in sets]
    # Seed by seed and from few pairs to many, so that a run that is stopped has some of every set.
    jobs += [
        job(each, judge, number, seed, splits[each.key, seed])
        for seed in _seeds(teaching)
        for number in numbers
        for judge in teaching.judges
        for each in sets
    ]
    abouts = tuple(map(_about, sets))
    return JudgingPlan(abouts, teaching.judges, numbers, teaching.seeds, settings, tuple(jobs))


_TOLD = ("detector", "steps", "batch", "crop", "rate", "device")
"""Settings of a lesson on which its result depends here."""


def describe_judge(judge: str, teaching: Teaching) -> str:
    """Every setting of a detector but the seed, in words."""
    if judge in (UNTAUGHT, "spam"):
        return judge
    lesson = teaching.lesson(judge, 0)
    told = [f"{name}={getattr(lesson, name)}" for name in _TOLD]
    return ", ".join([*told, f"steps by {describe_stages(judge)}"])


def _check(sets: Sequence[PairSet], teaching: Teaching) -> None:
    unknown = [judge for judge in teaching.judges if judge not in JUDGES]
    if unknown:
        raise UsageError(f"There is no judge {unknown[0]!r}.", f"Choose among: {', '.join(JUDGES)}.")
    if teaching.seeds < 1:
        raise UsageError(f"There is nothing to learn with {teaching.seeds} seeds.", "Give 1 or more.")
    few = [number for number in teaching.numbers if number < LEAST_PAIRS]
    if few:
        raise UsageError(f"Nobody learns from {few[0]} pairs.", f"Give {LEAST_PAIRS} or more.")
    keys = [each.key for each in sets]
    for each in sets:
        if keys.count(each.key) > 1:
            raise UsageError(f"There are two sets of {each.key}.", "Judge one of them at a time.")
    crops = [teaching.lesson(judge, 0).crop or 0 for judge in teaching.judges if judge in NETWORKS]
    for each in sets:
        _check_sizes(each, max(crops, default=0))


def _check_sizes(pairs: PairSet, crop: int) -> None:
    """Of the first pair; the others are looked at when they are learned from."""
    name = pairs.names[0]
    cover, stego = (f"{side.shape[1]}x{side.shape[0]}" for side in (pairs.cover(name), pairs.stego(name)))
    if cover != stego:
        reason = f"Of {pairs.key}, the cover {name} has {cover} pixels, and its stego {stego}."
        raise UsageError(reason, "A stego has the size of its cover.")
    if min(pairs.cover(name).shape[:2]) < crop:
        hint = "Give a smaller --crop."
        raise UsageError(f"Pictures of {pairs.key} have {cover} pixels, and no squares of {crop}.", hint)


def _seeds(teaching: Teaching) -> range:
    return range(1, teaching.seeds + 1)


def _doublings(most: int) -> tuple[int, ...]:
    """50, 100, 200, … and the most. Raises UsageError for too few."""
    if most < LEAST_PAIRS:
        raise UsageError(f"{most} pairs to learn from are too few.", "Make more pairs.")
    return (*(50 * 2**k for k in range(most.bit_length()) if 50 * 2**k < most), most)


def _about(each: PairSet) -> About:
    height, width = each.cover(each.names[0]).shape[:2]
    return About(
        each.key,
        each.scheme,
        each.label,
        each.payload,
        each.met,
        str(each.folder),
        len(each.names),
        max(0, each.count - len(each.names)),
        len(set(map(source_of, each.names))),
        f"{width}x{height}",
        each.steps,
        _mean(each, "psnr"),
        _mean(each, "changed"),
        _mean(each, "recovered"),
        sum(row.get("recovered", 0) is None for row in each.figures.values()),
    )


def _mean(each: PairSet, figure: str) -> float | None:
    values = [row[figure] for row in each.figures.values() if row.get(figure) is not None]
    return fmean(values) if values else None


_STEP_SECONDS = {"xunet": 0.3, "yenet": 0.7, "siastegnet": 1.2, "srnet": 1.6}
"""Of 16 pairs of squares of 64, on one core; rough figures."""


def seconds(job: Job, teaching: Teaching) -> float:
    """Time of a job on one core, roughly."""
    if job.judge not in _STEP_SECONDS:
        return 10.0
    lesson = teaching.lesson(job.judge, job.seed)
    area = ((lesson.crop or 64) / 64) ** 2
    return lesson.steps * lesson.batch / 16 * area * _STEP_SECONDS[job.judge]


Judged = Callable[[Job], None]
"""Called with a job once its row is stored."""


def run_judging(
    plan: JudgingPlan, sets: Sequence[PairSet], teaching: Teaching, store: Store, notify: Judged | None = None
) -> Ran:
    """Do what the plan asks and the store does not have; each row is on disk as soon as it is known."""
    stored = store.rows()
    todo = [job for job in plan.jobs if job.id not in stored]
    by_key = {each.key: each for each in sets}
    for job in todo:
        states = store.folder / "learning" / job.id
        store.add(job.id, _row(job, by_key[job.set], plan, teaching, states))
        rmtree(states, ignore_errors=True)
        if notify is not None:
            notify(job)
    with suppress(OSError):  # not there, or with the states of others
        (store.folder / "learning").rmdir()
    return Ran(len(todo), len(plan.jobs) - len(todo))


def _row(job: Job, pairs: PairSet, plan: JudgingPlan, teaching: Teaching, states: Path) -> Row:
    """Scores of one detector: those of the i-th cover and the i-th stego belong to the i-th name."""
    parts = split(pairs.names, job.seed) if job.number else Split((), pairs.names)
    started = time.monotonic()
    judge = _judge(job, pairs, parts.taught[: job.number], teaching, states)
    taught = time.monotonic()
    covers, stegos = _scores(judge, pairs, parts.held)
    if job.judge in NETWORKS and None in (*covers, *stegos):
        hint = f"Give a lower --rate, or leave {job.judge} out of --judges."
        raise UsageError(f"{job.judge} diverged on {job.set}, and judges nothing.", hint)
    known = _scores(judge, pairs, parts.taught[: min(job.number, _KNOWN)])
    row: dict[str, Any] = {"rows": "figure4", "set": job.set, "judge": job.judge, "seed": job.seed}
    row |= {"number": job.number, "names": list(parts.held), "covers": covers, "stegos": stegos}
    row |= {"taught": list(parts.taught[: job.number]), "settings": plan.settings[job.judge]}
    row |= {"known": {"covers": known[0], "stegos": known[1]}} if job.number else {}
    seconds = {"learning": taught - started, "judging": time.monotonic() - taught}
    device = teaching.device if job.judge in NETWORKS else "cpu"
    return row | environment(device) | {"seconds": seconds}


def _scores(
    judge: Callable[[Picture], float], pairs: PairSet, names: Sequence[str]
) -> tuple[list[float | None], list[float | None]]:
    """Of covers and stegos."""
    covers = [_number(judge(pairs.cover(name))) for name in names]
    return covers, [_number(judge(pairs.stego(name))) for name in names]


def _judge(
    job: Job, pairs: PairSet, names: Sequence[str], teaching: Teaching, states: Path
) -> Callable[[Picture], float]:
    """Score of a picture in [0, 1], by a detector that learned from these pairs."""
    if job.judge == UNTAUGHT:
        return make_detector(UNTAUGHT).score
    covers, stegos = [pairs.cover(name) for name in names], [pairs.stego(name) for name in names]
    if job.judge == "spam":
        return Spam.train(covers, stegos, seed=job.seed).score
    return teach(covers, stegos, names, teaching.lesson(job.judge, job.seed), states).score


def _number(score: float) -> float | None:
    """Score as JSON has it: there is no NaN."""
    return None if math.isnan(score) else float(score)

"""Plans an experiment's jobs, one a picture, and does those that are not stored yet."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import csfnns
from csfnns.batch.run import Runner, RunResult
from csfnns.batch.store import Row, Store, read_json, write_json
from csfnns.errors import CapacityError, PictureError, SearchError, UsageError
from csfnns.experiments import methods as adapter
from csfnns.experiments import provenance
from csfnns.experiments.base import Case, Experiment
from csfnns.experiments.measures import denoiser_setting, lpips_setting
from csfnns.experiments.methods import METHODS, Method, ReceiverSeeds, Setting, Trial, recover
from csfnns.experiments.provenance import MEASURING, environment
from csfnns.extras import require
from csfnns.files import natural, write_result
from csfnns.images.io import READABLE, Picture, read_picture
from csfnns.images.metrics import residual
from csfnns.images.output import encode_picture
from csfnns.profile import GRID
from csfnns.stream import Seed


@dataclass(frozen=True)
class Job:
    """One picture to measure."""

    case: str
    method: str
    dataset: str
    pair: int
    cover: str
    """Path of the cover."""
    secrets: tuple[str, ...]
    """Path of each receiver's secret."""
    id: str
    """Digest of everything that its row depends on."""


@dataclass(frozen=True)
class Plan:
    """One run of an experiment."""

    experiment: str
    side: int
    steps: int | None
    device: str
    changes: Mapping[str, str]
    """Settings with other values than the methods' own, for those that have them."""
    seed: int
    pairs: int
    """Pictures for each method, case and data set."""
    covers: str
    """Folder."""
    secrets: Mapping[str, str]
    """Folder by data set."""
    methods: tuple[str, ...]
    left_out: Mapping[str, str]
    """Methods that cannot run here, as "method/case", and why."""
    settings: Mapping[str, str]
    """Settings of each method in words, by "method/case"."""
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def setting(self) -> Setting:
        """What it asks of every method."""
        return Setting(self.side, self.steps, self.device, self.changes, self.seed)

    def save(self, folder: Path) -> None:
        """Write it beside its rows, for `render`. Raises UsageError when the disk refuses."""
        write_json(folder / f"{self.experiment}.json", self)

    @classmethod
    def load(cls, folder: Path, experiment: str) -> Self:
        """Plan of the last run in that folder. Raises UsageError when there is none."""
        missing, hint = f"There is no run of {experiment} in {folder}.", f"csfnns experiment run {experiment}"
        return read_json(folder / f"{experiment}.json", cls, missing, f"Run it first: {hint}.")


def make_plan(
    experiment: Experiment,
    covers: Path,
    secrets: Mapping[str, Path],
    *,
    pairs: int | None = None,
    side: int = 512,
    steps: int | None = None,
    methods: Sequence[str] = (),
    device: str = "cpu",
    changes: Mapping[str, str] | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> Plan:
    """Pair i is the i-th cover with the i-th secret, in natural order of names; further receivers take the next secrets.

    Without `pairs` there are as many as the experiment says, or as the smallest folder has; without `methods`, those
    that the experiment names and that can run here. `changes` give other values to settings of the methods that have
    them; `seed` gives other keys. Pictures below `out`, the run's own folder, are left out. Every
    picture that is used is decoded once, so that none stops the run later. Raises UsageError and PictureError.
    """
    require("network", "An experiment")
    _check_numbers(experiment, side, steps, pairs)
    chosen, left_out = _choose(experiment, methods)
    setting = Setting(side, steps, device, changes or {}, seed)
    _check_changes(chosen, setting)
    pictures = [find_pictures(covers, out), *(find_pictures(folder, out) for folder in secrets.values())]
    count = _count(experiment, pictures, pairs)
    settings = {f"{method.name}/{case.name}": method.describe(case, setting) for case, method in chosen}
    depends: dict[str, Any] = {
        "csfnns": csfnns.__version__,
        **provenance.libraries(),
        "code": provenance.code_digest(
            (*MEASURING, "covers") if experiment.timed else MEASURING,
            provenance.outside_modules(experiment.factory),
        ),
        "machine": provenance.machine(device) if experiment.timed else None,
        "rows": experiment.rows_of,
        "lpips": lpips_setting(),
        "denoiser": denoiser_setting(),
        "seed": seed,
    }
    digests = _Digests()
    jobs = []
    for pair in range(count):  # pair by pair, so that a run that is stopped has all methods of its first pairs
        for case, method in chosen:
            described = settings[f"{method.name}/{case.name}"]
            for dataset, files in zip(secrets, pictures[1:], strict=True):
                mine = [files[(pair + t) % len(files)] for t in range(case.receivers)]
                cover = pictures[0][pair]
                row = depends | {"case": asdict(case), "method": [method.name, described], "dataset": dataset}
                row |= {"pair": pair, "pictures": [digests[path] for path in (cover, *mine)]}
                names = (case.name, method.name, dataset, pair, str(cover), tuple(map(str, mine)))
                jobs.append(Job(*names, digest_of(row)))
    digests.check()
    return Plan(
        experiment.name,
        side,
        steps,
        device,
        setting.changes,
        seed,
        count,
        str(covers),
        {name: str(folder) for name, folder in secrets.items()},
        tuple(dict.fromkeys(method.name for _, method in chosen)),
        left_out,
        settings,
        tuple(jobs),
    )


def digest_of(depends: Mapping[str, Any]) -> str:
    """Id of a row that depends on this."""
    return sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]


def find_pictures(folder: Path, out: Path | None = None) -> list[Path]:
    """Pictures below a folder, in natural order of their names, without those below `out`.

    Raises PictureError when there are none, and UsageError when both are one folder.
    """
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}.", "Check the path.")
    every = (path for path in folder.rglob("*") if path.suffix.lower() in READABLE and path.is_file())
    found = sorted(every, key=natural)
    home, own = folder.resolve(), None if out is None else out.resolve()
    if own == home:
        raise UsageError(f"{folder} holds pictures to measure.", "Choose another --out.")
    if own is not None and own.is_relative_to(home):
        found = [path for path in found if not path.resolve().is_relative_to(own)]
    if not found:
        raise PictureError(f"There are no pictures in {folder}.", f"It needs files of {', '.join(READABLE)}.")
    return found


def _check_numbers(experiment: Experiment, side: int, steps: int | None, pairs: int | None) -> None:
    sides = [side * case.scale for case in experiment.cases]
    if any(each % GRID or not 64 <= each <= 8192 for each in sides):
        names = ", ".join(f"{each:g}" for each in sides)
        scales = "" if set(sides) == {side} else f" This experiment would have covers of {names}."
        hint = f"Sides are multiples of {GRID} from 64 to 8192.{scales}"
        raise UsageError(f"Covers cannot have {side}x{side} pixels.", hint)
    for name, value in (("--steps", steps), ("--pairs", pairs)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be 1 or more, got {value}.", "Give a larger number.")


def _check_changes(chosen: Sequence[tuple[Case, Method]], setting: Setting) -> None:
    """Raise UsageError for a change of a setting that no method of the run has."""
    if setting.changes:
        known = set[str]().union(*(method.settings(case, setting) for case, method in chosen))
        for name in setting.changes.keys() - known:
            hint = f"They have: {', '.join(sorted(known))}."
            raise UsageError(f"No method of this run has a setting {name!r}.", hint)


def _choose(experiment: Experiment, names: Sequence[str]) -> tuple[list[tuple[Case, Method]], dict[str, str]]:
    """Cases with the methods to run, and reasons why others of the experiment cannot."""
    for name in names:
        METHODS[name]  # raises for an unknown one
    wanted = [method for name, method in METHODS.entries().items() if name in (names or experiment.methods)]
    every = [(case, method) for case in experiment.cases for method in wanted]
    left_out = {f"{method.name}/{case.name}": reason for case, method in every if (reason := method.lacks(case))}
    chosen = [(case, method) for case, method in every if f"{method.name}/{case.name}" not in left_out]
    running = {method.name for _, method in chosen}
    for method in wanted:
        if method.name not in running and (names or not chosen):
            reason = next(text for name, text in left_out.items() if name.startswith(f"{method.name}/"))
            raise UsageError(f"{method.name} cannot run here: {reason}.", "Leave it out of --methods.")
    return chosen, left_out


def _count(experiment: Experiment, pictures: Sequence[Sequence[Path]], pairs: int | None) -> int:
    """Pairs to measure. Raises UsageError for more than there are."""
    most = min(map(len, pictures))
    receivers = max(case.receivers for case in experiment.cases)
    if most < receivers:
        raise UsageError(f"{receivers} receivers need {receivers} secrets, not {most}.", "Add pictures.")
    if pairs is not None and pairs > most:
        raise UsageError(f"There are {most} pairs of cover and secret, not {pairs}.", "Add pictures.")
    return pairs or experiment.pairs or most


class _Digests(dict[Path, str]):
    """SHA-256 of picture files, each read once; empty for a file that is no picture, which `check` reports."""

    def __init__(self) -> None:
        self._unreadable: list[PictureError] = []

    def __missing__(self, path: Path) -> str:
        self[path] = ""
        try:
            read_picture(path)
            self[path] = adapter.fingerprint(path)
        except PictureError as error:
            self._unreadable.append(error)
        return self[path]

    def check(self) -> None:
        """Raise PictureError that names every file that is no picture."""
        if len(self._unreadable) == 1:
            raise self._unreadable[0]
        if self._unreadable:
            reasons = " ".join(error.message for error in self._unreadable)
            raise PictureError(reasons, "Replace or remove these files; nothing was measured.")


@dataclass(frozen=True)
class Measurement:
    """What an experiment does with a job: hide, recover and measure."""

    experiment: Experiment
    plan: Plan
    folder: Path
    keep: bool = False
    """Whether to write the pictures of every row, and not only those of figures."""

    def pack(self, job: Job) -> "_Work":
        """Read its pictures."""
        cover, *secrets = (read_picture(path) for path in (job.cover, *job.secrets))
        described = self.plan.settings[f"{job.method}/{job.case}"]
        keep = self.keep or self.experiment.draw is not None
        return _Work(self.experiment, job, self.plan.setting, described, cover, tuple(secrets), keep)

    def unpack(self, job: Job, result: "_Measured") -> Row:
        """Write the pictures that are kept."""
        folder = self.folder / "pictures" / job.id
        for name, data in result.pictures.items():
            folder.mkdir(parents=True, exist_ok=True)
            write_result(folder / name, data, hint="Choose another --out.")
        return result.row

    def lost(self, job: Job, reason: str) -> Row:
        """Row without figures."""
        described = self.plan.settings[f"{job.method}/{job.case}"]
        return _about(self.experiment, job, self.plan.setting, described) | _without_figures(reason)


@dataclass(frozen=True)
class _Measured:
    row: Row
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG files that are kept, by name."""


@dataclass(frozen=True)
class _Work:
    """One measurement, which needs no file."""

    experiment: Experiment
    job: Job
    setting: Setting
    described: str
    cover: Picture
    secrets: tuple[Picture, ...]
    keep: bool

    def __call__(self) -> _Measured:
        """Measure. A secret that does not fit, or a search that fails, becomes a row that says so."""
        experiment = self.experiment
        about = _about(experiment, self.job, self.setting, self.described)
        try:
            trial = _embed(self)
        except (CapacityError, SearchError) as error:
            return _Measured(about | _without_figures(error.message))
        values = {variant: dict(figures) for variant, figures in experiment.measure(trial).items()}
        row = about | {"error": None, "values": values, "seconds": {"search": trial.search_seconds}}
        return _Measured(row, _shown(trial) if self.keep else {})


def _about(experiment: Experiment, job: Job, setting: Setting, described: str) -> dict[str, Any]:
    row: dict[str, Any] = {"rows": experiment.rows_of, "case": job.case, "method": job.method}
    row |= {"dataset": job.dataset, "pair": job.pair, "cover": Path(job.cover).name}
    row |= {"secrets": [Path(path).name for path in job.secrets], **environment(setting.device)}
    return row | {"settings": described}


def _without_figures(reason: str) -> dict[str, Any]:
    return {"error": reason, "values": {}, "seconds": {}}


def run(
    experiment: Experiment,
    plan: Plan,
    store: Store,
    done: Callable[[Job], object] = lambda job: None,
    *,
    runner: Runner | None = None,
    keep: bool = False,
) -> RunResult:
    """Measure what the plan asks for and the store lacks; `done` is called with each job once its row is on disk.

    With `keep`, the pictures of each of these rows are written: cover, stego, residual, secrets and recovered ones.

    Several runs may share a folder, and the runner decides who does the work: a row is measured once. Raises
    PictureError for a file that cannot be read.
    """
    return (runner or Runner())(plan.jobs, store, Measurement(experiment, plan, store.folder, keep), done)


def seeds_of(experiment: Experiment, job: Job, receiver: int, seed: int = 0) -> ReceiverSeeds:
    """Seeds of one receiver. They depend on what the job is and on the run's seed, and on nothing else."""
    root = Seed(sha256(f"csfnns/2/experiments{f'/{seed}' if seed else ''}".encode()).digest())
    path = (experiment.rows_of, job.case, job.method, job.dataset, job.pair, receiver)
    return adapter.receiver_seeds(root.derive("csfnns/2/experiment/" + "/".join(map(str, path))))


def _embed(work: _Work) -> Trial:
    experiment, job = work.experiment, work.job
    method = METHODS[job.method]
    case = next(case for case in experiment.cases if case.name == job.case)
    side = adapter.scaled(work.setting.side, case)
    profile = method.profile(case, side, work.setting.changes)
    cover = work.setting.resize(work.cover, side)
    grid = adapter.grid_side(side, case)
    seed = work.setting.seed
    secrets = {
        seeds_of(experiment, job, t, seed): work.setting.resize(each, grid) for t, each in enumerate(work.secrets)
    }
    scheme = method.build(profile, replace(work.setting, side=side), list(secrets))

    scheme.check(list(secrets.values()))
    started = time.perf_counter()
    stego = scheme.embed(cover, secrets)
    seconds = time.perf_counter() - started
    stego = read_picture(encode_picture(stego, ".png"))
    return Trial(method, profile, scheme, cover, secrets, stego, seconds)


def _shown(trial: Trial) -> dict[str, bytes]:
    """Pictures of a trial as files."""
    pictures = {"cover": trial.cover, "stego": trial.stego, "residual": residual(trial.stego, trial.cover)}
    pictures |= {f"secret-{t}": secret for t, secret in enumerate(trial.secrets.values())}
    pictures |= {f"recovered-{t}": got.picture for t, got in enumerate(recover(trial)) if got is not None}
    return {f"{name}.png": encode_picture(picture, ".png") for name, picture in pictures.items()}

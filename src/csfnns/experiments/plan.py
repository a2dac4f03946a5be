"""What a run shall do: its settings, and a job for each picture."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import csfnns
from csfnns.errors import CsfnnsError, PictureError, UsageError
from csfnns.experiments.base import Case, Experiment
from csfnns.experiments.measures import denoiser_setting, lpips_setting
from csfnns.experiments.methods import METHODS, Method, Setting, scaled
from csfnns.experiments.provenance import made_with
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.picture import READABLE, read_picture
from csfnns.profile import GRID
from csfnns.stream import SEED_BYTES, Seed

_VERSION = 1


@dataclass(frozen=True)
class Job:
    """One picture to be measured."""

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
    pairs: int
    """Pictures a method, case and data set."""
    covers: str
    """Folder."""
    secrets: Mapping[str, str]
    """Folder by data set."""
    methods: tuple[str, ...]
    left_out: Mapping[str, str]
    """Methods that cannot run here, as "method/case", and why."""
    settings: Mapping[str, str]
    """Settings of each method in words."""
    jobs: tuple[Job, ...] = field(repr=False)

    @property
    def setting(self) -> Setting:
        """What it asks of every method."""
        return Setting(self.side, self.steps, self.device)

    def save(self, folder: Path) -> None:
        """Write it beside its rows, for `render`. Raises UsageError when the disk refuses."""
        text = json.dumps({"version": _VERSION, **asdict(self)}, indent=1)
        write_result(_file(folder, self.experiment), text.encode(), hint="Choose another --out.")

    @classmethod
    def load(cls, folder: Path, experiment: str) -> Self:
        """Plan of the last run in that folder. Raises UsageError when there is none."""
        path = _file(folder, experiment)
        hint = f"Run it first: csfnns experiment run {experiment}."
        try:
            content = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"There is no run of {experiment} in {folder}.", hint) from error
        except ValueError as error:
            raise _damaged(path, hint) from error
        if isinstance(content, dict) and content.pop("version", None) != _VERSION:
            raise UsageError(f"{path} was written by another version of csfnns.", hint)
        try:
            jobs = tuple(Job(**(job | {"secrets": tuple(job["secrets"])})) for job in content.pop("jobs"))
            return cls(**content | {"methods": tuple(content["methods"])}, jobs=jobs)
        except (TypeError, KeyError, AttributeError) as error:
            raise _damaged(path, hint) from error


def _damaged(path: Path, hint: str) -> UsageError:
    return UsageError(f"{path} is damaged.", f"{hint} Rows that are stored are used again.")


def _file(folder: Path, experiment: str) -> Path:
    return folder / f"{experiment}.json"


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
    out: Path | None = None,
) -> Plan:
    """Pair i is the i-th cover with the i-th secret, both in name order; further receivers take the next secrets.

    Without `pairs` there are as many as the experiment says, or the smallest folder has; without `methods` those that
    the experiment names, as far as they can run here. Pictures below `out`, the run's own folder, are left out. Every
    picture that is used is decoded once, so that none stops the run later. Raises UsageError and PictureError.
    """
    require("network", "An experiment")
    _check_sizes(experiment, side, steps, pairs)
    chosen, left_out = _choose(experiment, methods)
    setting = Setting(side, steps, device)
    pictures = _Pictures(
        find_pictures(covers, out), {name: find_pictures(folder, out) for name, folder in secrets.items()}
    )
    count = pictures.count(experiment, pairs)
    settings = {f"{method.name}/{case.name}": describe(method, case, setting) for case, method in chosen}
    depends = {
        "csfnns": csfnns.__version__,
        "made with": made_with(experiment, device),
        "rows": experiment.rows_of,
        "lpips": lpips_setting(),
        "denoiser": denoiser_setting(),
    }
    jobs = [
        job
        for case, method in chosen
        for job in pictures.jobs(depends, case, method.name, settings[f"{method.name}/{case.name}"], count)
    ]
    pictures.check()
    return Plan(
        experiment.name,
        side,
        steps,
        device,
        count,
        str(covers),
        {name: str(folder) for name, folder in secrets.items()},
        tuple(dict.fromkeys(method.name for _, method in chosen)),
        left_out,
        settings,
        # Pair by pair, so that a run that is stopped has all methods of its first pairs.
        tuple(sorted(jobs, key=lambda job: job.pair)),
    )


def find_pictures(folder: Path, out: Path | None = None) -> list[Path]:
    """Pictures below a folder, in name order, but for those below `out`.

    Raises PictureError when there are none, and UsageError when both are one folder.
    """
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}.", "Check the path.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READABLE and path.is_file())
    home, own = folder.resolve(), None if out is None else out.resolve()
    if own == home:
        raise UsageError(f"{folder} holds pictures to measure.", "Choose another --out.")
    if own is not None and own.is_relative_to(home):
        found = [path for path in found if not path.resolve().is_relative_to(own)]
    if not found:
        raise PictureError(f"There are no pictures in {folder}.", f"It needs files of {', '.join(READABLE)}.")
    return found


def describe(method: Method, case: Case, setting: Setting) -> str:
    """Every setting of a method in this case, as its scheme shows them, with a digest of weights that it reads."""
    from csfnns.schemes import ReceiverSeeds

    side = scaled(setting.side, case)
    nobody = Seed(bytes(SEED_BYTES))  # seeds are not shown
    receivers = [ReceiverSeeds(nobody, nobody)] * case.receivers
    try:
        scheme = method.build(method.profile(case, side), replace(setting, side=side), receivers)
    except CsfnnsError as error:
        raise type(error)(f"{method.name}, {case.label}: {error.message}", error.hint) from error
    weights = getattr(scheme, "weights", None)
    return repr(scheme) + (f" of {_fingerprint(weights)}" if isinstance(weights, Path) else "")


def _check_sizes(experiment: Experiment, side: int, steps: int | None, pairs: int | None) -> None:
    sides = [side * case.scale for case in experiment.cases]
    if any(each % GRID or not 64 <= each <= 8192 for each in sides):
        scales = "" if set(sides) == {side} else f" This experiment has covers of {_list(sides)} then."
        hint = f"Sides are multiples of {GRID} from 64 to 8192.{scales}"
        raise UsageError(f"Covers cannot have {side}x{side} pixels.", hint)
    if steps is not None and steps < 1:
        raise UsageError(f"A search of {steps} steps does nothing.", "Give 1 or more.")
    if pairs is not None and pairs < 1:
        raise UsageError(f"There is nothing to measure with {pairs} pairs.", "Give 1 or more.")


def _list(sides: Sequence[float]) -> str:
    return ", ".join(f"{side:g}" for side in sides)


def _choose(experiment: Experiment, names: Sequence[str]) -> tuple[list[tuple[Case, Method]], dict[str, str]]:
    """Cases with the methods that shall run, and reasons why others of the experiment cannot."""
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise UsageError(f"There is no method {unknown[0]!r}.", f"Choose among: {', '.join(METHODS)}.")
    wanted = [method for name, method in METHODS.items() if name in (names or experiment.methods)]
    every = [(case, method) for case in experiment.cases for method in wanted]
    left_out = {
        f"{method.name}/{case.name}": reason for case, method in every if (reason := method.lacks(case))
    }
    chosen = [(case, method) for case, method in every if f"{method.name}/{case.name}" not in left_out]
    running = {method.name for _, method in chosen}
    for method in wanted:
        if method.name not in running and (names or not chosen):
            reason = next(text for name, text in left_out.items() if name.startswith(f"{method.name}/"))
            raise UsageError(f"{method.name} cannot run here: {reason}.", "Leave it out of --methods.")
    return chosen, left_out


class _Pictures:
    """Covers and secrets as they lie there, each that is used read once for its digest."""

    def __init__(self, covers: Sequence[Path], secrets: Mapping[str, Sequence[Path]]) -> None:
        self._covers, self._secrets = covers, secrets
        self._digests: dict[Path, str] = {}
        self._unreadable: list[PictureError] = []

    def count(self, experiment: Experiment, pairs: int | None) -> int:
        """Pairs to measure. Raises UsageError for more than there are."""
        most = min(len(self._covers), *(len(files) for files in self._secrets.values()))
        receivers = max(case.receivers for case in experiment.cases)
        if most < receivers:
            raise UsageError(f"{receivers} receivers need {receivers} secrets, not {most}.", "Add pictures.")
        if pairs is not None and pairs > most:
            raise UsageError(f"There are {most} pairs of cover and secret, not {pairs}.", "Add pictures.")
        return pairs or experiment.pairs or most

    def check(self) -> None:
        """Raise PictureError that names every file of the jobs that is no picture."""
        if len(self._unreadable) == 1:
            raise self._unreadable[0]
        if self._unreadable:
            reasons = " ".join(error.message for error in self._unreadable)
            raise PictureError(reasons, "Get these files again or take them away; nothing was measured.")

    def jobs(
        self, depends: Mapping[str, Any], case: Case, method: str, described: str, count: int
    ) -> Iterator[Job]:
        """Jobs of one method and case; the id is made of `depends` and of all else that a row depends on."""
        depends = {**depends, "case": asdict(case), "method": [method, described]}
        for dataset, files in self._secrets.items():
            for pair in range(count):
                mine = [files[(pair + t) % len(files)] for t in range(case.receivers)]
                cover = self._covers[pair]
                digests = [self._digest(path) for path in (cover, *mine)]
                text = json.dumps(
                    depends | {"dataset": dataset, "pair": pair, "pictures": digests}, sort_keys=True
                )
                digest = sha256(text.encode()).hexdigest()[:32]
                yield Job(case.name, method, dataset, pair, str(cover), tuple(map(str, mine)), digest)

    def _digest(self, path: Path) -> str:
        """Of the file's bytes; empty for what is no picture, which `check` will name."""
        if path not in self._digests:
            self._digests[path] = ""
            try:
                read_picture(path)
                self._digests[path] = _fingerprint(path)
            except PictureError as error:
                self._unreadable.append(error)
        return self._digests[path]


def _fingerprint(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error

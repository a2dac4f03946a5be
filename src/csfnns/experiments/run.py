"""Doing the jobs of a plan: those that are not stored yet, each written down as soon as it is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csfnns.errors import CapacityError, SearchError
from csfnns.experiments.base import Case, Experiment, Trial
from csfnns.experiments.methods import METHODS, Method, grid_side, scaled
from csfnns.experiments.plan import Job, Plan
from csfnns.experiments.provenance import environment
from csfnns.experiments.store import Row, Store
from csfnns.output import encode_picture, write_picture
from csfnns.picture import fit, read_picture
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.schemes import ReceiverSeeds

Notify = Callable[[Job, float], None]
"""Called with a job and the share of it that is done; 1 once its row is stored."""


@dataclass(frozen=True)
class Ran:
    """What a run came to."""

    done: int
    """Rows that it made."""
    reused: int
    """Rows that were there."""


def run(experiment: Experiment, plan: Plan, store: Store, notify: Notify | None = None) -> Ran:
    """Do what the plan asks and the store does not have.

    A secret that does not fit, or a search that fails, is a row that says so. Raises PictureError for a file that
    cannot be read.
    """
    stored = store.rows()
    todo = [job for job in plan.jobs if job.id not in stored]
    cases = {case.name: case for case in experiment.cases}
    for job in todo:
        row = perform(experiment, cases[job.case], job, plan, store.folder, notify)
        store.add(job.id, row)
        if notify is not None:
            notify(job, 1.0)
    return Ran(len(todo), len(plan.jobs) - len(todo))


def perform(
    experiment: Experiment, case: Case, job: Job, plan: Plan, folder: Path, notify: Notify | None = None
) -> Row:
    """Row of one job."""
    row: dict[str, Any] = {"rows": experiment.rows_of, "case": job.case, "method": job.method}
    row |= {"dataset": job.dataset, "pair": job.pair, **_pictures(job), **environment(plan.device)}
    row |= {"settings": plan.settings[f"{job.method}/{job.case}"], "error": None}
    try:
        trial = _hide(experiment, case, job, plan, notify)
    except (CapacityError, SearchError) as error:
        return row | {"error": error.message, "values": {}, "seconds": {}}
    values = {variant: dict(figures) for variant, figures in experiment.measure(trial).items()}
    if experiment.draw is not None:
        _keep(trial, folder / "pictures" / job.id)
    return row | {"values": values, "seconds": {"search": trial.search_seconds}}


def seeds_of(experiment: Experiment, job: Job, receiver: int) -> "ReceiverSeeds":
    """Seeds of one receiver: they follow from what the job is, and from nothing else."""
    from csfnns.schemes import ReceiverSeeds

    root = Seed(sha256(b"csfnns/1/experiments").digest())
    path = (experiment.rows_of, job.case, job.method, job.dataset, job.pair, receiver)
    seed = root.derive("csfnns/1/experiment/" + "/".join(map(str, path)))
    return ReceiverSeeds(seed.derive("csfnns/1/decoder"), seed.derive("csfnns/1/header"))


def _hide(experiment: Experiment, case: Case, job: Job, plan: Plan, notify: Notify | None) -> Trial:
    method: Method = METHODS[job.method]
    side = scaled(plan.side, case)
    profile = method.profile(case, side)
    cover = fit(read_picture(job.cover), side, side)
    grid = grid_side(side, case)
    secrets = {
        seeds_of(experiment, job, t): fit(read_picture(path), grid, grid)
        for t, path in enumerate(job.secrets)
    }
    scheme = method.build(profile, replace(plan.setting, side=side), list(secrets))

    def tell(step: int, steps: int) -> None:
        if notify is not None and step < steps:
            notify(job, step / steps)

    scheme.check(list(secrets.values()))
    started = time.perf_counter()
    stego = scheme.embed(cover, secrets, progress=tell)
    seconds = time.perf_counter() - started
    stego = read_picture(encode_picture(stego, ".png"))
    return Trial(method.name, profile, scheme, cover, secrets, stego, seconds, method.seen, method.adapted)


def _keep(trial: Trial, folder: Path) -> None:
    """Write the pictures of a trial, for a figure's page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"cover": trial.cover, "stego": trial.stego}
    pictures |= {f"secret-{t}": secret for t, secret in enumerate(trial.secrets.values())}
    pictures |= {f"recovered-{t}": got.picture for t, got in enumerate(trial.recover()) if got is not None}
    for name, picture in pictures.items():
        write_picture(picture, folder / f"{name}.png", overwrite=True)


def _pictures(job: Job) -> dict[str, Any]:
    return {"cover": Path(job.cover).name, "secrets": [Path(path).name for path in job.secrets]}

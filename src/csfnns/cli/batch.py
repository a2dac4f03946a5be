"""`csfnns batch`: many secrets, each in a picture of its own, by several processes."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from csfnns.cli import options, show
from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.cli.options import argument, declare, option
from csfnns.cli.progress import Lines
from csfnns.cli.runners import Ray, Shard, Workers, make_runner
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.batch.plan import HideJob, Plan

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Hide and reveal many at once.")


class Format(StrEnum):
    """Formats of outputs."""

    png = "png"
    webp = "webp"
    jpg = "jpg"


@app.command()
@declare(
    source=argument("FOLDER|CSV", "Files to hide; or a table with the columns source, receiver and output."),
    plan=argument("PLAN", "Plan to write, a SQLite file."),
    out=option("FOLDER", "Where the pictures go; it is made if there is none.", "--out", "-o"),
    receiver=option("NAME", "Receiver of all; a table can name one in each row."),
    suffix=option("png|webp|jpg", "Format of the pictures.", "--format"),
    method=option("NAME", "How to hide; by default, whatever brings each secret best."),
    resize=option("PIXELS", "Scale pictures down to this longest side."),
    undated=option(None, "Do not send the time of sending.", "--undated"),
)
def plan(
    source: Path,
    plan: Path,
    out: Path,
    receiver: str | None = None,
    suffix: Format = Format.png,
    method: str | None = None,
    resize: int | None = None,
    undated: bool = False,
    json: options.AsJson = False,
) -> None:
    """Plan which files are hidden in which pictures.

    Nothing is hidden yet. Symbolic links in the folder are left out.

    \b
    csfnns batch plan photos jobs.sqlite -o stegos
    csfnns batch run jobs.sqlite -k mine.key
    csfnns batch reveal stegos -k mine.key -o revealed
    """
    from csfnns.batch.plan import Options, Plan, jobs_of, links_in
    from csfnns.methods import METHODS

    if method is not None:
        METHODS[method]  # raises for an unknown one
    for link in links_in(source) if source.is_dir() else ():
        show.warning(f"{link} is a symbolic link, and left out.", json=json)
    jobs = jobs_of(source, out, receiver=receiver, suffix=suffix.value)
    made = Plan.make(plan, jobs, Options(method, resize, not undated))
    if json:
        show.as_json({"plan": str(plan), "jobs": len(made.jobs)})
    else:
        count = len(made.jobs)
        what = "1 picture" if count == 1 else f"{count} pictures"
        show.text(f"{plan}: {what} to write. Next: csfnns batch run {plan} -k KEY.")


@app.command()
@declare(
    plan=argument("PLAN", "What 'batch plan' wrote."),
    retry=option(None, "Try again what failed.", "--retry"),
)
def run(
    plan: Path,
    access: KeyAccess,
    workers: Workers = None,
    shard: Shard = "1/1",
    ray: Ray = None,
    retry: bool = False,
    quiet: options.Quiet = False,
    json: options.AsJson = False,
) -> None:
    """Hide what a plan says and nobody has hidden yet.

    It runs one process a core unless --workers says how many. After a stop, or even a kill, the same command continues;
    several can work on one plan at once. Each picture is made once. What cannot be hidden is reported at the end, and
    does not stop the others.
    """
    from csfnns.batch.plan import Plan

    opened = Plan(plan)
    key = resolve_key(access, quiet=quiet, json=json, twice=True)
    if retry:
        opened.retry()
    with make_runner(workers, shard, ray) as runner:
        lines = _lines(runner.part(opened.jobs), opened, quiet=json or quiet)
        ran = opened.run(key, runner, covers=access.covers(key), done=lambda job: lines(job.output))
    counts, failures = opened.counts(), opened.failures()
    if json:
        show.as_json({"plan": str(plan), **counts._asdict(), "failures": _described(failures)})
    elif not quiet:
        others = f" {ran.others} of them by other runs meanwhile," if ran.others else ""
        show.note(f"{counts.done} done,{others} {counts.failed} failed, {counts.running + counts.waiting} left.")
    if failures:
        if not json:
            for job, reason in failures.items():
                show.note(f"{job.source}: {reason}")
        raise typer.Exit(UsageError.exit_code)


@app.command()
@declare(plan=argument("PLAN", "What 'batch plan' wrote."))
def status(plan: Path, json: options.AsJson = False) -> None:
    """Show how far a plan is."""
    from csfnns.batch.plan import Plan

    opened = Plan(plan)
    counts = opened.counts()
    if json:
        show.as_json({**counts._asdict(), "failures": _described(opened.failures())})
        return
    show.table({name: f"{value:,}" for name, value in counts._asdict().items()})
    for job, reason in opened.failures().items():
        show.text(f"{job.source}: {reason}")


@app.command()
@declare(
    folder=argument("FOLDER", "Pictures as they were sent."),
    out=option("FOLDER", "Where to write; it is made if there is none.", "--out", "-o"),
)
def reveal(
    folder: Path,
    access: KeyAccess,
    out: Path,
    workers: Workers = None,
    quiet: options.Quiet = False,
    json: options.AsJson = False,
) -> None:
    """Reveal every picture of a folder.

    It runs one process a core unless --workers says how many. Each file is named after its picture and what its sender
    named it. After a stop, the same command continues.
    """
    from csfnns.batch.plan import reveal_folder

    key = resolve_key(access, quiet=quiet, json=json)
    with make_runner(workers) as runner:
        rows = reveal_folder(folder, key, out, runner, covers=access.covers(key))
    failures = {name: str(row["error"]) for name, row in rows.items() if "error" in row}
    if json:
        show.as_json({"revealed": len(rows) - len(failures), "failures": failures})
    elif not quiet:
        show.text(f"Revealed {len(rows) - len(failures)} of {len(rows)} pictures.")
        changed = [name for name, row in rows.items() if row.get("unchanged") is False]
        for name, reason in [*failures.items(), *((name, "changed on its way") for name in changed)]:
            show.text(f"{name}: {reason}")
    if failures:
        raise typer.Exit(UsageError.exit_code)


def _lines(jobs: "Sequence[HideJob]", plan: "Plan", *, quiet: bool) -> Callable[[str], None]:
    """Writes a line for each picture that is made."""
    from csfnns.batch.run import unfinished

    todo = len(unfinished(jobs, plan.store))
    lines = Lines(todo, todo)
    return (lambda name: None) if quiet else (lambda name: lines.report(name, 1))


def _described(failures: "Mapping[HideJob, str]") -> list[dict[str, str]]:
    return [{"source": job.source, "output": job.output, "reason": reason} for job, reason in failures.items()]

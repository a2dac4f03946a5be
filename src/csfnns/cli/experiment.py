"""`csfnns experiment`: the paper's tables and figures, made from your pictures."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from csfnns.cli import options, show
from csfnns.cli.progress import Lines, device_name, duration
from csfnns.cli.runners import Ray, Shard, Workers, make_runner
from csfnns.errors import UsageError
from csfnns.extras import require

if TYPE_CHECKING:
    from csfnns.batch.run import Runner
    from csfnns.experiments import Experiment, Job, Plan, Rendered, Store

_FIGURE4 = "figure4"
"""Made from sets of pairs, by a command of its own."""
_NAMED = re.compile(r"([a-z][a-z0-9-]{0,31})=(.+)", re.DOTALL)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make the paper's tables and figures from your pictures.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as table1; see 'csfnns experiment list'.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of rows and results: runs/NAME.")]
Where = Annotated[options.Device, typer.Option(help="Where searches and training run.")]
Names = Annotated[str | None, typer.Option(metavar="A,B", help="Only these; see 'csfnns experiment list'.")]
Steps = Annotated[
    int | None, typer.Option(help="Steps of every search instead of each method's own, for a quick test.")
]


@app.command("run")
def run_experiment(
    name: Name,
    covers: Annotated[Path, typer.Option(metavar="DIR", help="Folder of covers.")],
    secrets: Annotated[
        list[str], typer.Option(metavar="DIR|NAME=DIR", help="Folder of secrets; repeat for more data sets.")
    ],
    pairs: Annotated[
        int | None, typer.Option(help="Pictures for each method and data set: all, or one for figures.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the covers, in pixels.")] = 512,
    steps: Steps = None,
    methods: Names = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Another value for methods with that setting, such as beta; repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives other keys.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Save cover, stego, residual, secret and recovered picture of each new row.")
    ] = False,
    out: Out = None,
    device: Where = options.Device.cpu,
    workers: Workers = 1,
    shard: Shard = "1/1",
    ray: Ray = None,
    json: options.AsJson = False,
) -> None:
    """Measure what is not measured yet, and write the table or figure.

    Each picture's figures are on disk as soon as they are known. After a stop, or even a kill, the same command
    continues, and ends with the same table. Several can work on one folder at once: each picture is measured once.
    """
    experiment = _find(name)
    require("network", "Running an experiment")
    from csfnns.experiments import Store, make_plan, render, run

    folder = out or Path("runs") / experiment.rows_of
    plan = make_plan(
        experiment,
        covers,
        _by_name(secrets),
        pairs=pairs,
        side=size,
        steps=steps,
        methods=_split(methods),
        device=device_name(device),
        changes=_changes(changes or []),
        seed=seed,
        out=folder,
    )
    store = Store(folder)
    plan.save(folder)
    with make_runner(workers, shard, ray, device=plan.device) as runner:
        lines = _lines(experiment, plan, store, runner, quiet=json)
        ran = run(experiment, plan, store, lines, runner=runner, keep=keep)
    _show(name, render(experiment, store), {"measured": ran.done, "reused": ran.reused}, json=json)


@app.command("render")
def render_again(
    name: Name,
    out: Out = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="md|tex|png|csv|json|svg|pdf", help="What to write; repeat for more; md, tex, png."
        ),
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Write the table or figure of the last run again, from what is stored. Nothing is measured."""
    from csfnns.experiments import Store, render, render_figure4

    if name == _FIGURE4:
        store = Store(out or Path("runs") / _FIGURE4, must_exist=True)
        _show(name, render_figure4(store, form or ()), {}, json=json)
        return
    experiment = _find(name)
    store = Store(out or Path("runs") / experiment.rows_of, must_exist=True)
    _show(name, render(experiment, store, form or ()), {}, json=json)


@app.command("join")
def join_folders(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to complete.")],
    others: Annotated[list[Path], typer.Argument(metavar="OTHER...", help="Folders of the other shards.")],
    json: options.AsJson = False,
) -> None:
    """Bring the shards of one run together: add to DIR the rows and pictures of the others that it lacks.

    Then the command of the run, without --shard, finds everything measured and writes the table.
    """
    from csfnns.experiments.join import join

    added = join(out, others)
    if json:
        show.as_json({"folder": str(out), "rows": added})
    else:
        show.text(f"{out}: {added} rows are new.")


@app.command("list")
def list_experiments(json: options.AsJson = False) -> None:
    """Show what can be run here, what is missing for the rest, and about how long a picture takes."""
    from csfnns.experiments import EXPERIMENTS, METHODS
    from csfnns.experiments.measures import lpips_missing
    from csfnns.experiments.pairs import schemes
    from csfnns.steganalysis import DETECTORS

    found = {name: _summary(each) for name, each in EXPERIMENTS.entries().items()}
    methods = {name: method.label for name, method in METHODS.entries().items()}
    detectors = [name for name, each in DETECTORS.entries().items() if each.kind != "statistic"]
    if json:
        content = {"experiments": found, "methods": methods, "schemes": schemes(), "detectors": detectors}
        show.as_json({**content, "lpips_lacks": lpips_missing()})
        return
    for name, each in found.items():
        show.text(f"{name:<9}{EXPERIMENTS[name].help}")
        pair = duration(each["seconds_a_pair"])
        show.text(f"{'':<9}{', '.join(each['methods'])}; about {pair} a pair of cover and secret")
        for method, reason in each["lacks"].items():
            show.text(f"{'':<9}without {method}: {reason}")
    show.text(f"{_FIGURE4:<9}undetectability, of sets of pairs: csfnns experiment {_FIGURE4} DIR...")
    show.text()
    show.text("Times are for covers of 512x512 on two cores; --pairs, --size, --steps and --methods make them shorter.")
    show.text(f"Methods: {', '.join(f'{name} ({label})' for name, label in methods.items())}.")
    show.text(f"Schemes of pairs: {', '.join(schemes())}.")
    show.text(f"Detectors of {_FIGURE4}: {', '.join(detectors)}.")
    show.text(f"LPIPS: {lpips_missing() or 'measured'}.")


@app.command("pairs")
def make_pair_set(
    scheme: Annotated[
        str,
        typer.Option(metavar="NAME", help="Such as standard, grain or matching: 'csfnns experiment list'."),
    ],
    covers: Annotated[
        str,
        typer.Option(metavar="DIR|NAME", help="Folder of pictures to crop, or a generator such as abstract."),
    ],
    count: Annotated[int, typer.Option(help="Pairs to have in the end.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the set.")],
    secrets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of secrets, for schemes that hide a picture.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the covers, in pixels.")] = 64,
    bpp: Annotated[
        str | None,
        typer.Option(metavar="24|6|1.5", help="Secret bits a cover pixel, of a picture: 6 if omitted."),
    ] = None,
    steps: Steps = None,
    size_bytes: Annotated[
        int | None,
        typer.Option("--bytes", help="Random bytes in each stego, for direct, direct-grain and direct-jpeg."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="For matching: bits a sub-pixel, half of which change it; as many as standard if omitted."),
    ] = None,
    evade: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Network that the search evades: pretrained, or a model; repeat for more.",
        ),
    ] = None,
    gamma: Annotated[
        float | None, typer.Option(help="Weight of these networks in the search; its own if omitted.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of crops, keys and secrets.")] = 1,
    device: Where = options.Device.cpu,
    workers: Workers = 1,
    shard: Shard = "1/1",
    ray: Ray = None,
    json: options.AsJson = False,
) -> None:
    """Make pairs of cover and stego for steganalysis: OUT/covers/NAME@K.png and OUT/stegos/NAME@K.png.

    NAME is the picture whose K-th crop is the cover. After a stop, the same command continues; a larger --count adds
    pairs. With direct-grain, the covers carry grain too; with direct-jpeg, all are .jpg files.
    """
    require("network", "Making pairs")
    from csfnns.covers import GENERATORS
    from csfnns.experiments import PairSpec, load_pairs, make_pairs
    from csfnns.steganalysis import find_model

    spec = PairSpec(
        scheme=scheme,
        covers=covers if covers in GENERATORS else Path(covers),
        secrets=secrets,
        side=size,
        bpp=cast("Any", bpp),
        steps=steps,
        bytes=size_bytes,
        rate=rate,
        evade=tuple(map(find_model, evade or ())),
        gamma=gamma,
        seed=seed,
        device=device_name(device),
    )
    with make_runner(workers, shard, ray, device=spec.device) as runner:
        made = make_pairs(spec, count, out, None if json else _pair_lines(), runner=runner)
    if json:
        content = {"folder": str(out), "made": made.done, "reused": made.reused}
        show.as_json({**content, "failed": dict(made.failed)})
        return
    for name, reason in made.failed.items():
        show.note(f"No pair {name}: {reason}")
    found = f"{made.done + made.reused} pairs of {load_pairs(out).label}, {spec.payload:.3g} bits a pixel"
    show.text(f"{out}: {found}; {made.done} are new.")


@app.command(_FIGURE4)
def evaluate_detectors(
    sets: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Sets that 'csfnns experiment pairs' made.")],
    detectors: Names = None,
    pairs: Annotated[
        str | None, typer.Option(metavar="N,M", help="Pairs to train on: 50,100,200, ... and all if omitted.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How often each is trained anew, with other pictures held out.")] = 3,
    steps: Annotated[int | None, typer.Option(help="Steps of each network's training: 2000.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pairs a step: 16.")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the squares that networks are trained on: 64.")] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate: each network's own.")] = None,
    out: Out = None,
    device: Where = options.Device.cpu,
    workers: Workers = 1,
    shard: Shard = "1/1",
    ray: Ray = None,
    json: options.AsJson = False,
) -> None:
    """Figure 4: how well detectors tell stegos from covers, for each scheme and payload.

    Each evaluation is on disk as soon as it is done. After a stop, or even a kill, the same command continues, and ends
    with the same result.
    """
    require("network", "Training detectors")
    from csfnns.batch.run import unfinished
    from csfnns.experiments import (
        EvaluationConfig,
        Store,
        load_pairs,
        plan_evaluation,
        render_figure4,
        run_evaluation,
    )
    from csfnns.experiments.evaluation import seconds

    config = EvaluationConfig(
        detectors=tuple(_split(detectors)),
        pairs=_numbers(pairs),
        seeds=seeds,
        steps=steps,
        batch=batch,
        crop=crop,
        rate=rate,
        device=device_name(device),
    )
    loaded = [load_pairs(folder) for folder in sets]
    plan, store = plan_evaluation(loaded, config), Store(out or Path("runs") / _FIGURE4)
    plan.save(store.folder)
    with make_runner(workers, shard, ray, device=config.device) as runner:
        todo = unfinished(runner.part(plan.jobs), store)
        total = sum(seconds(job, config) for job in todo)
        lines = Lines(total, len(todo))

        def report(job: Any) -> None:
            if not json:
                trained = f" trained on {job.pairs} pairs, seed {job.seed}" if job.pairs else ""
                lines.report(f"{job.detector}{trained}: {job.set}", seconds(job, config))

        if not json:
            stored = len(runner.part(plan.jobs)) - len(todo)
            show.note(f"{len(todo)} evaluations to do, {stored} are stored; about {duration(total)} on one core.")
        ran = run_evaluation(plan, loaded, config, store, report, runner=runner)
    _show(_FIGURE4, render_figure4(store), {"measured": ran.done, "reused": ran.reused}, json=json)


def _find(name: str) -> "Experiment":
    from csfnns.experiments import EXPERIMENTS

    if name == _FIGURE4:
        hint = "Make them with 'csfnns experiment pairs', then: csfnns experiment figure4 DIR..."
        raise UsageError("figure4 is made from sets of pairs.", hint)
    return EXPERIMENTS[name]


def _split(names: str | None) -> list[str]:
    return [] if names is None else [name.strip() for name in names.split(",")]


def _numbers(text: str | None) -> tuple[int, ...]:
    parts = _split(text)
    if not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        raise UsageError(f"pairs must be numbers, got {text!r}.", "Give some, such as 50,100,200.")
    return tuple(sorted({int(part) for part in parts}))


def _changes(texts: list[str]) -> dict[str, str]:
    """Values by setting."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value) or name in found:
            reason = f"--set takes NAME=VALUE, each name once, got {text!r}."
            raise UsageError(reason, "Give some, such as --set beta=0.3 --set evade=xunet.")
        found[name] = value
    return found


def _by_name(secrets: list[str]) -> dict[str, Path]:
    """Folders by data set: the given name, or the folder's own."""
    found: dict[str, Path] = {}
    for each in secrets:
        match = _NAMED.fullmatch(each)
        path = Path(match[2]) if match else Path(each)
        name = match[1] if match else re.sub(r"[^a-z0-9-]", "", path.resolve().name.lower()) or "secrets"
        if name in found:
            hint = "Give NAME=DIR with a different name for each."
            raise UsageError(f"There are two folders for the data set {name!r}.", hint)
        found[name] = path
    return found


def _show(name: str, rendered: "Rendered", counts: dict[str, int], *, json: bool) -> None:
    """Print what was written."""
    if json:
        files = [str(path) for path in rendered.files]
        show.as_json({"experiment": name, **counts, "files": files, "skipped": dict(rendered.skipped)})
        return
    show.lines(rendered.markdown.rstrip().splitlines())
    for reason in rendered.skipped.values():
        show.note(reason)
    show.note(f"Written: {', '.join(map(str, rendered.files))}.")


def _pair_lines() -> Callable[[str, int, int], None]:
    """Writes a line for each new pair."""
    lines: list[Lines] = []

    def report(name: str, place: int, count: int) -> None:
        if not lines:  # those that exist are passed over first, and take no time
            lines.append(Lines(count - place + 1, count - place + 1))
        lines[0].report(name, 1)

    return report


def _lines(
    experiment: "Experiment", plan: "Plan", store: "Store", runner: "Runner", *, quiet: bool
) -> Callable[["Job"], None]:
    """Writes what a run is about to do, and a line for each picture."""
    from csfnns.batch.run import unfinished
    from csfnns.experiments import METHODS

    if quiet:
        return lambda job: None
    cases = {case.name: case for case in experiment.cases}
    jobs = runner.part(plan.jobs)
    todo = unfinished(jobs, store)
    # The time left counts seconds, in which methods differ a hundredfold.
    cost = {job.id: METHODS[job.method].seconds(cases[job.case], plan.setting) for job in todo}
    lines = Lines(sum(cost.values()), len(todo))
    stored, time = f"{len(jobs) - len(todo)} are stored", duration(sum(cost.values()))
    show.note(f"{plan.experiment}: {len(todo)} pictures to measure, {stored}; about {time} on two cores.")

    def report(job: "Job") -> None:
        lines.report(f"{job.method}, {job.case}, {job.dataset} {job.pair}", cost[job.id])

    return report


def _summary(experiment: "Experiment") -> dict[str, Any]:
    """What it is, what of it can run here, and the time of one pair with all of that."""
    from csfnns.experiments import METHODS
    from csfnns.experiments.methods import Setting

    every = [(METHODS[name], case) for name in experiment.methods for case in experiment.cases]
    runs = [(method, case) for method, case in every if not method.lacks(case)]
    lacks = {method.name: reason for method, case in reversed(every) if (reason := method.lacks(case))}
    seconds = sum(method.seconds(case, Setting(512, None, "cpu")) for method, case in runs)
    names = list(dict.fromkeys(method.name for method, _ in runs))
    return {"title": experiment.title, "methods": names, "lacks": lacks, "seconds_a_pair": round(seconds)}

"""`csfnns experiment`: the paper's tables and figures, made from pictures of one's own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.pairs import judge_pairs, make_pair_set, show_rendered
from csfnns.cli.waiting import Lines, device_name, duration
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.experiments import Experiment, Job, Notify, Plan, Store

_OF_PAIRS = "figure4"
"""What is made of sets of pairs, by a command of its own."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make the paper's tables and figures from your pictures.",
)

app.command("pairs")(make_pair_set)
app.command(_OF_PAIRS)(judge_pairs)

_NAMED = re.compile(r"([a-z][a-z0-9-]{0,31})=(.+)", re.DOTALL)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as table1; 'list' tells all.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", help="Where rows and results are kept: runs/NAME."),
]


@app.command("run")
def run_experiment(
    name: Name,
    covers: Annotated[Path, typer.Option(metavar="DIR", help="Folder of covers.")],
    secrets: Annotated[
        list[str],
        typer.Option(metavar="DIR|NAME=DIR", help="Folder of secrets; repeat for more data sets."),
    ],
    pairs: Annotated[
        int | None, typer.Option(help="Pictures a method and data set: all, for figures one, unless given.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the covers, in pixels.")] = 512,
    steps: Annotated[
        int | None, typer.Option(help="Steps of every search instead of each method's own, for a quick look.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(metavar="A,B", help="Methods to run; all that can run here unless given.")
    ] = None,
    out: Out = None,
    device: Annotated[options.Device, typer.Option(help="Where searches run.")] = options.Device.cpu,
    json: options.AsJson = False,
) -> None:
    """Measure what is not measured yet, and write the table or figure.

    Each picture's figures are on disk as soon as they are known: a run that was stopped, even killed, goes on where
    it was when the same command is given again, and ends in the same table.
    """
    experiment = _find(name)
    from csfnns.extras import require

    require("network", "Running an experiment")
    from csfnns.experiments import Store, make_plan, run

    plan = make_plan(
        experiment,
        covers,
        _by_name(secrets),
        pairs=pairs,
        side=size,
        steps=steps,
        methods=[] if methods is None else [each.strip() for each in methods.split(",")],
        device=device_name(device),
        out=_folder(experiment, out),
    )
    store = Store(_folder(experiment, out))
    plan.save(store.folder)
    with _progress(experiment, plan, store, json=json) as notify:
        ran = run(experiment, plan, store, notify)
    counts = {"measured": ran.done, "reused": ran.reused}
    _show(experiment, store, (), counts, json=json)


@app.command()
def render(
    name: Name,
    out: Out = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="md|tex|png", help="What to write; repeat for more; all unless given."
        ),
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Write the table or figure of the last run again, from what is stored: nothing is measured."""
    from csfnns.experiments import Store

    if name == _OF_PAIRS:
        from csfnns.experiments.figure4 import render_figure4

        rendered = render_figure4(Store(out or Path("runs") / _OF_PAIRS, must_exist=True), form or ())
        show_rendered(name, rendered, {}, json=json)
        return
    experiment = _find(name)
    store = Store(_folder(experiment, out), must_exist=True)
    _show(experiment, store, form or (), {}, json=json)


@app.command("list")
def list_experiments(json: options.AsJson = False) -> None:
    """Tell what can be run here, what is missing for the rest, and about how long a picture takes."""
    from csfnns.experiments import EXPERIMENTS, METHODS
    from csfnns.experiments.measures import lpips_missing

    if json:
        experiments = {name: _about(each) for name, each in EXPERIMENTS.items()}
        labels = {name: method.label for name, method in METHODS.items()}
        show.as_json({"experiments": experiments, "methods": labels, "lpips_lacks": lpips_missing()})
        return
    for name, each in EXPERIMENTS.items():
        about = _about(each)
        show.text(f"{name:<9}{each.title.partition(': ')[2]}")
        time_a_pair = duration(about["seconds_a_pair"])
        show.text(f"{'':<9}{', '.join(about['methods'])}; about {time_a_pair} a pair of cover and secret")
        for method, reason in about["lacks"].items():
            show.text(f"{'':<9}without {method}: {reason}")
    show.text(f"{_OF_PAIRS:<9}undetectability, of sets of pairs: csfnns experiment {_OF_PAIRS} DIR...")
    show.text(
        "\nTimes are for covers of 512x512 on two cores; --pairs, --size, --steps and --methods make it less."
    )
    show.text(f"Methods: {', '.join(f'{name} ({method.label})' for name, method in METHODS.items())}.")
    show.text(f"LPIPS: {lpips_missing() or 'measured'}.")


def _find(name: str) -> "Experiment":
    from csfnns.experiments import EXPERIMENTS

    if name == _OF_PAIRS:
        hint = "Make them with 'csfnns experiment pairs', then: csfnns experiment figure4 DIR..."
        raise UsageError("figure4 is made of sets of pairs.", hint)
    if name not in EXPERIMENTS:
        raise UsageError(f"There is no experiment {name!r}.", f"Choose one of: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


def _folder(experiment: "Experiment", out: Path | None) -> Path:
    return out or Path("runs") / experiment.rows_of


def _by_name(secrets: list[str]) -> dict[str, Path]:
    """Folders by data set: the name that is given, or the folder's own."""
    found: dict[str, Path] = {}
    for each in secrets:
        match = _NAMED.fullmatch(each)
        path = Path(match[2]) if match else Path(each)
        name = match[1] if match else re.sub(r"[^a-z0-9-]", "", path.resolve().name.lower()) or "secrets"
        if name in found:
            hint = "Give NAME=DIR with a name of its own for each."
            raise UsageError(f"There are two folders for the data set {name!r}.", hint)
        found[name] = path
    return found


def _show(
    experiment: "Experiment", store: "Store", formats: Any, counts: dict[str, int], *, json: bool
) -> None:
    from csfnns.experiments import render as write

    show_rendered(experiment.name, write(experiment, store, formats), counts, json=json)


@contextmanager
def _progress(
    experiment: "Experiment", plan: "Plan", store: "Store", *, json: bool
) -> "Iterator[Notify | None]":
    """Bar with the time left on a terminal; a line for each picture elsewhere; nothing with --json."""
    if json:
        yield None
        return
    cost = _costs(experiment, plan)
    stored = store.rows()
    todo = [job for job in plan.jobs if job.id not in stored]
    screen = show.console(stderr=True)
    screen.print(
        f"{experiment.name}: {len(todo)} pictures to measure, {len(plan.jobs) - len(todo)} are stored."
    )
    if not screen.is_terminal:
        yield _lines(todo, cost)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, speed_estimate_period=600) as bar:
        task = bar.add_task(experiment.name, total=sum(cost[job.id] for job in todo))
        ended = 0.0

        def advance(job: "Job", share: float) -> None:
            nonlocal ended
            done = ended + share * cost[job.id]
            ended = done if share == 1 else ended
            bar.update(task, completed=done, description=f"{job.method}, {job.dataset} {job.pair}")

        yield advance


def _lines(todo: "list[Job]", cost: dict[str, float]) -> "Notify":
    lines = Lines(sum(cost[job.id] for job in todo), len(todo))

    def tell(job: "Job", share: float) -> None:
        if share == 1:
            lines.tell(f"{job.method}, {job.case}, {job.dataset} {job.pair}", cost[job.id])

    return tell


def _costs(experiment: "Experiment", plan: "Plan") -> dict[str, float]:
    """Expected seconds of each job: bars move by time, and methods differ in it a hundredfold."""
    from csfnns.experiments import METHODS

    cases = {case.name: case for case in experiment.cases}
    return {job.id: METHODS[job.method].seconds(cases[job.case], plan.setting) for job in plan.jobs}


def _about(experiment: "Experiment") -> dict[str, Any]:
    """What it is, what of it can run here, and the time of one pair with all of that."""
    from csfnns.experiments import METHODS
    from csfnns.experiments.methods import Setting

    every = [(METHODS[name], case) for name in experiment.methods for case in experiment.cases]
    runs = [(method, case) for method, case in every if not method.lacks(case)]
    setting = Setting(512, None, "cpu")
    lacks: dict[str, str] = {}
    for method, case in every:
        reason = method.lacks(case)
        if reason:
            lacks.setdefault(method.name, reason)
    return {
        "title": experiment.title,
        "methods": list(dict.fromkeys(method.name for method, _ in runs)),
        "lacks": lacks,
        "seconds_a_pair": round(sum(method.seconds(case, setting) for method, case in runs)),
    }

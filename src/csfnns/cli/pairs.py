"""`csfnns experiment pairs` and `csfnns experiment figure4`: sets of pairs, and how well detectors tell them apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from csfnns.cli import options, show
from csfnns.cli.waiting import Lines, device_name
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.experiments import JudgingPlan, Rendered, Store, Teaching
    from csfnns.experiments.judging import Job, Judged
    from csfnns.experiments.pairs import Tell
    from csfnns.profile import Rate

Where = Annotated[options.Device, typer.Option(help="Where searches, or the judges' learning, run.")]


def make_pair_set(
    scheme: Annotated[
        str, typer.Option(metavar="NAME", help="Such as standard, paper, grain, lsb, matching or direct.")
    ],
    covers: Annotated[
        str, typer.Option(metavar="DIR|abstract", help="Folder of covers to take crops of, or the generator.")
    ],
    count: Annotated[int, typer.Option(help="Pairs to have in the end.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the set.")],
    secrets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of secrets, for schemes that hide a picture.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the covers, in pixels.")] = 64,
    bpp: Annotated[
        str | None,
        typer.Option(metavar="24|6|1.5", help="Secret bits a cover pixel, of a picture: 6 unless given."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of every search instead of the method's own.")
    ] = None,
    size_bytes: Annotated[
        int | None, typer.Option("--bytes", help="Random bytes in each stego, for direct and direct-grain.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="For matching: bits a sub-pixel, half of which change it. As many changes as standard makes, unless"
            " given."
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Network for the search to deceive: one that comes taught, such as xunet, or a model; repeat for more.",
        ),
    ] = None,
    gamma: Annotated[
        float | None,
        typer.Option(help="Weight of these networks in the search: 1e-4, or with paper its own."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of crops, keys and secrets.")] = 1,
    device: Where = options.Device.cpu,
    json: options.AsJson = False,
) -> None:
    """Make pairs of cover and stego for detectors to learn from: OUT/covers/NAME@K.png and OUT/stegos/NAME@K.png.

    NAME is the picture that the cover is the K-th crop of. A run that was stopped goes on where it was when the same
    command is given again, and a larger --count adds to what is there. With grain and direct-grain, the covers carry
    grain too.
    """
    from csfnns.extras import require

    require("network", "Making pairs")
    from csfnns.experiments import Wanted, load_pairs, make_pairs
    from csfnns.experiments.pair_sources import ABSTRACT
    from csfnns.steganalysis import find_model

    wanted = Wanted(
        scheme=scheme,
        covers=None if covers == ABSTRACT else Path(covers),
        secrets=secrets,
        side=size,
        bpp=cast("Rate | None", bpp),
        steps=steps,
        bytes=size_bytes,
        rate=rate,
        against=tuple(map(find_model, against or ())),
        gamma=gamma,
        seed=seed,
        device=device_name(device),
    )
    made = make_pairs(wanted, count, out, None if json else _teller())
    if json:
        content = {"folder": str(out), "made": made.done, "reused": made.reused}
        show.as_json({**content, "failed": dict(made.failed)})
        return
    for name, reason in made.failed.items():
        show.note(f"No pair {name}: {reason}")
    total = made.done + made.reused
    show.text(
        f"{out}: {total} pairs of {load_pairs(out).label}, {wanted.payload:.3g} bits a pixel; {made.done} are new."
    )


def judge_pairs(
    sets: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Sets that 'csfnns experiment pairs' made.")
    ],
    judges: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Detectors that learn: yenet, siastegnet, srnet, xunet, spam; all."),
    ] = None,
    numbers: Annotated[
        str | None,
        typer.Option(metavar="N,M", help="Pairs to learn from: 50,100,200, ... and all, unless given."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Times that each learns anew, with other pictures held out.")
    ] = 3,
    steps: Annotated[
        int | None,
        typer.Option(help="Steps of each network's learning, those by easier pairs included: 2000."),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Pairs a step: 16.")] = None,
    crop: Annotated[
        int | None, typer.Option(help="Side of the squares that networks learn from: 64.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Of the networks' learning, at its highest: each network's own, for yenet 0.0005."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where rows and the result are kept.")
    ] = Path("runs/figure4"),
    device: Where = options.Device.cpu,
    json: options.AsJson = False,
) -> None:
    """Figure 4: tell how well detectors tell stegos from covers, for each scheme and payload.

    Each judgement is on disk as soon as it is made: a run that was stopped, even killed, goes on where it was when the
    same command is given again, and ends in the same result.
    """
    from csfnns.extras import require

    require("network", "Training detectors")
    from csfnns.experiments import Store, Teaching, load_pairs, plan_judging, run_judging
    from csfnns.experiments.figure4 import NAME, render_figure4

    teaching = Teaching(
        **({} if judges is None else {"judges": tuple(map(str.strip, judges.split(",")))}),
        numbers=() if numbers is None else _numbers(numbers),
        seeds=seeds,
        steps=steps,
        batch=batch,
        crop=crop,
        rate=rate,
        device=device_name(device),
    )
    loaded = [load_pairs(folder) for folder in sets]
    plan = plan_judging(loaded, teaching)
    store = Store(out)
    plan.save(out / f"{NAME}.json")
    ran = run_judging(plan, loaded, teaching, store, None if json else _judging(plan, teaching, store))
    rendered: Rendered = render_figure4(store)
    show_rendered(NAME, rendered, {"measured": ran.done, "reused": ran.reused}, json=json)


def show_rendered(name: str, rendered: "Rendered", counts: dict[str, int], *, json: bool) -> None:
    """Print what was written."""
    if json:
        files = [str(path) for path in rendered.files]
        show.as_json({"experiment": name, **counts, "files": files, "skipped": dict(rendered.skipped)})
        return
    show.text(rendered.markdown.rstrip())
    for reason in rendered.skipped.values():
        show.note(reason)
    show.note(f"Written: {', '.join(map(str, rendered.files))}.")


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        raise UsageError(f"{text!r} are no numbers of pairs.", "Give some, such as 50,100,200.")
    return tuple(sorted({int(part) for part in parts}))


def _teller() -> "Tell":
    """A line on stderr for each pair."""
    lines: list[Lines] = []

    def tell(name: str, place: int, count: int) -> None:
        # Those that were there are passed over first, and cost nothing.
        if not lines:
            lines.append(Lines(count - place + 1, count - place + 1))
        lines[0].tell(name, 1)

    return tell


def _judging(plan: "JudgingPlan", teaching: "Teaching", store: "Store") -> "Judged":
    """A line on stderr for each judgement."""
    from csfnns.experiments.judging import seconds

    stored = store.rows()
    todo = [job for job in plan.jobs if job.id not in stored]
    show.note(f"{len(todo)} judgements to make, {len(plan.jobs) - len(todo)} are stored.")
    cost = {job.id: seconds(job, teaching) for job in todo}
    lines = Lines(sum(cost.values()), len(todo))

    def tell(job: "Job") -> None:
        taught = f" by {job.number} pairs, seed {job.seed}" if job.number else ""
        lines.tell(f"{job.judge} on {job.set}{taught}", cost[job.id])

    return tell

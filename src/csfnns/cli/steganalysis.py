"""`csfnns steganalysis`: what statistics and networks see in pictures, and how well they tell stegos from covers."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.waiting import device_name
from csfnns.errors import PictureError, UsageError

if TYPE_CHECKING:
    from csfnns.picture import Picture
    from csfnns.steganalysis import Detector, Learned, Lesson, Roc
    from csfnns.steganalysis.base import F64

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Judge pictures as a statistical detector does.",
)


class Name(StrEnum):
    """Detectors."""

    stegexpose = "stegexpose"
    primary_sets = "primary-sets"
    chi_square = "chi-square"
    sample_pairs = "sample-pairs"
    rs = "rs"
    spam = "spam"
    xunet = "xunet"
    yenet = "yenet"
    siastegnet = "siastegnet"
    srnet = "srnet"


_NETWORKS = (Name.xunet, Name.yenet, Name.siastegnet, Name.srnet)
_RATE = "Scores estimate the share of levels whose lowest bit was replaced."
_MEANING = {
    Name.stegexpose: "The tool of that name suspects pictures above 0.2.",
    Name.primary_sets: _RATE,
    Name.sample_pairs: _RATE,
    Name.rs: _RATE,
    Name.chi_square: "Scores estimate how much of the picture a message from its beginning fills.",
    Name.spam: "Scores are the share of votes for stego: above 0.5 most say so.",
    **dict.fromkeys(_NETWORKS, "Scores are probabilities of a stego, if half of all pictures are."),
}
_SMALL = "Pictures with n/a are too small to tell."

Which = Annotated[
    Name,
    typer.Option("--detector", metavar="NAME", help=f"One of {', '.join(Name)}."),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What 'train' wrote, for spam and networks; without, a network is the one that comes taught with csfnns.",
    ),
]
Covers = Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures without a message.")]
Stegos = Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures with one.")]
SEED = Annotated[int, typer.Option(min=0, help="Of every random draw.")]


@app.command()
def score(
    files: Annotated[list[str], typer.Argument(metavar="PICTURE...", help="Any pictures.")],
    detector: Which = Name.stegexpose,
    model: Model = None,
    json: options.AsJson = False,
) -> None:
    """Tell how suspicious pictures are, from 0 to 1."""
    from csfnns.picture import read_picture
    from csfnns.steganalysis import make_detector

    judge = make_detector(detector.value, model)
    scores = {name: judge.score(read_picture(name)) for name in files}
    if json:
        rows = [{"file": name, "score": _number(value)} for name, value in scores.items()]
        show.as_json({"detector": detector.value, "scores": rows} | _taught(judge))
        return
    show.table({name: "n/a" if math.isnan(value) else f"{value:.4f}" for name, value in scores.items()})
    show.text(_MEANING[detector])
    _tell_taught(judge)
    if any(map(math.isnan, scores.values())):
        show.text(_SMALL)


@app.command()
def train(
    covers: Covers,
    stegos: Stegos,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Model to write.")],
    detector: Which = Name.spam,
    seed: SEED = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="Networks: steps of training.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Networks: pairs a step.")] = None,
    crop: Annotated[
        int | None,
        typer.Option(min=0, help="Networks: side of the squares learned from; 0 for whole pictures."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Networks: highest learning rate.")] = None,
    start: Annotated[Path | None, typer.Option(metavar="FILE", help="Networks: model to begin with.")] = None,
    device: Annotated[options.Device | None, typer.Option(help="Networks: where to learn.")] = None,
    pictures: Annotated[
        str | None, typer.Option(help="Networks: what the card says of the pictures.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Networks: what the card says of the licence.")] = None,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Teach a detector from covers and the stegos made of them, which have the same names.

    Judge it on other pictures than these. Networks hold about a quarter of the pictures out; crops of one are called
    NAME@1.png, NAME@2.png and stay together. Give the same command again to go on after a stop.
    """
    if detector is not Name.spam and detector not in _NETWORKS:
        raise UsageError(f"The detector {detector.value!r} needs no training.", "Use it with score or roc.")
    settings = {"steps": steps, "batch": batch, "crop": crop, "rate": rate, "start": start, "device": device}
    given = {name: value for name, value in settings.items() if value is not None}
    notes = {"data": pictures, "licence": licence}
    if detector is Name.spam and (given or any(notes.values())):
        hint = f"Leave them out, or name a network: --detector {'|'.join(_NETWORKS)}."
        raise UsageError("Spam learns without settings and notes.", hint)
    _check_free(out, detector, overwrite=overwrite)
    originals, changed = _pictures(covers), _pictures(stegos)
    _check_pairs(originals, changed)
    if detector is Name.spam:
        _train_spam(originals, changed, out, seed, overwrite=overwrite, json=json)
    else:
        lesson = _lesson(detector, seed, given)
        _train_network(originals, changed, out, lesson, notes, overwrite=overwrite, json=json)


def _train_spam(
    covers: list[Path], stegos: list[Path], out: Path, seed: int, *, overwrite: bool, json: bool
) -> None:
    from csfnns.steganalysis import Spam

    learned = Spam.train(_read(covers), _read(stegos), seed=seed)
    learned.save(out, overwrite=overwrite)
    error = learned.ensemble.error
    if json:
        show.as_json({"file": str(out), "pairs": len(covers), "out_of_bag_error": error})
        return
    show.text(
        f"Learned from {len(covers)} pairs; wrong on {100 * error:.1f} % of those that its members did not see."
    )
    show.text(f"Written: {out}.")


def _lesson(detector: Name, seed: int, given: dict[str, Any]) -> "Lesson":
    from csfnns.steganalysis import Lesson

    if given.get("crop") == 0:
        given["crop"] = None
    if "device" in given:
        given["device"] = device_name(given["device"])
    return Lesson(detector=detector.value, seed=seed, **given)


def _train_network(
    covers: list[Path],
    stegos: list[Path],
    out: Path,
    lesson: "Lesson",
    notes: dict[str, str | None],
    *,
    overwrite: bool,
    json: bool,
) -> None:
    from csfnns.experiments.pair_set import source_of
    from csfnns.steganalysis import learn

    state = out.with_name(f"{out.name}.state")
    groups = [source_of(path.stem) for path in covers]
    with _learning(json=json) as progress:
        learned = learn(
            list(_read(covers)), list(_read(stegos)), lesson, groups=groups, state=state, progress=progress
        )
    data, licence = notes["data"] or "", notes["licence"] or ""
    learned.detector.save(out, data=data, licence=licence, overwrite=overwrite)
    written = [out, out.with_suffix(".md"), *_write_curve(learned, out, overwrite=overwrite)]
    state.unlink(missing_ok=True)
    judged = 2 * len(learned.held_out)
    pairs = len(covers) - len(learned.held_out)
    if json:
        content = {"file": str(out), "pairs": pairs, "accuracy": learned.accuracy, "judged": judged}
        show.as_json(content | {"curve": learned.curve})
        return
    right = f"right on {100 * learned.accuracy:.1f} % of {judged} held-out pictures"
    show.text(f"Learned from {pairs} pairs; {right}.")
    show.text(f"Written: {', '.join(map(str, written))}.")


def _write_curve(learned: "Learned", out: Path, *, overwrite: bool) -> list[Path]:
    """The curve as JSON and, where matplotlib is there, as PNG; gives the files."""
    from importlib.util import find_spec
    from json import dumps

    from csfnns.output import write_atomically
    from csfnns.steganalysis import draw_curve

    files = {out.with_suffix(".json"): (dumps(learned.curve, indent=1) + "\n").encode()}
    if find_spec("matplotlib") is not None:
        files[out.with_suffix(".png")] = draw_curve(learned.curve, learned.detector.name)
    for path, content in files.items():
        write_atomically(content, path, overwrite=overwrite)
    return list(files)


@contextmanager
def _learning(*, json: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Progress of a training on stderr, where a person looks at it."""
    screen = show.console(stderr=True)
    if json or not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("learning"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, speed_estimate_period=300) as bar:
        task = bar.add_task("", total=None)

        def advance(done: int, steps: int) -> None:
            bar.update(task, completed=done, total=steps)

        yield advance


def _check_free(out: Path, detector: Name, *, overwrite: bool) -> None:
    """Raise before any work is done for names that are taken: those of the model, its card and its curve."""
    beside = [out.with_suffix(suffix) for suffix in (".md", ".json", ".png")] if detector in _NETWORKS else []
    if out in beside:
        raise UsageError(f"{out} would be the name of the card or the curve.", "Call the model .safetensors.")
    taken = [path for path in (out, *beside) if path.exists()]
    if taken and not overwrite:
        raise UsageError(f"{taken[0]} already exists.", "Choose another name, or allow overwriting.")


@app.command("roc")
def show_roc(
    covers: Covers,
    stegos: Stegos,
    detector: Which = Name.stegexpose,
    model: Model = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.png", help="Draw the curve there.")
    ] = None,
    seed: SEED = 1,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Tell how well a detector tells stegos from covers: area under the curve with a 95 % interval.

    Without a model, spam learns from these very pictures by cross-validation: each is judged by what others taught.
    Pictures of equal names are pairs, and are drawn together for the interval.
    """
    _check_chart(out, overwrite=overwrite)
    from csfnns.steganalysis import draw, make_detector, roc

    originals, changed = _pictures(covers), _pictures(stegos)
    crossed = detector is Name.spam and model is None
    judge = None if crossed else make_detector(detector.value, model)
    scores = _cross_scores(originals, changed, seed) if judge is None else _scores(judge, originals, changed)
    result = roc(*scores, paired=_names(originals) == _names(changed), seed=seed)
    if out is not None:
        from csfnns.output import write_atomically

        write_atomically(draw(result, detector.value), out, overwrite=overwrite)
    _show_result(result, detector, judge, scores, out, json=json)


def _scores(judge: "Detector", covers: list[Path], stegos: list[Path]) -> "tuple[F64, F64]":
    """Scores of all covers, and of all stegos."""
    import numpy as np

    first, second = (np.array([judge.score(each) for each in _read(paths)]) for paths in (covers, stegos))
    return first, second


def _cross_scores(covers: list[Path], stegos: list[Path], seed: int) -> "tuple[F64, F64]":
    """The same by SPAM that others of these pictures taught."""
    import numpy as np

    from csfnns.steganalysis import cross_scores, spam_features

    _check_pairs(covers, stegos)
    sides = (np.array([spam_features(each) for each in _read(paths)]) for paths in (covers, stegos))
    return cross_scores(*sides, seed=seed)


def _show_result(
    result: "Roc",
    detector: Name,
    judge: "Detector | None",
    scores: "tuple[F64, F64]",
    out: Path | None,
    *,
    json: bool,
) -> None:
    covers, stegos = scores
    if json:
        content: dict[str, Any] = {"detector": detector.value, "covers": len(covers), "stegos": len(stegos)}
        content |= {"auc": result.auc, "low": result.low, "high": result.high, "error": result.error}
        content |= {
            "false_alarms": result.false_alarms.tolist(),
            "detections": result.detections.tolist(),
            "cover_scores": [_number(value) for value in covers],
            "stego_scores": [_number(value) for value in stegos],
        }
        show.as_json(content | _taught(judge) | ({} if out is None else {"file": str(out)}))
        return
    show.table(
        {
            "detector": detector.value,
            "pictures": f"{len(covers)} covers, {len(stegos)} stegos",
            "AUC": f"{result.auc:.3f}, 95 % interval {result.low:.3f}…{result.high:.3f}; 0.5 is guessing",
            "least error": f"{100 * result.error:.1f} %: the mean of misses and false alarms at the best threshold",
        }
    )
    _tell_taught(judge)
    if out is not None:
        show.text(f"Written: {out}.")


def _taught(judge: "Detector | None") -> dict[str, str]:
    """The pictures that a network was taught on, if its file says so."""
    from csfnns.steganalysis import Deep

    pictures = judge.about.get("pictures") if isinstance(judge, Deep) else None
    return {"taught_on": str(pictures)} if pictures else {}


def _tell_taught(judge: "Detector | None") -> None:
    for pictures in _taught(judge).values():
        show.text(f"Taught on {pictures}; other pictures and schemes may look different to it.")


def _number(score: float) -> float | None:
    """Score for programs: JSON has no NaN."""
    return None if math.isnan(score) else float(score)


def _check_chart(out: Path | None, *, overwrite: bool) -> None:
    """Raise before any work is done for a chart that cannot be drawn or written."""
    if out is None:
        return
    from importlib.util import find_spec

    from csfnns.output import check_output_name

    if out.suffix.lower() != ".png":
        raise UsageError(f"A curve is drawn as .png, not {out}.", "Choose another name.")
    check_output_name(out, overwrite=overwrite)
    if find_spec("matplotlib") is None:
        raise UsageError("A chart needs matplotlib.", "Install it with: pip install 'csfnns[experiments]'.")


def _pictures(folder: Path) -> list[Path]:
    """Pictures of a folder in name order. Raises PictureError where there are none."""
    from csfnns.picture import READABLE

    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}.", "Check the path.")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in READABLE and path.is_file())
    if not found:
        raise PictureError(f"There are no pictures in {folder}.", f"They end in {', '.join(READABLE)}.")
    return found


def _names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def _check_pairs(covers: list[Path], stegos: list[Path]) -> None:
    """Raise UsageError unless each stego has the name of a cover, but for the ending."""
    if _names(covers) == _names(stegos):
        return
    alone = sorted(set(_names(covers)) ^ set(_names(stegos)))
    raise UsageError(
        f"Covers and stegos are no pairs: {alone[0] if alone else 'a name'} is not in both folders once.",
        "Learning takes pairs: give each stego the name of its cover.",
    )


def _read(paths: list[Path]) -> "Iterator[Picture]":
    """One picture after another, so that they need not all be in memory."""
    from csfnns.picture import read_picture

    return (read_picture(path) for path in paths)

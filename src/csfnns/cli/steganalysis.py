"""`csfnns steganalysis`: what detectors see in pictures, and how well they separate stegos from covers."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.progress import device_name
from csfnns.errors import PictureError, UsageError

if TYPE_CHECKING:
    from csfnns.steganalysis import Detector, TrainingConfig
    from csfnns.steganalysis.base import F64

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score pictures as detectors do.")

Which = Annotated[str, typer.Option("--detector", metavar="NAME", help="Detector; 'detectors' lists them.")]
Model = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Trained model; pretrained networks need none."),
]
Covers = Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures without a message.")]
Stegos = Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures with one.")]
SEED = Annotated[int, typer.Option(min=0, help="Of every random draw.")]


@app.command()
def detectors(json: options.AsJson = False) -> None:
    """List the detectors."""
    from csfnns.steganalysis import DETECTORS, shipped_networks

    entries, shipped = DETECTORS.entries(), shipped_networks()
    kinds = {name: entry.kind if name not in shipped else "network, pretrained" for name, entry in entries.items()}
    if json:
        rows = [{"name": name, "kind": kinds.get(name), "help": text} for name, text in DETECTORS.help().items()]
        show.as_json({"detectors": rows})
        return
    needs = {name: " (needs --model)" for name, kind in kinds.items() if kind in ("model", "network")}
    show.table({name: text + needs.get(name, "") for name, text in DETECTORS.help().items()})


@app.command()
def score(
    files: Annotated[list[Path], typer.Argument(metavar="PICTURE|DIR...", help="Any pictures, or folders of them.")],
    detector: Which = "stegexpose",
    model: Model = None,
    json: options.AsJson = False,
) -> None:
    """Show how suspicious pictures are, from 0 to 1."""
    from csfnns.steganalysis import DETECTORS, make_detector, read_for

    made = make_detector(detector, model)
    paths = [path for each in files for path in (_pictures(each) if each.is_dir() else [each])]
    scores = {str(path): made.score(read_for(detector, path)) for path in paths}
    if json:
        rows = [{"file": name, "score": _number(value)} for name, value in scores.items()]
        show.as_json({"detector": detector, "scores": rows} | _trained_on(made))
        return
    show.table({name: "n/a" if math.isnan(value) else f"{value:.4f}" for name, value in scores.items()})
    show.text(DETECTORS[detector].meaning)
    _show_trained_on(made)
    if any(map(math.isnan, scores.values())):
        show.text("Pictures with n/a are too small to score.")


@app.command()
def train(
    covers: Covers,
    stegos: Stegos,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Model to write.")],
    detector: Which = "spam",
    seed: SEED = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="Networks: steps of training.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Networks: pairs a step.")] = None,
    crop: Annotated[
        int | None,
        typer.Option(min=0, help="Networks: side of the squares trained on; 0 for whole pictures."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Networks: highest learning rate.")] = None,
    start: Annotated[Path | None, typer.Option(metavar="FILE", help="Networks: model to start from.")] = None,
    device: Annotated[options.Device | None, typer.Option(help="Networks: where to train.")] = None,
    pictures: Annotated[str | None, typer.Option(help="Networks: the pictures, for the card.")] = None,
    licence: Annotated[str | None, typer.Option(help="Networks: the licence, for the card.")] = None,
    force: options.Force = False,
    json: options.AsJson = False,
) -> None:
    """Train a detector on covers and the stegos made of them, which have the same names.

    Test it on other pictures than these. Networks hold about a quarter of the pictures out; crops of one picture are
    called NAME@1.png, NAME@2.png and stay together. Repeat the command to resume after a stop.
    """
    from csfnns.steganalysis import DETECTORS, TrainingConfig, networks

    kind = DETECTORS[detector].kind
    settings = {"steps": steps, "batch": batch, "crop": crop, "rate": rate, "start": start, "device": device}
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    notes = {"data": pictures or "", "licence": licence or ""}
    if kind == "statistic":
        raise UsageError(f"The detector {detector!r} needs no training.", "Use it with score or roc.")
    if kind == "model" and (given or any(notes.values())):
        hint = f"Leave them out, or choose a network: --detector {'|'.join(networks())}."
        raise UsageError(f"The training of {detector} has no settings and no card.", hint)
    beside = (".md", ".json", ".png") if kind == "network" else ()
    _check_free(out, beside, force=force, inputs=[covers, stegos, start or ""])
    originals, changed = _pictures(covers), _pictures(stegos)
    _check_pairs(originals, changed)
    if kind == "model":
        trained = DETECTORS.load(detector).train(*(_read(x, detector) for x in (originals, changed)), seed=seed)
        trained.save(out, overwrite=force)
        if json:
            show.as_json({"file": str(out), "pairs": len(originals), "out_of_bag_error": trained.error})
            return
        show.text(f"Trained on {len(originals)} pairs; out-of-bag error {100 * trained.error:.1f} %.")
        show.text(f"Written: {out}.")
        return
    if crop == 0:
        given["crop"] = None
    if device is not None:
        given["device"] = device_name(device)
    config = TrainingConfig(detector=detector, seed=seed, **given)
    _train_network(originals, changed, out, config, notes, force=force, json=json)


def _train_network(
    covers: list[Path],
    stegos: list[Path],
    out: Path,
    config: "TrainingConfig",
    notes: Mapping[str, str],
    *,
    force: bool,
    json: bool,
) -> None:
    from csfnns.experiments.pairs import source_of
    from csfnns.images.output import write_atomically
    from csfnns.steganalysis import draw_curve, train_network

    state = out.with_name(f"{out.name}.state")
    groups = [source_of(path.stem) for path in covers]
    sides = list(_read(covers, config.detector)), list(_read(stegos, config.detector))
    with _progress_bar(json=json) as progress:
        result = train_network(*sides, config, groups=groups, state=state, progress=progress)
    result.detector.save(out, data=notes["data"], licence=notes["licence"], overwrite=force)
    files = {out.with_suffix(".json"): (dumps(result.curve, indent=1) + "\n").encode()}
    if find_spec("matplotlib") is not None:
        files[out.with_suffix(".png")] = draw_curve(result.curve, result.detector.name)
    for path, content in files.items():
        write_atomically(content, path, overwrite=force)
    state.unlink(missing_ok=True)
    held_out, pairs = 2 * len(result.held_out), len(covers) - len(result.held_out)
    if json:
        figures = {"file": str(out), "pairs": pairs, "accuracy": result.accuracy, "held_out": held_out}
        show.as_json(figures | {"curve": result.curve})
        return
    correct = f"{100 * result.accuracy:.1f} % of {held_out} held-out pictures classified correctly"
    show.text(f"Trained on {pairs} pairs; {correct}.")
    show.text(f"Written: {', '.join(map(str, (out, out.with_suffix('.md'), *files)))}.")


@contextmanager
def _progress_bar(*, json: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Progress of a training on stderr, if that is a terminal."""
    screen = show.console(stderr=True)
    if json or not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, speed_estimate_period=300) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, steps: bar.update(task, completed=done, total=steps)


@app.command()
def roc(
    covers: Covers,
    stegos: Stegos,
    detector: Which = "stegexpose",
    model: Model = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.png", help="Draw the curve there.")] = None,
    seed: SEED = 1,
    force: options.Force = False,
    json: options.AsJson = False,
) -> None:
    """Measure how well a detector separates stegos from covers: area under the curve with a 95 % interval.

    Without a model, spam, srm, residual and dctr are cross-validated: each picture is scored by an ensemble trained on
    others of these. Pictures of equal names are pairs, and are resampled together for the interval.
    """
    from csfnns import steganalysis
    from csfnns.images.output import write_atomically

    _check_chart(out, force=force, inputs=[covers, stegos, model or ""])
    originals, changed = _pictures(covers), _pictures(stegos)
    if steganalysis.DETECTORS[detector].kind == "model" and model is None:
        made = None
        _check_pairs(originals, changed)
        features = steganalysis.DETECTORS.load(detector).features
        sides = [_scores(features, paths, detector) for paths in (originals, changed)]
        scores = steganalysis.cross_scores(*sides, seed=seed)
    else:
        made = steganalysis.make_detector(detector, model)
        scores = _scores(made.score, originals, detector), _scores(made.score, changed, detector)
    result = steganalysis.roc(*scores, paired=_names(originals) == _names(changed), seed=seed)
    if out is not None:
        write_atomically(steganalysis.draw(result, detector), out, overwrite=force)
    if json:
        content: dict[str, Any] = {"detector": detector, "covers": len(originals), "stegos": len(changed)}
        content |= {name: getattr(result, name) for name in ("auc", "low", "high", "error")}
        content |= {name: getattr(result, name).tolist() for name in ("false_alarms", "detections")}
        content |= {name: [*map(_number, x)] for name, x in zip(("cover_scores", "stego_scores"), scores, strict=True)}
        show.as_json(content | _trained_on(made) | ({} if out is None else {"file": str(out)}))
        return
    show.table(
        {
            "detector": detector,
            "pictures": f"{len(originals)} covers, {len(changed)} stegos",
            "AUC": f"{result.auc:.3f}, 95 % interval {result.low:.3f}…{result.high:.3f}; 0.5 is guessing",
            "least error": f"{100 * result.error:.1f} %: mean of misses and false alarms at the best threshold",
        }
    )
    _show_trained_on(made)
    if out is not None:
        show.text(f"Written: {out}.")


def _scores(function: "Callable[[Any], Any]", paths: list[Path], detector: str) -> "F64":
    import numpy as np

    return np.array([function(each) for each in _read(paths, detector)])


def _trained_on(detector: "Detector | None") -> dict[str, str]:
    """The pictures that a network was trained on, if its file names them."""
    from csfnns.steganalysis import Deep

    pictures = detector.about.get("pictures") if isinstance(detector, Deep) else None
    return {"trained_on": str(pictures)} if pictures else {}


def _show_trained_on(detector: "Detector | None") -> None:
    for pictures in _trained_on(detector).values():
        show.text(f"Trained on {pictures}; other pictures and methods may look different to it.")


def _number(score: float) -> float | None:
    """Score for programs: JSON has no NaN."""
    return None if math.isnan(score) else float(score)


def _check_free(out: Path, suffixes: tuple[str, ...], *, force: bool, inputs: list[Path | str]) -> None:
    """Raise before any work is done for names that are taken: of the model, and of the files beside it."""
    from csfnns.files import kept_file

    beside = [out.with_suffix(suffix) for suffix in suffixes]
    if out in beside:
        raise UsageError(f"{out} is the name of the card or the curve.", "Call the model .safetensors.")
    for path in (out, *beside):
        if what := kept_file(path, inputs):
            raise UsageError(f"{path} is {what}.", "Choose another name.")
    taken = [path for path in (out, *beside) if path.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]} already exists.", "Choose another name, or allow overwriting.")


def _check_chart(out: Path | None, *, force: bool, inputs: list[Path | str]) -> None:
    """Raise before any work is done for a chart that cannot be drawn or written."""
    if out is None:
        return
    from csfnns.images.output import check_output_name

    if out.suffix.lower() != ".png":
        raise UsageError(f"A curve is drawn as .png, got {out}.", "Choose another name.")
    check_output_name(out, overwrite=force, inputs=inputs)
    if find_spec("matplotlib") is None:
        raise UsageError("A chart needs matplotlib.", "Install it: pip install 'csfnns[experiments]'.")


def _pictures(folder: Path) -> list[Path]:
    """Pictures of a folder, in natural order of their names. Raises PictureError where there are none."""
    from csfnns.files import natural
    from csfnns.images.io import READABLE

    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}.", "Check the path.")
    every = (path for path in folder.iterdir() if path.suffix.lower() in READABLE and path.is_file())
    found = sorted(every, key=natural)
    if not found:
        raise PictureError(f"There are no pictures in {folder}.", f"They end in {', '.join(READABLE)}.")
    return found


def _names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def _check_pairs(covers: list[Path], stegos: list[Path]) -> None:
    """Raise UsageError unless each stego has the name of a cover, except for the suffix."""
    if _names(covers) == _names(stegos):
        return
    alone = sorted(set(_names(covers)) ^ set(_names(stegos)))
    raise UsageError(
        f"Covers and stegos are not pairs: {alone[0] if alone else 'a name'} is not in both folders once.",
        "Give each stego the name of its cover.",
    )


def _read(paths: list[Path], detector: str) -> Iterator[Any]:
    """One picture after another as the detector reads it, so that they need not all be in memory."""
    from csfnns.steganalysis import read_for

    return (read_for(detector, path) for path in paths)

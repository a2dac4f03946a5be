"""`csfnns hide`."""

import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.unlock import Choices, album_for, model_for, unlock
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.api import Avif, FileSource, Hidden, HiddenFile
    from csfnns.keys import Key
    from csfnns.picture import Picture
    from csfnns.search import Search

_ADDRESSED = re.compile(r"([a-z0-9-]{1,32})=(.+)", re.DOTALL)


def hide(
    secret: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE | NAME=FILE...",
            help="Secret, or one for each of some receivers; - for standard input.",
        ),
    ],
    out: options.PictureOut,
    key: options.KeyFile = None,
    passphrase: options.AskPassphrase = False,
    passphrase_file: options.PassphraseFile = None,
    insist: options.Insist = False,
    profile: options.ProfileName = None,
    size: options.Size = None,
    bpp: options.Bpp = None,
    generator: options.Generator = None,
    album: options.Album = None,
    model: options.Model = None,
    as_: Annotated[
        options.As | None,
        typer.Option(
            "--as", help="Take the secret for that; unless given, a picture is one, and all else a file."
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Send a picture's own bytes; as AVIF if they do not fit, or with --as picture in any case. With a key "
            "of profile robust, files too: more fits, and nothing survives.",
        ),
    ] = False,
    quality: options.Quality = None,
    grain: Annotated[
        bool,
        typer.Option(
            "--grain",
            help="Leave such grain as decoys have (csfnns cover --decoy, csfnns grain): the same whatever is hidden.",
        ),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the search: more take longer and give finer results.")
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(help="Weight of the secret against the cover: more is clearer, and changes more."),
    ] = None,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Clearest secret, stronger changes: --balance 1.")
    ] = False,
    invisible: Annotated[
        bool, typer.Option("--invisible", help="Weakest changes, noisier secret: --balance -1.")
    ] = False,
    balance: Annotated[
        float | None, typer.Option(metavar="-1…1", help="Anything between the two; 0 unless given.")
    ] = None,
    target_stego: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Search until the stego has this PSNR, and no more than it needs."),
    ] = None,
    target_recovered: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Search until each secret has this PSNR; both may be given."),
    ] = None,
    texture: Annotated[
        float | None, typer.Option(metavar="0…1", help="How far changes go into the texture of the cover.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Network to deceive: one that comes taught, such as xunet, or a model; repeat for more. It deceives "
            "those that are named: others that learn from such pictures find them nearly as often as without.",
        ),
    ] = None,
    gamma: Annotated[
        float | None,
        typer.Option(help="Weight of these networks in the search: 1e-4, or with profile paper its own."),
    ] = None,
    survive: options.Survive = None,
    device: options.SearchDevice = options.Device.auto,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Hide a picture, or any file, in a fresh cover of the key.

    A picture goes by way of a search: its copy is close, however large it is. A file goes byte for byte, in pixels or
    in a .jpg; with a key of profile robust so that it survives JPEG. 'csfnns capacity' tells how much fits. If one of
    several secrets is no picture, all go as files.

    Nothing is written until the file was decoded as every receiver will decode it. Each call uses up one message
    number, so that no cover is used twice. --profile, --size, --bpp, --generator and --album go with a
    passphrase; a key file holds them (but for the place of the album or the model).
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)
    secrets = _by_receiver(secret)

    from csfnns import api

    if survive and exact:
        raise UsageError(
            "--survive and --exact do not go together: what goes exactly survives nothing.",
            "Give one of them.",
        )
    avif, why = _kind(secrets, as_, exact)
    places: dict[str, Any] = {"out": out, "overwrite": overwrite}
    places |= {"album": album_for(owner, album), "model": model_for(owner, model)}
    dialled: dict[str, object] = {
        "--beta": beta,
        "--balance": balance,
        "--texture": texture,
        "--target-stego": target_stego,
    }
    dialled |= {"--faithful": faithful or None, "--invisible": invisible or None}
    dialled |= {"--target-recovered": target_recovered}
    if avif is not None:
        hint = "Leave it out, or leave --exact and --as file out to hide a picture by a search."
        searched = {"--steps": steps, "--against": against or None, "--gamma": gamma}
        _refuse(searched | dialled, "is for pictures that go by way of a search", hint)
        with show.searching(json=json) as progress:
            sent = api.hide_file(
                secrets,
                owner,
                **places,
                avif=avif,
                survive=survive or None,
                exact=exact,
                quality=quality,
                grain=grain,
                device=options.torch_device(device) if owner.profile.decoder == "robust" else "cpu",
                progress=progress,
            )
        _tell_files(sent, out, why, needed=avif == "needed", json=json)
        return
    hint = "Leave it out, or send the picture's own bytes: --exact."
    _refuse({"--quality": quality}, "is for files, and pictures as files", hint)
    if grain:
        _refuse(dialled, "changes nothing with --grain, which has one strength", "Leave one out.")
    dial = _balance(faithful, invisible, balance)
    if dial and (target_stego is not None or target_recovered is not None):
        raise UsageError("A target turns the dial by itself.", "Give a target, or a place on the dial.")
    search = _search(owner, dial, steps=steps, beta=beta, texture=texture)
    where = options.torch_device(device)
    with show.searching(json=json) as progress:
        hidden = api.hide(
            secrets,
            owner,
            **places,
            search=search,
            survive=survive or None,
            grain=grain,
            against=against or (),
            gamma=gamma,
            target_stego=target_stego,
            target_recovered=target_recovered,
            device=where,
            progress=progress,
        )
    verdicts = {}
    if against:
        cover = api.make_cover(owner, hidden.message, album=places["album"], model=places["model"])
        verdicts = _verdicts(against, cover.picture, hidden.picture)
    if json:
        recovered = {name: show.figures_json(each) for name, each in hidden.recovered.items()}
        stego = show.figures_json(hidden.stego)
        survives = {
            case: {name: show.figures_json(each) for name, each in found.items()}
            for case, found in hidden.survives.items()
        }
        content = {"file": str(out), "message": hidden.message, "stego": stego, "recovered": recovered}
        if verdicts:
            content["against"] = {
                name: {"cover": before, "stego": after} for name, (before, after) in verdicts.items()
            }
        show.as_json(content | ({"survives": survives} if survives else {}))
    else:
        _explain(hidden, out, owner.profile.secret_size, why)
        _tell_verdicts(verdicts)


def _verdicts(against: Sequence[str], cover: "Picture", stego: "Picture") -> dict[str, tuple[float, float]]:
    """What the networks that were to be deceived make of cover and stego: probabilities of a stego, by the names given."""
    from csfnns.steganalysis import Deep, find_model

    judges = {each: Deep.load(find_model(each)) for each in against}
    return {name: (judge.score(cover), judge.score(stego)) for name, judge in judges.items()}


def _tell_verdicts(verdicts: Mapping[str, tuple[float, float]]) -> None:
    for name, (before, after) in verdicts.items():
        more = ""
        if before > 0.5:
            more = " It suspects the cover without a message too, so that means little."
        elif after > 0.5:
            more = " More --gamma lowers that, and costs quality."
        show.text(
            f"{name} calls it a stego with a probability of {after:.4f}, and its cover with {before:.4f}.{more}"
        )
    if verdicts:
        show.text(
            "It was made to deceive those named: others that learn from such pictures find it nearly as well."
        )


def _by_receiver(secrets: list[str]) -> "FileSource | Mapping[str, FileSource]":
    """Secret, or secrets by receiver. A file whose name looks like NAME=FILE is meant by ./NAME=FILE."""
    addressed = [_ADDRESSED.fullmatch(each) for each in secrets]
    if len(secrets) == 1 and addressed[0] is None:
        return _source(secrets[0])
    found: dict[str, FileSource] = {}
    for each, match in zip(secrets, addressed, strict=True):
        if match is None:
            hint = "Give NAME=FILE for each, such as bob=a.jpg carol=b.jpg."
            raise UsageError(f"Nobody is named to receive {each}.", hint)
        if match[1] in found:
            raise UsageError(f"There are two pictures for {match[1]}.", "A message carries one for each.")
        found[match[1]] = _source(match[2])
    return found


def _source(name: str) -> "FileSource":
    """The name, or all of standard input for -."""
    if name != "-":
        return name
    from csfnns.payloads.file import MAX_CONTENT

    return sys.stdin.buffer.read(MAX_CONTENT + 1)


def _kind(
    secrets: "FileSource | Mapping[str, FileSource]", as_: options.As | None, exact: bool
) -> "tuple[Avif | None, str]":
    """When pictures among files become AVIF, None for pictures by a search; and why that."""
    from csfnns.api import is_picture

    sources = list(secrets.values()) if isinstance(secrets, Mapping) else [secrets]
    pictures = sum(map(is_picture, sources))
    if as_ is options.As.picture:
        return ("always", "as asked") if exact else (None, "")
    if as_ is options.As.file:
        return "never", "as asked"
    if pictures == len(sources):
        return (
            ("needed", "as asked")
            if exact
            else (None, "; it went as a picture, and --exact sends the file's own bytes")
        )
    return (
        ("needed", "since one of the secrets is no picture")
        if pictures
        else ("never", "since it is no picture")
    )


def _refuse(given: Mapping[str, object], reason: str, hint: str) -> None:
    """Raise UsageError if one of these options was given."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name} {reason}.", hint)


def _balance(faithful: bool, invisible: bool, balance: float | None) -> float:
    given = [
        value
        for value in (1.0 if faithful else None, -1.0 if invisible else None, balance)
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError("--faithful, --invisible and --balance are one dial.", "Give one of them.")
    return given[0] if given else 0.0


def _search(key: "Key", balance: float, **settings: float | None) -> "Search":
    from csfnns.search import preset

    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    return dataclasses.replace(preset(key.profile), **given).balanced(balance)


_WHERE = {
    "pixels": "",
    "grain": "; as grain",
    "jpeg": "; in the coefficients of the JPEG",
    "bits": "; it survives, since the key is robust",
}
_CARE = {
    "pixels": "Send it as a file, unchanged: one changed pixel can destroy what is in it.",
    "grain": "Send it as a file, unchanged: one changed pixel can destroy what is in it.",
    "jpeg": "Send it as a file, unchanged: encoded again, even as a JPEG, it holds nothing.",
    "bits": "Send it as a file, unchanged: it is the JPEG that it was prepared for.",
}


def _tell_files(hidden: "HiddenFile", out: Path, why: str, *, needed: bool, json: bool) -> None:
    if not json:
        show.text(f"{out}: message {hidden.message}")
        for name in hidden.sent:
            reason = "since its own bytes do not fit" if name in hidden.recovered and needed else why
            show.text(f"{name} gets {_what(hidden, name)}, {reason}{_WHERE[hidden.way]}.")
        show.figures_table({"stego against cover": hidden.stego})
        show.text(f"Stego, {show.decibels(hidden.stego.psnr)}: {show.about_stego(hidden.stego.psnr)}.")
        survives = f"It was read behind {', '.join(hidden.survives)} too. With --exact more fits, and nothing survives."
        show.text(survives if hidden.survives else _CARE[hidden.way])
        return
    sent: dict[str, Any] = {}
    for name, file in hidden.sent.items():
        figures = hidden.recovered.get(name)
        about = {"name": file.name, "bytes": len(file.content), "exact": figures is None}
        sent[name] = about | ({} if figures is None else {"recovered": show.figures_json(figures)})
    content = {"file": str(out), "message": hidden.message, "stego": show.figures_json(hidden.stego)}
    show.as_json(content | {"sent": sent, "way": hidden.way, "survives": list(hidden.survives)})


def _what(hidden: "HiddenFile", name: str) -> str:
    """What a receiver gets, in words."""
    file, figures = hidden.sent[name], hidden.recovered.get(name)
    label, size = file.name or "the file", f"{len(file.content):,} bytes"
    if figures is None:
        return f"{label} byte for byte, {size}"
    from csfnns.picture import read_picture

    height, width = read_picture(file.content).shape[:2]
    return f"{label}, {width}x{height}, {size}, {show.decibels(figures.psnr)}"


def _explain(hidden: "Hidden", out: Path, carried: tuple[int, int], why: str) -> None:
    height, width = carried
    show.text(f"{out}: message {hidden.message}")
    receivers = {f"{name} against secret": each for name, each in hidden.recovered.items()}
    behind = {
        f"{name} behind {case}": each
        for case, found in hidden.survives.items()
        for name, each in found.items()
    }
    show.figures_table({"stego against cover": hidden.stego} | receivers | behind)
    show.text(f"Stego, {show.decibels(hidden.stego.psnr)}: {show.about_stego(hidden.stego.psnr)}.")
    last = list(hidden.recovered)[-1]
    for name, each in hidden.recovered.items():
        reason = why if name == last else ""
        show.text(f"What {name} gets, {show.decibels(each.psnr)}: {show.about_recovered(each.psnr)}{reason}.")
    show.text(f"Secrets are carried, and compared here, as {width}x{height}.")

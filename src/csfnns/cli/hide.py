"""`csfnns hide`."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.unlock import Choices, album_for, model_for, unlock
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.api import Hidden
    from csfnns.keys import Key
    from csfnns.search import Search

_ADDRESSED = re.compile(r"([a-z0-9-]{1,32})=(.+)", re.DOTALL)


def hide(
    secret: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE | NAME=PICTURE...", help="Secret, or one for each of some receivers."
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
    survive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANNEL",
            help="What the picture shall survive, with a key of profile robust: jpeg:75-95 (unless given), jpeg:90, "
            "noise:2, resize:0.5, mismatch:0.05; a+b for one after another. Several times: any of them.",
        ),
    ] = None,
    device: Annotated[
        options.Device, typer.Option(help="Where the search runs; auto is cuda where there is one.")
    ] = options.Device.auto,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Hide a picture in a fresh cover of the key.

    Nothing is written until the file was decoded as every receiver will decode it. Each call uses up one message
    number, so that no cover is used twice. --profile, --size, --bpp, --generator and --album go with a
    passphrase; a key file holds them (but for the place of the album or the model).
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)
    secrets = _by_receiver(secret)

    from csfnns import api

    search = _search(owner, _balance(faithful, invisible, balance), steps=steps, beta=beta, texture=texture)
    where = _device(device)
    with show.searching(json=json) as progress:
        hidden = api.hide(
            secrets,
            owner,
            out=out,
            overwrite=overwrite,
            album=album_for(owner, album),
            model=model_for(owner, model),
            search=search,
            survive=survive or None,
            target_stego=target_stego,
            target_recovered=target_recovered,
            device=where,
            progress=progress,
        )
    if json:
        recovered = {name: show.figures_json(each) for name, each in hidden.recovered.items()}
        stego = show.figures_json(hidden.stego)
        survives = {
            case: {name: show.figures_json(each) for name, each in found.items()}
            for case, found in hidden.survives.items()
        }
        content = {"file": str(out), "message": hidden.message, "stego": stego, "recovered": recovered}
        show.as_json(content | ({"survives": survives} if survives else {}))
    else:
        _explain(hidden, out, owner.profile.secret_size)


def _by_receiver(secrets: list[str]) -> str | Mapping[str, str]:
    """Secret, or secrets by receiver. A file whose name looks like NAME=PICTURE is meant by ./NAME=PICTURE."""
    addressed = [_ADDRESSED.fullmatch(each) for each in secrets]
    if len(secrets) == 1 and addressed[0] is None:
        return secrets[0]
    found: dict[str, str] = {}
    for each, match in zip(secrets, addressed, strict=True):
        if match is None:
            hint = "Give NAME=PICTURE for each, such as bob=a.jpg carol=b.jpg."
            raise UsageError(f"Nobody is named to receive {each}.", hint)
        if match[1] in found:
            raise UsageError(f"There are two pictures for {match[1]}.", "A message carries one for each.")
        found[match[1]] = match[2]
    return found


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


def _device(device: options.Device) -> str:
    if device is not options.Device.auto:
        return device.value
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _explain(hidden: "Hidden", out: Path, carried: tuple[int, int]) -> None:
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
    for name, each in hidden.recovered.items():
        show.text(f"What {name} gets, {show.decibels(each.psnr)}: {show.about_recovered(each.psnr)}.")
    show.text(f"Secrets are carried, and compared here, as {width}x{height}.")

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
    from csfnns.api import Hidden
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
            "--as",
            help="Send the secret as a picture, by the trellis decoder, or as a file, byte for byte. By default, a "
            "picture is sent whichever way gives the best result.",
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Send a picture byte for byte; as AVIF if it does not fit, or with --as picture in any case. With a key "
            "of profile robust, files too: more fits, and nothing survives.",
        ),
    ] = False,
    resize: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Scale a picture down to this longer side: smaller is clearer."),
    ] = None,
    target_recovered: Annotated[
        float | None,
        typer.Option(metavar="DB", help="PSNR at which each picture must arrive; 38 unless given."),
    ] = None,
    target_stego: Annotated[
        float | None,
        typer.Option(
            metavar="DB", help="PSNR that the stego must have; at least 56 unless given. You can set both."
        ),
    ] = None,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Clearer picture, more changes: --balance 1.")
    ] = False,
    invisible: Annotated[
        bool, typer.Option("--invisible", help="Fewer changes, noisier picture: --balance -1.")
    ] = False,
    balance: Annotated[
        float | None, typer.Option(metavar="-1…1", help="Anything between the two; 0 unless given.")
    ] = None,
    quality: options.Quality = None,
    grain: Annotated[
        bool,
        typer.Option(
            "--grain",
            help="Add the same grain as decoys (csfnns cover --decoy, csfnns grain): the same whatever is hidden.",
        ),
    ] = False,
    survive: options.Survive = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the search, with a key of profile robust or paper.")
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(help="Weight of the secret in that search: more is clearer, and changes more."),
    ] = None,
    evade: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Network that this search evades: one that comes trained, such as xunet, or a model; repeat for more. "
            "Others that learn from such pictures find them nearly as often as without.",
        ),
    ] = None,
    gamma: Annotated[
        float | None,
        typer.Option(help="Weight of these networks in the search: 1e-4, or with profile paper its own."),
    ] = None,
    device: options.SearchDevice = options.Device.auto,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Hide a picture, or any file, in a fresh cover of the key.

    A picture arrives at its own size, as clear as the cover has room for: 'csfnns capacity' shows how clear. Drawings and
    screenshots that fit arrive byte for byte, and so does every other file.

    Nothing is written until the result has been decoded the way each receiver will decode it. Each call uses up one message
    number, so that no cover is used twice. --profile, --size, --bpp, --generator and --album go with a
    passphrase; a key file holds them (but for the place of the album or the model).
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)
    secrets = _by_receiver(secret)

    from csfnns import api

    searched = owner.profile.is_network
    with show.searching(json=json) as progress:
        hidden = api.hide(
            secrets,
            owner,
            out=out,
            overwrite=overwrite,
            send_as=None if as_ is None else as_.value,
            exact=exact,
            resize=resize,
            target_recovered=target_recovered,
            target_stego=target_stego,
            balance=_balance(faithful, invisible, balance),
            quality=quality,
            grain=grain,
            survive=survive or None,
            search=_search(owner, steps=steps, beta=beta),
            evade=evade or (),
            gamma=gamma,
            album=album_for(owner, album),
            model=model_for(owner, model),
            device=options.torch_device(device) if searched and not exact else "cpu",
            progress=progress,
        )
    verdicts = {}
    if evade:
        cover = api.make_cover(
            owner, hidden.message, album=album_for(owner, album), model=model_for(owner, model)
        )
        verdicts = _verdicts(evade, cover.picture, hidden.picture)
    if json:
        show.as_json(_as_json(hidden, out, verdicts))
    else:
        _explain(hidden, out)
        _show_verdicts(verdicts)


def _verdicts(evade: Sequence[str], cover: "Picture", stego: "Picture") -> dict[str, tuple[float, float]]:
    """Probabilities of a stego that the networks to evade give to cover and stego, by the names given."""
    from csfnns.steganalysis import Deep, find_model

    detectors = {each: Deep.load(find_model(each)) for each in evade}
    return {name: (each.score(cover), each.score(stego)) for name, each in detectors.items()}


def _show_verdicts(verdicts: Mapping[str, tuple[float, float]]) -> None:
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
        show.text("It evades those named: others that learn from such pictures find it nearly as well.")


def _by_receiver(secrets: list[str]) -> str | bytes | Mapping[str, str | bytes]:
    """Secret, or secrets by receiver. A file whose name looks like NAME=FILE is meant by ./NAME=FILE."""
    addressed = [_ADDRESSED.fullmatch(each) for each in secrets]
    if len(secrets) == 1 and addressed[0] is None:
        return _source(secrets[0])
    found: dict[str, str | bytes] = {}
    for each, match in zip(secrets, addressed, strict=True):
        if match is None:
            hint = "Give NAME=FILE for each, such as bob=a.jpg carol=b.jpg."
            raise UsageError(f"Nobody is named to receive {each}.", hint)
        if match[1] in found:
            raise UsageError(f"There are two secrets for {match[1]}.", "A message carries one for each.")
        found[match[1]] = _source(match[2])
    return found


def _source(name: str) -> str | bytes:
    """The name, or all of standard input for -."""
    if name != "-":
        return name
    from csfnns.payloads.file import MAX_CONTENT

    return sys.stdin.buffer.read(MAX_CONTENT + 1)


def _balance(faithful: bool, invisible: bool, balance: float | None) -> float:
    given = [
        value
        for value in (1.0 if faithful else None, -1.0 if invisible else None, balance)
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError("--faithful, --invisible and --balance are one dial.", "Give one of them.")
    return given[0] if given else 0.0


def _search(key: "Key", **settings: float | None) -> "Search | None":
    """Settings of a search by gradients, None where nothing was set."""
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if not given:
        return None
    if not key.profile.is_network:
        name = next(iter(given))
        hint = "Leave it out, or say how clear the picture must be: --target-recovered 40."
        raise UsageError(f"--{name} only works with a key of profile robust or paper.", hint)
    from csfnns.extras import require

    require("network", f"--{next(iter(given))}")
    from csfnns.search import preset

    return dataclasses.replace(preset(key.profile), **given)


_CARE = {
    "pixels": "Send it as a file, unchanged.",
    "grain": "Send it as a file, unchanged: changing a single pixel can destroy its contents.",
    "jpeg": "Send it as a file, unchanged: encoded again, even as a JPEG, it holds nothing.",
    "bits": "Send it as a file, unchanged: recompressing it may destroy the message.",
    "network": "Send it as a file, unchanged.",
}


def _explain(hidden: "Hidden", out: Path) -> None:
    show.text(f"{out}: message {hidden.message}")
    for name, each in hidden.receivers.items():
        show.text(f"{name} gets {show.arrival(each)}.")
    rows = {"stego against cover": hidden.stego}
    rows |= {
        f"{name} against secret": each.figures for name, each in hidden.receivers.items() if each.figures
    }
    rows |= {
        f"{name} after {case}": each
        for case, found in hidden.survives.items()
        for name, each in found.items()
        if each is not None
    }
    show.figures_table(rows)
    show.text(f"Stego, {show.decibels(hidden.stego.psnr)}: {show.about_stego(hidden.stego.psnr)}.")
    if hidden.survives:
        show.text(f"It was also read back after {', '.join(hidden.survives)}.")
    else:
        show.text(_CARE[hidden.carrier])


def _as_json(hidden: "Hidden", out: Path, verdicts: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    content: dict[str, Any] = {"file": str(out), "message": hidden.message, "carrier": hidden.carrier}
    content["stego"] = show.figures_json(hidden.stego)
    content["receivers"] = {name: show.arrival_json(each) for name, each in hidden.receivers.items()}
    content["survives"] = {
        case: {name: None if each is None else show.figures_json(each) for name, each in found.items()}
        for case, found in hidden.survives.items()
    }
    if verdicts:
        content["evaded"] = {
            name: {"cover": before, "stego": after} for name, (before, after) in verdicts.items()
        }
    return content

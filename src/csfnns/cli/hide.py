"""`csfnns hide`."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csfnns import sentences
from csfnns.cli import options, show, streams
from csfnns.cli.config import setting
from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.cli.options import argument, declare, option, parse_settings
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns import Hidden, Key

_ADDRESSED = re.compile(r"([a-z0-9-]{1,32})=(.+)", re.DOTALL)
_UNDATED = "dated=no"
"""Setting of every method: the time of sending stays out."""


@declare(
    payload=argument(
        "FILE|NAME=FILE",
        "File to hide, or one for each of several receivers; - for standard input. With --text: receivers.",
    ),
    out=option(
        "FILE|FOLDER/",
        "Picture to write: .png, .webp or .jpg; - for standard output. A folder gets as many as the file needs.",
        "--out",
        "-o",
    ),
    text=option("TEXT", "Hide this text instead; - for standard input."),
    resize=option("PIXELS", "Scale a picture down to this longest side: it arrives clearer."),
    survive=options.SURVIVE,
    method=option(
        "trellis|direct|grain|jpeg|robust|paper",
        "How to hide; by default, whatever brings the secret best.",
        group=options.MORE,
    ),
    settings=option(
        "NAME=VALUE",
        "Setting of the method, several times: recovered=40, stego=58 (trellis), quality=80 (jpeg), steps=500, "
        "beta=0.01, evade=xunet, gamma=1e-4, device=cuda (robust, paper); dated=no keeps the time of sending out (all).",
        "--set",
        group=options.MORE,
    ),
    spare=option("N", "Pictures of a folder that may be lost; 2 unless given.", group=options.MORE),
)
def hide(
    access: KeyAccess,
    payload: list[str] | None = None,
    out: str | None = None,
    text: str | None = None,
    resize: int | None = None,
    survive: list[str] | None = None,
    method: str | None = None,
    settings: list[str] | None = None,
    spare: int | None = None,
    force: options.Force = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    json: options.AsJson = False,
) -> None:
    """Hide a picture, a file or text in a new picture.

    \b
    csfnns hide photo.jpg -k mine.key -o holiday.png
    csfnns hide --text "See you at noon" -k mine.key -o holiday.png
    csfnns hide bob=plan.pdf carol=photo.jpg -k team.key -o holiday.png

    The picture is made from the key. Photographs arrive as clear as it has room for ('csfnns capacity' shows how
    clear), everything else byte for byte. It is written once it has been read back as each receiver will. A file that
    is too large for one picture goes into a folder of them: -o holiday/.
    """
    if out is None:
        raise UsageError("There is no file to write.", "Name it: -o picture.png.")
    dated, settings = _UNDATED not in (settings or []), [each for each in settings or [] if each != _UNDATED]
    named = [] if text is not None else [_split(each)[1] for each in payload or []]
    inputs = [*named, text if text == streams.STANDARD else None, access.key, access.passphrase_file]
    streams.check_output(out, json=json, inputs=inputs)
    streams.check_inputs(*inputs)
    to_folder = out.endswith(("/", os.sep)) or os.path.isdir(out)
    if not to_folder:
        _prepare(named)
    key = resolve_key(access, quiet=quiet, json=json, twice=True)
    if to_folder:
        if text is not None or resize is not None or streams.STANDARD in named:
            raise UsageError("A folder of pictures is for a file.", "Name a file; or one picture: -o picture.png.")
        secrets = _payload(payload or [], None, key)
        chosen = _method(key, method, settings, survive or [], secrets)
        _hide_long(secrets, key, out, access, chosen, spare, dated=dated, force=force, quiet=quiet, json=json)
        return
    if spare is not None:
        raise UsageError("--spare is for a folder of pictures.", "Name one: -o FOLDER/.")
    secrets = _payload(payload or [], text, key)

    import csfnns

    to_stdout = out == streams.STANDARD
    with show.searching(quiet=json or quiet) as progress:
        hidden = csfnns.hide(
            secrets,
            key,
            out=None if to_stdout else out,
            overwrite=force,
            method=_method(key, method, settings, survive or [], secrets),
            resize=resize,
            dated=dated,
            covers=access.covers(key),
            progress=progress,
        )
    if to_stdout:
        streams.write(hidden.data)
    for warning in hidden.warnings:
        show.warning(warning, json=json)
    if json:
        show.as_json({"file": out} | sentences.hidden_json(hidden))
    elif not quiet:
        _explain(hidden, out, resized=resize is not None, verbose=verbose, stderr=to_stdout)


def _hide_long(
    secrets: Any,
    key: "Key",
    out: str,
    access: KeyAccess,
    method: Any,
    spare: int | None,
    *,
    dated: bool,
    force: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Hide a file in as many pictures as it needs."""
    import csfnns

    named = secrets if isinstance(secrets, Mapping) else {None: secrets}
    if len(named) > 1:
        raise UsageError("A folder of pictures is for one receiver.", "Hide for each on their own.")
    ((receiver, file),) = named.items()
    if isinstance(file, bytes):
        raise UsageError("A pipe cannot be read twice.", "Give the name of a file.")
    with show.searching("hiding", quiet=json or quiet) as progress:
        hidden = csfnns.hide_long(
            file,
            key,
            out,
            spare=2 if spare is None else spare,
            receiver=receiver,
            format="jpg" if getattr(method, "name", None) == "jpeg" else "png",
            method=method,
            overwrite=force,
            dated=dated,
            covers=access.covers(key),
            progress=progress,
        )
    if json:
        show.as_json({"folder": out} | sentences.long_hidden_json(hidden))
    elif not quiet:
        show.lines(sentences.long_hidden(hidden, out, Path(file).name))


def _prepare(names: list[str]) -> None:
    """Start what decodes the pictures among these, while everything else is loaded."""
    from csfnns.images import sandbox
    from csfnns.images.header import PICTURE_SUFFIXES

    if any(Path(name).suffix.lower() in PICTURE_SUFFIXES for name in names):
        sandbox.prepare("shown")


def _split(argument: str) -> tuple[str | None, str]:
    """Receiver, if one is named, and file. A file whose name looks like NAME=FILE is given as ./NAME=FILE."""
    match = _ADDRESSED.fullmatch(argument)
    return (match[1], match[2]) if match else (None, argument)


def _payload(arguments: list[str], text: str | None, key: "Key") -> Any:
    """What to hide, or what for each receiver. Raises UsageError."""
    found: list[tuple[str | None, Any]]
    if text is None:
        found = list(map(_split, arguments))
    else:
        secret = _text(text)
        found = [(name, secret) for name in arguments] or [(None, secret)]
    if not found:
        raise UsageError("There is nothing to hide.", "Name a file, or give --text; - is standard input.")
    names = [name for name, _ in found]
    if None in names and (len(names) > 1 or len(key.names) > 1):
        receivers = f" This key hides for: {', '.join(key.names)}." if len(key.names) > 1 else ""
        raise UsageError("It is not clear who gets what.", f"Write NAME=FILE for each receiver.{receivers}")
    for name, typed in zip(names, arguments, strict=False):
        if name is not None and name not in key.names:
            hint = f"It hides for: {', '.join(key.names)}."
            if text is not None:
                hint += " --text comes instead of a file."
            elif os.path.lexists(typed):
                hint += f" To hide the file {typed}, write ./{typed}."
            raise UsageError(f"This key cannot hide for {name!r}.", hint)
        if names.count(name) > 1:
            raise UsageError(f"There are two secrets for {name}.", "A picture carries one for each receiver.")
    if text is None:
        found = [(name, streams.source(file)) for name, file in found]
    return found[0][1] if names == [None] else dict(found)


def _text(text: str) -> Any:
    import csfnns
    from csfnns.payloads.frame import MAX_CONTENT

    if text == streams.STANDARD:
        try:
            text = streams.read_standard_input(MAX_CONTENT).decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise UsageError("Standard input is not text in UTF-8.", "Hide it as a file: csfnns hide -") from None
    return csfnns.text(text)


def _method(key: "Key", name: str | None, settings: list[str], survive: list[str], secrets: Any) -> Any:
    """Method with its settings, or None if nothing is said about it. Raises UsageError."""
    from csfnns.methods import METHODS
    from csfnns.payloads.secret import is_picture

    device = setting("device") if key.profile.is_network else None
    if name is None and (settings or survive or device):  # the method of this key that has such settings
        usual = {"trellis": "trellis", "robust": "robust"}.get(key.profile.decoder, "paper")
        quality = any(each.startswith("quality=") for each in settings)
        name = "robust" if survive else "jpeg" if quality else usual
        values = secrets.values() if isinstance(secrets, Mapping) else [secrets]
        if not settings and name == "paper" and not all(map(is_picture, values)):
            return None
    if name is None:
        return None
    make = METHODS.load(name)
    types = {field.name: str(field.type) for field in fields(make()) if field.name != "profile"}
    given: dict[str, Any] = {"device": device} if device and "device" in types else {}
    if survive:
        if "survive" not in types:
            raise UsageError(f"The method {name!r} has no setting 'survive'.", "Leave --survive out.")
        given["survive"] = tuple(survive)
    given |= parse_settings(settings, types, f"The method {name!r}")
    return make(**given)


def _explain(hidden: "Hidden", out: str, *, resized: bool, verbose: bool, stderr: bool) -> None:
    ready = "Ready" if stderr else f"{out} is ready"
    smaller = None if resized else "A smaller picture arrives clearer: --resize PIXELS."
    show.lines(sentences.hidden(hidden, ready, smaller=smaller), stderr=stderr)
    if not verbose:
        return
    rows = {"stego against cover": hidden.stego}
    rows |= {f"{name} against secret": each.figures for name, each in hidden.receivers.items() if each.figures}
    rows |= {
        f"{name} after {case}": each
        for case, found in hidden.survives.items()
        for name, each in found.items()
        if each is not None
    }
    show.figures_table(rows, stderr=stderr)
    difference = sentences.about_stego(hidden.stego.psnr)
    show.text(f"Message {hidden.id}, method {hidden.method}; {difference}.", stderr=stderr)

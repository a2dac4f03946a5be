"""`csfnns reveal`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from csfnns.cli import options, show, streams
from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.cli.options import argument, declare, option
from csfnns.errors import Cancelled, CsfnnsError, NoMessageError, PictureError

if TYPE_CHECKING:
    from csfnns import Key, Revealed


@declare(
    pictures=argument("PICTURE", "Pictures as they were sent; - for standard input."),
    out=option(
        "FILE|FOLDER",
        "Where to write; - for standard output. By default text is shown, and a file named as its sender named it. That "
        "name, in a folder too, replaces nothing.",
        "--out",
        "-o",
    ),
    receiver=option("NAME", "Whose part of a message to several, with the sender's key.", group=options.MORE),
    denoise=option(
        None,
        "Remove a network's noise; by default where it helps.",
        "--denoise/--no-denoise",
        group=options.MORE,
    ),
)
def reveal(
    pictures: list[str],
    access: KeyAccess,
    out: str | None = None,
    receiver: str | None = None,
    denoise: bool | None = None,
    force: options.Force = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    json: options.AsJson = False,
) -> None:
    """Reveal what is hidden in a picture for this key.

    \b
    csfnns reveal holiday.png -k mine.key
    csfnns reveal holiday.png -k mine.key -o secret.png
    csfnns reveal a.png b.png c.png -k mine.key -o inbox

    A wrong key and a picture without a secret end in an error, and nothing is written. Of several pictures, the others
    are revealed all the same. A picture that was sent in another format is converted if FILE is a .png or .webp.
    """
    import csfnns
    from csfnns.images.output import check_place

    streams.check_output(out, json=json)
    streams.check_inputs(*pictures, access.key, access.passphrase_file)
    if out is not None and (len(pictures) > 1 or out.endswith(os.sep)) and not os.path.isdir(out):
        reason = f"There is no folder {out}."
        raise PictureError(reason, "Make it first: several pictures, and names that end in /, need one.")
    key = resolve_key(access, quiet=quiet, json=json)
    covers, failed = access.covers(key), 0

    def one(picture: str) -> None:
        typed = None if out in (None, streams.STANDARD) or os.path.isdir(str(out)) else Path(str(out))
        if typed is not None:
            check_place(typed, overwrite=force, inputs=[picture])
        stego = streams.source(picture)
        try:
            found = csfnns.reveal(stego, key, receiver=receiver, covers=covers, denoise=denoise)
        except NoMessageError as error:
            raise _with_size(error, stego, key) if access.by_passphrase else error from None
        path = _write(found, out, typed, overwrite=force)
        if json:
            show.as_json({"picture": picture, **_as_json(found, path)})
            return
        if not quiet:
            _explain(found, path, verbose=verbose)
        if path is None and out is None:
            _show_text(found.text)

    for picture in pictures:
        try:
            one(picture)
        except CsfnnsError as error:
            if len(pictures) == 1 or isinstance(error, Cancelled):
                raise
            show.error(error, json=json, picture=picture)
            failed = failed or error.exit_code
    if failed:
        raise typer.Exit(failed)


def _write(found: "Revealed", out: str | None, typed: Path | None, *, overwrite: bool) -> Path | None:
    """Write what was revealed to where it belongs; None where that is standard output."""
    from csfnns.images.output import encode_picture

    if out == streams.STANDARD:
        streams.write(encode_picture(found.picture, ".png") if found.content is None else found.content)
        return None
    if typed is not None:
        return found.save(typed, overwrite=overwrite)
    if out is None and found.kind == "text":
        return None
    path = Path(out or ".") / found.file_name  # the sender's name: it replaces nothing
    if os.path.lexists(path):
        raise PictureError(f"{path} already exists.", "Name another file or folder: -o FILE.")
    return found.save(path)


def _with_size(error: NoMessageError, stego: Any, key: "Key") -> NoMessageError:
    """The error with the option that a passphrase of covers of this size needs."""
    from csfnns.images.io import picture_size

    height, width = picture_size(stego)
    if (width, height) == (key.profile.width, key.profile.height) or width % 16 or height % 16:
        return error
    hint = f"If it was made with the passphrase and this size, add --size {width}x{height}. {error.hint}"
    return NoMessageError(error.message, hint)


def _show_text(text: str) -> None:
    """Print text as it was sent; on a terminal, without what would control it."""
    if sys.stdout.isatty():
        text = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    typer.echo(text)


def _as_json(found: "Revealed", path: Path | None) -> dict[str, Any]:
    file = None if path is None else str(path)
    content: dict[str, Any] = {"file": file, "kind": found.kind, "message": found.id, "name": found.name}
    content |= {"receiver": found.receiver, "author": found.author}
    content["sent"] = None if found.sent is None else found.sent.isoformat()
    if found.content is not None:
        content |= {"bytes": len(found.content), "converted": path is not None and found.is_converted(path)}
    if found.kind == "text" and path is None:
        content["text"] = found.text
    if found.kind == "picture":
        height, width = found.picture.shape[:2]
        content |= {"width": width, "height": height, "unchanged": found.unchanged}
        content |= {"expected_psnr": found.expected_psnr, "denoised": found.denoised}
    return content


def _explain(found: "Revealed", path: Path | None, *, verbose: bool) -> None:
    """Say what was revealed, on stderr where the secret itself goes to stdout."""
    from csfnns.images.io import picture_suffixes

    converted = path is not None and found.is_converted(path)
    formats = picture_suffixes(found.content or b"")
    sent = "" if found.author in (None, "sender") else f" by {found.author}"
    sent += "" if found.sent is None else f" on {found.sent.astimezone():%Y-%m-%d at %H:%M}"
    if found.kind == "picture":
        height, width = found.picture.shape[:2]
        what = f"a {width}x{height} picture"
    else:
        what = "a text" if found.kind == "text" else show.size(len(found.content or b""))
    if converted and path is not None:
        what += f", converted from {formats[0][1:].upper()}" if formats else ""
        what += ", as a JPEG of quality 95" if path.suffix.lower() in (".jpg", ".jpeg") else ""
    elif found.content is not None and formats != (".avif",):  # which is rarely the picture that was given to hide
        what += ", exactly as sent"
    elif found.unchanged and found.expected_psnr is not None:
        what += f", {show.clarity(found.expected_psnr)}"
    if sent:
        what += sent if what.endswith("sent") else f", sent{sent}"
    name = "" if path is None else f"{'./' if str(path).startswith('-') else ''}{path}: "
    lines = [f"Revealed {name}{what}."]
    if verbose:
        lines.append(f"Message {found.id} for the {found.receiver}.")
        if found.expected_psnr is not None:
            denoised = ", denoised" if found.denoised else ""
            lines.append(f"Expected PSNR {show.decibels(found.expected_psnr)}{denoised}.")
    show.lines(lines, stderr=path is None)
    if not found.unchanged:
        reason = "The picture was changed on its way: this is what is left of the secret."
        show.warning(f"{reason} Ask for the file as it was written, sent as a file or document.", json=False)

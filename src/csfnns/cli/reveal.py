"""`csfnns reveal`."""

import itertools
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from csfnns import sentences
from csfnns.cli import options, show, streams
from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.cli.options import argument, declare, option
from csfnns.errors import CsfnnsError, NoMessageError, PictureError

if TYPE_CHECKING:
    from csfnns import Key, LongRevealed, Revealed


@declare(
    pictures=argument("PICTURE|FOLDER", "Pictures as they were sent, or folders of them; - for standard input."),
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

    A file that was hidden in several pictures is restored from their folder, also where as many are missing as were
    spare. A wrong key and a picture without a secret end in an error, and nothing is written. Of several pictures, the
    others are revealed all the same. A picture that was sent in another format is converted if FILE is a .png or .webp.
    """
    from csfnns.images import sandbox

    sandbox.prepare("stored")  # its start takes as long as what is loaded here
    import csfnns
    from csfnns.images.output import check_place

    several = len(pictures) > 1 or os.path.isdir(pictures[0])
    inputs = [*(each for each in pictures if not os.path.isdir(each)), access.key, access.passphrase_file]
    streams.check_output(out, json=json, inputs=inputs)
    streams.check_inputs(*inputs)
    if out is not None and not os.path.isdir(out) and (len(pictures) > 1 or out.endswith(os.sep)):
        reason = f"There is no folder {out}."
        raise PictureError(reason, "Make it first: several pictures, and names that end in /, need one.")
    key = resolve_key(access, quiet=quiet, json=json)
    covers = access.covers(key)

    def show_one(found: "Revealed", picture: str) -> None:
        path = _write(found, out, overwrite=force)
        if json:
            show.as_json({"picture": picture, **_as_json(found, path)})
            return
        if not quiet:
            _explain(found, path, verbose=verbose)
        if path is None and out is None:
            _show_text(found.text)

    if several:
        each = partial(csfnns.reveal_long, key=key, receiver=receiver, covers=covers, denoise=denoise, overwrite=force)
        sized = key if access.by_passphrase else None
        _reveal_several(pictures, out, each, show_one, sized=sized, json=json, quiet=quiet)
        return
    if out not in (None, streams.STANDARD) and not os.path.isdir(str(out)):
        check_place(Path(str(out)), overwrite=force)
    stego = streams.source(pictures[0])
    try:
        found = csfnns.reveal(stego, key, receiver=receiver, covers=covers, denoise=denoise)
    except NoMessageError as error:
        raise _with_size(error, stego, key) if access.by_passphrase else error from None
    show_one(found, pictures[0])


def _reveal_several(
    pictures: list[str],
    out: str | None,
    reveal: Callable[..., "list[LongRevealed]"],
    show_one: Callable[["Revealed", str], None],
    *,
    sized: "Key | None",
    json: bool,
    quiet: bool,
) -> None:
    """Reveal pictures and folders of them, and say what came of each.

    What cannot be read of a named picture is an error, and of a folder a warning, where something else can. `sized` is a
    key from a passphrase, which may have another size.
    """
    from csfnns import Revealed
    from csfnns.messages.join import pictures_in

    in_folders = any(map(os.path.isdir, pictures))
    listed = ([*map(str, pictures_in(Path(each)))] if os.path.isdir(each) else [each] for each in pictures)
    names = [*itertools.chain.from_iterable(listed)]
    codes: list[int] = []
    empty, done = 0, 0

    def each(source: Any, came: Any) -> None:
        nonlocal empty, done
        name, done = names[done], done + 1
        if progress is not None:
            progress(done, len(names))
        if sized is not None and isinstance(came, NoMessageError):
            came = _with_size(came, source, sized)
        if isinstance(came, CsfnnsError) and in_folders:
            empty += 1
            if type(came) is not NoMessageError:
                show.warning(f"{name}: {came.message}", json=json)
            return
        if isinstance(came, Revealed) and out is not None and not os.path.isdir(out):
            show.warning(f"{name}: It holds a message of its own.", json=json)
            return
        try:
            if isinstance(came, CsfnnsError):
                raise came
            if isinstance(came, Revealed):
                show_one(came, name)
        except CsfnnsError as error:
            show.error(error, json=json, picture=name)
            codes.append(error.exit_code)

    with show.searching("revealing", quiet=json or quiet or not in_folders) as progress:
        files = reveal(map(streams.source, names), out=out or ".", each=each)
    for found in files:
        if found.error is not None:
            show.error(found.error, json=json)
            codes.append(found.error.exit_code)
        elif json:
            show.as_json(sentences.long_revealed_json(found))
        elif not quiet:
            show.text(sentences.long_revealed(found))
    if in_folders and empty == len(names):
        reason = f"None of the {empty} pictures is for this key, or they were changed on their way."
        raise NoMessageError(reason, "Check that it is the right key, and ask for the files as they were written.")
    if empty and not quiet and not json:
        show.note(f"{empty} of {len(names)} pictures hold nothing for this key, or were changed on their way.")
    if codes:
        raise typer.Exit(codes[0])


def _write(found: "Revealed", out: str | None, *, overwrite: bool) -> Path | None:
    """Write what was revealed to where it belongs; None where that is standard output."""
    from csfnns.images.output import encode_picture

    if out == streams.STANDARD:
        streams.write(encode_picture(found.picture, ".png") if found.content is None else found.content)
        return None
    if out is None and found.kind == "text":
        return None
    return found.save(out or ".", overwrite=overwrite)


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
    from csfnns.images.header import picture_suffixes
    from csfnns.payloads.frame import runs

    converted = None
    if path is not None and found.is_converted(path):
        formats = picture_suffixes(found.content or b"")
        converted = f", converted from {formats[0][1:].upper()}" if formats else ""
        converted += ", as a JPEG of quality 95" if path.suffix.lower() in (".jpg", ".jpeg") else ""
    name = "" if path is None else f"{'./' if str(path).startswith('-') else ''}{path}"
    lines = [sentences.revealed(found, name, converted=converted)]
    if path is not None and path.name == found.file_name and runs(found.name or ""):
        lines.append(f"Its sender named it {found.name}: some systems would run a file of that name.")
    if verbose:
        lines.append(f"Message {found.id} for the {found.receiver}.")
        if found.expected_psnr is not None:
            denoised = ", denoised" if found.denoised else ""
            lines.append(f"Expected PSNR {sentences.decibels(found.expected_psnr)}{denoised}.")
    show.lines(lines, stderr=path is None)
    if not found.unchanged:
        show.warning(sentences.CHANGED, json=False)

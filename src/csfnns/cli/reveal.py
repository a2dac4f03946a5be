"""`csfnns reveal`, and `csfnns cover`, with which both ends see that they have the same key."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.unlock import Choices, album_for, model_for, unlock
from csfnns.errors import PictureError, UsageError

if TYPE_CHECKING:
    from csfnns.api import Revealed, RevealedFile


def reveal(
    stego: Annotated[str, typer.Argument(metavar="PICTURE", help="Picture as it was sent.")],
    out: options.SecretOut,
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
    receiver: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose secret, if the key has several receivers.")
    ] = None,
    message: Annotated[
        int | None, typer.Option(metavar="N", help="Number of the message; found by itself unless given.")
    ] = None,
    denoise: Annotated[
        bool | None,
        typer.Option(
            "--denoise/--no-denoise", help="Take noise out of the picture; where it helps, unless said."
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Reveal what is hidden in a picture for this key: a picture, or a file byte for byte.

    A wrong key, a picture without a secret and one too damaged to read end in an error, and nothing is written. What
    came in a format of its own and shall be a .png or .webp is converted if it was sent as a picture.
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)

    from csfnns import api
    from csfnns.output import check_place

    if out.endswith(os.sep) and not os.path.isdir(out):
        raise PictureError(f"There is no folder {out}.", "Make it first, or choose another.")
    if not os.path.isdir(out):
        check_place(Path(out), overwrite=overwrite, inputs=[stego])
    found = api.reveal(
        stego,
        owner,
        receiver=receiver,
        message=message,
        album=album_for(owner, album),
        model=model_for(owner, model),
        denoise=denoise,
    )
    path = Path(out) / found.file_name if os.path.isdir(out) else Path(out)
    check_place(path, overwrite=overwrite, inputs=[stego])
    found.save(path, overwrite=overwrite)
    content = {"file": str(path), "message": found.message, "receiver": found.receiver}
    if isinstance(found, api.RevealedFile):
        about = {"name": found.name, "kind": found.kind.name.lower(), "bytes": len(found.content)}
        about["converted"] = found.is_converted(path)
        show.as_json(content | about) if json else _explain_file(found, path)
    elif json:
        height, width = found.picture.shape[:2]
        content |= {"width": width, "height": height, "kind": "picture", "unchanged": found.unchanged}
        show.as_json(content | {"expected_psnr": found.expected_psnr, "denoised": found.denoised})
    else:
        _explain(found, path)


def cover(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the check cover here: .png or .webp."),
    ] = None,
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
    decoy: Annotated[
        bool,
        typer.Option(
            "--decoy",
            help="Write a fresh cover with grain that hides nothing, to send among those that do.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Show the fingerprint of the key's check cover, in words; or make a decoy.

    Both ends do this once and compare the words, on the phone for instance: the same words mean the same covers
    (cover key, size and generator). 'csfnns key show' names the receiver. The check cover is message 0, never sent.

    A decoy uses up a message number, and cannot be told from what 'csfnns hide --grain' writes without the key.
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)

    from csfnns import api
    from csfnns.output import check_output_name, write_picture

    places: dict[str, Any] = {"album": album_for(owner, album), "model": model_for(owner, model)}
    if decoy:
        if out is None:
            raise UsageError("A decoy is a file to send.", "Name it: -o FILE.")
        made = api.make_decoy(owner, out=out, overwrite=overwrite, **places)
        if json:
            show.as_json({"file": str(out), "message": made.message})
        else:
            show.text(f"{out}: message {made.message}, which hides nothing")
        return
    if out is not None:
        check_output_name(out, overwrite=overwrite)
    check = api.make_cover(owner, **places)
    if out is not None:
        write_picture(check.picture, out, overwrite=overwrite)
    if json:
        file = None if out is None else str(out)
        show.as_json({"fingerprint": check.fingerprint, "message": 0, "file": file})
        return
    show.text(check.fingerprint)
    show.text("The other end must get the same words. Never send this cover with a secret in it.")


def _explain_file(found: "RevealedFile", path: Path) -> None:
    where = f"message {found.message} for {found.receiver}"
    if found.is_converted(path):
        height, width = found.picture.shape[:2]
        show.text(f"{path}: {width}x{height}, {where}")
        show.text(
            f"Converted from {found.name or 'another format'}; to keep the original format, reveal into a folder."
        )
    else:
        label = "" if found.name in (None, path.name) else f"{found.name}, "
        show.text(f"{path}: {label}{len(found.content):,} bytes, exactly as sent, {where}")


def _explain(found: "Revealed", out: Path) -> None:
    height, width = found.picture.shape[:2]
    show.text(f"{out}: {width}x{height}, message {found.message} for {found.receiver}")
    if not found.unchanged:
        reason = "The stego was changed on its way: this is what is left of the picture."
        show.warning(f"{reason} Ask for the file as it was written.", json=False)
    elif found.expected_psnr is None:
        show.text("Its quality cannot be measured without the original.")
    else:
        show.text(
            f"The picture is {show.clarity(found.expected_psnr)} ({show.decibels(found.expected_psnr)})."
        )
    if found.denoised:
        show.text("The picture was denoised; use --no-denoise to turn this off.")

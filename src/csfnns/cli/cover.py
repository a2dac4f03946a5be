"""`csfnns cover`, with which both ends check that they have the same key, and `csfnns grain`."""

from pathlib import Path
from typing import TYPE_CHECKING

from csfnns.cli import options, show, streams
from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.cli.options import argument, declare, option
from csfnns.errors import UsageError

if TYPE_CHECKING:
    from csfnns.keys import Key


@declare(
    out=option(
        "FILE|FOLDER", "Write it here, .png or .webp; - for standard output; with --count, a folder.", "--out", "-o"
    ),
    decoy=option(None, "Make a new cover with grain that holds nothing, to send among others.", "--decoy"),
    count=option("N", "Make N fresh covers, or decoys, in a folder: for experiments.", "--count"),
)
def cover(
    access: KeyAccess,
    out: Path | None = None,
    decoy: bool = False,
    count: int | None = None,
    force: options.Force = False,
    json: options.AsJson = False,
) -> None:
    """Show words that both ends compare; or make a decoy.

    Both ends run this once and compare the words, for instance on the phone: the same key gives the same words. They are
    the fingerprint of the key's check cover, which is never sent. Without the key, nobody can distinguish a decoy from what
    'csfnns hide --method grain' writes.
    """
    streams.check_output(out, json=json, inputs=[access.key, access.passphrase_file])
    if decoy and out is None:
        raise UsageError("A decoy is a file to send.", "Name it: -o FILE.")
    key = resolve_key(access, quiet=json, json=json)

    import csfnns
    from csfnns.images.output import check_output_name

    covers, to_stdout = access.covers(key), str(out) == streams.STANDARD
    if count is not None:
        _write_many(key, covers, out, count, decoy=decoy, force=force, json=json)
        return
    if out is not None and not to_stdout:
        check_output_name(out, overwrite=force, inputs=[covers] if covers else [])
    made = csfnns.make_decoy(key, covers=covers) if decoy else csfnns.check_cover(key, covers=covers)
    if out is not None:
        streams.write_picture(made.picture, out, overwrite=force)
    file = None if out is None else str(out)
    if isinstance(made, csfnns.Decoy):
        about = {"file": file, "message": made.id}
        lines = [f"{'The picture' if to_stdout else out} is a decoy: there is nothing in it."]
    else:
        about = {"fingerprint": made.fingerprint, "file": file}
        lines = [
            made.fingerprint,
            "The other end must get the same words. Never send this cover with a secret in it.",
        ]
    if json:
        show.as_json(about)
    else:
        show.lines(lines, stderr=to_stdout)


def _write_many(
    key: "Key", covers: str | Path | None, out: Path | None, count: int, *, decoy: bool, force: bool, json: bool
) -> None:
    """Write cover-0001.png and so on."""
    import csfnns

    if count < 1:
        raise UsageError(f"--count must be 1 or more, got {count}.", "Give a larger number.")
    if out is None or not out.is_dir():
        raise UsageError("--count needs a folder.", "Make one, and name it: -o FOLDER.")
    paths = [out / f"cover-{i:0{max(4, len(str(count)))}}.png" for i in range(1, count + 1)]
    for path in paths:
        if decoy:
            picture = csfnns.make_decoy(key, covers=covers).picture
        else:
            picture = csfnns.fresh_covers(key, 1, covers=covers)[0].picture
        streams.write_picture(picture, path, overwrite=force)
    if json:
        show.as_json({"files": [str(path) for path in paths]})
    else:
        show.text(f"Written: {paths[0]}{'' if count == 1 else f' to {paths[-1].name}'}.")


@declare(
    picture=argument("PICTURE", "Any picture; - for standard input."),
    out=option("FILE", "Picture to write, .png or .webp; - for standard output.", "--out", "-o"),
)
def grain(picture: str, out: Path, force: options.Force = False, json: options.AsJson = False) -> None:
    """Give a picture grain, with nothing in it.

    It is the grain that 'csfnns hide --method grain' leaves. Where all pictures have it, those that hide something do
    not stand out.
    """
    streams.check_output(out, json=json, inputs=[picture])
    from csfnns import api
    from csfnns.images.io import read_picture
    from csfnns.images.metrics import compare
    from csfnns.images.output import check_output_name

    to_stdout = str(out) == streams.STANDARD
    if not to_stdout:
        check_output_name(out, overwrite=force)
    original = read_picture(streams.source(picture))
    grainy = api.add_grain(original)
    streams.write_picture(grainy, out, overwrite=force)
    if json:
        show.as_json({"file": str(out), "psnr": compare(original, grainy).psnr})
    else:
        name = "The picture" if to_stdout else out
        show.text(f"{name} has grain. Publish it instead of {picture}, never both.", stderr=to_stdout)

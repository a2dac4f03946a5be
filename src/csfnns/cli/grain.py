"""`csfnns grain`."""

from pathlib import Path
from typing import Annotated

import typer

from csfnns.cli import options, show


def grain(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="Any picture.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Picture to write: .png or .webp.")
    ],
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Give a picture the grain that 'csfnns hide --grain' leaves, with nothing in it.

    Where all pictures have it, those that hide something do not stand out.
    """
    from csfnns import api
    from csfnns.measure import compare
    from csfnns.output import check_output_name, write_picture
    from csfnns.picture import read_picture

    check_output_name(out, overwrite=overwrite, inputs=[picture])
    original = read_picture(picture)
    grainy = api.add_grain(original)
    write_picture(grainy, out, overwrite=overwrite)
    figures = compare(original, grainy)
    if json:
        show.as_json({"file": str(out), "psnr": figures.psnr})
        return
    show.text(
        f"{out}: {show.decibels(figures.psnr)} against {picture}, which you should not publish as it is."
    )

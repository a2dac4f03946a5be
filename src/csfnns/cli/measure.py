"""`csfnns measure`."""

from pathlib import Path
from typing import Annotated

import typer

from csfnns.cli import options, show


def measure(
    a: Annotated[str, typer.Argument(metavar="PICTURE", help="Any picture.")],
    b: Annotated[str, typer.Argument(metavar="PICTURE", help="Another of the same size.")],
    residual: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write ten times the difference on grey: .png or .webp."),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.AsJson = False,
) -> None:
    """Tell how far two pictures are apart."""
    from csfnns import measure as figures
    from csfnns.output import check_output_name, write_picture
    from csfnns.picture import read_picture

    if residual is not None:
        check_output_name(residual, overwrite=overwrite, inputs=[a, b])
    first, second = read_picture(a), read_picture(b)
    result = figures.compare(first, second)
    if residual is not None:
        write_picture(figures.residual(first, second), residual, overwrite=overwrite)
    if json:
        written = {} if residual is None else {"residual": str(residual)}
        show.as_json(show.figures_json(result) | written)
        return
    show.figures_table({"": result})
    if result.max_abs == 0:
        show.text("The pictures are equal, pixel for pixel.")
    else:
        show.text(f"PSNR {show.decibels(result.psnr)}: {show.about_stego(result.psnr)}.")

"""`csfnns measure`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show

if TYPE_CHECKING:
    from csfnns.picture import Picture


class Network(StrEnum):
    """Backbones of LPIPS."""

    alex = "alex"
    vgg = "vgg"
    squeeze = "squeeze"


def measure(
    a: Annotated[str, typer.Argument(metavar="PICTURE", help="Any picture.")],
    b: Annotated[str, typer.Argument(metavar="PICTURE", help="Another of the same size.")],
    residual: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write ten times the difference on grey: .png or .webp."),
    ] = None,
    lpips: Annotated[
        Network | None,
        typer.Option(metavar="alex|vgg|squeeze", help="Also LPIPS, with weights in CSFNNS_LPIPS's folder."),
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
    perceptual = {} if lpips is None else _lpips(first, second, lpips)
    if residual is not None:
        write_picture(figures.residual(first, second), residual, overwrite=overwrite)
    if json:
        written = {} if residual is None else {"residual": str(residual)}
        show.as_json(show.figures_json(result) | perceptual | written)
        return
    show.figures_table({"": result})
    if perceptual:
        value, reason = perceptual["lpips"], perceptual.get("lpips_reason")
        show.text(f"LPIPS ({lpips}): " + (f"n/a, {reason}." if value is None else f"{value:.4f}."))
    if result.max_abs == 0:
        show.text("The pictures are equal, pixel for pixel.")
    else:
        show.text(f"PSNR {show.decibels(result.psnr)}: {show.about_stego(result.psnr)}.")


def _lpips(a: "Picture", b: "Picture", network: Network) -> dict[str, Any]:
    """LPIPS for programs: null and the reason where it can't be told."""
    from csfnns.lpips import Missing, lpips

    value = lpips(a, b, network.value)
    content: dict[str, Any] = {"lpips_network": network.value}
    if isinstance(value, Missing):
        return content | {"lpips": None, "lpips_reason": value.reason}
    return content | {"lpips": value}

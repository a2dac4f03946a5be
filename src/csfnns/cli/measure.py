"""`csfnns measure`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csfnns import sentences
from csfnns.cli import options, show, streams
from csfnns.cli.options import argument, declare, option

if TYPE_CHECKING:
    from csfnns.images.io import Picture


class Network(StrEnum):
    """Backbones of LPIPS."""

    alex = "alex"
    vgg = "vgg"
    squeeze = "squeeze"


@declare(
    a=argument("PICTURE", "Any picture; - for standard input."),
    b=argument("PICTURE", "Another of the same size."),
    residual=option("FILE", "Write ten times the difference on grey, .png or .webp."),
    lpips=option("alex|vgg|squeeze", "Also LPIPS, with weights in CSFNNS_LPIPS's folder."),
)
def measure(
    a: str,
    b: str,
    residual: Path | None = None,
    lpips: Network | None = None,
    force: options.Force = False,
    json: options.AsJson = False,
) -> None:
    """Compare two pictures of one size."""
    streams.check_inputs(a, b)
    from csfnns.images import metrics as figures
    from csfnns.images.io import read_picture
    from csfnns.images.output import check_output_name, write_picture

    if residual is not None:
        check_output_name(residual, overwrite=force, inputs=[a, b])
    first, second = read_picture(streams.source(a)), read_picture(streams.source(b))
    result = figures.compare(first, second)
    perceptual = {} if lpips is None else _lpips(first, second, lpips)
    if residual is not None:
        write_picture(figures.residual(first, second), residual, overwrite=force)
    if json:
        written = {} if residual is None else {"residual": str(residual)}
        show.as_json(sentences.figures_json(result) | perceptual | written)
        return
    show.figures_table({"": result})
    if perceptual:
        value, reason = perceptual["lpips"], perceptual.get("lpips_reason")
        show.text(f"LPIPS ({lpips}): " + (f"n/a, {reason}." if value is None else f"{value:.4f}."))
    if result.max_abs == 0:
        show.text("The pictures are equal, pixel for pixel.")
    else:
        show.text(f"PSNR {sentences.decibels(result.psnr)}: {sentences.about_stego(result.psnr)}.")


def _lpips(a: "Picture", b: "Picture", network: Network) -> dict[str, Any]:
    """LPIPS for programs: null and the reason where there is none."""
    from csfnns.images.lpips import Missing, lpips

    value = lpips(a, b, network.value)
    content: dict[str, Any] = {"lpips_network": network.value}
    if isinstance(value, Missing):
        return content | {"lpips": None, "lpips_reason": value.reason}
    return content | {"lpips": value}

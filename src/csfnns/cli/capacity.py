"""`csfnns capacity`: how large a file may be, and how clear a picture arrives."""

from typing import Any

from csfnns import sentences
from csfnns.cli import options, show
from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.cli.options import declare, option

_LEVELS = (65.0, 60.0, 55.0, 50.0)
_JPEG_LEVELS = (50.0, 45.0, 40.0)
_SIDES = ((640, 480), (1280, 960), (2000, 1500), (4000, 3000))
_USUAL = 55.0  # dB of the stego
_LEAST = 20.0


@declare(
    quality=option("1…100", "Quality of a .jpg that holds a file.", group=options.MORE),
    survive=options.SURVIVE,
)
def capacity(
    access: KeyAccess,
    quality: int = 90,
    survive: list[str] | None = None,
    verbose: options.Verbose = False,
    json: options.AsJson = False,
) -> None:
    """Show how much a picture of this key holds.

    Measured on the check cover, for one receiver and a file that does not compress; others differ a little. With a key
    of profile robust, what survives is found by up to four searches.
    """
    key = resolve_key(access, quiet=json, json=json)

    import csfnns

    covers = access.covers(key)
    compressed = csfnns.capacity(key, _JPEG_LEVELS, method=csfnns.Jpeg(quality), covers=covers)
    found = csfnns.capacity(key, _LEVELS, covers=covers)
    grain = csfnns.capacity(key, (), method="grain", covers=covers).most
    pictures = {} if key.profile.is_network else csfnns.capacity_pictures(key, _SIDES)
    channels = survive or ["jpeg:75-95"]
    surviving = None
    if survive or key.profile.decoder == "robust":
        with show.searching(quiet=json) as progress:
            surviving = csfnns.capacity_surviving(key, channels, covers=covers, progress=progress)
    if json:
        content: dict[str, Any] = {"bytes_at_db": _by_level(found.at), "most": found.most, "grain": grain}
        content["jpeg"] = {
            "quality": quality,
            "bytes_at_db": _by_level(compressed.at),
            "most": compressed.most,
        }
        content["photographs"] = [{"width": w, "height": h, "psnr": psnr} for (w, h), psnr in pictures.items()]
        show.as_json(content | ({} if surviving is None else {"survive": {"channels": channels, "most": surviving}}))
        return
    if surviving is not None:
        show.text(f"Files of up to {sentences.size(surviving)} survive {', '.join(channels)}.")
    clear = sentences.size(found.at[_USUAL])
    show.text(f"A .png holds files of up to {sentences.size(found.most)}.")
    show.text(f"Up to {clear}, the eye sees no difference from the cover. Detectors may find what no eye sees.")
    if compressed.most:
        show.text(f"A .jpg of quality {quality} holds files of up to {sentences.size(compressed.most)}.")
    if pictures:
        show.text("Photographs, for example:")
    for (width, height), psnr in pictures.items():
        fate = f"arrives {sentences.clarity(psnr)}" if psnr >= _LEAST else "is too large"
        figure = f", at about {sentences.decibels(psnr)}" if verbose and psnr >= _LEAST else ""
        show.text(f"  one of {width}x{height} {fate}{figure}.")
    if not verbose:
        return
    rows = {f".png, {sentences.decibels(level)}": most for level, most in found.at.items()}
    rows |= {".png, at most": found.most, ".png as grain, 48.2 dB": grain}
    rows |= {f".jpg of quality {quality}, {sentences.decibels(level)}": most for level, most in compressed.at.items()}
    show.table({name: f"{most:>9,} bytes" for name, most in rows.items()})


def _by_level(at: dict[float, int]) -> dict[str, int]:
    return {f"{level:.0f}": most for level, most in at.items()}

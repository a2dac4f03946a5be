"""Hide a photograph, reveal it, and leave the pictures in demo/ to look at.

python examples/demo.py                      demo/cover.png, stego.png, residual.png, secret.png, recovered.png
python examples/demo.py --strip strip.png    five in one labelled row, with a picture of our own as the secret

It uses a key of its own.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import skimage.data
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.progress import Progress

import csfnns
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import Figures, compare, residual
from csfnns.images.output import write_picture
from csfnns.stream import Seed

FOLDER = Path(__file__).resolve().parent.parent / "demo"
SEED = Seed((14).to_bytes(32, "big"))  # known to everybody: a key for showing, and for nothing else

SIDE, GAP, MARGIN = 208, 12, 16
INK, PALE, PAPER = (32, 32, 36), (112, 112, 120), (255, 255, 255)


class Demo(NamedTuple):
    """What the demo made."""

    cover: Picture
    stego: Picture
    residual: Picture
    secret: Picture
    recovered: Picture
    distance: Figures
    """Stego against cover."""
    quality: Figures
    """Recovered against secret."""
    seconds: float


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--strip", type=Path, metavar="FILE", help="write the pictures in one row as well")
    options = parser.parse_args()
    if options.strip is not None:
        secret = fit(AbstractCovers(512, 512)(SEED.derive("secret")), 256, 256)
        strip(run(secret)).save(options.strip, optimize=True)
        return
    demo = run(read_picture(skimage.data.astronaut()))  # Eileen Collins, by NASA: in the public domain
    FOLDER.mkdir(exist_ok=True)
    for name in ("cover", "stego", "residual", "secret", "recovered"):
        write_picture(getattr(demo, name), FOLDER / f"{name}.png", overwrite=True)
    report(demo)


def run(secret: Picture) -> Demo:
    """Hide `secret` in a 512x512 cover and reveal it again."""
    key = csfnns.Key.from_root(csfnns.make_profile(), SEED)
    start = time.perf_counter()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("searching", total=None)
        hidden = csfnns.hide(secret, key, progress=lambda done, steps: bar.update(task, completed=done, total=steps))
        revealed = csfnns.reveal(hidden, key)
    cover = csfnns.cover_of(hidden, key)
    return Demo(
        cover=cover,
        stego=hidden.picture,
        residual=residual(hidden.picture, cover, gain=10),
        secret=secret,
        recovered=revealed.picture,
        distance=hidden.stego,
        quality=compare(revealed.picture, secret),
        seconds=time.perf_counter() - start,
    )


def report(demo: Demo) -> None:
    """Print the figures and where the pictures are."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"A photograph is hidden and revealed, in {demo.seconds:.1f} s.")
    console.print(f"  stego against cover       {_figures(demo.distance)}")
    console.print(f"  recovered against secret  {_figures(demo.quality)}")
    console.print(f"No level of the stego differs from the cover's by more than {demo.distance.max_abs} of 255.")
    console.print(f"The pictures are in {FOLDER}:")
    console.print("  cover.png      grown from the key at both ends, never sent")
    console.print("  stego.png      what is sent")
    console.print("  residual.png   their difference, ten times enlarged")
    console.print("  secret.png     what was hidden")
    console.print("  recovered.png  what the receiver gets")


def _figures(figures: Figures) -> str:
    return f"{figures.psnr:.1f} dB, SSIM {figures.ssim:.4f}"


def strip(demo: Demo) -> Image.Image:
    """Five pictures in one row with captions."""
    captions = (
        (fit(demo.cover, SIDE, SIDE), "cover", "grown from the key, never sent"),
        (fit(demo.stego, SIDE, SIDE), "stego", f"sent: {demo.distance.psnr:.1f} dB from the cover"),
        (_sample(demo.residual), "difference, 10 x", "it carries the secret"),
        (fit(demo.secret, SIDE, SIDE), "secret", "a picture"),
        (fit(demo.recovered, SIDE, SIDE), "recovered", f"with the key: {demo.quality.psnr:.1f} dB"),
    )
    width = 2 * MARGIN + len(captions) * SIDE + (len(captions) - 1) * GAP
    sheet = Image.new("RGB", (width, SIDE + 2 * MARGIN + 44), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (picture, title, note) in enumerate(captions):
        left = MARGIN + place * (SIDE + GAP)
        sheet.paste(Image.fromarray(picture), (left, MARGIN))
        draw.text((left, MARGIN + SIDE + 6), title, INK, ImageFont.load_default(17))
        draw.text((left, MARGIN + SIDE + 27), note, PALE, ImageFont.load_default(14))
    return sheet


def _sample(picture: Picture) -> Picture:
    """Some of the pixels as they are: means of several would show less noise than there is."""
    return picture[:: picture.shape[0] // SIDE, :: picture.shape[1] // SIDE][:SIDE, :SIDE]


if __name__ == "__main__":
    try:
        main()
    except csfnns.CsfnnsError as error:
        sys.exit(f"error: {error}")

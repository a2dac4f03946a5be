"""Open and save stegos without loss in the programs that people use, with tags of every kind, and reveal them.

python benchmarks/lossless_tools.py [--json FILE]

Counts the stegos that are revealed as they were sent. Programs that are not installed are skipped and named:
apt-get install imagemagick optipng libimage-exiftool-perl libjpeg-turbo-progs
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

TEXT = b"See you at noon"

Save = Callable[[Path, Path], None]
"""Reads the stego at the first path and writes the second."""


@dataclass(frozen=True)
class Treatment:
    """What one program does with a stego."""

    tool: str
    """Program that it needs, or "pillow"."""
    suffix: str
    """Of the file that comes back."""
    save: Save
    jpeg: bool = False
    """Whether the stego is a JPEG file."""


def wrong_profile() -> bytes:
    """ICC profile of a screen whose red and green are swapped: whoever converts by it changes every level."""
    profile = bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    return profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


def _pillow(kind: str, mode: str = "RGB", **options: Any) -> Save:
    def save(source: Path, target: Path) -> None:
        with Image.open(source) as image:
            image.convert(mode).save(target, kind, **options)

    return save


def _turned(turn: Image.Transpose) -> Save:
    def save(source: Path, target: Path) -> None:
        with Image.open(source) as image:
            image.transpose(turn).save(target, "PNG")

    return save


def _chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def _sixteen_bits(source: Path, target: Path) -> None:
    """As a PNG of 16 bits, which Pillow does not write."""
    with Image.open(source) as image:
        levels = np.asarray(image.convert("RGB")).astype(">u2") * 257
    size = b"".join(side.to_bytes(4, "big") for side in (levels.shape[1], levels.shape[0]))
    body = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels))
    chunks = [(b"IHDR", size + bytes([16, 2, 0, 0, 0])), (b"IDAT", body), (b"IEND", b"")]
    target.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks))


def _chunks(**chunks: bytes) -> Save:
    def save(source: Path, target: Path) -> None:
        data = source.read_bytes()
        added = b"".join(_chunk(name.encode(), content) for name, content in chunks.items())
        target.write_bytes(data[:33] + added + data[33:])  # behind IHDR

    return save


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def _text() -> PngImagePlugin.PngInfo:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * (1 << 21), zip=True)
    text.add_itxt("Title", "Ferienfoto ☀" * (1 << 18), zip=True)
    return text


def _run(*arguments: str) -> Save:
    """A program; {source} and {target} stand for the files."""

    def save(source: Path, target: Path) -> None:
        words = [each.format(source=source, target=target) for each in arguments]
        words[0] = shutil.which(words[0]) or words[0]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    return save


def _magick(*options: str, kind: str = "") -> Save:
    return _run("convert", "{source}", *options, f"{kind}{{target}}")


def _exiftool(*tags: str) -> Save:
    return _run("exiftool", "-q", *tags, "-o", "{target}", "{source}")


def _jpegtran(*options: str) -> Save:
    return _run("jpegtran", *options, "-outfile", "{target}", "{source}")


_GAMMA = (100_000).to_bytes(4, "big")
_P3 = b"".join(n.to_bytes(4, "big") for n in (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
TREATMENTS: dict[str, Treatment] = {
    "Pillow: PNG": Treatment("pillow", ".png", _pillow("PNG", optimize=True)),
    "Pillow: alpha": Treatment("pillow", ".png", _pillow("PNG", "RGBA")),
    "Pillow: ICC profile": Treatment("pillow", ".png", _pillow("PNG", icc_profile=wrong_profile())),
    "Pillow: EXIF orientation": Treatment("pillow", ".png", _pillow("PNG", exif=_exif(6))),
    "Pillow: long texts": Treatment("pillow", ".png", _pillow("PNG", pnginfo=_text())),
    "Pillow: WebP": Treatment("pillow", ".webp", _pillow("WEBP", lossless=True, icc_profile=wrong_profile())),
    "Pillow: BMP": Treatment("pillow", ".bmp", _pillow("BMP")),
    "PNG of 16 bits": Treatment("pillow", ".png", _sixteen_bits),
    "PNG: gAMA and cHRM": Treatment("pillow", ".png", _chunks(gAMA=_GAMMA, cHRM=_P3)),
    "PNG: iCCP of 2 MiB": Treatment("pillow", ".png", _pillow("PNG", icc_profile=wrong_profile() + bytes(1 << 21))),
    "PNG: cICP": Treatment("pillow", ".png", _chunks(cICP=bytes([12, 13, 0, 1]))),
    **{f"Pillow: {turn.name}": Treatment("pillow", ".png", _turned(turn)) for turn in Image.Transpose},
    "ImageMagick: PNG": Treatment("convert", ".png", _magick()),
    "ImageMagick: 16 bits": Treatment("convert", ".png", _magick(kind="PNG48:")),
    "ImageMagick: 16 bits, alpha": Treatment("convert", ".png", _magick("-alpha", "on", kind="PNG64:")),
    "ImageMagick: interlaced": Treatment("convert", ".png", _magick("-interlace", "PNG", "-quality", "95")),
    "ImageMagick: turned": Treatment("convert", ".png", _magick("-rotate", "270", "+repage")),
    "ImageMagick: WebP": Treatment("convert", ".webp", _magick("-define", "webp:lossless=true")),
    "optipng": Treatment("optipng", ".png", _run("optipng", "-q", "-o2", "-out", "{target}", "{source}")),
    "optipng: interlaced": Treatment("optipng", ".png", _run("optipng", "-q", "-i1", "-out", "{target}", "{source}")),
    "exiftool: orientation": Treatment("exiftool", ".png", _exiftool("-EXIF:Orientation#=8", "-EXIF:ColorSpace#=65535")),
    "exiftool: XMP and texts": Treatment("exiftool", ".png", _exiftool("-PNG:Comment=x", "-XMP-tiff:Orientation#=3")),
    "exiftool: gamma": Treatment("exiftool", ".png", _exiftool("-PNG:Gamma=1", "-EXIF:Artist=Alice")),
    "jpegtran: optimised": Treatment("jpegtran", ".jpg", _jpegtran("-optimize"), jpeg=True),
    "jpegtran: progressive": Treatment("jpegtran", ".jpg", _jpegtran("-progressive"), jpeg=True),
    "jpegtran: arithmetic": Treatment("jpegtran", ".jpg", _jpegtran("-arithmetic"), jpeg=True),
    **{
        f"jpegtran: {turn}": Treatment("jpegtran", ".jpg", _jpegtran("-perfect", *f"-{turn}".split()), jpeg=True)
        for turn in (
            *(f"rotate {angle}" for angle in (90, 180, 270)), "flip horizontal", "flip vertical", "transpose", "transverse",
        )
    },
    "exiftool: JPEG": Treatment("exiftool", ".jpg", _exiftool("-Orientation#=6", "-XMP:Title=Ferien"), jpeg=True),
}  # fmt: skip


def missing(treatment: Treatment) -> str | None:
    """What the treatment needs and is not installed."""
    needed = treatment.tool if treatment.tool != "pillow" else "python3"
    if treatment.jpeg:
        from csfnns.extras import has

        if not has("jpeg"):
            return "csfnns[jpeg]"
    return None if treatment.tool == "pillow" or shutil.which(needed) else treatment.tool


def stegos(folder: Path) -> tuple[Any, Path, Path | None]:
    """A key, a stego with a picture, and a JPEG stego with bytes."""
    from csfnns import Key, hide, make_profile
    from csfnns.extras import has
    from csfnns.stream import Seed

    key = Key.from_root(make_profile(width=96, height=64), Seed(bytes(range(32))))
    y, x = np.mgrid[:40, :30]
    picture = np.stack([6 * y, 8 * x, 3 * (x + y)], axis=-1).astype(np.uint8)
    hide(picture, key, method="trellis", out=folder / "stego.png")
    if not has("jpeg"):
        return key, folder / "stego.png", None
    hide(TEXT, key, out=folder / "stego.jpg")
    return key, folder / "stego.png", folder / "stego.jpg"


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Whether each treated stego is revealed as it was sent."""
    from csfnns import CsfnnsError, reveal

    key, png, jpeg = stegos(folder)
    sent = {False: reveal(png, key).picture, True: TEXT}
    for number, (name, treatment) in enumerate(TREATMENTS.items()):
        lacking = missing(treatment)
        if lacking is not None:
            yield {"treatment": name, "missing": lacking}
            continue
        source, target = jpeg if treatment.jpeg else png, folder / f"{number}{treatment.suffix}"
        assert source is not None
        treatment.save(source, target)
        try:
            found = reveal(target, key)
            same = found.content == sent[True] if treatment.jpeg else np.array_equal(found.picture, sent[False])
            yield {"treatment": name, "revealed": bool(same and found.unchanged)}
        except CsfnnsError as error:
            yield {"treatment": name, "revealed": False, "error": str(error)}


def main() -> int:
    """Run all, print a line each and the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the rows go as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = list(rows(Path(folder)))
    for row in found:
        said = (
            f"skipped: no {row['missing']}"
            if "missing" in row
            else "revealed"
            if row["revealed"]
            else f"LOST: {row.get('error')}"
        )
        print(f"{row['treatment']:<32} {said}")
    tried = [row for row in found if "revealed" in row]
    print(f"{sum(row['revealed'] for row in tried)} of {len(tried)} revealed, {len(found) - len(tried)} skipped")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0 if all(row["revealed"] for row in tried) else 1


if __name__ == "__main__":
    sys.exit(main())

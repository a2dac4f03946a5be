"""Write fuzz/corpus and fuzz/stegos: small cases to begin with, all made by csfnns and Pillow.

python -m fuzz.make_corpus

Stegos differ from run to run, because nonces do: those that are there stay. So does what was a finding once, files named
found-*.
"""

import io
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import csfnns
from csfnns.covers import AbstractCovers, AlbumRegister
from csfnns.keys import Key, render_key
from csfnns.payloads.blocks import MOST_WATER, analyse
from csfnns.payloads.frame import Kind, pack
from csfnns.profile import Diffusion, make_profile
from csfnns.stream import Seed
from fuzz.targets.reveals import STEGOS
from fuzz.targets.texts import CHEAP, PASSPHRASE, RIGHT

ROOT = Path(__file__).parent
SEED = Seed(bytes(range(32)))
LIMIT = 200_000
"""Bytes of corpus and stegos together."""


def keys() -> Iterator[bytes]:
    """Key files of each role, protected, and mangled by mail."""
    drawn = Diffusion(
        prompts=("Campus",),
        steps=50,
        guidance="7.5",
        device="cpu",
        threads=1,
        scheduler="DDIMScheduler",
        settings=("eta=0.0",),
        model=("class=StableDiffusionPipeline",),
        environment=("torch=2.13.0",),
        reference="ab" * 32,
    )
    team = Key.from_root(make_profile(), SEED, ("bob", "carol"))
    for key in (
        Key.from_root(make_profile("paper"), SEED),
        team,
        team.for_receiver("bob"),
        Key.from_root(make_profile(generator="folder", album="0f" * 32), SEED),
        Key.from_root(make_profile(generator="diffusion", diffusion=drawn), SEED),
    ):
        yield render_key(key).encode()
        yield RIGHT + render_key(key).partition("{")[1].encode() + render_key(key).partition("{")[2].encode()
    protected = render_key(team, PASSPHRASE, protection=CHEAP)
    yield protected.encode()
    yield RIGHT + protected[protected.index("{") :].encode()
    mailed = render_key(team).replace('"', "“").replace("-", "–").replace("\n", "\r\n> ")
    yield ("Hi Bob,\n\n> " + mailed).encode()


def passphrases() -> Iterator[bytes]:
    """Passphrases of several kinds."""
    for text in ("correct horse battery staple", "lusab babad gutih tugad", "Zaphod 42 é ﬁ Å", "aaaa" * 40, "p4ssw0rd"):
        yield b"\x01\x05" + text.encode()


def names() -> Iterator[bytes]:
    """Names, harmless and not."""
    for text in (
        "photo.jpg",
        "../../etc/passwd",
        "C:\\aux.txt",
        "-rf",
        "e\u202egpj.exe",
        "x" * 300 + ".tar.gz",
        "COM¹.txt",
        "a.desktop",
        "b.exe.",
    ):
        yield text.encode()


def settings() -> Iterator[bytes]:
    """Texts of the command line, by the number of their kind."""
    for kind, text in (
        (0, "recovered=40\nquality=80\nevade=xunet,yenet"),
        (1, "768x512"),
        (2, "jpeg:75-95/420+noise:2\nresize:0.5/lanczos"),
        (2, "mismatch:0.05"),
        (2, "resize:0.5+jpeg:90"),
        (3, "1/2"),
        (4, "bob=plan.pdf"),
    ):
        yield bytes([kind]) + text.encode()


def config() -> Iterator[bytes]:
    """Files of settings."""
    yield b'key = "/home/bob/mine.key"\ndevice = "cuda"\nallow_large = "yes"\n'
    yield b'# mine\ncovers = """a\nb"""\nkey = \'C:\\keys\\mine.key\'\n'
    yield b'key = "\\u00e9\\U0001F600\\t\\u007f"\n'


def register() -> Iterator[bytes]:
    """A register with a share and some pictures, the same with texts for numbers, and an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "albums.sqlite3"
        found = AlbumRegister(path)
        found.make_writer("5d0f-91c2-0b7e-44a8")
        for picture in range(3):
            found.claim("5d0f-91c2-0b7e-44a8", picture)
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA page_size = 512")
        db.execute("VACUUM")
        yield path.read_bytes()
        db.execute("UPDATE share SET i = 'one', n = x'00'")
        db.execute("UPDATE used SET picture = 'first' WHERE picture = 0")
        db.commit()
        db.close()
        yield path.read_bytes()
    yield b""


def frames() -> Iterator[bytes]:
    """Frames of each method and kind, and contents to pack."""
    for content, name, kind in ((b"\0" * 500, "a.bin", Kind.FILE), (b"At noon", None, Kind.TEXT), (SEED.data, "x", 2)):
        yield b"\0" + pack(content, name, Kind(kind), 1_700_000_000)
    yield b"\1\2\0\x65\x53\xf1\0\x08plan.pdf" + b"At noon " * 20


def models() -> Iterator[bytes]:
    """Models of pictures, coloured and grey, at a coarse and a fine D."""
    for shape, grey in (((32, 48), False), ((100, 80), True), ((7, 300), False)):
        picture = scene(*shape)
        picture = np.repeat(picture[..., :1], 3, 2) if grey else picture
        for water in (MOST_WATER // 2, MOST_WATER // 3):
            yield analyse(picture).model(water).to_bytes()


def trellis() -> Iterator[bytes]:
    """Parts with those models."""
    for number, model in enumerate(models()):
        fixed = bytes([number % 2, 6, 2, 0, 0, 0, number, number % 3 * 8, 20, 255, 0, 60, 160, 40, 0, 0, 0, 0, 0])
        yield fixed + b"\x04name" + model


def plain() -> Iterator[bytes]:
    """Numbers, for targets that make a case of anything."""
    for number in range(4):
        yield bytes(range(number, 96 + number, 1 + number % 2)) + SEED.data
    yield bytes(64)


def pictures() -> Iterator[bytes]:
    """Files of every format that is read, in its usual variants."""
    rgb = Image.fromarray(scene(24, 32))
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(scene(24, 32)[..., 0]))
    deep = Image.fromarray(scene(24, 32)[..., 0].astype(np.uint16) * 257)
    variants: list[tuple[Any, dict[str, Any]]] = [
        (rgb, {"format": "PNG", "dpi": (72, 72)}),
        (rgba, {"format": "PNG"}),
        (rgb.convert("P"), {"format": "PNG", "transparency": 3}),
        (deep, {"format": "PNG"}),
        (rgb.convert("1"), {"format": "PNG"}),
        (rgb, {"format": "PNG", "save_all": True, "append_images": [rgb.rotate(180)]}),
        (rgb, {"format": "JPEG", "quality": 80}),
        (
            rgb,
            {
                "format": "JPEG",
                "quality": 80,
                "progressive": True,
                "subsampling": 0,
                "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0",
            },
        ),
        (rgb.convert("CMYK"), {"format": "JPEG"}),
        (rgb, {"format": "WEBP", "lossless": True}),
        (rgba, {"format": "WEBP", "quality": 60}),
        (rgb, {"format": "WEBP", "save_all": True, "append_images": [rgb.rotate(180)]}),
        (rgb, {"format": "GIF", "save_all": True, "append_images": [rgb.rotate(180)]}),
        (rgb, {"format": "BMP"}),
        (rgb.convert("P"), {"format": "BMP"}),
        (rgb, {"format": "PPM"}),
        (rgb, {"format": "TIFF", "compression": "tiff_lzw"}),
        (deep, {"format": "TIFF"}),
        (rgb.convert("LAB"), {"format": "TIFF", "compression": "tiff_deflate"}),
        (rgb, {"format": "AVIF", "quality": 50}),
    ]
    for image, how in variants:
        file = io.BytesIO()
        image.save(file, **how)
        yield file.getvalue()


def few() -> Iterator[bytes]:
    """One file of each kind that a child decodes in its own way."""
    for number, data in enumerate(pictures()):
        if number in (1, 2, 3, 7, 9, 12, 16, 19):
            yield data


def answers() -> Iterator[bytes]:
    """Answers of a child: pixels, an error, coefficients."""
    pixels = json.dumps({"shape": [24, 32], "hidden": 0.0, "frames": 1}).encode() + b"\n" + bytes(3 * 24 * 32)
    yield b"\0" + pixels
    yield b"\1" + pixels
    yield (
        b"\0"
        + json.dumps({"error": "PictureError", "message": "It is damaged.", "hint": "Get it again."}).encode()
        + b"\n"
    )
    about = {"subsampling": "420", "shape": [24, 32], "planes": [[3, 4], [2, 2], [2, 2]], "tables": [1] * 128}
    yield b"\2" + json.dumps(about).encode() + b"\n" + bytes(2 * 64 * 20)


def jpegs() -> Iterator[bytes]:
    """JPEG files as csfnns writes and refuses them."""
    for how in ({"quality": 80}, {"quality": 95, "subsampling": 0}, {"progressive": True}, {"subsampling": 1}):
        file = io.BytesIO()
        Image.fromarray(scene(40, 48)).save(file, "JPEG", **how)
        yield file.getvalue()


def requests() -> Iterator[bytes]:
    """A request for each kind of route."""
    sign = "host: 127.0.0.1:4321\nauthorization: Bearer $TOKEN\nsec-fetch-site: same-origin\n"
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/", None),
        ("GET", "/static/app.js", None),
        ("POST", "/api/session", {"launch": "x"}),
        ("GET", "/api/about", None),
        ("POST", "/api/uploads", "text"),
        ("GET", "/api/keys", None),
        ("POST", "/api/keys/new", {"size": "64x64", "profile": "robust", "receivers": ["bob"]}),
        ("POST", "/api/keys/open", {"text": "{}", "name": "a.key", "passphrase": None}),
        ("POST", "/api/keys/phrase/new", {"words": 6}),
        ("POST", "/api/keys/phrase/strength", {"passphrase": "wagon lattice"}),
        ("GET", "/api/keys/$KEY/file?receiver=bob", None),
        ("POST", "/api/keys/$KEY/store", {"name": "mine", "passphrase": None}),
        ("POST", "/api/keys/stored/mine/open", {"passphrase": None}),
        ("GET", "/api/keys/$KEY/cover", None),
        ("POST", "/api/covers", {"key": "$KEY", "count": 1}),
        ("POST", "/api/jobs", {"kind": "reveal", "key": "$KEY", "upload": "$UPLOAD", "receiver": None}),
        ("GET", "/api/results/x/stego", None),
        ("DELETE", "/api/jobs/x", None),
    ]
    for method, path, content in asked:
        body = "" if content is None else json.dumps(content)
        kind = "content-type: application/json\nx-name: a%20b.txt\n" if body else ""
        yield f"{method} {path}\n{sign}{kind}content-length: {len(body)}\n\n{body}".encode()


def reveals() -> Iterator[bytes]:
    """One of each change, for several stegos."""
    for number in range(20):
        yield bytes([number, number + 1, 0, 0, 0, number, number % 3, number % 5, *range(number, 12 * number, 11)])


def stegos() -> Iterator[tuple[str, bytes]]:
    """Keys, and stegos of each method that receivers read without torch."""
    standard = Key.from_root(make_profile("standard", width=64, height=64), SEED)
    robust = Key.from_root(make_profile("robust", width=192, height=192), SEED.derive("robust"))
    survive = csfnns.Robust(survive="jpeg:90/444", steps=100)
    photo, text = scene(40, 48), csfnns.text("See you at noon.")
    yield "standard.key", render_key(standard).encode()
    yield "robust.key", render_key(robust).encode()
    for name, secret, key, how in (
        ("standard-picture.png", photo, standard, {}),
        ("standard-other.png", photo[::-1].copy(), standard, {}),
        ("standard-text.png", text, standard, {}),
        ("standard-file.webp", SEED.data * 3, standard, {"name": "seed.bin"}),
        ("standard-grain.png", text, standard, {"method": "grain"}),
        ("standard-jpeg.jpg", b"At noon.", standard, {"method": "jpeg"}),
        ("robust-text.jpg", csfnns.text("Hi"), robust, {"method": survive}),
    ):
        with tempfile.TemporaryDirectory() as folder:
            out = STEGOS / name
            if not out.exists():
                out = Path(folder) / name
                csfnns.hide(secret, key, out=out, **how)  # type: ignore[arg-type]
            yield name, out.read_bytes()


def scene(height: int, width: int) -> Any:
    """Picture with slopes and textures: a part of a cover."""
    return AbstractCovers(384, 384)(SEED)[:height, :width]


MAKERS = {
    "keys": keys,
    "passphrases": passphrases,
    "names": names,
    "settings": settings,
    "config": config,
    "register": register,
    "frames": frames,
    "seals": plain,
    "addresses": plain,
    "models": models,
    "trellis": trellis,
    "bits": plain,
    "spectra": plain,
    "arithmetic": plain,
    "reed-solomon": plain,
    "ldpc": plain,
    "pictures": pictures,
    "answers": answers,
    "strangers": few,
    "jpegs": jpegs,
    "requests": requests,
    "reveals": reveals,
}


def main() -> None:
    """Replace all but what was found."""
    for name, maker in MAKERS.items():
        folder = ROOT / "corpus" / name
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("[0-9]*"):
            path.unlink()
        for number, data in enumerate(maker()):
            ending = ".png" if data.startswith(b"\x89PNG") else ""
            (folder / f"{number:02}{ending}").write_bytes(data)
    STEGOS.mkdir(exist_ok=True)
    for name, data in stegos():
        (STEGOS / name).write_bytes(data)
    files = [path for folder in (ROOT / "corpus", STEGOS) for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert size <= LIMIT, f"{size} bytes"
    print(f"{size} bytes")


if __name__ == "__main__":
    main()

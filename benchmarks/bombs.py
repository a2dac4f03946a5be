"""Pictures that are made to cost, given to `csfnns reveal` and `csfnns hide`: seconds of the processor and peak memory.

Each is refused, or read at little cost: within 2 seconds and 300 MB of the command and the process that decodes for it
together. Memory is the sum of both peaks, so it is never less than what they hold at a time.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import common
from csfnns import Key, make_profile, write_key
from csfnns.stream import Seed

MOST_SECONDS = 2.0
MOST_MB = 300.0
SIDE = 512
"""Side of the key's pictures."""

MEASURE = """
import atexit, json, os, resource, sys
def tell():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(each.ru_utime + each.ru_stime for each in both)
    own = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]  # ru_maxrss has the parent's peak too
    os.write(int(report), json.dumps([seconds, (int(own) + both[1].ru_maxrss) * 1.024e-3]).encode())
report = sys.argv.pop(1)
atexit.register(tell)
from csfnns.cli import main
main()
"""


@dataclass(frozen=True)
class Result:
    """One bomb as one kind of input."""

    name: str
    given_as: str
    bytes: int
    code: int
    said: str
    seconds: float
    mb: float


def chunk(name: bytes, content: bytes) -> bytes:
    """Chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def zeros(size: int) -> bytes:
    """So many bytes, packed."""
    packing = zlib.compressobj(9)
    parts = [packing.compress(bytes(min(1 << 20, size - at))) for at in range(0, size, 1 << 20)]
    return b"".join([*parts, packing.flush()])


def png(width: int, height: int, bits: int, kind: int, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of zeros, with chunks before its pixels."""
    channels = {0: 1, 2: 3, 6: 4}[kind]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    body = zeros(height * (1 + width * channels * bits // 8))
    parts = [head, *(chunk(*each) for each in more), chunk(b"IDAT", body), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def encoded(side: int, kind: str, **options: object) -> bytes:
    """Noise of a side, in a format."""
    picture = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def smooth(side: int, kind: str) -> bytes:
    """Soft spots of a side, in a format."""
    spots = np.random.default_rng(1).integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(spots).resize((side, side), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG whose last scan, without a change, comes again and again."""
    file = encoded(side, "JPEG", progressive=True)
    at = file.rindex(b"\xff\xda")
    length = int.from_bytes(file[at + 2 : at + 4], "big")
    scan = file[at : at + 2 + length] + b"\0"
    return file[:-2] + scan * count + file[-2:]


def hidden_scans(side: int, count: int) -> bytes:
    """The same with a stray byte after the first scan."""
    file = scans(side, count)
    at = file.index(b"\xff\xc4", file.index(b"\xff\xda"))
    return file[:at] + b"\0" + file[at:]


def padded(padding: bytes) -> bytes:
    """A JPEG of the key's size with more between its segments."""
    file = encoded(SIDE, "JPEG")
    return file[:20] + padding + file[20:]


def exif() -> bytes:
    """A segment of Exif data, as large as one can be."""
    body = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 5000) + np.random.default_rng(1).bytes(65_500)
    return b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body


def runs(body: bytes) -> bytes:
    """A BMP of the key's size, of runs."""
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + info + bytes(1024) + body


def directories(count: int, *, loop: bool) -> bytes:
    """A TIFF of so many directories in a chain, the last of which may lead to the first; each has a directory inside."""
    entries = [(256, SIDE), (257, SIDE), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, SIDE), (279, 4096)]
    entries.append((330, 8))
    body = struct.pack("<H", 10) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    step = len(body) + 4
    following = [8 + step * (i + 1) for i in range(count - 1)] + [8 if loop else 0]
    return b"II*\0\x08\0\0\0" + b"".join(body + struct.pack("<I", each) for each in following)


def frames(count: int) -> bytes:
    """A GIF of so many frames of one pixel."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6) + frame * count + b";"


def box(name: bytes, *content: bytes) -> bytes:
    """Box of the ISO base media format."""
    return struct.pack(">I", 8 + sum(map(len, content))) + name + b"".join(content)


def grid(tiles: int) -> bytes:
    """An AVIF whose picture is a grid of tiles x tiles, all of which are the same coded picture of 64x64."""
    file = encoded(64, "AVIF")
    config = file.index(b"av1C")
    av1c = file[config - 4 : config - 4 + int.from_bytes(file[config - 4 : config], "big")]
    data = file[file.index(b"mdat") + 4 :]
    count = tiles * tiles
    layout = bytes([0, 0, tiles - 1, tiles - 1]) + struct.pack(">HH", 64 * tiles, 64 * tiles)
    ids = range(2, 2 + count)

    def meta(offset: int) -> bytes:
        entries = [struct.pack(">HHHII", 1, 0, 1, offset, len(layout))]
        entries += [struct.pack(">HHHII", i, 0, 1, offset + len(layout), len(data)) for i in ids]
        names = [box(b"infe", b"\2\0\0\0", struct.pack(">HH", 1, 0), b"grid\0")]
        names += [box(b"infe", b"\2\0\0\1", struct.pack(">HH", i, 0), b"av01\0") for i in ids]
        sizes = [box(b"ispe", bytes(4), struct.pack(">II", side, side)) for side in (64 * tiles, 64)]
        pixels = box(b"pixi", bytes(4), b"\3\x08\x08\x08")
        owned = [struct.pack(">HB", 1, 2) + bytes([1, 4])] + [
            struct.pack(">HB", i, 3) + bytes([2, 0x83, 4]) for i in ids
        ]
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", 1 + count), *entries),
            box(b"iinf", bytes(4), struct.pack(">H", 1 + count), *names),
            box(b"iref", bytes(4), box(b"dimg", struct.pack(">HH", 1, count), struct.pack(f">{count}H", *ids))),
            box(
                b"iprp",
                box(b"ipco", *sizes[:1], *sizes[1:], av1c, pixels),
                box(b"ipma", bytes(4), struct.pack(">I", 1 + count), *owned),
            ),
        )

    head = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    size = len(head) + len(meta(0)) + 8
    return head + meta(size) + box(b"mdat", layout, data)


def animation(count: int) -> bytes:
    """A WebP of so many frames."""
    each = [Image.new("RGB", (SIDE, SIDE), (i % 256, 0, 0)) for i in range(count)]
    buffer = io.BytesIO()
    each[0].save(buffer, "WEBP", save_all=True, append_images=each[1:], lossless=True)
    return buffer.getvalue()


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "grey of 16 bits with a clear level, 10000x10000": (lambda: png(10_000, 10_000, 16, 0, (b"tRNS", b"\0\0")), ".png"),
    "RGBA, 10000x10000": (lambda: png(10_000, 10_000, 8, 6), ".png"),
    "JPEG of 1500 scans, another size": (lambda: scans(2000, 1500), ".jpg"),
    "JPEG of 1500 scans, the key's size": (lambda: scans(SIDE, 1500), ".jpg"),
    "zTXt of 300 MB": (lambda: png(SIDE, SIDE, 8, 2, (b"zTXt", b"a\0\0" + zeros(300_000_000))), ".png"),
    "iTXt of 300 MB": (lambda: png(SIDE, SIDE, 8, 2, (b"iTXt", b"a\0\1\0\0\0" + zeros(300_000_000))), ".png"),
    "iCCP of 300 MB": (lambda: png(SIDE, SIDE, 8, 2, (b"iCCP", b"a\0\0" + zeros(300_000_000))), ".png"),
    "65535x1": (lambda: png(65_535, 1, 8, 2), ".png"),
    "TIFF of nested directories": (lambda: directories(9000, loop=False), ".tif"),
    "TIFF of 10^5 directories": (lambda: directories(100_000, loop=False), ".tif"),
    "TIFF whose directories loop": (lambda: directories(3, loop=True), ".tif"),
    "AVIF grid of 64x64 tiles": (lambda: grid(64), ".avif"),
    "GIF of 10^5 frames": (lambda: frames(100_000), ".gif"),
    "WebP of 200 frames": (lambda: animation(200), ".webp"),
    "JPEG of 60 MB of padding": (lambda: padded(b"\xff" * 60_000_000), ".jpg"),
    "JPEG of 10^7 markers": (lambda: padded(b"\xff\xd8" * 10_000_000), ".jpg"),
    "JPEG of 200 Exif segments": (lambda: padded(200 * exif()), ".jpg"),
    "JPEG of 1500 scans after a stray byte": (lambda: hidden_scans(SIDE, 1500), ".jpg"),
    "PNG of 300 profiles of 16 MB": (
        lambda: png(SIDE, SIDE, 8, 2, *[(b"iCCP", b"a\0\0" + zeros((1 << 24) - 1))] * 300),
        ".png",
    ),
    "GIF of a comment of 4 10^6 blocks": (
        lambda: frames(0)[:-1] + b"\x21\xfe" + b"\1\0" * 4_100_000 + b"\0;",
        ".gif",
    ),
    "AVIF of 7 10^6 empty boxes": (
        lambda: box(b"ftyp", b"avif", bytes(4)) + box(b"free") * 7_000_000,
        ".avif",
    ),
    "TIFF of 5 10^6 entries": (
        lambda: b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 5_000_000) + bytes(100_000_000),
        ".tif",
    ),
    "BMP of 10^7 ends of rows": (lambda: runs(bytes(20_000_000)), ".bmp"),
    "PNG of 10^6 chunks": (lambda: png(SIDE, SIDE, 8, 2, *[(b"teXt", b"")] * 1_000_000), ".png"),
}


class Bench:
    """A key, and bombs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_key(Key.from_root(make_profile(width=SIDE, height=SIDE), Seed(bytes(32))), folder / "mine.key")

    def run(self, name: str, given_as: str, size: int, words: Sequence[object], limit: int = 0) -> Result:
        """One command, whose errors are JSON."""
        reading, writing = os.pipe()
        line = [sys.executable, "-c", MEASURE, str(writing), *map(str, words), "--json"]
        if limit:
            line = ["sh", "-c", f'ulimit -v {limit >> 10}; exec "$@"', "sh", *line]
        environment = {**os.environ, "CSFNNS_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            line, env=environment, pass_fds=[writing], cwd=self.folder, capture_output=True, text=True, check=False
        )
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            seconds, mb = json.loads(pipe.read() or b"[Infinity, Infinity]")
        try:
            said = json.loads(done.stderr)["error"]["message"] if done.returncode else "read"
        except (ValueError, KeyError):
            said = f"not an error of csfnns: {done.stderr[-300:]}"
        result = Result(name, given_as, size, done.returncode, said, round(seconds, 3), round(mb, 1))
        print(
            f"{name}, as a {given_as}: {result.seconds:.2f} s, {result.mb:.0f} MB, {done.returncode}: {said}",
            flush=True,
        )
        return result

    def both(self, name: str, make: Callable[[], bytes], suffix: str) -> list[Result]:
        """A bomb as a stego and as a secret; pictures of 100 megapixels with 2 GiB of address space."""
        path = self.folder / f"bomb{suffix}"
        data = make()
        path.write_bytes(data)
        limit = 2 << 30 if "10000x10000" in name else 0
        keyed = (path.name, "-k", "mine.key")
        reveal = self.run(name, "stego", len(data), ("reveal", *keyed))
        out = self.folder / "out.png"
        # What is read is a small payload of the cheapest method, so that decoding is what costs.
        hide = self.run(name, "secret", len(data), ("hide", *keyed, "-o", out, "--force", "--resize", 16), limit)
        return [reveal, hide]


def base(bench: Bench) -> list[Result]:
    """The same commands on harmless files: what they cost in any case."""
    own = bench.both("harmless, the key's size", lambda: encoded(SIDE, "PNG"), ".png")
    return own + bench.both("harmless, as large as the grid", lambda: smooth(64 * 64, "AVIF"), ".avif")


def main() -> int:
    """Measure, print, save; exit status 1 where a bomb costs more than it may, or gives no error of csfnns."""
    parser = common.make_parser(__doc__)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        results = base(bench)
        for name, (make, suffix) in list(BOMBS.items())[:: 4 if arguments.quick else 1]:
            results += bench.both(name, make, suffix)
    failed = [
        f"{r.name}, as a {r.given_as}: {r.seconds} s, {r.mb} MB, {r.code} {r.said}"
        for r in results
        if r.seconds > MOST_SECONDS or r.mb > MOST_MB or r.said.startswith("not an error") or r.code not in range(11)
    ]
    return common.finish("bombs", {"results": [asdict(r) for r in results]}, failed, arguments.out)


if __name__ == "__main__":
    sys.exit(main())

"""Pictures that are made to cost: each is refused or read within few seconds and little memory."""

import io
import json
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import csfnns
from csfnns.errors import PictureError
from csfnns.images import header, sandbox
from csfnns.images.header import MAX_CHUNKS, MAX_SCANS, read_header
from csfnns.images.io import Picture, read_picture
from csfnns.images.jpeg_file import has_jpeglib, read_coefficients, read_foreign_coefficients
from csfnns.images.sandbox import count_frames, read_shown, read_stored
from csfnns.messages.stego import Stego
from csfnns.payloads.secret import read_secret

SOURCE = Path(csfnns.__file__).parents[1]
MOST_SECONDS = 2
MOST_MEBIBYTES = 300
SIDE = 64


def scene(side: int = SIDE) -> Picture:
    return np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8)


def encoded(picture: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of `scene` with more chunks after its header."""
    file = encoded(scene(), "PNG")
    return file[:33] + b"".join(chunk(*each) for each in chunks) + file[33:]


def zeros(mebibytes: int) -> bytes:
    """So many MiB, packed."""
    packing = zlib.compressobj(9)
    return b"".join([*(packing.compress(bytes(1 << 20)) for _ in range(mebibytes)), packing.flush()])


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    file = encoded(scene(), "JPEG", progressive=True)
    at = file.rindex(b"\xff\xda")
    return file[:at] + file[at:-2] * count + file[-2:]


def deep_tree(loop: bool) -> bytes:
    """A TIFF of 100,000 directories, or of one that follows itself."""
    entries = [(256, SIDE), (257, SIDE), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, SIDE), (279, 4096)]
    body = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    step = len(body) + 4
    count = 1 if loop else 100_000
    following = [8 if loop else 8 + step * (i + 1) for i in range(count)]
    return b"II*\0\x08\0\0\0" + b"".join(body + struct.pack("<I", each) for each in following) + bytes(4096)


def many_frames(count: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6) + frame * count + b";"


PACKED = zeros(100)
TEXT = with_chunks((b"zTXt", b"a\0\0" + PACKED), (b"iTXt", b"b\0\1\0\0\0" + PACKED), (b"tEXt", b"c\0" + bytes(9 << 20)))
PROFILE = with_chunks((b"iCCP", b"p\0\0" + PACKED))
NAMED: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "texts of 200 MB": (lambda: TEXT, None),
    "a profile of 100 MB": (lambda: PROFILE, None),
    "tiny chunks": (lambda: with_chunks(*[(b"teXt", b"")] * MAX_CHUNKS), f"more than {MAX_CHUNKS} chunks"),
    "scans": (lambda: scans(1500), f"more than {MAX_SCANS} scans"),
    "a loop of directories": (lambda: deep_tree(loop=True), "a TIFF picture, and a stego never is one"),
    "an animation": (
        lambda: encoded(scene(), "WEBP", save_all=True, append_images=[Image.fromarray(255 - scene())]),
        "is an animation",
    ),
    "GIF": (lambda: many_frames(10), "a GIF picture, and a stego never is one"),
    "65536x1": (lambda: png_header(65536, 1), "65535 pixels a side"),
    "cut short": (lambda: encoded(scene(), "PNG")[:2000], "cannot be decoded"),
}


def png_header(width: int, height: int, bits: int = 8, kind: int = 6) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))


def seconds() -> float:
    """Seconds of the processor of this process and its children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


REVEAL = """
import json, resource, sys
from csfnns.errors import PictureError
from csfnns.images.sandbox import read_stored
both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
def seconds():
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, both))
found = {}
for name in sys.argv[1:]:
    before, said = seconds(), None
    try:
        picture = read_stored(open(name, "rb").read(), "it")
    except PictureError as error:
        said = error.message + " " + error.hint
    found[name] = said, seconds() - before
own = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]  # ru_maxrss has the peak of pytest too
found["MiB"] = (int(own) + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
print(json.dumps(found))
"""


def test_stegos_are_read_or_refused_at_little_cost(tmp_path: Path) -> None:
    for number, (make, _) in enumerate(NAMED.values()):
        (tmp_path / str(number)).write_bytes(make())
    names = list(map(str, range(len(NAMED))))
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}){REVEAL}"
    line = [sys.executable, "-c", code, *names]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    for number, (name, (make, wanted)) in enumerate(NAMED.items()):
        said, taken = found[str(number)]
        assert taken < MOST_SECONDS, name
        assert (said is None) == (wanted is None), (name, said)
        if wanted is None:
            assert (read_stored(make(), "it") == scene()).all()
        else:
            assert said.startswith("it "), said
            assert wanted in said, said
    assert found["MiB"] < MOST_MEBIBYTES


def test_a_secret_leaves_out_what_is_beyond_its_budget() -> None:
    for data in (TEXT, PROFILE):
        assert (read_shown(data, "it").picture == scene()).all()
        assert (read_picture(data) == scene()).all()


def test_frames_are_counted_and_not_decoded() -> None:
    data = many_frames(100_000)
    before = seconds()
    assert count_frames(data, "it") == 100_000
    secret = read_secret(data)
    assert (secret.pictures, secret.picture, secret.content) == (100_000, None, data)
    assert count_frames(deep_tree(loop=True), "it") == 1
    with pytest.raises(PictureError, match="more than 10000 pages"):
        count_frames(deep_tree(loop=False), "it")
    assert seconds() - before < MOST_SECONDS


KINDS = {
    "PNG": {}, "JPEG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}, "GIF": {}, "AVIF": {}, "PPM": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_child_reads_what_this_process_reads(kind: str) -> None:
    wide = scene()[:37]
    data = encoded(wide, kind, **KINDS[kind])
    found = read_header(data, "it")
    assert (found.format, found.height, found.width) == (kind, 37, SIDE)
    assert (read_shown(data, "it").picture == read_picture(data)).all()
    if kind in header.STEGO_FORMATS:
        assert (read_stored(data, "it") == read_picture(data, as_stored=True)).all()


@pytest.mark.skipif(not has_jpeglib(), reason="needs jpeglib")
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("shape", [(64, 64), (17, 33), (1, 1)])
def test_the_child_reads_the_same_coefficients(subsampling: str, shape: tuple[int, int]) -> None:
    data = encoded(scene()[: shape[0], : shape[1]], "JPEG", subsampling=subsampling)
    here, there = read_coefficients(data), read_foreign_coefficients(data)
    assert (here.shape, here.subsampling) == (there.shape, there.subsampling)
    assert (here.tables == there.tables).all()
    assert all(map(np.array_equal, here.planes, there.planes))


def test_a_child_is_used_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = sandbox._start
    monkeypatch.setattr(sandbox, "_start", lambda operation: started.append(start(operation)) or started[-1])
    monkeypatch.setattr("csfnns.images.decode.decode_stored", lambda *given: pytest.fail("decoded in this process"))
    sandbox.prepare("stored")
    assert (read_stored(encoded(scene(), "PNG"), "it") == scene()).all()
    (child,) = started
    assert child.returncode is not None


@pytest.mark.parametrize("executable", ["", "/usr/bin/application", "/nowhere/python"])
def test_without_a_child_the_picture_is_read_here(executable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    assert (read_stored(TEXT, "it") == scene()).all()
    assert (read_shown(TEXT, "it").picture == scene()).all()
    with pytest.raises(PictureError, match="scans"):
        read_stored(scans(1500), "it")


def impostor(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a child in place that answers as it likes."""
    whole = "import sys; sys.stdin.buffer.readline(); out = sys.stdout.buffer; out.write(b'ready\\n'); "
    whole += "answer = lambda shape: out.write(b'{\"shape\": ' + shape + b'}\\n' + bytes(3 * 64 * 64)); " + code
    monkeypatch.setattr(sandbox, "_START", whole)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("out.write(b'{}\\n')", "gave up"),
        ("out.write(b'x' * 200_000)", "gave up"),
        ("out.write(b'[' * 60_000 + b'\\n')", "gave up"),
        ("out.write(b'{\"shape\": [64, 64]}\\n' + bytes(3 * 64 * 64 - 1))", "gave up"),
        ("out.write(b'{\"shape\": [64, 64]}\\n' + bytes(3 * 64 * 64 + 1))", "gave up"),
        ("out.write(b'{\"shape\": [-64, -64]}\\n' + bytes(3 * 64 * 64))", "gave up"),
        (
            'out.write(b\'{"error": "UsageError", "message": "a\\\\u001b[2J"}\\n\')',
            r'^it cannot be decoded. Its decoder says: "a \[2J"',
        ),
        ("answer(b'[1, 12288]')", "gave up"),
        ("answer(b'[32, 128]')", "gave up"),
        ("answer(b'[true, 4096]')", "gave up"),
        ("answer(b'[64.0, 64]')", "gave up"),
        ('out.write(b\'{"error": "X", "message": "\' + 400 * b"a" + b\'"}\\n\')', r'says: "a{120}"'),
        ('out.write(b\'{"error": "memory"}\\n\')', "needs more than 64 MB to decode"),
        ("import os, signal; out.flush(); os.kill(os.getpid(), signal.SIGSEGV)", "gave up"),
        ("import os, signal; out.flush(); os.kill(os.getpid(), signal.SIGXCPU)", "needs more than 1 s to decode"),
    ],
)
def test_nothing_that_a_child_says_is_believed(code: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    impostor(monkeypatch, code)
    with pytest.raises(PictureError, match=said):
        read_stored(encoded(scene(), "PNG"), "it")


@pytest.mark.parametrize("hidden", ["1e400", "NaN", "-5", "1.5", "true", '"0"', "null", "1" + 400 * "0"])
def test_figures_of_a_child_are_in_range(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(), "PNG")
    for figures in (f'"hidden": {hidden}, "frames": 1', f'"hidden": 0, "frames": {hidden}'):
        line = f'{{"shape": [64, 64], {figures}}}\n'.encode()
        impostor(monkeypatch, f"out.write({line!r} + bytes(3 * 64 * 64))")
        with pytest.raises(PictureError, match="gave up"):
            read_shown(data, "it")


@pytest.mark.skipif(not has_jpeglib(), reason="needs jpeglib")
@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [64, True]}, {"shape": None}, {"subsampling": []}, {"planes": [[8, 8], [4, 4]]}, {"planes": 3},
        {"planes": [[1, 64], [4, 4], [4, 4]]}, {"planes": [[8.0, 8], [4, 4], [4, 4]]}, {"tables": [[[1] * 64] * 2]},
        {"tables": [[[0] * 8] * 8] * 2}, {"tables": [[[float("inf")] * 8] * 8] * 2},
    ],
)  # fmt: skip
def test_coefficients_of_a_child_are_in_range(wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"shape": [64, 64], "subsampling": "420", "planes": [[8, 8], [4, 4], [4, 4]], "tables": [[[1] * 8] * 8] * 2}
    data = encoded(scene(), "JPEG")
    for each in ({}, wrong):
        line = json.dumps(about | each).encode() + b"\n"
        impostor(monkeypatch, f"out.write({line!r} + bytes(128 * 96))")
        if each:
            with pytest.raises(PictureError, match="cannot be read"):
                read_foreign_coefficients(data)
        else:
            assert read_foreign_coefficients(data).shape == (64, 64)


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)"])
def test_a_child_that_does_not_start_is_a_refusal(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_START", code)
    monkeypatch.setattr(sandbox, "_STARTING", 0.5)
    monkeypatch.setattr("csfnns.images.jpeg_file.read_coefficients", lambda data: pytest.fail("decoded here"))
    data = encoded(scene(), "JPEG")
    for read in (read_foreign_coefficients, lambda data: read_stored(data, "it")):
        with pytest.raises(PictureError, match="its decoder did not start"):
            read(data)


@pytest.mark.skipif(sys.platform != "linux", reason="needs seccomp")
@pytest.mark.parametrize("operation", ["stored", "coefficients"])
def test_the_child_has_no_rights_when_the_file_comes(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"""
import resource, sys
sys.path[:] = sys.argv[2:]
from csfnns.images import _child
def work(data):
    if resource.getrlimit(resource.RLIMIT_CPU)[0] < 9:
        open("/etc/passwd")
    return {{"shape": [64, 64]}}, bytes(3 * 64 * 64)
ready = _child._WORK[{operation!r}]
_child._WORK["stored"] = lambda request: ready(request) and work
_child.main()
"""
    monkeypatch.setattr(sandbox, "_START", code)
    with pytest.raises(PictureError, match="gave up"):
        read_stored(encoded(scene(), "PNG"), "it")


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    impostor(monkeypatch, "out.flush(); import time; time.sleep(60)")
    monkeypatch.setattr(sandbox, "_waiting", lambda seconds: 0.5)
    started = time.monotonic()
    with pytest.raises(PictureError, match="needs more than 1 s to decode"):
        read_stored(encoded(scene(), "PNG"), "it")
    assert time.monotonic() - started < 10


ESCAPES = {
    "a file": "open('/etc/passwd')",
    "a new file": "open(sys.argv[1] + '/new', 'w')",
    "a program": "os.execv('/bin/true', ['true'])",
    "a process": "os.fork()",
    "a connection": "__import__('socket').socket()",
    "a signal": "os.kill(os.getppid(), 0)",
    "another limit": "__import__('resource').setrlimit(__import__('resource').RLIMIT_CPU, (9, 9))",
    "a traced process": "library.ptrace(16, os.getppid(), 0, 0) == -1 and refused()",
    "code in memory": "__import__('mmap').mmap(-1, 4096, prot=7)",
}


@pytest.mark.skipif(sys.platform != "linux", reason="needs seccomp")
@pytest.mark.parametrize("files", [False, True], ids=["pixels", "coefficients"])
def test_the_child_has_no_rights(files: bool, tmp_path: Path) -> None:
    code = f"""
import ctypes, mmap, os, resource, socket, sys
sys.path.insert(0, {str(SOURCE)!r})
from csfnns.images import _child
library = ctypes.CDLL(None)
def refused(): raise OSError
_child.confine(1 << 28, 5, files={files})
got = []
for name, way in {ESCAPES!r}.items():
    try:
        exec(way)
    except (OSError, ValueError):
        continue
    got.append(name)
os.write(1, repr(got).encode())
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False, timeout=60)
    assert done.stdout == b"[]", done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of memory that hold")
def test_a_decoder_that_takes_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that says little, before pixels that are many."""
    data = png_header(10_000, 10_000, 8, 0) + chunk(b"IDAT", zeros(97)) + chunk(b"IEND", b"")
    small = header.Header("PNG", SIDE, SIDE)
    monkeypatch.setattr(sandbox, "read_header", lambda data, name: small)
    with pytest.raises(PictureError, match=r"needs more than 6[0-9] MB to decode"):
        read_stored(data, "it")


def test_a_large_picture_is_refused_where_a_limit_leaves_no_memory(tmp_path: Path) -> None:
    rows = zeros(1)
    (tmp_path / "bomb.png").write_bytes(png_header(10_000, 10_000, 16, 0) + chunk(b"IDAT", rows))
    code = f"""
import resource, sys
sys.path.insert(0, {str(SOURCE)!r})
import csfnns.payloads.secret as secret
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    secret.read_secret(sys.argv[1])
except csfnns.errors.PictureError as error:
    print(error.message)
"""
    line = [sys.executable, "-c", code.replace("csfnns.errors", "secret"), str(tmp_path / "bomb.png")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert "has 100 megapixels, and this computer has memory for" in done.stdout, done.stderr


JPEG = encoded(scene(), "JPEG")


def padded(padding: bytes) -> bytes:
    return JPEG[:20] + padding + JPEG[20:]


def test_what_is_between_the_segments_of_a_jpeg_is_limited() -> None:
    for padding in (b"\xff" * 60_000, b"\xff\xd8" * 100, b"stray", b"\xff\1"):
        assert read_header(padded(padding), "it") == header.Header("JPEG", SIDE, SIDE)
        assert (read_stored(padded(padding), "it") == read_picture(JPEG)).all()
    for padding, said in (
        (b"\xff" * 70_000, "more than 65536 bytes between its segments"),
        (bytes(70_000), "more than 65536 bytes between its segments"),
        (b"\xff\xd8" * header.MAX_SEGMENTS, f"more than {header.MAX_SEGMENTS} segments"),
        (b"\xff\xfe\0\2" * header.MAX_SEGMENTS, f"more than {header.MAX_SEGMENTS} segments"),
    ):
        for read in (lambda data: read_header(data, "it"), read_foreign_coefficients):
            with pytest.raises(PictureError, match=said):
                read(padded(padding))


@pytest.mark.parametrize("hiding", [b"\0", b"\xff\x05\xff\xff", b"\xff\0\xff\xff\xff", b"\xff\xd0"])
def test_every_scan_is_counted(hiding: bytes) -> None:
    many = scans(MAX_SCANS + 1)
    first = many.index(b"\xff\xda")
    following = many.index(b"\xff\xc4", first)
    for data in (many, many[:following] + hiding + many[following:]):
        with pytest.raises(PictureError, match=f"more than {MAX_SCANS} scans"):
            count_frames(data, "it")


GIF = b"GIF89a" + struct.pack("<HH", SIDE, SIDE) + bytes(3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GIF + b"\x21\xfe" + b"\1\0" * 4_100_000 + b"\0;", "more than 10000 blocks"),
        (GIF + bytes(20_000), "more than 10000 blocks"),
        (many_frames(300_000), "more than 500000 blocks"),
        (b"\0\0\0\x10ftypavif" + bytes(4) + b"\0\0\0\x08free" * 10_001, "more than 10000 boxes"),
        (b"\0\0\0\x10ftypheic" + bytes(4) + b"\0\0\0\x0cmeta\0\0\0\0" * 10_001, "more than 10000 boxes"),
        (b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 5_000_000) + bytes(200), "more than 1000 entries"),
    ],
)
def test_parts_before_the_size_are_few(data: bytes, said: str) -> None:
    before = seconds()
    with pytest.raises(PictureError, match=said):
        count_frames(data, "it")
    with pytest.raises(PictureError, match="stego never is one"):
        Stego(data).size  # noqa: B018
    assert seconds() - before < 0.5


def test_a_stego_is_no_larger_than_its_pixels_need() -> None:
    with pytest.raises(PictureError, match="17 MiB for 64x64 pixels, and no stego has"):
        read_stored(encoded(scene(), "PNG") + bytes(17 << 20), "it")


def test_what_a_picture_has_once_is_read_once() -> None:
    exif = b"\xff\xe1\0\x0cExif\0\0abcd"
    twice = header.essential_jpeg(padded(2 * exif + b"\xff\xed\0\4ab"))
    assert twice == padded(exif)
    profile = (b"iCCP", b"p\0\0" + zeros(1))
    assert header.essential_png(with_chunks(*[profile] * 5)) == (with_chunks(profile), None)


def runs(body: bytes) -> bytes:
    """A BMP of runs."""
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + info + bytes(1024) + body


def test_runs_of_a_bmp_are_for_secrets_and_few() -> None:
    data = runs((b"\x40\1" + b"\0\0") * SIDE)
    assert (read_shown(data, "it").picture == read_picture(data)).all()
    with pytest.raises(PictureError, match="a BMP picture with runs, and a stego never is one"):
        read_stored(data, "it")
    with pytest.raises(PictureError, match="more than 81920 bytes for its pixels"):
        read_shown(runs(b"\0\0" * 50_000), "it")

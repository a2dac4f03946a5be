import lzma
import re
import unicodedata
import zlib
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csfnns.errors import CapacityError, DamagedError, NoMessageError
from csfnns.payloads import frame as file
from csfnns.payloads.frame import MAX_CONTENT, MAX_NAME, File, Kind, inert_name, pack, runs, safe_name, unpack
from csfnns.stream import Seed

NOISE = Seed(bytes(32)).stream().take(5000)
TEXT = Path(__file__).read_bytes()


def frame(method: int, length: int, body: bytes, *, version: int = 2, kind: int = 1, name: bytes = b"") -> bytes:
    return bytes([version, kind, method, len(name)]) + length.to_bytes(4, "big") + bytes(5) + name + body


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(content) + packer.flush()


@given(st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=4).map(lambda b: b * 500)))
def test_any_bytes_come_back(content: bytes) -> None:
    assert unpack(pack(content)) == File(content, None, Kind.FILE)


@pytest.mark.parametrize("kind", list(Kind))
def test_name_kind_and_time_come_back(kind: Kind) -> None:
    for sent in (0, 2**40 - 1):
        packed = pack(b"x", "Überweisung 3.pdf", kind, sent)
        assert unpack(packed) == File(b"x", "Überweisung 3.pdf", kind, sent)


def test_compression_is_used_when_it_helps() -> None:
    assert len(pack(TEXT)) < len(TEXT) // 2
    assert len(pack(NOISE)) == len(NOISE) + 13
    assert len(pack(NOISE, "a.bin")) == len(NOISE) + 13 + 5
    assert pack(b"") == bytes([2, 1, 0, 0]) + bytes(9)


@pytest.mark.parametrize("method", [0, 1, 2])
def test_every_method_is_read(method: int) -> None:
    packed = {
        0: TEXT,
        1: deflate(TEXT),
        2: lzma.compress(
            TEXT,
            lzma.FORMAT_RAW,
            filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}],
        ),
    }[method]
    assert unpack(frame(method, len(TEXT), packed)).content == TEXT


def test_repetitions_are_found_as_far_back_as_deflate_allows() -> None:
    """32 KiB."""
    content = Seed(bytes(32)).stream().take(32_000)
    packed = deflate(2 * content)
    assert len(packed) < 33_000
    assert unpack(frame(1, 64_000, packed)).content == 2 * content


@pytest.mark.parametrize("content", [TEXT, NOISE, b""])
def test_what_is_cut_short_or_too_long_is_an_error(content: bytes) -> None:
    packed = pack(content, "name.txt")
    for n in {0, 1, 7, 12, 13, 17, 21, len(packed) // 2, len(packed) - 1} - {len(packed)}:
        with pytest.raises(DamagedError):
            unpack(packed[:n])
    with pytest.raises(DamagedError):
        unpack(packed + b"x")


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([0, 1, 2]), st.integers(0, 200))
def test_no_bytes_end_in_any_other_error(body: bytes, method: int, length: int) -> None:
    try:
        found = unpack(frame(method, length, body))
    except DamagedError:
        return
    assert len(found.content) == length


@pytest.mark.parametrize(("version", "kind", "method"), [(1, 1, 0), (3, 1, 0), (2, 5, 0), (2, 1, 3)])
def test_another_version_kind_or_method_asks_for_an_update(version: int, kind: int, method: int) -> None:
    with pytest.raises(NoMessageError, match="Update csfnns"):
        unpack(frame(method, 1, b"x", version=version, kind=kind))


@pytest.mark.parametrize("claimed", [1000, MAX_CONTENT, MAX_CONTENT + 1, 2**32 - 1])
def test_a_bomb_takes_no_memory(claimed: int) -> None:
    import tracemalloc

    bomb = deflate(bytes(60_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError):
            unpack(frame(1, claimed, bomb if claimed == 1000 else bomb[:1000]))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_too_large_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MAX_CONTENT", 1000)
    pack(bytes(1000))
    with pytest.raises(CapacityError):
        pack(bytes(1001))


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a/../../b/", "b"),
        ("..", None),
        (".", None),
        ("/", None),
        ("", None),
        (".bashrc", "bashrc"),
        ("a\0b\n.txt", "ab.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("C:evil?.txt", "C_evil_.txt"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("nul .txt", "_nul .txt"),
        ("trailing. ", "trailing"),
        ("e\u0301te\u0301.txt", "\u00e9t\u00e9.txt"),
        ("\ud800x", "x"),
        ("-rf", "rf"),
        ("--.-x", "x"),
        ("COM¹.log", "_COM¹.log"),
        ("conin$", "_conin$"),
        ("lpt²", "_lpt²"),
        ("photo.jpg\u3000   \u00a0.exe", "photo.jpg .exe"),
        ("a\u3164\u200b\ufe0f\u2800b", "ab"),
        ("\u0378\ue000\U000e0041", None),
        ("e\u200d\u0301", "\u00e9"),
    ],
)
def test_names_are_made_safe(given_name: str, safe: str | None) -> None:
    assert safe_name(given_name) == safe


def test_names_are_made_safe_when_they_arrive() -> None:
    assert unpack(frame(0, 1, b"x", name=b"../../x.sh")).name == "x.sh"
    with pytest.raises(DamagedError):
        unpack(frame(0, 1, b"x", name=b"\xff"))


# Characters, whole suffixes and devices, which chance alone would not put together.
PARTS = st.sampled_from(
    [".exe", ".lnk", ".desktop", "con", "COM¹", "/", "\\", "..", " ", "\u202e", "\u0301", "x" * 250]
)
DEVICE = re.compile(r"(?i)con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]")
NAMES = st.lists(st.text(st.characters(), max_size=20) | PARTS, max_size=12).map("".join)


@given(NAMES)
def test_any_text_is_made_a_safe_single_name(name: str) -> None:
    safe = safe_name(name)
    if safe is None:
        return
    assert Path(safe).name == PureWindowsPath(safe).name == safe
    assert len(safe.encode()) <= MAX_NAME
    assert len(safe.encode("utf-16-le")) <= 2 * MAX_NAME
    assert safe[0] not in ".- "
    assert safe[-1] not in ". "
    assert not {unicodedata.category(c)[0] for c in safe} & {"C"}
    assert not set('<>:"|?*') & set(safe)
    assert unicodedata.is_normalized("NFC", safe)
    assert not DEVICE.fullmatch(safe.partition(".")[0].rstrip())
    assert safe_name(safe) == safe
    assert unpack(pack(b"", name)).name == safe
    inert = inert_name(safe)
    assert not runs(inert)
    assert inert_name(inert) == safe_name(inert) == inert
    assert inert == safe or (runs(safe) and inert.endswith(".bin"))


@pytest.mark.parametrize(
    ("name", "inert"),
    [
        ("photo.jpg.desktop", "photo.jpg.desktop.bin"),
        ("SETUP.EXE", "SETUP.EXE.bin"),
        ("a.library-ms", "a.library-ms.bin"),
        ("x" * 251 + ".lnk", "x" * 251 + ".bin"),
        ("x" * 251 + ".exe" + "y" * 40, "x" * 251 + ".bin"),
        ("backup.tool", "backup.tool.bin"),
        ("Desktop.INI", "Desktop.INI.bin"),
        ("settings.ini", "settings.ini"),
        ("exe", "exe"),
        ("report.pdf", "report.pdf"),
    ],
)
def test_what_would_run_is_named_so_that_it_does_not(name: str, inert: str) -> None:
    assert inert_name(name) == inert


def test_a_long_name_keeps_its_ending() -> None:
    safe = safe_name("ü" * 300 + ".pdf")
    assert safe is not None
    assert safe.endswith("ü.pdf")
    assert 250 < len(safe.encode()) <= MAX_NAME

import lzma
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csfnns.errors import CapacityError, DamagedError, NoMessageError
from csfnns.payloads import frame as file
from csfnns.payloads.frame import MAX_CONTENT, MAX_NAME, File, Kind, pack, safe_name, unpack
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


@pytest.mark.parametrize(("version", "kind", "method"), [(1, 1, 0), (3, 1, 0), (2, 4, 0), (2, 1, 3)])
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
    ],
)
def test_names_are_made_safe(given_name: str, safe: str | None) -> None:
    assert safe_name(given_name) == safe


def test_names_are_made_safe_when_they_arrive() -> None:
    assert unpack(frame(0, 1, b"x", name=b"../../x.sh")).name == "x.sh"
    with pytest.raises(DamagedError):
        unpack(frame(0, 1, b"x", name=b"\xff"))


@given(st.text(max_size=400))
def test_no_name_is_a_path(name: str) -> None:
    safe = safe_name(name)
    if safe is not None:
        assert Path(safe).name == safe
        assert len(safe.encode()) <= MAX_NAME
        assert safe_name(safe) == safe
        assert unpack(pack(b"", name)).name == safe


def test_a_long_name_keeps_its_ending() -> None:
    safe = safe_name("ü" * 300 + ".pdf")
    assert safe is not None
    assert safe.endswith("ü.pdf")
    assert 250 < len(safe.encode()) <= MAX_NAME

"""Files in a JPEG, as grain, and so that they survive, on the command line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from csfnns.keys import Ledger, read_key
from csfnns.picture import Picture, read_picture
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

Transcript = Callable[[str], None]
Run = Callable[[str], str]
FixedKey = Callable[..., None]


@pytest.fixture
def note(desk: Path) -> bytes:
    """note.bin, which nothing compresses."""
    content = Seed(bytes(32)).stream().take(40)
    (desk / "note.bin").write_bytes(content)
    return content


def test_a_file_goes_into_a_jpeg(
    transcript: Transcript, note: bytes, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=64)
    transcript("""
        $ csfnns hide note.bin -k mine.key -o holiday.jpg --quality 85
        holiday.jpg: message 1
        main gets note.bin unchanged, 40 bytes.
        ...
        Send it as a file, unchanged: encoded again, even as a JPEG, it holds nothing.
        $ csfnns reveal holiday.jpg -k mine.key -o back.bin
        back.bin: note.bin, 40 bytes, exactly as sent, message 1 for main
    """)
    assert (desk / "back.bin").read_bytes() == note
    (desk / "again.jpg").write_bytes(encode_jpeg(read_picture(desk / "holiday.jpg"), 85, "420"))
    transcript("""
        $ csfnns reveal again.jpg -k mine.key -o nothing --message 1
        error: ...
        hint: ...
        [exit 9]
    """)
    assert not (desk / "nothing").exists()


def test_a_picture_goes_into_a_jpeg_as_avif(
    transcript: Transcript, photo: Picture, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=128)
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.jpg --quality 95
        holiday.jpg: message 1
        main gets secret.avif of ..., ... dB, as AVIF).
        ...
        Send it as a file, unchanged: encoded again, even as a JPEG, it holds nothing.
        $ csfnns reveal holiday.jpg -k mine.key -o back.png
        back.png: ..., message 1 for main
        ...
    """)
    assert read_picture(desk / "back.png").ndim == 3


def test_a_file_goes_as_grain(transcript: Transcript, note: bytes, desk: Path) -> None:
    transcript("""
        $ csfnns key new mine.key --size 96
        ...
        $ csfnns hide note.bin -k mine.key -o holiday.png --grain
        holiday.png: message 1
        main gets note.bin unchanged, 40 bytes.
        ...
        Send it as a file, unchanged: changing a single pixel can destroy its contents.
        $ csfnns reveal holiday.png -k mine.key -o back.bin
        back.bin: note.bin, 40 bytes, exactly as sent, message 1 for main
    """)
    assert (desk / "back.bin").read_bytes() == note


def test_a_file_survives_with_a_robust_key(
    transcript: Transcript, run: Run, note: bytes, desk: Path, fixed_key: FixedKey
) -> None:
    fixed_key("home.key", profile="robust", side=128)
    transcript("""
        $ csfnns hide note.bin -k home.key -o holiday.png
        holiday.png: message 1
        main gets note.bin unchanged, 40 bytes.
        ...
        It was also read back after jpeg:75/420, jpeg:75/444, jpeg:95/420, jpeg:95/444.
    """)
    (desk / "posted.jpg").write_bytes(encode_jpeg(read_picture(desk / "holiday.png"), 80, "420"))
    shown = json.loads(run("csfnns reveal posted.jpg -k home.key -o back.bin --json"))
    assert (shown["name"], shown["bytes"], shown["message"]) == ("note.bin", 40, 1)
    assert (desk / "back.bin").read_bytes() == note
    shown = json.loads(run("csfnns hide note.bin -k home.key -o exact.png --exact --json"))
    assert (shown["carrier"], shown["survives"], shown["message"]) == ("pixels", {}, 2)
    shown = json.loads(run("csfnns hide note.bin -k home.key -o bits.png --survive jpeg:90 --json"))
    assert (shown["carrier"], shown["message"]) == ("bits", 3)
    assert shown["survives"] == {"jpeg:90/420": {"main": None}, "jpeg:90/444": {"main": None}}
    (desk / "large.bin").write_bytes(Seed(bytes(32)).stream().take(400))
    transcript("""
        $ csfnns hide large.bin -k home.key -o large.png --survive noise:1
        error: 4... bytes, packed, are more than a cover of 128x128 carries so that it survives.
        hint: At most 230 bytes, packed, ...--size, or say --exact...
        [exit 7]
        $ csfnns hide note.bin -k home.key -o a.png --grain
        error: --grain goes with direct coding, and this key's files survive.
        hint: Say --exact too...
        [exit 2]
        $ csfnns capacity -k home.key --survive noise:1
        65.0 dB (--exact) ...
        ...
        surviving noise:1 ... bytes
        ...
    """)
    assert Ledger().highest(read_key(desk / "home.key").id) == 3
    assert not list(desk.glob("large.png")) + list(desk.glob("a.png"))


def test_without_jpeglib_both_ends_are_told(
    transcript: Transcript,
    run: Run,
    note: bytes,
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    fixed_key: FixedKey,
) -> None:
    fixed_key("mine.key", side=64)
    run("csfnns hide note.bin -k mine.key -o holiday.jpg")
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    transcript("""
        $ csfnns hide note.bin -k mine.key -o b.jpg
        error: JPEG files need jpeglib, which is not installed.
        hint: Install it with: pip install 'csfnns[jpeg]'.
        [exit 2]
        $ csfnns reveal holiday.jpg -k mine.key -o nothing --message 1
        error: ...
        hint: ...pip install 'csfnns[jpeg]'...
        [exit 9]
    """)
    assert Ledger().highest(read_key(desk / "mine.key").id) == 1
    assert not list(desk.glob("b.jpg")) + list(desk.glob("nothing"))

"""Any file on the command line: hidden, revealed byte for byte, refused with a reason."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from csfnns.cli.app import app
from csfnns.keys import Ledger, read_key
from csfnns.picture import Picture, read_picture
from csfnns.stream import Seed

Transcript = Callable[[str], None]
Run = Callable[[str], str]


@pytest.fixture
def report(desk: Path, run: Run) -> bytes:
    """report.pdf, which nothing compresses, and mine.key."""
    run("csfnns key new mine.key --size 64")
    content = Seed(bytes(32)).stream().take(700)
    (desk / "report.pdf").write_bytes(content)
    return content


def highest(key: str) -> int:
    return Ledger().highest(read_key(Path(key)).id)


def test_a_file_is_hidden_and_revealed(transcript: Transcript, report: bytes, desk: Path) -> None:
    (desk / "inbox").mkdir()
    transcript("""
        $ csfnns hide report.pdf -k mine.key -o holiday.png
        holiday.png: message 1
        main gets report.pdf byte for byte, 700 bytes, since it is no picture.
                                 PSNR     SSIM   largest change   levels changed
         ...
          stego against cover ...dB ... 1 of 255 ...%
        Stego, ... dB: no eye sees a difference.
        Send it as a file, unchanged: one changed pixel can destroy what is in it.
        $ csfnns reveal holiday.png -k mine.key -o inbox
        inbox/report.pdf: 700 bytes as they were sent, message 1 for main
        $ csfnns reveal holiday.png -k mine.key -o other.name
        other.name: report.pdf, 700 bytes as they were sent, message 1 for main
        $ csfnns reveal holiday.png -k mine.key -o other.name
        error: other.name already exists.
        hint: Choose another name, or allow overwriting: --overwrite.
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key -o inbox
        error: inbox/report.pdf already exists.
        ...
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key -o nowhere/
        error: There is no folder nowhere/.
        ...
        [exit 3]
        $ csfnns reveal holiday.png -k mine.key -o holiday.png --overwrite
        error: holiday.png is one of the inputs.
        ...
        [exit 3]
    """)
    assert (desk / "inbox/report.pdf").read_bytes() == (desk / "other.name").read_bytes() == report
    assert (
        len(list(desk.iterdir())) == 6
    )  # mine.key, report.pdf, holiday.png, inbox, other.name, the ledger's home


def test_several_receivers_get_a_file_each(
    transcript: Transcript, photo: Picture, report: bytes, desk: Path
) -> None:
    (desk / "note.txt").write_text("hello")
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 64
        ...
        $ csfnns hide bob=report.pdf carol=note.txt -k team.key -o holiday.png
        holiday.png: message 1
        bob gets report.pdf byte for byte, 700 bytes, since it is no picture.
        carol gets note.txt byte for byte, 5 bytes, since it is no picture.
        ...
        $ csfnns reveal holiday.png -k team.bob.key -o b
        b: report.pdf, 700 bytes as they were sent, message 1 for bob
        $ csfnns reveal holiday.png -k team.key --receiver carol -o c
        c: note.txt, 5 bytes as they were sent, message 1 for carol
        $ csfnns hide bob=secret.png carol=note.txt -k team.key -o mixed.png
        mixed.png: message 2
        bob gets secret.avif, 60x40, ... bytes, ... dB, since its own bytes do not fit.
        carol gets note.txt byte for byte, 5 bytes, since one of the secrets is no picture.
        ...
    """)
    assert (desk / "b").read_bytes() == report
    assert (desk / "c").read_text() == "hello"


def test_a_picture_goes_exactly_when_that_is_asked_for(
    transcript: Transcript, run: Run, photo: Picture, desk: Path
) -> None:
    size = (desk / "secret.png").stat().st_size
    run("csfnns key new mine.key --size 128")
    transcript(f"""
        $ csfnns hide secret.png -k mine.key -o a.png --exact
        a.png: message 1
        main gets secret.png byte for byte, {size:,} bytes, as asked.
        ...
        $ csfnns reveal a.png -k mine.key -o a-back.png
        a-back.png: secret.png, {size:,} bytes as they were sent, message 1 for main
        $ csfnns hide secret.png -k mine.key -o b.png --as picture --exact
        b.png: message 2
        main gets secret.avif, 60x40, ... bytes, ... dB, as asked.
        ...
        $ csfnns reveal b.png -k mine.key -o b-back.png
        b-back.png: 60x40, message 2 for main
        Converted from secret.avif; into a folder, it is written as it was sent.
        $ csfnns hide secret.png -k mine.key -o c.png --as file
        c.png: message 3
        main gets secret.png byte for byte, {size:,} bytes, as asked.
        ...
        $ csfnns hide secret.png -k mine.key -o d.png --steps 60
        d.png: message 4
        ...
        What main gets, ... dB: ...; it went as a picture, and --exact sends the file's own bytes.
        ...
        $ csfnns reveal d.png -k mine.key -o .
        message-4.png: 60x40, message 4 for main
        ...
    """)
    assert (desk / "a-back.png").read_bytes() == (desk / "secret.png").read_bytes()
    assert read_picture(desk / "b-back.png").shape == photo.shape


def test_a_file_may_come_from_standard_input(report: bytes, desk: Path) -> None:
    words = ["hide", "-", "-k", "mine.key", "-o", "holiday.png", "--json"]
    result = CliRunner().invoke(app, words, input=report)
    shown = json.loads(result.stdout)
    assert shown["sent"] == {"main": {"name": None, "bytes": 700, "exact": True}}
    assert shown["stego"]["max_abs"] == 1
    words = ["reveal", "holiday.png", "-k", "mine.key", "-o", ".", "--json"]
    assert json.loads(CliRunner().invoke(app, words).stdout) == {
        "file": "message-1.bin",
        "message": 1,
        "receiver": "main",
        "name": None,
        "kind": "file",
        "bytes": 700,
        "converted": False,
    }
    assert (desk / "message-1.bin").read_bytes() == report


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            "report.pdf -o a.png --survive jpeg:90",
            2,
            "A stego of this key does not survive jpeg:90: its decoder is 'spectral'.",
        ),
        (
            "secret.png -o a.png --survive jpeg:90 --exact",
            2,
            "--survive and --exact do not go together: what goes exactly survives nothing.",
        ),
        (
            "report.pdf -o a.png --steps 5",
            2,
            "--steps is for pictures that go by way of a search.",
        ),
        ("secret.png -o a.png --exact --faithful", 2, "--faithful is for pictures"),
        ("report.pdf -o a.png --as picture", 3, "report.pdf is not a picture that csfnns can read."),
        ("missing.pdf -o a.png", 3, "There is no file missing.pdf."),
        ("secret.png -o a.jpg", 3, ".jpg is a lossy format: it would destroy what is hidden."),
        ("report.pdf -o a.gif", 3, ".gif keeps 256 colours only: it would destroy what is hidden."),
        ("report.pdf -o a.jpg --quality 0", 2, "There is no JPEG quality 0."),
        ("report.pdf -o a.jpg --grain", 2, "Grain is for lossless pictures."),
        ("secret.png -o a.jpg --grain", 2, "Grain survives nothing, and JPEG least of all."),
        ("secret.png -o a.jpg --quality 80", 2, "--quality is for files, and pictures as files."),
        ("large.bin -o a.png", 7, "3,0... bytes, packed, are more than a cover of 64x64 holds."),
    ],
)
def test_what_cannot_be_costs_no_message_number(
    words: str, code: int, said: str, transcript: Transcript, report: bytes, photo: Picture, desk: Path
) -> None:
    (desk / "large.bin").write_bytes(Seed(bytes(32)).stream().take(3000))
    transcript(f"""
        $ csfnns hide {words} -k mine.key
        error: {said}...
        hint: ...
        [exit {code}]
    """)
    assert highest("mine.key") == 0
    assert not list(desk.glob("a.*"))


def test_damage_and_wrong_keys_are_named_and_leave_no_file(
    transcript: Transcript, run: Run, report: bytes, desk: Path
) -> None:
    run("csfnns hide report.pdf -k mine.key -o holiday.png")
    run("csfnns key new other.key --size 64")
    picture = read_picture(desk / "holiday.png")
    Image.fromarray(picture ^ (np.arange(64) % 9 == 0).astype(np.uint8)[:, None]).save(desk / "changed.png")
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    (desk / "posted.jpg").write_bytes(buffer.getvalue())
    transcript("""
        $ csfnns reveal changed.png -k mine.key -o back --message 1
        error: ...
        hint: ...
        [exit 9]
        $ csfnns reveal posted.jpg -k mine.key -o back --message 1
        error: The picture resembles the cover of message 1, but no secret can be read from it.
        hint: ...
        [exit 9]
        $ csfnns reveal holiday.png -k other.key -o back --message 1
        error: This picture is made on none of this key's covers, or on none that is due.
        hint: ...
        [exit 8]
    """)
    assert not (desk / "back").exists()


def test_the_capacity_is_told(transcript: Transcript, run: Run, report: bytes) -> None:
    transcript("""
        $ csfnns capacity -k mine.key
        65.0 dB ... bytes
        60.0 dB ... bytes
        55.0 dB ... bytes
        50.0 dB 2,... bytes
        at most 2,... bytes
        with --grain, 48.2 dB ... bytes
        .jpg of quality 90, 50.0 dB ... bytes
        .jpg of quality 90, 45.0 dB ... bytes
        .jpg of quality 90, 40.0 dB ... bytes
        Measured on this key's check cover, 64x64; others differ a little. Files that compress may be larger; ...
    """)
    shown = json.loads(run("csfnns capacity -k mine.key --quality 95 --json"))
    assert shown["jpeg"]["quality"] == 95
    assert 0 <= shown["jpeg"]["bytes_at_db"]["50"] < shown["jpeg"]["bytes_at_db"]["40"] < shown["most"]
    assert shown["most"] < shown["grain"]
    assert "survive" not in shown
    assert "does not survive noise:1" in run("csfnns capacity -k mine.key --survive noise:1")
    sizes = [shown["bytes_at_db"][level] for level in ("65", "60", "55", "50")] + [shown["most"]]
    assert sizes == sorted(sizes)
    assert 2000 < shown["most"] < 64 * 64 * 3 * np.log2(3) / 8
    assert shown["message"] == 0

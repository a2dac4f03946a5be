"""Any file on the command line: hidden, revealed unchanged, refused with a reason."""

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
from csfnns.measure import psnr
from csfnns.payloads.file import Kind, pack
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


def _jpeg(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def highest(key: str) -> int:
    return Ledger().highest(read_key(Path(key)).id)


def test_a_file_is_hidden_and_revealed(transcript: Transcript, report: bytes, desk: Path) -> None:
    (desk / "inbox").mkdir()
    transcript("""
        $ csfnns hide report.pdf -k mine.key -o holiday.png
        holiday.png: message 1
        main gets report.pdf unchanged, 700 bytes.
                                 PSNR     SSIM   largest change   levels changed
         ...
          stego against cover ...dB ... 1 of 255 ...%
        Stego, ... dB: the difference is invisible.
        Send it as a file, unchanged.
        $ csfnns reveal holiday.png -k mine.key -o inbox
        inbox/report.pdf: 700 bytes, exactly as sent, message 1 for main
        $ csfnns reveal holiday.png -k mine.key -o other.name
        other.name: report.pdf, 700 bytes, exactly as sent, message 1 for main
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


def test_several_receivers_get_a_file_each(transcript: Transcript, report: bytes, desk: Path) -> None:
    (desk / "note.txt").write_text("hello")
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 64
        ...
        $ csfnns hide bob=report.pdf carol=note.txt -k team.key -o holiday.png
        holiday.png: message 1
        bob gets report.pdf unchanged, 700 bytes.
        carol gets note.txt unchanged, 5 bytes.
        ...
        $ csfnns reveal holiday.png -k team.bob.key -o b
        b: report.pdf, 700 bytes, exactly as sent, message 1 for bob
        $ csfnns reveal holiday.png -k team.key --receiver carol -o c
        c: note.txt, 5 bytes, exactly as sent, message 1 for carol
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
        main gets secret.png of 60x40, identical to the original.
        ...
        $ csfnns reveal a.png -k mine.key -o a-back.png
        a-back.png: secret.png, {size:,} bytes, exactly as sent, message 1 for main
        $ csfnns hide secret.png -k mine.key -o b.png --as picture --exact
        b.png: message 2
        main gets secret.avif of 60x40, ... dB, as AVIF).
        ...
        $ csfnns reveal b.png -k mine.key -o b-back.png
        b-back.png: 60x40, message 2 for main
        Converted from secret.avif; to keep the original format, reveal into a folder.
        $ csfnns hide secret.png -k mine.key -o c.png --as file
        c.png: message 3
        main gets secret.png unchanged, {size:,} bytes.
        ...
        $ csfnns hide secret.png -k mine.key -o d.png --as picture
        d.png: message 4
        main gets a picture of 60x40, ... dB, by the trellis decoder).
        ...
        $ csfnns reveal d.png -k mine.key -o .
        message-4.png: 60x40, message 4 for main
        ...
    """)
    assert (desk / "a-back.png").read_bytes() == (desk / "secret.png").read_bytes()
    assert psnr(read_picture(desk / "b-back.png"), photo) > 30


def test_a_picture_whose_bytes_do_not_fit_goes_as_avif(
    transcript: Transcript, run: Run, photo: Picture
) -> None:
    run("csfnns key new mine.key --size 64")
    transcript("""
        $ csfnns hide secret.png -k mine.key -o a.png --exact
        a.png: message 1
        main gets secret.avif of 60x40, ... dB, as AVIF).
        ...
    """)


def test_a_picture_whose_bytes_nearly_fit_goes_as_avif(
    transcript: Transcript, run: Run, photo: Picture, desk: Path
) -> None:
    run("csfnns key new small.key --size 64")
    start = _jpeg(np.ascontiguousarray(photo[::2, ::2]))
    padding = 2450 - len(pack(start, "padded.jpg", Kind.PICTURE))
    (desk / "padded.jpg").write_bytes(start + Seed(bytes(32)).stream().take(padding))
    transcript("""
        $ csfnns hide padded.jpg -k small.key -o a.png --exact
        a.png: message 1
        main gets padded.avif of 30x20, ... dB, as AVIF).
        ...
    """)


def test_a_file_may_come_from_standard_input(report: bytes, desk: Path) -> None:
    words = ["hide", "-", "-k", "mine.key", "-o", "holiday.png", "--json"]
    result = CliRunner().invoke(app, words, input=report)
    shown = json.loads(result.stdout)
    assert shown["receivers"] == {"main": {"method": "exact", "exact": True, "name": None, "bytes": 700}}
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
            "A stego of this key does not survive jpeg:90: its profile is 'standard'.",
        ),
        (
            "secret.png -o a.png --survive jpeg:90 --exact",
            2,
            "--survive and --exact do not go together: what goes exactly survives nothing.",
        ),
        (
            "report.pdf -o a.png --steps 5",
            2,
            "--steps only works with a key of profile robust or paper.",
        ),
        ("report.pdf -o a.png --as picture", 3, ""),
        ("missing.pdf -o a.png", 3, "There is no file missing.pdf."),
        ("report.pdf -o a.gif", 3, ".gif keeps 256 colours only: it would destroy what is hidden."),
        ("report.pdf -o a.jpg --quality 0", 2, "There is no JPEG quality 0."),
        ("report.pdf -o a.jpg --grain", 2, "Grain is for lossless pictures."),
        ("secret.png -o a.jpg --target-stego 60", 2, "A target and a balance need a .png or .webp"),
        ("secret.png -o a.png --quality 80", 2, "--quality is of a JPEG file, not of a .png."),
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
    (desk / "posted.jpg").write_bytes(_jpeg(picture))
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

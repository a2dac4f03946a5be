"""Grain on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

from csfnns.measure import compare
from csfnns.picture import Picture, read_picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]


def test_a_picture_a_file_and_a_decoy(transcript: Transcript, photo: Picture, desk: Path) -> None:
    (desk / "note.txt").write_text("of any length")
    transcript("""
        $ csfnns key new mine.key --size 128
        ...
        $ csfnns hide secret.png -k mine.key -o a.png --grain
        a.png: message 1
        main gets secret.png of 60x40, identical to the original.
        ...
        Stego, 48... dB: the difference is invisible.
        ...
        $ csfnns reveal a.png -k mine.key -o back.png
        back.png: secret.png, ... bytes, exactly as sent, message 1 for main
        $ csfnns hide note.txt -k mine.key -o b.png --grain
        b.png: message 2
        main gets note.txt unchanged, 13 bytes.
        ...
        $ csfnns reveal b.png -k mine.key -o back.txt
        back.txt: note.txt, 13 bytes, exactly as sent, message 2 for main
        $ csfnns cover -k mine.key -o c.png --decoy
        c.png: message 3, which hides nothing
        $ csfnns reveal c.png -k mine.key -o nothing.png
        error: ...
        hint: ...
        [exit 9]
        $ csfnns cover -k mine.key --decoy
        error: A decoy is a file to send.
        hint: Name it: -o FILE.
        [exit 2]
    """)
    assert (desk / "back.txt").read_text() == "of any length"
    assert not (desk / "nothing.png").exists()


def test_grain_on_any_picture(run: Run, photo: Picture, desk: Path) -> None:
    made = json.loads(run("csfnns grain secret.png -o grainy.png --json"))
    found = compare(photo, read_picture(desk / "grainy.png"))
    assert made == {"file": "grainy.png", "psnr": found.psnr}
    assert 47 < found.psnr < 50


def test_what_has_no_meaning_with_grain_is_refused(
    transcript: Transcript, photo: Picture, desk: Path
) -> None:
    transcript("""
        $ csfnns key new mine.key --size 128
        ...
        $ csfnns hide secret.png -k mine.key -o a.png --grain --faithful
        error: A target and a balance need a .png or .webp, without --grain.
        hint: ...--grain...
        [exit 2]
        $ csfnns grain secret.png -o a.jpg
        error: .jpg is a lossy format...
        hint: ...
        [exit 3]
    """)
    assert not (desk / "a.png").exists()
    assert not (desk / "a.jpg").exists()

"""The words that both ends compare, decoys and grain; and the doctor."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import csfnns
from csfnns.cli import doctor
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import compare
from csfnns.stream import Seed

Transcript = Callable[[str], None]
Run = Callable[..., str]
Ask = Callable[[str], Any]


def test_all_ends_of_a_key_get_the_same_words(transcript: Transcript, run: Run, ask: Ask, desk: Path) -> None:
    run("csfnns key new team.key --receiver bob --size 64")
    run("csfnns key new other.key --size 64")
    transcript("""
        $ csfnns cover -k team.key
        ...-...-...-...
        The other end must get the same words. Never send this cover with a secret in it.
    """)
    keys = ("team.key", "team.bob.key", "other.key")
    words = [ask(f"csfnns cover -k {key}")["fingerprint"] for key in keys]
    assert words[0] == words[1] != words[2]


def test_the_check_cover_can_be_written(run: Run, ask: Ask, desk: Path) -> None:
    run("csfnns key new mine.key --size 64")
    assert ask("csfnns cover -k mine.key -o cover.png")["file"] == "cover.png"
    expected = csfnns.check_cover(csfnns.read_key(desk / "mine.key")).picture
    assert (read_picture(desk / "cover.png") == expected).all()
    assert run("csfnns cover -k mine.key -o cover.png").endswith("[exit 3]")
    assert run("csfnns cover -k mine.key -o cover.jpg").endswith("[exit 3]")
    assert "[exit" not in run("csfnns cover -k mine.key -o cover.png -f")


@pytest.mark.parametrize("kind", ["", "--decoy"])
def test_many_fresh_covers_can_be_written(kind: str, run: Run, ask: Ask, desk: Path) -> None:
    run("csfnns key new mine.key --size 64")
    assert "needs a folder" in run(f"csfnns cover -k mine.key --count 3 -o covers {kind}")
    (desk / "covers").mkdir()
    files = ask(f"csfnns cover -k mine.key --count 3 -o covers {kind}")["files"]
    assert files == [str(Path("covers") / f"cover-000{i}.png") for i in (1, 2, 3)]
    assert len({(desk / name).read_bytes() for name in files}) == 3
    assert run(f"csfnns cover -k mine.key --count 3 -o covers {kind}").endswith("[exit 3]")


def test_a_decoy_holds_nothing(transcript: Transcript, run: Run, desk: Path) -> None:
    run("csfnns key new mine.key --size 128")
    transcript("""
        $ csfnns cover -k mine.key --decoy
        error: A decoy is a file to send.
        hint: Name it: -o FILE.
        [exit 2]
        $ csfnns cover -k mine.key -o decoy.png --decoy
        decoy.png is a decoy: there is nothing in it.
        $ csfnns reveal decoy.png -k mine.key -o nothing
        error: This picture was made with this key, and nothing for you can be read ...
        hint: ...
        [exit 8]
    """)
    assert not (desk / "nothing").exists()


def test_grain_on_any_picture(transcript: Transcript, ask: Ask, photo: Picture, desk: Path) -> None:
    made = ask("csfnns grain secret.png -o grainy.png")
    found = compare(photo, read_picture(desk / "grainy.png"))
    assert made == {"file": "grainy.png", "psnr": found.psnr}
    assert 47 < found.psnr < 50
    transcript("""
        $ csfnns grain secret.png -o again.webp
        again.webp has grain. Publish it instead of secret.png, never both.
        $ csfnns grain secret.png -o a.jpg
        error: .jpg is a lossy format...
        hint: ...
        [exit 3]
    """)


def test_the_doctor_finds_that_all_is_well(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ csfnns doctor
        python         3...
        csfnns         ...
        numpy          ...
        pillow         ...
        cryptography   ...
        torch          ...
        system         ...
        search         ...
        devices        cpu...
        covers           ok: {doctor.COVER[:16]}…, the same as on every machine
        random numbers   ok: {doctor.STREAM[:16]}…, the same as on every machine
        search           ok: ...
        round trip       ok: 64x64 hidden and revealed in ... s, stego ... dB, recovered ... dB
        ...
        this folder       ok: ...
        temporary files   ok: ...
        settings          ok: .../csfnns-home
        used pictures     ok: .../csfnns-home
        All is well.
    """)
    assert not list(desk.iterdir())


def test_the_doctor_ends_with_1_when_covers_differ(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "COVER", "0" * 64)
    seen = run("csfnns doctor")
    assert "… instead of 0000000000000000…, as on every other machine" in seen
    assert seen.endswith("Something is wrong here: covers and secrets may not fit.\n[exit 1]")


def test_the_doctor_knows_the_bytes_that_every_machine_makes() -> None:
    cover = AbstractCovers(128, 96)(Seed(bytes(range(32))))
    assert hashlib.sha256(cover.tobytes()).hexdigest() == doctor.COVER

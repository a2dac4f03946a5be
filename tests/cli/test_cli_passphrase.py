import json
from collections.abc import Callable
from pathlib import Path

import pytest

from csfnns.picture import Picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]

PASSPHRASE = "gravel onto ninety mauve sundial"


@pytest.fixture
def passphrase(desk: Path) -> str:
    (desk / "words.txt").write_text(PASSPHRASE + "\n")
    return PASSPHRASE


def test_both_ends_need_only_the_words_and_the_profile(
    transcript: Transcript, photo: Picture, passphrase: str
) -> None:
    transcript("""
        $ csfnns hide secret.png --passphrase-file words.txt --size 64 -o holiday.png
        passphrase: strong, about ... bits
        holiday.png: message 1
        ...
        $ csfnns reveal holiday.png --passphrase-file words.txt --size 64 -o back.png
        passphrase: strong, about ... bits
        back.png: 60x40, message 1 for main
        ...
    """)


def test_standard_words_go_with_no_rate(
    transcript: Transcript, photo: Picture, passphrase: str, desk: Path
) -> None:
    transcript("""
        $ csfnns hide secret.png --passphrase-file words.txt --size 64 --bpp 24 -o holiday.png
        error: This profile cannot be: bpp goes with a network: choose the profile 'paper' or 'robust'.
        hint: Leave one of the choices out.
        [exit 2]
        $ csfnns cover --passphrase-file words.txt --size 64 --bpp 24 --profile paper
        passphrase: ...
        ...-...-...-...
        ...
    """)
    assert not (desk / "holiday.png").exists()


def test_the_environment_gives_the_same_key_as_the_file(
    run: Run, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = run("csfnns cover --passphrase-file words.txt --size 64")
    monkeypatch.setenv("CSFNNS_PASSPHRASE", passphrase)
    assert run("csfnns cover --size 64") == from_file
    assert run("csfnns cover --passphrase --size 64") == from_file
    assert run("csfnns cover --size 128") != from_file


def test_an_empty_variable_is_one_that_is_not_set(
    transcript: Transcript, run: Run, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSFNNS_KEY", "")
    monkeypatch.setenv("CSFNNS_PASSPHRASE", "")
    transcript("""
        $ csfnns cover
        error: There is no key on this command line.
        ...
        [exit 2]
    """)
    run("csfnns key new mine.key --size 64")
    monkeypatch.setenv("CSFNNS_KEY", "mine.key")
    assert "[exit" not in run("csfnns cover")
    monkeypatch.setenv("CSFNNS_KEY", "")
    monkeypatch.setenv("CSFNNS_PASSPHRASE", passphrase)
    assert "[exit" not in run("csfnns cover --size 64")


def test_a_weak_passphrase_is_refused_unless_one_insists(transcript: Transcript, desk: Path) -> None:
    (desk / "words.txt").write_text("letmein")
    transcript("""
        $ csfnns cover --passphrase-file words.txt --size 64
        error: The passphrase is weak: about ... bits, where 50 are needed.
        hint: ... Or insist: --insist.
        [exit 4]
        $ csfnns cover --passphrase-file words.txt --size 64 --insist
        passphrase: weak, about ... bits
        ...-...-...-...
        The other end must get the same words. Never send this cover with a secret in it.
    """)


def test_a_passphrase_is_never_part_of_the_output(
    run: Run, photo: Picture, passphrase: str, desk: Path
) -> None:
    seen = [
        run("csfnns hide secret.png --passphrase-file words.txt --size 64 -o holiday.png --json"),
        run("csfnns reveal holiday.png --passphrase-file words.txt --size 64 -o back.png"),
        run("csfnns reveal holiday.png --passphrase-file words.txt --size 128 -o back2.png"),
    ]
    assert not [word for word in passphrase.split() for output in seen if word in output]
    assert json.loads(seen[0])["message"] == 1


def test_a_passphrase_is_no_value_on_the_command_line(run: Run, photo: Picture, desk: Path) -> None:
    seen = run("csfnns cover --passphrase='gravel onto ninety'")
    assert seen.endswith("[exit 2]")


def test_passphrase_files_that_cannot_be_are_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "empty.txt").write_text("\n")
    (desk / "latin.txt").write_bytes(b"gr\xfc\xdfe\n")
    transcript("""
        $ csfnns cover --passphrase-file missing.txt
        error: The passphrase file missing.txt cannot be read: No such file or directory.
        hint: Check the name and the file's permissions.
        [exit 4]
        $ csfnns cover --passphrase-file empty.txt
        error: The passphrase is empty.
        ...
        [exit 4]
        $ csfnns cover --passphrase-file latin.txt
        error: latin.txt is not in UTF-8.
        ...
        [exit 4]
    """)

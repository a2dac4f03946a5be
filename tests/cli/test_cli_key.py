import json
from collections.abc import Callable
from pathlib import Path

import pytest

Transcript = Callable[[str], None]
Run = Callable[[str], str]


def test_a_key_is_made_and_shown(transcript: Transcript) -> None:
    transcript("""
        $ csfnns key new mine.key --profile paper --size 768x512 --bpp 24
        mine.key: your key. Anyone who has it can reveal your messages. Give the receiver a copy.
        id        ...
        profile   paper, version 1
        covers    768x512, generator abstract
        secrets   24 bits a cover pixel, carried as 768x512
        decoder   shuffle, 96 channels, xavier-normal weights
        Hand keys over in person or over a secure channel, never together with the pictures.
        Then run 'csfnns cover -k FILE' at both ends: matching words mean matching covers.
        Use 'csfnns key show FILE' to see the receiver.
        $ csfnns key show mine.key
        id          ...-...-...-...
        role        sender: hides, and reveals
        receivers   main
        profile     paper, version 1
        covers      768x512, generator abstract
        secrets     24 bits a cover pixel, carried as 768x512
        decoder     shuffle, 96 channels, xavier-normal weights
    """)


def test_a_standard_key_shows_its_decoder(run: Run) -> None:
    assert "decoder trellis" in run("csfnns key new mine.key --size 64")
    assert "decoder trellis" in run("csfnns key show mine.key")


def test_a_standard_key_shows_nothing_of_a_network(run: Run) -> None:
    shown = run("csfnns key new mine.key --size 64")
    assert not [word for word in ("bits a cover pixel", "channels", "weights") if word in shown]


def test_each_receiver_gets_a_file_of_his_own(transcript: Transcript, run: Run, desk: Path) -> None:
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 64
        team.key: yours; it hides and reveals for every receiver
        team.bob.key: give it to bob alone
        team.carol.key: give it to carol alone
        ...
        $ csfnns key show team.carol.key
        id          ...
        role        receiver: reveals, and does not hide
        receivers   carol
        ...
    """)
    files = [json.loads(run(f"csfnns key show {file.name} --json")) for file in desk.glob("*.key")]
    assert len({file["id"] for file in files}) == 1
    assert all((file.stat().st_mode & 0o777) == 0o600 for file in desk.glob("*.key"))


def test_a_key_is_never_overwritten(transcript: Transcript, desk: Path) -> None:
    (desk / "mine.key").write_text("precious")
    transcript("""
        $ csfnns key new mine.key
        error: mine.key exists already.
        hint: Choose another name: no key is ever overwritten.
        [exit 4]
    """)
    assert (desk / "mine.key").read_text() == "precious"


def test_if_one_key_of_several_cannot_be_written_none_stays(transcript: Transcript, desk: Path) -> None:
    (desk / "team.carol.key").write_text("precious")
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol
        error: team.carol.key exists already.
        hint: Choose another name: no key is ever overwritten.
        [exit 4]
    """)
    assert [file.name for file in desk.iterdir()] == ["team.carol.key"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--size 10", "The profile's width cannot be 10"),
        ("--size 64x64x64", "'64x64x64' is no size."),
        ("--profile paper --bpp 8", "The profile's bpp cannot be '8'"),
        ("--bpp 24", "bpp goes with a network: choose the profile 'paper' or 'robust'."),
        ("--profile robust --bpp 24", "the decoder 'robust' carries 1.5 bits a pixel, no more."),
        ("--profile fancy", "There is no profile 'fancy'."),
        ("--generator magic", "There is no cover generator 'magic'."),
        ("--generator folder", "The generator folder needs an album."),
        ("--album .", "An album goes with --generator folder."),
        ("--receiver Bob", "A receiver cannot be named 'Bob'."),
        ("--receiver bob --receiver bob", "The receiver 'bob' is named twice."),
        ("--fancy", "No such option"),
    ],
)
def test_what_cannot_be_is_refused_with_exit_2_and_no_file(
    options: str, said: str, run: Run, desk: Path
) -> None:
    seen = run(f"csfnns key new mine.key {options}")
    assert said in seen
    assert seen.endswith("[exit 2]")
    assert not list(desk.iterdir())


def test_covers_too_small_for_any_secret_are_refused_when_the_key_is_made(
    transcript: Transcript, desk: Path
) -> None:
    transcript("""
        $ csfnns key new mine.key --size 64 --profile robust
        error: A grid of 16x16 is too small for the header.
        hint: Use a larger cover.
        [exit 7]
    """)
    assert not list(desk.iterdir())


def test_nothing_secret_is_ever_shown(run: Run, desk: Path) -> None:
    made = run("csfnns key new team.key --receiver bob --size 64")
    shown = [
        run(f"csfnns key show {name} {form}")
        for name in ("team.key", "team.bob.key")
        for form in ("", "--json")
    ]
    text = (desk / "team.key").read_text() + (desk / "team.bob.key").read_text()
    secrets = [line.strip(' ",') for line in text.splitlines() if line.count(" - ") == 1 and '"' in line]
    parts = [part for secret in secrets for part in secret.split()[:4]]
    assert len(parts) >= 12 * 4
    public = json.loads(shown[1])["id"].split("-")
    assert not [part for part in parts if part not in public and any(part in out for out in [made, *shown])]


def test_json_tells_which_files_were_made(run: Run, desk: Path) -> None:
    made = json.loads(run("csfnns key new team.key --receiver bob --size 64 --json"))
    assert made["file"] == "team.key"
    assert made["receiver_files"] == {"bob": "team.bob.key"}
    assert made["profile"]["width"] == 64


def test_a_key_that_others_can_read_is_warned_about(transcript: Transcript, run: Run, desk: Path) -> None:
    run("csfnns key new mine.key --size 64")
    (desk / "mine.key").chmod(0o644)
    transcript("""
        $ csfnns key show mine.key
        warning: Other users of this computer can get at mine.key. Make it yours alone: chmod 600 mine.key
        id          ...
        ...
    """)
    warned, _ = run("csfnns key show mine.key --json").splitlines()
    assert json.loads(warned)["warning"].startswith("Other users")


def test_a_mangled_key_is_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "mine.key").write_text("not a key [at all]")
    transcript("""
        $ csfnns key show mine.key
        error: mine.key...
        hint: ...
        [exit 4]
        $ csfnns key show missing.key
        error: There is no key file missing.key.
        hint: Check the name, or make a new key.
        [exit 4]
    """)

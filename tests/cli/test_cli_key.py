import json
from collections.abc import Callable
from pathlib import Path

import pytest

Transcript = Callable[[str], None]
Run = Callable[[str], str]


def test_a_key_for_both_ends_is_made_and_shown(transcript: Transcript) -> None:
    transcript("""
        $ csfnns key new mine.key --size 768x512
        mine.key hides and reveals, for everyone who has a copy.
        Give a copy to the other end alone, in person or over a secure channel.
        $ csfnns key show mine.key
        id        ...-...-...-...
        use       hides and reveals, at both ends
        covers    768x512, abstract
        profile   standard, decoder trellis
        $ csfnns key new old.key --profile paper --bpp 24
        ...
        $ csfnns key show old.key
        ...
        profile   paper, decoder shuffle, 96 channels, xavier-normal weights, 24 bits per cover pixel
    """)


def test_each_receiver_gets_a_file_of_their_own(transcript: Transcript, run: Run, desk: Path) -> None:
    transcript("""
        $ csfnns key new team.key --receiver bob --receiver carol --size 64
        team.key is yours alone: it hides for bob and carol, and reveals their answers.
        Give team.bob.key to bob, team.carol.key to carol: each in person or over a secure channel.
        $ csfnns key show team.key
        id        ...
        use       hides for bob and carol, and reveals their answers
        ...
        $ csfnns key show team.carol.key
        id        ...
        use       reveals what is hidden for carol, and hides answers
        ...
    """)
    files = [json.loads(run(f"csfnns key show {file.name} --json")) for file in desk.glob("*.key")]
    assert len({file["id"] for file in files}) == 1
    assert {file["owner"] for file in files} == {"sender", "bob", "carol"}
    assert all((file.stat().st_mode & 0o777) == 0o600 for file in desk.glob("*.key"))


def test_a_key_is_never_overwritten_and_none_stays_if_one_cannot_be_written(transcript: Transcript, desk: Path) -> None:
    (desk / "team.carol.key").write_text("precious")
    transcript("""
        $ csfnns key new team.carol.key
        error: team.carol.key exists already.
        hint: Choose another name: no key is ever overwritten.
        [exit 4]
        $ csfnns key new team.key --receiver bob --receiver carol
        error: team.carol.key exists already.
        ...
        [exit 4]
    """)
    assert [file.name for file in desk.iterdir()] == ["team.carol.key"]
    assert (desk / "team.carol.key").read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--profile best", "There is no profile 'best'."),
        ("--size 100", "width must be a multiple of 16, got 100."),
        ("--size 48", "width must be greater than or equal to 64, got 48."),
        ("--size 1x2x3", "size must be like 512 or 768x512, got '1x2x3'."),
        ("--bpp 24", "bpp goes with a network, and this decoder is 'trellis'."),
        ("--bpp 12 --profile paper", "bpp must be '24', '6' or '1.5', got '12'."),
        ("--generator fractal", "There is no cover generator 'fractal'."),
        ("--generator folder", "The generator folder needs an album."),
        ("--generator diffusion", "The generator diffusion needs a model."),
        ("--generator abstract --album .", "--album does not go with the generator abstract."),
        ("--album . --model x", "--model does not go with the generator folder."),
        ("--prompt Campus", "--prompt and --set go with a diffusion model."),
        ("--receiver Bob", "A receiver cannot be named 'Bob'."),
        ("--receiver bob --receiver bob", "The receiver 'bob' is named twice."),
        ("--receiver sender", "The name 'sender' is reserved."),
        ("--fancy", "No such option"),
    ],
)
def test_a_bad_choice_is_refused_with_exit_2_and_no_file(options: str, said: str, run: Run, desk: Path) -> None:
    seen = run(f"csfnns key new mine.key {options}")
    assert said in seen
    assert seen.endswith("[exit 2]")
    assert not list(desk.iterdir())


def test_covers_too_small_for_any_secret_are_refused_when_the_key_is_made(run: Run, desk: Path) -> None:
    seen = run("csfnns key new mine.key --size 64 --profile robust")
    assert "size must be at least 256x256 with profile robust, got 64x64." in seen
    assert seen.endswith("[exit 2]")
    assert not list(desk.iterdir())


def test_nothing_secret_is_ever_shown(run: Run, desk: Path) -> None:
    made = run("csfnns key new team.key --receiver bob --size 64")
    shown = [run(f"csfnns key show {name} {form}") for name in ("team.key", "team.bob.key") for form in ("", "--json")]
    text = (desk / "team.key").read_text() + (desk / "team.bob.key").read_text()
    parts = [part for line in text.splitlines() if " - " in line for part in line.strip(' ",').split()[:4]]
    assert len(parts) == 12 * 4
    public = json.loads(shown[1])["id"].split("-")
    assert not [part for part in parts if part not in public and any(part in out for out in [made, *shown])]


def test_json_names_the_files_that_were_made(run: Run, desk: Path) -> None:
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


def test_a_damaged_or_old_key_is_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "mine.key").write_text("not a key [at all]")
    (desk / "old.key").write_text('# csfnns key file. KEEP IT SECRET.\nformat = 1\nrole = "sender"\n')
    transcript("""
        $ csfnns key show mine.key
        error: mine.key is not a key file.
        hint: ...
        [exit 4]
        $ csfnns key show old.key
        error: old.key is a key of csfnns 0.1.
        hint: Make a new key with 'csfnns key new', and reveal old pictures with csfnns 0.1.
        [exit 4]
        $ csfnns key show missing.key
        error: There is no key file missing.key.
        hint: Check the name, or make a new key.
        [exit 4]
    """)


def test_a_phrase_is_made_of_random_words(run: Run) -> None:
    phrase, note = run("csfnns key phrase").splitlines()
    assert len(phrase.split()) == 6
    assert note.startswith("96 random bits.")
    made = json.loads(run("csfnns key phrase --words 8 --json"))
    assert (len(made["phrase"].split()), made["bits"]) == (8, 128)
    assert "words must be in 6…16, got 5." in run("csfnns key phrase --words 5")

"""Networks to deceive, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from csfnns.api import make_cover
from csfnns.keys import read_key
from csfnns.output import write_picture
from csfnns.picture import Picture, read_picture
from csfnns.steganalysis import shipped_networks

Transcript = Callable[[str], None]
Run = Callable[[str], str]

NAME = next(iter(shipped_networks()))
HIDE = "csfnns hide secret.png -k mine.key --steps 60"


@pytest.fixture(autouse=True)
def key(photo: Picture, fixed_key: Callable[..., None]) -> None:
    fixed_key("mine.key", side=64)


def test_a_network_is_deceived_and_the_secret_revealed(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ {HIDE} -o sent.png --against {NAME}
        sent.png: message 1
        ...
        Secrets are carried, and compared here, as 32x32.
        {NAME} calls it a stego with a probability of ..., and its cover with ....
        It was made to deceive those named: others that learn from such pictures find it nearly as well.
        $ csfnns reveal sent.png -k mine.key -o back.png
        back.png: 60x40, message 1 for main
        ...
    """)
    assert read_picture(desk / "back.png").shape == (40, 60, 3)


def test_it_scores_lower_than_without(run: Run, monkeypatch: pytest.MonkeyPatch, desk: Path) -> None:
    found = {}
    for name, options in (("naive", ""), ("sly", f"--against {NAME} --gamma 1e-3")):
        monkeypatch.setenv("CSFNNS_HOME", str(desk / name))  # so that both have message 1, and its cover
        told = json.loads(run(f"{HIDE} -o {name}.png {options} --json"))
        judged = json.loads(run(f"csfnns steganalysis score {name}.png --detector {NAME} --json"))
        found[name] = judged["scores"][0]["score"]
        assert told["message"] == 1
        if options:
            write_picture(make_cover(read_key(desk / "mine.key"), 1).picture, desk / "cover.png")
            cover = json.loads(run(f"csfnns steganalysis score cover.png --detector {NAME} --json"))
            assert told["against"] == {NAME: {"cover": cover["scores"][0]["score"], "stego": found[name]}}
    assert found["sly"] < found["naive"]


def test_what_makes_no_sense_is_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "note.txt").write_text("a file")
    transcript(f"""
        $ csfnns hide note.txt -k mine.key -o a.png --against {NAME}
        error: --against is for pictures that go by way of a search.
        ...
        [exit 2]
        $ csfnns hide secret.png -k mine.key -o a.png --exact --gamma 1
        error: --gamma is for pictures that go by way of a search.
        ...
        [exit 2]
        $ {HIDE} -o a.png --gamma 1
        error: --gamma weighs the networks of --against, and there is none.
        hint: Name one, such as --against xunet, or leave --gamma out.
        [exit 2]
        $ {HIDE} -o a.png --against {NAME} --grain
        error: ...
        hint: Leave grain out, or the networks.
        [exit 2]
        $ {HIDE} -o a.png --against eyes
        error: There is no file 'eyes', and no network of that name comes taught.
        hint: Give the file of a model, or the name of a network that comes taught: ...{NAME}....
        [exit 2]
    """)
    assert not (desk / "a.png").exists()

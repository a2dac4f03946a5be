"""Networks to evade, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from csfnns.api import make_cover
from csfnns.keys import Ledger, read_key
from csfnns.output import write_picture
from csfnns.picture import Picture, read_picture
from csfnns.steganalysis import shipped_networks

Transcript = Callable[[str], None]
Run = Callable[[str], str]

NAME = next(iter(shipped_networks()))
HIDE = "csfnns hide secret.png -k mine.key --steps 60"


@pytest.fixture(autouse=True)
def keys(photo: Picture, fixed_key: Callable[..., None]) -> None:
    """mine.key with a search by gradients, and standard.key without."""
    fixed_key("mine.key", profile="paper", side=64)
    fixed_key("standard.key", side=64)


def test_a_network_is_evaded_and_the_secret_revealed(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ {HIDE} -o sent.png --evade {NAME}
        sent.png: message 1
        main gets a picture of 32x32, ... by the network).
        ...
        {NAME} calls it a stego with a probability of ..., and its cover with ....
        It evades those named: others that learn from such pictures find it nearly as well.
        $ csfnns reveal sent.png -k mine.key -o back.png
        back.png: ..., message 1 for main
        ...
    """)
    assert read_picture(desk / "back.png").shape == (32, 32, 3)


def test_it_scores_lower_than_without(run: Run, monkeypatch: pytest.MonkeyPatch, desk: Path) -> None:
    found = {}
    for name, options in (("naive", ""), ("sly", f"--evade {NAME} --gamma 1e-3")):
        monkeypatch.setenv("CSFNNS_HOME", str(desk / name))  # so that both have message 1, and its cover
        told = json.loads(run(f"{HIDE} -o {name}.png {options} --json"))
        judged = json.loads(run(f"csfnns steganalysis score {name}.png --detector {NAME} --json"))
        found[name] = judged["scores"][0]["score"]
        assert told["message"] == 1
        if not options:
            assert "evaded" not in told
            continue
        write_picture(make_cover(read_key(desk / "mine.key"), 1).picture, desk / "cover.png")
        cover = json.loads(run(f"csfnns steganalysis score cover.png --detector {NAME} --json"))
        assert told["evaded"] == {NAME: {"cover": cover["scores"][0]["score"], "stego": found[name]}}
    assert found["sly"] < found["naive"]


def test_a_standard_key_has_no_search_that_evades(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ csfnns hide secret.png -k standard.key -o a.png --evade {NAME}
        error: --evade needs a search by gradients, which hides pictures with a key of profile paper or robust.
        hint: Leave it out, or make a key with 'csfnns key new --profile robust'.
        [exit 2]
        $ csfnns hide secret.png -k standard.key -o a.png --gamma 1
        error: --gamma needs a search by gradients, ...
        hint: ...
        [exit 2]
    """)
    assert not (desk / "a.png").exists()
    assert Ledger().highest(read_key(desk / "standard.key").id) == 0


def test_what_makes_no_sense_is_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "note.txt").write_text("a file")
    transcript(f"""
        $ csfnns hide note.txt -k mine.key -o a.png --evade {NAME}
        error: --evade needs a search by gradients, which hides pictures ...
        ...
        [exit 2]
        $ csfnns hide secret.png -k mine.key -o a.png --exact --gamma 1
        error: --gamma needs a search by gradients, which hides pictures ...
        ...
        [exit 2]
        $ {HIDE} -o a.png --gamma 1
        error: --gamma weighs the networks of --evade, and there is none.
        hint: Name one, such as --evade xunet, or leave --gamma out.
        [exit 2]
        $ {HIDE} -o a.png --evade {NAME} --gamma 0
        error: gamma must be above 0, got 0.0.
        ...
        [exit 2]
        $ {HIDE} -o a.png --evade {NAME} --grain
        error: A picture of a key of profile 'paper' goes by a search.
        hint: Leave --quality and --grain out, or send the picture's own bytes: --exact.
        [exit 2]
        $ {HIDE} -o a.png --evade eyes
        error: There is no file 'eyes', and no network of that name comes taught.
        hint: Give the file of a model, or the name of a network that comes taught: ...{NAME}....
        [exit 2]
        $ {HIDE} -o a.png --against {NAME}
        ...
        [exit 2]
    """)
    assert not (desk / "a.png").exists()
    assert Ledger().highest(read_key(desk / "mine.key").id) == 0

"""Covers of a diffusion model, on the command line."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny_diffusion import tiny_model

Transcript = Callable[[str], None]
Run = Callable[..., str]

FAST = "--size 64 --set steps=2 --set device=cpu"


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory, desk: Path) -> Path:
    """The folder "model"."""
    return Path(shutil.copytree(tiny_model(tmp_path_factory), desk / "model"))


@pytest.mark.usefixtures("photo")
def test_a_secret_goes_through_a_diffusion_model(model: Path, transcript: Transcript) -> None:
    transcript(f"""
        $ csfnns key new mine.key --model model --prompt "A lake" --prompt Campus {FAST}
        Making a reference picture with the model: seconds on a GPU, minutes without.
        mine.key hides and reveals, for everyone who has a copy.
        ...
        $ csfnns hide secret.png -k mine.key -o holiday.png
        error: ...
        hint: ...
        [exit 6]
        $ csfnns hide secret.png -k mine.key -o holiday.png --covers model
        holiday.png is ready: ...
        ...
        $ csfnns config set covers model
        ...
        $ csfnns reveal holiday.png -k mine.key -o back.png
        Revealed back.png: a 60x40 picture, ...
    """)
    file = model / "scheduler" / "scheduler_config.json"
    usual = json.loads(file.read_text())
    shutil.copytree(model, "other")
    Path("other/scheduler/scheduler_config.json").write_text(json.dumps(usual | {"beta_end": 0.02}))
    transcript("""
        $ csfnns hide secret.png -k mine.key -o second.png --covers other
        error: This model does not make the covers of this key. DDIMScheduler's beta_end: expected 0.012, here 0.02.
        hint: Use the other end's model, with its scheduler's settings, file by file.
        [exit 6]
    """)


def test_choices_of_the_model_stand_in_the_key(model: Path, ask: Callable[[str], Any]) -> None:
    choices = "--set scheduler=LCMScheduler --set guidance=0 --prompt 'a  harbour'"
    made = ask(f"csfnns key new mine.key --generator diffusion --model model {choices} {FAST}")
    drawn = made["profile"]["diffusion"]
    assert (drawn["scheduler"], drawn["guidance"], drawn["steps"]) == ("LCMScheduler", "0", 2)
    assert drawn["prompts"] == ["a harbour"]
    assert (os.stat("mine.key").st_mode & 0o777) == 0o600


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        ("--generator diffusion", "The generator diffusion needs a model.", 2),
        ("--set scheduler=DDIMScheduler", "--prompt and --set go with a diffusion model.", 2),
        ("--model models/typo", "There is no model models/typo: no such folder or file.", 6),
        ("--hub owner/name@main", "must be a commit of 40 hexadecimal digits, got main.", 2),
        ("--hub owner/name", "must be a commit of 40 hexadecimal digits, got none.", 2),
        ("--hub owner/name --model here", "--model and --hub both name a model.", 2),
        ("--model nowhere --set colour=red", "A model has no setting 'colour'.", 2),
        ("--model nowhere --set steps=many", "steps must be a number, got 'many'.", 2),
    ],
)
def test_what_cannot_be_is_refused(options: str, said: str, code: int, run: Run, desk: Path) -> None:
    seen = run(f"csfnns key new a.key {options}")
    assert said in seen
    assert "\nhint: " in seen
    assert seen.endswith(f"[exit {code}]")
    assert not list(desk.iterdir())


def test_a_model_for_a_key_without_one_is_refused(run: Run) -> None:
    run("csfnns key new mine.key --size 64")
    assert "need no" in run("csfnns cover -k mine.key --covers model")
    assert "need no" in run(f"csfnns cover -k mine.key --covers hub:owner/name@{'0' * 40}")

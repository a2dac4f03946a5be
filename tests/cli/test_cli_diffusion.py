"""Covers of a diffusion model, on the command line."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tiny_diffusion import tiny_model

Transcript = Callable[[str], None]
Run = Callable[[str], str]

FAST = "--size 64 --sampling-steps 2 --device cpu"


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory, desk: Path) -> Path:
    """The folder "model"."""
    return Path(shutil.copytree(tiny_model(tmp_path_factory), desk / "model"))


@pytest.mark.usefixtures("model", "photo")
def test_a_secret_goes_through_a_diffusion_model(transcript: Transcript) -> None:
    transcript(f"""
        $ csfnns key new mine.key --generator diffusion --model model --prompt "A lake" --prompt Campus {FAST}
        Making a reference picture with the model: seconds on a GPU, minutes without.
        mine.key: your key. Anyone who has it can reveal your messages. Give the receiver a copy.
        id           ...
        profile      standard, version 1
        covers       64x64, generator diffusion
        decoder      trellis
        prompts      A lake | Campus
        drawn in     2 steps of DDIMScheduler, guidance 7.5
        drawn with   torch=..., diffusers=..., transformers=..., dtype=float32, ...
        model        pipeline=StableDiffusionPipeline, text_encoder=..., tokenizer=..., unet=..., vae=...
        ...
        $ csfnns cover -k mine.key --model model
        ...-...-...-...
        The other end must get the same words. Never send this cover with a secret in it.
        $ csfnns hide secret.png -k mine.key -o holiday.png
        error: This key's covers come from a diffusion model.
        hint: Name its place: --model PATH|NAME.
        [exit 6]
        $ csfnns hide secret.png -k mine.key -o holiday.png --model model
        holiday.png: message 1
        ...
        $ csfnns reveal holiday.png -k mine.key -o back.png --model model
        back.png: 60x40, message 1 for main
        ...
    """)


@pytest.mark.usefixtures("photo")
def test_another_setting_is_named_before_a_number_is_used_up(
    model: Path, transcript: Transcript, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSFNNS_MODEL", "model")
    run(f"csfnns key new mine.key --generator diffusion {FAST}")
    file = model / "scheduler" / "scheduler_config.json"
    usual = file.read_text()
    shutil.copytree(model, "other")
    Path("other/scheduler/scheduler_config.json").write_text(
        json.dumps(json.loads(usual) | {"beta_end": 0.02})
    )
    transcript("""
        $ csfnns hide secret.png -k mine.key -o holiday.png --model other
        error: This model does not make the covers of this key. DDIMScheduler's beta_end: expected 0.012, here 0.02.
        hint: Use the other end's model, with its scheduler's settings, file by file.
        [exit 6]
        $ csfnns hide secret.png -k mine.key -o holiday.png
        holiday.png: message 1
        ...
    """)


def test_choices_of_the_model_stand_in_the_key(model: Path, run: Run) -> None:
    choices = "--scheduler LCMScheduler --guidance 0 --prompt 'a  harbour'"
    made = json.loads(
        run(f"csfnns key new mine.key --generator diffusion --model model {choices} {FAST} --json")
    )
    drawn = made["profile"]["diffusion"]
    assert (drawn["scheduler"], drawn["guidance"], drawn["steps"]) == ("LCMScheduler", "0", 2)
    assert drawn["prompts"] == ["a harbour"]
    assert (os.stat("mine.key").st_mode & 0o777) == 0o600


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        ("key new a.key --generator diffusion", "The generator diffusion needs a model.", 2),
        ("key new a.key --model model", "--model goes with --generator diffusion.", 2),
        ("key new a.key --scheduler DDIMScheduler", "--scheduler goes with --generator diffusion.", 2),
        ("key new a.key --generator diffusion --model nowhere", "There is no model nowhere.", 6),
        ("cover --passphrase --generator diffusion --model m", "need a key file, not a passphrase.", 2),
    ],
)
def test_what_cannot_be_is_refused(options: str, said: str, code: int, run: Run, desk: Path) -> None:
    seen = run(f"csfnns {options}")
    assert said in seen
    assert seen.endswith(f"[exit {code}]")
    assert not list(desk.iterdir())


def test_a_model_for_a_key_without_one_is_refused(run: Run) -> None:
    run("csfnns key new mine.key --size 64")
    assert "need no model" in run("csfnns cover -k mine.key --model model")

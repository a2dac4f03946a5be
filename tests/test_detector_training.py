"""The program that trains the pretrained networks: from pictures to weights, resumed, and tested."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from csfnns.experiments import load_pairs
from csfnns.images.io import read_picture
from csfnns.images.output import write_picture
from csfnns.steganalysis import Deep, roc

SMALL = ["--size", "64", "--crops", "2", "--search-steps", "20", "--crop", "32"]
SMALL += ["--steps", "4", "--batch", "2"]


@pytest.fixture(scope="module")
def training(training_program: Callable[[str], ModuleType]) -> ModuleType:
    return training_program("detectors")


@pytest.fixture
def pictures(tmp_path: Path, scene: Any) -> Path:
    """A folder as the program expects it, with pictures for measuring beside that it must not touch."""
    numbers = {"covers/train": 4, "covers/eval": 3, "secrets/imagenet": 2}
    for i, (folder, number) in enumerate(numbers.items()):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for k in range(number):
            write_picture(scene(80, 80, 10 * i + k), tmp_path / "data" / folder / f"{folder[-4:]}{k}.png")
    return tmp_path / "data"


def test_from_pictures_to_tested_weights(training: ModuleType, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    covers, stegos = pictures / "covers" / "eval", tmp_path / "stegos"
    stegos.mkdir()
    for path in covers.iterdir():
        noisy = read_picture(path)
        noisy[::2] ^= 1
        write_picture(noisy, stegos / path.name)
    command = [*SMALL, "--data", str(pictures), "--out", str(out), "--test-covers", str(covers)]
    training.main([*command, "--test-stegos", str(stegos)])

    pairs = load_pairs(out / "pairs")
    assert (pairs.key, len(pairs.names)) == ("paper-6", 8)
    assert {name[:5] for name in pairs.names} == {"rain0", "rain1", "rain2", "rain3"}
    written = Deep.load(out / "xunet.safetensors", detector="xunet")
    about = written.about
    assert about["pictures"] == "Stable Diffusion pictures with secrets of the scheme paper, 6 bits a pixel"
    assert about["pairs"] + about["held_out_pictures"] // 2 == 8
    names = sorted(path.name for path in covers.iterdir())
    first, second = (written.scores([read_picture(side / name) for name in names]) for side in (covers, stegos))
    assert about["test_pictures"] == 6
    assert about["test_accuracy"] == ((first <= 0.5).sum() + (second > 0.5).sum()) / 6
    assert about["test_auc"] == round(roc(first, second, paired=True).auc, 3)
    assert f"| test auc | {about['test_auc']} |" in (out / "xunet.md").read_text("utf-8")
    assert [row["step"] for row in json.loads((out / "xunet.json").read_text())] == [1, 2, 3, 4]


def test_the_same_command_resumes_and_ends_with_the_same_weights(
    training: ModuleType, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from csfnns.steganalysis import training as loop

    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    training.main([*SMALL, "--data", str(pictures), "--out", str(straight)])
    again = [*SMALL, "--pairs", str(straight / "pairs"), "--pictures", "Stable Diffusion pictures"]
    again += ["--out", str(stopped)]
    draw, steps = loop.draw_batch, list[int]()

    def stop(*given: Any) -> object:
        if given[2] == 2:
            raise KeyboardInterrupt
        return draw(*given)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "SAVE_EVERY", 0.0)
        patched.setattr(loop, "draw_batch", stop)
        with pytest.raises(KeyboardInterrupt):
            training.main(again)
    assert not (stopped / "xunet.safetensors").exists()
    monkeypatch.setattr(loop, "draw_batch", lambda *given: (steps.append(given[2]), draw(*given))[1])
    training.main(again)
    training.main(again)
    assert steps == [2, 3]
    files = [folder / "xunet.safetensors" for folder in (straight, stopped)]
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(SystemExit, match="state of another training"):
        training.main([*again, "--batch", "3"])


def test_unsuitable_input_is_refused(training: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There are no pictures"):
        training.main([*SMALL, "--data", str(tmp_path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="go together"):
        training.main([*SMALL, "--out", str(tmp_path / "out"), "--test-covers", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"no pairs\.json"):
        training.main([*SMALL, "--out", str(tmp_path / "out"), "--pairs", str(tmp_path)])

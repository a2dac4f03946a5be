"""The program that trains the pretrained networks: from sets of pairs to weights, resumed, and tested."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from csfnns.experiments import PairSpec, load_pairs, make_pairs
from csfnns.images.output import write_picture
from csfnns.steganalysis import Deep, roc

SMALL = ["--crop", "32", "--steps", "4", "--batch", "2"]


@pytest.fixture(scope="module")
def training(training_program: Callable[[str], ModuleType]) -> ModuleType:
    return training_program("detectors")


@pytest.fixture
def sets(tmp_path: Path, scene: Any) -> list[str]:
    """Folders of two sets to train on, of the same pictures, and of one to test on."""
    folders = []
    for name, pictures, rate in (("few", 4, 0.1), ("many", 4, 0.5), ("others", 3, 0.5)):
        covers = tmp_path / f"{name} covers"
        covers.mkdir()
        for k in range(pictures):
            write_picture(scene(80, 80, k + (10 if name == "others" else 0)), covers / f"{name == 'others'}{k}.png")
        make_pairs(PairSpec("matching", covers, rate=rate), 2 * pictures, tmp_path / name)
        folders.append(str(tmp_path / name))
    return folders


def command(sets: list[str], out: Path) -> list[str]:
    return [*SMALL, "--pairs", sets[0], "--pairs", sets[1], "--test", sets[2], "--out", str(out)]


def test_from_sets_to_tested_weights(training: ModuleType, sets: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    training.main([*command(sets, out), "--pictures", "scenes"])

    written = Deep.load(out / "xunet.safetensors", detector="xunet")
    about = written.about
    assert about["pictures"] == "scenes; stegos of matching, 0.3 bits a pixel; matching, 1.5 bits a pixel"
    assert about["pairs"] + about["held_out_pictures"] // 2 == 16
    report = json.loads((out / "xunet.json").read_text())
    assert [row["step"] for row in report["curve"]] == [1, 2, 3, 4]
    few, many, others = report["tested"]
    assert few["pictures"] == many["pictures"] == about["held_out_pictures"] // 2  # the same pictures are held out
    assert about["accuracy"] == (few["right"] + many["right"]) / about["held_out_pictures"]
    pairs = load_pairs(Path(sets[2]))
    covers, stegos = (written.scores([read(name) for name in pairs.names]) for read in (pairs.cover, pairs.stego))
    assert (others["set"], others["held_out"], others["pictures"]) == ("others", False, 12)
    assert (others["right"], others["false_alarms"]) == (
        (covers <= 0.5).sum() + (stegos > 0.5).sum(),
        (covers > 0.5).sum(),
    )
    assert others["auc"] == round(roc(covers, stegos, paired=True).auc, 4)


def test_the_same_command_resumes_and_ends_with_the_same_weights(
    training: ModuleType, sets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from csfnns.steganalysis import training as loop

    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    training.main(command(sets, straight))
    again = command(sets, stopped)
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
    with pytest.raises(SystemExit, match=r"no pairs\.json"):
        training.main([*SMALL, "--out", str(tmp_path / "out"), "--pairs", str(tmp_path)])

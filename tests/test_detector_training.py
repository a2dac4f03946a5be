"""The program that trains the pretrained networks: from sets of pairs to weights, resumed, and tested."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from csfnns.experiments import PairSpec, load_pairs, make_pairs
from csfnns.experiments.pairs import source_of
from csfnns.images.output import write_picture
from csfnns.steganalysis import Deep, roc
from csfnns.steganalysis.training import held_out

SMALL = ["--crop", "32", "--steps", "4", "--batch", "2"]


@pytest.fixture(scope="module")
def training(training_program: Callable[[str], ModuleType]) -> ModuleType:
    return training_program("detectors")


@pytest.fixture
def sets(tmp_path: Path, scene: Any) -> list[str]:
    """Folders of two sets, of the same pictures."""
    (tmp_path / "covers").mkdir()
    for k in range(4):
        write_picture(scene(80, 80, k), tmp_path / "covers" / f"{k}.png")
    for name, rate in (("few", 0.1), ("many", 0.5)):
        make_pairs(PairSpec("matching", tmp_path / "covers", rate=rate), 8, tmp_path / name)
    return [str(tmp_path / "few"), str(tmp_path / "many")]


def command(sets: list[str], out: Path) -> list[str]:
    return [*SMALL, "--pairs", sets[0], "--pairs", sets[1], "--out", str(out)]


def test_from_sets_to_tested_weights(training: ModuleType, sets: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    training.main([*command(sets, out), "--pictures", "scenes"])

    written = Deep.load(out / "xunet.safetensors", detector="xunet")
    about = written.about
    assert about["pictures"] == "scenes; stegos of matching, 0.3 bits a pixel; matching, 1.5 bits a pixel"
    assert about["pairs"] + about["held_out_pictures"] // 2 == 16
    report = json.loads((out / "xunet.json").read_text())
    assert [row["step"] for row in report["curve"]] == [1, 2, 3, 4]
    few, many = report["tested"]
    assert few["pictures"] == many["pictures"] == about["held_out_pictures"] // 2  # the same pictures are held out
    assert about["accuracy"] == (few["right"] + many["right"]) / about["held_out_pictures"]
    pairs = load_pairs(Path(sets[1]))
    apart = held_out([source_of(name) for name in pairs.names], about["held_out"])
    names = [name for name in pairs.names if source_of(name) in apart]
    covers, stegos = (written.scores([read(name) for name in names]) for read in (pairs.cover, pairs.stego))
    assert many["right"] == (covers <= 0.5).sum() + (stegos > 0.5).sum()
    assert many["auc"] == round(roc(covers, stegos, paired=True).auc, 4)


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

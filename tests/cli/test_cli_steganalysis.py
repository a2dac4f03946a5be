import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from csfnns.experiments.pair_set import source_of
from csfnns.picture import Picture, read_picture
from csfnns.steganalysis import Deep, Lesson, shipped_networks
from csfnns.steganalysis.learning import held_out

Transcript = Callable[[str], None]
Run = Callable[[str], str]
Scene = Callable[..., Picture]

PAIRS = 12


@pytest.fixture(autouse=True)
def folders(desk: Path, scene: Scene) -> None:
    """Twelve pairs in covers/ and stegos/: half of the lowest bits are random in the stegos."""
    random = np.random.default_rng(0)
    for name in ("covers", "stegos"):
        (desk / name).mkdir()
    for i in range(PAIRS):
        cover = scene(48, 64, i) // 2 + random.integers(60, 66, (48, 64, 3), np.uint8)
        bits = random.integers(0, 2, cover.shape, np.uint8)
        stego = np.where(random.random(cover.shape) < 0.5, (cover & 254) | bits, cover)
        Image.fromarray(cover).save(desk / "covers" / f"{i:02}.png")
        Image.fromarray(stego).save(desk / "stegos" / f"{i:02}.png")


def test_pictures_are_scored_in_the_order_given(transcript: Transcript) -> None:
    transcript("""
        $ csfnns steganalysis score stegos/03.png covers/03.png
        stegos/03.png 0.5...
        covers/03.png 0.2...
        The tool of that name suspects pictures above 0.2.
        $ csfnns steganalysis score covers/00.png --detector rs
        covers/00.png ...
        Scores estimate the share of levels whose lowest bit was replaced.
    """)


def test_a_picture_too_small_to_tell_has_no_score(transcript: Transcript, run: Run, desk: Path) -> None:
    Image.new("RGB", (1, 1)).save(desk / "dot.png")
    transcript("""
        $ csfnns steganalysis score dot.png --detector sample-pairs
        dot.png n/a
        ...
        Pictures with n/a are too small to tell.
    """)
    content = json.loads(run("csfnns steganalysis score dot.png covers/00.png --json"))
    assert content["detector"] == "stegexpose"
    assert content["scores"][0] == {"file": "dot.png", "score": None}
    assert 0 <= content["scores"][1]["score"] <= 1


@pytest.mark.parametrize("detector", ["stegexpose", "primary-sets", "chi-square", "sample-pairs", "rs"])
def test_every_detector_gives_a_curve(detector: str, run: Run) -> None:
    content = json.loads(
        run(f"csfnns steganalysis roc --covers covers --stegos stegos --detector {detector} --json")
    )
    assert (content["detector"], content["covers"], content["stegos"]) == (detector, PAIRS, PAIRS)
    assert 0 <= content["low"] <= content["auc"] <= content["high"] <= 1
    wins = np.array(content["stego_scores"])[:, None] - np.array(content["cover_scores"])
    assert content["auc"] == pytest.approx(np.mean((np.sign(wins) + 1) / 2))


def test_a_curve_is_told_and_drawn(transcript: Transcript, desk: Path) -> None:
    transcript("""
        $ csfnns steganalysis roc --detector sample-pairs --covers covers --stegos stegos -o roc.png
        detector      sample-pairs
        pictures      12 covers, 12 stegos
        AUC           1.000, 95 % interval 1.000…1.000; 0.5 is guessing
        least error   0.0 %: the mean of misses and false alarms at the best threshold
        Written: roc.png.
    """)
    assert read_picture(desk / "roc.png").shape == (675, 675, 3)


def test_spam_is_trained_and_judges(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns steganalysis train --covers covers --stegos stegos -o model
        Learned from 12 pairs; wrong on ... % of those that its members did not see.
        Written: model.
        $ csfnns steganalysis score stegos/00.png --detector spam --model model
        stegos/00.png ...
        Scores are the share of votes for stego: above 0.5 most say so.
    """)
    known = "csfnns steganalysis roc --detector spam --covers covers --stegos stegos --json"
    assert json.loads(run(f"{known} --model model"))["auc"] > 0.9
    first = run("csfnns steganalysis train --covers covers --stegos stegos -o again --json")
    assert json.loads(first)["pairs"] == PAIRS
    same = [
        run(f"csfnns steganalysis score stegos/04.png --detector spam --model {name}")
        for name in ("model", "again")
    ]
    assert same[0] == same[1]


LEARN = "csfnns steganalysis train --covers covers --stegos stegos --detector xunet --steps 30 --batch 4 --crop 32"


def test_a_network_is_trained_and_judges(transcript: Transcript, run: Run, desk: Path) -> None:
    notes = "--pictures 'scenes with noise' --licence none"
    transcript(f"""
        $ {LEARN} -o model.safetensors {notes}
        Learned from 8 pairs; right on ... % of 8 held-out pictures.
        Written: model.safetensors, model.md, model.json, model.png.
        $ csfnns steganalysis score stegos/00.png --detector xunet --model model.safetensors
        stegos/00.png 0...
        Scores are probabilities of a stego, if half of all pictures are.
        Taught on scenes with noise; other pictures and schemes may look different to it.
    """)
    assert not (desk / "model.safetensors.state").exists()
    assert "| pictures | scenes with noise |" in (desk / "model.md").read_text("utf-8")
    curve = json.loads((desk / "model.json").read_text())
    assert [row["step"] for row in curve] == list(range(3, 31, 3))
    assert read_picture(desk / "model.png").shape == (600, 900, 3)
    content = json.loads(run(f"{LEARN} -o again {notes} --json"))
    assert (content["file"], content["pairs"], content["judged"]) == ("again", 8, 8)
    assert content["curve"] == curve
    assert (desk / "again").read_bytes() == (desk / "model.safetensors").read_bytes()
    judged = json.loads(
        run("csfnns steganalysis roc --detector xunet --model again --covers covers --stegos stegos --json")
    )
    assert (judged["detector"], len(judged["stego_scores"])) == ("xunet", PAIRS)


@pytest.mark.parametrize("name", shipped_networks())
def test_a_network_that_comes_taught_needs_no_model(name: str, transcript: Transcript, run: Run) -> None:
    transcript(f"""
        $ csfnns steganalysis score stegos/00.png --detector {name}
        stegos/00.png ...
        Scores are probabilities of a stego, if half of all pictures are.
        Taught on ...; other pictures and schemes may look different to it.
        $ csfnns steganalysis roc --detector {name} --covers covers --stegos stegos
        detector ...
        ...
        Taught on ...; other pictures and schemes may look different to it.
    """)
    line = f"csfnns steganalysis score stegos/00.png stegos/01.png --detector {name} --json"
    content = json.loads(run(line))
    shipped = Deep.load(shipped_networks()[name])
    assert content["taught_on"] == shipped.about["pictures"]
    expected = [shipped.score(read_picture(each["file"])) for each in content["scores"]]
    assert [each["score"] for each in content["scores"]] == expected


def test_the_same_command_goes_on_after_a_stop(run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from csfnns.steganalysis import learning

    run(f"{LEARN} -o whole")
    draw = learning.draw_batch

    def stop(pairs: learning.Pairs, lesson: Lesson, step: int) -> object:
        if step == 20:
            raise KeyboardInterrupt
        return draw(pairs, lesson, step)

    with monkeypatch.context() as patched:
        patched.setattr(learning, "SAVE_EVERY", 0.0)
        patched.setattr(learning, "draw_batch", stop)
        assert "[exit" in run(f"{LEARN} -o model")
    assert (desk / "model.state").exists()
    assert not (desk / "model").exists()
    steps: list[int] = []
    monkeypatch.setattr(learning, "draw_batch", lambda *given: (steps.append(given[2]), draw(*given))[1])
    run(f"{LEARN} -o model")
    assert steps == list(range(20, 30))
    assert (desk / "model").read_bytes() == (desk / "whole").read_bytes()


def test_crops_of_a_picture_are_held_out_together(run: Run, desk: Path) -> None:
    for folder in ("covers", "stegos"):
        for path in sorted((desk / folder).iterdir()):
            number = int(path.stem)
            path.rename(path.with_name(f"{number // 4}@sea@{number % 4}.png"))
    content = json.loads(run(f"{LEARN} --steps 1 -o model --json"))
    # Of two @, the same divides as where pairs are judged by experiments.
    held = held_out([source_of(f"{i}@sea@0") for i in range(3)], 0.25)
    assert (content["pairs"], content["judged"]) == (12 - 4 * len(held), 8 * len(held))
    assert "| groups | 3 |" in (desk / "model.md").read_text("utf-8")


def test_a_network_may_begin_with_another(run: Run, desk: Path) -> None:
    run(f"{LEARN} -o easy")
    run(f"{LEARN} -o hard --start easy --crop 0 --device cpu --rate 1e-4 --steps 2")
    card = (desk / "hard.md").read_text("utf-8")
    for row in ("| start | easy |", "| crop | None |", "| rate | 0.0001 |", "| steps | 2 |"):
        assert row in card


def test_what_networks_cannot_do_is_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "old").write_bytes(b"")
    (desk / "old2.md").write_bytes(b"")
    transcript(f"""
        $ {LEARN} -o old
        error: old already exists.
        ...
        [exit 2]
        $ {LEARN} -o old2
        error: old2.md already exists.
        ...
        [exit 2]
        $ {LEARN} -o model.png
        error: model.png would be the name of the card or the curve.
        ...
        [exit 2]
        $ {LEARN} -o model --crop 100
        error: A picture of 64x48 is too small for squares of 100.
        hint: Take larger pictures, or a smaller crop.
        [exit 2]
        $ {LEARN} -o model --start old
        error: old is no model of a network.
        ...
        [exit 2]
        $ {LEARN} -o model --start nowhere
        error: There is no file nowhere.
        hint: Check the path of the model.
        [exit 2]
        $ {LEARN} -o model --rate 1e30
        error: The training of xunet diverged at step ....
        hint: Give a lower rate than 1e+30.
        [exit 2]
        $ csfnns steganalysis train --covers covers --stegos stegos -o model --steps 3
        error: Spam learns without settings and notes.
        hint: Leave them out, or name a network: --detector xunet|yenet|siastegnet|srnet.
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector srnet --model old
        error: old is no model of a network.
        ...
        [exit 2]
    """)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and it would be used")
def test_a_device_that_is_not_there_is_refused(transcript: Transcript) -> None:
    transcript(f"""
        $ {LEARN} -o model --device cuda
        error: The device 'cuda' cannot be used: ....
        hint: Try 'cpu'.
        [exit 2]
    """)


def test_without_a_model_spam_is_cross_validated(run: Run) -> None:
    """Stegos that are the covers themselves cannot be told from them, however well they are known."""
    content = json.loads(
        run("csfnns steganalysis roc --detector spam --covers covers --stegos covers --json")
    )
    assert content["auc"] == 0.5
    assert content["cover_scores"] == content["stego_scores"]


def test_what_cannot_be_done_is_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "empty").mkdir()
    (desk / "model").write_bytes(b"")
    (desk / "stegos" / "11.png").rename(desk / "stegos" / "other.png")
    transcript("""
        $ csfnns steganalysis roc --covers covers --stegos empty
        error: There are no pictures in empty.
        ...
        [exit 3]
        $ csfnns steganalysis roc --covers nowhere --stegos stegos
        error: There is no folder nowhere.
        ...
        [exit 3]
        $ csfnns steganalysis roc --covers covers --stegos stegos -o roc.webp
        error: A curve is drawn as .png, not roc.webp.
        ...
        [exit 2]
        $ csfnns steganalysis roc --covers covers --stegos stegos -o covers/00.png
        error: covers/00.png already exists.
        ...
        [exit 3]
        $ csfnns steganalysis roc --detector spam --covers covers --stegos stegos
        error: Covers and stegos are no pairs: 11 is not in both folders once.
        hint: Learning takes pairs: give each stego the name of its cover.
        [exit 2]
        $ csfnns steganalysis train --detector rs --covers covers --stegos stegos -o new
        error: The detector 'rs' needs no training.
        ...
        [exit 2]
        $ csfnns steganalysis train --covers covers --stegos stegos -o model
        error: model already exists.
        ...
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector spam
        error: The detector 'spam' is trained, and comes from a model.
        ...
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector spam --model model
        error: model is no detector of SPAM features.
        ...
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector rs --model model
        error: The detector 'rs' needs no model.
        ...
        [exit 2]
    """)


def test_a_curve_without_matplotlib_is_refused_before_any_work(
    transcript: Transcript, monkeypatch: pytest.MonkeyPatch, desk: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    transcript("""
        $ csfnns steganalysis roc --covers covers --stegos stegos -o roc.png
        error: A chart needs matplotlib.
        hint: Install it with: pip install 'csfnns[experiments]'.
        [exit 2]
    """)
    assert not (desk / "roc.png").exists()

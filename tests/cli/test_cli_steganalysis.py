import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from csfnns.experiments.pairs import source_of
from csfnns.images.io import Picture, read_picture
from csfnns.steganalysis import DETECTORS, Deep, TrainingConfig, shipped_networks
from csfnns.steganalysis.training import held_out

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


def test_all_pictures_of_a_folder_are_scored(run: Run, desk: Path) -> None:
    content = json.loads(run("csfnns steganalysis score stegos covers/03.png --json"))
    names = [Path(each["file"]).as_posix() for each in content["scores"]]
    assert names == [*sorted(f"stegos/{path.name}" for path in (desk / "stegos").iterdir()), "covers/03.png"]


def test_a_picture_too_small_to_score_has_none(transcript: Transcript, run: Run, desk: Path) -> None:
    Image.new("RGB", (1, 1)).save(desk / "dot.png")
    transcript("""
        $ csfnns steganalysis score dot.png --detector sample-pairs
        dot.png n/a
        ...
        Pictures with n/a are too small to score.
    """)
    content = json.loads(run("csfnns steganalysis score dot.png covers/00.png --json"))
    assert content["detector"] == "stegexpose"
    assert content["scores"][0] == {"file": "dot.png", "score": None}
    assert 0 <= content["scores"][1]["score"] <= 1


def test_detectors_are_listed(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns steganalysis detectors
        stegexpose mean of the next four (Boehm 2014)
        ...
        spam ... (needs --model)
        srm ... (needs --model)
        residual ... (needs --model)
        dctr ... (needs --model)
        xunet network: a fixed filter, absolute values (Xu, Wu, Shi 2016)
        ...
        $ csfnns steganalysis score covers/00.png --detector eyes
        error: There is no detector 'eyes'.
        hint: Choose one of: stegexpose, primary-sets, ...
        [exit 2]
    """)
    listed = json.loads(run("csfnns steganalysis detectors --json"))["detectors"]
    assert [each["name"] for each in listed] == list(DETECTORS)
    assert listed[0]["kind"] == "statistic"


@pytest.mark.parametrize("detector", [name for name, entry in DETECTORS.entries().items() if entry.kind == "statistic"])
def test_every_detector_has_a_curve(detector: str, run: Run) -> None:
    content = json.loads(run(f"csfnns steganalysis roc --covers covers --stegos stegos --detector {detector} --json"))
    assert (content["detector"], content["covers"], content["stegos"]) == (detector, PAIRS, PAIRS)
    assert 0 <= content["low"] <= content["auc"] <= content["high"] <= 1
    wins = np.array(content["stego_scores"])[:, None] - np.array(content["cover_scores"])
    assert content["auc"] == pytest.approx(np.mean((np.sign(wins) + 1) / 2))


def test_a_curve_is_shown_and_drawn(transcript: Transcript, desk: Path) -> None:
    transcript("""
        $ csfnns steganalysis roc --detector sample-pairs --covers covers --stegos stegos -o roc.png
        detector      sample-pairs
        pictures      12 covers, 12 stegos
        AUC           1.000, 95 % interval 1.000…1.000; 0.5 is guessing
        least error   0.0 %: mean of misses and false alarms at the best threshold
        Written: roc.png.
    """)
    assert read_picture(desk / "roc.png").shape == (675, 675, 3)


def test_spam_is_trained_and_scores(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns steganalysis train --covers covers --stegos stegos -o model
        Trained on 12 pairs; out-of-bag error ... %.
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
        run(f"csfnns steganalysis score stegos/04.png --detector spam --model {name}") for name in ("model", "again")
    ]
    assert same[0] == same[1]


def test_jpeg_files_are_scored_by_their_coefficients(transcript: Transcript, desk: Path) -> None:
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    for path in [*desk.glob("*os/*.png"), *desk.glob("*rs/*.png")]:
        Image.open(path).save(path.with_suffix(".jpg"), quality=98)
        path.unlink()
    transcript("""
        $ csfnns steganalysis train --detector dctr --covers covers --stegos stegos -o model
        Trained on 12 pairs; out-of-bag error ... %.
        Written: model.
        $ csfnns steganalysis score stegos/00.jpg --detector dctr --model model
        stegos/00.jpg ...
        Scores are the share of votes for stego: above 0.5 most say so.
        $ csfnns steganalysis roc --detector dctr --covers covers --stegos stegos
        detector      dctr
        ...
    """)
    Image.open(desk / "covers" / "00.jpg").save(desk / "covers" / "00.png")
    transcript("""
        $ csfnns steganalysis score covers --detector dctr --model model
        error: covers/00.png is no JPEG file, and dctr looks at the coefficients of one.
        hint: Give .jpg files ...
        [exit 2]
    """)


def test_names_of_a_folder_are_in_natural_order(run: Run, desk: Path) -> None:
    (desk / "few").mkdir()
    for old, new in (("00", "photo10"), ("01", "photo9")):
        (desk / "covers" / f"{old}.png").rename(desk / "few" / f"{new}.png")
    assert [line.split()[0] for line in run("csfnns steganalysis score few").splitlines()[:2]] == [
        "few/photo9.png",
        "few/photo10.png",
    ]


TRAIN = "csfnns steganalysis train --covers covers --stegos stegos --detector xunet --steps 30 --batch 4 --crop 32"


def test_a_network_is_trained_and_scores(transcript: Transcript, run: Run, desk: Path) -> None:
    notes = "--pictures 'scenes with noise' --licence none"
    transcript(f"""
        $ {TRAIN} -o model.safetensors {notes}
        Trained on 8 pairs; ... % of 8 held-out pictures classified correctly.
        Written: model.safetensors, model.md, model.json, model.png.
        $ csfnns steganalysis score stegos/00.png --detector xunet --model model.safetensors
        stegos/00.png 0...
        Scores are probabilities of a stego, if half of all pictures are stegos.
        Trained on scenes with noise; other pictures and methods may look different to it.
    """)
    assert not (desk / "model.safetensors.state").exists()
    assert "| pictures | scenes with noise |" in (desk / "model.md").read_text("utf-8")
    curve = json.loads((desk / "model.json").read_text())
    assert [row["step"] for row in curve] == list(range(3, 31, 3))
    assert read_picture(desk / "model.png").shape == (600, 900, 3)
    content = json.loads(run(f"{TRAIN} -o again {notes} --json"))
    assert (content["file"], content["pairs"], content["held_out"]) == ("again", 8, 8)
    assert content["curve"] == curve
    assert (desk / "again").read_bytes() == (desk / "model.safetensors").read_bytes()
    curve = json.loads(
        run("csfnns steganalysis roc --detector xunet --model again --covers covers --stegos stegos --json")
    )
    assert (curve["detector"], len(curve["stego_scores"])) == ("xunet", PAIRS)


@pytest.mark.parametrize("name", shipped_networks())
def test_a_pretrained_network_needs_no_model(name: str, transcript: Transcript, run: Run) -> None:
    transcript(f"""
        $ csfnns steganalysis score stegos/00.png --detector {name}
        stegos/00.png ...
        Scores are probabilities of a stego, if half of all pictures are stegos.
        Trained on ...; other pictures and methods may look different to it.
        $ csfnns steganalysis roc --detector {name} --covers covers --stegos stegos
        detector ...
        ...
        Trained on ...; other pictures and methods may look different to it.
    """)
    line = f"csfnns steganalysis score stegos/00.png stegos/01.png --detector {name} --json"
    content = json.loads(run(line))
    shipped = Deep.load(shipped_networks()[name])
    assert content["trained_on"] == shipped.about["pictures"]
    expected = [shipped.score(read_picture(each["file"])) for each in content["scores"]]
    assert [each["score"] for each in content["scores"]] == expected


def test_the_same_command_resumes_after_a_stop(run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from csfnns.steganalysis import training

    run(f"{TRAIN} -o whole")
    draw = training.draw_batch

    def stop(pairs: training.Pairs, config: TrainingConfig, step: int) -> object:
        if step == 20:
            raise KeyboardInterrupt
        return draw(pairs, config, step)

    with monkeypatch.context() as patched:
        patched.setattr(training, "SAVE_EVERY", 0.0)
        patched.setattr(training, "draw_batch", stop)
        assert "[exit" in run(f"{TRAIN} -o model")
    assert (desk / "model.state").exists()
    assert not (desk / "model").exists()
    steps: list[int] = []
    monkeypatch.setattr(training, "draw_batch", lambda *given: (steps.append(given[2]), draw(*given))[1])
    run(f"{TRAIN} -o model")
    assert steps == list(range(20, 30))
    assert (desk / "model").read_bytes() == (desk / "whole").read_bytes()


def test_crops_of_a_picture_are_held_out_together(run: Run, desk: Path) -> None:
    for folder in ("covers", "stegos"):
        for path in sorted((desk / folder).iterdir()):
            number = int(path.stem)
            path.rename(path.with_name(f"{number // 4}@sea@{number % 4}.png"))
    content = json.loads(run(f"{TRAIN} --steps 1 -o model --json"))
    # The first @ ends the name of the picture, as in the experiments.
    held = held_out([source_of(f"{i}@sea@0") for i in range(3)], 0.25)
    assert (content["pairs"], content["held_out"]) == (12 - 4 * len(held), 8 * len(held))
    assert "| groups | 3 |" in (desk / "model.md").read_text("utf-8")


def test_a_network_may_start_from_another(run: Run, desk: Path) -> None:
    run(f"{TRAIN} -o easy")
    run(f"{TRAIN} -o hard --start easy --crop 0 --device cpu --rate 1e-4 --steps 2")
    card = (desk / "hard.md").read_text("utf-8")
    for row in ("| start | easy |", "| crop | None |", "| rate | 0.0001 |", "| steps | 2 |"):
        assert row in card


def test_unsuitable_settings_of_networks_are_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "old").write_bytes(b"")
    (desk / "old2.md").write_bytes(b"")
    transcript(f"""
        $ {TRAIN} -o old
        error: old already exists.
        ...
        [exit 2]
        $ {TRAIN} -o old2
        error: old2.md already exists.
        ...
        [exit 2]
        $ {TRAIN} -o model.png
        error: model.png is the name of the card or the curve.
        ...
        [exit 2]
        $ {TRAIN} -o model --crop 100
        error: A picture of 64x48 is smaller than 100.
        hint: Choose larger pictures or a smaller crop.
        [exit 2]
        $ {TRAIN} -o model --start old
        error: old is not a model of a network: it is damaged, or no safetensors file.
        ...
        [exit 2]
        $ {TRAIN} -o model --start nowhere
        error: There is no file nowhere.
        hint: Check the path of the model.
        [exit 2]
        $ {TRAIN} -o model --rate 1e30
        error: The training of xunet diverged at step ....
        hint: Set a rate below 1e+30.
        [exit 2]
        $ csfnns steganalysis train --covers covers --stegos stegos -o model --steps 3
        error: The training of spam has no settings and no card.
        hint: Leave them out, or choose a network: --detector xunet|yenet|siastegnet|srnet.
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector srnet --model old
        error: old is not a model of a network: it is damaged, or no safetensors file.
        ...
        [exit 2]
    """)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and it would be used")
def test_a_device_that_is_not_there_is_refused(transcript: Transcript) -> None:
    transcript(f"""
        $ {TRAIN} -o model --device cuda
        error: The device 'cuda' cannot be used: ....
        hint: Try 'cpu'.
        [exit 2]
    """)


def test_without_a_model_spam_is_cross_validated(run: Run) -> None:
    """Stegos that equal their covers score like them."""
    content = json.loads(run("csfnns steganalysis roc --detector spam --covers covers --stegos covers --json"))
    assert content["auc"] == 0.5
    assert content["cover_scores"] == content["stego_scores"]


def test_unsuitable_input_is_refused(transcript: Transcript, desk: Path) -> None:
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
        error: A curve is drawn as .png, got roc.webp.
        ...
        [exit 2]
        $ csfnns steganalysis roc --covers covers --stegos stegos -o covers/00.png
        error: covers/00.png is in covers, which is one of the inputs.
        ...
        [exit 3]
        $ csfnns steganalysis roc --detector spam --covers covers --stegos stegos
        error: Covers and stegos are not pairs: 11 is not in both folders once.
        hint: Give each stego the name of its cover.
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
        error: The detector 'spam' needs a model.
        ...
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector spam --model model
        error: model is not a model of spam: it is damaged, or no safetensors file.
        ...
        [exit 2]
        $ csfnns steganalysis score covers/00.png --detector rs --model model
        error: The detector 'rs' takes no model.
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
        hint: Install it: pip install 'csfnns[experiments]'.
        [exit 2]
    """)
    assert not (desk / "roc.png").exists()

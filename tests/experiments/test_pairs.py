"""Sets of pairs: what is in them, that they can be stopped and grow, and what is refused."""

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns.coding.uerd import flatten
from csfnns.errors import CapacityError, CsfnnsError, PictureError, UsageError
from csfnns.experiments import PairSet, PairSpec, load_pairs, make_pairs
from csfnns.experiments.pairs import lsb_matching, source_of
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr
from csfnns.steganalysis import Deep, make_network

SCRIPT = str(Path(sys.executable).with_name("csfnns"))


def want(world: Any, scheme: str = "lsb", **choices: Any) -> PairSpec:
    pictures = {} if scheme.startswith("direct") else {"secrets": world.root / "imagenet"}
    return PairSpec(**{"scheme": scheme, "covers": world.covers, **pictures} | choices)


def content(folder: Path) -> dict[str, bytes]:
    """Every picture of a set, and nothing else that may lie there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def changes(pairs: PairSet) -> list[Any]:
    return [pairs.stego(name).astype(int) - pairs.cover(name) for name in pairs.names]


def test_covers_are_crops_spread_evenly_over_the_pictures(world: Any, tmp_path: Path) -> None:
    make_pairs(want(world), 10, tmp_path / "set")
    pairs = load_pairs(tmp_path / "set")
    assert pairs.names == ("0@0", "0@1", "0@2", "1@0", "1@1", "1@2", "2@0", "2@1", "3@0", "3@1")
    places = {name: place_of(pairs.cover(name), world.covers) for name in pairs.names}
    assert all(places[name][0] == source_of(name) for name in pairs.names)
    assert len(set(places.values())) == 10
    assert (pairs.key, pairs.label, pairs.count) == ("lsb-6", "low bits", 10)


def place_of(crop: Picture, covers: Path) -> tuple[str, int]:
    """Name of the source and row of the crop: covers here are 80x64, so that crops of 64 differ in rows alone."""
    for path in covers.iterdir():
        picture = read_picture(path)
        for row in range(17):
            if np.array_equal(picture[row : row + 64], crop):
                return path.stem, row
    raise AssertionError("no crop of any cover")


def test_other_schemes_have_the_same_covers(world: Any, tmp_path: Path) -> None:
    make_pairs(want(world), 5, tmp_path / "lsb")
    make_pairs(want(world, "paper", steps=2), 5, tmp_path / "paper")
    make_pairs(want(world, "direct", bytes=50), 5, tmp_path / "direct")
    sets = [load_pairs(tmp_path / name) for name in ("lsb", "paper", "direct")]
    for name in sets[0].names:
        assert len({each.cover(name).tobytes() for each in sets}) == 1
        assert len({each.stego(name).tobytes() for each in sets}) == 3


def test_a_set_that_is_there_is_not_made_again_and_can_grow(world: Any, tmp_path: Path) -> None:
    made = make_pairs(want(world), 3, tmp_path / "grown")
    assert (made.done, made.reused) == (3, 0)
    (tmp_path / "grown" / "stegos" / "1@0.png").unlink()
    made = make_pairs(want(world), 6, tmp_path / "grown")
    assert (made.done, made.reused) == (4, 2)
    make_pairs(want(world), 6, tmp_path / "at-once")
    assert content(tmp_path / "grown") == content(tmp_path / "at-once")
    assert make_pairs(want(world), 2, tmp_path / "grown").done == 0
    assert load_pairs(tmp_path / "grown").count == 6


def test_another_seed_gives_other_pairs(world: Any, tmp_path: Path) -> None:
    for seed in (1, 2):
        make_pairs(want(world, seed=seed), 4, tmp_path / str(seed))
    one, two = content(tmp_path / "1"), content(tmp_path / "2")
    assert one.keys() == two.keys()
    assert all(one[name] != two[name] for name in one if name.startswith("stegos"))
    assert any(one[name] != two[name] for name in one if name.startswith("covers"))


def test_a_process_that_is_killed_leaves_a_set_to_go_on_with(world: Any, tmp_path: Path) -> None:
    spec = want(world, "paper", steps=20)
    line = f"experiment pairs --scheme paper --covers {world.covers} --secrets {world.root / 'imagenet'}"
    command = [SCRIPT, *line.split(), "--steps", "20", "--count", "30", "--out", str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while len(list(tmp_path.glob("killed/stegos/*.png"))) < 2:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    there = len(load_pairs(tmp_path / "killed").names)
    assert 2 <= there < 30
    count = there + 2
    made = make_pairs(spec, count, tmp_path / "killed")
    # Of the last pair, the pictures may have been there and not yet the figures.
    assert made.done in (2, 3)
    assert made.done + made.reused == count
    make_pairs(spec, count, tmp_path / "through")
    killed, through = content(tmp_path / "killed"), content(tmp_path / "through")
    assert killed.items() >= through.items()


def test_the_generators_covers_are_all_different(tmp_path: Path) -> None:
    make_pairs(PairSpec("direct", "abstract", bytes=20), 4, tmp_path / "set")
    pairs = load_pairs(tmp_path / "set")
    assert pairs.names == ("0@0", "1@0", "2@0", "3@0")
    assert len({pairs.cover(name).tobytes() for name in pairs.names}) == 4
    assert pairs.payload == 8 * 20 / 64**2
    assert all(0 < abs(delta).max() <= 2 for delta in changes(pairs))


def test_matching_moves_levels_by_one_at_half_its_rate(world: Any, tmp_path: Path) -> None:
    make_pairs(PairSpec("matching", world.covers, rate=0.2), 4, tmp_path / "set")
    for delta in changes(load_pairs(tmp_path / "set")):
        assert np.count_nonzero(delta) == round(0.1 * delta.size)
        assert abs(delta).max() == 1
        assert abs(delta.sum()) < 4 * np.sqrt(np.count_nonzero(delta))


def test_names_with_what_divides_picture_and_crop_are_refused(world: Any, tmp_path: Path) -> None:
    (world.covers / "1.png").rename(world.covers / "photo@1.png")
    with pytest.raises(UsageError, match="Names of covers have no @") as caught:
        make_pairs(want(world), 6, tmp_path / "set")
    assert caught.value.hint == "Rename photo@1."
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("strength", [1, 2, 4])
def test_matching_moves_that_many_levels_within_the_scale(strength: int) -> None:
    cover = np.resize(np.array([0, 1, 3, 4, 251, 252, 254, 255], np.uint8), (64, 64, 3))
    delta = lsb_matching(cover, 5000, np.random.default_rng(1), strength).astype(int) - cover
    assert np.count_nonzero(delta) == 5000
    assert set(np.unique(np.abs(delta))) == {0, strength}
    within = (cover >= strength) & (cover <= 255 - strength)
    assert abs(delta[within].mean()) < 0.1 * strength
    assert (delta[cover < strength] >= 0).all()
    assert (delta[cover > 255 - strength] <= 0).all()


def test_matching_changes_as_much_as_standard(world: Any, tmp_path: Path) -> None:
    for scheme in ("matching", "standard"):
        make_pairs(want(world, scheme), 4, tmp_path / scheme)
    rates = [
        np.mean([(delta != 0).mean() for delta in changes(load_pairs(tmp_path / scheme))])
        for scheme in ("matching", "standard")
    ]
    assert rates[0] == pytest.approx(rates[1], rel=0.03)


def test_covers_of_grain_carry_grain_too(world: Any, tmp_path: Path) -> None:
    make_pairs(want(world, "direct-grain", bytes=200), 4, tmp_path / "grain")
    make_pairs(want(world, "direct", bytes=200), 4, tmp_path / "direct")
    grain, plain = load_pairs(tmp_path / "grain"), load_pairs(tmp_path / "direct")
    for name in grain.names:
        decoy, stego = (side.astype(int) - plain.cover(name) for side in (grain.cover(name), grain.stego(name)))
        assert decoy.std() == pytest.approx(stego.std(), rel=0.05)
        assert np.count_nonzero(decoy != stego) > 0.5 * decoy.size


def test_pairs_of_bytes_in_coefficients_are_jpeg_files(world: Any, tmp_path: Path) -> None:
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    made = make_pairs(want(world, "direct-jpeg", bytes=50), 4, tmp_path / "set")
    pairs = load_pairs(tmp_path / "set")
    assert (made.done, pairs.names, pairs.suffix) == (4, ("0@0", "1@0", "2@0", "3@0"), ".jpg")
    for name in pairs.names:
        cover, stego = (next(pairs.read(side, [name], "dctr")) for side in ("covers", "stegos"))
        assert (cover.tables == stego.tables).all()
        assert 0 < abs(flatten(stego.planes).astype(int) - flatten(cover.planes)).sum() < 0.2 * 64**2
        assert pairs.figures[name]["psnr"] == psnr(pairs.cover(name), pairs.stego(name))
    assert make_pairs(want(world, "direct-jpeg", bytes=50), 4, tmp_path / "set").reused == 4
    with pytest.raises(UsageError, match="holds other pairs: scheme is direct-jpeg there, and direct here"):
        make_pairs(want(world, "direct", bytes=50), 4, tmp_path / "set")


def test_figures_are_kept_of_each_pair(world: Any, tmp_path: Path) -> None:
    make_pairs(want(world), 2, tmp_path / "lsb")
    make_pairs(want(world, "paper", steps=150), 2, tmp_path / "paper")
    make_pairs(want(world, "paper", steps=1), 2, tmp_path / "hasty")
    lsb, paper, hasty = (load_pairs(tmp_path / name) for name in ("lsb", "paper", "hasty"))
    for each in (lsb, paper):
        for name in each.names:
            assert each.figures[name]["psnr"] == psnr(each.cover(name), each.stego(name))
            assert each.figures[name]["changed"] == (each.cover(name) != each.stego(name)).mean()
    assert [row["recovered"] for row in lsb.figures.values()] == [math.inf] * 2
    assert all(20 < row["recovered"] < 60 for row in paper.figures.values())
    assert [row["recovered"] for row in hasty.figures.values()] == [None] * 2


def test_a_search_against_a_network_says_whom_it_has_met(world: Any, tmp_path: Path) -> None:
    Deep("xunet", make_network("xunet", 1)).save(tmp_path / "model.safetensors")
    choices = {"steps": 20, "evade": (tmp_path / "model.safetensors",), "gamma": 1.0}
    make_pairs(want(world, "paper", **choices), 2, tmp_path / "sly")
    make_pairs(want(world, "paper", steps=20), 2, tmp_path / "naive")
    sly, naive = load_pairs(tmp_path / "sly"), load_pairs(tmp_path / "naive")
    assert (sly.trained_against, naive.trained_against) == (("xunet",), ())
    assert (sly.key, naive.key) == ("paper-evading-xunet-6", "paper-6")
    assert sly.label == "Cs-FNNS (paper) evading xunet"
    judge = Deep.load(tmp_path / "model.safetensors")
    suspicion = [np.mean([judge.score(each.stego(name)) for name in each.names]) for each in (sly, naive)]
    assert suspicion[0] < suspicion[1]
    make_pairs(want(world, "paper", steps=20, evade=choices["evade"]), 1, tmp_path / "usual")
    assert "gamma=2e-05 against networks" in (tmp_path / "usual" / "pairs.json").read_text()
    with pytest.raises(UsageError, match="cannot evade detectors"):
        make_pairs(want(world, "lsb", evade=choices["evade"]), 1, tmp_path / "none")
    Deep("xunet", make_network("xunet", 2)).save(tmp_path / "model.safetensors", overwrite=True)
    with pytest.raises(UsageError, match="models of --evade differ"):
        make_pairs(want(world, "paper", **choices), 2, tmp_path / "sly")


def test_secrets_are_all_used_before_any_is_again(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spy(path: Path) -> Picture:
        seen.extend([path.stem] * (path.parent.name == "imagenet"))
        return read_picture(path)

    monkeypatch.setattr("csfnns.experiments.pairs.read_picture", spy)
    make_pairs(want(world), 8, tmp_path / "set")
    assert sorted(seen[:4]) == sorted(seen[4:]) == ["0", "1", "2", "3"]
    assert seen[:4] != seen[4:]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"steps": 3}, "steps is 2 there, and 3 here"),
        ({"bpp": "24"}, "bpp is None there, and 24 here"),
        ({"device": "cuda"}, "device is cpu there, and cuda here"),
        ({"seed": 2}, "seed is 1 there, and 2 here"),
        ({"scheme": "luo"}, "scheme is paper there, and luo here"),
    ],
)
def test_a_folder_with_other_pairs_is_refused(
    world: Any, tmp_path: Path, choices: dict[str, Any], message: str
) -> None:
    make_pairs(want(world, "paper", steps=2), 1, tmp_path / "set")
    before = content(tmp_path / "set")
    with pytest.raises(UsageError, match=message):
        make_pairs(want(world, **{"scheme": "paper", "steps": 2} | choices), 4, tmp_path / "set")
    assert content(tmp_path / "set") == before


def test_an_emptied_folder_takes_other_pairs(world: Any, tmp_path: Path) -> None:
    make_pairs(want(world), 2, tmp_path / "set")
    shutil.rmtree(tmp_path / "set" / "stegos")
    make_pairs(want(world, "paper", steps=1), 2, tmp_path / "set")
    pairs = load_pairs(tmp_path / "set")
    assert pairs.key == "paper-6"
    assert [pairs.figures[name]["recovered"] for name in pairs.names] == [None, None]


def test_a_folder_whose_source_pictures_changed_is_refused(world: Any, tmp_path: Path, scene: Any) -> None:
    make_pairs(want(world), 1, tmp_path / "set")
    Image.fromarray(scene(80, 64, 99)).save(world.covers / "9.png")
    with pytest.raises(UsageError, match="pictures of --covers differ"):
        make_pairs(want(world), 2, tmp_path / "set")


def test_a_folder_with_pictures_of_something_else_is_refused(world: Any, tmp_path: Path) -> None:
    (tmp_path / "set" / "covers").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"no pairs\.json says what they are"):
        make_pairs(want(world), 1, tmp_path / "set")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"scheme": "magic"}, "no scheme 'magic'"),
        ({"scheme": "robust"}, "no scheme 'robust'"),
        ({"side": 100}, "100x100"),
        ({"secrets": None}, "lsb needs --secrets"),
        ({"bytes": 10}, "lsb does not use --bytes"),
        ({"rate": 0.5}, "lsb does not use --rate"),
        ({"bpp": "7"}, "bpp must be one of"),
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"scheme": "direct", "secrets": None}, "direct needs --bytes"),
        ({"scheme": "direct", "bytes": 10}, "direct does not use --secrets"),
        ({"scheme": "direct", "bytes": 10, "secrets": None, "bpp": "6"}, "direct does not use --bpp"),
        ({"scheme": "direct", "bytes": 0, "secrets": None}, "bytes must be 1 or more"),
        ({"scheme": "matching", "rate": 1.5}, "rate must be in .0, 1., got 1.5"),
        ({"scheme": "matching", "rate": 0.5}, "matching does not use --secrets"),
        ({"gamma": 1.0}, "lsb does not use --gamma"),
        ({"scheme": "direct", "bytes": 9, "secrets": None, "evade": (Path("m"),)}, "does not use --evade"),
        ({"scheme": "udh"}, "udh cannot run here"),
    ],
)
def test_choices_that_do_not_fit_together_are_refused(world: Any, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PairSpec(**{"scheme": "lsb", "covers": world.covers, "secrets": world.root / "imagenet"} | choices)


def test_covers_that_give_no_crops_are_refused(world: Any, tmp_path: Path) -> None:
    refused: list[tuple[dict[str, Any], int, type[CsfnnsError], str]] = [
        ({"side": 80}, 1, PictureError, "64x80 pixels, and no crop of 80x80"),
        ({}, 4 * 17 + 1, UsageError, "17 crops of 64x64, and 18 are needed"),
        ({"covers": tmp_path / "nowhere"}, 1, PictureError, "no folder"),
        ({}, 0, UsageError, "count must be 1 or more"),
    ]
    for choices, count, error, message in refused:
        with pytest.raises(error, match=message):
            make_pairs(want(world, **choices), count, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_pictures_in_folders_keep_their_names_apart(world: Any, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (world.covers / folder).mkdir()
        shutil.copy(world.covers / "0.png", world.covers / folder)
    make_pairs(want(world), 6, tmp_path / "set")
    assert set(load_pairs(tmp_path / "set").names) == {"0@0", "1@0", "2@0", "3@0", "a_0@0", "b_0@0"}
    shutil.copy(world.covers / "0.png", world.covers / "a_0.png")
    with pytest.raises(UsageError, match="are called a_0"):
        make_pairs(want(world), 6, tmp_path / "other")


def test_a_secret_that_does_not_fit_leaves_its_pair_out(world: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(world.root / "imagenet" / "0.png")
    made = make_pairs(want(world, "paper", steps=2), 4, tmp_path / "set")
    assert (made.done, len(made.failed)) == (3, 1)
    assert "noise" in next(iter(made.failed.values()))
    pairs = load_pairs(tmp_path / "set")
    assert (len(pairs.names), pairs.count) == (3, 4)
    assert len(list((tmp_path / "set" / "covers").iterdir())) == 3


def test_where_no_pair_fits_it_is_an_error(world: Any, tmp_path: Path) -> None:
    with pytest.raises(CapacityError, match="No pair can be made"):
        make_pairs(want(world, "direct", bytes=10**6), 2, tmp_path / "set")
    assert make_pairs(want(world, "direct", bytes=10), 2, tmp_path / "set").done == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There are no pairs"),
        ("no JSON", "damaged"),
        (json.dumps({"version": 1}), "another version"),
        (json.dumps({"version": 2, "scheme": "mine"}), "is damaged: payload"),
        (json.dumps({"version": 2, "scheme": "mine", "payload": 0}), "must be above 0, got 0.0"),
        (json.dumps({"version": 2, "scheme": "mine", "payload": math.inf}), "must be above 0, got inf"),
        (json.dumps({"version": 2, "scheme": "mine", "payload": 1}), "no pairs in .* yet"),
    ],
)
def test_a_folder_that_is_no_set_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "pairs.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_pairs(tmp_path)

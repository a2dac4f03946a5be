"""Stegos as people return them: saved without loss by other programs, tagged, turned; and what of a secret is lost."""

import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import CapacityError, Key, hide, make_profile, reveal
from csfnns.images.io import Picture
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
Scene = Callable[..., Picture]
PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "lossless_tools.py"))
TREATMENTS: dict[str, Any] = PROGRAM["TREATMENTS"]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, fixed_nonces: None) -> tuple[Key, Path, Path | None]:
    found: tuple[Key, Path, Path | None] = PROGRAM["stegos"](tmp_path_factory.mktemp("sent"))
    return found


@pytest.mark.parametrize("name", TREATMENTS)
def test_a_stego_survives_being_saved_without_loss(
    name: str, sent: tuple[Key, Path, Path | None], tmp_path: Path
) -> None:
    key, png, jpeg = sent
    treatment = TREATMENTS[name]
    missing = PROGRAM["missing"](treatment)
    if missing is not None:
        pytest.skip(f"needs {missing}")
    target = tmp_path / f"returned{treatment.suffix}"
    source = jpeg if treatment.jpeg else png
    assert source is not None
    treatment.save(source, target)
    found = reveal(target, key)
    if treatment.jpeg:
        assert found.content == PROGRAM["TEXT"]
    else:
        assert found.unchanged
        assert np.array_equal(found.picture, reveal(png, key).picture)


def test_there_are_forty_ways_to_return_a_stego() -> None:
    assert len(TREATMENTS) >= 40


@pytest.mark.parametrize("turn", Image.Transpose)
def test_a_jpeg_turned_on_its_coefficients_is_turned_back(turn: Image.Transpose) -> None:
    """By our own turning, where jpegtran is not installed: its pixels are those that Pillow turns."""
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    from csfnns.images.jpeg_file import positions, read_coefficients, write_coefficients

    for width, height in ((96, 64), (96, 96)):
        key = Key.from_root(make_profile(width=width, height=height), ROOT)
        data = hide(b"See you at noon", key, method="jpeg").data
        wanted = np.asarray(Image.open(io.BytesIO(data)).transpose(turn)).astype(int)
        each = [write_coefficients(found) for found in positions(read_coefficients(data))]
        turned = [
            file
            for file in each
            if (shown := np.asarray(Image.open(io.BytesIO(file)))).shape == wanted.shape
            and np.abs(shown - wanted).mean() < 1
        ]
        assert len(turned) == 1
        assert reveal(turned[0], key).content == b"See you at noon"


# Secrets


def logo(scene: Scene, side: int) -> bytes:
    """A photograph with a white and a black half around it on a transparent ground."""
    picture = np.zeros((side, side, 4), np.uint8)
    picture[4:-4, 4:-4] = 255
    picture[4:-4, side // 2 : -4, :3] = 0
    picture[8:-8, 8:-8, :3] = scene(side - 16, side - 16)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_transparency_that_matters_is_kept_or_its_loss_is_said(scene: Scene) -> None:
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    small, large = logo(scene, 24), logo(scene, 80)
    kept = hide(small, key)
    assert kept.receivers["receiver"].form == "exact"
    assert reveal(kept, key).content == small
    assert kept.warnings == ()
    (warning,) = hide(large, key).warnings
    assert "without its transparency" in warning
    assert hide(scene(40, 40), key).warnings == ()


def test_an_animation_arrives_whole_or_not_at_all_unless_resized(scene: Scene) -> None:
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    buffer = io.BytesIO()
    each = [Image.fromarray(scene(60, 60, i)) for i in range(4)]
    each[0].save(buffer, "GIF", save_all=True, append_images=each[1:])
    with pytest.raises(CapacityError) as caught:
        hide(buffer.getvalue(), key)
    assert "--resize" in caught.value.hint
    first = hide(buffer.getvalue(), key, resize=30)
    assert "first of its 4 pictures" in first.warnings[0]
    assert reveal(first, key).picture.shape == (30, 30, 3)
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 255)])
    whole = reveal(hide(buffer.getvalue(), key), key)
    assert (whole.kind, whole.content, whole.file_name[-4:]) == ("file", buffer.getvalue(), ".gif")

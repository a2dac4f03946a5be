"""DCTR features, compared with the definition and with another program; what is no JPEG file."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from csfnns import PictureError, UsageError
from csfnns.coding.jpeg import compress
from csfnns.images.io import Picture, read_picture
from csfnns.images.jpeg_file import Coefficients, positions, standard_tables
from csfnns.steganalysis import read_for
from csfnns.steganalysis.dctr import FEATURES, Dctr, dctr_features, histograms, luminance, quality_of, step_of

Scene = Callable[..., Picture]


def jpeg(picture: Picture, quality: int = 90) -> Coefficients:
    return compress(picture, standard_tables(quality), "420").file


def moved(file: Coefficients, random: np.random.Generator) -> Coefficients:
    """±1 on every third coefficient of the luminance that is not 0."""
    y = file.planes[0]
    steps = random.choice([-1, 1], y.shape) * ((y != 0) & (random.random(y.shape) < 1 / 3))
    return replace(file, planes=((y + steps).astype(np.int16), *file.planes[1:]))


def test_features_count_what_the_paper_defines() -> None:
    levels, step = np.random.default_rng(0).normal(0, 3, (24, 29)), 1.3
    counts = np.zeros((8, 8, 5, 5, 5))
    for i, j in product(range(17), range(22)):
        sizes = np.minimum(np.floor(abs(dctn(levels[i : i + 8, j : j + 8], norm="ortho")) / step + 0.5), 4).astype(int)
        row, column = (min(place % 8, -place % 8) for place in (i, j))
        for k, m in product(range(8), range(8)):
            counts[k, m, row, column, sizes[k, m]] += 1
    expected = counts / counts.sum(axis=4, keepdims=True)
    assert histograms(levels, step) == pytest.approx(expected.reshape(64, 25, 5), abs=1e-12)


def test_another_program_has_the_same_features(
    scene: Scene, other_program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = other_program("tools")
    for name in ("dct", "matlab"):
        monkeypatch.setattr(tools, name, other_program(f"tools.{name}"), raising=False)
    monkeypatch.setattr(tools, "jpeg", ModuleType("jpeg"), raising=False)
    extract = other_program("dctr._dctr").extract
    for quality in (75, 90):  # with steps of 4 and 1.6, many responses are halves of a step
        file = jpeg(scene(60, 43), quality)
        theirs = extract(luminance(file), step_of(quality))
        assert dctr_features(file) == pytest.approx(np.concatenate([*theirs.values()]), abs=1e-6)


def test_luminance_is_that_of_the_file(scene: Scene, tmp_path: Path) -> None:
    grey = np.repeat(scene(37, 50)[..., :1], 3, axis=2)
    Image.fromarray(grey).save(tmp_path / "a.jpg", quality=95)
    shown = read_picture(tmp_path / "a.jpg")[..., 0]
    found = luminance(read_for("dctr", tmp_path / "a.jpg")) + 128
    assert found.shape == (37, 50)
    assert abs(found.clip(0, 255) - shown).max() < 1.5


def test_features_hardly_change_when_a_file_is_turned_or_mirrored(scene: Scene) -> None:
    found = [dctr_features(each).reshape(8, 8, 5, 5, 5) for each in positions(jpeg(scene(64, 64)))]
    assert found[0].size == FEATURES == 8000
    for upright, turned in zip(found[:4], found[4:], strict=True):
        assert upright == pytest.approx(found[0], abs=1e-12)
        assert turned == pytest.approx(found[0].transpose(1, 0, 3, 2, 4), abs=1e-12)


def test_the_step_follows_from_the_nearest_quality() -> None:
    assert [quality_of(standard_tables(quality)[0]) for quality in range(1, 101)] == [*range(1, 101)]
    other = standard_tables(80)[0].copy()
    other[3, 3] += 1
    assert quality_of(other) == 80
    assert [step_of(quality) for quality in (1, 25, 50, 75, 100)] == [100, 16, 8, 4, 0.2]


def test_an_ensemble_learns_changed_coefficients(scene: Scene, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    covers = [jpeg(scene(64, 64, i) // 2 + random.integers(60, 80, (64, 64, 3), np.uint8)) for i in range(20)]
    stegos = [moved(each, random) for each in covers]
    Dctr.train(covers[:12], stegos[:12]).save(tmp_path / "model")
    detector = Dctr.load(tmp_path / "model")
    scores = [[detector.score(each) for each in side[12:]] for side in (covers, stegos)]
    assert np.mean(scores[0]) < 0.3
    assert np.mean(scores[1]) > 0.7


def test_what_has_no_coefficients_is_refused(scene: Scene, tmp_path: Path) -> None:
    picture = scene(64, 64)
    with pytest.raises(UsageError, match="this is none"):
        dctr_features(picture)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="sides of at least 16"):
        dctr_features(jpeg(picture[:15]))
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(picture).convert("L").save(tmp_path / "grey.jpg")
    Image.fromarray(picture).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:700])
    for name, error, reason in (
        ("a.png", UsageError, "a.png is no JPEG file, and dctr looks at the coefficients of one"),
        ("grey.jpg", UsageError, "grey.jpg is a JPEG file of a kind that dctr does not take"),
        ("cut.jpg", PictureError, "cut.jpg"),
        ("nothing.jpg", PictureError, "There is no file"),
    ):
        with pytest.raises(error, match=reason):
            read_for("dctr", tmp_path / name)
    assert (read_for("spam", tmp_path / "a.png") == picture).all()

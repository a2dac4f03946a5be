"""Resizing as scikit-image does, compared with scikit-image itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skimage import transform

from csfnns.errors import UsageError
from csfnns.experiments import EXPERIMENTS, render
from csfnns.experiments.resize import as_skimage
from csfnns.images.io import Picture

ORACLE: Any = transform  # scikit-image has no types


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((90, 133), (64, 64)), ((40, 31), (64, 48)), ((64, 64), (64, 64)), ((100, 20), (50, 64)), ((1, 7), (3, 3))],
)
def test_levels_are_those_of_scikit_image(
    scene: Callable[..., Picture], size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    picture = scene(*size)
    theirs = 255 * ORACLE.resize(picture / 255, wanted)
    assert abs(as_skimage(picture, *wanted) - theirs).max() < 0.5 + 1e-9


def test_a_run_resizes_as_it_is_told(world: Any) -> None:
    rows = []
    for name, changes in (("a", {}), ("b", {"resize": "skimage"})):
        _, store, _ = world.run("table1", name, methods=["lsb"], pairs=1, changes=changes)
        rows += store.rows().values()
    assert rows[1]["settings"] == f"{rows[0]['settings']}, pictures resized by skimage"
    assert rows[1]["values"] != rows[0]["values"]
    text = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    assert "covers and secrets are resized as scikit-image does." in text
    assert "resize = " not in text
    with pytest.raises(UsageError, match="resize must be one of lanczos, skimage, got 'nearest'"):
        world.plan("table1", methods=["lsb"], changes={"resize": "nearest"})


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="no RGB picture"):
        as_skimage(np.zeros((4, 4)), 2, 2)  # type: ignore[arg-type]

"""Pictures of residuals and of their energy."""

from collections.abc import Callable

import numpy as np

from csfnns.images.io import Picture
from csfnns.steganalysis.visual import energy_picture, high_pass, residual_picture

Scene = Callable[..., Picture]


def test_slopes_leave_nothing_and_a_point_leaves_itself() -> None:
    slope = np.add.outer(3 * np.arange(20), 2 * np.arange(30)).astype(np.uint8)
    assert not high_pass(slope)[1:-1, 1:-1].any()
    point = np.zeros((5, 7), np.uint8)
    point[2, 3] = 100
    found = high_pass(point)
    assert found[2, 3] == 100
    assert (found[2, 2], found[1, 2], found.sum()) == (-50, 25, 0)


def test_a_change_of_one_level_is_seen_in_its_channel() -> None:
    plain = np.full((9, 9, 3), 120, np.uint8)
    assert (residual_picture(plain) == 128).all()
    changed = plain.copy()
    changed[4, 4, 1] += 1
    seen = residual_picture(changed)
    assert seen[4, 4].tolist() == [128, 136, 128]
    assert (seen[..., [0, 2]] == 128).all()
    plain[4, 4] = 255, 0, 120
    assert residual_picture(plain)[4, 4].tolist() == [255, 0, 128]


def test_energy_is_where_texture_is(scene: Scene) -> None:
    picture = scene(96, 96, 3)  # texture on the right, slopes on the left
    energy = energy_picture(picture)
    assert energy.shape == picture.shape
    assert energy[:, 60:].mean() > 2 * energy[:, 8:40].mean()
    assert not energy_picture(np.full((8, 8, 3), 77, np.uint8)).any()
    assert energy_picture(np.full((1, 1, 3), 77, np.uint8)).shape == (1, 1, 3)

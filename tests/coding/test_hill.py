from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest
from scipy import ndimage

from csfnns.coding.hill import class_cost, cost_classes, hill_channel, hill_costs
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.stream import Seed

Scene = Callable[..., Picture]
FILTER = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])


def test_costs_are_those_of_the_literature(scene: Scene) -> None:
    cover = scene(70, 50, 3)
    for c in range(3):
        residual = np.abs(ndimage.convolve(cover[..., c].astype(float), FILTER, mode="reflect"))
        smooth = 9 * ndimage.uniform_filter(residual, 3, mode="reflect")
        expected = 225 * ndimage.uniform_filter(2**28 / (1 + smooth), 15, mode="reflect")
        np.testing.assert_allclose(hill_costs(cover)[..., c], expected, rtol=1e-4)


def test_costs_are_the_same_on_every_machine() -> None:
    levels = np.frombuffer(Seed(bytes(32)).stream().take(48 * 40 * 3), np.uint8).reshape(48, 40, 3).copy()
    levels[:20, :20] = 255
    levels[20:, :20] //= 16
    costs = hill_costs(levels)
    assert sha256(costs.astype(">i8").tobytes()).hexdigest()[:16] == "fc62b7e4e66d36d5"
    assert costs.max() == 225 << 28


def test_texture_is_cheap_and_flat_places_are_dear() -> None:
    cover = np.full((64, 64, 3), 100, np.uint8)
    cover[:, 32:] += np.random.default_rng(0).integers(0, 60, (64, 32, 3), dtype=np.uint8)
    costs = hill_costs(cover)
    assert costs[:, :24].min() > 20 * costs[:, 40:].max()


def test_classes_keep_costs_to_three_percent() -> None:
    costs = np.unique(np.geomspace(3289275, 225 << 28, 20_000).astype(np.int64))
    numbers = cost_classes(costs)
    assert (np.diff(numbers.astype(int)) >= 0).all()
    assert numbers.min() >= 0
    assert numbers.max() == 236
    stands = np.array([class_cost(int(number)) for number in numbers])
    np.testing.assert_allclose(stands, costs, rtol=0.0313)


def test_tiny_covers_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 16"):
        hill_costs(np.zeros((15, 64, 3), np.uint8))


def test_bands_of_large_covers_fit_together() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (48, 40_000), np.uint8)
    levels[10:30] //= 64
    np.testing.assert_array_equal(hill_channel(levels), hill_channel(levels.T).T)  # three bands, and four others

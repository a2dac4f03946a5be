from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest
from scipy import ndimage

from csfnns.coding.jpeg import Encoded, compress, standard_tables
from csfnns.coding.uerd import changed, directions, flatten, jpeg_model, jpeg_partitions, uerd_costs
from csfnns.images.io import Picture
from csfnns.stream import Seed

Scene = Callable[..., Picture]
AROUND = np.array([[1, 1, 1], [1, 4, 1], [1, 1, 1]]) / 4


@pytest.fixture
def own(scene: Scene) -> Encoded:
    return compress(scene(72, 56, 3), standard_tables(80), "420")


def test_costs_are_those_of_the_literature(own: Encoded) -> None:
    expected = []
    tables = own.file.tables[[0, 1, 1]].astype(float)
    for plane, left, table in zip(own.file.planes, own.remainders, tables, strict=True):
        sizes = np.abs(plane) * table
        energy = sizes.sum((2, 3)) - sizes[..., 0, 0]
        around = ndimage.convolve(energy, AROUND, mode="reflect")
        farther = np.abs(table - np.abs(left / 8)) - np.abs(left / 8)  # than rounding: q (1 - 2 |e|)
        costs = (farther + 0.25) / (around[..., None, None] + 0.25)
        expected.append(costs.reshape(-1, 64)[:, 1:].ravel())
    np.testing.assert_allclose(uerd_costs(own) / 2**40, np.concatenate(expected), rtol=1e-6)


def test_coefficients_change_towards_what_they_were(own: Encoded) -> None:
    kinds, left = directions(own), flatten(own.remainders)
    assert set(kinds[left > 0]) == {1}
    assert set(kinds[left < 0]) == {2}
    assert set(kinds[left == 0]) == {0}
    assert 0.45 < (kinds == 1).mean() / (kinds > 0).mean() < 0.55


def test_costs_are_the_same_on_every_machine() -> None:
    levels = np.frombuffer(Seed(bytes(32)).stream().take(48 * 40 * 3), np.uint8).reshape(48, 40, 3).copy()
    levels[:32, :32] = 77
    costs = uerd_costs(compress(levels, standard_tables(90), "420"))
    assert sha256(costs.astype(">i8").tobytes()).hexdigest()[:16] == "6731c93ada89080c"


@pytest.mark.parametrize("quality", [1, 50, 100])
def test_costs_have_classes(quality: int) -> None:
    """The richest texture there is, and none at all."""
    checks = np.indices((48, 48)).sum(0) % 2 * np.uint8(255)
    noise = np.random.default_rng(0).integers(0, 2, (48, 48, 3), dtype=np.uint8) * 255
    for cover in (np.stack([checks] * 3, -1).astype(np.uint8), noise, np.zeros((48, 48, 3), np.uint8)):
        own = compress(cover, standard_tables(quality), "444")
        assert uerd_costs(own).min() >= 2**22
        assert uerd_costs(own).max() <= 1021 * 2**40
        assert len(jpeg_model(own).distributions(5000)) == 3 * (jpeg_model(own).cost_ranks.max() + 1)


def test_texture_is_cheap_and_flat_places_are_dear() -> None:
    cover = np.full((64, 64, 3), 100, np.uint8)
    cover[:, 32:] += np.random.default_rng(0).integers(0, 60, (64, 32, 3), dtype=np.uint8)
    own = compress(cover, standard_tables(90), "444")
    costs = uerd_costs(own)[: 64 * 63].reshape(8, 8, 63)
    assert (costs[:, :3].min((0, 1)) > 100 * costs[:, 5:].max((0, 1))).all()


def test_a_change_is_found_where_it_was_made(own: Encoded) -> None:
    n = flatten(own.file.planes).size
    delta = np.random.default_rng(0).integers(-1, 2, n).astype(np.int8)
    stego = changed(own.file, delta)
    np.testing.assert_array_equal(flatten(stego.planes) - flatten(own.file.planes), delta)
    for mine, other in zip(stego.planes, own.file.planes, strict=True):
        np.testing.assert_array_equal(mine[..., 0, 0], other[..., 0, 0])


def test_partitions_are_of_one_size_and_differ_between_covers(scene: Scene) -> None:
    partitions = [jpeg_partitions(scene(16, 16, i), 16_000) for i in (1, 2)]
    for each in partitions:
        assert np.abs(np.bincount(each, minlength=8) - 2000).max() < 200
    assert 0.1 < (partitions[0] == partitions[1]).mean() < 0.15

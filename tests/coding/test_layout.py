from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from csfnns.coding import ALL_PARTITIONS, NOBODY, Layout, ModelName, keyed_order, make_model, partitions
from csfnns.errors import CapacityError
from csfnns.images.io import Picture
from csfnns.stream import Seed

Scene = Callable[..., Picture]
MODELS: tuple[ModelName, ...] = ("cost", "uniform", "grain")


@pytest.fixture(params=MODELS)
def layout(request: pytest.FixtureRequest, scene: Scene, seed: Seed) -> Layout:
    cover = scene(96, 80, 5)
    cover[:10] = 0
    cover[-10:, :50] = 255
    return Layout(make_model(request.param, cover, Fraction(1)), partitions(cover), seed)


def test_partitions_are_of_one_size(scene: Scene) -> None:
    counts = np.bincount(partitions(scene(96, 80, 5)), minlength=8)
    assert counts.sum() == 96 * 80 * 3
    assert abs(counts - 96 * 80 * 3 / 8).max() < 5 * (96 * 80 * 3 / 8) ** 0.5


def test_another_cover_has_other_partitions(scene: Scene) -> None:
    cover = scene(64, 64, 5)
    other = cover.copy()
    other[0, 0, 0] ^= 1
    assert 0.8 < np.mean(partitions(cover) != partitions(other)) < 0.95


def test_headers_are_cheap_and_lie_in_their_partition(layout: Layout) -> None:
    model = layout.model
    header = layout.header(3)
    assert (layout.partition[header] == 3).all()
    assert len(set(header.tolist())) == model.header_size
    inside = np.sort(model.cost_ranks[layout.partition == 3])
    assert model.cost_ranks[header].max() <= inside[max(len(inside) // 16, model.header_size) - 1]


def test_groups_have_one_class_and_use_nearly_everything_once(layout: Layout) -> None:
    model = layout.model
    groups = layout.groups(ALL_PARTITIONS, 3)
    assert (model.classes[groups] == model.classes[groups[:, :1]]).all()
    used = np.concatenate([groups.reshape(-1), layout.header(3)])
    assert len(set(used.tolist())) == len(used)
    left = layout.partition.size - len(used)
    assert left <= (model.group_size - 1) * len(np.unique(model.classes))


def test_groups_are_counted_without_being_made(layout: Layout) -> None:
    number = len(layout.model.distributions(0))
    for mask, home in ((ALL_PARTITIONS, 3), (0b10010, 4)):
        counts = np.bincount(layout.model.classes[layout.groups(mask, home)].reshape(-1), minlength=number)
        np.testing.assert_array_equal(layout.count_groups(mask, home, number), counts)


def test_a_receiver_s_groups_stay_in_their_partitions_and_leave_a_header_free_in_each(layout: Layout) -> None:
    groups = layout.groups(0b10010, 4)
    assert set(layout.partition[groups.reshape(-1)].tolist()) == {1, 4}
    for partition in (1, 4):
        assert not np.isin(layout.header(partition), groups).any()


def test_groups_come_in_keyed_order(layout: Layout, seed: Seed) -> None:
    other = Layout(layout.model, layout.partition, seed.derive("other"))
    mine, theirs = layout.groups(ALL_PARTITIONS, 0)[:, 0], other.groups(ALL_PARTITIONS, 0)[:, 0]
    n = min(len(mine), len(theirs))
    assert np.mean(mine[:n] == theirs[:n]) < 0.01
    assert abs(np.corrcoef(np.arange(len(mine)), layout.model.classes[mine])[0, 1]) < 0.1


def test_a_cover_without_room_for_a_header_is_refused(scene: Scene, seed: Seed) -> None:
    cover = scene(16, 16, 5)
    with pytest.raises(CapacityError, match="too small"):
        Layout(make_model("cost", cover, Fraction(1)), partitions(cover), seed).header(0)


def test_positions_of_nobody_are_in_no_header_and_no_group(layout: Layout) -> None:
    excluded = np.arange(0, layout.partition.size, 3)
    partition = layout.partition.copy()
    partition[excluded] = NOBODY
    other = Layout(layout.model, partition, layout.seed)
    for used in (other.header(5), other.groups(ALL_PARTITIONS, 5), other.groups(1 << 5, 5)):
        assert not np.isin(used, excluded).any()
    kept = other.groups(ALL_PARTITIONS, 5).size + layout.model.header_size
    assert kept > partition.size - len(excluded) - 3 * len(np.unique(layout.model.classes)) * 5


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (5, 3), (64, 192), (100, 4096)])
def test_every_position_comes_once(rows: int, columns: int) -> None:
    order = keyed_order(Seed(bytes(32)), rows, columns)
    assert np.array_equal(np.sort(order), np.arange(rows * columns))


def test_another_key_gives_another_order() -> None:
    first, second = (keyed_order(Seed(bytes(31) + bytes([i])), 64, 192) for i in (0, 1))
    assert float((first == second).mean()) < 0.001


def test_neighbours_in_order_are_anywhere() -> None:
    order = keyed_order(Seed(bytes(32)), 256, 768).astype(np.int64)
    row, column = np.divmod(order, 768)
    for lag in (1, 768, 769):  # along a row and down a column of what is permuted
        for axis in (row, column):
            assert abs(np.corrcoef(axis[:-lag], axis[lag:])[0, 1]) < 0.01
    # Steps from one position to the next occur as often as by chance.
    step = (row[1:] - row[:-1]) % 256 * 768 + (column[1:] - column[:-1]) % 768
    assert np.bincount(step).max() < 12


def test_parts_of_large_covers_are_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keyed_order(Seed(bytes(32)), 96, 192)
    monkeypatch.setattr("csfnns.coding.layout._BAND", 500)
    assert np.array_equal(keyed_order(Seed(bytes(32)), 96, 192), whole)

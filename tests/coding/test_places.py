from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from csfnns.coding import EVERY, ModelName, Places, make_model, slots
from csfnns.errors import CapacityError
from csfnns.picture import Picture
from csfnns.stream import Seed

Scene = Callable[..., Picture]
MODELS: tuple[ModelName, ...] = ("cost", "uniform", "grain")


@pytest.fixture(params=MODELS)
def places(request: pytest.FixtureRequest, scene: Scene, seed: Seed) -> Places:
    cover = scene(96, 80, 5)
    cover[:10] = 0
    cover[-10:, :50] = 255
    return Places(make_model(request.param, cover, Fraction(1)), slots(cover), seed)


def test_slots_are_of_one_size(scene: Scene) -> None:
    counts = np.bincount(slots(scene(96, 80, 5)), minlength=8)
    assert counts.sum() == 96 * 80 * 3
    assert abs(counts - 96 * 80 * 3 / 8).max() < 5 * (96 * 80 * 3 / 8) ** 0.5


def test_another_cover_has_other_slots(scene: Scene) -> None:
    cover = scene(64, 64, 5)
    other = cover.copy()
    other[0, 0, 0] ^= 1
    assert 0.8 < np.mean(slots(cover) != slots(other)) < 0.95


def test_blocks_are_cheap_and_lie_in_their_slot(places: Places) -> None:
    model = places.model
    block = places.block(3)
    assert (places.slot[block] == 3).all()
    assert len(set(block.tolist())) == model.block
    inside = np.sort(model.ranks[places.slot == 3])
    assert model.ranks[block].max() <= inside[max(len(inside) // 16, model.block) - 1]


def test_groups_have_one_class_and_use_nearly_everything_once(places: Places) -> None:
    model = places.model
    groups = places.groups(EVERY, 3)
    assert (model.classes[groups] == model.classes[groups[:, :1]]).all()
    used = np.concatenate([groups.reshape(-1), places.block(3)])
    assert len(set(used.tolist())) == len(used)
    left = places.slot.size - len(used)
    assert left <= (model.members - 1) * len(np.unique(model.classes))


def test_a_share_stays_in_its_slots_and_keeps_a_block_free_in_each(places: Places) -> None:
    groups = places.groups(0b10010, 4)
    assert set(places.slot[groups.reshape(-1)].tolist()) == {1, 4}
    for slot in (1, 4):
        assert not np.isin(places.block(slot), groups).any()


def test_groups_come_in_keyed_order(places: Places, seed: Seed) -> None:
    other = Places(places.model, places.slot, seed.derive("other"))
    mine, theirs = places.groups(EVERY, 0)[:, 0], other.groups(EVERY, 0)[:, 0]
    n = min(len(mine), len(theirs))
    assert np.mean(mine[:n] == theirs[:n]) < 0.01
    assert abs(np.corrcoef(np.arange(len(mine)), places.model.classes[mine])[0, 1]) < 0.1


def test_a_cover_without_room_for_a_header_is_refused(scene: Scene, seed: Seed) -> None:
    cover = scene(16, 16, 5)
    with pytest.raises(CapacityError, match="too small"):
        Places(make_model("cost", cover, Fraction(1)), slots(cover), seed).block(0)

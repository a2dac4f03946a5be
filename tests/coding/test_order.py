import numpy as np
import pytest

from csfnns.coding.order import keyed_order
from csfnns.stream import Seed


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (5, 3), (64, 192), (100, 4096)])
def test_every_place_comes_once(rows: int, columns: int) -> None:
    order = keyed_order(Seed(bytes(32)), rows, columns)
    assert np.array_equal(np.sort(order), np.arange(rows * columns))


def test_another_key_gives_another_order() -> None:
    first, second = (keyed_order(Seed(bytes(31) + bytes([i])), 64, 192) for i in (0, 1))
    assert float((first == second).mean()) < 0.001


def test_neighbours_in_order_are_anywhere() -> None:
    order = keyed_order(Seed(bytes(32)), 256, 768).astype(np.int64)
    row, column = np.divmod(order, 768)
    for lag in (1, 768, 769):  # along a row and down a column of what is permuted
        for place in (row, column):
            assert abs(np.corrcoef(place[:-lag], place[lag:])[0, 1]) < 0.01
    # Steps from one place to the next are as often as chance has it.
    step = (row[1:] - row[:-1]) % 256 * 768 + (column[1:] - column[:-1]) % 768
    assert np.bincount(step).max() < 12


def test_parts_of_large_covers_are_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keyed_order(Seed(bytes(32)), 96, 192)
    monkeypatch.setattr("csfnns.coding.order.BAND", 500)
    assert np.array_equal(keyed_order(Seed(bytes(32)), 96, 192), whole)

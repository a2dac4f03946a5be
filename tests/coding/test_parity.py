import random

import numpy as np

from csfnns.coding import parity


def test_bytes_come_back_from_changes_in_either_direction() -> None:
    data = random.Random(1).randbytes(200)
    signs = np.where(np.arange(parity.PER_BYTE * 200) % 3 == 0, -1, 1).astype(np.int8)
    changes = parity.write(data, signs)
    assert parity.read(changes) == data
    assert np.array_equal(changes[changes != 0], signs[changes != 0])


def test_four_bits_cost_one_change_at_most() -> None:
    changes = parity.write(random.Random(2).randbytes(400), np.ones(parity.PER_BYTE * 400, np.int8))
    groups = (changes.reshape(-1, parity.GROUP) != 0).sum(1)
    assert groups.max() == 1
    assert 0.9 < groups.mean() < 0.97  # 15 of 16


def test_a_change_somewhere_spoils_one_byte() -> None:
    data = random.Random(3).randbytes(50)
    changes = parity.write(data, np.ones(parity.PER_BYTE * 50, np.int8))
    changes[parity.PER_BYTE * 7 + 4] += 1
    read = parity.read(changes)
    assert [i for i in range(50) if read[i] != data[i]] == [7]


def test_positions_may_change_before_the_bytes_are_written() -> None:
    data, draw = random.Random(4).randbytes(100), np.random.default_rng(4)
    flips = draw.random(parity.PER_BYTE * 100 + 40) < 0.2  # of more positions than the bytes need
    changes = parity.write(data, np.ones(len(flips), np.int8), flips)
    assert parity.read(changes) == data
    moved = (changes != 0) != flips[: len(changes)]
    assert len(changes) == parity.PER_BYTE * 100
    assert moved.reshape(-1, parity.GROUP).sum(1).max() == 1

import numpy as np

from csfnns.coding.classes import count_classes, sort_by_class, sum_classes


def test_pieces_give_what_numpy_gives_at_once() -> None:
    random = np.random.default_rng(0)
    classes = random.integers(0, 300, 200_000).astype(np.uint16)
    classes[:70_000] %= 3
    positions, values = random.permutation(len(classes)).astype(np.int32), random.random(len(classes))
    counts = np.bincount(classes, minlength=310)
    np.testing.assert_array_equal(count_classes(classes, 310), counts)
    np.testing.assert_allclose(sum_classes(classes, values, 310), np.bincount(classes, values, 310), rtol=1e-12)
    expected = positions[np.argsort(classes, kind="stable")]
    np.testing.assert_array_equal(sort_by_class(positions, classes, counts), expected)

import numpy as np
import pytest
import torch

from csfnns.errors import UsageError
from csfnns.search.parts import _part_of, as_image, as_picture
from csfnns.search.sps import check_device


def test_progress_of_a_part_is_progress_of_all() -> None:
    seen = list[tuple[int, int]]()
    second = _part_of(lambda step, steps: seen.append((step, steps)) or True, 1, 3)
    assert second is not None
    assert second(0, 100) is True
    second(40, 100)
    assert seen == [(100, 300), (140, 300)]
    assert _part_of(None, 0, 1) is None


def test_a_picture_is_the_same_after_its_tensor() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    image = as_image(picture)
    assert image.shape == (1, 3, 5, 7)
    assert np.array_equal(as_picture(image), picture)
    levels = torch.tensor([-1, 0.4, 0.6, 256]).reshape(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert as_picture(levels / 255)[0, :, 0].tolist() == [0, 0, 1, 255]


def test_searches_run_on_processors_and_cuda_alone() -> None:
    check_device("cpu")
    with pytest.raises(UsageError, match="'meta' cannot be used: meta has no search"):
        check_device("meta")

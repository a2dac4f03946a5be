from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest

from csfnns.coding.jpeg import Subsampling, compress, standard_tables
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import read_coefficients
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

Scene = Callable[..., Picture]
EACH = pytest.mark.parametrize("subsampling", ["420", "444"])


@EACH
@pytest.mark.parametrize("quality", [1, 30, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("shape", [(64, 64), (65, 82), (38, 51), (8, 9), (24, 24), (1, 1)])
def test_coefficients_are_those_of_libjpeg(
    quality: int, subsampling: Subsampling, shape: tuple[int, int], scene: Scene
) -> None:
    cover = scene(*shape, quality)
    theirs = read_coefficients(encode_jpeg(cover, quality, subsampling))
    ours = compress(cover, standard_tables(quality), subsampling).file
    assert (ours.shape, ours.subsampling) == (theirs.shape, theirs.subsampling)
    np.testing.assert_array_equal(ours.tables, theirs.tables)
    for mine, other in zip(ours.planes, theirs.planes, strict=True):
        np.testing.assert_array_equal(mine, other)


@EACH
def test_coefficients_are_the_same_on_every_machine(subsampling: Subsampling) -> None:
    levels = np.frombuffer(Seed(bytes(32)).stream().take(48 * 40 * 3), np.uint8).reshape(48, 40, 3).copy()
    levels[:20, :20] = 255
    levels[20:, :20] //= 16
    found = compress(levels, standard_tables(90), subsampling).file
    digest = sha256(b"".join(plane.astype(">i2").tobytes() for plane in found.planes)).hexdigest()[:16]
    assert digest == {"420": "b0f9b9b1a36b3a38", "444": "19bc87244f9f3905"}[subsampling]


def test_remainders_tell_what_the_coefficients_were(scene: Scene) -> None:
    cover = scene(48, 40, 3)
    tables = standard_tables(60)
    found = compress(cover, tables, "444")
    for plane, left, i in zip(found.file.planes, found.remainders, (0, 1, 1), strict=True):
        eighths = 8 * tables[i].astype(int) * plane + left
        finest = compress(cover, np.ones((2, 8, 8), np.uint8), "444").file.planes[(0, 1, 2)[i]]
        assert (np.abs(left) <= 4 * tables[i].astype(int)).all()
        if i == 0:
            assert np.abs(eighths - 8 * finest).max() <= 4


def test_no_cover_comes_near_the_ends_of_a_files_range() -> None:
    """The largest coefficients there are: blocks black and white as the signs of each frequency's wave."""
    waves = np.cos((2 * np.arange(8) + 1) * np.arange(8)[:, None] * np.pi / 16) > 0
    blocks = np.logical_xor(waves[:, None, :, None], waves[None, :, None, :])  # (8, 8, 8, 8)
    grey = np.repeat(255 * blocks.astype(np.uint8), 2, axis=0).copy()
    grey[1::2] = 255 - grey[1::2]
    sheet = grey.swapaxes(1, 2).reshape(16 * 8, 64)
    plane = compress(np.stack([sheet] * 3, axis=-1), standard_tables(100), "444").file.planes[0]
    largest = np.abs(plane.reshape(-1, 64)[:, 1:]).max()
    assert 1000 < largest <= 1022


def test_tables_are_for_qualities_from_1_to_100() -> None:
    assert standard_tables(1).max() == 255
    assert standard_tables(100).max() == 1
    for quality in (0, 101, -5):
        with pytest.raises(UsageError, match="quality"):
            standard_tables(quality)


def test_a_side_that_no_file_has_is_refused() -> None:
    with pytest.raises(UsageError, match="65500"):
        compress(np.zeros((1, 65_501, 3), np.uint8), standard_tables(90), "420")

from hashlib import sha256

import numpy as np
import pytest

from csfnns.decoders.trellis import FRACTION, water_level
from csfnns.errors import DamagedError, NoMessageError
from csfnns.images.io import Picture
from csfnns.payloads.blocks import MOST_BLOCKS, MOST_WATER, PictureModel, analyse
from csfnns.payloads.transform import dct_matrix

SHAPES = [(1, 1), (3, 200), (16, 16), (40, 56), (97, 130)]


def scene(height: int, width: int, seed: int = 0) -> Picture:
    """A picture with shading, an edge and some grain."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 90 + 60 * np.sin(x / 17 + seed) + 40 * np.cos(y / 11) + 50 * (x > width / 2)
    grain = draw.standard_normal((height, width, 3)) * np.where(y < height / 2, 2, 12)[..., None]
    return np.clip(base[..., None] + grain + [10, 0, -15], 0, 255).astype(np.uint8)


def rebuilt(picture: Picture, water: int, noise: float = 0.0) -> Picture:
    analysis = analyse(picture)
    model = analysis.model(water)
    where, _ = model.heights()
    values = analysis.coefficients.reshape(-1)[where].astype(np.float64)
    values += noise * np.random.default_rng(1).standard_normal(len(values))
    return model.picture(where, np.rint(values * 2.0**FRACTION).astype(np.int64))


@pytest.mark.parametrize("shape", SHAPES)
def test_all_coefficients_give_the_picture_back(shape: tuple[int, int]) -> None:
    picture = scene(*shape)
    assert np.array_equal(rebuilt(picture, 0), picture)


def test_what_is_below_the_water_level_is_left_out() -> None:
    picture = scene(97, 130)
    for water in (800, 1200, 1600):
        error = np.mean((rebuilt(picture, water).astype(float) - picture) ** 2)
        # A class and band is left out as a whole where its mean square is not above D 2^(1/4).
        assert error < 1.3 * water_level(water) + 0.1
    assert error > 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("water", [0, 1000, MOST_WATER])
def test_a_model_comes_back_from_its_bytes(shape: tuple[int, int], water: int) -> None:
    model = analyse(scene(*shape)).model(water)
    found = PictureModel.from_bytes(model.to_bytes())
    assert (found.height, found.width, found.mean, found.water, found.group) == (
        *shape,
        model.mean,
        water,
        model.group,
    )
    assert np.array_equal(found.classes, model.classes)
    assert np.array_equal(found.table, model.table)
    assert all(np.array_equal(a, b) for a, b in zip(found.heights(), model.heights(), strict=True))


def test_a_grey_picture_has_one_colour() -> None:
    grey = np.repeat(scene(64, 64)[..., :1], 3, axis=2)
    analysis = analyse(grey)
    assert len(analysis.mean) == 1
    assert len(analysis.coefficients) == 1
    assert np.array_equal(rebuilt(grey, 0), grey)


def test_large_pictures_have_as_short_a_map() -> None:
    analysis = analyse(scene(1200, 900))
    assert analysis.classes.size <= MOST_BLOCKS
    assert len(analysis.model(1200).to_bytes()) < 700


def test_fewer_squares_and_classes_make_a_shorter_header() -> None:
    picture = scene(256, 256)
    sizes = [
        len(analyse(picture, most, classes).model(1000).to_bytes()) for most, classes in ((1024, 8), (64, 4), (4, 2))
    ]
    assert sizes[0] > 1.3 * sizes[1] > 1.6 * sizes[2]


def test_heights_are_the_variances_over_the_water_level() -> None:
    analysis = analyse(scene(128, 128))
    where, heights = analysis.model(1120).heights()
    coefficients = analysis.coefficients.reshape(-1)[where].astype(np.float64)
    for height in np.unique(heights):
        there = heights == height
        if there.sum() > 500:
            ratio = 2 * np.log2(np.mean(coefficients[there] ** 2) / water_level(1120))
            assert abs(ratio - height) < 0.6


def test_forecasts_are_what_quantisation_noise_gives() -> None:
    picture = scene(160, 160)
    analysis = analyse(picture)
    for water in (600, 1200):
        shown = rebuilt(picture, water, noise=np.sqrt(water_level(water)))
        measured = 10 * np.log10(255**2 / np.mean((shown.astype(float) - picture) ** 2))
        assert analysis.psnr(1.0)[water] == pytest.approx(measured, abs=0.3)


def test_finer_needs_more_bits() -> None:
    bits = analyse(scene(64, 64)).bits
    assert np.all(np.diff(bits) <= 0)
    assert bits[0] > 7 * bits[1400] > 0


def test_pictures_are_the_same_on_every_machine() -> None:
    classes = (np.arange(12).reshape(3, 4) % 3).astype(np.uint8)
    table = (np.arange(3 * 3 * 8).reshape(3, 3, 8) % 9).astype(np.uint8)
    model = PictureModel(40, 56, (90, 130, 110), 300, 1, classes, table)
    where, heights = model.heights()
    draw = np.random.default_rng(5)
    values = draw.integers(-(1 << 31), 1 << 31, len(where)) * heights
    digest = sha256(model.picture(where, values).tobytes()).hexdigest()
    assert digest[:16] == "f429d1c2baff8315"


def test_sums_stay_whole_numbers_that_float64_holds() -> None:
    # The largest coefficient of a block, in the largest overshoot a decoder can make, times the matrix, 16 times.
    largest = 16 * 255 * np.sqrt(3) * 16 * 2**8
    assert largest * 2**14 * 16 < 2**53
    fractions = np.abs(dct_matrix(16) * 2**14 % 1 - 0.5)
    assert fractions.min() > 1e-4  # no library's cosine rounds another way


@pytest.mark.parametrize("cut", [0, 1, 3, 8, 11])
def test_a_header_cut_short_is_damaged_or_of_the_future(cut: int) -> None:
    data = analyse(scene(64, 64)).model(1200).to_bytes()[:cut]
    with pytest.raises(NoMessageError):
        PictureModel.from_bytes(data)


def test_a_later_version_says_so() -> None:
    data = bytes([9]) + analyse(scene(16, 16)).model(1200).to_bytes()[1:]
    with pytest.raises(NoMessageError, match="version 09, unknown here"):
        PictureModel.from_bytes(data)


def test_absurd_sizes_are_refused_before_memory_is_taken() -> None:
    data = bytearray(analyse(scene(16, 16)).model(1200).to_bytes())
    sides = 3 + 3
    data[sides : sides + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(DamagedError):
        PictureModel.from_bytes(bytes(data))

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import metrics

from csfnns.errors import UsageError
from csfnns.images import metrics as measure
from csfnns.images.io import Picture

ORACLE: Any = metrics  # scikit-image has no types
PICTURES = hnp.arrays(np.uint8, st.tuples(st.integers(11, 24), st.integers(11, 24), st.just(3)))


def noise(shape: tuple[int, ...], seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> Picture:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + c) + np.cos(y / (5 + c)) for c in range(3)]
    return (127.5 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)


def disturbed(picture: Picture, levels: int) -> Picture:
    delta = np.random.default_rng(1).integers(-levels, levels + 1, picture.shape)
    return np.clip(picture.astype(int) + delta, 0, 255).astype(np.uint8)


PAIRS = [
    (noise((64, 80, 3)), noise((64, 80, 3), 1)),
    (noise((31, 17, 3)), 255 - noise((31, 17, 3))),
    (smooth(97, 64), disturbed(smooth(97, 64), 1)),
    (smooth(64, 97), disturbed(smooth(64, 97), 40)),
    (smooth(11, 11), disturbed(smooth(11, 11), 9)),
    (smooth(40, 11) // 16, disturbed(smooth(40, 11) // 16, 3)),
]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_psnr_agrees_with_scikit_image(a: Picture, b: Picture) -> None:
    assert measure.psnr(a, b) == pytest.approx(ORACLE.peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_ssim_agrees_with_scikit_image(a: Picture, b: Picture) -> None:
    expected = ORACLE.structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2, data_range=255
    )
    assert measure.ssim(a, b) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(PICTURES, st.integers(0, 2**32 - 1))
def test_figures_are_symmetric_and_in_range(a: Picture, seed: int) -> None:
    b = noise(a.shape, seed)
    figures = measure.compare(a, b)
    swapped = measure.compare(b, a)
    assert (figures.psnr, figures.max_abs, figures.changed) == (
        swapped.psnr,
        swapped.max_abs,
        swapped.changed,
    )
    assert figures.ssim == pytest.approx(swapped.ssim, abs=1e-12)
    assert -1 <= figures.ssim <= 1
    assert 0 <= figures.changed <= 1
    assert 0 <= figures.max_abs <= 255
    assert 20 * math.log10(255 / figures.max_abs) <= figures.psnr + 1e-9


@settings(max_examples=20, deadline=None)
@given(PICTURES)
def test_a_picture_equals_itself(a: Picture) -> None:
    assert measure.psnr(a, a) == math.inf
    assert measure.ssim(a, a) == pytest.approx(1, abs=1e-12)
    assert (measure.residual(a, a) == 128).all()


def test_squares_of_a_large_picture_stand_for_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that grows to the right and down: squares on one side, or one alone, would have another SSIM."""
    monkeypatch.setattr(measure, "SSIM_PIXELS", 300 * 400)
    a = smooth(480, 640)
    strength = np.add(*np.mgrid[:480, :640])[..., None] / 50
    b = np.clip(a + strength * np.random.default_rng(2).normal(size=a.shape), 0, 255).astype(np.uint8)
    whole, corner = measure.ssim(a, b), measure.ssim(a[:128, :128], b[:128, :128])
    found = measure.compare(a, b).ssim
    assert found != whole
    assert found == pytest.approx(whole, abs=0.1)
    assert abs(corner - whole) > 0.2
    small = measure.compare(a[:300, :400], b[:300, :400]).ssim  # as many pixels as are looked at
    assert small == measure.ssim(a[:300, :400], b[:300, :400])


def test_one_level_everywhere_is_48_db() -> None:
    a = smooth(32, 32) // 2
    figures = measure.compare(a, a + 1)
    assert figures.psnr == pytest.approx(20 * math.log10(255))
    assert (figures.max_abs, figures.changed) == (1, 1)


def test_changed_is_the_share_of_levels_not_of_pixels() -> None:
    a = smooth(16, 16)
    b = a.copy()
    b[0, :4, 0] ^= 255
    assert measure.compare(a, b).changed == 4 / (16 * 16 * 3)


def test_the_residual_is_signed_amplified_and_clipped() -> None:
    a = np.full((1, 4, 3), 100, np.uint8)
    b = a.copy()
    b[0, :, 0] = [100, 99, 103, 0]
    assert measure.residual(a, b)[0, :, 0].tolist() == [128, 138, 98, 255]
    assert measure.residual(b, a)[0, :, 0].tolist() == [128, 118, 158, 0]
    assert measure.residual(a, b, gain=0.5)[0, 3].tolist() == [178, 128, 128]


@pytest.mark.parametrize("figure", [measure.psnr, measure.ssim, measure.residual, measure.compare])
def test_pictures_of_two_sizes_are_refused(figure: object) -> None:
    assert callable(figure)
    with pytest.raises(UsageError, match="20x16 and 16x20"):
        figure(smooth(16, 20), smooth(20, 16))


def test_floats_are_refused() -> None:
    with pytest.raises(UsageError, match="float64"):
        measure.psnr(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(10, 40), (40, 10), (1, 1)])
def test_ssim_refuses_sides_below_its_window(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="at least 11x11"):
        measure.ssim(smooth(*shape), smooth(*shape))


def test_local_energy_is_the_mean_square_of_each_block() -> None:
    delta = np.zeros((5, 9, 3), np.int16)
    delta[:2, 2:4] = -3
    delta[2:4, 6:8, 0] = 6
    energy = measure.local_energy(delta, block=2)
    expected = np.zeros((2, 4))
    expected[0, 1], expected[1, 3] = 9, 12
    assert (energy == expected).all()
    assert measure.local_energy(np.ones((48, 33))).tolist() == [[1, 1]] * 3  # blocks of 16


def test_white_noise_has_no_autocorrelation() -> None:
    delta = np.random.default_rng(0).normal(size=(256, 256))
    correlation = measure.autocorrelation(delta, 4)
    assert correlation.shape == (9, 9)
    assert correlation[4, 4] == 1
    correlation[4, 4] = 0
    assert np.abs(correlation).max() < 5 / math.sqrt(delta.size)


def test_a_repeated_tile_is_seen_at_its_period_and_nowhere_else() -> None:
    tile = np.random.default_rng(0).normal(size=(8, 5))
    correlation = measure.autocorrelation(np.tile(tile, (16, 24)), 8)
    peaks = {(int(y) - 8, int(x) - 8) for y, x in np.argwhere(correlation > 0.98)}
    assert peaks == {(dy, dx) for dy in (-8, 0, 8) for dx in (-5, 0, 5)}


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_autocorrelation_is_the_mean_product_over_the_overlap(h: int, w: int, lag: int, seed: int) -> None:
    delta = np.random.default_rng(seed).normal(size=(h, w))
    correlation = measure.autocorrelation(delta, lag)
    centred = delta - delta.mean()
    for dy in range(-lag, lag + 1):
        for dx in range(-lag, lag + 1):
            products = [
                centred[y, x] * centred[y + dy, x + dx]
                for y in range(h)
                for x in range(w)
                if 0 <= y + dy < h and 0 <= x + dx < w
            ]
            expected = np.mean(products) / np.mean(centred**2)
            assert correlation[lag + dy, lag + dx] == pytest.approx(expected, abs=1e-9)

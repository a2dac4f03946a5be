from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from csfnns.coding import grain_delta
from csfnns.coding.laws import grain_classes
from csfnns.errors import UsageError
from csfnns.picture import Picture, fit
from csfnns.profile import make_profile
from csfnns.schemes import CsFnns, Direct, ReceiverSeeds
from csfnns.search import Search, preset
from csfnns.search.grain import GrainGrid
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))


def picture(seed: int, side: int = 64) -> Picture:
    """Levels of which a third is black or white, or nearly so."""
    random = np.random.default_rng(seed)
    return np.clip(random.normal(128, 130, (side, side, 3)), 0, 255).astype(np.uint8)


def as_cover(*pictures: Picture) -> Tensor:
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy()).float() / 255


def make_grid(cover: Tensor, seeds: Sequence[Seed] = (SEED,), **settings: float) -> GrainGrid:
    return GrainGrid(cover, seeds, **({"sigma": 1.0, "start": 1.0, "round_from": 0.3} | settings))


def levels(delta: Tensor) -> npt.NDArray[np.int64]:
    """δ (1, 3, H, W) in grey levels, as files have it: (H, W, 3)."""
    return (255 * delta.detach())[0].permute(1, 2, 0).round().long().numpy()


def histograms(delta: npt.NDArray[np.int64], cover: Picture) -> list[list[int]]:
    """Count of each value in each class of levels."""
    classes = grain_classes(cover)
    return [np.bincount(delta[classes == i] + 3, minlength=7).tolist() for i in range(7)]


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_every_class_has_the_histogram_of_a_decoy(sigma: float) -> None:
    cover = picture(1)
    grid = make_grid(as_cover(cover), sigma=sigma)
    grid.prepare(1.0)
    decoy = grain_delta(cover, Fraction(str(sigma)), SEED.derive("csfnns/1/law").stream())
    assert histograms(levels(grid.delta(1.0)), cover) == histograms(decoy.astype(np.int64), cover)


def test_histograms_hold_however_far_the_variable_went_and_where_it_ties() -> None:
    cover = picture(1)
    grid = make_grid(as_cover(cover))
    with torch.no_grad():
        grid.variable.mul_(40).round_()
    grid.project()
    grid.prepare(1.0)
    decoy = grain_delta(cover, Fraction(1), SEED.derive("csfnns/1/law").stream())
    assert histograms(levels(grid.delta(1.0)), cover) == histograms(decoy.astype(np.int64), cover)


def test_during_the_search_histograms_are_nearly_a_decoys() -> None:
    cover = picture(1)
    grid = make_grid(as_cover(cover))
    grid.prepare(0.5)
    dealt = np.array(histograms(levels(grid.delta(0.5)), cover))
    grid.prepare(1.0)
    assert np.abs(dealt - np.array(histograms(levels(grid.delta(1.0)), cover))).max() <= 1


def test_of_other_settings_only_the_effort_counts() -> None:
    assert Search(texture=1, sigma=2, steps=50).in_grain() == Search(steps=50).in_grain()


def test_values_are_dealt_in_the_order_of_the_variable() -> None:
    cover = picture(2)
    grid = make_grid(as_cover(cover))
    grid.prepare(1.0)
    dealt, classes = levels(grid.delta(1.0)), grain_classes(cover)
    variable = grid.variable.detach()[0].permute(1, 2, 0).numpy()
    for i in range(7):
        order = np.argsort(variable[classes == i])
        assert (np.diff(dealt[classes == i][order]) >= 0).all()


def test_no_level_leaves_the_range() -> None:
    cover = picture(3)
    grid = make_grid(as_cover(cover))
    grid.prepare(1.0)
    stego = cover + levels(grid.delta(1.0))
    assert stego.min() >= 0
    assert stego.max() <= 255


def test_a_cover_that_is_all_black_has_grain_too() -> None:
    grid = make_grid(torch.zeros(1, 3, 16, 16))
    grid.prepare(1.0)
    dealt = levels(grid.delta(1.0))
    assert dealt.min() == 0
    assert 0.2 < (dealt > 0).mean() < 0.5


def test_before_rounding_delta_is_the_variable_and_gradients_always_pass() -> None:
    grid = make_grid(as_cover(picture(4)))
    grid.prepare(0.0)
    torch.testing.assert_close(grid.delta(0.0), grid.variable / 255)
    grid.prepare(0.5)
    (gradient,) = torch.autograd.grad(grid.delta(0.5).sum(), grid.variable)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 255))


def test_pictures_of_a_batch_are_as_they_are_alone() -> None:
    covers, seeds = (picture(5), picture(6)), (SEED, Seed(bytes(32)))
    both = make_grid(as_cover(*covers), seeds)
    both.prepare(1.0)
    for i, (cover, seed) in enumerate(zip(covers, seeds, strict=True)):
        alone = make_grid(as_cover(cover), [seed])
        alone.prepare(1.0)
        torch.testing.assert_close(both.delta(1.0)[i : i + 1], alone.delta(1.0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("receivers", [1, 3])
def test_a_search_in_grain_hides_a_picture_in_a_decoys_values(receivers: int) -> None:
    cover = picture(7)
    profile = make_profile("standard", width=64, height=64)
    scheme = CsFnns(profile, preset(profile).in_grain())
    secrets = {
        ReceiverSeeds(SEED.derive(f"decoder {i}"), SEED.derive(f"header {i}")): fit(
            picture(8 + i, 8), *profile.secret_size
        )
        for i in range(receivers)
    }
    stego = scheme.embed(cover, secrets)
    seeds, secret = next(iter(secrets.items()))
    delta = stego.astype(np.int64) - cover
    part = seeds.decoder.derive("csfnns/1/part/0")
    decoy = grain_delta(cover, Fraction(1), part.derive("csfnns/1/law").stream())
    assert histograms(delta, cover) == histograms(decoy.astype(np.int64), cover)
    assert not np.array_equal(delta, decoy)
    if receivers == 1:  # three noisy secrets are more than so small a cover holds
        error = scheme.extract(stego, cover, seeds).grid.astype(float) - secret
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 25


def test_decoys_of_the_direct_scheme_follow_the_same_law() -> None:
    cover = picture(9, 128)
    decoy = Direct("grain").decoy(cover, SEED).astype(np.int64) - cover
    grid = make_grid(as_cover(cover))
    grid.prepare(1.0)
    for one, other in zip(histograms(decoy, cover), histograms(levels(grid.delta(1.0)), cover), strict=True):
        a, b = np.array(one), np.array(other)
        common = a + b > 0
        statistic = ((a - b)[common] ** 2 / (a + b)[common]).sum()
        assert statistic < 25  # χ² with at most 6 degrees of freedom: p > 0.0003


@pytest.mark.parametrize("sigma", [0.1, 3.0, float("nan")])
def test_grain_of_no_sensible_strength_is_refused(sigma: float) -> None:
    with pytest.raises(UsageError, match="settings"):
        Search(space="grain", sigma=sigma)

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage
from torch import Tensor

from csfnns.errors import UsageError
from csfnns.measure import psnr
from csfnns.picture import Picture
from csfnns.profile import Profile, make_profile
from csfnns.schemes import Luo, ReceiverSeeds
from csfnns.schemes.luo import KEY_STRENGTH, costs


def hill(picture: Picture) -> npt.NDArray[np.float64]:
    """Costs by scipy's filters, which mirror at the border by themselves, (3, H, W)."""
    high_pass = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])
    channels = []
    for channel in np.moveaxis(picture.astype(float), 2, 0):
        margin = np.pad(channel, 3, mode="symmetric")
        energy = ndimage.convolve(np.abs(ndimage.convolve(margin, high_pass)), np.full((3, 3), 1 / 9))[
            3:-3, 3:-3
        ]
        inverse = np.minimum(1 / (energy + 1e-10), 1e10)
        channels.append(ndimage.convolve(inverse, np.full((15, 15), 1 / 225), mode="reflect"))
    cost = np.stack(channels)
    return np.where(cost > 0.5, 3.0, cost)


def test_costs_are_those_of_hill_by_other_means(cover: Picture) -> None:
    found, expected = costs(cover), hill(cover)
    away = np.abs(expected - 0.5) > 1e-6  # from the threshold, where the last digit decides
    assert 0.01 < (expected < 0.5).mean() < 0.99
    assert found[away] == pytest.approx(expected[away], rel=1e-5)


def test_flat_places_cost_the_most_and_change_the_least(
    paper: Profile, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    cover = np.full((64, 64, 3), 128, np.uint8)
    cover[:, 32:] = np.random.default_rng(0).integers(40, 216, (64, 32, 3))
    cost = costs(cover)
    assert (cost[:, :, :20] == 3).all()
    assert (cost[:, :, 44:] < 0.1).all()
    stego = Luo(paper, steps=90).embed(cover, {receivers[0]: secret})
    change = (stego.astype(int) - cover) ** 2
    assert change[:, :20].mean() < change[:, 44:].mean()


def test_rho_trades_the_secret_against_the_stego(
    paper: Profile, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    outer = [
        psnr(Luo(paper, steps=60, rho=rho).embed(cover, {receivers[0]: secret}), cover) for rho in (0.1, 2.0)
    ]
    assert outer[1] > outer[0] + 1


def test_a_key_is_signs_of_one_size_and_reads_best(
    paper: Profile, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme = Luo(paper, keyed=True, steps=90)
    keys = [scheme._key(seeds, (64, 64)) for seeds in receivers[:2]]
    assert all(isinstance(key, Tensor) for key in keys)
    first, second = (np.asarray(key).ravel() for key in keys)
    assert np.abs(first) == pytest.approx(np.full(first.size, KEY_STRENGTH))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert abs(first.mean()) < 0.05 * KEY_STRENGTH
    stego = scheme.embed(cover, {receivers[0]: secret})
    with_key, without = (each.extract(stego, cover, receivers[0]).grid for each in (scheme, Luo(paper)))
    assert psnr(with_key, secret) > psnr(without, secret)


def test_a_rounded_search_ends_on_whole_levels(
    paper: Profile, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme, unrounded = Luo(paper, rounded=True, steps=90), Luo(paper, steps=90)
    stegos = [each.embed(cover, {receivers[0]: secret}) for each in (scheme, unrounded)]
    assert (stegos[0] != stegos[1]).any()
    assert psnr(scheme.extract(stegos[0], cover, receivers[0]).grid, secret) > 18


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"round_steps": 0}, {"learning_rate": 0.0}, {"loss_scale": 0.0}, {"rho": -1.0}]
)
def test_settings_that_cannot_be_are_refused(paper: Profile, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Luo(paper, **settings)


def test_a_decoder_of_coefficients_is_refused() -> None:
    with pytest.raises(UsageError, match="puts out pictures"):
        Luo(make_profile("robust", width=64, height=64))

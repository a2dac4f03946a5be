"""Kishore and Luo: what they share, and what each adds."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from csfnns.baselines import Kishore, Luo
from csfnns.baselines._fixed import lbfgs_round
from csfnns.baselines.luo import KEY_STRENGTH, costs
from csfnns.errors import SearchError, UsageError
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.methods import ReceiverSeeds
from csfnns.profile import Profile, make_profile
from csfnns.search import parse_channel

EACH = pytest.mark.parametrize("scheme", [Kishore, Luo])
Receivers = list[ReceiverSeeds]


@EACH
def test_as_many_steps_are_made_as_are_asked_for(
    scheme: Any,
    paper: Profile,
    cover: Picture,
    secret: Picture,
    receivers: Receivers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds: list[int] = []

    def counted(variable: Tensor, loss: Any, *, steps: int, **settings: Any) -> Tensor:
        rounds.append(steps)
        return lbfgs_round(variable, loss, steps=steps, **settings)

    monkeypatch.setattr("csfnns.baselines._fixed.lbfgs_round", counted)
    for steps in (7, 2):
        scheme(paper, steps=steps, round_steps=3).embed(cover, {receivers[0]: secret})
    assert rounds == [3, 3, 1, 2]


def test_a_round_finds_the_minimum_and_refuses_divergence() -> None:
    start, scales = torch.zeros(30), torch.logspace(-1, 2, 30)
    found = lbfgs_round(start, lambda x: (scales * (x - 2).square()).sum(), steps=100, rate=1.0)
    torch.testing.assert_close(found, torch.full((30,), 2.0), atol=1e-4, rtol=0)
    assert (start == 0).all()
    with pytest.raises(SearchError):
        lbfgs_round(torch.ones(3), lambda x: -x.pow(4).sum(), steps=50, rate=1.0)


@EACH
def test_steps_that_a_channel_rounds_away_do_not_end_the_search(
    scheme: Any, paper: Profile, cover: Picture, secret: Picture, receivers: Receivers
) -> None:
    made = scheme(paper, steps=60, round_steps=20, channel=parse_channel("jpeg:90/420"))
    stego = made.embed(cover, {receivers[0]: secret})
    assert psnr(cover, stego) < 40


@pytest.mark.parametrize(
    ("scheme", "name", "value"),
    [
        *((scheme, name, 0) for scheme in (Kishore, Luo) for name in ("steps", "round_steps", "loss_scale")),
        *((Kishore, "learning_rate", value) for value in (0.0, float("nan"))),
        *((Kishore, "epsilon", value) for value in (0.0, 2.0)),
        (Luo, "rho", -1.0),
    ],
)
def test_settings_out_of_range_are_refused(scheme: Any, name: str, value: float, paper: Profile) -> None:
    with pytest.raises(UsageError, match=f"{name} must be .*, got {value}"):
        scheme(paper, **{name: value})


@EACH
def test_a_decoder_of_coefficients_is_refused(scheme: Any) -> None:
    with pytest.raises(UsageError, match="outputs pictures"):
        scheme(make_profile("robust", width=64, height=64))


def test_no_pixel_moves_further_than_epsilon(
    paper: Profile, cover: Picture, secret: Picture, receivers: Receivers
) -> None:
    stego = Kishore(paper, steps=100, epsilon=0.02).embed(cover, {receivers[0]: secret})
    assert np.abs(stego.astype(int) - cover).max() == 5


def test_more_steps_recover_more(paper: Profile, cover: Picture, secret: Picture, receivers: Receivers) -> None:
    recovered = []
    for steps in (40, 120):
        scheme = Kishore(paper, steps=steps)
        stego = scheme.embed(cover, {receivers[0]: secret})
        recovered.append(psnr(scheme.extract(stego, cover, receivers[0]).grid, secret))
    assert recovered[1] > recovered[0] + 2


def test_a_loss_below_the_tolerances_changes_nothing(
    paper: Profile, cover: Picture, secret: Picture, receivers: Receivers
) -> None:
    tiny = Kishore(paper, steps=40, loss_scale=1e-6).embed(cover, {receivers[0]: secret})
    usual = Kishore(paper, steps=40).embed(cover, {receivers[0]: secret})
    assert (tiny == cover).all()
    assert psnr(usual, cover) < 35


def test_two_receivers_get_their_own(cover: Picture, secret: Picture, receivers: Receivers) -> None:
    scheme = Kishore(make_profile("paper", width=64, height=64, channels=24, bpp="1.5"), steps=100)
    own = fit(secret, 16, 16)
    others = 255 - own[::-1]
    stego = scheme.embed(cover, {receivers[0]: own, receivers[1]: others})
    first, second = (scheme.extract(stego, cover, seeds).grid for seeds in receivers[:2])
    assert psnr(first, own) > psnr(first, others) + 5
    assert psnr(second, others) > psnr(second, own) + 5


def hill(picture: Picture) -> npt.NDArray[np.float64]:
    """Costs by scipy's filters, which mirror at the border by themselves, (3, H, W)."""
    high_pass = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])
    channels = []
    for channel in np.moveaxis(picture.astype(float), 2, 0):
        margin = np.pad(channel, 3, mode="symmetric")
        residual = np.abs(ndimage.convolve(margin, high_pass))
        energy = ndimage.convolve(residual, np.full((3, 3), 1 / 9))[3:-3, 3:-3]
        inverse = np.minimum(1 / (energy + 1e-10), 1e10)
        channels.append(ndimage.convolve(inverse, np.full((15, 15), 1 / 225), mode="reflect"))
    cost = np.stack(channels)
    return np.where(cost > 0.5, 3.0, cost)


def test_costs_are_those_of_hill_by_other_means(cover: Picture) -> None:
    found, expected = costs(cover), hill(cover)
    away = np.abs(expected - 0.5) > 1e-6  # from the threshold, where the last digit decides
    assert 0.01 < (expected < 0.5).mean() < 0.99
    assert found[away] == pytest.approx(expected[away], rel=1e-5)


def test_flat_places_cost_the_most_and_change_the_least(paper: Profile, secret: Picture, receivers: Receivers) -> None:
    cover = np.full((64, 64, 3), 128, np.uint8)
    cover[:, 32:] = np.random.default_rng(0).integers(40, 216, (64, 32, 3))
    cost = costs(cover)
    assert (cost[:, :, :20] == 3).all()
    assert (cost[:, :, 44:] < 0.1).all()
    stego = Luo(paper, steps=90).embed(cover, {receivers[0]: secret})
    change = (stego.astype(int) - cover) ** 2
    assert change[:, :20].mean() < change[:, 44:].mean()


def test_rho_trades_the_secret_against_the_stego(
    paper: Profile, cover: Picture, secret: Picture, receivers: Receivers
) -> None:
    stegos = [Luo(paper, steps=60, rho=rho).embed(cover, {receivers[0]: secret}) for rho in (0.1, 2.0)]
    assert psnr(stegos[1], cover) > psnr(stegos[0], cover) + 1


def test_a_key_is_signs_of_one_size_and_decodes_best(
    paper: Profile, cover: Picture, secret: Picture, receivers: Receivers
) -> None:
    scheme = Luo(paper, keyed=True, steps=90)
    first, second = (np.asarray(scheme.pattern(seeds, cover)).ravel() for seeds in receivers[:2])
    assert np.abs(first) == pytest.approx(np.full(cover.size, KEY_STRENGTH))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert abs(first.mean()) < 0.05 * KEY_STRENGTH
    stego = scheme.embed(cover, {receivers[0]: secret})
    with_key, without = (each.extract(stego, cover, receivers[0]).grid for each in (scheme, Luo(paper)))
    assert psnr(with_key, secret) > psnr(without, secret)


def test_a_rounded_search_ends_on_whole_levels(
    paper: Profile, cover: Picture, secret: Picture, receivers: Receivers
) -> None:
    scheme, unrounded = Luo(paper, rounded=True, steps=90), Luo(paper, steps=90)
    stegos = [each.embed(cover, {receivers[0]: secret}) for each in (scheme, unrounded)]
    assert (stegos[0] != stegos[1]).any()
    assert psnr(scheme.extract(stegos[0], cover, receivers[0]).grid, secret) > 18

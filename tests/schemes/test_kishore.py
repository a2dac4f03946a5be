from typing import Any

import numpy as np
import pytest
from torch import Tensor

from csfnns.errors import UsageError
from csfnns.measure import psnr
from csfnns.picture import Picture, fit
from csfnns.profile import Profile, make_profile
from csfnns.schemes import Kishore, Luo, ReceiverSeeds
from csfnns.schemes._lbfgs import lbfgs_round


def test_no_pixel_moves_further_than_epsilon(
    paper: Profile, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    stego = Kishore(paper, steps=100, epsilon=0.02).embed(cover, {receivers[0]: secret})
    assert np.abs(stego.astype(int) - cover).max() == 5


def test_more_steps_recover_more(
    paper: Profile, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    recovered = []
    for steps in (40, 120):
        scheme = Kishore(paper, steps=steps)
        stego = scheme.embed(cover, {receivers[0]: secret})
        recovered.append(psnr(scheme.extract(stego, cover, receivers[0]).grid, secret))
    assert recovered[1] > recovered[0] + 2


def test_a_loss_below_the_tolerances_stands_still(
    paper: Profile, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    tiny = Kishore(paper, steps=40, loss_scale=1e-6).embed(cover, {receivers[0]: secret})
    usual = Kishore(paper, steps=40).embed(cover, {receivers[0]: secret})
    assert (tiny == cover).all()
    assert psnr(usual, cover) < 35


def test_two_receivers_get_their_own(cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = Kishore(make_profile("paper", width=64, height=64, channels=24, bpp="1.5"), steps=100)
    own = fit(secret, 16, 16)
    others = 255 - own[::-1]
    stego = scheme.embed(cover, {receivers[0]: own, receivers[1]: others})
    first, second = (scheme.extract(stego, cover, seeds).grid for seeds in receivers[:2])
    assert psnr(first, own) > psnr(first, others) + 5
    assert psnr(second, others) > psnr(second, own) + 5


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"round_steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"loss_scale": 0.0},
        {"epsilon": 2.0},
    ],
)
def test_settings_that_cannot_be_are_refused(paper: Profile, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Kishore(paper, **settings)


def test_a_decoder_of_coefficients_is_refused() -> None:
    with pytest.raises(UsageError, match="puts out pictures"):
        Kishore(make_profile("robust", width=64, height=64))


@pytest.mark.parametrize("scheme", [Kishore, Luo])
def test_as_many_steps_are_made_as_are_asked_for(
    scheme: Any,
    paper: Profile,
    cover: Picture,
    secret: Picture,
    receivers: list[ReceiverSeeds],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds: list[int] = []

    def counted(variable: Tensor, loss: Any, *, steps: int, rate: float) -> Tensor:
        rounds.append(steps)
        return lbfgs_round(variable, loss, steps=steps, rate=rate)

    monkeypatch.setattr(f"{scheme.__module__}.lbfgs_round", counted)
    for steps in (7, 2):
        scheme(paper, steps=steps, round_steps=3).embed(cover, {receivers[0]: secret})
    assert rounds == [3, 3, 1, 2]

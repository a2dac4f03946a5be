"""What every scheme promises."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from csfnns.baselines import SCHEMES, make_scheme
from csfnns.baselines.udh import Networks, Shape, save_networks
from csfnns.errors import Cancelled, CapacityError, NoMessageError, UsageError
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.methods import ReceiverSeeds, Scheme
from csfnns.profile import Profile, make_profile
from csfnns.search import Search

LEAST = {
    "csfnns": (40, 25),
    "trellis": (50, 25),
    "kishore": (20, 19),
    "luo": (20, 18),
    "lsb": (40, 99),
    "steganogan": (0, 99),
    "udh": (25, 0),
}
"""PSNR of stego and secret in dB. Networks are not trained here: UDH's are random (test_udh.py trains some), those of
SteganoGAN made by hand, and ignore the cover."""
NAMED = pytest.mark.parametrize("name", SCHEMES)
KEYED = pytest.mark.parametrize("name", sorted(set(SCHEMES) - {"udh"}))
SETTINGS: dict[str, dict[str, Any]] = {
    "csfnns": {"search": Search(steps=60, beta=0.01)},
    "kishore": {"steps": 100, "round_steps": 10},
    "luo": {"steps": 90},
}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of UDH for one secret, as they are before any training."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("udh") / "udh.safetensors"
    save_networks(Networks(Shape(secrets=1, channels=8)), path)
    return path


@pytest.fixture
def scheme(name: str, paper: Profile, weights: Path, three_planes: Path) -> Scheme:
    """Each scheme with settings that take a second. Cs-FNNS has the paper's decoder and whole levels."""
    profile = make_profile("standard", width=64, height=64) if name == "trellis" else paper
    if name == "steganogan":
        return make_scheme(name, make_profile("paper", width=64, height=64, bpp="1.5"), weights=three_planes)
    settings = {"weights": weights} if name == "udh" else SETTINGS.get(name, {})
    return make_scheme(name, profile, **settings)


@NAMED
def test_a_secret_comes_back(
    name: str, scheme: Scheme, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    before = cover.copy()
    scheme.check([secret])
    stego = scheme.embed(cover, {receivers[0]: secret})
    assert (cover == before).all()
    assert stego.shape == cover.shape
    assert stego.dtype == np.uint8
    assert stego.flags["C_CONTIGUOUS"]
    assert psnr(cover, stego) > LEAST[name][0]
    if name == "udh":
        return
    decoded = scheme.extract(stego, cover, receivers[0])
    side = 16 if name == "steganogan" else 32
    assert decoded.grid.shape == (side, side, 3)
    assert psnr(decoded.grid, fit(secret, side, side)) > LEAST[name][1]


@KEYED
def test_other_seeds_and_plain_covers_hold_no_message(
    scheme: Scheme, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    stego = scheme.embed(cover, {receivers[0]: secret})
    with pytest.raises(NoMessageError):
        scheme.extract(stego, cover, receivers[1])
    with pytest.raises(NoMessageError):
        scheme.extract(cover, cover, receivers[0])


@pytest.mark.parametrize("name", sorted(set(SCHEMES) - {"csfnns", "trellis", "udh"}))
def test_baselines_need_no_cover_to_extract(
    scheme: Scheme, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    stego = scheme.embed(cover, {receivers[0]: secret})
    grids = [scheme.extract(stego, any_cover, receivers[0]).grid for any_cover in (cover, 255 - cover)]
    assert (grids[0] == grids[1]).all()


@NAMED
def test_embedding_twice_gives_the_same(
    scheme: Scheme, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    stegos = []
    for state in (1, 2):
        torch.manual_seed(state)
        stegos.append(scheme.embed(cover, {receivers[0]: secret}))
    assert (stegos[0] == stegos[1]).all()


@NAMED
def test_progress_is_reported_to_the_end(
    name: str, scheme: Scheme, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    steps: list[tuple[int, int]] = []
    scheme.embed(cover, {receivers[0]: secret}, progress=lambda *step: steps.append(step))
    done, every = zip(*steps, strict=True)
    assert all(0 < now <= last for now, last in steps)
    assert done[-1] == every[-1]
    if name != "trellis":  # which searches several times, piece by piece
        assert done == tuple(range(1, every[0] + 1))
        assert set(every) == {every[0]}


@NAMED
def test_progress_cancels(scheme: Scheme, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]) -> None:
    with pytest.raises(Cancelled):
        scheme.embed(cover, {receivers[0]: secret}, progress=lambda done, steps: False)


@NAMED
def test_too_many_secrets_are_refused(scheme: Scheme, secret: Picture) -> None:
    with pytest.raises((CapacityError, UsageError)):
        scheme.check([secret] * 9)


@NAMED
def test_an_unknown_setting_is_refused(name: str, paper: Profile) -> None:
    with pytest.raises(UsageError, match=f"'{name}' has no setting 'colour'"):
        make_scheme(name, paper, colour="red")


def test_an_unknown_scheme_is_refused(paper: Profile) -> None:
    with pytest.raises(UsageError, match="no scheme 'magic'"):
        make_scheme("magic", paper)

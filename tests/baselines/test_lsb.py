import hmac
import math

import numpy as np
import pytest

from csfnns.baselines import Lsb
from csfnns.errors import CapacityError, NoMessageError
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.methods import ReceiverSeeds
from csfnns.profile import make_profile

EACH = pytest.mark.parametrize("matching", [False, True], ids=["replacement", "matching"])
RATES = pytest.mark.parametrize("bpp", ["6", "1.5"])
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@EACH
@RATES
@pytest.mark.parametrize("level", [0, 1, 128, 254, 255, None])
def test_every_secret_comes_back_exactly_whatever_the_cover(
    bpp: str, matching: bool, level: int | None, receivers: list[ReceiverSeeds]
) -> None:
    scheme = Lsb(make_profile("paper", width=64, height=64, bpp=bpp), matching)
    cover = NOISE if level is None else np.full((64, 64, 3), level, np.uint8)
    secret = np.random.default_rng(1).integers(0, 256, (27, 31, 3), dtype=np.uint8)
    stego = scheme.embed(cover, {receivers[0]: secret})
    decoded = scheme.extract(stego, cover, receivers[0])
    assert (decoded.grid == fit(secret, *scheme.profile.secret_size)).all()
    assert decoded.shape == (27, 31)
    assert decoded.expected_psnr == math.inf


@EACH
@RATES
def test_as_many_bits_change_as_the_rate_says(
    bpp: str, matching: bool, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme = Lsb(make_profile("paper", width=64, height=64, bpp=bpp), matching)
    change = scheme.embed(NOISE, {receivers[0]: secret}).astype(int) - NOISE
    expected = {"6": 3 / 4, "1.5": 1 / 4}[bpp]  # all but one of four values move; half of half the places
    assert (change != 0).mean() == pytest.approx(expected, abs=0.01)


def test_matching_moves_less_than_replacement_and_without_a_bias(
    secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    cover = np.full((64, 64, 3), 104, np.uint8)  # ends in 000: replacement can only add
    profile = make_profile("paper", width=64, height=64)
    replaced, matched = (Lsb(profile, matching).embed(cover, {receivers[0]: secret}) for matching in (False, True))
    assert replaced.min() == 104
    assert abs(float(matched.astype(int).mean()) - 104) < 0.05
    assert psnr(cover, matched) > psnr(cover, replaced) + 2
    values, counts = np.unique(matched, return_counts=True)
    common = values[counts > 0.02 * matched.size]
    assert set(common) == {102, 103, 104, 105, 106}


@EACH
def test_one_changed_bit_is_detected(matching: bool, secret: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = Lsb(make_profile("paper", width=64, height=64), matching)
    stego = scheme.embed(NOISE, {receivers[0]: secret})
    stego[40, 20, 1] ^= 1
    with pytest.raises(NoMessageError):
        scheme.extract(stego, NOISE, receivers[0])


@EACH
def test_hidden_bits_look_random(matching: bool, receivers: list[ReceiverSeeds]) -> None:
    scheme = Lsb(make_profile("paper", width=64, height=64), matching)
    stego = scheme.embed(np.zeros((64, 64, 3), np.uint8), {receivers[0]: np.zeros((8, 8, 3), np.uint8)})
    low = stego & 3
    assert np.bincount(low.reshape(-1), minlength=4) == pytest.approx(np.full(4, low.size / 4), rel=0.1)
    assert abs(float(np.corrcoef(low[:, 1:].ravel(), low[:, :-1].ravel())[0, 1])) < 0.05


@EACH
def test_24_bits_and_two_secrets_are_refused(matching: bool, secret: Picture, receivers: list[ReceiverSeeds]) -> None:
    full = Lsb(make_profile("paper", width=64, height=64, bpp="24"), matching)
    with pytest.raises(CapacityError, match="more than 4"):
        full.embed(NOISE, {receivers[0]: secret})
    two = Lsb(make_profile("paper", width=64, height=64), matching)
    with pytest.raises(CapacityError, match="overwrite"):
        two.check([secret, secret])


def test_a_side_above_two_bytes_is_refused(receivers: list[ReceiverSeeds]) -> None:
    wide = np.zeros((1, 65_536, 3), np.uint8)
    with pytest.raises(CapacityError, match="65535"):
        Lsb(make_profile("paper", width=64, height=64)).embed(NOISE, {receivers[0]: wide})


def test_the_check_has_a_key_of_its_own(secret: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme, (seeds, *_) = Lsb(make_profile("paper", width=64, height=64, bpp="1.5")), receivers
    stego = scheme.embed(NOISE, {seeds: secret})
    order = seeds.decoder.derive("csfnns/2/lsb/order").stream().permutation(NOISE.size)
    grid = fit(secret, *scheme.profile.secret_size)
    bits = stego.reshape(-1)[order[: 8 * (10 + grid.size)]] & 1
    keystream = np.frombuffer(seeds.decoder.derive("csfnns/2/lsb/bits").stream().take(len(bits) // 8), np.uint8)
    data = (np.packbits(bits) ^ keystream).tobytes()
    key = seeds.header.derive("csfnns/2/lsb/check").data
    assert data[10:] == grid.tobytes()
    assert data[:6] == hmac.new(key, data[6:], "sha256").digest()[:6]

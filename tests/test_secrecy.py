"""The perturbation tells nothing of the secret to whoever subtracts the cover without the decoder's key.

benchmarks/secrecy.py holds the same bars over ten pairs of real pictures. Here are few and small ones, so each
bound allows for the sample: what perfectly independent levels show by chance is stated next to it.

Where the cover is textured, more levels change: that tells of the cover alone. Bounds on where the changes are hold without
prices of changes, or between two secrets in one cover.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from csfnns.covers.abstract import AbstractCovers
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import autocorrelation, local_energy
from csfnns.methods import ReceiverSeeds
from csfnns.methods.trellis import COST_EXPONENT, Trellis
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
SIDE = 256  # of a cover; secrets have half of it
BLOCK = 16  # of the cover; 8 of the secret
LAGS = 4

Delta = npt.NDArray[np.int16]
Scene = Callable[..., Picture]


def perturb(cover: Picture, secret: Picture, seed: Seed, exponent: float = 0.0, stego: float = 54.0) -> Delta:
    """δ in grey levels, by a decoder of few states, which is quicker; at 54 dB a quarter of them changes."""
    seeds = ReceiverSeeds(seed.derive("decoder"), seed.derive("header"))
    scheme = Trellis(stego=stego, exponent=exponent, states=256)
    return scheme.embed(cover, {seeds: secret}).astype(np.int16) - cover


def largest_autocorrelation(delta: Delta) -> float:
    """Over all lags up to 4 and each channel."""
    values = np.stack([autocorrelation(delta[..., c], LAGS) for c in range(3)])
    values[:, LAGS, LAGS] = 0
    return float(np.abs(values).max())


def relative_variation(delta: Delta) -> float:
    """Unevenness of δ's local energy over that of its own values in a random order."""
    order = SEED.derive("shuffle").stream().permutation(delta.size)
    shuffled = delta.reshape(-1)[order].reshape(delta.shape)
    own, chance = (local_energy(each, BLOCK) for each in (delta, shuffled))
    return float(own.std() / own.mean() / (chance.std() / chance.mean()))


def layouts(secret: Picture) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Local energy of a secret about its mean, and of its texture."""
    levels = secret.astype(np.float64)
    coarse = levels.reshape(secret.shape[0] // 8, 8, secret.shape[1] // 8, 8, 3).mean((1, 3))
    texture = levels - coarse.repeat(8, 0).repeat(8, 1)
    return local_energy(levels - levels.mean((0, 1)), 8), local_energy(texture, 8)


def correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def energy_correlations(delta: Delta, secret: Picture) -> list[float]:
    """Correlations of δ's local energy with the secret's in matching blocks."""
    return [correlation(local_energy(delta, BLOCK), layout) for layout in layouts(secret)]


def half_busy(which: int) -> Picture:
    """Secret (128, 128, 3) with as much layout as can be: noise and waves on one half, one grey on the other."""
    random = np.random.default_rng(which)
    y, x = np.mgrid[:128, :128]
    busy = 127 + 60 * np.sin(x / (3 + which))[..., None] + 40 * random.standard_normal((128, 128, 3))
    half = x < 64 if which % 2 else y < 64
    return np.where(half[..., None], np.clip(busy, 0, 255), 90).astype(np.uint8)


@pytest.fixture(scope="module")
def small() -> list[tuple[Delta, Picture]]:
    """Two perturbations of 256x256 covers and their secrets."""
    covers = AbstractCovers(SIDE, SIDE)
    secrets = [half_busy(which) for which in range(2)]
    return [
        (perturb(covers(SEED.derive(f"cover/{i}")), secret, SEED.derive(f"small/{i}")), secret)
        for i, secret in enumerate(secrets)
    ]


def test_the_halves_of_the_secret_do_not_show(small: list[tuple[Delta, Picture]]) -> None:
    """Energy where the secret is busy over where it is flat; independent levels are within 1 %."""
    for which, (delta, _) in enumerate(small):
        first, second = np.split(delta.astype(np.float64), 2, axis=1 if which % 2 else 0)
        assert np.mean(first**2) / np.mean(second**2) == pytest.approx(1, abs=0.03)


def test_blocks_of_the_secret_do_not_show(small: list[tuple[Delta, Picture]]) -> None:
    """256 blocks: single correlations by chance are about 0.06, means of four sizes 0.05 ± 0.02."""
    values = [energy_correlations(delta, secret) for delta, secret in small]
    assert np.mean(np.abs(values)) < 0.12


def test_with_prices_only_the_cover_shows(scene: Scene) -> None:
    """Two secrets in one cover, busy in different halves: where their changes differ is by chance, 0.06."""
    cover = scene(SIDE, SIDE)  # textured on the right
    secrets = [half_busy(1), half_busy(1)[:, ::-1].copy()]
    deltas = [perturb(cover, each, SEED.derive(f"prices/{i}"), COST_EXPONENT, 56) for i, each in enumerate(secrets)]
    energies = [local_energy(each, BLOCK) for each in deltas]
    assert correlation(*energies) > 0.5
    for first, second in zip(*map(layouts, secrets), strict=True):
        assert abs(correlation(energies[0] - energies[1], first - second)) < 0.2


def test_energy_is_even(small: list[tuple[Delta, Picture]]) -> None:
    assert np.mean([relative_variation(delta) for delta, _ in small]) < 1.5


def test_neighbours_are_uncorrelated(small: list[tuple[Delta, Picture]]) -> None:
    """Single values by chance are about 1 / 256, the largest of 120 three to four times that."""
    assert np.mean([largest_autocorrelation(delta) for delta, _ in small]) < 4.5 / 256


def test_colours_are_uncorrelated(small: list[tuple[Delta, Picture]]) -> None:
    for delta, _ in small:
        between = np.asarray(np.corrcoef(delta.reshape(-1, 3).T))[np.triu_indices(3, 1)]
        assert np.abs(between).max() < 4.5 / 256


def test_the_measures_see_what_they_look_for() -> None:
    """A perturbation that follows its secret, and is smooth, fails every bound above."""
    secret = half_busy(1)
    strength = np.where(np.arange(256) < 128, 2.0, 1.0)[None, :, None]
    noise = SEED.stream().normals(256 * 256 * 3).reshape(256, 256, 3)
    delta = np.rint(strength * (noise + 0.5 * np.roll(noise, 1, axis=1))).astype(np.int16)
    assert min(energy_correlations(delta, secret)) > 0.5
    assert relative_variation(delta) > 3
    assert largest_autocorrelation(delta) > 0.1


@pytest.mark.data
def test_real_pictures_do_not_show(data: Path) -> None:
    """Two pairs at 512x512.

    By chance: correlations 0.03, means of four sizes 0.025 ± 0.01; largest autocorrelations 0.006.
    """
    covers = sorted((data / "covers" / "eval").glob("*.png"))[:2]
    secrets = sorted((data / "secrets" / "imagenet").iterdir())[:2]
    correlations, autocorrelations, variations = [], [], []
    for cover, secret in zip(covers, secrets, strict=True):
        picture = fit(read_picture(secret), 256, 256)
        delta = perturb(read_picture(cover), picture, SEED.derive(cover.name))
        correlations.append(energy_correlations(delta, picture))
        autocorrelations.append(largest_autocorrelation(delta))
        variations.append(relative_variation(delta))
    priced = perturb(read_picture(covers[0]), picture, SEED, COST_EXPONENT)
    autocorrelations.append(largest_autocorrelation(priced))
    assert np.mean(np.abs(correlations)) < 0.07
    assert np.mean(autocorrelations) < 0.01
    assert np.mean(variations) < 1.5

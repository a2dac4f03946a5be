"""Grain: what holds a secret, what holds none, and any picture, all by one law."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import csfnns
from csfnns.coding.laws import grain_classes, grain_laws
from csfnns.errors import CapacityError, KeyFileError, NoMessageError, UsageError
from csfnns.keys import Key, Ledger
from csfnns.measure import psnr
from csfnns.picture import Picture
from csfnns.stream import Seed

Scene = Callable[..., Picture]
ROOT = Seed(bytes(range(32)))


def make_key(*receivers: str) -> Key:
    return Key.from_root(csfnns.make_profile("standard", width=96, height=96), ROOT, receivers or ("main",))


def follows_the_law(stego: Picture, cover: Picture) -> bool:
    """χ² of each class's histogram against the law: of 5 % of what has it, none of what is far from it."""
    delta, classes, laws = stego.astype(int) - cover, grain_classes(cover), grain_laws(Fraction(1))
    statistic, degrees = 0.0, 0
    for i, law in enumerate(laws):
        found = np.bincount(delta[classes == i] + 3, minlength=7)
        expected = np.diff(law) / law[-1] * found.sum()
        if (found[expected == 0] > 0).any():
            return False
        likely = expected > 5
        statistic += ((found - expected)[likely] ** 2 / expected[likely]).sum()
        degrees += max(int(likely.sum()) - 1, 0)
    return bool(statistic < degrees + 4 * (2 * degrees) ** 0.5)


def test_a_picture_in_grain_comes_back_and_follows_the_law(scene: Scene) -> None:
    """Byte for byte if it fits, and else as the AVIF that does."""
    key, small, large = make_key(), scene(40, 40), scene(90, 120)
    exact, smaller = (csfnns.hide(secret, key, grain=True) for secret in (small, large))
    for hidden in (exact, smaller):
        assert follows_the_law(hidden.picture, csfnns.make_cover(key, hidden.message).picture)
        assert hidden.carrier == "grain"
        assert 47.5 < hidden.stego.psnr < 49
    assert np.array_equal(csfnns.reveal(exact, key).picture, small)
    assert [each.receivers["main"].method for each in (exact, smaller)] == ["exact", "avif"]
    assert psnr(csfnns.reveal(smaller, key).picture, large) == smaller.least_recovered > 34


def test_without_grain_a_stego_does_not_follow_the_law(scene: Scene) -> None:
    key = make_key()
    for secret in (scene(60, 60), b"of any length"):
        hidden = csfnns.hide(secret, key)
        assert not follows_the_law(hidden.picture, csfnns.make_cover(key, hidden.message).picture)


def test_decoys_files_and_grainy_pictures_follow_the_law(scene: Scene, tmp_path: Path) -> None:
    key = make_key()
    decoy = csfnns.make_decoy(key, out=tmp_path / "decoy.png")
    file = csfnns.hide(b"of any length", key, grain=True)
    assert (decoy.message, file.message) == (1, 2)
    for made in (decoy, file):
        assert follows_the_law(made.picture, csfnns.make_cover(key, made.message).picture)
    own = scene(96, 96)
    assert follows_the_law(csfnns.add_grain(own), own)
    assert not np.array_equal(csfnns.add_grain(own), csfnns.add_grain(own))
    with pytest.raises(NoMessageError):
        csfnns.reveal(tmp_path / "decoy.png", key)
    found = csfnns.reveal(file, key)
    assert isinstance(found, csfnns.RevealedFile)
    assert found.content == b"of any length"


def test_what_cannot_be_hidden_in_grain_uses_no_number_up(scene: Scene) -> None:
    secret = scene(60, 60)
    robust = Key.from_root(csfnns.make_profile("robust", width=128, height=128), ROOT)
    key, noise = make_key(), Seed(bytes(32)).stream().take(9000)
    with pytest.raises(UsageError):
        csfnns.hide(secret, robust, grain=True)
    with pytest.raises(UsageError):
        csfnns.hide(secret, key, grain=True, target_recovered=30)
    with pytest.raises(CapacityError):
        csfnns.hide(noise, key, grain=True)
    assert Ledger().highest(robust.id) == Ledger().highest(key.id) == 0
    with pytest.raises(KeyFileError):
        csfnns.make_decoy(robust.for_receiver("main"))

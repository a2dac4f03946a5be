from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from csfnns.covers.abstract import AbstractCovers
from csfnns.errors import UsageError
from csfnns.measure import local_energy, psnr
from csfnns.picture import Picture, fit
from csfnns.profile import make_profile
from csfnns.schemes import CsFnns, ReceiverSeeds
from csfnns.search import preset
from csfnns.stream import Seed

Scene = Callable[..., Picture]
PROFILE = make_profile(width=64, height=64, bpp="6")
SCHEME = CsFnns(PROFILE, replace(preset(PROFILE), steps=60))


def seeds(name: str) -> ReceiverSeeds:
    root = Seed(bytes(32)).derive(name)
    return ReceiverSeeds(root.derive("decoder"), root.derive("header"))


def test_a_batch_holds_what_its_pictures_would_hold_alone(scene: Scene) -> None:
    covers = [AbstractCovers(64, 64)(Seed(bytes(32)), message) for message in (1, 2, 3)]
    secrets = [
        {seeds(f"bob {i}"): scene(40, 40, i), seeds(f"carol {i}"): scene(50, 40, 9 + i)} for i in range(3)
    ]
    alone = [SCHEME.embed(cover, each) for cover, each in zip(covers, secrets, strict=True)]
    together = SCHEME.embed_batch(covers, secrets)
    for stego, single, cover, each in zip(together, alone, covers, secrets, strict=True):
        assert psnr(stego, cover) == pytest.approx(psnr(single, cover), abs=0.2)
        for receiver, secret in each.items():
            there = [
                psnr(SCHEME.extract(x, cover, receiver).grid, fit(secret, 32, 32)) for x in (stego, single)
            ]
            assert there[0] == pytest.approx(there[1], abs=1.0)


def test_a_batch_of_uneven_parts_is_refused(scene: Scene) -> None:
    cover, secret = scene(64, 64), scene(32, 32, 1)
    for covers, secrets in (
        ([], []),
        ([cover, cover], [{seeds("a"): secret}]),
        ([cover, cover], [{seeds("a"): secret}, {seeds("a"): secret, seeds("b"): secret}]),
    ):
        with pytest.raises(UsageError, match="no batch"):
            SCHEME.embed_batch(covers, secrets)


def test_texture_takes_the_changes(scene: Scene) -> None:
    random = np.random.default_rng(1)
    cover = np.full((64, 64, 3), 120, np.uint8)
    cover[:, 32:] += random.integers(0, 60, (64, 32, 3), dtype=np.uint8)
    shares = []
    for texture in (0.0, 0.7):
        scheme = replace(SCHEME, search=replace(preset(PROFILE), steps=60, texture=texture))
        stego = scheme.embed(cover, {seeds("bob"): scene(40, 40, 1)})
        energy = local_energy(stego.astype(int) - cover, 32)
        shares.append(float(energy[:, 1].sum() / energy.sum()))
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[1] > 0.65

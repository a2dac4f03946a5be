from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from csfnns.covers.abstract import AbstractCovers
from csfnns.decoders import make_decoder
from csfnns.errors import NoMessageError, UsageError
from csfnns.measure import local_energy, psnr
from csfnns.payloads import make_codec
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


def test_clipped_areas_hardly_change(scene: Scene) -> None:
    cover = scene(64, 64)
    cover[:, :3], cover[:, 3:6] = 0, 255
    changed = []
    for clipped in (1.0, preset(PROFILE).clipped):
        scheme = replace(SCHEME, search=replace(preset(PROFILE), steps=60, clipped=clipped))
        stego = scheme.embed(cover, {seeds("bob"): scene(40, 40, 1)})
        changed.append(float((stego != cover)[:, :6].mean()))
    assert changed[0] > 0.1
    assert changed[1] < 0.03


def test_a_cover_that_is_half_white_holds_as_good_a_secret(scene: Scene) -> None:
    cover, secret = scene(64, 64), scene(40, 40, 1)
    cover[:32] = 255
    recovered = []
    for clipped in (1.0, preset(PROFILE).clipped):
        scheme = replace(SCHEME, search=replace(preset(PROFILE), steps=60, clipped=clipped))
        stego = scheme.embed(cover, {seeds("bob"): secret})
        recovered.append(psnr(SCHEME.extract(stego, cover, seeds("bob")).grid, fit(secret, 32, 32)))
    assert recovered[1] > recovered[0] - 0.5


def test_receivers_of_one_cover_read_their_own_secret_and_nothing_else(scene: Scene) -> None:
    profile = make_profile(width=128, height=128, bpp="1.5")
    scheme = CsFnns(profile, replace(preset(profile), steps=120, beta=0.005))
    cover = AbstractCovers(128, 128)(Seed(bytes(32)), 1)
    names = [f"receiver {i}" for i in range(8)]
    secrets = {seeds(name): scene(40, 40, i) for i, name in enumerate(names)}
    stego = scheme.embed(cover, secrets)
    for receiver, secret in secrets.items():
        assert psnr(scheme.extract(stego, cover, receiver).grid, fit(secret, 32, 32)) > 22
    bob, carol = seeds(names[0]), seeds(names[1])
    strangers = (
        ReceiverSeeds(bob.decoder, carol.header),
        ReceiverSeeds(carol.decoder, bob.header),
        seeds("eve"),
    )
    for stranger in strangers:
        with pytest.raises(NoMessageError):
            scheme.extract(stego, cover, stranger)


def test_the_output_of_one_receivers_decoder_tells_nothing_of_anothers_secret(scene: Scene) -> None:
    cover, bob, carol = AbstractCovers(64, 64)(Seed(bytes(32)), 1), seeds("bob"), seeds("carol")
    secrets = {bob: scene(40, 40, 1), carol: scene(40, 40, 2)}
    delta = (SCHEME.embed(cover, secrets).astype(np.float32) - cover).transpose(2, 0, 1)[None] / 255
    outputs = [
        make_decoder(PROFILE, each.decoder)(torch.from_numpy(delta)).numpy().ravel() for each in secrets
    ]
    targets = [
        make_codec(PROFILE, each.header).encode(secret).values.ravel() for each, secret in secrets.items()
    ]
    between = np.corrcoef([*outputs, *targets])[:2, 2:]
    assert between.diagonal().min() > 0.8
    assert abs(between[[0, 1], [1, 0]]).max() < 4 / np.sqrt(outputs[0].size)

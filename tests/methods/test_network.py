import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from csfnns.decoders import make_decoder
from csfnns.errors import NoMessageError, UsageError
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.methods import CsFnns, NeuralBits, ReceiverSeeds
from csfnns.payloads import make_codec
from csfnns.profile import make_profile
from csfnns.search import Search
from csfnns.stream import Seed

Scene = Callable[..., Picture]
PROFILE = make_profile("robust", width=128, height=128)
SCHEME = CsFnns(PROFILE, Search(steps=60, beta=0.02, epsilon=0.2, learning_rate=1.0))
"""Without a channel, for speed."""


def seeds(name: str) -> ReceiverSeeds:
    root = Seed(bytes(32)).derive(name)
    return ReceiverSeeds(root.derive("decoder"), root.derive("header"))


def test_a_batch_holds_what_its_pictures_would_hold_alone(scene: Scene) -> None:
    covers = [scene(128, 128, 30 + i) for i in range(3)]
    secrets = [{seeds(f"bob {i}"): scene(40, 40, i), seeds(f"carol {i}"): scene(50, 40, 9 + i)} for i in range(3)]
    alone = [SCHEME.embed(cover, each) for cover, each in zip(covers, secrets, strict=True)]
    together = SCHEME.embed_batch(covers, secrets)
    for stego, single, cover, each in zip(together, alone, covers, secrets, strict=True):
        assert psnr(stego, cover) == pytest.approx(psnr(single, cover), abs=0.2)
        for receiver, secret in each.items():
            there = [psnr(SCHEME.extract(x, cover, receiver).grid, fit(secret, 32, 32)) for x in (stego, single)]
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


def test_receivers_of_one_cover_read_their_own_secret_and_nothing_else(scene: Scene) -> None:
    search = Search(steps=120, beta=0.2, epsilon=0.2, learning_rate=1.0)
    scheme = CsFnns(make_profile("robust", width=256, height=256), search)
    cover = scene(256, 256, 30)
    names = [f"receiver {i}" for i in range(4)]
    secrets = {seeds(name): scene(40, 40, i) for i, name in enumerate(names)}
    stego = scheme.embed(cover, secrets)
    for receiver, secret in secrets.items():
        assert psnr(scheme.extract(stego, cover, receiver).grid, fit(secret, 64, 64)) > 25
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
    cover, bob, carol = scene(128, 128, 30), seeds("bob"), seeds("carol")
    secrets = {bob: scene(40, 40, 1), carol: scene(40, 40, 2)}
    delta = (SCHEME.embed(cover, secrets).astype(np.float32) - cover).transpose(2, 0, 1)[None] / 255
    outputs = [make_decoder(PROFILE, each.decoder)(torch.from_numpy(delta)).numpy().ravel() for each in secrets]
    targets = [make_codec(PROFILE, each.header).encode(secret).values.ravel() for each, secret in secrets.items()]
    # The two pictures are alike in themselves, so what counts is the error of the output.
    assert all(np.corrcoef(each)[0, 1] > 0.5 for each in zip(outputs, targets, strict=True))
    errors = [o - t * (o @ t) / (t @ t) for o, t in zip(outputs, targets, strict=True)]
    between = np.corrcoef([*errors, *targets])[:2, 2:]
    assert abs(between[[0, 1], [1, 0]]).max() < 4 / np.sqrt(outputs[0].size)


TORCHLESS = """
import sys
from pathlib import Path

sys.modules["torch"] = None  # import torch fails
import numpy as np
from csfnns.errors import UsageError
from csfnns.profile import make_profile
from csfnns.methods import CsFnns, NeuralBits, ReceiverSeeds
from csfnns.stream import Seed

folder = Path(sys.argv[1])
cover, picture, file = (np.load(folder / f"{name}.npy") for name in ("cover", "picture", "file"))
seeds = ReceiverSeeds(Seed(bytes([1]) * 32), Seed(bytes([2]) * 32))
profile = make_profile("robust", width=128, height=128)
np.save(folder / "found.npy", CsFnns(profile).extract(picture, cover, seeds).grid)
(folder / "found.txt").write_bytes(NeuralBits(profile).extract(file, cover, seeds))
for refused in (
    lambda: CsFnns(profile).check([cover]),
    lambda: CsFnns(profile).embed(cover, {seeds: cover}),
    lambda: NeuralBits(profile).embed(cover, {seeds: b"x"}),
    lambda: CsFnns(make_profile("paper", width=128, height=128)).extract(picture, cover, seeds),
):
    try:
        refused()
    except UsageError as error:
        assert "extra 'network'" in error.message, error.message
        assert "csfnns[network]" in error.hint, error.hint
    else:
        raise AssertionError("nothing was refused")
"""


def test_receivers_of_robust_need_no_torch(tmp_path: Path, scene: Scene) -> None:
    """Pictures and bytes that were hidden with torch are found in a process where importing it fails."""
    receiver = ReceiverSeeds(Seed(bytes([1]) * 32), Seed(bytes([2]) * 32))
    cover = scene(128, 128)
    picture = SCHEME.embed(cover, {receiver: scene(40, 40, 1)})
    file = NeuralBits(PROFILE, steps=60).embed(cover, {receiver: b"exactly this"})
    for name, levels in (("cover", cover), ("picture", picture), ("file", file)):
        np.save(tmp_path / f"{name}.npy", levels)
    command = [sys.executable, "-c", TORCHLESS, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    found = np.load(tmp_path / "found.npy")
    assert psnr(found, fit(scene(40, 40, 1), 32, 32)) > 25
    assert psnr(found, SCHEME.extract(picture, cover, receiver).grid) > 60
    assert (tmp_path / "found.txt").read_bytes() == b"exactly this"

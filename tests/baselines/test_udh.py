"""UDH with networks that its own training program makes from synthetic pictures, in seconds."""

import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from csfnns.baselines import Udh
from csfnns.baselines.udh import STRENGTH, Hider, Networks, Revealer, Shape, load_networks, save_networks
from csfnns.errors import CapacityError, NoMessageError, UsageError
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.methods import ReceiverSeeds
from csfnns.profile import Profile, make_profile

SMALL = ["--size", "32", "--batch", "2", "--channels", "8", "--secrets", "1", "--log", "1"]


@pytest.fixture(scope="module")
def program(training_program: Callable[[str], ModuleType]) -> ModuleType:
    return training_program("udh")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, scene: Callable[..., Picture]) -> Path:
    """A folder laid out as the real pictures are."""
    root = tmp_path_factory.mktemp("data")
    for name, first in (("covers/train", 0), ("kodak", 10)):
        (root / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(scene(64, 80, first + i)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def run(program: ModuleType, gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Networks for one secret after 120 steps, and the output of the program."""
    out, output = tmp_path_factory.mktemp("weights") / "udh.safetensors", io.StringIO()
    with contextlib.redirect_stdout(output):
        program.main([*SMALL, "--data", str(gallery), "--steps", "120", "--out", str(out)])
    return out, output.getvalue()


@pytest.fixture(scope="module")
def trained(run: tuple[Path, str]) -> Path:
    return run[0]


def save_untrained(path: Path, shape: Shape) -> Path:
    torch.manual_seed(0)
    save_networks(Networks(shape), path)
    return path


def test_training_lowers_the_loss(run: tuple[Path, str]) -> None:
    secrets = [float(value) for value in re.findall(r"secrets ([\d.]+) dB", run[1])]
    assert len(secrets) == 120
    assert np.mean(secrets[-20:]) > np.mean(secrets[:20]) + 1.5


def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    program: ModuleType, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    arguments = [*SMALL, "--data", str(gallery), "--steps", "6"]
    program.main([*arguments, "--out", str(whole)])
    monkeypatch.setattr(program, "EVERY", 2)
    train_step, calls = program.train_step, []

    def dies_at_the_fourth(*batch: object) -> object:
        calls.append(batch)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train_step(*batch)

    monkeypatch.setattr(program, "train_step", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        program.main([*arguments, "--out", str(stopped)])
    assert not stopped.exists()
    assert sorted(path.name for path in tmp_path.glob("stopped*")) == ["stopped.safetensors.state"]
    program.main([*arguments, "--out", str(stopped)])
    assert len(calls) == 4 + 4  # the third step is made again, since the state is that of the second
    assert stopped.read_bytes() == whole.read_bytes()


def test_a_state_of_other_settings_is_not_used(program: ModuleType, gallery: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--data", str(gallery), "--steps", "1", "--out", str(tmp_path / "w.safetensors")]
    program.main(arguments)
    with pytest.raises(SystemExit, match="other settings"):
        program.main([*arguments, "--rate", "0.01"])


def test_too_many_secrets_are_refused(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(["--secrets", "5"])
    assert "--secrets: invalid choice: 5" in capsys.readouterr().err


def test_training_without_pictures_is_refused(program: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no pictures"):
        program.main(["--data", str(tmp_path), "--out", str(tmp_path / "w.safetensors")])


def test_trained_networks_hide_and_reveal(
    paper: Profile, trained: Path, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme = Udh(paper, trained)
    stego = scheme.embed(cover, {receivers[0]: secret})
    assert psnr(cover, stego) > 28
    decoded = scheme.extract(stego, 255 - cover, receivers[0])
    assert psnr(decoded.grid, secret) > psnr(decoded.grid, 255 - secret) + 2


def test_the_perturbation_does_not_depend_on_the_cover(
    paper: Profile, trained: Path, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme = Udh(paper, trained)
    covers = [np.full((64, 64, 3), level, np.uint8) for level in (100, 150)]
    deltas = [scheme.embed(cover, {receivers[0]: secret}).astype(int) - cover for cover in covers]
    assert np.abs(deltas[0] - deltas[1]).max() <= 1  # a level where float32 falls to either side of a half
    assert (deltas[0] != deltas[1]).mean() < 0.001
    assert 0 < np.abs(deltas[0]).max() <= 10


def test_each_receiver_has_their_own_network(
    paper: Profile, tmp_path: Path, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    weights = save_untrained(tmp_path / "two.safetensors", Shape(secrets=2, channels=8))
    first, second, stranger = receivers[:3]
    scheme = Udh(paper, weights, receivers=(first, second))
    secrets = {second: 255 - secret, first: secret}
    stego = scheme.embed(cover, secrets)
    assert (stego == scheme.embed(cover, dict(reversed(secrets.items())))).all()
    assert (stego != scheme.embed(cover, {first: 255 - secret, second: secret})).any()
    with pytest.raises(NoMessageError, match="no network"):
        scheme.extract(stego, cover, stranger)
    with pytest.raises(UsageError, match="no network"):
        scheme.embed(cover, {first: secret, stranger: secret})
    with pytest.raises(CapacityError, match="hide 2 secrets, not 1"):
        scheme.check([secret])
    with pytest.raises(UsageError, match="receivers must have 2 entries, got 0"):
        Udh(paper, weights)


@pytest.mark.parametrize("bpp", ["24", "6", "1.5"])
@pytest.mark.parametrize("secrets", [1, 4])
def test_the_networks_fit_every_rate(bpp: str, secrets: int) -> None:
    shape = Shape(secrets, bpp, channels=4)
    height, width = make_profile("paper", width=80, height=64, bpp=bpp).secret_size  # type: ignore[arg-type]
    with torch.inference_mode():
        delta = Hider(shape)(torch.rand(2, 3 * secrets, height, width))
        assert delta.shape == (2, 3, 64, 80)
        assert float(delta.abs().max()) <= STRENGTH
        assert Revealer(shape)(delta).shape == (2, 3, height, width)


def test_other_files_are_refused(paper: Profile, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"python training/udh\.py"):
        Udh(paper, tmp_path / "none.safetensors")
    text, other, cut = tmp_path / "a.safetensors", tmp_path / "b.safetensors", tmp_path / "c.safetensors"
    text.write_text("no weights")
    save_file({"x": torch.zeros(3)}, other)
    save_file({"x": torch.zeros(3)}, cut, {"udh": json.dumps({"secrets": 1, "bpp": "6", "channels": 8})})
    for path in (text, other, cut):
        with pytest.raises(UsageError, match="does not hold weights of UDH"):
            load_networks(path)


def test_weights_of_another_rate_and_decoders_of_coefficients_are_refused(tmp_path: Path) -> None:
    weights = save_untrained(tmp_path / "w.safetensors", Shape(secrets=1, channels=4))
    with pytest.raises(UsageError, match="6 bits a pixel, the profile for 24"):
        Udh(make_profile("paper", bpp="24"), weights)
    with pytest.raises(UsageError, match="profile 'paper'"):
        Udh(
            make_profile("robust"),
            save_untrained(tmp_path / "r.safetensors", Shape(secrets=1, bpp="1.5", channels=4)),
        )


@pytest.mark.parametrize("shape", [{"secrets": 0}, {"secrets": 5}, {"bpp": "7"}, {"channels": 0}])
def test_sizes_out_of_range_are_refused(shape: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Shape(**shape)  # type: ignore[arg-type]

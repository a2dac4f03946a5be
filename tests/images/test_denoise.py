import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from csfnns.errors import UsageError
from csfnns.images import denoise as module
from csfnns.images.denoise import denoise, helps, network, noise_of
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.images.output import write_picture
from csfnns.profile import PRESETS, make_profile


def drawing(height: int, width: int, which: int = 0) -> Picture:
    """Slopes, edges, thin lines and colours, without any noise."""
    random = np.random.default_rng(which)
    y, x = np.mgrid[:height, :width].astype(float)
    image = np.stack([110 + 60 * np.sin(x / 31 + c) + 40 * np.cos(y / (17 + c)) for c in range(3)], axis=-1)
    for _ in range(12):
        cy, cx = random.uniform(0, height), random.uniform(0, width)
        image[np.hypot(y - cy, x - cx) < random.uniform(5, 25)] = random.uniform(0, 255, 3)
    image[np.abs((x + 2 * y) % 40 - 20) < 1.5] = random.uniform(0, 255, 3)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def with_noise(picture: Picture, levels: float) -> Picture:
    noise = levels * np.random.default_rng(7).standard_normal(picture.shape)
    return np.rint(np.clip(picture + noise, 0, 255)).astype(np.uint8)


@pytest.fixture(scope="module")
def training(training_program: Callable[[str], ModuleType]) -> ModuleType:
    return training_program("denoiser")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder as training expects it, with pictures for measuring beside that it must not touch."""
    for i, folder in enumerate(("kodak", "kodak", "kodak", "covers/train", "covers/eval", "secrets/imagenet")):
        (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        write_picture(drawing(144, 160, i), tmp_path / "data" / folder / f"{i}.png")
    return tmp_path / "data"


def test_the_weights_are_small_and_finite() -> None:
    data = (files("csfnns") / "weights" / "denoiser.safetensors").read_bytes()
    assert len(data) < 1_000_000
    weights = list(module._trained().state_dict().values())
    assert all(weight.dtype == torch.float32 and bool(torch.isfinite(weight).all()) for weight in weights)
    assert 2 * sum(weight.numel() for weight in weights) == pytest.approx(len(data), abs=4096)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (37, 52), (64, 49)])
def test_any_shape_comes_back_and_the_original_stays(shape: tuple[int, int]) -> None:
    picture = with_noise(drawing(*shape), 10)
    before = picture.copy()
    result = denoise(picture)
    assert result.shape == picture.shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, picture)
    np.testing.assert_array_equal(picture, before)


def test_the_same_picture_gives_the_same_result() -> None:
    picture = with_noise(drawing(96, 80), 12)
    np.testing.assert_array_equal(denoise(picture), denoise(picture))


@pytest.mark.parametrize("expected", [None, 32.0])
def test_tiles_leave_no_seam(expected: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = with_noise(drawing(150, 131), 10)
    whole = denoise(picture, expected).astype(int)
    monkeypatch.setattr(module, "TILE", 48)
    assert np.abs(denoise(picture, expected) - whole).max() <= 1  # float32 sums in another order


@pytest.mark.parametrize(("levels", "gain"), [(6, 1.5), (12, 2.5), (18, 2.5)])
def test_noise_of_any_strength_is_lessened(levels: float, gain: float) -> None:
    clean = drawing(160, 160)
    noisy = with_noise(clean, levels)
    assert psnr(denoise(noisy), clean) > psnr(noisy, clean) + gain


def test_a_clean_picture_is_hardly_changed() -> None:
    clean = drawing(160, 160)
    assert psnr(denoise(clean), clean) > 40


@pytest.mark.parametrize("levels", [1, 3])
def test_grain_of_the_secret_stays_where_the_noise_is_known(levels: float) -> None:
    secret = with_noise(drawing(128, 128), 10)
    noise = levels * np.random.default_rng(8).standard_normal(secret.shape)
    recovered = np.rint(np.clip(secret + noise, 0, 255)).astype(np.uint8)
    quality = psnr(recovered, secret)
    assert psnr(denoise(recovered), secret) < quality - 3
    assert psnr(denoise(recovered, quality), secret) > quality - 0.25


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UsageError, match="no RGB picture"):
        denoise(np.zeros((8, 8, 3), np.float32))  # type: ignore[arg-type]


def test_where_it_helps_is_known_by_decoder() -> None:
    assert [name for name in PRESETS if helps(make_profile(name))] == ["paper"]


def test_noise_is_what_decoders_leave(training: ModuleType) -> None:
    clean = drawing(128, 128)
    random = np.random.default_rng(0)
    white = training.add_noise(clean, "white", 0.04, random).astype(int) - clean
    inside = (clean > 40) & (clean < 215)
    assert white[inside].std() == pytest.approx(255 * 0.04, rel=0.05)

    paper = np.abs(training.add_noise(clean, "paper", 0.2, random).astype(int) - clean)
    assert paper[(clean > 110) & (clean < 145)].mean() > 2 * paper[(clean < 15) | (clean > 240)].mean()

    weaker, stronger = (psnr(training.add_noise(clean, "spectral", s, random), clean) for s in (0.15, 0.3))
    assert weaker - stronger == pytest.approx(6, abs=0.7)


def test_training_looks_at_no_picture_that_benchmarks_measure_with(training: ModuleType, pictures: Path) -> None:
    sources, held_out = training.load_pictures(pictures)
    seen = {picture.tobytes() for picture in (*sources, *held_out)}
    assert seen == {drawing(144, 160, i).tobytes() for i in range(4)}
    assert not {picture.tobytes() for picture in sources} & {picture.tobytes() for picture in held_out}


def test_training_lessens_the_loss_and_goes_on_as_if_never_stopped(
    training: ModuleType, pictures: Path, tmp_path: Path
) -> None:
    size = ["--steps", "60", "--every", "10", "--batch", "4", "--patch", "32", "--crop", "128", "--pool", "4"]
    command = ["--data", str(pictures), *size, "--blocks", "1", "--channels", "8", "--rate", "0.01"]
    training.main([*command, "--out", str(tmp_path / "straight")])
    training.main([*command, "--out", str(tmp_path / "stopped"), "--stop", "27"])
    assert not (tmp_path / "stopped" / "denoiser.safetensors").exists()
    training.main([*command, "--out", str(tmp_path / "stopped")])

    straight, stopped = (load_file(tmp_path / run / "denoiser.safetensors") for run in ("straight", "stopped"))
    for name, weight in straight.items():
        torch.testing.assert_close(stopped[name], weight)
    network(1, 8).load_state_dict({name: weight.float() for name, weight in straight.items()})
    lines = (tmp_path / "straight" / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < 0.8 * losses[0]

    with pytest.raises(SystemExit, match="other settings"):
        training.main([*command, "--batch", "5", "--out", str(tmp_path / "stopped")])


def test_an_untrained_network_tells_little_noise() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 16, 24)
    noise = noise_of(network(2, 8), image).detach()
    assert noise.shape == image.shape
    assert 0 < float(noise.abs().mean()) < 0.1

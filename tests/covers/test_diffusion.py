"""A real pipeline through the real loader; only its weights are random and few."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.covers import DiffusionCovers, describe_diffusion, make_generator
from csfnns.covers import diffusion as module
from csfnns.covers._cache import KEPT, CoverCache
from csfnns.covers._sampling import load
from csfnns.errors import CoverError, UsageError
from csfnns.profile import Diffusion, make_profile
from csfnns.stream import Seed
from tiny_diffusion import save_as_single_file, tiny_model

KEY = Seed(bytes(range(32)))
SIDE = 64
FAST: dict[str, Any] = {"steps": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory)


@pytest.fixture(scope="module")
def description(model: Path) -> Diffusion:
    return describe_diffusion(str(model), SIDE, SIDE, **FAST)


@pytest.fixture
def covers(model: Path, description: Diffusion) -> DiffusionCovers:
    return DiffusionCovers(str(model), SIDE, SIDE, description)


@pytest.fixture
def elsewhere(model: Path, tmp_path: Path) -> Path:
    """The same model in another folder, to be changed."""
    return Path(shutil.copytree(model, tmp_path / "elsewhere"))


@pytest.fixture(autouse=True)
def forget() -> None:
    """No reference picture was made yet in this process."""
    module._verified.clear()


def uncached(model: Path, description: Diffusion) -> DiffusionCovers:
    cache = CoverCache()
    cache.on = False
    return DiffusionCovers(str(model), SIDE, SIDE, description, cache=cache)


@pytest.mark.parametrize("scheduler", [None, "LCMScheduler", "EulerAncestralDiscreteScheduler"])
def test_the_seed_alone_decides_the_cover(scheduler: str | None, model: Path) -> None:
    import torch

    choices = describe_diffusion(str(model), SIDE, SIDE, scheduler=scheduler, guidance=0, **FAST)
    cover = uncached(model, choices)(KEY)
    assert (cover.shape, cover.dtype) == ((SIDE, SIDE, 3), np.uint8)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        assert np.array_equal(uncached(model, choices)(KEY), cover)
    assert (uncached(model, choices)(Seed(bytes(32))) != cover).mean() > 0.9


def test_the_latents_are_the_stream_s_normals_after_a_word_for_the_prompt(model: Path, covers: DiffusionCovers) -> None:
    """docs/format.md, with latents that are passed to diffusers."""
    import torch
    from diffusers import DiffusionPipeline

    stream = KEY.derive("csfnns/2/cover/diffusion").stream()
    stream.words(1)
    latents = stream.normals(4 * 32 * 32).astype(np.float32).reshape(1, 4, 32, 32)  # this model halves sides
    pipeline = DiffusionPipeline.from_pretrained(model, local_files_only=True, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    size = {"height": SIDE, "width": SIDE, "num_inference_steps": 2, "guidance_scale": 7.5}
    image = pipeline("Campus", latents=torch.from_numpy(latents), output_type="np", **size).images[0]
    assert np.abs(np.rint(255 * image) - covers(KEY)).max() <= 1


def test_a_scheduler_that_asks_torch_itself_is_refused(
    covers: DiffusionCovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from diffusers import DDIMScheduler

    class Own(DDIMScheduler):
        def step(self, model_output: Any, timestep: Any, sample: Any, **options: Any) -> Any:
            return super().step(model_output, timestep, sample + torch.rand_like(sample), **options)

    pipeline = covers._model._pipeline
    monkeypatch.setattr(pipeline, "scheduler", Own.from_config(pipeline.scheduler.config))
    with pytest.raises(CoverError, match="random numbers from torch itself"):
        covers(KEY)


def test_torch_is_left_as_it_was(covers: DiffusionCovers) -> None:
    import torch

    def settings() -> list[Any]:
        state = [torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()]
        return [*state, torch.get_num_threads(), torch.backends.cudnn.allow_tf32, torch.get_rng_state().sum()]

    before = settings()
    covers(KEY)
    assert settings() == before


def test_the_key_picks_among_the_prompts(model: Path) -> None:
    choices = describe_diffusion(str(model), SIDE, SIDE, prompts=["a", "z  z"], **FAST)
    assert choices.prompts == ("a", "z z")
    drawn = {}
    for seed in [KEY.derive(str(n)) for n in range(4)]:
        word = seed.derive("csfnns/2/cover/diffusion").stream().integers(1, 2)
        drawn[choices.prompts[int(word[0])]] = seed
    assert len(drawn) == 2
    for prompt, seed in drawn.items():
        alone = describe_diffusion(str(model), SIDE, SIDE, prompts=[prompt], **FAST)
        assert np.array_equal(uncached(model, choices)(seed), uncached(model, alone)(seed))


def test_one_file_in_the_old_layout_is_the_same_model(model: Path, elsewhere: Path, description: Diffusion) -> None:
    file = elsewhere / "model.safetensors"
    save_as_single_file(model, file)
    for part in ("unet", "vae", "text_encoder"):
        for weights in (elsewhere / part).glob("*.safetensors"):
            weights.unlink()
    assert describe_diffusion(str(file), SIDE, SIDE, **FAST) == description


# Differences are named


def test_another_model_is_refused_by_what_differs(elsewhere: Path, description: Diffusion) -> None:
    from safetensors.torch import load_file, save_file

    def refused(named: str) -> None:
        with pytest.raises(CoverError, match=named):
            DiffusionCovers(str(elsewhere), SIDE, SIDE, description)
        load.cache_clear()

    scheduler = elsewhere / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"beta_end": 0.02}))
    refused(r"key\. DDIMScheduler's beta_end: expected 0\.012, here 0\.02\. Use")
    tokenizer = elsewhere / "tokenizer" / "tokenizer.json"
    tokenizer.write_text(re.sub(r'"c": (\d+),(\s+)"d": (\d+)', r'"c": \3,\2"d": \1', tokenizer.read_text()))
    refused(r"key\. tokenizer: expected [0-9a-f]{32}, here [0-9a-f]{32}\. DDIM")
    weights = load_file(elsewhere / "unet" / "diffusion_pytorch_model.safetensors")
    weights["conv_in.bias"][0] += 1e-6
    save_file(weights, elsewhere / "unet" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    refused(r"tokenizer: .* unet: expected [0-9a-f]{32}, here [0-9a-f]{32}\. DDIM")


def test_another_environment_is_refused_if_the_reference_picture_differs(model: Path, description: Diffusion) -> None:
    versions = tuple(fact.replace("torch=", "torch=1.") for fact in description.environment)
    newer = {"environment": versions, "settings": (*description.settings, "novelty=true")}
    other = description.model_copy(update=newer)
    assert np.array_equal(uncached(model, other)(KEY), uncached(model, description)(KEY))
    module._verified.clear()
    with pytest.raises(CoverError, match=r"0000000000000000…\. torch: expected 1\.\S+, here \d"):
        uncached(model, other.model_copy(update={"reference": "0" * 64}))


def test_covers_of_a_gpu_are_refused_without_one(
    model: Path, description: Diffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    there = description.model_copy(update={"device": "cuda", "environment": ("gpu=H200",)})
    with pytest.raises(CoverError, match="made on H200"):
        DiffusionCovers(str(model), SIDE, SIDE, there)


def test_wrong_settings_are_refused(model: Path) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "steps must be .* got 0": {"steps": 0},
        "guidance must have at most two decimals, got 7.123": {"guidance": 7.123},
        r"prompts\.0 must": {"prompts": ["château"]},
        "has no scheduler 'Path'": {"scheduler": "Path"},
        "could not make a cover": {"scheduler": "RePaintScheduler"},
    }
    for said, choices in wrong.items():
        with pytest.raises((UsageError, CoverError), match=said):
            describe_diffusion(str(model), SIDE, SIDE, **(FAST | choices))


def test_places_without_a_model_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.safetensors").write_text("no model")
    for place in (tmp_path / "missing", tmp_path, tmp_path / "notes.safetensors"):
        with pytest.raises(CoverError, match=r"no model|no safetensors file"):
            describe_diffusion(str(place), SIDE, SIDE, **FAST)
    with pytest.raises(CoverError):
        describe_diffusion(str(model), SIDE, SIDE + 1, **FAST)  # a size that the model rounds


def test_python_files_of_a_model_are_never_run(elsewhere: Path) -> None:
    ran = elsewhere / "ran"
    (elsewhere / "evil.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nfrom diffusers import StableDiffusionPipeline as Evil\n"
    )
    index = elsewhere / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": ["evil", "Evil"]}))
    with pytest.raises(CoverError, match="cannot be loaded"):
        describe_diffusion(str(elsewhere), SIDE, SIDE, **FAST)
    assert not ran.exists()


def test_a_broken_library_is_named_with_the_extra(tmp_path: Path) -> None:
    """A broken torchvision makes other libraries raise RuntimeError, not ImportError."""
    (tmp_path / "diffusers.py").write_text("raise RuntimeError('operator nms does not exist')")
    program = "from csfnns.covers import describe_diffusion; describe_diffusion('model', 64, 64)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, env=environment, stderr=subprocess.PIPE, text=True, timeout=60)
    assert re.search(r"CoverError: .*operator nms does not exist.*pip install 'csfnns\[sd\]'", done.stderr)


# The cache


def test_cached_covers_are_noise_without_the_key(covers: DiffusionCovers, home: Path) -> None:
    cover = covers(KEY)
    (file,) = (home / "covers").glob("*.cover")
    data = file.read_bytes()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(data) == cover.size + 28
    levels = np.frombuffer(data[12:-16], np.uint8).reshape(cover.shape)
    assert (levels == cover).mean() < 0.02  # 1/256 by chance
    assert np.bincount(levels.ravel(), minlength=256).max() < 2 * cover.size / 256


def test_the_cache_holds_the_latest_only_and_replaces_damaged_files(home: Path) -> None:
    cache, picture = CoverCache(), np.zeros((2, 2, 3), np.uint8)
    seeds = [Seed(bytes([n] * 32)) for n in range(KEPT + 3)]
    for n, seed in enumerate(seeds):
        cache.put(seed, picture)
        os.utime(cache._file(seed), (n, n))
    assert [cache.get(seed, 2, 2) is not None for seed in seeds] == [False] * 3 + [True] * KEPT
    first = cache._file(seeds[-1]).read_bytes()
    cache.put(seeds[-1], picture)
    assert cache._file(seeds[-1]).read_bytes()[:12] != first[:12]  # the nonce
    *kept, last = cache._file(seeds[-1]).read_bytes()
    for damaged in (b"", b"short", bytes([*kept, last ^ 1])):
        cache._file(seeds[-1]).write_bytes(damaged)
        assert cache.get(seeds[-1], 2, 2) is None


def test_a_cover_is_made_once_and_without_a_cache_again(
    model: Path, description: Diffusion, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSFNNS_COVER_CACHE", "off")
    made = DiffusionCovers(str(model), SIDE, SIDE, description)(KEY)
    assert not home.exists()
    monkeypatch.delenv("CSFNNS_COVER_CACHE")
    home.write_text("a file where the folder should be")
    assert np.array_equal(DiffusionCovers(str(model), SIDE, SIDE, description)(KEY), made)
    home.unlink()
    module._verified.clear()
    covers = DiffusionCovers(str(model), SIDE, SIDE, description)
    covers(KEY)
    module._verified.clear()
    monkeypatch.setattr(type(covers._model), "draw", None)  # nothing can be drawn any more
    assert np.array_equal(DiffusionCovers(str(model), SIDE, SIDE, description)(KEY), made)


# In a profile


def test_generators_get_the_source_that_they_need(model: Path, description: Diffusion) -> None:
    profile = make_profile(width=SIDE, height=SIDE, generator="diffusion", diffusion=description)
    assert make_generator(profile, str(model))(KEY).shape == (SIDE, SIDE, 3)
    with pytest.raises(UsageError, match="need no album and no model"):
        make_generator(make_profile(), "x")
    with pytest.raises(CoverError, match="need the model"):
        make_generator(profile)
    with pytest.raises(UsageError, match="no cover generator 'later'"):
        make_generator(make_profile(generator="later"))

"""A real pipeline through the real loader; only its weights are random and few."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns import hide, make_cover, reveal
from csfnns.covers import DiffusionCovers, describe_diffusion, make_generator
from csfnns.covers import diffusion as module
from csfnns.covers._cache import KEPT, CoverCache
from csfnns.errors import CoverError, NoMessageError, UsageError
from csfnns.keys import Key, Ledger
from csfnns.keys.text import parse_key, render_key
from csfnns.measure import psnr
from csfnns.picture import Picture
from csfnns.profile import Diffusion, make_profile
from csfnns.stream import Seed
from tiny_diffusion import save_as_single_file, tiny_model

KEY = Seed(bytes(range(32)))
SIDE = 64
PICKS = (1, 2)  # messages of KEY whose prompts differ, of two
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
    """Nothing is known yet of this computer's covers."""
    module._verified.clear()


def uncached(model: Path, description: Diffusion) -> DiffusionCovers:
    cache = CoverCache()
    cache.on = False
    return DiffusionCovers(str(model), SIDE, SIDE, description, cache=cache)


def test_a_cover_is_a_picture_that_comes_out_the_same_again(model: Path, description: Diffusion) -> None:
    cover = uncached(model, description)(KEY, 1)
    assert (cover.shape, cover.dtype) == ((SIDE, SIDE, 3), np.uint8)
    assert cover.std() > 10
    assert np.array_equal(uncached(model, description)(KEY, 1), cover)


def test_key_and_message_decide_the_cover(covers: DiffusionCovers) -> None:
    others = [covers(KEY, 2), covers(Seed(bytes(32)), 1)]
    assert all((other != covers(KEY, 1)).mean() > 0.9 for other in others)


def test_the_latents_are_the_stream_s_normals_after_a_word_for_the_prompt(
    model: Path, description: Diffusion, covers: DiffusionCovers
) -> None:
    """docs/format.md, computed by hand: diffusers gets the latents, as it allows for."""
    import torch
    from diffusers import DiffusionPipeline

    stream = KEY.derive("csfnns/1/cover/diffusion/1").stream()
    stream.words(1)
    latents = stream.normals(4 * 32 * 32).astype(np.float32).reshape(1, 4, 32, 32)  # this model halves sides
    pipeline = DiffusionPipeline.from_pretrained(model, local_files_only=True, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    size = {"height": SIDE, "width": SIDE, "num_inference_steps": 2, "guidance_scale": 7.5}
    image = pipeline("Campus", latents=torch.from_numpy(latents), output_type="np", **size).images[0]
    assert np.abs(np.rint(255 * image) - covers(KEY, 1)).max() <= 1


@pytest.mark.parametrize("scheduler", ["LCMScheduler", "EulerAncestralDiscreteScheduler"])
def test_the_noise_of_every_step_comes_from_the_key_too(scheduler: str, model: Path) -> None:
    import torch

    noisy = describe_diffusion(str(model), SIDE, SIDE, scheduler=scheduler, guidance=0, **FAST)
    before = torch.get_rng_state()
    first = uncached(model, noisy)(KEY, 1)
    torch.manual_seed(5)
    assert np.array_equal(uncached(model, noisy)(KEY, 1), first)
    torch.set_rng_state(before)


def test_a_scheduler_that_asks_torch_itself_is_refused(covers: DiffusionCovers) -> None:
    import torch
    from diffusers import DDIMScheduler

    class Own(DDIMScheduler):
        def step(self, model_output: Any, timestep: Any, sample: Any, **options: Any) -> Any:
            return super().step(model_output, timestep, sample + torch.rand_like(sample), **options)

    pipeline = covers._model._pipeline
    usual = pipeline.scheduler
    pipeline.scheduler = Own.from_config(usual.config)
    try:
        with pytest.raises(CoverError, match="random numbers from torch itself"):
            covers(KEY, 1)
    finally:
        pipeline.scheduler = usual


def test_torch_is_left_as_it_was(covers: DiffusionCovers) -> None:
    import torch

    def settings() -> list[Any]:
        cudnn = torch.backends.cudnn
        state = [torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()]
        return [
            *state,
            torch.get_num_threads(),
            cudnn.deterministic,
            cudnn.allow_tf32,
            torch.get_rng_state().sum(),
        ]

    before = settings()
    covers(KEY, 3)
    assert settings() == before


def test_the_key_picks_among_the_prompts(model: Path) -> None:
    choices = describe_diffusion(str(model), SIDE, SIDE, prompts=["a", "z  z"], **FAST)
    assert choices.prompts == ("a", "z z")
    alone = {
        prompt: describe_diffusion(str(model), SIDE, SIDE, prompts=[prompt], **FAST)
        for prompt in choices.prompts
    }
    drawn = set()
    for message in PICKS:
        word = KEY.derive(f"csfnns/1/cover/diffusion/{message}").stream().integers(1, 2)
        prompt = choices.prompts[int(word[0])]
        drawn.add(prompt)
        expected = module._draw(
            uncached(model, alone[prompt])._model, alone[prompt], SIDE, SIDE, KEY, message
        )
        found = module._draw(uncached(model, choices)._model, choices, SIDE, SIDE, KEY, message)
        assert np.array_equal(found, expected)
    assert len(drawn) == 2


def test_probe_gives_single_pixels(covers: DiffusionCovers) -> None:
    rows, columns = np.array([0, 5, 63]), np.array([7, 0, 63])
    assert np.array_equal(covers.probe(KEY, 1, rows, columns), covers(KEY, 1)[rows, columns])


def test_a_cover_that_is_changed_afterwards_is_not_changed_here(covers: DiffusionCovers) -> None:
    covers(KEY, 1)[:] = 0
    assert covers(KEY, 1).any()


def test_one_file_in_the_old_layout_is_the_same_model(
    model: Path, elsewhere: Path, description: Diffusion
) -> None:
    file = elsewhere / "model.safetensors"
    save_as_single_file(model, file)
    for part in ("unet", "vae", "text_encoder"):
        for weights in (elsewhere / part).glob("*.safetensors"):
            weights.unlink()
    assert describe_diffusion(str(file), SIDE, SIDE, **FAST) == description


# What differs is named


def test_another_setting_of_the_scheduler_is_named(elsewhere: Path, description: Diffusion) -> None:
    file = elsewhere / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"beta_end": 0.02}))
    with pytest.raises(CoverError, match=r"DDIMScheduler's beta_end: expected 0\.012, here 0\.02\."):
        DiffusionCovers(str(elsewhere), SIDE, SIDE, description)


def test_other_weights_are_named(elsewhere: Path, description: Diffusion) -> None:
    from safetensors.torch import load_file, save_file

    file = elsewhere / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["conv_in.bias"][0] += 1e-6
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(CoverError, match=r"unet: expected [0-9a-f]{32}, here [0-9a-f]{32}\.") as error:
        DiffusionCovers(str(elsewhere), SIDE, SIDE, description)
    assert "vae" not in error.value.message


def test_other_words_for_the_prompt_are_named(elsewhere: Path, description: Diffusion) -> None:
    file = elsewhere / "tokenizer" / "tokenizer.json"
    words = json.loads(file.read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary["c"], vocabulary["d"] = vocabulary["d"], vocabulary["c"]
    file.write_text(json.dumps(words))
    with pytest.raises(CoverError, match="tokenizer: expected"):
        DiffusionCovers(str(elsewhere), SIDE, SIDE, description)


def test_another_environment_is_named_when_the_reference_picture_differs(
    model: Path, description: Diffusion
) -> None:
    versions = tuple(fact.replace("torch=", "torch=1.") for fact in description.environment)
    other = description.model_copy(update={"environment": versions, "reference": "0" * 64})
    with pytest.raises(CoverError, match=r"0000000000000000…\. torch: expected 1\.\S+, here \d"):
        DiffusionCovers(str(model), SIDE, SIDE, other)


def test_another_environment_with_the_same_reference_picture_will_do(
    model: Path, description: Diffusion, covers: DiffusionCovers
) -> None:
    other = description.model_copy(update={"environment": ("torch=0.0",)})
    assert np.array_equal(DiffusionCovers(str(model), SIDE, SIDE, other)(KEY, 1), covers(KEY, 1))


def test_a_setting_that_one_end_s_version_lacks_is_left_to_the_reference_picture(
    model: Path, description: Diffusion
) -> None:
    newer = description.model_copy(update={"settings": (*description.settings, "novelty=true")})
    DiffusionCovers(str(model), SIDE, SIDE, newer)


def test_covers_of_a_gpu_are_refused_without_one(model: Path, description: Diffusion) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    there = description.model_copy(update={"device": "cuda", "environment": ("gpu=H200",)})
    with pytest.raises(CoverError, match="made on H200"):
        DiffusionCovers(str(model), SIDE, SIDE, there)


@pytest.mark.parametrize(
    ("choices", "error", "said"),
    [
        ({"steps": 0}, UsageError, "steps cannot be 0"),
        ({"guidance": -1.0}, UsageError, "guidance cannot be"),
        ({"guidance": 7.123}, UsageError, "guidance cannot be 7.123"),
        ({"prompts": []}, UsageError, "prompts cannot be"),
        ({"prompts": ["château"]}, UsageError, r"prompts\.0 cannot be"),
        ({"scheduler": "Path"}, CoverError, "has no scheduler 'Path'"),
        ({"scheduler": "RePaintScheduler"}, CoverError, "could not make a cover"),
    ],
)
def test_what_cannot_be_is_refused(
    choices: dict[str, Any], error: type[Exception], said: str, model: Path
) -> None:
    with pytest.raises(error, match=said):
        describe_diffusion(str(model), SIDE, SIDE, **(FAST | choices))


def test_a_size_that_the_model_rounds_is_refused(model: Path) -> None:
    with pytest.raises(CoverError):
        describe_diffusion(str(model), SIDE, SIDE + 1, **FAST)


def test_places_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.safetensors").write_text("no model")
    for place in (tmp_path / "missing", tmp_path, tmp_path / "notes.safetensors"):
        with pytest.raises(CoverError, match=r"no model|cannot be loaded"):
            describe_diffusion(str(place), SIDE, SIDE, **FAST)


def test_python_files_of_a_model_are_never_run(elsewhere: Path) -> None:
    told = elsewhere / "ran"
    (elsewhere / "evil.py").write_text(
        f"open({str(told)!r}, 'w').close()\nfrom diffusers import StableDiffusionPipeline as Evil\n"
    )
    index = elsewhere / "model_index.json"
    content = json.loads(index.read_text()) | {"_class_name": ["evil", "Evil"]}
    index.write_text(json.dumps(content))
    with pytest.raises(CoverError, match="cannot be loaded"):
        describe_diffusion(str(elsewhere), SIDE, SIDE, **FAST)
    assert not told.exists()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """A broken torchvision makes other libraries raise RuntimeError, not ImportError."""
    (tmp_path / "diffusers.py").write_text("raise RuntimeError('operator nms does not exist')")
    program = """
        from csfnns.covers import describe_diffusion
        from csfnns.errors import CoverError
        try:
            describe_diffusion("model", 64, 64)
        except CoverError as error:
            print(error)
    """
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    output = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "operator nms does not exist" in output
    assert "pip install 'csfnns[sd]'" in output


# What is kept


def test_a_cover_is_made_once(
    model: Path, description: Diffusion, covers: DiffusionCovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = covers(KEY, 1)
    again = DiffusionCovers(str(model), SIDE, SIDE, description)
    monkeypatch.setattr(type(again._model), "draw", None)  # nothing can be drawn any more
    assert np.array_equal(again(KEY, 1), made)
    DiffusionCovers(str(model), SIDE, SIDE, description)


def test_what_is_kept_is_nothing_without_the_key(covers: DiffusionCovers, home: Path) -> None:
    cover = covers(KEY, 1)
    (file,) = (home / "covers").glob("*.cover")
    data = file.read_bytes()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert len(data) == cover.size + 28
    levels = np.frombuffer(data[12:-16], np.uint8).reshape(cover.shape)
    agreement = (levels == cover).mean()
    assert agreement < 0.02  # 1/256 by chance
    assert np.bincount(levels.ravel(), minlength=256).max() < 2 * cover.size / 256


def test_a_cover_that_is_kept_twice_has_another_nonce() -> None:
    cache, picture, nonces = CoverCache(), np.zeros((2, 2, 3), np.uint8), set()
    for _ in range(2):
        cache.put(KEY, picture)
        nonces.add(cache._file(KEY).read_bytes()[:12])
    assert len(nonces) == 2


def test_the_cache_holds_the_latest_only_and_mends_itself(home: Path) -> None:
    cache, picture = CoverCache(), np.zeros((2, 2, 3), np.uint8)
    seeds = [Seed(bytes([n] * 32)) for n in range(KEPT + 3)]
    for n, seed in enumerate(seeds):
        cache.put(seed, picture)
        os.utime(cache._file(seed), (n, n))
    assert [cache.get(seed, 2, 2) is not None for seed in seeds] == [False] * 3 + [True] * KEPT
    file = cache._file(seeds[-1])
    for damaged in (b"", b"short", file.read_bytes()[:-1] + b"x"):
        file.write_bytes(damaged)
        assert cache.get(seeds[-1], 2, 2) is None


def test_the_cache_can_be_switched_off(
    model: Path, description: Diffusion, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSFNNS_COVER_CACHE", "off")
    DiffusionCovers(str(model), SIDE, SIDE, description)(KEY, 1)
    assert not home.exists()


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    model: Path, description: Diffusion, home: Path
) -> None:
    home.write_text("a file where the folder should be")
    DiffusionCovers(str(model), SIDE, SIDE, description)(KEY, 1)


# In a key


@pytest.fixture
def key(description: Diffusion) -> Key:
    return Key.from_root(
        make_profile(width=SIDE, height=SIDE, generator="diffusion", diffusion=description), KEY
    )


def test_a_key_file_holds_the_description(key: Key, description: Diffusion) -> None:
    long = "a photograph of a campus in autumn, " * 10 + "x" * 130
    profile = make_profile(
        generator="diffusion", diffusion=description.model_copy(update={"prompts": (long, "Campus")})
    )
    for each in (key, Key.from_root(profile, KEY), key.for_receiver("main")):
        text = render_key(each)
        assert parse_key(text).profile == each.profile
        assert max(map(len, text.splitlines())) <= 72


@pytest.mark.parametrize("field", Diffusion.model_fields)
def test_a_field_of_the_description_that_is_lost_or_wrong_is_named(field: str, key: Key) -> None:
    from csfnns.errors import KeyFileError

    start, _, rest = render_key(key).partition("[profile.diffusion]")
    for damaged in (
        rest.replace(f"\n{field} = ", f"\nx{field} = "),
        rest.replace(f"\n{field} = ", f"\n{field} = 7.5#"),
    ):
        with pytest.raises(KeyFileError):
            parse_key(start + "[profile.diffusion]" + damaged)
    with pytest.raises(KeyFileError, match=f"'{field}' is missing"):
        parse_key(start + "[profile.diffusion]" + rest.replace(f"\n{field} = ", f"\nx{field} = "))


def test_a_description_goes_with_its_generator_only(description: Diffusion, tmp_path: Path) -> None:
    for choices in ({"diffusion": description}, {"generator": "diffusion"}):
        with pytest.raises(UsageError, match="generator 'diffusion'"):
            make_profile(**choices)
    with pytest.raises(UsageError, match="need no model"):
        make_generator(make_profile(), model="x")
    with pytest.raises(UsageError, match="need no album"):
        make_generator(make_profile(generator="diffusion", diffusion=description), album=tmp_path)
    with pytest.raises(CoverError, match="come from a diffusion model"):
        make_generator(make_profile(generator="diffusion", diffusion=description))


def test_facts_have_one_value_each(description: Diffusion) -> None:
    with pytest.raises(ValueError, match="twice"):
        Diffusion(**description.model_dump() | {"settings": ("a=1", "a=2")})


def test_a_profile_without_a_model_is_written_as_ever() -> None:
    digest = hashlib.sha256(render_key(Key.from_root(make_profile(), KEY)).encode()).hexdigest()
    assert digest == "928bf8d2b2513d2054ca544cf3a801b2aab4bebf8d7132a6f99cdb9d9f16e513"


def test_a_secret_goes_through_a_diffusion_model(key: Key, model: Path, tmp_path: Path, scene: Any) -> None:
    secret: Picture = scene(SIDE // 2, SIDE // 2)
    sent = [hide(secret, key, model=model) for _ in range(2)]
    receiver = Ledger(tmp_path / "receiver.sqlite3")
    for n in (1, 0):
        found = reveal(sent[n], key.for_receiver("main"), model=model, ledger=receiver)
        assert found.message == sent[n].message
        assert psnr(found.picture, secret) > 20
    with pytest.raises(NoMessageError):
        reveal(make_cover(key, 1, model=model).picture, key, model=model, ledger=receiver)


def test_a_receiver_looks_at_few_numbers_and_can_be_told_the_one(
    key: Key, model: Path, tmp_path: Path, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger()
    for number in range(1, 6):
        ledger.claim(key.id, number)
    sent = hide(scene(SIDE // 2, SIDE // 2), key, model=model, ledger=ledger)
    looked: list[int] = []
    draw = module._draw
    monkeypatch.setattr(module, "_draw", lambda *given: looked.append(given[-1]) or draw(*given))
    receiver = Ledger(tmp_path / "receiver.sqlite3")
    with pytest.raises(NoMessageError, match="more than 3 ahead"):
        reveal(sent, key, model=model, ledger=receiver)
    assert looked == [1, 2, 3]
    assert reveal(sent, key, model=model, message=6, ledger=receiver).message == 6

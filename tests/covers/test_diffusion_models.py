"""Where models come from, and what of a stranger's model is refused: a real pipeline through the real loaders, offline."""

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from csfnns.covers import DiffusionCovers, describe_diffusion
from csfnns.covers._sampling import load
from csfnns.errors import CoverError, UsageError
from csfnns.profile import Diffusion
from tiny_diffusion import tiny_model

SIDE = 64
FAST: dict[str, Any] = {"steps": 1, "device": "cpu"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A model to be changed."""
    load.cache_clear()
    return Path(shutil.copytree(tiny_model(tmp_path_factory), tmp_path / "model"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Hosts that were looked up or connected to. None is reached."""
    seen: list[Any] = []

    def refuse(*args: Any, **_: Any) -> Any:
        seen.append(args)
        raise socket.gaierror("there is no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return seen


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a commit in the hub's cache, still absent."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub" / "models--owner--name" / "snapshots" / COMMIT


def describe(model: Path | str) -> Diffusion:
    return describe_diffusion(str(model), SIDE, SIDE, **FAST)


def test_a_local_model_asks_no_host_and_neither_does_a_commit_that_is_here(
    model: Path, cache: Path, asked: list[Any]
) -> None:
    here = describe(model)
    shutil.copytree(model, cache)
    hub = f"hub:owner/name@{COMMIT}"
    assert describe(hub) == here
    DiffusionCovers(hub, SIDE, SIDE, here)
    assert not asked


@pytest.mark.parametrize("name", ["models/typo", "owner/name", "owner/name@main", "~/nothing", ""])
def test_a_path_where_nothing_is_is_an_error_and_no_name_on_the_hub(name: str, asked: list[Any]) -> None:
    with pytest.raises(CoverError, match=r"There is no model .*: no such folder or file\. .*--hub NAME@REVISION"):
        describe(name or "no")
    assert not asked


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("owner/name", "got none. Branches and tags can move.*git ls-remote https://huggingface.co/owner/name"),
        ("owner/name@main", "commit of 40 hexadecimal digits, got main"),
        ("owner/name@v1.0", "got v1.0"),
        (f"owner/name@{COMMIT.upper()}", "commit of 40"),
        (f"name@{COMMIT}", "must be OWNER/NAME, got 'name'"),
        (f"../name@{COMMIT}", "must be OWNER/NAME"),
        (f"a/b/c@{COMMIT}", "must be OWNER/NAME"),
    ],
)
def test_the_hub_is_asked_for_commits_alone(name: str, said: str, asked: list[Any]) -> None:
    with pytest.raises(UsageError, match=said):
        describe(f"hub:{name}")
    assert not asked


def test_a_commit_that_is_not_here_is_looked_for_online(cache: Path, asked: list[Any]) -> None:
    with pytest.raises(CoverError, match=f"owner/name@{COMMIT} cannot be loaded"):
        describe(f"hub:owner/name@{COMMIT}")
    assert asked


def test_pickles_are_refused_and_never_opened(model: Path, asked: list[Any]) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (model / "sprung",)

    unet = model / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({"conv_in.bias": Trap()}, unet.with_suffix(".bin"))
    describe(model)  # beside safetensors it is passed over
    load.cache_clear()
    unet.unlink()
    with pytest.raises(CoverError, match=r"unet has no safetensors, only pickles.*docs/covers\.md"):
        describe(model)
    (unet.parent / "diffusion_pytorch_model.bin").rename(model / "model.ckpt")
    with pytest.raises(CoverError, match=r"model\.ckpt has no safetensors"):
        describe(model / "model.ckpt")
    assert not (model / "sprung").exists()
    assert not asked


def test_a_single_file_without_its_configuration_is_refused_and_nobody_asked_for_it(
    model: Path, asked: list[Any]
) -> None:
    (model / "model_index.json").unlink()
    shutil.copy(model / "unet" / "diffusion_pytorch_model.safetensors", model / "one.safetensors")
    for place in (model / "one.safetensors", model):
        with pytest.raises(CoverError, match=r"model_index\.json"):
            describe(place)
    assert not asked


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_weights_that_are_not_those_of_the_configuration_are_refused(part: str, model: Path) -> None:
    from safetensors.torch import load_file, save_file

    (file,) = (model / part).glob("*.safetensors")
    usual = load_file(file)
    name = sorted(usual)[0]
    wrong = {"is missing": {key: each for key, each in usual.items() if key != name}}
    wrong["|".join(("is mismatched", "cannot be loaded"))] = usual | {name: usual[name][:-1].clone()}
    for said, tensors in wrong.items():
        save_file(tensors, file, metadata={"format": "pt"})
        with pytest.raises(CoverError, match=said):
            describe(model)
    save_file(usual, file, metadata={"format": "pt"})
    config = json.loads((file.parent / "config.json").read_text())
    wide = {"block_out_channels": [6400, 6400]} if part == "unet" else {"vocab_size": 10**9}
    (file.parent / "config.json").write_text(json.dumps(config | wide))
    with pytest.raises(CoverError, match=r"its configuration asks for [0-9]{9,} numbers, and its files hold"):
        describe(model)


def test_a_header_without_bounds_is_refused_before_it_is_read(model: Path) -> None:
    file = model / "vae" / "diffusion_pytorch_model.safetensors"
    with file.open("wb") as stream:
        stream.write((2**30).to_bytes(8, "little"))
        stream.truncate(2**31)  # sparse
    with pytest.raises(CoverError, match="its header has 1073741824 bytes, and at most 8388608 are read"):
        describe(model)

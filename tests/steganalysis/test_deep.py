"""The networks: filters, shapes, scores and files."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from csfnns.errors import UsageError
from csfnns.steganalysis import (
    Deep,
    deep,
    draw_curve,
    find_model,
    make_detector,
    make_network,
    networks,
    shipped_networks,
)
from csfnns.steganalysis.network import FilterBank, kv_filter, srm_filters
from csfnns.steganalysis.siastegnet import SiaStegNet

EACH = pytest.mark.parametrize("name", networks())


def levels(*shape: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, shape).astype(np.float32))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_filters_sum_to_zero_and_their_largest_coefficient_is_one() -> None:
    filters = srm_filters()
    assert filters.shape == (30, 5, 5)
    assert filters.sum((1, 2)) == pytest.approx(np.zeros(30), abs=1e-12)
    assert abs(filters).max((1, 2)) == pytest.approx(np.ones(30))
    assert len({kernel.tobytes() for kernel in filters.round(9) + 0.0}) == 30


def test_filters_are_those_of_the_rich_model() -> None:
    filters = srm_filters()
    assert (12 * kv_filter())[:3].round(9).tolist() == [
        [-1, 2, -2, 2, -1],
        [2, -6, 8, -6, 2],
        [-2, 8, -12, 8, -2],
    ]
    assert (4 * filters[20])[1:4, 1:4].tolist() == [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
    assert (4 * filters[21])[1:4, 1:4].tolist() == [[-1, 2, -1], [2, -4, 2], [0, 0, 0]]
    # Filters from the second order on ignore slopes, those of the third order parabolas too.
    y, x = np.mgrid[-2:3, -2:3].astype(float)
    assert abs((filters * (2 * x + y)).sum((1, 2))[8:20]).max() < 1e-9
    assert abs((filters * (x * x + x * y)).sum((1, 2))[12:20]).max() < 1e-9
    assert abs((filters * x).sum((1, 2))[:8]).max() == 1


def test_each_colour_is_filtered_separately() -> None:
    x = levels(2, 3, 12, 10)
    residuals = FilterBank(srm_filters(), trained=True)(x)
    assert residuals.shape == (2, 90, 8, 6)
    kernels = torch.from_numpy(srm_filters().astype(np.float32))
    for colour in range(3):
        alone = torch.nn.functional.conv2d(x[:, colour : colour + 1], kernels[:, None])
        torch.testing.assert_close(residuals[:, 30 * colour : 30 * (colour + 1)], alone)


@EACH
def test_rates_are_of_the_size_that_networks_are_trained_with(name: str) -> None:
    assert 1e-5 <= make_network(name, 1).rate <= 1e-2


@EACH
@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 17, 23), (1, 64, 48)])
def test_any_size_gives_two_logits(name: str, shape: tuple[int, int, int]) -> None:
    network = make_network(name, 1).eval()
    number, height, width = shape
    with torch.inference_mode():
        logits = network(levels(number, 3, height, width))
    assert (logits.shape, logits.dtype) == ((number, 2), torch.float32)
    assert logits.isfinite().all()


@EACH
def test_the_seed_decides_the_weights_and_draws_nothing_from_the_caller(name: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = (make_network(name, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@EACH
def test_every_trained_weight_gets_a_gradient(name: str) -> None:
    network = make_network(name, 1).train()
    network.loss(levels(4, 3, 32, 32), torch.tensor([0, 0, 1, 1])).backward()
    for key, weight in network.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, key
            assert weight.grad.isfinite().all(), key


def test_only_xu_nets_filter_is_never_trained() -> None:
    fixed = {
        name: [key for key, each in make_network(name, 1).named_parameters() if not each.requires_grad]
        for name in networks()
    }
    assert fixed == {"xunet": ["residuals.kernels"], "yenet": [], "siastegnet": [], "srnet": []}


def test_the_twins_share_their_weights() -> None:
    network = make_network("siastegnet", 1).eval()
    assert isinstance(network, SiaStegNet)
    half = levels(1, 3, 32, 16)
    left, right = network.halves(torch.cat([half, half], 3))
    assert torch.equal(left, right)
    swapped = torch.cat([levels(1, 3, 32, 16, seed=2), half], 3)
    # The joined features (moments and a distance) do not depend on which half is left.
    torch.testing.assert_close(network(swapped), network(torch.cat([swapped[..., 16:], swapped[..., :16]], 3)))


@pytest.mark.parametrize(("name", "layer"), [("yenet", "layers.0"), ("siastegnet", "features.1")])
def test_half_of_the_maps_start_blind_to_what_colours_share(name: str, layer: str) -> None:
    grey = levels(1, 1, 20, 20).repeat(1, 3, 1, 1)
    residuals = FilterBank(srm_filters(), trained=True)(grey)
    joined = make_network(name, 1).get_submodule(layer)(residuals)[0].abs().amax((1, 2))  # (30,)
    assert joined[::2].max() < 1e-3
    assert joined[1::2].min() > 1


def test_srnet_starts_blind_to_smooth_areas() -> None:
    first = make_network("srnet", 1).get_submodule("layers.0")
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    smooth = torch.stack([3 * x - y, x * x / 4 - x * y / 8, 50 + y * y / 4])[None]
    seen, noise = first(smooth), first(levels(1, 3, 12, 12))
    assert seen[..., 1:-1, 1:-1].abs().max() < 1e-3
    assert noise.std() > 10


def test_contrast_draws_covers_together_and_stegos_apart() -> None:
    network = make_network("siastegnet", 1).eval()
    pictures = levels(2, 3, 32, 32)
    with torch.no_grad():
        network.classes.weight.zero_()
        network.classes.bias.zero_()
        distance = (network.halves(pictures)[0] - network.halves(pictures)[1] + 1e-6).norm(dim=1)
        for label, contrast in ((0, distance**2), (1, (1 - distance).clamp(min=0) ** 2)):
            loss = network.loss(pictures, torch.full((2,), label))
            assert float(loss) == pytest.approx(math.log(2) + 0.1 * float(contrast.mean()), rel=1e-5)


@EACH
def test_a_score_is_the_probability_of_a_stego(name: str) -> None:
    detector = Deep(name, make_network(name, 1))
    x = picture(32, 48)
    with torch.inference_mode():
        logits = detector.network.eval()(torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32)))
    assert detector.score(x) == pytest.approx(float(logits.softmax(1)[0, 1]), abs=1e-6)
    assert detector.scores([x, x[:16]]).tolist() == [detector.score(x), detector.score(x[:16])]


def test_large_pictures_are_scored_in_tiles() -> None:
    detector = Deep("xunet", make_network("xunet", 1))
    x = np.concatenate([picture(600, 40, 1) // 4, picture(600, 40, 2)])
    odds = [math.log(p / (1 - p)) for p in map(detector.score, (x[:600], x[600:]))]
    assert odds[0] != pytest.approx(odds[1], rel=1e-3)
    assert detector.score(x) == pytest.approx(1 / (1 + math.exp(-sum(odds) / 2)), abs=1e-6)


@EACH
def test_a_file_holds_all_of_a_detector(name: str, tmp_path: Path) -> None:
    path, x = tmp_path / "model.safetensors", picture(40, 40)
    detector = Deep(name, make_network(name, 7), {"steps": 3, "accuracy": 0.5})
    detector.save(path, data="noise", licence="Apache-2.0")
    again = Deep.load(path)
    notes = {"pictures": "noise", "licence": "Apache-2.0"}
    assert (again.name, again.about) == (name, {"steps": 3, "accuracy": 0.5} | notes)
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert again.score(x) == detector.score(x) == make_detector(name, path).score(x)
    card = (tmp_path / "model.md").read_text("utf-8")
    for row in (f"# {name}", "| pictures | noise |", "| licence | Apache-2.0 |", "| accuracy | 0.5 |"):
        assert row in card
    with pytest.raises(UsageError, match="already exists"):
        detector.save(path)
    detector.save(path, overwrite=True)


@EACH
def test_half_precision_rounds_what_was_trained(name: str, tmp_path: Path) -> None:
    exact = Deep(name, make_network(name, 7))
    exact.save(tmp_path / "whole")
    exact.save(tmp_path / "half", half=True)
    rounded = Deep.load(tmp_path / "half")
    first, second = exact.network.state_dict(), rounded.network.state_dict()
    trained = {key: each.requires_grad and each.ndim > 1 for key, each in exact.network.named_parameters()}
    for key, before in first.items():
        kept = before.half().float() if trained.get(key, False) else before
        assert second[key].dtype == before.dtype
        assert torch.equal(second[key], kept), key
    assert (tmp_path / "half").stat().st_size < 0.7 * (tmp_path / "whole").stat().st_size
    rounded.save(tmp_path / "again", half=True)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "half").read_bytes()
    assert rounded.score(picture(40, 40)) == pytest.approx(exact.score(picture(40, 40)), abs=0.05)


@pytest.mark.parametrize("name", shipped_networks())
def test_pretrained_weights_are_in_half_precision(name: str) -> None:
    tensors = load_file(shipped_networks()[name]).values()
    assert {each.dtype for each in tensors if each.ndim == 4 and len(each) > 1} == {torch.float16}


def test_pretrained_networks_are_the_files_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "files", lambda _: tmp_path)
    (tmp_path / "weights").mkdir()
    assert shipped_networks() == {}
    with pytest.raises(UsageError, match="'yenet' needs a model") as refused:
        make_detector("yenet")
    assert "Pretrained" not in refused.value.hint
    model = tmp_path / "weights" / "yenet.safetensors"
    Deep("yenet", make_network("yenet", 1)).save(model)
    assert shipped_networks() == {"yenet": model}
    assert make_detector("yenet").score(picture(20, 20)) == Deep.load(model).score(picture(20, 20))
    with pytest.raises(UsageError, match="'xunet' needs a model") as refused:
        make_detector("xunet")
    assert refused.value.hint.endswith("Pretrained: yenet.")


def test_a_model_is_found_by_the_name_of_a_pretrained_network_or_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, shipped = next(iter(shipped_networks().items()))
    own = tmp_path / name
    own.write_bytes(b"")
    assert find_model(name) == shipped
    assert find_model(Path(name)).samefile(own)
    assert find_model(f"./{name}").samefile(own)
    with pytest.raises(UsageError, match="no model 'eyes'") as refused:
        find_model("eyes")
    assert name in refused.value.hint


def test_other_files_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    model = tmp_path / "model.safetensors"
    Deep("xunet", make_network("xunet", 1)).save(model)
    with pytest.raises(UsageError, match="a model of 'xunet', not of 'srnet'"):
        make_detector("srnet", model)
    known = {"detector": "xunet", "about": {}}
    for about in (
        {},
        {"csfnns-deep-1": "{"},
        {"csfnns-deep-1": json.dumps(known | {"detector": "eyes"})},
        {"csfnns-deep-1": json.dumps(known)},  # without its weights
        {"csfnns-deep-1": "[]"},
    ):
        save_file({"x": np.zeros(3)}, tmp_path / "bad", about)
        with pytest.raises(UsageError, match="not a model of a network"):
            Deep.load(tmp_path / "bad")
    weights = {key: each.numpy() for key, each in load_file(model).items()}
    broken = weights | {"classes.weight": np.full_like(weights["classes.weight"], np.nan)}
    for tensors, content in ((weights, known | {"about": "nothing"}), (broken, known)):
        save_file(tensors, tmp_path / "odd", {"csfnns-deep-1": json.dumps(content)})
        with pytest.raises(UsageError, match="not a model of a network"):
            Deep.load(tmp_path / "odd")
    (tmp_path / "cut").write_bytes(model.read_bytes()[:-100])
    with pytest.raises(UsageError, match="not a model of a network"):
        Deep.load(tmp_path / "cut")
    with pytest.raises(UsageError, match="There is no file"):
        Deep.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no network 'eyes'"):
        make_network("eyes", 1)
    with pytest.raises(UsageError, match="cannot be written"):
        Deep("xunet", make_network("xunet", 1)).save(tmp_path / "nowhere" / "model")


def test_a_curve_is_drawn_as_a_picture() -> None:
    rows = [{"step": 10 * k, "loss": 0.7 / k, "accuracy": 1 - 0.5 / k} for k in (1, 2, 3)]
    assert draw_curve(rows, "xunet").startswith(b"\x89PNG")

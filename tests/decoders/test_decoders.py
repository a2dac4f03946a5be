"""The contract of every decoder, present and future: whatever is entered in DECODERS."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from csfnns.decoders import DECODERS, Decoder, make_decoder
from csfnns.images.io import Picture
from csfnns.payloads import make_codec
from csfnns.profile import Profile, make_profile
from csfnns.search import Distortion, Recovery, Search, Weighted
from csfnns.stream import Seed

RATES = ("24", "6", "1.5")
SIZES = ((64, 64), (96, 64), (64, 160))
EACH = pytest.mark.parametrize("name", DECODERS)
EVERY = [(name, bpp, size) for name in DECODERS for bpp in RATES for size in SIZES if name != "robust" or bpp == "1.5"]


def profile_of(name: str, bpp: str | None = None, size: tuple[int, int] = (64, 64)) -> Profile:
    base = "robust" if name == "robust" else "paper"
    bpp = bpp or ("1.5" if name == "robust" else "6")
    return make_profile(base, decoder=name, bpp=bpp, height=size[0], width=size[1], channels=16)


def perturbation(n: int, size: tuple[int, int] = (64, 64)) -> Tensor:
    """Whole grey levels, (n, 3, *size)."""
    levels = np.rint(Seed(bytes(32)).stream().normals(n * 3 * size[0] * size[1]))
    return torch.from_numpy(levels).reshape(n, 3, *size).float() / 255


@pytest.mark.parametrize(("name", "bpp", "size"), EVERY)
def test_output_is_the_secret_grid(name: str, bpp: str, size: tuple[int, int], seed: Seed) -> None:
    profile = profile_of(name, bpp, size)
    output = make_decoder(profile, seed)(perturbation(2, size))
    assert output.shape == (2, 3, *profile.secret_size)
    assert output.dtype == torch.float32
    assert torch.isfinite(output).all()


@EACH
def test_a_decoder_is_frozen(name: str, seed: Seed) -> None:
    decoder = make_decoder(profile_of(name), seed)
    assert not decoder.training
    assert not any(parameter.requires_grad for parameter in decoder.parameters())


@EACH
def test_a_decoder_follows_from_every_bit_of_its_seed_and_from_nothing_else(name: str, seed: Seed) -> None:
    profile, delta, outputs = profile_of(name), perturbation(1), []
    for state in (1, 2):
        torch.manual_seed(state)
        outputs.append(make_decoder(profile, Seed(bytes(seed.data)))(delta))
    assert torch.equal(*outputs)
    other = Seed(bytes([seed.data[0] ^ 1]) + seed.data[1:])
    assert (make_decoder(profile, other)(delta) != outputs[0]).float().mean() > 0.99


@EACH
def test_pictures_of_a_batch_do_not_touch_each_other(name: str, seed: Seed) -> None:
    decoder, delta = make_decoder(profile_of(name), seed), perturbation(2)
    alone = torch.cat([decoder(delta[:1]), decoder(delta[1:])])
    torch.testing.assert_close(decoder(delta), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (528, 64), (64, 1040)])
@EACH
def test_parts_make_up_the_whole(name: str, size: tuple[int, int], seed: Seed) -> None:
    """Each level of δ belongs to one part, each output too, and parts decode as the whole does."""
    decoder, delta = make_decoder(profile_of(name, "1.5", size), seed), perturbation(1, size)
    whole = decoder(delta).flatten(1)
    covered, found = torch.zeros(size), torch.full_like(whole, torch.nan)
    for part in decoder.parts():
        covered[part.rows, part.columns] += 1
        outputs = part.decoder(delta[:, :, part.rows, part.columns]).flatten(1)
        there = torch.arange(whole.shape[1]) if part.indices is None else part.indices
        assert torch.isnan(found[:, there]).all()
        found[:, there] = outputs
    assert (covered == 1).all()
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)


@EACH
def test_output_is_a_picture_or_coefficients_of_about_unit_variance(name: str, seed: Seed) -> None:
    output = make_decoder(profile_of(name), seed)(perturbation(1))
    if name == "robust":
        assert abs(float(output.mean())) < 0.2
        assert 0.3 < float(output.std()) < 3
    else:
        assert float(output.min()) > 0
        assert float(output.max()) < 1
        assert float(output.std()) > 0.05


@EACH
def test_every_level_of_the_perturbation_counts(name: str, seed: Seed) -> None:
    delta = perturbation(1).requires_grad_()
    make_decoder(profile_of(name), seed)(delta).square().sum().backward()
    assert delta.grad is not None
    assert torch.isfinite(delta.grad).all()
    assert (delta.grad != 0).float().mean() > 0.99


@EACH
def test_only_the_right_seed_decodes(name: str, seed: Seed, scene: Callable[..., Picture]) -> None:
    """After a short search the right decoder's output resembles the target, a wrong one's does not."""
    size = 128, 128
    profile = profile_of(name, "1.5", size)
    target = torch.from_numpy(make_codec(profile, seed).encode(scene(64, 64)).values)[None]
    right, wrong = make_decoder(profile, seed), make_decoder(profile, seed.derive("other"))
    cover = torch.full((1, 3, *size), 100 / 255)
    terms = [Weighted(Distortion(), 1.0), Weighted(Recovery(right, target), 0.1)]
    delta = Search(steps=60)(cover, terms, seeds=[seed]) / 255
    assert correlation(right(delta), target) > 0.8
    assert abs(correlation(wrong(delta), target)) < 0.15


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def layers_of(decoder: Decoder) -> list[nn.Module]:
    sequence = decoder.layers
    assert isinstance(sequence, nn.Sequential)
    return list(sequence)


STRIDES = {"24": [1, 1, 1], "6": [1, 1, 2], "1.5": [1, 2, 2]}


@pytest.mark.parametrize("bpp", RATES)
@pytest.mark.parametrize(("name", "edge"), [("plain", 3), ("shuffle", 12)])
def test_the_papers_networks_have_its_layers(name: str, edge: int, bpp: str, seed: Seed) -> None:
    """Three 3x3 convolutions with padding 1 and 96 channels, strides by the rate; LeakyReLU before InstanceNorm."""
    layers = layers_of(make_decoder(make_profile("paper", decoder=name, bpp=bpp), seed))
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [(edge, 96), (96, 96), (96, edge)]
    assert [c.stride for c in convolutions] == [(s, s) for s in STRIDES[bpp]]
    assert all((c.kernel_size, c.padding) == ((3, 3), (1, 1)) for c in convolutions)
    assert all(layer.negative_slope == 0.01 for layer in layers if isinstance(layer, nn.LeakyReLU))

    block = ["Conv2d", "LeakyReLU", "InstanceNorm"]
    middle = [*block, *block, "Conv2d", "Sigmoid"]
    order = middle if name == "plain" else ["PixelUnshuffle", *middle, "PixelShuffle"]
    assert [type(layer).__name__ for layer in layers] == order
    assert not any(layer.bias.any() for layer in convolutions)
    if name == "shuffle":
        assert (layers[0].downscale_factor, layers[-1].upscale_factor) == (2, 2)

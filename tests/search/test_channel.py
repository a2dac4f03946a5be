"""Channels against what Pillow itself does, and what receivers see behind them."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.search import Transit
from csfnns.search.channel import (
    CHANNELS,
    MAX_CASES,
    Chain,
    Channel,
    ChannelEntry,
    Jpeg,
    Mismatch,
    Noise,
    OneOf,
    Resize,
    encode_jpeg,
    parse_channel,
    perturbation,
)
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
TEXTS = {
    "jpeg:90": Jpeg(90, 90),
    "jpeg:75-95": Jpeg(75, 95),
    "jpeg:80/420": Jpeg(80, 80, "420"),
    "jpeg:80-90/444": Jpeg(80, 90, "444"),
    "noise:2": Noise(2.0),
    "noise:0.5": Noise(0.5),
    "mismatch:0.05": Mismatch(0.05),
    "resize:0.5": Resize(0.5),
    "resize:1.5/lanczos": Resize(1.5, "lanczos"),
    "resize:0.5+jpeg:90/420": Chain((Resize(0.5), Jpeg(90, 90, "420"))),
}
EACH = pytest.mark.parametrize("channel", TEXTS.values(), ids=str)


def draws(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def picture(scene) -> Picture:  # type: ignore[no-untyped-def]
    found: Picture = scene(64, 96)
    return found


def by_pillow(picture: Picture, quality: int, subsampling: int) -> Picture:
    """Pillow's own numbers of subsampling: 0 is 4:4:4, 2 is 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize(("text", "channel"), TEXTS.items())
def test_texts_name_channels_and_channels_name_themselves(text: str, channel: Channel) -> None:
    assert parse_channel(text) == parse_channel(f" {text.upper().replace('+', ' + ')} ") == channel
    assert str(channel) == text
    with pytest.raises(UsageError):
        parse_channel()


def test_several_texts_are_alternatives() -> None:
    found = parse_channel("noise:2", "jpeg:90")
    assert found == OneOf((Noise(2.0), Jpeg(90, 90)))
    assert str(found) == "noise:2, jpeg:90"


def test_a_channel_is_one_entry_of_the_registry() -> None:
    for entry in CHANNELS.entries().values():
        if ":" in entry.example:
            assert str(parse_channel(entry.example)) == entry.example
    CHANNELS.add("still", ChannelEntry(lambda *texts: Chain(()), "changes nothing", example="still"))
    try:
        assert parse_channel("still") == Chain(())
        with pytest.raises(UsageError, match=r"jpeg:75-95, .*, still"):
            parse_channel("blur:2")
    finally:
        CHANNELS.remove("still")


@pytest.mark.parametrize("name", ["whatsapp", "signal", "telegram", "email", "web"])
def test_a_service_scales_down_and_compresses(name: str, scene: Callable[..., Picture]) -> None:
    channel = parse_channel(name)
    assert str(channel).startswith(f"{name} (jpeg:")
    small, large = scene(64, 64, 1), np.zeros((300, 2600, 3), np.uint8)
    arrived = channel(small, np.random.default_rng(0))
    assert arrived.shape == small.shape
    assert 15 < psnr(arrived, small) < 60
    assert channel(large, np.random.default_rng(0)).shape[1] in (1280, 1600, 2048)
    assert len(channel.cases()) in (2, 4)


WRONG = ["", "jpeg", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:95-75", "jpeg:90/422", "jpeg:90/420/1", "jpeg:x"]
WRONG += ["noise:0", "noise:-1", "noise:nan", "noise:inf", "mismatch:0", "mismatch:1.1", "mismatch:nan"]
WRONG += ["resize:0", "resize:nan", "resize:9", "resize:0.5/sinc", "blur:2", "jpeg:90+", "noise:1/2"]
WRONG += ["jpeg:90-", "jpeg:9_0", "jpeg:-90", "jpeg:75-95+resize:0.5+jpeg:75-95"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_channel_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_channel(text)
    assert caught.value.hint


def test_there_are_at_most_as_many_cases_as_can_be_checked() -> None:
    most = "jpeg:75-95+resize:0.5+jpeg:90"
    assert len(parse_channel(most).cases()) == 4 * 4 * 2 == MAX_CASES
    with pytest.raises(UsageError, match="has 33 cases, more than 32"):
        parse_channel(most, "noise:2")


@EACH
def test_what_arrives_is_a_picture_and_the_same_for_the_same_draws(channel: Channel, picture: Picture) -> None:
    before = picture.copy()
    first, second = (channel(picture, draws()) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert np.array_equal(first, second)
    assert np.array_equal(picture, before)
    assert first.shape != picture.shape or not np.array_equal(first, picture)


@EACH
def test_cases_leave_nothing_open_but_noise(channel: Channel, picture: Picture) -> None:
    for case in channel.cases():
        assert case.cases() == [case]
        if "noise" not in str(case) and "mismatch" not in str(case):
            assert np.array_equal(case(picture, draws(1)), case(picture, draws(2)))


@pytest.mark.parametrize(("subsampling", "number"), [("444", 0), ("420", 2)])
@pytest.mark.parametrize("quality", [1, 75, 100])
def test_jpeg_is_pillows(quality: int, subsampling: str, number: int, picture: Picture) -> None:
    found = parse_channel(f"jpeg:{quality}/{subsampling}")(picture, draws())
    assert np.array_equal(found, by_pillow(picture, quality, number))


def test_an_open_jpeg_draws_every_quality_and_subsampling_and_no_other(picture: Picture) -> None:
    possible = {by_pillow(picture, q, s).tobytes() for q in (80, 81, 82) for s in (0, 2)}
    random = draws()
    assert {Jpeg(80, 82)(picture, random).tobytes() for _ in range(100)} == possible


def test_jpeg_files_have_no_metadata(picture: Picture) -> None:
    with Image.open(io.BytesIO(encode_jpeg(picture, 90, "420"))) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("sigma", [1.0, 2.0, 8.0])
def test_noise_has_its_deviation(sigma: float) -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    noise = Noise(sigma)(grey, draws()).astype(float) - grey
    assert noise.std() == pytest.approx(np.hypot(sigma, 12**-0.5), rel=0.02)  # rounding adds 1/12
    assert abs(noise.mean()) < 0.05 * sigma
    assert (Noise(sigma)(np.full((64, 64, 3), 255, np.uint8), draws()) > 255 - 8 * sigma).all()


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_mismatch_moves_its_share_by_a_level_both_ways(share: float) -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    off = Mismatch(share)(grey, draws()).astype(int) - grey
    assert set(np.unique(off)) <= {-1, 0, 1}
    assert (off != 0).mean() == pytest.approx(share, rel=0.05)
    assert (off > 0).sum() == pytest.approx((off < 0).sum(), rel=0.1)


@pytest.mark.parametrize("scale", [0.5, 0.3, 1.5])
def test_resizing_multiplies_the_sides(scale: float, picture: Picture) -> None:
    assert Resize(scale)(picture, draws()).shape == (round(64 * scale), round(96 * scale), 3)


def test_a_chain_is_one_after_another(picture: Picture) -> None:
    links = Noise(3.0), Jpeg(80, 80, "420")
    random = draws()
    expected = links[1](links[0](picture, random), random)
    assert np.array_equal(Chain(links)(picture, draws()), expected)


def test_alternatives_are_all_drawn(picture: Picture) -> None:
    random, some = draws(), OneOf((Jpeg(90, 90, "420"), Resize(0.5, "box")))
    assert {some(picture, random).shape for _ in range(30)} == {(64, 96, 3), (32, 48, 3)}


def test_without_a_change_of_size_receivers_subtract_the_cover(picture: Picture) -> None:
    stego = Mismatch(0.5)(picture, draws())
    found = perturbation(stego, picture)
    assert np.array_equal(found, stego.astype(int) - picture)
    assert found.dtype == np.float32


@pytest.mark.parametrize("case", Resize(0.5).cases(), ids=str)
def test_of_a_resized_cover_nothing_is_left(case: Channel, picture: Picture) -> None:
    """The receiver finds out the filter by himself."""
    assert not perturbation(case(picture, draws()), picture).any()


@pytest.mark.parametrize("case", Resize(0.5).cases(), ids=str)
def test_slow_changes_come_through_resizing(case: Channel, picture: Picture) -> None:
    wave = 6 * np.sin(np.arange(96) / 10)[None, :, None] * np.ones((64, 96, 3))
    stego = np.clip(picture // 2 + 64 + wave.round(), 0, 255).astype(np.uint8)
    found = perturbation(case(stego, draws()), picture // 2 + 64)
    assert found.shape == wave.shape
    assert np.corrcoef(found.ravel(), wave.ravel())[0, 1] > 0.95


def tensors(picture: Picture, n: int = 2) -> tuple[Tensor, Tensor]:
    """Covers (n, 3, H, W) and δ of a few levels, not yet whole ones."""
    cover = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float().expand(n, -1, -1, -1) / 255
    normals = SEED.stream().normals(cover.numel())
    return cover, (3 * torch.from_numpy(normals).reshape(cover.shape).float() / 255).requires_grad_()


def test_gradients_pass_a_channel_unchanged(picture: Picture) -> None:
    cover, delta = tensors(picture)
    weights = torch.linspace(-1, 1, delta.numel()).reshape(delta.shape)
    seen = Transit(Jpeg(75, 95), [SEED, SEED.derive("other")])(cover, delta)
    (slope,) = torch.autograd.grad((weights * seen).sum(), delta)
    assert torch.equal(slope, weights)


def test_a_search_sees_what_a_receiver_would(picture: Picture) -> None:
    cover, delta = tensors(picture, 1)
    case = Jpeg(80, 80, "420")
    levels = (255 * (cover + delta).clamp(0, 1)).round()[0].permute(1, 2, 0)
    expected = perturbation(case(levels.detach().numpy().astype(np.uint8), draws()), picture)
    found = 255 * Transit(case, [SEED])(cover, delta)[0].permute(1, 2, 0).detach()
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-3)


def test_draws_are_the_seeds_and_each_pictures_own(picture: Picture) -> None:
    cover, delta = tensors(picture)
    seeds = [SEED, SEED.derive("other")]
    together, again = (Transit(Noise(2.0), seeds)(cover, delta) for _ in range(2))
    assert torch.equal(together, again)
    alone = Transit(Noise(2.0), seeds[1:])(cover[1:], delta[1:])
    assert torch.equal(together[1:], alone)
    noise = together - delta
    assert not torch.equal(noise[0], noise[1])


def test_each_step_draws_afresh(picture: Picture) -> None:
    cover, delta = tensors(picture, 1)
    transit = Transit(Noise(2.0), [SEED])
    assert not torch.equal(transit(cover, delta), transit(cover, delta))

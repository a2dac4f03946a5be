import hashlib

import numpy as np
import pytest

from csfnns.covers import abstract
from csfnns.covers._noise import ONE, bearing, noise, root, sine
from csfnns.covers._scenes import SCENES
from csfnns.covers.abstract import AbstractCovers
from csfnns.errors import UsageError
from csfnns.picture import Picture
from csfnns.stream import Seed

KEY = Seed(bytes(range(32)))

# A compatibility promise: a receiver with another version must grow the same cover.
GOLDEN = {
    (64, 64, 0): "767a8f58702de1874dd860a88dc09aacc18031dd2084ed169ed4438f21f77a6a",
    (64, 64, 1): "fb08e32964f75b18777c2f8446463f6e8b33f4b6420ccec2a059ff4e0b937659",
    (128, 96, 0): "2a4640ba5f336cfd53ee07f158fbc2609953d034789adc9c5d07278baba29df4",
    (128, 96, 7): "9f6e0fa2ec0baef22baff419c9fa236eff11723f779436dad4e3b13d31e2cc68",
    (512, 512, 0): "2feee614e86684ce1027be1acc2cbe882e045a3ef0f582428912001607755d0c",
    (512, 512, 20): "555ad7f9faa5120d7d0225916ee436cb45339ab9ffb3e94b7d7370ba6e8989fa",
}
GALLERY = "a4f40e13c102958b1ce1d6b434f6e0905465fd0d9abf74dfd087799785c4e301"


def sha256(picture: Picture) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def gallery() -> list[Picture]:
    return [AbstractCovers(64, 64)(KEY, message) for message in range(48)]


@pytest.mark.parametrize(("height", "width", "message"), GOLDEN)
def test_covers_are_these_bytes_for_ever(height: int, width: int, message: int) -> None:
    assert sha256(AbstractCovers(height, width)(KEY, message)) == GOLDEN[height, width, message]


def test_covers_of_every_scene_are_these_bytes_for_ever(gallery: list[Picture]) -> None:
    assert sha256(np.stack(gallery)) == GALLERY
    seeds = [KEY.derive(f"csfnns/1/cover/abstract/{message}") for message in range(48)]
    scenes = {abstract._Painter(seed, 64, 64).scene.__qualname__.split(".")[0] for seed in seeds}
    assert scenes == {scene.__name__ for scene in SCENES}


@pytest.mark.parametrize(("height", "width"), [(64, 64), (512, 160), (80, 1040)])
def test_probe_equals_the_whole_picture(height: int, width: int) -> None:
    covers = AbstractCovers(height, width)
    numbers = np.random.default_rng(1)
    for message in range(6):
        rows, columns = numbers.integers(0, height, 64), numbers.integers(0, width, 64)
        whole = covers(KEY, message)
        probed = covers.probe(KEY, message, rows, columns)
        assert probed.dtype == np.uint8
        assert np.array_equal(probed, whole[rows, columns])


def test_probe_reaches_the_corners_of_the_longest_pictures() -> None:
    for height, width in ((64, 8192), (8192, 64), (8192, 8192)):
        rows, columns = np.array([0, 0, height - 1, height - 1]), np.array([0, width - 1, 0, width - 1])
        colours = AbstractCovers(height, width).probe(KEY, 2, rows, columns)
        assert len(np.unique(colours, axis=0)) == 4


def test_nothing_depends_on_how_the_picture_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    covers = AbstractCovers(144, 208)
    whole = [covers(KEY, message) for message in range(8)]
    monkeypatch.setattr(abstract, "_TILE", 37)
    for message, expected in enumerate(whole):
        assert np.array_equal(covers(KEY, message), expected)


def test_keys_and_messages_give_unlike_pictures(gallery: list[Picture]) -> None:
    other = AbstractCovers(64, 64)(Seed(bytes(32)), 0)
    pictures = np.stack([*gallery, other]).reshape(49, -1).astype(np.float64)
    distance = np.abs(pictures[:, None] - pictures[None]).mean(axis=2) + 999.0 * np.eye(49)
    assert distance.min() > 8.0


def test_composition_is_the_same_at_every_resolution() -> None:
    for message in range(4):
        small, large = (AbstractCovers(side, side)(KEY, message).astype(np.float64) for side in (128, 512))
        coarse = [
            p.reshape(16, p.shape[0] // 16, 16, -1, 3).mean(axis=(1, 3)).ravel() for p in (small, large)
        ]
        assert np.corrcoef(*coarse)[0, 1] > 0.95


def test_few_sub_pixels_are_near_saturation(gallery: list[Picture]) -> None:
    shares = [np.mean((picture <= 3) | (picture >= 252)) for picture in gallery]
    assert max(shares) < 0.005


@pytest.mark.parametrize("side", [64, 256])
def test_no_area_is_smooth(side: int) -> None:
    for message in range(12):
        luminance = AbstractCovers(side, side)(KEY, message) @ np.array([0.299, 0.587, 0.114])
        blocks = luminance.reshape(side // 8, 8, side // 8, 8).std(axis=(1, 3))
        assert np.mean(blocks < 1.5) < 0.01


def test_grain_is_white_and_partly_common_to_the_colours() -> None:
    painter = abstract._Painter(KEY, 512, 512)
    grain = painter.grain_rows(np.arange(512)).astype(np.float64)
    common, own = painter.grain_gains
    specks = grain[..., :1] * common + grain[..., 1:] * own
    spectrum = np.abs(np.fft.fft2(specks, axes=(0, 1))) ** 2
    correlation = np.fft.ifft2(spectrum, axes=(0, 1)).real
    correlation /= correlation[0, 0]
    neighbours = correlation[:9, :9].reshape(81, 3)[1:]
    assert np.abs(neighbours).max() < 0.01
    expected = common**2 / (common**2 + own**2)
    assert np.corrcoef(specks[..., 0].ravel(), specks[..., 2].ravel())[0, 1] == pytest.approx(
        expected, abs=0.01
    )
    assert grain.std() == pytest.approx(147.8, rel=0.01)


def test_integer_functions_are_near_the_real_ones() -> None:
    turns = np.arange(-ONE, 2 * ONE)
    assert np.abs(sine(turns) / ONE - np.sin(turns * 2 * np.pi / ONE)).max() < 3e-4
    x, y = (50000 * np.cos(turns / 9000)).astype(np.int64), (50000 * np.sin(turns / 9000)).astype(np.int64)
    off = bearing(x, y) / ONE - np.arctan2(y, x) / (2 * np.pi)
    assert np.abs(off - np.round(off)).max() < 3e-4
    squares = np.arange(1 << 12, dtype=np.int64) ** 2
    assert np.array_equal(root(squares), np.arange(1 << 12))
    assert np.array_equal(root(squares[1:] - 1), np.arange((1 << 12) - 1))


def test_noise_is_centred_and_continuous() -> None:
    place = np.random.default_rng(2).integers(-(2**24), 2**24, (2, 50000))
    value = noise(place[0], place[1], 7) / ONE
    assert abs(value.mean()) < 0.01
    assert 0.24 < value.std() < 0.31
    assert np.abs(noise(place[0] + 8, place[1], 7) / ONE - value).max() < 0.002


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 8208), (100, 128)])
def test_sizes_that_cannot_be_are_refused(height: int, width: int) -> None:
    with pytest.raises(UsageError, match="multiples of 16"):
        AbstractCovers(height, width)

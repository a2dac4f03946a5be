import hashlib

import numpy as np
import pytest

from csfnns.covers import abstract
from csfnns.covers._noise import ONE, Dice, noise
from csfnns.covers._scenes import SCENES
from csfnns.covers.abstract import AbstractCovers
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.stream import Seed

KEY = Seed(bytes(range(32)))

# Part of the format: a receiver with another version must draw the same cover.
GOLDEN = {
    (64, 64, 0): "9e8a843edf673ba20806160680975a685b0829b3de320a34ea99d888fac8b830",
    (128, 96, 7): "87402d1ebcc56784d503bd867755d06f67be56f4e9ac7ac4aa236bbcd5f8ff48",
    (512, 512, 0): "da1877370730e05145f59e08832f828cc6cf259b1f8ba8ae50aee08fb7fdd324",
}
GALLERY = "60b020e2b79386e699bbb399a0c6c73e6e3132b309ef31ae11bd4e330926b6b4"


def seed_of(message: int) -> Seed:
    return KEY.derive(str(message))


def sha256(picture: Picture) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def painter_of(message: int, side: int) -> abstract._Painter:
    return abstract._Painter(seed_of(message).derive("csfnns/2/cover/abstract"), side, side)


@pytest.fixture(scope="module")
def messages() -> list[int]:
    """The first message of each scene, in the order of SCENES."""
    first: dict[int, int] = {}
    for message in range(1000):
        first.setdefault(Dice(seed_of(message).derive("csfnns/2/cover/abstract")).below(len(SCENES)), message)
    return [first[place] for place in range(len(SCENES))]


@pytest.fixture(scope="module")
def gallery(messages: list[int]) -> list[Picture]:
    return [AbstractCovers(64, 64)(seed_of(message)) for message in messages]


@pytest.mark.parametrize(("height", "width", "message"), GOLDEN)
def test_covers_are_these_bytes_on_every_machine(height: int, width: int, message: int) -> None:
    assert sha256(AbstractCovers(height, width)(seed_of(message))) == GOLDEN[height, width, message]


def test_covers_of_every_scene_are_these_bytes_on_every_machine(messages: list[int], gallery: list[Picture]) -> None:
    assert sha256(np.stack(gallery)) == GALLERY
    assert [painter_of(message, 64).family for message in messages] == list(SCENES)


def test_nothing_depends_on_how_the_picture_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    covers = AbstractCovers(144, 208)
    whole = [covers(seed_of(message)) for message in range(8)]
    monkeypatch.setattr(abstract, "_TILE", 37)
    for message, expected in enumerate(whole):
        assert np.array_equal(covers(seed_of(message)), expected)


def test_other_seeds_give_unlike_pictures(gallery: list[Picture]) -> None:
    other = AbstractCovers(64, 64)(Seed(bytes(32)))
    pictures = np.stack([*gallery, other]).reshape(len(gallery) + 1, -1).astype(np.float64)
    distance = np.abs(pictures[:, None] - pictures[None]).mean(axis=2) + 999.0 * np.eye(len(pictures))
    assert distance.min() > 8.0


def test_composition_is_the_same_at_every_resolution() -> None:
    for message in range(4):
        pictures = [AbstractCovers(side, side)(seed_of(message)) for side in (128, 512)]
        coarse = [p.reshape(16, len(p) // 16, 16, -1, 3).mean(axis=(1, 3)).ravel() for p in pictures]
        assert np.corrcoef(*coarse)[0, 1] > 0.95


def test_little_is_smooth(gallery: list[Picture]) -> None:
    for picture in [*gallery, *(AbstractCovers(256, 256)(seed_of(message)) for message in range(12))]:
        luminance = picture @ np.array([0.299, 0.587, 0.114])
        blocks = luminance.reshape(len(picture) // 8, 8, -1, 8).std(axis=(1, 3))
        assert np.mean(blocks < 1.5) < 0.02


def test_some_covers_are_clipped_a_little_and_in_areas_as_photographs_are() -> None:
    pictures = np.stack([AbstractCovers(256, 256)(seed_of(message)) for message in range(40)])
    clipped = (pictures == 0) | (pictures == 255)
    shares = clipped.mean(axis=(1, 2, 3))
    assert 0.0005 < np.median(shares) < 0.005
    assert shares.max() < 0.025
    assert np.mean(shares < 1e-4) > 0.03
    assert np.mean(pictures == 0) > 0.0002
    assert np.mean(pictures == 255) > 0.0002
    beside = np.mean(clipped[:, :, 1:][clipped[:, :, :-1]])  # of clipped levels, how many have a clipped neighbour
    assert beside > 0.2


def test_an_end_that_is_spared_keeps_its_levels() -> None:
    painters = [painter_of(message, 64) for message in range(60)]
    assert {painter.black for painter in painters} > {0}
    assert {painter.white for painter in painters} > {255 * 16}
    for painter in painters:
        assert painter.black <= 72 * 16
        assert painter.white >= 184 * 16
        assert painter._meter(0, 0) == (0, 255 * 16)


def test_grain_is_white_and_partly_common_to_the_colours() -> None:
    painter = abstract._Painter(KEY, 512, 512)
    grain = painter.grain(512).astype(np.float64)
    assert grain.std() == pytest.approx(147.8, rel=0.01)
    common, own = painter.grain_gains
    specks = grain[..., :1] * common + grain[..., 1:] * own
    spectrum = np.abs(np.fft.fft2(specks, axes=(0, 1))) ** 2
    correlation = np.fft.ifft2(spectrum, axes=(0, 1)).real
    assert np.abs(correlation / correlation[0, 0])[:9, :9].reshape(81, 3)[1:].max() < 0.01
    between = np.corrcoef(specks[..., 0].ravel(), specks[..., 2].ravel())[0, 1]
    assert between == pytest.approx(common**2 / (common**2 + own**2), abs=0.01)


def test_noise_is_centred_and_continuous() -> None:
    place = np.random.default_rng(2).integers(-(2**24), 2**24, (2, 50000))
    value = noise(place[0], place[1], 7) / ONE
    assert abs(value.mean()) < 0.01
    assert 0.24 < value.std() < 0.31
    assert np.abs(noise(place[0] + 8, place[1], 7) / ONE - value).max() < 0.002


def test_other_sizes_are_refused() -> None:
    for height, width in ((48, 64), (64, 8208), (100, 128)):
        with pytest.raises(UsageError, match="multiples of 16"):
            AbstractCovers(height, width)

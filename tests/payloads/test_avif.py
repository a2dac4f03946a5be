import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, features

from csfnns.errors import UsageError
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.payloads import avif
from csfnns.payloads.avif import best_avif, lossless

Scene = Callable[..., Picture]


def decode(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"), np.uint8)


def natural(height: int, width: int) -> Picture:
    """Colours whose amplitudes fall with the frequency, as those of photographs do."""
    down, across = np.fft.fftfreq(height)[:, None, None], np.fft.rfftfreq(width)[None, :, None]
    white = np.fft.rfft2(np.random.default_rng(0).standard_normal((height, width, 3)), axes=(0, 1))
    field = np.fft.irfft2(white / (np.hypot(down, across) + 0.01) ** 1.5, (height, width), axes=(0, 1))
    field = 0.3 * field + field.mean(2, keepdims=True)
    levels: Picture = np.clip(128 + 45 * field / field.std(), 0, 255).astype(np.uint8)
    return levels


def naive(picture: Picture, room: int) -> float:
    """PSNR of the best quality that fits at full size, with Pillow's defaults; -inf where none does."""
    best = -np.inf
    for quality in range(0, 101, 4):
        with io.BytesIO() as file:
            Image.fromarray(picture).save(file, "AVIF", quality=quality)
            if len(file.getvalue()) > room:
                break
            best = max(best, psnr(decode(file.getvalue()), picture))
    return best


@pytest.mark.parametrize("room", [700, 1500, 4000, 12000])
def test_it_fits_and_says_what_arrives(scene: Scene, room: int) -> None:
    picture = scene(160, 208)
    still = best_avif(picture, room, seconds=0.6)
    assert still is not None
    assert room / 2 < len(still.data) <= room
    shown = decode(still.data)
    assert shown.shape == (still.height, still.width, 3)
    assert still.psnr == psnr(shown, fit(picture, still.height, still.width))
    assert still.original_psnr == psnr(fit(shown, 160, 208), picture)


def test_more_room_is_a_better_picture(scene: Scene) -> None:
    picture = scene(96, 128)
    found = [best_avif(picture, room, seconds=0.6) for room in (450, 1500, 6000)]
    figures = [still.original_psnr for still in found if still is not None]
    assert len(figures) == 3
    assert figures == sorted(figures)
    assert figures[-1] > figures[0] + 5


def test_it_beats_a_choice_of_the_quality_alone() -> None:
    picture = natural(144, 192)
    gains = []
    for room in (800, 2500, 9000):  # one alone may suit a quality by chance
        still = best_avif(picture, room, seconds=0.9)
        assert still is not None
        gains.append(still.original_psnr - naive(picture, room))
    assert min(gains) > 0
    assert np.mean(gains) > 0.3


def test_what_is_sent_was_encoded_slowly_for_the_least_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    save, seen = avif._save, []

    def spy(picture: Picture, quality: int, speed: int, advanced: dict[str, str] | None) -> bytes:
        data = save(picture, quality, speed, advanced)
        seen.append((data, speed, advanced))
        return data

    monkeypatch.setattr(avif, "_save", spy)
    still = best_avif(scene(48, 64), 2000, seconds=3)
    assert still is not None
    speed, advanced = next((speed, advanced) for data, speed, advanced in reversed(seen) if data == still.data)
    assert speed <= 5
    assert advanced == {"tune": "psnr"}
    assert len(seen) < 30


def test_a_blurred_picture_is_sent_smaller(scene: Scene) -> None:
    picture = fit(scene(48, 64), 480, 640)
    still = best_avif(picture, 1500, seconds=0.7)
    assert still is not None
    assert still.width < 400
    assert still.original_psnr > naive(picture, 1500) + 0.5


def test_none_where_not_even_a_tiny_copy_fits(scene: Scene) -> None:
    picture = scene(96, 128)
    assert best_avif(picture, 0) is None
    assert best_avif(picture, 250) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2000), (2, 40000)])
def test_odd_shapes(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), (40, 90, 200), np.uint8)
    still = best_avif(picture, 3000, seconds=0.5)
    assert still is not None
    assert len(still.data) <= 3000
    assert decode(still.data).shape == (still.height, still.width, 3)
    assert still.original_psnr > 40
    assert (still.height, still.width) == shape or max(shape) > avif.MAX_SIDE


def test_grey_stays_grey(scene: Scene) -> None:
    picture = np.repeat(scene(64, 80)[..., :1], 3, axis=2)
    still = best_avif(picture, 2500, seconds=0.5)
    assert still is not None
    assert np.ptp(decode(still.data).astype(int), axis=2).max() <= 1


def test_an_encoder_without_the_option_is_used_without_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Image.Image.save

    def strict(self: Image.Image, *args: object, **options: object) -> None:
        if options.get("advanced"):
            raise ValueError("Failed to encode image: Invalid codec-specific option")
        save(self, *args, **options)  # type: ignore[arg-type]

    avif._tuning.cache_clear()
    monkeypatch.setattr(Image.Image, "save", strict)
    try:
        assert best_avif(scene(48, 64), 1500, seconds=0.3) is not None
    finally:
        avif._tuning.cache_clear()


def test_a_pillow_without_avif_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda feature: feature != "avif")
    with pytest.raises(UsageError, match="AVIF"):
        best_avif(scene(16, 16), 5000)


def test_a_wrong_array_is_refused() -> None:
    with pytest.raises(UsageError):
        best_avif(np.zeros((4, 4), np.uint8), 5000)
    with pytest.raises(UsageError):
        lossless(np.zeros((4, 4, 3), np.float32))


@pytest.mark.parametrize("shape", [(1, 1), (60, 80), (2, 16384)])
def test_lossless_gives_every_pixel_back(scene: Scene, shape: tuple[int, int]) -> None:
    picture = scene(*shape)
    data = lossless(picture)
    assert np.array_equal(decode(data), picture)
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, "PNG", optimize=True)
        assert len(data) <= len(file.getvalue())


def test_lossless_of_a_photograph_is_webp(scene: Scene) -> None:
    with Image.open(io.BytesIO(lossless(scene(60, 80)))) as image:
        assert image.format == "WEBP"

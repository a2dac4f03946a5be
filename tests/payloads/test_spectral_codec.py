from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from csfnns.errors import CapacityError, NoMessageError
from csfnns.images.io import Picture, fit, restored_shape
from csfnns.images.metrics import psnr
from csfnns.payloads.spectral import SpectralCodec, forward, header_places, inverse
from csfnns.payloads.transform import OPPONENT, dct_matrix
from csfnns.profile import make_profile
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
Scene = Callable[..., Picture]

# Height and width of covers, the smallest among them.
GRIDS = [(128, 128), (192, 128), (352, 160), (512, 512), (1024, 1024)]


def codec(height: int = 256, width: int = 256, seed: Seed = SEED) -> SpectralCodec:
    return SpectralCodec(make_profile("robust", height=height, width=width), seed)


def noise(shape: tuple[int, ...], strength: float) -> Any:
    values = strength * SEED.derive("noise").stream().normals(int(np.prod(shape))).reshape(shape)
    return values.astype(np.float32)


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_the_target_itself_decodes_to_the_picture(height: int, width: int, scene: Scene) -> None:
    """All but the finest colour detail, whose places the header has."""
    secret = fit(scene(300, 300), 40, 40)
    code = codec(height, width)
    found = code.decode(code.encode(secret).values)
    assert psnr(found.grid, fit(secret, height // 4, width // 4)) > 45
    assert found.shape == (40, 40)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (7, 200, 31)])
def test_a_secret_of_one_colour_comes_back(colour: tuple[int, int, int]) -> None:
    secret = np.full((50, 30, 3), colour, np.uint8)
    found = codec().decode(codec().encode(secret).values)
    assert np.abs(found.grid.astype(int) - colour).max() <= 1


def test_black_and_white_come_back() -> None:
    secret = np.zeros((64, 64, 3), np.uint8)
    secret[:, 32:] = 255
    found = codec().decode(codec().encode(secret).values)
    assert psnr(found.grid, secret) > 45


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (2000, 3), (64, 64), (333, 500), (4000, 10)])
def test_the_true_shape_comes_back(shape: tuple[int, int], scene: Scene) -> None:
    found = codec().decode(codec().encode(scene(*shape)).values)
    assert found.shape == restored_shape(*shape, 64, 64)
    assert found.grid.shape == (64, 64, 3)


@pytest.mark.parametrize("shape", [(65536, 1), (1, 65536)])
def test_sides_that_the_header_cannot_name_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(CapacityError, match="65535"):
        codec().encode(np.zeros((*shape, 3), np.uint8))


def test_a_grid_too_small_for_the_header_is_refused() -> None:
    with pytest.raises(CapacityError, match="16x16"):
        codec(64, 64)


@pytest.mark.parametrize(("height", "width"), GRIDS)
def test_header_bits_survive_noise(height: int, width: int, scene: Scene) -> None:
    """Noise of a quarter of the bits' own strength: about 12 dB, far below any secret that is sent."""
    code, secret = codec(height, width), scene(70, 90)
    values = code.encode(secret).values
    strength = float(np.abs(header_values(code, values)).mean())
    found = code.decode(values + noise(values.shape, strength / 4))
    assert found.shape == restored_shape(70, 90, *found.grid.shape[:2])


def header_values(code: SpectralCodec, values: Any) -> Any:
    return values.reshape(-1)[code._places]


def test_header_bits_are_repeated_in_the_highest_frequencies() -> None:
    code = codec()
    places = header_places(64, 64, 16)
    assert len(np.unique(places)) == places.size
    flat = code.encode(np.full((8, 8, 3), 90, np.uint8)).values.reshape(-1)
    bits = flat[places]
    assert np.array_equal(np.sign(bits), np.broadcast_to(np.sign(bits[0]), bits.shape))
    assert len(np.unique(np.abs(bits))) == 1
    rows, columns = places // 64 % 64 % 16, places % 64 % 16
    frequency = rows**2 + columns**2
    assert frequency.min() > np.sort((np.arange(16)[:, None] ** 2 + np.arange(16) ** 2).ravel())[128]
    assert set((places // 64**2).ravel()) == {1, 2}


def test_another_receivers_header_is_refused(scene: Scene) -> None:
    values = codec().encode(scene(64, 64)).values
    with pytest.raises(NoMessageError):
        codec(seed=SEED.derive("other")).decode(values)


@pytest.mark.parametrize("what", ["zeros", "noise", "negated", "moved"])
def test_what_is_no_target_is_refused(what: str, scene: Scene) -> None:
    values = codec().encode(scene(64, 64)).values
    outputs = {
        "zeros": np.zeros_like(values),
        "noise": noise(values.shape, 0.75),
        "negated": -values,
        "moved": np.roll(values, 1, axis=2),
    }
    with pytest.raises(NoMessageError):
        codec().decode(outputs[what])


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.3])
def test_the_expected_psnr_is_near_the_true_one(strength: float) -> None:
    """For a secret full of detail, so that neither 8-bit rounding nor clipping hides the noise.

    The receiver counts noise at the header's places too, though the picture has nothing there.
    """
    code = codec(512, 512)
    values = code.encode(noise_picture(128) // 2 + 64).values
    clean, found = code.decode(values), code.decode(values + noise(values.shape, strength))
    without_header = 10 * np.log10(1 - code._places.size / values.size)
    assert found.expected_psnr == pytest.approx(psnr(found.grid, clean.grid) + without_header, abs=0.3)


def test_weights_make_the_mean_the_pictures_squared_error(scene: Scene) -> None:
    """Noise outside the header: the weighted mean is the error in [0, 1] of the pixels, by Parseval."""
    code, secret = codec(), scene(64, 64) // 2 + 64
    target = code.encode(secret)
    error = noise(target.values.shape, 0.6)
    error.reshape(-1)[code._places] = 0
    weighted = float(np.mean(target.weights * error**2))
    clean, found = (code.decode(values).grid for values in (target.values, target.values + error))
    assert 10 * np.log10(1 / weighted) == pytest.approx(psnr(found, clean), abs=0.1)


def test_targets_have_the_same_power_whatever_the_secret(scene: Scene) -> None:
    powers = []
    for secret in (scene(64, 64), scene(64, 64, 5), scene(64, 64) // 4 + 90, noise_picture()):
        code = codec()
        values = code.encode(secret).values.reshape(-1).copy()
        values = np.delete(values, code._places)
        powers.append(float(np.sqrt(np.mean(values**2))))
    assert max(powers) < 1.5 * min(powers)


def noise_picture(side: int = 64) -> Picture:
    return SEED.stream().integers(side * side * 3, 256).reshape(side, side, 3).astype(np.uint8)


def test_even_noise_comes_through_in_brightness() -> None:
    found = codec().decode(codec().encode(noise_picture()).values)
    brightness = [picture.astype(float).mean(2).ravel() for picture in (found.grid, noise_picture())]
    assert np.corrcoef(*brightness)[0, 1] > 0.9


def test_encoding_is_the_same_every_time(scene: Scene) -> None:
    first, second = (codec().encode(scene(64, 64)) for _ in range(2))
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.weights, second.weights)
    assert {str(first.values.dtype), str(first.weights.dtype)} == {"float32"}
    assert first.weights.min() >= 0


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
def test_the_dct_is_orthonormal(n: int) -> None:
    assert dct_matrix(n) @ dct_matrix(n).T == pytest.approx(np.eye(n), abs=1e-12)


def test_the_dct_is_the_one_of_jpeg() -> None:
    """ITU-T T.81, A.3.3, for its 8x8 blocks."""
    for u in range(8):
        for x in range(8):
            scale = 0.5 * (0.5**0.5 if u == 0 else 1)
            assert dct_matrix(8)[u, x] == pytest.approx(scale * np.cos((2 * x + 1) * u * np.pi / 16))


def test_opponent_colours_are_orthonormal_with_brightness_first() -> None:
    np.testing.assert_allclose(OPPONENT @ OPPONENT.T, np.eye(3), atol=1e-12)
    assert OPPONENT @ np.ones(3) == pytest.approx([np.sqrt(3), 0, 0], abs=1e-12)


@pytest.mark.parametrize("block", [4, 8, 16])
def test_the_transform_keeps_energy_and_is_undone(block: int) -> None:
    pixels = SEED.stream().normals(48 * 32 * 3).reshape(48, 32, 3)
    coefficients = forward(pixels, block)
    assert coefficients.shape == (3, 48, 32)
    assert np.sum(coefficients**2) == pytest.approx(np.sum(pixels**2))
    assert inverse(coefficients, block) == pytest.approx(pixels, abs=1e-12)


def test_a_grey_block_is_one_coefficient() -> None:
    pixels = np.zeros((32, 32, 3))
    pixels[16:, :16] = 0.5
    coefficients = forward(pixels, 16)
    assert coefficients[0, 16, 0] == pytest.approx(0.5 * 16 * np.sqrt(3))
    coefficients[0, 16, 0] = 0
    assert coefficients == pytest.approx(np.zeros((3, 32, 32)), abs=1e-12)

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from csfnns.errors import CapacityError, NoMessageError
from csfnns.images.io import Picture, fit
from csfnns.payloads import make_codec
from csfnns.payloads.pixels import PixelCodec
from csfnns.payloads.spectral import SpectralCodec
from csfnns.profile import make_profile
from csfnns.stream import Seed

SEED = Seed(bytes(range(32)))
Scene = Callable[..., Picture]
GRIDS = [(64, 64, "24"), (96, 64, "6"), (128, 128, "1.5")]


def codec(height: int = 128, width: int = 128, bpp: Any = "6") -> PixelCodec:
    return PixelCodec(make_profile("paper", height=height, width=width, bpp=bpp), SEED)


def noise(strength: float) -> Any:
    return (strength * SEED.stream().normals(3 * 64 * 64)).reshape(3, 64, 64).astype(np.float32)


@pytest.mark.parametrize(("height", "width", "bpp"), GRIDS)
def test_the_target_is_the_picture_fitted_to_the_grid(height: int, width: int, bpp: str, scene: Scene) -> None:
    secret, code = scene(200, 150), codec(height, width, bpp)
    target = code.encode(secret)
    rows, columns = make_profile("paper", height=height, width=width, bpp=bpp).secret_size
    assert target.values.shape == target.weights.shape == (3, rows, columns)
    assert np.array_equal(np.rint(255 * target.values.transpose(1, 2, 0)), fit(secret, rows, columns))
    assert (target.weights == 1).all()


@pytest.mark.parametrize(("height", "width", "bpp"), GRIDS)
def test_the_target_itself_decodes_to_the_picture(height: int, width: int, bpp: str, scene: Scene) -> None:
    code = codec(height, width, bpp)
    found = code.decode(code.encode(scene(200, 150)).values)
    assert np.array_equal(found.grid, fit(scene(200, 150), *found.grid.shape[:2]))


def test_no_shape_and_no_quality_travels(scene: Scene) -> None:
    found = codec().decode(codec().encode(scene(10, 300)).values)
    assert found.shape == (64, 64)
    assert found.expected_psnr is None


def test_outputs_are_rounded_and_clipped(scene: Scene) -> None:
    values = codec().encode(scene(64, 64)).values
    values[0, 0, :3] = [-0.2, 1.2, 100.4 / 255]
    assert codec().decode(values).grid[0, :3, 0].tolist() == [0, 255, 100]


def test_a_noisy_picture_is_still_one(scene: Scene) -> None:
    """Noise at 20 dB, the least that is sent."""
    code = codec()
    assert code.decode(code.encode(scene(64, 64)).values + noise(0.1)).grid.shape == (64, 64, 3)


@pytest.mark.parametrize("what", ["noise", "pale noise", "constant"])
def test_an_output_that_is_no_picture_is_refused(what: str) -> None:
    outputs = {"noise": 0.5 + noise(0.2), "pale noise": 0.5 + noise(0.001), "constant": 0 * noise(1) + 0.5}
    with pytest.raises(NoMessageError, match="noise"):
        codec().decode(outputs[what])


@pytest.mark.parametrize("what", ["noise", "one colour"])
def test_a_secret_that_could_not_be_recognised_is_refused(what: str) -> None:
    random = SEED.stream().integers(64 * 64 * 3, 256).reshape(64, 64, 3).astype(np.uint8)
    secret = random if what == "noise" else np.full_like(random, 130)
    with pytest.raises(CapacityError) as error:
        codec().encode(secret)
    assert "standard" in error.value.hint


@pytest.mark.parametrize(
    ("decoder", "expected"), [("robust", SpectralCodec), ("plain", PixelCodec), ("shuffle", PixelCodec)]
)
def test_the_codec_speaks_the_decoders_language(decoder: str, expected: type) -> None:
    assert isinstance(make_codec(make_profile(decoder=decoder, bpp="1.5"), SEED), expected)

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn

from csfnns.decoders import RobustNetwork, decode, make_decoder
from csfnns.decoders.robust import BELOW, TILE, cuts, hadamard, mix, spectrum
from csfnns.images.jpeg_file import LUMINANCE_STEPS
from csfnns.profile import make_profile
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]


def levels(height: int, width: int) -> F64:
    """Perturbation of some grey levels, (3, height, width) in [-1, 1]."""
    return 3 * Seed(bytes(32)).stream().normals(3 * height * width).reshape(3, height, width) / 255


def numbers(n: int) -> F64:
    return Seed(bytes(32)).stream().normals(n)


def mixed(x: F64, seed: Seed) -> F64:
    stream = seed.stream()
    return mix(x, stream.permutation(len(x)), stream.signs(len(x)))


def small(seed: Seed) -> RobustNetwork:
    return RobustNetwork(make_profile("robust", width=64, height=64), seed)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (176, 80), (528, 64), (64, 1040)])
def test_numpy_and_torch_put_out_the_same(height: int, width: int, seed: Seed) -> None:
    profile, delta = make_profile("robust", height=height, width=width), levels(height, width)
    with torch.inference_mode():
        searched = make_decoder(profile, seed)(torch.from_numpy(delta).float()[None])[0].numpy()
    found = RobustNetwork(profile, seed).decode(delta)
    assert found.shape == (3, *profile.secret_size)
    whole = np.rint(255 * delta)
    by_levels = decode(profile, seed, whole.transpose(1, 2, 0).astype(np.int16))
    np.testing.assert_allclose(by_levels, RobustNetwork(profile, seed).decode(whole / 255), rtol=0, atol=1e-6)
    assert not RobustNetwork(profile, seed).decode(0 * delta).any()
    np.testing.assert_allclose(found, searched, rtol=0, atol=5e-6)


def test_the_spectrum_is_that_of_the_luminance_in_jpegs_steps() -> None:
    delta = levels(16, 24)
    luminance = 255 * np.tensordot([0.299, 0.587, 0.114], delta, 1)
    found = spectrum(delta)  # (28, 2, 3)
    for row in range(2):
        for column in range(3):
            block = luminance[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            steps = dctn(block, norm="ortho") / np.array(LUMINANCE_STEPS)
            expected = [steps[u, v] for u in range(8) for v in range(8) if u + v < BELOW]
            np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-9, atol=1e-12)


def test_the_steps_are_those_of_libjpeg_at_quality_50() -> None:
    """Pillow writes the standard's table as it is at quality 50, in its own order for files."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    with Image.open(file) as image:
        table = image.quantization[0]  # type: ignore[attr-defined]
    assert tuple(table) == tuple(step for row in LUMINANCE_STEPS for step in row)


def wave(u: int, v: int) -> F64:
    """One frequency of all blocks, as strong as the perturbation above, (64, 64)."""
    block = np.zeros((8, 8))
    block[u, v] = 8 * 3 / 255
    return np.tile(idctn(block, norm="ortho"), (8, 8))


def test_colour_does_not_matter(seed: Seed) -> None:
    """Changes of colour that leave the luminance as it is: JPEG halves their resolution."""
    network, delta = small(seed), levels(64, 64)
    colour = np.array([0.114, 0.0, -0.299])[:, None, None] * wave(1, 2)
    np.testing.assert_allclose(network.decode(delta + colour), network.decode(delta), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("u", "v"), [(7, 0), (0, 7), (4, 3), (7, 7)])
def test_high_frequencies_do_not_matter(u: int, v: int, seed: Seed) -> None:
    network, delta = small(seed), levels(64, 64)
    np.testing.assert_allclose(network.decode(delta + wave(u, v)), network.decode(delta), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("u", "v"), [(0, 0), (1, 0), (0, 2)])
def test_low_frequencies_matter(u: int, v: int, seed: Seed) -> None:
    network, delta = small(seed), levels(64, 64)
    whole = network.decode(delta)
    assert (network.decode(delta + wave(u, v)) - whole).std() > 0.2 * whole.std()


def test_tiles_share_no_permutation(seed: Seed) -> None:
    first, second = RobustNetwork(make_profile("robust", width=64, height=1024), seed).tiles()
    for name in ("gather", "spread", "signs"):
        assert not np.array_equal(getattr(first, name), getattr(second, name))


def test_outputs_of_each_tile_go_all_over_the_grid(seed: Seed) -> None:
    """So that no part of the secret depends on one part of the picture."""
    tiles = list(RobustNetwork(make_profile("robust", width=64, height=1024), seed).tiles())
    assert np.array_equal(np.sort(np.concatenate([tile.indices for tile in tiles])), np.arange(3 * 256 * 16))
    for tile in tiles:
        rows = tile.indices // 16 % 256  # of the grid (3, 256, 16)
        share = np.histogram(rows, bins=8, range=(0, 256))[0] / len(rows)
        np.testing.assert_allclose(share, 1 / 8, rtol=0.1)


@pytest.mark.parametrize("n", [7, 12, 24, 48, 160])
def test_mixing_is_orthonormal(n: int, seed: Seed) -> None:
    matrix = np.stack([mixed(unit, seed) for unit in np.eye(n)])
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(n), atol=1e-12)


@pytest.mark.parametrize(("n", "block"), [(48, 16), (160, 32), (3 * 32 * 32, 1024), (3 * 2**13, 4096)])
def test_every_number_goes_in_equal_shares_to_a_whole_block(n: int, block: int, seed: Seed) -> None:
    unit = np.zeros(n)
    unit[n // 3] = 1
    image = mixed(unit, seed)
    reached = image[image != 0]
    assert len(reached) == block
    np.testing.assert_allclose(abs(reached), block**-0.5)
    assert 0.25 < (reached > 0).mean() < 0.75


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_hadamard_matrices_are_orthonormal_and_of_one_size(n: int) -> None:
    np.testing.assert_allclose(hadamard(n) @ hadamard(n).T, np.eye(n), atol=1e-12)
    np.testing.assert_allclose(abs(hadamard(n)), n**-0.5)


@pytest.mark.parametrize("side", [64, 496, 512, 528, 1024, 1040, 4080, 8192])
def test_sides_are_cut_into_few_about_equal_parts(side: int) -> None:
    parts = cuts(side)
    lengths = [part.stop - part.start for part in parts]
    assert [0, *(part.stop for part in parts)] == [*(part.start for part in parts), side]
    assert len(parts) == -(-side // TILE)
    assert all(length % 16 == 0 for length in lengths)
    assert max(lengths) - min(lengths) <= 16
    assert max(lengths) <= TILE

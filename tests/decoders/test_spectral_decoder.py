import pytest
import torch
from torch import Tensor

from csfnns.decoders.spectral import SpectralDecoder
from csfnns.decoders.tiles import TILE, Spread, cuts, hadamard
from csfnns.profile import make_profile
from csfnns.stream import Seed

LENGTHS = [1, 2, 7, 105, 3 * 2**3, 3 * 2**4, 3 * 32 * 32, 3 * 48 * 32, 3 * 2**13, 4096, 5 * 2**5]
LENGTH = pytest.mark.parametrize("n", LENGTHS)


def numbers(rows: int, n: int) -> Tensor:
    return torch.from_numpy(Seed(bytes(32)).stream().normals(rows * n)).reshape(rows, n).float()


@LENGTH
def test_spreading_keeps_lengths(n: int, seed: Seed) -> None:
    x = numbers(3, n)
    torch.testing.assert_close(Spread(n, seed.stream())(x).norm(dim=1), x.norm(dim=1), rtol=1e-5, atol=0)


@LENGTH
def test_unmixing_inverts_mixing(n: int, seed: Seed) -> None:
    spread, x = Spread(n, seed.stream()), numbers(2, n)
    torch.testing.assert_close(spread.unmix(spread.mix(x)), x, rtol=0, atol=1e-5)
    torch.testing.assert_close(spread.mix(spread.unmix(x)), x, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [7, 12, 24, 48, 160])
def test_the_gradient_is_that_of_the_explicit_matrix(n: int, seed: Seed) -> None:
    spread = Spread(n, seed.stream()).double()
    matrix = spread.mix(torch.eye(n, dtype=torch.float64))  # row i is the image of unit vector i
    x, weights = (each.double() for each in numbers(2, n))
    x = x[None].requires_grad_()
    y = spread(x)
    torch.testing.assert_close(y, x @ matrix)
    (gradient,) = torch.autograd.grad((y.sin() * weights).sum(), x)
    (expected,) = torch.autograd.grad(((x @ matrix).sin() * weights).sum(), x)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(("n", "block"), [(48, 16), (160, 32), (3 * 32 * 32, 1024), (3 * 2**13, 4096)])
def test_every_number_goes_in_equal_shares_to_a_whole_block(n: int, block: int, seed: Seed) -> None:
    unit = torch.zeros(1, n)
    unit[0, n // 3] = 1
    image = Spread(n, seed.stream())(unit)[0]
    reached = image[image != 0]
    assert len(reached) == block
    torch.testing.assert_close(reached.abs(), torch.full((block,), block**-0.5))
    assert 0.25 < float((reached > 0).float().mean()) < 0.75


def test_spreading_depends_on_the_seed(seed: Seed) -> None:
    x = numbers(1, 3072)
    a, b = Spread(3072, seed.stream())(x)[0], Spread(3072, seed.derive("other").stream())(x)[0]
    assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 0.08


def test_where_a_number_stood_does_not_show(seed: Seed) -> None:
    """Numbers from the first quarter alone reach each quarter with the same power."""
    x = numbers(1, 3 * 64 * 64)
    x[:, len(x[0]) // 4 :] = 0
    power = Spread(x.shape[1], seed.stream())(x).reshape(4, -1).square().mean(1)
    torch.testing.assert_close(power, x.square().mean().expand(4), rtol=0.15, atol=0)


def test_spreading_stays_float32_where_convolutions_are_bfloat16(seed: Seed) -> None:
    spread, x = Spread(3 * 64 * 64, seed.stream()), numbers(1, 3 * 64 * 64)
    with torch.autocast("cpu", torch.bfloat16):
        y = spread(x)
    torch.testing.assert_close(y, spread(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_hadamard_matrices_are_orthonormal_and_of_one_size(n: int) -> None:
    matrix = hadamard(n)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(n))
    torch.testing.assert_close(matrix.abs(), torch.full((n, n), n**-0.5))


@pytest.mark.parametrize("side", [64, 496, 512, 528, 1024, 1040, 4080, 8192])
def test_sides_are_cut_into_few_about_equal_parts(side: int) -> None:
    parts = cuts(side)
    lengths = [part.stop - part.start for part in parts]
    assert [0, *(part.stop for part in parts)] == [*(part.start for part in parts), side]
    assert len(parts) == -(-side // TILE)
    assert all(length % 16 == 0 for length in lengths)
    assert max(lengths) - min(lengths) <= 16
    assert max(lengths) <= TILE


def test_outputs_of_each_tile_go_all_over_the_grid(seed: Seed) -> None:
    """So that no part of the secret depends on one part of the picture."""
    decoder = SpectralDecoder(make_profile(width=64, height=1024, channels=8), seed)
    for part in decoder.parts():
        assert part.places is not None
        rows = part.places // 32 % 512  # of the grid (3, 512, 32)
        share = torch.histc(rows.float(), bins=8, min=0, max=512) / len(rows)
        torch.testing.assert_close(share, torch.full((8,), 1 / 8), rtol=0.05, atol=0)


def test_float64_stays_float64(seed: Seed) -> None:
    profile = make_profile(width=64, height=64)
    decoder, delta = SpectralDecoder(profile, seed), numbers(3, 64 * 64).reshape(1, 3, 64, 64) / 255
    wide = SpectralDecoder(profile, seed).double()(delta.double())
    assert wide.dtype == torch.float64
    assert not torch.equal(wide, wide.float().double())
    torch.testing.assert_close(wide.float(), decoder(delta), rtol=1e-4, atol=1e-4)


def test_no_perturbation_gives_zeros(seed: Seed) -> None:
    assert not SpectralDecoder(make_profile(width=64, height=64), seed)(torch.zeros(1, 3, 64, 64)).any()

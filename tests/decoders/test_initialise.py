from hashlib import sha256
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from csfnns.decoders.initialise import initialise
from csfnns.profile import Profile
from csfnns.stream import Seed

SLOPE = 0.2
LAWS = get_args(Profile.model_fields["weights"].annotation)

# A compatibility promise: the first layer (12 → 16, 3x3) of the seed 00…1f, float32 bytes. Orthogonal weights come out
# of LAPACK, whose last bits differ between machines.
GOLDEN = {
    "xavier-normal": "7cbc1dcb579020311d3e75b8a0f6805a4dba5f14df4e82ffe0210c87b5d7eb42",
    "kaiming": "81dd4da3d8c4e7bf5e2e9d50a734cb5fc90656606719b304bcba5aba48c7b1e2",
    "uniform": "e0246387c4e5ef838ada300ca594c3ac8cc8414e1fef474e26ed6962107736e9",
    "normal": "b0516c7ca2fd99bdab0e21e7b4f7729cc5b4e8385224ce728361490d02b82514",
    "xavier-uniform": "2333ff14b7f4ebd5b5ba6d90038bf2790a546976fd3be80c6a93ee63c3edb57c",
}


def grown(law: str, seed: Seed, *, slope: float = SLOPE) -> Tensor:
    """Weights (96, 64, 3, 3) of a single convolution."""
    layer = nn.Conv2d(64, 96, 3)
    initialise(layer, seed, law, slope=slope)
    return layer.weight.detach()


@pytest.mark.parametrize("law", GOLDEN)
def test_weights_of_a_seed_are_these_bytes_for_ever(law: str, seed: Seed) -> None:
    network = nn.Sequential(nn.Conv2d(12, 16, 3), nn.Conv2d(16, 8, 3))
    initialise(network, seed, law, slope=0.01)
    first = network[0].weight
    assert isinstance(first, Tensor)
    assert sha256(first.detach().numpy().tobytes()).hexdigest() == GOLDEN[law]


@pytest.mark.parametrize("law", LAWS)
def test_moments_are_those_of_torchs_own_initialisers(law: str, seed: Seed) -> None:
    """55,296 weights: the deviation is known to 0.3 %."""
    torch.manual_seed(0)
    expected = torch.empty(96, 64, 3, 3)
    initialisers = {
        "xavier-normal": nn.init.xavier_normal_,
        "xavier-uniform": nn.init.xavier_uniform_,
        "orthogonal": nn.init.orthogonal_,
        "kaiming": lambda w: nn.init.kaiming_normal_(w, a=SLOPE),
        "uniform": nn.init.uniform_,
        "normal": nn.init.normal_,
    }
    initialisers[law](expected)
    weights = grown(law, seed)
    deviation = float(expected.std())
    assert float(weights.std()) == pytest.approx(deviation, rel=0.02)
    assert float(weights.mean()) == pytest.approx(float(expected.mean()), abs=0.03 * deviation)
    assert float(weights.abs().max() / deviation) == pytest.approx(float(expected.abs().max() / deviation), rel=0.25)


def test_uniform_laws_keep_their_bounds(seed: Seed) -> None:
    bound = (6 / (9 * 64 + 9 * 96)) ** 0.5
    weights = grown("xavier-uniform", seed)
    assert 0.99 * bound < float(weights.max()) <= bound
    assert -bound <= float(weights.min()) < -0.99 * bound
    weights = grown("uniform", seed)
    assert 0 < float(weights.min()) < 0.01
    assert 0.99 < float(weights.max()) < 1


def test_kaiming_knows_the_slope(seed: Seed) -> None:
    ratio = grown("kaiming", seed, slope=1.0).std() / grown("kaiming", seed, slope=0.0).std()
    assert float(ratio) == pytest.approx(0.5**0.5, rel=1e-5)


@pytest.mark.parametrize(("out", "into", "kernel"), [(12, 48, 3), (48, 48, 1), (96, 12, 1), (48, 12, 2)])
def test_orthogonal_weights_have_orthonormal_rows_or_columns(out: int, into: int, kernel: int, seed: Seed) -> None:
    layer = nn.Conv2d(into, out, kernel)
    initialise(layer, seed, "orthogonal", slope=SLOPE)
    matrix = layer.weight.detach().double().flatten(1)
    short = matrix if out <= matrix.shape[1] else matrix.T
    torch.testing.assert_close(short @ short.T, torch.eye(len(short), dtype=torch.float64), rtol=0, atol=1e-6)


def test_orthogonal_weights_are_unique_for_a_seed(seed: Seed) -> None:
    """The normals are the weights times a triangle with a positive diagonal: the one QR that has it."""
    layer = nn.Conv2d(48, 48, 1, bias=False)
    initialise(layer, seed, "orthogonal", slope=SLOPE)
    normals = torch.from_numpy(seed.derive("csfnns/2/weights/0").stream().normals(48 * 48)).reshape(48, 48)
    triangle = layer.weight.detach().double().flatten(1).T @ normals
    assert (triangle.diag() > 0).all()
    torch.testing.assert_close(triangle.tril(-1), torch.zeros_like(triangle), rtol=0, atol=1e-5)


@pytest.mark.parametrize("law", LAWS)
def test_layers_and_seeds_are_independent(law: str, seed: Seed) -> None:
    twins = nn.Sequential(nn.Conv2d(24, 24, 3), nn.ReLU(), nn.Conv2d(24, 24, 3))
    initialise(twins, seed, law, slope=SLOPE)
    one = [parameter.detach().flatten().clone() for parameter in twins.parameters() if parameter.ndim == 4]
    initialise(twins, seed.derive("other"), law, slope=SLOPE)
    other = [parameter.detach().flatten().clone() for parameter in twins.parameters() if parameter.ndim == 4]
    for a, b in ((one[0], one[1]), (one[0], other[0]), (one[1], other[0])):
        assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 4 / len(a) ** 0.5


def test_biases_become_zero(seed: Seed) -> None:
    layer = nn.Conv2d(3, 3, 3)
    initialise(layer, seed, "normal", slope=SLOPE)
    assert layer.bias is not None
    assert not layer.bias.any()

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn, idctn
from torch import Tensor

from csfnns.decoders import Decoder, make_decoder
from csfnns.decoders.robust import BELOW, RobustDecoder, Spectrum
from csfnns.jpeg_steps import LUMINANCE_STEPS
from csfnns.profile import make_profile
from csfnns.stream import Seed


def levels(height: int, width: int) -> Tensor:
    """Perturbation of some grey levels, (1, 3, height, width)."""
    normals = Seed(bytes(32)).stream().normals(3 * height * width)
    return torch.from_numpy(3 * normals).reshape(1, 3, height, width).float() / 255


def test_the_spectrum_is_that_of_the_luminance_in_jpegs_steps() -> None:
    delta = levels(16, 24)
    luminance = 255 * (torch.tensor([0.299, 0.587, 0.114])[:, None, None] * delta[0]).sum(0).numpy()
    found = Spectrum()(delta)[0]  # (28, 2, 3)
    for row in range(2):
        for column in range(3):
            block = luminance[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            steps = dctn(block, norm="ortho") / np.array(LUMINANCE_STEPS)
            expected = [steps[u, v] for u in range(8) for v in range(8) if u + v < BELOW]
            np.testing.assert_allclose(found[:, row, column], expected, rtol=1e-4, atol=1e-5)


def test_the_steps_are_those_of_libjpeg_at_quality_50() -> None:
    """Pillow writes the standard's table as it is at quality 50, in its own order for files."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    with Image.open(file) as image:
        table = image.quantization[0]  # type: ignore[attr-defined]
    assert tuple(table) == tuple(step for row in LUMINANCE_STEPS for step in row)


def small(seed: Seed) -> Decoder:
    return make_decoder(make_profile("robust", width=64, height=64), seed)


def wave(u: int, v: int) -> Tensor:
    """One frequency of all blocks, as strong as the perturbation above, (64, 64)."""
    spectrum = np.zeros((8, 8))
    spectrum[u, v] = 8 * 3 / 255
    return torch.from_numpy(np.tile(idctn(spectrum, norm="ortho"), (8, 8))).float()


def test_colour_does_not_matter(seed: Seed) -> None:
    """Changes of colour that leave the luminance as it is: JPEG halves their resolution."""
    decoder, delta = small(seed), levels(64, 64)
    colour = torch.tensor([0.114, 0.0, -0.299])[:, None, None] * wave(1, 2)
    torch.testing.assert_close(decoder(delta + colour), decoder(delta), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("u", "v"), [(7, 0), (0, 7), (4, 3), (7, 7)])
def test_high_frequencies_do_not_matter(u: int, v: int, seed: Seed) -> None:
    decoder, delta = small(seed), levels(64, 64)
    torch.testing.assert_close(decoder(delta + wave(u, v)), decoder(delta), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("u", "v"), [(0, 0), (1, 0), (0, 2)])
def test_low_frequencies_matter(u: int, v: int, seed: Seed) -> None:
    decoder, delta = small(seed), levels(64, 64)
    whole = decoder(delta)
    assert float((decoder(delta + wave(u, v)) - whole).std()) > 0.2 * float(whole.std())


def test_tiles_share_one_network_and_no_permutation(seed: Seed) -> None:
    decoder = RobustDecoder(make_profile("robust", width=64, height=1024, channels=8), seed)
    first, second = (part.decoder for part in decoder.parts())
    assert first[2] is second[2]  # type: ignore[index]
    assert not torch.equal(first[1].order, second[1].order)  # type: ignore[index]


def test_no_perturbation_gives_zeros(seed: Seed) -> None:
    decoder = RobustDecoder(make_profile("robust", width=64, height=64), seed)
    assert not decoder(torch.zeros(1, 3, 64, 64)).any()

"""SteganoGAN with networks made by hand; test_weights.py converts those of its package."""

from pathlib import Path

import numpy as np
import pytest

from csfnns.baselines.steganogan import SteganoGan, load_networks
from csfnns.errors import CapacityError, NoMessageError, UsageError
from csfnns.images.io import Picture, fit
from csfnns.methods import ReceiverSeeds
from csfnns.profile import make_profile


def _scheme(path: Path, bpp: str = "1.5") -> SteganoGan:
    return SteganoGan(make_profile("paper", width=64, height=64, bpp=bpp), path)


def test_lost_bits_are_restored_up_to_a_limit(
    three_planes: Path, cover: Picture, secret: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme = _scheme(three_planes)
    stego = scheme.embed(cover, {receivers[0]: secret})
    for lines, restored in ((0, True), (1, True), (24, False)):
        changed = stego.copy()
        changed[:lines] = 255 - stego[:lines]  # every bit of these lines turns
        if restored:
            assert (scheme.extract(changed, cover, receivers[0]).grid == fit(secret, 16, 16)).all()
        else:
            with pytest.raises(NoMessageError):
                scheme.extract(changed, cover, receivers[0])


def test_the_planes_that_lose_fewest_bits_come_first(three_planes: Path) -> None:
    assert load_networks(three_planes).order[3] == 3


@pytest.mark.parametrize("bpp", ["6", "24"])
def test_rates_without_room_for_error_correction_are_refused(three_planes: Path, bpp: str, secret: Picture) -> None:
    with pytest.raises(CapacityError, match=f"{bpp} bits a pixel in 4 planes leave too little room"):
        _scheme(three_planes, bpp).check([secret])


def test_other_files_are_refused(three_planes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no weights of SteganoGAN at"):
        load_networks(tmp_path / "none.safetensors")
    whole = three_planes.read_bytes()
    for content in (whole[:200], whole.replace(b"[", b"{", 1), b"", np.zeros(9).tobytes()):
        (tmp_path / "other.safetensors").write_bytes(content)
        with pytest.raises(UsageError, match="does not hold weights of SteganoGAN"):
            load_networks(tmp_path / "other.safetensors")

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csfnns.picture import Picture, read_picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]


@pytest.fixture
def louder(photo: Picture, desk: Path) -> None:
    """other.png: every level of secret.png moved by one."""
    Image.fromarray(np.where(photo > 0, photo - 1, 1).astype(np.uint8)).save(desk / "other.png")


@pytest.mark.usefixtures("louder")
def test_two_pictures_are_compared(transcript: Transcript, desk: Path) -> None:
    transcript("""
        $ csfnns measure secret.png other.png --residual r.png
               PSNR     SSIM   largest change   levels changed
         ...
            48.1 dB   1.0000       1 of 255          100.0 %
        PSNR 48.1 dB: the difference is invisible.
    """)
    assert set(np.unique(read_picture(desk / "r.png"))) <= {118, 138}


@pytest.mark.usefixtures("photo")
def test_equal_pictures_are_called_equal_and_json_stays_valid(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns measure secret.png secret.png
        ...
        The pictures are equal, pixel for pixel.
    """)
    result = json.loads(run("csfnns measure secret.png secret.png --json"))
    assert result["psnr"] is None
    assert "infinite" in result["note"]
    assert (result["ssim"], result["max_abs"], result["changed"]) == (1, 0, 0)


def test_a_picture_too_small_for_ssim_is_measured_all_the_same(run: Run, desk: Path) -> None:
    Image.new("RGB", (8, 8)).save(desk / "a.png")
    Image.new("RGB", (8, 8), (1, 1, 1)).save(desk / "b.png")
    assert json.loads(run("csfnns measure a.png b.png --json"))["ssim"] is None
    assert "too small" in run("csfnns measure a.png b.png")


@pytest.mark.usefixtures("louder")
def test_pictures_that_do_not_compare_and_names_that_lose_data_are_refused(
    transcript: Transcript, desk: Path
) -> None:
    Image.new("RGB", (9, 9)).save(desk / "small.png")
    transcript("""
        $ csfnns measure secret.png small.png --residual r.png
        error: Pictures of 60x40 and 9x9 cannot be compared.
        hint: Give two of one size.
        [exit 2]
        $ csfnns measure secret.png other.png --residual r.jpg
        error: .jpg is a lossy format: it would destroy what is hidden.
        ...
        [exit 3]
        $ csfnns measure secret.png other.png --residual other.png --overwrite
        error: other.png is one of the inputs.
        ...
        [exit 3]
    """)
    assert not (desk / "r.png").exists()

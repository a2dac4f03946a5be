"""Two pictures compared on the command line, LPIPS included."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from csfnns.images.io import Picture, read_picture
from csfnns.images.lpips import SqueezeNet, lpips

Transcript = Callable[[str], None]
Run = Callable[..., str]
Ask = Callable[[str], Any]


@pytest.fixture(autouse=True)
def pictures(photo: Picture, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """secret.png; other.png, in which every level is moved by one; and no weights anywhere."""
    Image.fromarray(np.where(photo > 0, photo - 1, 1).astype(np.uint8)).save(desk / "other.png")
    monkeypatch.setenv("TORCH_HOME", str(desk / "torch"))
    monkeypatch.delenv("CSFNNS_LPIPS", raising=False)


def test_two_pictures_are_compared(transcript: Transcript, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript("""
        $ csfnns measure secret.png other.png --residual r.png
               PSNR     SSIM   largest change   levels changed
         ...
            48.1 dB   0.9999       1 of 255          100.0 %
        PSNR 48.1 dB: the difference is invisible.
    """)
    assert set(np.unique(read_picture("r.png"))) <= {118, 138}
    monkeypatch.setenv("COLUMNS", "40")
    assert "PSNR 48.1 dB, SSIM 0.9999, largest change 1 of 255" in " ".join(
        run("csfnns measure secret.png other.png").split()
    )


def test_equal_pictures_are_called_equal_and_json_stays_valid(transcript: Transcript, ask: Ask) -> None:
    transcript("""
        $ csfnns measure secret.png secret.png
        ...
        The pictures are equal, pixel for pixel.
    """)
    result = ask("csfnns measure secret.png secret.png")
    assert "infinite" in result["note"]
    assert (result["psnr"], result["ssim"], result["max_abs"], result["changed"]) == (None, 1, 0, 0)


def test_a_picture_too_small_for_ssim_is_measured_all_the_same(run: Run, ask: Ask) -> None:
    Image.new("RGB", (8, 8)).save("a.png")
    Image.new("RGB", (8, 8), (1, 1, 1)).save("b.png")
    assert ask("csfnns measure a.png b.png")["ssim"] is None
    assert "too small" in run("csfnns measure a.png b.png")


def test_pictures_that_do_not_compare_and_names_that_lose_data_are_refused(transcript: Transcript) -> None:
    Image.new("RGB", (9, 9)).save("small.png")
    transcript("""
        $ csfnns measure secret.png small.png --residual r.png
        error: Pictures of 60x40 and 9x9 cannot be compared.
        hint: Give two of one size.
        [exit 2]
        $ csfnns measure secret.png other.png --residual r.jpg
        error: .jpg is a lossy format: it would destroy what is hidden.
        ...
        [exit 3]
        $ csfnns measure secret.png other.png --residual other.png --force
        error: other.png is one of the inputs.
        ...
        [exit 3]
    """)
    assert not Path("r.png").exists()


def test_without_weights_there_is_a_reason_instead_of_lpips(transcript: Transcript, ask: Ask) -> None:
    transcript("""
        $ csfnns measure secret.png other.png --lpips vgg
        ...
        LPIPS (vgg): n/a, no backbone for vgg: vgg16.safetensors is not in ... (set CSFNNS_LPIPS).
        PSNR ...
    """)
    assert "no backbone" in ask("csfnns measure secret.png other.png --lpips vgg")["lpips_reason"]
    assert "lpips" not in ask("csfnns measure secret.png other.png")


def test_with_weights_there_is_lpips(run: Run, ask: Ask, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = SqueezeNet()
    save_file(network.state_dict(), desk / "squeezenet.safetensors")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(network.widths)}
    save_file(heads, desk / "squeeze.safetensors")
    (desk / "alexnet.safetensors").write_bytes(bytes(64))
    (desk / "alex.safetensors").write_bytes(b"")
    monkeypatch.setenv("CSFNNS_LPIPS", str(desk))
    result = ask("csfnns measure secret.png other.png --lpips squeeze")
    expected = lpips(read_picture("secret.png"), read_picture("other.png"), "squeeze", folder=desk)
    assert (result["lpips"], result["lpips_network"]) == (pytest.approx(expected), "squeeze")
    assert "lpips_reason" not in result
    assert f"LPIPS (squeeze): {expected:.4f}." in run("csfnns measure secret.png other.png --lpips squeeze")
    assert run("csfnns measure secret.png other.png --lpips alex").endswith("[exit 2]")

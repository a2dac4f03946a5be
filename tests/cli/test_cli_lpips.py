import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from csfnns.lpips import SqueezeNet, lpips
from csfnns.picture import Picture, read_picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]


@pytest.fixture(autouse=True)
def pictures(photo: Picture, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """secret.png and other.png, and no weights anywhere."""
    Image.fromarray(255 - photo).save(desk / "other.png")
    monkeypatch.setenv("TORCH_HOME", str(desk / "torch"))
    monkeypatch.delenv("CSFNNS_LPIPS", raising=False)


def test_without_weights_there_is_a_reason(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns measure secret.png other.png --lpips vgg
        ...
        LPIPS (vgg): n/a, no backbone for vgg: neither vgg16.safetensors nor vgg16.pth is in ... (set CSFNNS_LPIPS).
        PSNR ...
    """)
    result = json.loads(run("csfnns measure secret.png other.png --lpips vgg --json"))
    assert result["lpips"] is None
    assert "no backbone" in result["lpips_reason"]


def test_with_weights_there_is_a_number(run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = SqueezeNet()
    torch.save(network.state_dict(), desk / "squeezenet.pth")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(network.widths)}
    torch.save(heads, desk / "squeeze.pth")
    monkeypatch.setenv("CSFNNS_LPIPS", str(desk))
    result = json.loads(run("csfnns measure secret.png other.png --lpips squeeze --json"))
    expected = lpips(read_picture("secret.png"), read_picture("other.png"), "squeeze", folder=desk)
    assert result["lpips"] == pytest.approx(expected)
    assert result["lpips_network"] == "squeeze"
    assert "lpips_reason" not in result
    assert f"LPIPS (squeeze): {expected:.4f}." in run("csfnns measure secret.png other.png --lpips squeeze")


def test_unasked_there_is_no_lpips(run: Run) -> None:
    assert "lpips" not in run("csfnns measure secret.png other.png --json")
    assert "LPIPS" not in run("csfnns measure secret.png other.png")


def test_files_of_something_else_are_an_error(run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk / "alexnet.pth").write_bytes(np.zeros(64, np.uint8).tobytes())
    (desk / "alex.pth").write_bytes(b"")
    monkeypatch.setenv("CSFNNS_LPIPS", str(desk))
    output = run("csfnns measure secret.png other.png --lpips alex")
    assert "does not hold these weights" in output
    assert output.endswith("[exit 2]")

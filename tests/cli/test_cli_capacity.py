"""How much a key's pictures hold, on the command line."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns.images.io import Picture

Ask = Callable[[str], Any]
Run = Callable[..., str]
FixedKey = Callable[..., None]


def test_files_and_photographs_have_a_capacity(
    transcript: Callable[[str], None], run: Run, ask: Ask, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=64)
    transcript("""
        $ csfnns capacity -k mine.key
        A .png holds files of up to 1,... bytes.
        Up to ... bytes, the eye sees no difference from the cover. Detectors may find what no eye sees.
        Photographs, for example:
          one of 640x480 arrives in ... quality.
        ...
          one of 4000x3000 is too large.
    """)
    assert ".jpg of quality 80, 45.0 dB" in run("csfnns capacity -k mine.key --quality 80 -v")
    shown = ask("csfnns capacity -k mine.key --quality 95")
    assert shown["jpeg"]["quality"] == 95
    assert 0 <= shown["jpeg"]["bytes_at_db"]["50"] <= shown["jpeg"]["bytes_at_db"]["40"] < shown["most"]
    sizes = [shown["bytes_at_db"][level] for level in ("65", "60", "55", "50")] + [
        shown["most"],
        shown["grain"],
    ]
    assert sizes == sorted(sizes)
    assert 1500 < shown["most"] < 64 * 64 * 3 * np.log2(3) / 8
    assert "survive" not in shown
    assert run("csfnns capacity -k mine.key --survive noise:1").endswith("[exit 2]")


def test_smaller_photographs_and_larger_covers_are_clearer(ask: Ask, fixed_key: FixedKey) -> None:
    fixed_key("small.key", side=256)
    fixed_key("large.key", side=512)
    small, large = (
        {each["width"]: each["psnr"] for each in ask(f"csfnns capacity -k {key}")["photographs"]}
        for key in ("small.key", "large.key")
    )
    assert sorted(large.values(), reverse=True) == list(large.values())
    assert all(large[width] > small[width] for width in (640, 1280))
    assert max(large.values()) <= 38


def test_a_photograph_arrives_about_as_clear_as_the_capacity_says(
    ask: Ask, desk: object, scene: Callable[..., Picture], fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=256)
    Image.fromarray(scene(480, 640, 1)).save("scene.png")
    expected = ask("csfnns capacity -k mine.key")["photographs"][0]["psnr"]
    found = ask("csfnns hide scene.png -k mine.key -o a.png --method trellis")["receivers"]["receiver"]["psnr"]
    assert found == pytest.approx(expected, abs=8)


def test_a_key_of_a_network_has_no_photographs(ask: Ask, run: Run, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", profile="paper", side=64)
    assert ask("csfnns capacity -k mine.key")["photographs"] == []
    assert "photograph" not in run("csfnns capacity -k mine.key")

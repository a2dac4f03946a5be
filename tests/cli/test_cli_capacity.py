"""How much fits into a key's covers, on the command line."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from csfnns.picture import Picture

Transcript = Callable[[str], None]
Run = Callable[[str], str]
FixedKey = Callable[..., None]


def test_files_and_photographs_have_a_capacity(transcript: Transcript, run: Run, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", side=64)
    transcript("""
        $ csfnns capacity -k mine.key
        65.0 dB ... bytes
        60.0 dB ... bytes
        55.0 dB ... bytes
        50.0 dB 2,... bytes
        at most 2,... bytes
        with --grain, 48.2 dB ... bytes
        .jpg of quality 90, 50.0 dB ... bytes
        .jpg of quality 90, 45.0 dB ... bytes
        .jpg of quality 90, 40.0 dB ... bytes
        A 640x480 photograph arrives ..., at about ... dB.
        ...
        Measured on this key's check cover, 64x64; others differ a little. Files that compress may be larger; ...
    """)
    shown = json.loads(run("csfnns capacity -k mine.key --quality 95 --json"))
    assert shown["jpeg"]["quality"] == 95
    assert 0 <= shown["jpeg"]["bytes_at_db"]["50"] < shown["jpeg"]["bytes_at_db"]["40"] < shown["most"]
    assert shown["most"] < shown["grain"]
    assert "survive" not in shown
    assert "does not survive noise:1" in run("csfnns capacity -k mine.key --survive noise:1")
    sizes = [shown["bytes_at_db"][level] for level in ("65", "60", "55", "50")] + [shown["most"]]
    assert sizes == sorted(sizes)
    assert 2000 < shown["most"] < 64 * 64 * 3 * np.log2(3) / 8
    assert shown["message"] == 0


def photographs(run: Run, key: str) -> dict[int, float]:
    """PSNR by width."""
    found = json.loads(run(f"csfnns capacity -k {key} --json"))["photographs"]
    assert all(set(each) == {"width", "height", "psnr"} for each in found)
    assert [(each["width"], each["height"]) for each in found[:2]] == [(640, 480), (1280, 960)]
    return {each["width"]: each["psnr"] for each in found}


def test_smaller_photographs_and_larger_covers_are_clearer(run: Run, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", side=256)
    fixed_key("large.key", side=512)
    small, large = photographs(run, "mine.key"), photographs(run, "large.key")
    assert sorted(large.values(), reverse=True) == list(large.values())
    assert all(large[width] > small[width] for width in (640, 1280))
    assert max(large.values()) <= 38


def test_a_photograph_of_twelve_megapixels_is_too_large_for_a_tiny_cover(
    run: Run, fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=64)
    assert "A 4000x3000 photograph is too large." in run("csfnns capacity -k mine.key")


def test_a_photograph_arrives_about_as_clear_as_the_capacity_says(
    run: Run, desk: object, scene: Callable[..., Picture], fixed_key: FixedKey
) -> None:
    fixed_key("mine.key", side=256)
    Image.fromarray(scene(480, 640, 1)).save("scene.png")
    told = json.loads(run("csfnns hide scene.png -k mine.key -o a.png --as picture --json"))
    assert told["receivers"]["main"]["psnr"] == pytest.approx(photographs(run, "mine.key")[640], abs=8)


def test_a_key_of_a_network_has_no_photographs(run: Run, fixed_key: FixedKey) -> None:
    fixed_key("mine.key", profile="paper", side=64)
    assert json.loads(run("csfnns capacity -k mine.key --json"))["photographs"] == []
    assert "photograph" not in run("csfnns capacity -k mine.key")

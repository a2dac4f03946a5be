"""Which method and form is chosen for what, and that each wrong combination is refused with a clear error."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    CapacityError,
    CsfnnsError,
    Direct,
    Jpeg,
    Key,
    Paper,
    PictureError,
    Robust,
    Trellis,
    UsageError,
    hide,
    make_profile,
    reveal,
)
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr
from csfnns.methods.select import Request, check_room, choose_method
from csfnns.payloads.secret import read_secret
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
STANDARD = make_profile(width=128, height=128)
PAPER = make_profile("paper", width=64, height=64, channels=32)
ROBUST = make_profile("robust", width=128, height=128)
PROFILES = {"standard": STANDARD, "paper": PAPER, "robust": ROBUST}
PICTURE = np.arange(24 * 20 * 3, dtype=np.uint8).reshape(24, 20, 3)
FILE = b"a file"
Scene = Callable[..., Picture]


def request(profile: str, *sources: Any, suffix: str = "", method: Any = None) -> Request:
    secrets = {f"r{i}": read_secret(each) for i, each in enumerate(sources)}
    return Request(secrets, PROFILES[profile], suffix, method)


def noise(n: int) -> bytes:
    return ROOT.derive("test/select").stream().take(n)


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def drawing() -> Picture:
    """Like a screenshot: few colours, straight edges, far more pixels than a photograph could have."""
    page = np.full((150, 200, 3), 250, np.uint8)
    page[:20] = 40, 90, 160
    for line in range(35, 140, 12):
        page[line : line + 3, 10 : 60 + 7 * (line % 19)] = 30
    return page


@pytest.fixture
def key() -> Key:
    return Key.from_root(STANDARD, ROOT)


@pytest.fixture
def photograph(scene: Scene) -> Picture:
    """Too much for a cover of 128x128, byte for byte."""
    return scene(90, 120)


# Methods


@pytest.mark.parametrize(
    ("profile", "sources", "suffix", "method", "expected"),
    [
        ("standard", [PICTURE], "", None, Trellis()),
        ("standard", [PICTURE], ".webp", None, Trellis()),
        ("standard", [FILE], ".png", None, Direct()),
        ("standard", [PICTURE, FILE], "", None, Trellis()),
        ("standard", [FILE], ".jpg", None, Jpeg()),
        ("standard", [PICTURE], ".jpeg", None, Jpeg()),
        ("standard", [PICTURE], "", "direct", Direct()),
        ("standard", [PICTURE], "", "grain", Direct("grain")),
        ("standard", [FILE], "", Jpeg(75), Jpeg(75)),
        ("standard", [FILE], "", "jpeg", Jpeg()),
        ("standard", [PICTURE], "", Trellis(recovered=30), Trellis(recovered=30)),
        ("paper", [PICTURE], "", None, Paper()),
        ("paper", [PICTURE, PICTURE], ".png", None, Paper()),
        ("paper", [PICTURE, FILE], "", None, Direct()),
        ("paper", [FILE], "", None, Direct()),
        ("paper", [FILE], ".jpg", None, Jpeg()),
        ("paper", [PICTURE], "", "trellis", Trellis()),
        ("robust", [PICTURE], "", None, Robust()),
        ("robust", [FILE], "", None, Robust()),
        ("robust", [PICTURE, FILE], ".png", None, Robust()),
        ("robust", [FILE], "", "direct", Direct()),
        ("robust", [PICTURE], "", "trellis", Trellis()),
        ("robust", [FILE], ".jpg", "jpeg", Jpeg()),
        ("robust", [FILE], ".jpg", Robust(survive="jpeg:90/420"), Robust(survive="jpeg:90/420")),
    ],
)
def test_the_method_follows_from_key_secrets_and_file_name(
    profile: str, sources: list[Any], suffix: str, method: Any, expected: Any
) -> None:
    for module in ("torch", "jpeglib"):
        pytest.importorskip(module, reason="all methods must be there")
    chosen = choose_method(request(profile, *sources, suffix=suffix, method=method))
    if hasattr(expected, "profile"):
        expected = replace(expected, profile=PROFILES[profile])
    assert chosen == expected


@pytest.mark.parametrize(
    ("profile", "source", "suffix", "method", "error", "said"),
    [
        ("standard", PICTURE, "", "magic", UsageError, "no method 'magic'"),
        ("standard", PICTURE, "", 5, UsageError, "method must be a name or settings of a method, got 5"),
        ("standard", PICTURE, "", Direct, UsageError, "method must be a name or settings"),
        ("standard", FILE, "", "trellis", UsageError, "'trellis' carries pictures, and the secret is a file"),
        ("standard", PICTURE, "", "paper", UsageError, "needs a key of profile paper, got 'standard'"),
        ("standard", PICTURE, "", "robust", UsageError, "its profile is 'standard'"),
        ("standard", FILE, "", Robust(survive="jpeg:90"), UsageError, "does not survive jpeg:90"),
        ("paper", FILE, "", "paper", UsageError, "'paper' carries pictures"),
        ("paper", FILE, "", "robust", UsageError, "its profile is 'paper'"),
        ("robust", PICTURE, "", "paper", UsageError, "needs a key of profile paper"),
        ("standard", FILE, "", Direct("uniform"), UsageError, "settings are for experiments"),
        ("standard", FILE, "", Direct("grain", 2.0), UsageError, "settings are for experiments"),
        ("standard", FILE, ".png", "jpeg", UsageError, "'jpeg' writes a .jpg, not a .png"),
        ("standard", FILE, ".jpg", "direct", PictureError, ".jpg is a lossy format"),
        ("standard", FILE, ".jpg", "grain", PictureError, "--method jpeg"),
        ("standard", PICTURE, ".jpeg", "trellis", PictureError, ".jpeg is a lossy format"),
        ("paper", PICTURE, ".jpg", "paper", PictureError, "lossy"),
        ("robust", PICTURE, ".jpg", None, PictureError, "survive one quality, such as jpeg:90"),
        ("robust", FILE, ".jpg", Robust(survive=("jpeg:90", "noise:1")), PictureError, "lossy"),
        ("robust", FILE, "", Robust(beta=0.2), UsageError, "are for pictures"),
        ("robust", FILE, "", Robust(evade=("xunet",)), UsageError, "are for pictures"),
        (
            "robust",
            PICTURE,
            ".jpg",
            Robust(survive="jpeg:90/420", evade=("xunet",)),
            UsageError,
            "JPEG file does not keep",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    profile: str, source: Any, suffix: str, method: Any, error: type[CsfnnsError], said: str
) -> None:
    for module in ("torch", "jpeglib"):
        pytest.importorskip(module, reason="all methods must be there")
    with pytest.raises(error) as caught:
        choose_method(request(profile, source, suffix=suffix, method=method))
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (lambda: Robust(survive="rain:3"), "rain:3"),
        (lambda: Robust(gamma=1e-4), "gamma is the weight of detectors"),
        (lambda: Robust(evade=("xunet",), gamma=0), "gamma must be above 0, got 0"),
        (lambda: Robust(beta=float("nan")), "beta must be above 0, got nan"),
        (lambda: Robust(steps=0), "steps must be at least 1, got 0"),
        (lambda: Robust(STANDARD), "its profile is 'standard'"),
        (lambda: Paper(steps=-1), "steps must be at least 1, got -1"),
        (lambda: Paper(beta=0), "beta must be above 0, got 0"),
        (lambda: Paper(gamma=1.0), "gamma is the weight"),
        (lambda: Jpeg(0), "quality"),
        (lambda: Jpeg(101), "quality"),
        (lambda: Jpeg(90, "422"), "subsampling must be one of 420, 444, got '422'"),  # type: ignore[arg-type]
        (lambda: Direct("lsb"), "model must be one of"),  # type: ignore[arg-type]
        (lambda: Direct("grain", 0.4), "sigma must be in 0.5…2, got 0.4"),
        (lambda: Trellis(recovered=19), "recovered must be a PSNR in 20…90 dB, got 19"),
    ],
)
def test_settings_out_of_range_are_refused_when_they_are_made(settings: Callable[[], Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings()
    assert said in caught.value.message


@pytest.mark.parametrize("extra", ["network", "jpeg"])
def test_a_missing_extra_is_named(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csfnns.extras.has", lambda name: name != extra)
    cases = {
        "network": [
            request("paper", PICTURE),
            request("robust", FILE),
            request("robust", PICTURE, method=Robust()),
        ],
        "jpeg": [request("standard", FILE, suffix=".jpg"), request("standard", FILE, method="jpeg")],
    }
    for each in cases[extra]:
        with pytest.raises(UsageError, match=f"'{extra}'") as caught:
            choose_method(each)
        assert f"pip install 'csfnns[{extra}]'" in caught.value.hint


@pytest.mark.parametrize("method", ["direct", "grain", "jpeg"])
def test_what_certainly_does_not_fit_is_refused_without_a_cover(method: str) -> None:
    if method == "jpeg":
        pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    too_much = request("standard", noise(30_000), method=method)
    with pytest.raises(CapacityError, match="more than a cover of 128x128 holds") as caught:
        check_room(choose_method(too_much), too_much)
    assert "csfnns capacity" in caught.value.hint


# Forms of a picture


@pytest.mark.parametrize("form", ["array", "png", "bmp"])
def test_a_drawing_goes_exactly(form: str, key: Key) -> None:
    """As the shortest lossless copy, unless its own bytes are shorter."""
    buffer = io.BytesIO()
    Image.fromarray(drawing()).save(buffer, "BMP")
    sources: dict[str, Any] = {"array": drawing(), "png": png(drawing()), "bmp": buffer.getvalue()}
    sent = hide(sources[form], key)
    arrival, found = sent.receivers["receiver"], reveal(sent, key)
    assert (sent.method, arrival.form, arrival.width, arrival.height) == ("direct", "exact", 200, 150)
    assert (arrival.figures, arrival.original_psnr) == (None, float("inf"))
    assert sent.stego.psnr > 59.5
    assert found.kind == "picture"
    assert np.array_equal(found.picture, drawing())
    assert (found.content == png(drawing())) == (form == "png" and len(found.content or b"") == len(png(drawing())))


def test_a_small_photograph_goes_by_the_trellis_method(key: Key, scene: Scene) -> None:
    grainy = ROOT.stream().integers(32 * 32 * 3, 256).reshape(32, 32, 3).astype(np.uint8)
    for secret in (scene(56, 56), grainy):
        sent = hide(secret, key)
        assert (sent.method, sent.receivers["receiver"].form) == ("trellis", "trellis")
        assert sent.least_recovered == pytest.approx(38, abs=0.8)


@pytest.mark.usefixtures("fixed_nonces")
def test_a_photograph_too_large_for_that_goes_as_whatever_arrives_better(key: Key, photograph: Picture) -> None:
    sent = hide(png(photograph), key, name="photo.png")
    arrival, found = sent.receivers["receiver"], reveal(sent, key)
    assert sent.stego.psnr > 55.5
    shown = fit(found.picture, *photograph.shape[:2])
    assert arrival.original_psnr == psnr(shown, photograph)
    # Here both are within half a decibel on most covers.
    other = hide(photograph, key, method="trellis" if sent.method == "direct" else "direct").receivers["receiver"]
    assert other.original_psnr is not None
    assert other.form != arrival.form
    assert arrival.original_psnr > other.original_psnr - 0.5


def test_the_trellis_method_is_not_replaced_where_it_was_asked_for(key: Key) -> None:
    sent = hide(drawing(), key, method=Trellis(states=64))
    assert sent.receivers["receiver"].form == "trellis"
    assert reveal(sent, key).picture.shape == (150, 200, 3)


def test_direct_keeps_the_bytes_of_a_picture_that_fits(key: Key, scene: Scene) -> None:
    small = png(scene(40, 40))
    sent = hide(small, key, method="direct")
    assert (sent.receivers["receiver"].form, sent.least_recovered) == ("exact", float("inf"))
    assert reveal(sent, key).content == small


@pytest.mark.parametrize(("method", "least"), [("direct", 55.5), ("grain", 47.5)])
def test_a_picture_too_large_for_its_bytes_goes_as_the_best_avif_that_fits(
    method: str, least: float, key: Key, photograph: Picture
) -> None:
    sent = hide(png(photograph), key, name="photo.png", method=method)
    arrival, found = sent.receivers["receiver"], reveal(sent, key)
    assert (arrival.form, found.kind, found.name) == ("avif", "picture", "photo.avif")
    assert sent.stego.psnr == pytest.approx(least + 0.6, abs=0.6)
    assert arrival.figures is not None
    assert arrival.figures.psnr == psnr(found.picture, fit(photograph, *found.picture.shape[:2])) > 30


def test_a_picture_goes_into_a_jpeg_exactly_or_as_avif(scene: Scene) -> None:
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    key = Key.from_root(make_profile(width=160, height=160), ROOT)
    small, large = png(scene(8, 8)), png(scene(90, 110))
    sent = [hide(each, key, method=Jpeg(95), name="a.png") for each in (small, large)]
    assert [each.receivers["receiver"].form for each in sent] == ["exact", "avif"]
    assert reveal(sent[0], key).content == small
    assert reveal(sent[1], key).name == "a.avif"
    assert sent[1].stego.psnr > 38


def test_a_picture_much_too_large_is_scaled_down(scene: Scene) -> None:
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    photo = scene(300, 400)
    shown = reveal(hide(png(photo), key, method="direct"), key).picture
    height, width = shown.shape[:2]
    assert 60 <= height < 300
    assert width / height == pytest.approx(4 / 3, rel=0.1)
    assert psnr(shown, fit(photo, height, width)) > 22


def test_a_picture_that_fits_in_no_size_is_refused(scene: Scene) -> None:
    key = Key.from_root(make_profile(width=64, height=64), ROOT, [f"reader-{i}" for i in range(8)])
    with pytest.raises(CapacityError, match="small copy"):
        hide(dict.fromkeys(key.names, png(scene(300, 400))), key, method="direct")


def test_files_come_first_and_pictures_get_the_rest(photograph: Picture) -> None:
    key = Key.from_root(STANDARD, ROOT, ["ann", "bob"])
    sent = hide({"ann": png(photograph), "bob": noise(1000)}, key, method="direct")
    assert {name: each.form for name, each in sent.receivers.items()} == {"ann": "avif", "bob": "exact"}
    assert reveal(sent, key, receiver="bob").content == noise(1000)
    content = reveal(sent, key, receiver="ann").content
    assert content is not None
    assert read_picture(content).ndim == 3


def test_pictures_of_several_go_by_the_trellis_method_alone() -> None:
    """Even those that would fit exactly: no receiver may see how large the others' are."""
    key = Key.from_root(STANDARD, ROOT, ["ann", "bob"])
    sent = hide(dict.fromkeys(key.names, drawing()), key)
    assert {each.form for each in sent.receivers.values()} == {"trellis"}

"""The ways beside the pixels: in a JPEG's coefficients, as grain, as bits that survive."""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import Hidden, Key, Ledger, RevealedFile, capacity, hide, make_cover, make_profile
from csfnns.api import capacity_surviving, reveal
from csfnns.errors import (
    Cancelled,
    CapacityError,
    CsfnnsError,
    DamagedError,
    NoMessageError,
    PictureError,
    SearchError,
    UsageError,
)
from csfnns.jpeg_file import read_coefficients, write_coefficients
from csfnns.measure import psnr
from csfnns.picture import Picture, read_picture
from csfnns.profile import Profile
from csfnns.schemes import DirectJpeg, NeuralBits, ReceiverSeeds
from csfnns.search import parse_channel
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed
from csfnns.ways import Bits, arrive

Scene = Callable[..., Picture]
ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
ROBUST = make_profile("robust", width=128, height=128)
DATA = ROOT.derive("test/ways").stream().take(100)
TEAM = ["ann", "bob", "eve"]


def key_of(profile: Profile, receivers: Sequence[str] = ()) -> Key:
    return Key.from_root(profile, ROOT, receivers)


def found_in(stego: Any, key: Key, **options: Any) -> RevealedFile:
    found = reveal(stego, key, **options)
    assert isinstance(found, RevealedFile)
    return found


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def without_jpeglib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jpeglib", None)


@pytest.fixture(scope="module")
def team_jpeg(tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    """Message 1 of the team: bytes for ann and for bob, nothing for eve."""
    ledger = Ledger(tmp_path_factory.mktemp("jpeg") / "ledger.sqlite3")
    return hide({"ann": DATA, "bob": b"hello"}, key_of(SMALL, TEAM), quality=85, ledger=ledger)


@pytest.fixture(scope="module")
def team_bits(tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    """The same by a search, fewer bytes."""
    ledger = Ledger(tmp_path_factory.mktemp("bits") / "ledger.sqlite3")
    return hide({"ann": DATA[:20], "bob": b"hello"}, key_of(ROBUST, TEAM), ledger=ledger)


# In a JPEG


@pytest.mark.parametrize("name", ["standard", "paper", "robust"])
@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_a_file_goes_into_a_jpeg(name: str, suffix: str, tmp_path: Path) -> None:
    key, source, out = (
        key_of(make_profile(name, width=64, height=80)),
        tmp_path / "a.bin",
        tmp_path / f"b{suffix}",
    )
    source.write_bytes(DATA)
    sent = hide(source, key, out=out, exact=name == "robust")
    plain = encode_jpeg(make_cover(key, sent.message).picture, 90, "420")
    assert (sent.carrier, sent.survives, sent.data) == ("jpeg", {}, out.read_bytes())
    assert sent.stego.psnr == psnr(read_picture(plain), read_picture(out)) > 35
    assert np.array_equal(read_coefficients(plain).tables, read_coefficients(sent.data).tables)
    for stego in (out, out.read_bytes(), sent):
        found = found_in(stego, key)
        assert (found.content, found.name, found.message) == (DATA, "a.bin", 1)


@pytest.mark.parametrize(("name", "content"), [("ann", DATA), ("bob", b"hello")])
def test_each_receiver_of_a_jpeg_gets_his_own(name: str, content: bytes, team_jpeg: Hidden) -> None:
    assert found_in(team_jpeg, key_of(SMALL, TEAM).for_receiver(name)).content == content


def test_a_jpeg_holds_nothing_for_others(team_jpeg: Hidden) -> None:
    other = Key.from_root(SMALL, ROOT.derive("other"), TEAM)
    plain = encode_jpeg(make_cover(other, 1).picture, 85, "420")
    for stego, key, name in (
        (team_jpeg, key_of(SMALL, TEAM), "eve"),
        (team_jpeg, other, "ann"),
        (plain, other, "ann"),
    ):
        with pytest.raises(NoMessageError) as caught:
            reveal(stego, key, receiver=name, message=1)
        assert caught.value.hint


@pytest.mark.parametrize("quality", [50, 85, 95])
def test_a_jpeg_that_was_encoded_again_is_damage(quality: int, team_jpeg: Hidden) -> None:
    again = encode_jpeg(team_jpeg.picture, quality, "420")
    with pytest.raises(DamagedError):
        reveal(again, key_of(SMALL, TEAM), receiver="ann", message=1)


def test_a_changed_coefficient_is_damage_and_a_short_file_no_picture(team_jpeg: Hidden) -> None:
    key = key_of(SMALL, TEAM)
    file = read_coefficients(team_jpeg.data)
    luminance, *chrominance = (plane.copy() for plane in file.planes)
    luminance[::2, :, 1, 1] += 1
    changed = write_coefficients(replace(file, planes=(luminance, *chrominance)))
    with pytest.raises(DamagedError):
        reveal(changed, key, receiver="ann", message=1)
    with pytest.raises(PictureError):
        reveal(team_jpeg.data[: len(team_jpeg.data) // 2], key, receiver="ann")


def test_only_a_jpg_keeps_what_is_in_coefficients(team_jpeg: Hidden, tmp_path: Path) -> None:
    team_jpeg.save(tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == team_jpeg.data
    for suffix in (".png", ".webp"):
        with pytest.raises(PictureError, match="coefficients"):
            team_jpeg.save(tmp_path / f"a{suffix}")
    with pytest.raises(PictureError, match="already exists"):
        team_jpeg.save(tmp_path / "a.jpg")
    assert [path.name for path in tmp_path.glob("a.*")] == ["a.jpg"]


def test_a_picture_goes_into_a_jpeg_as_an_avif(scene: Scene, tmp_path: Path) -> None:
    key = key_of(make_profile(width=160, height=160))
    source = png(scene(90, 110))
    sent = hide(source, key, out=tmp_path / "a.jpg", name="photo.png", quality=95)
    arrival, found = sent.receivers["main"], found_in(tmp_path / "a.jpg", key)
    assert (sent.carrier, arrival.method, found.name) == ("jpeg", "avif", "photo.avif")
    assert sent.stego.psnr > 39
    assert arrival.figures is not None
    assert arrival.figures.psnr > 20
    assert found.picture.shape[:2] == (arrival.height, arrival.width)


def test_a_picture_goes_into_a_jpeg_byte_for_byte_if_it_fits(scene: Scene, tmp_path: Path) -> None:
    key, source = key_of(make_profile(width=96, height=96)), png(scene(8, 8))
    sent = hide(source, key, out=tmp_path / "a.jpg")
    assert sent.receivers["main"].method == "exact"
    assert found_in(tmp_path / "a.jpg", key).content == source


def test_without_jpeglib_a_jpeg_costs_no_number(without_jpeglib: None, tmp_path: Path) -> None:
    key = key_of(SMALL)
    with pytest.raises(UsageError, match="jpeglib") as caught:
        hide(DATA, key, out=tmp_path / "a.jpg")
    assert "pip install 'csfnns[jpeg]'" in caught.value.hint
    assert Ledger().highest(key.id) == 0
    assert not (tmp_path / "a.jpg").exists()


def test_without_jpeglib_a_receiver_is_told_of_it(without_jpeglib: None, team_jpeg: Hidden) -> None:
    with pytest.raises(NoMessageError) as caught:
        reveal(team_jpeg.data, key_of(SMALL, TEAM), receiver="ann", message=1)
    assert "pip install 'csfnns[jpeg]'" in caught.value.hint


@pytest.mark.parametrize("name", ["robust", "paper"])
def test_a_picture_by_a_search_goes_into_no_jpeg(name: str, scene: Scene, tmp_path: Path) -> None:
    key = key_of(make_profile(name, width=128, height=128))
    with pytest.raises(PictureError, match="lossy") as caught:
        hide(scene(32, 32), key, out=tmp_path / "a.jpg")
    assert "--exact" in caught.value.hint
    assert Ledger().highest(key.id) == 0


# As grain


@pytest.mark.parametrize("name", ["standard", "paper", "robust"])
def test_a_file_goes_as_grain(name: str, tmp_path: Path) -> None:
    key, out = key_of(make_profile(name, width=64, height=96)), tmp_path / "a.png"
    sent = hide(DATA, key, out=out, grain=True, exact=True)
    assert (sent.carrier, sent.stego.max_abs) == ("grain", 3)
    assert found_in(out, key).content == found_in(sent, key).content == DATA


def test_grain_is_the_same_whatever_it_holds_and_damage_is_named() -> None:
    key = key_of(make_profile(width=96, height=96), TEAM)
    most = capacity(key, (), grain=True).most
    sent = [hide({"ann": bytes([i]) * n}, key, grain=True) for i, n in enumerate((1, most))]
    assert sent[0].stego.psnr == pytest.approx(sent[1].stego.psnr, abs=0.15) == pytest.approx(48.2, abs=0.2)
    full = hide({"ann": ROOT.stream().take(most)}, key, grain=True)
    assert found_in(full, key, receiver="ann").content == ROOT.stream().take(most)
    changed = full.picture.copy()
    changed[::8, ::8, 0] ^= 2
    with pytest.raises(DamagedError):
        reveal(changed, key, receiver="ann", message=3)
    with pytest.raises(NoMessageError):
        reveal(full, key, receiver="bob", message=3)


# As bits that survive


def test_bits_survive_what_a_robust_key_prepares_for(team_bits: Hidden, tmp_path: Path) -> None:
    key = key_of(ROBUST, TEAM)
    assert team_bits.carrier == "bits"
    assert set(team_bits.survives) == {"jpeg:75/420", "jpeg:75/444", "jpeg:95/420", "jpeg:95/444"}
    assert all(case == {"ann": None, "bob": None} for case in team_bits.survives.values())
    assert team_bits.stego.psnr > 36
    team_bits.save(tmp_path / "a.png")
    arrivals = [tmp_path / "a.png", encode_jpeg(team_bits.picture, 80, "420"), team_bits]
    for stego in arrivals:
        assert found_in(stego, key.for_receiver("ann")).content == DATA[:20]
        assert found_in(stego, key, receiver="bob").content == b"hello"


def test_bits_survive_without_jpeglib(without_jpeglib: None, team_bits: Hidden) -> None:
    arrived = encode_jpeg(team_bits.picture, 80, "420")
    assert found_in(arrived, key_of(ROBUST, TEAM), receiver="bob").content == b"hello"


def test_bits_hold_nothing_for_others(team_bits: Hidden) -> None:
    other = Key.from_root(ROBUST, ROOT.derive("other"), TEAM)
    for stego, key, name in (
        (team_bits, key_of(ROBUST, TEAM), "eve"),
        (team_bits, other, "ann"),
        (make_cover(other, 1).picture, other, "ann"),
    ):
        with pytest.raises(NoMessageError):
            reveal(stego, key, receiver=name, message=1)


def test_too_much_compression_is_an_error(team_bits: Hidden) -> None:
    with pytest.raises(NoMessageError) as caught:
        reveal(encode_jpeg(team_bits.picture, 10, "420"), key_of(ROBUST, TEAM), receiver="ann", message=1)
    assert caught.value.hint


def test_bits_go_into_the_jpeg_that_they_are_prepared_for(tmp_path: Path) -> None:
    key, out = key_of(ROBUST), tmp_path / "a.jpg"
    sent = hide(b"hello", key, out=out, survive="jpeg:90/420")
    assert (sent.carrier, sent.survives) == ("bits", {})
    assert found_in(out, key).content == b"hello"
    sent.save(tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes() == out.read_bytes()
    sent.save(tmp_path / "b.png")  # as pixels, since these hold it
    assert found_in(tmp_path / "b.png", key).content == b"hello"


def test_a_search_is_repeated_with_more_strength(scene: Scene) -> None:
    cover, steps = scene(128, 128, 3), []
    seeds = ReceiverSeeds(ROOT.derive("decoder"), ROOT.derive("header"))
    weak = NeuralBits(ROBUST, parse_channel("jpeg:75/420"), strength=0.05, steps=40)
    way = Bits(weak, progress=lambda step, of: steps.append(step))
    data = way.embed(cover, {seeds: b"hello"})
    assert len(steps) in (80, 120)
    assert way.extract(arrive(data), cover, seeds) == b"hello"
    assert weak.losses(read_picture(data), cover, {seeds: b"hello"}) == []


def test_what_would_not_survive_is_not_sent(scene: Scene) -> None:
    steps: list[int] = []
    hopeless = NeuralBits(ROBUST, parse_channel("jpeg:1", "noise:1"), steps=4)
    way = Bits(hopeless, progress=lambda step, of: steps.append(step))
    with pytest.raises(SearchError, match="could not be read") as caught:
        way.embed(scene(128, 128, 3), {ReceiverSeeds(ROOT, ROOT): DATA})
    assert "--exact" in caught.value.hint
    assert steps == [1, 2, 3, 4] * 3


def test_a_cancelled_search_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        hide(b"x", key_of(ROBUST), out=tmp_path / "a.png", progress=lambda step, steps: step < 2)
    assert not (tmp_path / "a.png").exists()


def test_more_than_survives_is_refused_with_what_fits() -> None:
    key = key_of(ROBUST)
    room = NeuralBits(ROBUST).room
    with pytest.raises(CapacityError, match="survives") as caught:
        hide(ROOT.stream().take(room), key)
    assert f"{room} bytes" in caught.value.hint
    assert "--exact" in caught.value.hint
    assert Ledger().highest(key.id) == 0
    assert hide(ROOT.stream().take(room), key, exact=True).carrier == "pixels"


def test_the_capacity_of_bits_is_what_goes() -> None:
    key = key_of(ROBUST)
    most = capacity_surviving(key, "noise:1")
    assert 150 < most < NeuralBits(ROBUST).room
    content = ROOT.stream().take(most)
    assert found_in(hide(content, key, survive="noise:1"), key).content == content
    with pytest.raises(UsageError, match="standard"):
        capacity_surviving(key_of(SMALL))


def test_the_capacity_of_a_jpeg_is_what_goes() -> None:
    key = key_of(SMALL)
    found = capacity(key, (40, 45), quality=95)
    full = hide(ROOT.stream().take(found.at[40]), key, quality=95)
    assert found_in(full, key).content == ROOT.stream().take(found.at[40])
    assert full.stego.psnr > 39
    assert found.at[45] < found.at[40] < found.most
    with pytest.raises(UsageError, match="Grain"):
        capacity(key, quality=95, grain=True)


# Recognised


def test_a_cover_is_known_again_in_a_jpeg_or_nothing_is_sent(tmp_path: Path) -> None:
    """Of a cover so fine that compression moves most of its levels by more than 12."""
    key = Key.from_root(make_profile(width=96, height=96), Seed(bytes([22]) * 32))
    out = tmp_path / "coarse.jpg"
    hide(DATA, key, out=out, quality=75)
    assert found_in(out, key).content == DATA
    same_number = Ledger(tmp_path / "other")
    with pytest.raises(SearchError, match="cover"):
        hide(DATA, key, out=tmp_path / "coarser.jpg", quality=20, ledger=same_number)
    assert not (tmp_path / "coarser.jpg").exists()


def test_the_most_of_a_jpeg_is_what_is_let_in() -> None:
    key = Key.from_root(make_profile(width=96, height=96), Seed(bytes([22]) * 32))
    assert capacity(key, quality=75).most < DirectJpeg(75).capacity(make_cover(key).picture).most * 9 // 10


# Refused


@pytest.mark.parametrize(
    ("profile", "name", "options", "error", "said"),
    [
        (SMALL, "a.png", {"survive": "jpeg:90"}, UsageError, "key new --profile robust"),
        (SMALL, "a.png", {"survive": "jpeg:90", "exact": True}, UsageError, "do not go together"),
        (ROBUST, "a.png", {"survive": "jpeg:90", "exact": True}, UsageError, "do not go together"),
        (ROBUST, "a.png", {"survive": "rain:3"}, UsageError, "rain:3"),
        (ROBUST, "a.png", {"device": "nowhere"}, UsageError, "device 'nowhere'"),
        (ROBUST, "a.png", {"grain": True}, UsageError, "Say --exact"),
        (ROBUST, "a.jpg", {"quality": 80}, UsageError, "Say --exact"),
        (ROBUST, "a.jpg", {}, PictureError, "--survive jpeg:90"),
        (ROBUST, "a.jpg", {"survive": ["jpeg:90", "noise:1"]}, PictureError, "--exact"),
        (SMALL, "a.png", {"quality": 80}, UsageError, "Name the file .jpg"),
        (SMALL, "a.jpg", {"grain": True}, UsageError, "lossless"),
        (SMALL, "a.jpg", {"quality": 0}, UsageError, "quality"),
        (SMALL, "a.jpg", {"quality": 101}, UsageError, "quality"),
        (SMALL, "nowhere/a.jpg", {}, PictureError, "no folder"),
    ],
)
def test_what_does_not_go_together_costs_no_number(
    profile: Profile,
    name: str,
    options: dict[str, Any],
    error: type[CsfnnsError],
    said: str,
    tmp_path: Path,
) -> None:
    key = key_of(profile)
    with pytest.raises(error) as caught:
        hide(b"x", key, out=tmp_path / name, **options)
    assert said in str(caught.value)
    assert caught.value.hint
    assert Ledger().highest(key.id) == 0
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    ("name", "options"), [("a.jpg", {}), ("a.png", {"grain": True}), ("a.png", {"exact": True})]
)
def test_too_much_for_a_way_costs_no_number(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    key = key_of(SMALL)
    with pytest.raises(CapacityError) as caught:
        hide(ROOT.stream().take(6000), key, out=tmp_path / name, **options)
    assert caught.value.hint
    assert Ledger().highest(key.id) == 0

"""Stegos that are compressed, made noisy or scaled by Pillow on their way, and revealed all the same."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import api
from csfnns.errors import CapacityError, DamagedError, PictureError, SearchError, UsageError
from csfnns.keys import Key, Ledger
from csfnns.measure import compare
from csfnns.picture import Picture, fit, read_picture
from csfnns.profile import make_profile
from csfnns.results import Revealed
from csfnns.search import Search, preset
from csfnns.stream import Seed

Scene = Callable[..., Picture]
PROFILE = make_profile("robust", width=192, height=192)
SECRET = 48, 48
ROOT = Seed(bytes(range(32)))


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.from_root(PROFILE, ROOT)


@pytest.fixture(scope="module")
def quick() -> Search:
    """Fewer steps, and more weight on the secret to make up for them."""
    return replace(preset(PROFILE), steps=80, beta=0.1)


@pytest.fixture(scope="module")
def secret(scene: Scene) -> Picture:
    return scene(*SECRET)


@pytest.fixture(scope="module")
def hidden(key: Key, quick: Search, secret: Picture, tmp_path_factory: pytest.TempPathFactory) -> api.Hidden:
    """A stego of the key's own search, for the tests that only look at it: prepared for jpeg:75-95."""
    ledger = Ledger(tmp_path_factory.mktemp("sender") / "ledger.sqlite3")
    return api.hide(secret, key, search=quick, ledger=ledger)


def saved(picture: Picture, quality: int, subsampling: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def tables(jpeg: bytes) -> Any:
    """Quantisation tables of a file."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.quantization  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("quality", "subsampling"), [(75, "4:2:0"), (75, "4:4:4"), (88, "4:2:0"), (95, "4:4:4")]
)
def test_a_stego_survives_any_jpeg_of_its_range(
    quality: int, subsampling: str, hidden: api.Hidden, key: Key, secret: Picture
) -> None:
    found = api.reveal(saved(hidden.picture, quality, subsampling), key)
    assert compare(found.picture, secret).psnr > 24
    assert found.message == hidden.message


def test_a_robust_key_prepares_for_usual_jpegs_by_itself(
    hidden: api.Hidden, key: Key, secret: Picture
) -> None:
    assert set(hidden.survives) == {"jpeg:75/420", "jpeg:75/444", "jpeg:95/420", "jpeg:95/444"}
    assert (hidden.carrier, hidden.receivers["main"].method) == ("network", "network")
    assert hidden.stego.psnr > 30
    assert compare(api.reveal(hidden, key).picture, secret).psnr > 26


def test_what_is_reported_is_what_arrives(key: Key, quick: Search, secret: Picture) -> None:
    hidden = api.hide(secret, key, search=quick, survive=["jpeg:90", "noise:2"])
    assert list(hidden.survives) == ["jpeg:90/420", "jpeg:90/444", "noise:2"]
    arrived = api.reveal(saved(hidden.picture, 90, "4:2:0"), key)
    figures = hidden.survives["jpeg:90/420"]["main"]
    assert figures is not None
    assert compare(arrived.picture, secret).psnr == pytest.approx(figures.psnr, abs=0.01)
    cases = [hidden.receivers["main"].figures, *(each["main"] for each in hidden.survives.values())]
    assert hidden.least_recovered == min(each.psnr for each in cases if each is not None)


def test_a_jpeg_file_is_written_for_one_quality(
    key: Key, quick: Search, secret: Picture, tmp_path: Path
) -> None:
    out = tmp_path / "holiday.jpg"
    hidden = api.hide(secret, key, out=out, search=quick, survive="jpeg:90/444")
    assert out.read_bytes()[:3] == b"\xff\xd8\xff"
    assert (
        tables(out.read_bytes()) == tables(saved(secret, 90, "4:4:4")) != tables(saved(secret, 91, "4:4:4"))
    )
    assert np.array_equal(read_picture(out), hidden.picture)
    hidden.save(tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").read_bytes() == out.read_bytes()
    hidden.save(tmp_path / "pixels.png")
    assert compare(api.reveal(tmp_path / "pixels.png", key).picture, secret).psnr > 26
    assert compare(api.reveal(out, key).picture, secret).psnr > 26


@pytest.mark.parametrize("survive", [None, "jpeg:75-95", "noise:2", ["jpeg:90", "jpeg:80"]])
def test_no_jpeg_file_is_written_otherwise(
    survive: str | list[str] | None, key: Key, secret: Picture, tmp_path: Path
) -> None:
    out = tmp_path / "holiday.jpg"
    with pytest.raises(PictureError, match="lossy"):
        api.hide(secret, key, out=out, survive=survive)
    assert not out.exists()


def test_a_stego_survives_scaling(key: Key, quick: Search, secret: Picture) -> None:
    hidden = api.hide(secret, key, search=quick, survive="resize:0.5")
    half = fit(hidden.picture, 96, 96)
    assert compare(api.reveal(half, key).picture, secret).psnr > 24


def test_what_would_not_survive_is_not_sent(key: Key, quick: Search, secret: Picture, tmp_path: Path) -> None:
    """Readable as it is, and not as it would arrive."""
    out, weak = tmp_path / "stego.png", replace(quick, beta=0.01)
    with pytest.raises(SearchError, match="behind jpeg:10/") as caught:
        api.hide(secret, key, out=out, search=weak, survive=["jpeg:10", "jpeg:100"])
    assert caught.value.hint
    assert not out.exists()


def test_too_much_compression_is_damage_and_no_noise(hidden: api.Hidden, key: Key) -> None:
    with pytest.raises(DamagedError):
        api.reveal(saved(hidden.picture, 20, "4:2:0"), key, message=hidden.message)


def test_other_decoders_do_not_promise_to_survive(scene: Scene) -> None:
    key = Key.from_root(make_profile(width=128, height=128), ROOT)
    with pytest.raises(UsageError, match="standard") as caught:
        api.hide(scene(32, 32), key, survive="jpeg:90")
    assert "robust" in caught.value.hint


@pytest.mark.parametrize("bpp", ["24", "6"])
def test_a_robust_cover_has_less_room(bpp: str) -> None:
    with pytest.raises(UsageError, match=r"1\.5 bits a pixel"):
        make_profile("robust", bpp=bpp)


def test_five_secrets_are_too_many_for_a_robust_cover(secret: Picture) -> None:
    key = Key.from_root(PROFILE, ROOT, receivers=tuple("abcde"))
    with pytest.raises(CapacityError, match="5 secrets"):
        api.hide(dict.fromkeys("abcde", secret), key)


@pytest.mark.parametrize("quality", [None, 95, 75])
def test_the_receiver_can_tell_how_well_it_arrived(quality: int | None, hidden: api.Hidden, key: Key) -> None:
    arrived: Any = hidden if quality is None else saved(hidden.picture, quality, "4:2:0")
    case = f"jpeg:{quality}/420"
    figures = hidden.receivers["main"].figures if quality is None else hidden.survives[case]["main"]
    assert figures is not None
    found = api.reveal(arrived, key)
    assert isinstance(found, Revealed)
    assert found.expected_psnr == pytest.approx(figures.psnr, abs=2.5)


def test_settings_without_a_channel_get_the_keys_own(key: Key, secret: Picture) -> None:
    hidden = api.hide(secret, key, search=Search(steps=80, beta=0.1, epsilon=0.2, learning_rate=1.0))
    assert set(hidden.survives) == {"jpeg:75/420", "jpeg:75/444", "jpeg:95/420", "jpeg:95/444"}


def test_a_channel_in_the_settings_of_another_decoder_uses_no_number(scene: Scene) -> None:
    key, ledger = Key.from_root(make_profile(width=128, height=128), ROOT), Ledger()
    with pytest.raises(UsageError, match="search"):
        api.hide(scene(32, 32), key, search=preset(PROFILE), ledger=ledger)
    paper = Key.from_root(make_profile("paper", width=64, height=64), ROOT)
    with pytest.raises(UsageError, match="paper"):
        api.hide(scene(32, 32), paper, search=preset(PROFILE), ledger=ledger)
    assert ledger.highest(key.id) == 0

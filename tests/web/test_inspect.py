"""What is shown of a picture: figures against its cover, scores of real detectors, and sentences that claim no more."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import csfnns
from csfnns.errors import Cancelled, PictureError
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import residual
from csfnns.images.output import encode_picture
from csfnns.keys import Key
from csfnns.profile import make_profile
from csfnns.steganalysis import DETECTORS, DetectorEntry, make_detector
from csfnns.web import inspect as room
from csfnns.web.inspect import NO_ALL_CLEAR, NO_PROOF, inspect, middle

Scene = Callable[..., Picture]


def png(picture: Picture) -> bytes:
    return encode_picture(picture, ".png")


def shown(part: bytes) -> Picture:
    return np.array(Image.open(io.BytesIO(part)))


def scores(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["detector"]: each for each in result["scores"]}


class Watcher:
    """A detector of another package: it suspects some pictures, and notes what it was shown."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.suspects: Callable[[Picture], bool] = lambda picture: True

    def score(self, picture: Picture) -> float:
        self.shapes.append(picture.shape)
        return 0.9 if self.suspects(picture) else 0.1


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    made = Watcher()
    DETECTORS.add("watcher", DetectorEntry(lambda: made, "a detector of this test", threshold=0.5))
    yield made
    DETECTORS.remove("watcher")


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.new(make_profile(width=64, height=64))


@pytest.fixture(scope="module")
def stego(key: Key) -> Picture:
    return csfnns.hide(csfnns.text("Nobody is here."), key).picture


def test_a_stego_is_compared_with_the_cover_made_again_from_its_key(key: Key, stego: Picture) -> None:
    result, parts = inspect(png(stego), key=key)
    cover = csfnns.cover_of(png(stego), key)
    assert result["figures"]["changed"] == pytest.approx(float((stego != cover).mean()))
    assert (shown(parts["difference"]) == residual(stego, cover)).all()
    assert set(parts) == {"residual", "energy", "difference"}
    assert [sum(channel) for channel in result["histogram"]] == 3 * [64 * 64]
    assert result["histogram"][1] == np.bincount(stego[..., 1].ravel(), minlength=256).tolist()
    expose = scores(result)["stegexpose"]
    assert expose["score"] == make_detector("stegexpose").score(stego)
    assert expose["cover_score"] == make_detector("stegexpose").score(cover)
    assert any("from the plain cover in" in sentence for sentence in result["sentences"])
    assert result["sentences"][-2:] == [NO_PROOF, NO_ALL_CLEAR]


def test_a_turned_stego_is_turned_back_to_be_compared(key: Key, stego: Picture) -> None:
    straight, _ = inspect(png(stego), key=key)
    turned, parts = inspect(png(np.ascontiguousarray(np.rot90(stego)[:, ::-1])), key=key)
    assert turned["figures"] == straight["figures"]
    assert any("turned or mirrored" in sentence for sentence in turned["sentences"])
    assert (shown(parts["difference"]) == residual(stego, csfnns.cover_of(png(stego), key))).all()


def test_another_key_says_so_and_goes_on(stego: Picture) -> None:
    result, parts = inspect(png(stego), key=Key.new(make_profile(width=64, height=64)))
    assert "no plain cover to compare with" in result["sentences"][0]
    assert "figures" not in result
    assert "difference" not in parts
    assert all(each["cover_score"] is None for each in result["scores"])
    assert scores(result)["stegexpose"]["score"] is not None


def test_a_reference_of_another_size_says_so_and_goes_on(scene: Scene) -> None:
    result, parts = inspect(png(scene(64, 80)), png(scene(64, 64)))
    assert "80x64 and 64x64 pixels" in result["sentences"][0]
    assert "figures" not in result
    assert "difference" not in parts


def test_equal_pictures_have_figures_that_json_can_hold(scene: Scene) -> None:
    result, _ = inspect(png(scene(64, 64)), png(scene(64, 64)))
    assert result["figures"]["psnr"] is None
    assert "equals the reference" in result["sentences"][0]
    json.dumps(result, allow_nan=False)


def test_replaced_bits_are_suspected_and_the_plain_picture_is_not(scene: Scene) -> None:
    plain = scene(128, 128)
    bits = np.random.default_rng(1).integers(0, 2, plain.shape, np.uint8)
    result, _ = inspect(png(plain & 254 | bits), png(plain))
    expose = scores(result)["stegexpose"]
    assert expose["verdict"] == "suspicious"
    assert expose["cover_score"] < expose["threshold"] == 0.2
    assert "Kodak photographs" in expose["false_alarms"]


def test_a_detector_that_suspects_the_plain_cover_too_is_said_to_prove_nothing(
    watcher: Watcher, key: Key, stego: Picture
) -> None:
    result, _ = inspect(png(stego), key=key)
    (about,) = (each for each in result["sentences"] if "as well" in each)
    assert about.startswith("The plain cover, which holds nothing, is suspected by")
    assert "watcher" in about
    watcher.suspects = lambda picture: bool((picture == stego).all())
    result, _ = inspect(png(stego), key=key)
    assert not any("watcher as well" in each for each in result["sentences"])
    assert scores(result)["watcher"]["verdict"] == "suspicious"


def test_detectors_without_weights_are_listed_with_the_reason(scene: Scene) -> None:
    result, _ = inspect(png(scene(64, 64)))
    assert set(scores(result)) == set(DETECTORS.names())
    spam = scores(result)["spam"]
    assert (spam["verdict"], spam["score"]) == ("not available", None)
    assert "train" in spam["reason"] or "extra" in spam["reason"]


def test_of_large_pictures_the_middle_is_analysed(
    watcher: Watcher, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SIDE", 64)
    picture = scene(40, 200)
    result, parts = inspect(png(picture), png(picture))
    assert watcher.shapes == 2 * [(40, 64, 3)]
    assert {shown(part).shape for part in parts.values()} == {(40, 64, 3)}
    assert sum(result["histogram"][0]) == 40 * 200
    assert any("200x40 pixels" in sentence for sentence in result["sentences"])
    assert (middle(picture, 64) == picture[:, 68:132]).all()


def test_the_smallest_picture_has_no_scores_and_no_verdict() -> None:
    result, parts = inspect(png(np.zeros((1, 1, 3), np.uint8)))
    assert {each["verdict"] for each in result["scores"]} <= {"too small", "not available"}
    assert "too small for every detector" in result["sentences"][0]
    assert shown(parts["energy"]).shape == (1, 1, 3)
    json.dumps(result, allow_nan=False)


def test_levels_are_those_of_the_file(scene: Scene) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned
    Image.fromarray(scene(64, 80)).save(buffer, "PNG", exif=exif)
    result, parts = inspect(buffer.getvalue())
    assert shown(parts["residual"]).shape == (64, 80, 3)
    stored = read_picture(buffer.getvalue(), as_stored=True)
    assert result["histogram"][0] == np.bincount(stored[..., 0].ravel(), minlength=256).tolist()


def test_formats_that_no_stego_has_are_read_too(scene: Scene) -> None:
    buffer = io.BytesIO()
    frames = [Image.fromarray(scene(32, 40, which)) for which in (1, 2)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    _, parts = inspect(buffer.getvalue())
    assert shown(parts["residual"]).shape == (32, 40, 3)


def test_it_can_be_cancelled_between_detectors(watcher: Watcher, scene: Scene) -> None:
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        seen.append((done, total))
        return done < 2

    with pytest.raises(Cancelled):
        inspect(png(scene(64, 64)), progress=stop)
    assert seen == [(k, len(DETECTORS)) for k in range(3)]
    assert not watcher.shapes


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(PictureError):
        inspect(b"no picture")

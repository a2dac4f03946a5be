"""Previews: near what a message becomes, and nothing that anybody can reveal."""

from collections.abc import Callable

import numpy as np
import pytest

import csfnns
from csfnns import Cancelled, Key, NoMessageError, UsageError
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.messages.preview import LEAST_STEGO, Preview
from csfnns.methods import Trellis
from csfnns.profile import make_profile
from csfnns.stream import Seed

SIDE = 256


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.new(make_profile(width=SIDE, height=SIDE))


@pytest.fixture(scope="module")
def photo() -> Picture:
    return AbstractCovers(SIDE, SIDE)(Seed(bytes(32)))[:120, :160].copy()


def test_a_preview_follows_the_quality(key: Key, photo: Picture) -> None:
    (fresh,) = csfnns.fresh_covers(key, 1)
    preview = Preview(photo, key, fresh.picture)
    for quality in (24, 30, 34, 30):
        found = preview.at(quality)
        assert found.shown is not None
        assert found.shown.shape == photo.shape
        assert psnr(found.shown, photo) == pytest.approx(quality, abs=1.5)
        assert found.stego_psnr == psnr(found.stego, fresh.picture) > LEAST_STEGO
    hidden = csfnns.hide(photo, key, cover=fresh, method=Trellis(recovered=34, stego=LEAST_STEGO))
    assert hidden.stego.psnr == pytest.approx(preview.at(34).stego_psnr, abs=2.5)


@pytest.mark.parametrize("quality", [None, 30])
def test_nobody_reveals_a_preview(key: Key, photo: Picture, quality: float | None) -> None:
    (fresh,) = csfnns.fresh_covers(key, 1)
    for payload in (photo, csfnns.text("a text")):
        with pytest.raises(NoMessageError):
            csfnns.reveal(Preview(payload, key, fresh.picture).at(quality).stego, key)
    assert csfnns.reveal(csfnns.hide(csfnns.text("x"), key, cover=fresh), key).text == "x"  # it is still fresh


def test_a_file_arrives_unchanged_at_any_quality(key: Key) -> None:
    cover = csfnns.check_cover(key).picture
    found = Preview(csfnns.File(b"content" * 9, "a.txt"), key, cover).at(20)
    assert found.shown is None
    assert found.arrival.file is not None
    assert found.arrival.file.content == b"content" * 9


def test_a_large_picture_is_shown_scaled_and_described_as_it_is(key: Key, scene: Callable[..., Picture]) -> None:
    large = scene(700, 900, 4)
    found = Preview(large, key, csfnns.check_cover(key).picture).at(26)
    assert found.shown is not None
    assert found.shown.shape[0] * found.shown.shape[1] <= 512 * 512
    assert (found.arrival.width, found.arrival.height) == (900, 700)
    assert found.arrival.original_psnr == pytest.approx(
        Trellis(recovered=26, stego=40).forecast(SIDE * SIDE * 3, large).psnr
    )


def test_drawings_go_exactly_unless_a_quality_is_asked_for(key: Key) -> None:
    drawing = np.zeros((64, 64, 3), np.uint8)
    drawing[10:20] = 255
    cover = csfnns.check_cover(key).picture
    found = Preview(drawing, key, cover).at()
    assert found.arrival.form == "exact"
    assert found.shown is not None
    assert np.array_equal(found.shown, drawing)
    assert Preview(drawing, key, cover).at(30).arrival.form == "trellis"


def test_a_preview_is_cancelled(key: Key, photo: Picture) -> None:
    preview = Preview(photo, key, csfnns.check_cover(key).picture)
    with pytest.raises(Cancelled):
        preview.at(30, lambda done, steps: False)


def test_networks_have_no_preview(photo: Picture) -> None:
    robust = Key.new(make_profile("robust", width=SIDE, height=SIDE))
    with pytest.raises(UsageError, match="no preview with the profile 'robust'"):
        Preview(photo, robust, np.zeros((SIDE, SIDE, 3), np.uint8))

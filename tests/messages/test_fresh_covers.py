"""Covers that a sender chooses: one message each, of the key and the receivers that they were made for."""

from pathlib import Path

import numpy as np
import pytest

import csfnns
from csfnns import Cancelled, CoverError, FreshCover, Key, Robust, UsageError
from csfnns.profile import make_profile

SIDE = 192


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.new(make_profile(width=SIDE, height=SIDE))


@pytest.fixture
def fresh(key: Key) -> FreshCover:
    (made,) = csfnns.fresh_covers(key, 1)
    return made


def test_a_message_goes_on_the_chosen_cover(key: Key) -> None:
    covers = csfnns.fresh_covers(key, 3)
    assert len({each.picture.tobytes() for each in covers}) == 3
    hidden = csfnns.hide(csfnns.text("here"), key, cover=covers[1])
    assert np.array_equal(csfnns.cover_of(hidden, key), covers[1].picture)
    assert csfnns.reveal(hidden, key).text == "here"


def test_a_cover_carries_one_message(key: Key, fresh: FreshCover) -> None:
    csfnns.hide(csfnns.text("one"), key, cover=fresh)
    with pytest.raises(UsageError, match="carried a message already"):
        csfnns.hide(csfnns.text("two"), key, cover=fresh)


def test_what_failed_and_wrote_nothing_may_be_tried_again(key: Key, fresh: FreshCover, tmp_path: Path) -> None:
    photo = np.add.outer(np.arange(90), np.arange(120))[..., None].repeat(3, 2).astype(np.uint8)
    with pytest.raises(Cancelled):
        csfnns.hide(photo, key, cover=fresh, method="trellis", progress=lambda done, steps: False)
    out = tmp_path / "a.png"
    csfnns.hide(csfnns.text("again"), key, cover=fresh, out=out)
    assert csfnns.reveal(out, key).text == "again"


def test_a_cover_belongs_to_its_key_and_its_receivers() -> None:
    profile = make_profile(width=SIDE, height=SIDE)
    team = Key.new(profile, ["bob", "carol"])
    (both,) = csfnns.fresh_covers(team, 1)
    (bob,) = csfnns.fresh_covers(team, 1, receivers=["bob"])
    text = csfnns.text("x")
    for payload, cover in (({"bob": text}, both), ({"carol": text}, bob), ({"bob": text, "carol": text}, bob)):
        with pytest.raises(UsageError, match="another key, or for other receivers"):
            csfnns.hide(payload, team, cover=cover)
    with pytest.raises(UsageError, match="another key"):
        csfnns.hide(text, Key.new(profile), cover=both)
    assert csfnns.reveal(csfnns.hide({"bob": text}, team, cover=bob), team.for_receiver("bob")).text == "x"
    assert (
        csfnns.reveal(csfnns.hide({"bob": text, "carol": text}, team, cover=both), team.for_receiver("carol")).text
        == "x"
    )


def test_the_covers_of_an_album_cannot_be_chosen() -> None:
    album = make_profile(width=64, height=64, generator="folder", album="0" * 64)
    with pytest.raises(UsageError, match="album"):
        csfnns.fresh_covers(Key.new(album), 2)
    with pytest.raises(UsageError, match="count must be in"):
        csfnns.fresh_covers(Key.new(), 0)


def test_a_cover_that_loses_the_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine textures lose it by scaling. Making one would take many draws."""
    pytest.importorskip("torch", reason="the extra network is not installed")
    key = Key.new(make_profile("robust", width=256, height=256))
    monkeypatch.setattr(Robust, "address_survives", lambda *_: False)
    (made,) = csfnns.fresh_covers(key, 1)
    with pytest.raises(CoverError, match="does not survive jpeg"):
        csfnns.hide(csfnns.text("x"), key, cover=made)


def test_a_file_in_memory_keeps_its_name(key: Key) -> None:
    hidden = csfnns.hide(csfnns.File(b"content", "plan.pdf"), key)
    found = csfnns.reveal(hidden, key)
    assert (found.content, found.name, found.kind) == (b"content", "plan.pdf", "file")


@pytest.mark.parametrize(("format", "start"), [("png", b"\x89PNG"), ("webp", b"RIFF"), ("jpg", b"\xff\xd8")])
def test_the_format_of_what_is_not_written(key: Key, format: str, start: bytes) -> None:
    if format == "jpg":
        pytest.importorskip("jpeglib", reason="the extra jpeg is not installed")
    hidden = csfnns.hide(csfnns.text("x"), key, format=format)  # type: ignore[arg-type]
    assert hidden.data.startswith(start)
    assert csfnns.reveal(hidden.data, key).text == "x"

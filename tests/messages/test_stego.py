"""The address in a stego as it arrived: which carriers it can have, and which of the key's routes it is on."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from csfnns import Hidden, Key, Robust, hide, make_profile
from csfnns.images.io import Picture, fit
from csfnns.messages.stego import Stego, find_address, read_nonce
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
WIDE = make_profile(width=96, height=64)
ROBUST = make_profile("robust", width=128, height=128)
TEAM = ["ann", "bob", "eve"]
Scene = Callable[..., Picture]


@pytest.fixture(scope="module")
def robust(scene: Scene, fixed_nonces: None) -> Hidden:
    pytest.importorskip("torch", reason="needs the extra network")
    method = Robust(survive="jpeg:90/420", steps=50, beta=0.2)
    return hide(scene(32, 32), Key.from_root(ROBUST, ROOT), method=method)


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_stego_is_decoded_when_its_pixels_are_first_used(scene: Scene) -> None:
    """The size comes from the header of the file, whatever follows."""
    file = png(scene(64, 96))
    stego = Stego(file[:60])
    assert stego.size == (64, 96)
    assert not stego.fits(SMALL)
    assert find_address(stego, Key.from_root(SMALL, ROOT)) is None


@pytest.mark.parametrize(
    ("size", "standard", "robust"),
    [
        ((64, 96), True, True),
        ((96, 64), True, True),
        ((64, 64), False, True),
        ((32, 48), False, True),
        ((256, 384), False, True),
        ((257, 384), False, False),
        ((15, 24), False, False),
    ],
)
def test_sizes_that_a_stego_can_have(size: tuple[int, int], standard: bool, robust: bool) -> None:
    """Robust ones may have been scaled to a quarter or four times the sides."""
    stego = Stego(np.zeros((*size, 3), np.uint8))
    assert stego.fits(WIDE) == standard
    assert stego.fits(make_profile("robust", width=96, height=64)) == robust


@pytest.mark.parametrize(("method", "carrier"), [("direct", "levels"), ("grain", "levels"), ("jpeg", "coefficients")])
def test_the_address_is_found_in_its_carrier(method: str, carrier: str) -> None:
    if method == "jpeg":
        pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    stego = Stego(hide(b"x", key, method=method).data)
    found = find_address(stego, key)
    assert found is not None
    assert (found.carrier, found.route.author) == (carrier, None)
    assert read_nonce(stego, key.profile, key.route().link.address_key(), found.carrier)
    assert read_nonce(stego, key.profile, ROOT, found.carrier) is None
    assert read_nonce(stego, key.profile, key.route().link.address_key(), "projections") is None


@pytest.mark.parametrize(
    ("payload", "author", "readers", "ends"),
    [
        ({"bob": b"x"}, "sender", {"bob"}, {"sender", "bob"}),
        ({"ann": b"x", "bob": b"y"}, "sender", set(TEAM), {"sender", "ann", "bob", "eve"}),
        ("answer", "bob", {"sender"}, {"sender", "bob"}),
    ],
)
def test_the_route_names_author_and_readers(
    payload: dict[str, bytes] | str, author: str, readers: set[str], ends: set[str]
) -> None:
    sender = Key.from_root(SMALL, ROOT, TEAM)
    keys = {"sender": sender} | {name: sender.for_receiver(name) for name in TEAM}
    sent = hide(b"x", keys["bob"]) if isinstance(payload, str) else hide(payload, sender)
    for name, key in keys.items():
        found = find_address(Stego(sent.data), key)
        assert (found is not None) == (name in ends)
        if found is not None:
            assert found.route.author == author
            assert set(found.route.readers) == (readers if name == "sender" else readers & {name, "sender"})


def test_robust_addresses_are_found_after_compression_and_scaling(robust: Hidden) -> None:
    key, arrived = Key.from_root(ROBUST, ROOT), []
    buffer = io.BytesIO()
    Image.fromarray(robust.picture).save(buffer, "JPEG", quality=85)
    arrived = [robust.data, buffer.getvalue(), fit(robust.picture, 256, 256)]
    found = [find_address(Stego(each), key) for each in arrived]
    assert [None if each is None else each.carrier for each in found] == ["projections"] * 3
    assert len({each.nonce for each in found if each is not None}) == 1
    assert find_address(Stego(robust.data), Key.from_root(ROBUST, ROOT.derive("other"))) is None


def test_a_file_that_is_no_usual_jpeg_has_no_coefficients(scene: Scene) -> None:
    grey, progressive = io.BytesIO(), io.BytesIO()
    Image.fromarray(scene(64, 64)[..., 0]).save(grey, "JPEG")
    Image.fromarray(scene(64, 64)).save(progressive, "PNG")
    for file in (grey.getvalue(), progressive.getvalue(), b"\xff\xd8\xff\xe0"):
        assert Stego(file).coefficients is None

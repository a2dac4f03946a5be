"""What every method of the registry keeps to, those of other packages included."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest

from csfnns import Key, NoMessageError, UsageError, hide, make_profile, reveal
from csfnns.extras import has
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.messages.send import encode_file
from csfnns.messages.stego import Stego, find_address, read_nonce
from csfnns.methods import METHODS, Envelope, ReceiverSeeds
from csfnns.profile import Profile
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
NAMES = METHODS.names()
SETTINGS: dict[str, dict[str, Any]] = {
    "trellis": {"states": 64},
    "robust": {"steps": 60, "survive": "jpeg:90/420"},
    "paper": {"steps": 60},
}
"""Quicker settings of single methods; others are made as they are."""
DATA = b"exactly these bytes"
ENVELOPE = Envelope(ROOT.derive("address"), bytes(range(1, 17)))
SEEDS = [ReceiverSeeds(ROOT.derive(f"decoder/{i}"), ROOT.derive(f"header/{i}")) for i in range(3)]
Scene = Callable[..., Picture]


def profile_of(name: str) -> Profile:
    if name == "robust":
        return make_profile("robust", width=192, height=192)
    if name == "paper":
        return make_profile("paper", width=64, height=64, channels=32)
    return make_profile(width=96, height=96)


def made(name: str) -> Any:
    """The method, bound to a small profile; the test is skipped where its extras are missing."""
    missing = [extra for extra in METHODS[name].extras if not has(extra)]
    if missing:
        pytest.skip(f"needs the extra {missing[0]}")
    method = METHODS.make(name, **SETTINGS.get(name, {}))
    if any(field.name == "profile" for field in fields(method)):
        method = replace(method, profile=profile_of(name))
    return method


def payload_for(name: str, scene: Scene, which: int = 1) -> Any:
    return scene(24, 20, which) if METHODS[name].carries == "pictures" else DATA + bytes([which])


def cover_for(name: str, scene: Scene) -> Picture:
    profile = profile_of(name)
    return scene(profile.height, profile.width, 7)


def assert_arrives(found: Any, sent: Any) -> None:
    if isinstance(sent, bytes):
        assert found == sent
    elif found.grid.shape == sent.shape:
        assert psnr(found.grid, sent) > 25
    else:
        assert found.grid.shape[2] == 3


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, scene: Scene) -> tuple[str, Any, Picture, Any]:
    """Name, method, cover and what it embedded for one receiver, with an address."""
    name = request.param
    method, cover = made(name), cover_for(name, scene)
    return name, method, cover, method.embed(cover, {SEEDS[0]: payload_for(name, scene)}, envelope=ENVELOPE)


def test_entries_describe_themselves() -> None:
    for name in NAMES:
        entry = METHODS[name]
        assert entry.help.endswith(".")
        assert len(entry.help) < 72
        assert entry.carries in ("bytes", "pictures", "both")


def test_a_method_is_a_frozen_dataclass_with_a_name_and_a_carrier(
    case: tuple[str, Any, Picture, Any],
) -> None:
    name, method, *_ = case
    assert method.name == name
    assert method.carrier in ("levels", "coefficients", "projections")
    with pytest.raises(FrozenInstanceError):
        setattr(method, fields(method)[0].name, None)


def test_what_is_embedded_is_extracted(case: tuple[str, Any, Picture, Any], scene: Scene) -> None:
    name, method, cover, stego = case
    assert_arrives(method.extract(stego, cover, SEEDS[0], envelope=ENVELOPE), payload_for(name, scene))


def test_the_address_is_read_from_the_written_file(case: tuple[str, Any, Picture, Any]) -> None:
    name, method, _, stego = case
    file, profile = Stego(encode_file(method, stego, "")), profile_of(name)
    found = read_nonce(file, profile, ENVELOPE.key, method.carrier)
    assert found is not None
    assert found[0] == ENVELOPE.nonce
    assert read_nonce(file, profile, ROOT, method.carrier) is None
    content = found[1].planes[0] if method.carrier == "coefficients" else found[1]
    assert np.array_equal(content, stego.planes[0] if method.carrier == "coefficients" else stego)


def test_other_seeds_and_a_plain_cover_hold_nothing(case: tuple[str, Any, Picture, Any]) -> None:
    _, method, cover, stego = case
    with pytest.raises(NoMessageError):
        method.extract(stego, cover, SEEDS[1], envelope=ENVELOPE)
    plain = method.plain(cover) if method.carrier == "coefficients" else cover
    with pytest.raises(NoMessageError):
        method.extract(plain, cover, SEEDS[0], envelope=ENVELOPE)


def test_without_an_envelope_there_is_no_address(case: tuple[str, Any, Picture, Any], scene: Scene) -> None:
    """For experiments that follow the paper to the letter."""
    name, method, cover, _ = case
    stego = method.embed(cover, {SEEDS[0]: payload_for(name, scene)})
    assert_arrives(method.extract(stego, cover, SEEDS[0]), payload_for(name, scene))
    file = Stego(encode_file(method, stego, ""))
    assert read_nonce(file, profile_of(name), ENVELOPE.key, method.carrier) is None


def test_the_cover_is_left_as_it_is_and_the_stego_has_its_size(
    case: tuple[str, Any, Picture, Any], scene: Scene
) -> None:
    name, method, cover, stego = case
    assert np.array_equal(cover, cover_for(name, scene))
    if method.carrier == "coefficients":
        assert stego.shape == cover.shape[:2]
    else:
        assert (stego.shape, stego.dtype) == (cover.shape, np.uint8)


def test_two_receivers_get_their_own(case: tuple[str, Any, Picture, Any], scene: Scene) -> None:
    name, method, cover, _ = case
    payloads = {SEEDS[i]: payload_for(name, scene, i) for i in range(2)}
    stego = method.embed(cover, payloads, envelope=ENVELOPE)
    for seeds, sent in payloads.items():
        assert_arrives(method.extract(stego, cover, seeds, envelope=ENVELOPE), sent)
    with pytest.raises(NoMessageError):
        method.extract(stego, cover, SEEDS[2], envelope=ENVELOPE)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_goes_from_hide_to_reveal(name: str, scene: Scene) -> None:
    key = Key.from_root(profile_of(name), ROOT)
    made(name)
    settings = METHODS.make(name, **SETTINGS.get(name, {}))
    payload = payload_for(name, scene)
    sent = hide(payload, key, method=settings)
    found = reveal(sent.data, key)
    assert sent.method == name
    assert (found.id, found.kind) == (sent.id, "file" if isinstance(payload, bytes) else "picture")
    assert find_address(Stego(sent.data), Key.from_root(profile_of(name), ROOT.derive("other"))) is None


@pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name].carries == "pictures"])
def test_a_method_for_pictures_refuses_files(name: str) -> None:
    made(name)
    with pytest.raises(UsageError, match=f"'{name}' carries pictures") as caught:
        hide(DATA, Key.from_root(profile_of(name), ROOT), method=name)
    assert "direct" in caught.value.hint

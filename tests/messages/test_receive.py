"""Receiving: every form of a stego, what changes on the way leave of it, and errors that name the likely cause."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    CoverError,
    DamagedError,
    Decoy,
    Hidden,
    Key,
    NoMessageError,
    Paper,
    PictureError,
    Trellis,
    UsageError,
    check_cover,
    hide,
    make_decoy,
    make_profile,
    reveal,
)
from csfnns.covers import AlbumRegister, FolderCovers, make_generator
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.methods import Direct, Envelope, ReceiverSeeds
from csfnns.payloads.frame import pack
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
MEDIUM = make_profile(width=96, height=96)
PAPER = make_profile("paper", width=64, height=64, channels=32)
SHAPE = 36, 48
TEAM = ["ann", "bob", "eve"]
Scene = Callable[..., Picture]


@pytest.fixture
def key() -> Key:
    return Key.from_root(MEDIUM, ROOT)


@pytest.fixture
def small() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture(scope="module")
def hidden(scene: Scene, fixed_nonces: None) -> Hidden:
    """A picture by the trellis method."""
    return hide(scene(*SHAPE), Key.from_root(MEDIUM, ROOT), method=Trellis(states=256))


@pytest.fixture(scope="module")
def file(fixed_nonces: None) -> Hidden:
    """500 bytes by direct coding."""
    return hide(noise(500), Key.from_root(SMALL, ROOT), name="report.pdf")


@pytest.fixture(scope="module")
def two(scene: Scene, fixed_nonces: None) -> Hidden:
    """Pictures for ann and bob; eve gets nothing."""
    secrets = {"ann": scene(20, 24, 1), "bob": scene(24, 20, 2)}
    return hide(secrets, Key.from_root(MEDIUM, ROOT, TEAM), method=Trellis(states=64))


def noise(n: int) -> bytes:
    return ROOT.derive("test/receive").stream().take(n)


def saved(picture: Picture, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **options)
    return buffer.getvalue()


def moved(picture: Picture, places: Any, by: int = 1) -> Picture:
    """The levels at these places moved by `by`: up, and down from the upper half."""
    levels = picture.reshape(-1).astype(np.int16)
    levels[places] += np.where(levels[places] > 127, -by, by).astype(np.int16)
    return levels.astype(np.uint8).reshape(picture.shape)


# Forms


@pytest.mark.parametrize("form", ["image", "bytes", "webp", "path", "string", "hidden", "array"])
def test_a_stego_may_be_given_in_any_form(form: str, hidden: Hidden, key: Key, tmp_path: Path) -> None:
    path = tmp_path / "stego.png"
    hidden.save(path)
    forms: dict[str, Any] = {
        "image": Image.fromarray(hidden.picture),
        "bytes": path.read_bytes(),
        "webp": saved(hidden.picture, "WEBP", lossless=True),
        "path": path,
        "string": str(path),
        "hidden": hidden,
        "array": hidden.picture,
    }
    found = reveal(forms[form], key)
    assert np.array_equal(found.picture, reveal(hidden.picture, key).picture)
    assert (found.id, found.author, found.unchanged, found.denoised) == (hidden.id, None, True, False)


@pytest.mark.parametrize("stego", [b"", b"no picture", "missing.png", 5, None])
def test_what_is_no_picture_is_refused_as_such(stego: Any, small: Key) -> None:
    with pytest.raises(PictureError) as caught:
        reveal(stego, small)
    assert caught.value.hint


def test_a_truncated_file_is_refused_as_such(file: Hidden, small: Key) -> None:
    with pytest.raises(PictureError):
        reveal(file.data[: len(file.data) // 2], small)


# Receivers


@pytest.mark.parametrize(("name", "shape", "which"), [("ann", (20, 24), 1), ("bob", (24, 20), 2)])
def test_each_receiver_gets_their_own(name: str, shape: tuple[int, int], which: int, two: Hidden, scene: Scene) -> None:
    team = Key.from_root(MEDIUM, ROOT, TEAM)
    found = reveal(two, team.for_receiver(name))
    assert (found.receiver, found.author, found.unchanged) == (name, "sender", True)
    assert psnr(found.picture, scene(*shape, which)) > 28
    arrival = two.receivers[name].figures
    assert arrival is not None
    assert arrival.psnr == psnr(found.picture, scene(*shape, which))
    assert np.array_equal(found.picture, reveal(two, team, receiver=name).picture)


def test_the_sender_reads_the_first_part_unless_a_receiver_is_named(two: Hidden) -> None:
    assert reveal(two, Key.from_root(MEDIUM, ROOT, TEAM)).receiver == "ann"


def test_a_receiver_without_a_part_sees_that_there_is_nothing_for_them(two: Hidden) -> None:
    with pytest.raises(NoMessageError, match="nothing for you can be read") as caught:
        reveal(two, Key.from_root(MEDIUM, ROOT, TEAM).for_receiver("eve"))
    assert not isinstance(caught.value, DamagedError)
    with pytest.raises(NoMessageError, match="nothing for you can be read"):
        reveal(two, Key.from_root(MEDIUM, ROOT, TEAM), receiver="eve")


def test_a_receivers_key_reveals_for_no_other(two: Hidden) -> None:
    with pytest.raises(UsageError, match="not for 'bob'") as caught:
        reveal(two, Key.from_root(MEDIUM, ROOT, TEAM).for_receiver("ann"), receiver="bob")
    assert "ann" in caught.value.hint


# Nothing there


def test_another_key_finds_nothing(file: Hidden, two: Hidden, hidden: Hidden) -> None:
    other = ROOT.derive("other")
    keys = [Key.from_root(MEDIUM, other), Key.from_root(MEDIUM, other, ["zoe"]).for_receiver("zoe")]
    keys.append(Key.from_root(MEDIUM, other, TEAM).for_receiver("ann"))
    for key in keys:
        for stego in (two, hidden):
            with pytest.raises(NoMessageError, match="not for this key, or was changed") as caught:
                reveal(stego, key)
            assert not isinstance(caught.value, DamagedError)
    with pytest.raises(NoMessageError):
        reveal(file, Key.from_root(SMALL, ROOT, ["zoe"]))


def test_a_picture_that_was_turned_or_mirrored_is_turned_back(hidden: Hidden, key: Key) -> None:
    for picture in (hidden.picture, hidden.picture[:, ::-1]):
        for turns in range(4):
            assert reveal(np.rot90(picture, turns), key).unchanged


def test_no_cover_is_made_for_a_foreign_picture(scene: Scene, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csfnns.messages.receive.make_generator", lambda *_: pytest.fail("made a cover"))
    for picture in (scene(96, 96, 9), check_cover(key).picture, np.zeros((96, 96, 3), np.uint8)):
        with pytest.raises(NoMessageError, match="not for this key"):
            reveal(picture, key)


def test_a_decoy_holds_nothing_and_is_recognised(small: Key) -> None:
    decoy = make_decoy(small)
    assert isinstance(decoy, Decoy)
    with pytest.raises(NoMessageError, match="nothing for you can be read"):
        reveal(decoy.picture, small)
    with pytest.raises(NoMessageError, match="not for this key"):
        reveal(decoy.picture, Key.from_root(SMALL, ROOT.derive("other")))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("scaled", "has 48x48 pixels, and this key's pictures have 96x96"),
        ("cropped", "has 96x95 pixels"),
        ("inverted", "changed all over on its way"),
        ("brightened", "changed all over on its way"),
        ("shifted", "changed on its way"),
        ("blurred", "changed on its way"),
        ("jpeg 50", "recompressed as a JPEG"),
        ("jpeg 100", "recompressed as a JPEG"),
    ],
)
def test_the_likely_cause_is_named_first(change: str, said: str, hidden: Hidden, key: Key) -> None:
    picture = hidden.picture
    changed: dict[str, Any] = {
        "scaled": fit(picture, 48, 48),
        "cropped": picture[:95],
        "inverted": 255 - picture,
        "brightened": np.minimum(picture, 253) + np.uint8(2),
        "shifted": np.roll(picture, 1, axis=1),
        "blurred": fit(fit(picture, 48, 48), 96, 96),
        "jpeg 50": saved(picture, "JPEG", quality=50),
        "jpeg 100": saved(picture, "JPEG", quality=100),
    }
    with pytest.raises(NoMessageError, match=said) as caught:
        reveal(changed[change], key)
    assert "--profile robust" in caught.value.hint or isinstance(caught.value, DamagedError)


# Changed on its way


def test_much_noise_leaves_nothing(hidden: Hidden, key: Key) -> None:
    places = np.random.default_rng(5).choice(hidden.picture.size, hidden.picture.size // 10, replace=False)
    with pytest.raises(NoMessageError) as caught:
        reveal(moved(hidden.picture, places), key)
    assert caught.value.hint


@pytest.mark.parametrize("amount", [1, 10, 100])
def test_changed_levels_give_an_error_and_never_other_bytes(amount: int, file: Hidden, small: Key) -> None:
    seen = []
    for label in range(6):
        places = np.random.default_rng(label).choice(file.picture.size, amount, replace=False)
        try:
            assert reveal(moved(file.picture, places), small).content == noise(500)
        except NoMessageError as error:
            seen.append(type(error))
    assert DamagedError in seen or amount > 10


# Hostile contents, from somebody who has the key


def planted(data: bytes, key: Key) -> Picture:
    """Stego with any bytes where a frame should be."""
    link, nonce = key.route().link, bytes([7] * 16)
    seeds = ReceiverSeeds(link.decoder_seed(nonce), link.header_seed(nonce))
    cover = make_generator(key.profile)(link.cover_seed(nonce))
    return Direct().embed(cover, {seeds: data}, envelope=Envelope(link.address_key(), nonce))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_unknown_versions_kinds_and_methods_are_named(at: int, small: Key) -> None:
    frame = bytearray(pack(b"hello"))
    frame[at] = 77
    with pytest.raises(NoMessageError, match="77") as caught:
        reveal(planted(bytes(frame), small), small)
    assert "Update" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\2\1\0", pack(b"hello")[:-1]])
def test_a_frame_that_is_cut_short_is_damage(data: bytes, small: Key) -> None:
    with pytest.raises(DamagedError):
        reveal(planted(data, small), small)


def test_a_file_that_unpacks_to_more_than_its_frame_states_is_refused(small: Key) -> None:
    frame = bytearray(pack(bytes(50_000)))
    frame[4:8] = (10).to_bytes(4, "big")
    with pytest.raises(DamagedError):
        reveal(planted(bytes(frame), small), small)


def test_an_address_alone_is_a_decoy(small: Key) -> None:
    link, nonce = small.route().link, bytes([8] * 16)
    cover = make_generator(SMALL)(link.cover_seed(nonce))
    picture = Direct("grain").decoy(cover, ROOT, envelope=Envelope(link.address_key(), nonce))
    with pytest.raises(NoMessageError, match="decoy"):
        reveal(picture, small)


# Networks


@pytest.fixture(scope="module")
def by_network(scene: Scene, fixed_nonces: None) -> Hidden:
    pytest.importorskip("torch", reason="needs the extra network")
    return hide(scene(64, 64, 3), Key.from_root(PAPER, ROOT), method=Paper(steps=80))


def test_a_picture_of_the_paper_arrives_and_is_denoised(by_network: Hidden, scene: Scene) -> None:
    key = Key.from_root(PAPER, ROOT)
    found, raw = reveal(by_network, key), reveal(by_network, key, denoise=False)
    assert (by_network.method, by_network.receivers["receiver"].form) == ("paper", "network")
    assert found.picture.shape == (32, 32, 3)
    assert (found.denoised, raw.denoised) == (True, False)
    for each in (found, raw):
        assert psnr(each.picture, fit(scene(64, 64, 3), 32, 32)) > 20


@pytest.mark.parametrize(("name", "method"), [("standard", Trellis(states=64)), ("paper", Paper(steps=80))])
def test_pictures_are_denoised_where_that_brings_them_closer(name: str, method: Any, scene: Scene) -> None:
    pytest.importorskip("torch", reason="needs the extra network")
    from csfnns.images.denoise import denoise

    key = Key.from_root(make_profile(name, width=128, height=128), ROOT)
    secret = np.ascontiguousarray(scene(64, 130, 3)[:, :64])  # the side without grain
    sent = hide(secret, key, method=method)
    raw, found = reveal(sent, key, denoise=False), reveal(sent, key)
    secret = fit(secret, *raw.picture.shape[:2])
    gain = psnr(denoise(raw.picture, raw.expected_psnr), secret) - psnr(raw.picture, secret)
    assert found.denoised == (gain > 1), gain  # dB


@pytest.mark.parametrize("change", ["jpeg", "noise", "other key"])
def test_the_paper_profile_refuses_what_holds_nothing(change: str, by_network: Hidden) -> None:
    key = Key.from_root(PAPER, ROOT.derive("other") if change == "other key" else ROOT)
    levels = by_network.picture + np.rint(3 * ROOT.stream().normals(by_network.picture.size)).reshape(64, 64, 3)
    pictures: dict[str, Any] = {
        "jpeg": saved(by_network.picture, "JPEG", quality=90),
        "noise": np.clip(levels, 0, 255).astype(np.uint8),
    }
    with pytest.raises(NoMessageError):
        reveal(pictures.get(change, by_network), key)


def test_pictures_of_the_trellis_method_are_not_denoised_with_any_profile(scene: Scene) -> None:
    pytest.importorskip("torch", reason="needs the extra network")
    key = Key.from_root(PAPER, ROOT)
    sent = hide(scene(16, 16), key, method="trellis")
    found = reveal(sent, key)
    assert not found.denoised
    assert psnr(found.picture, scene(16, 16)) == sent.least_recovered


def test_files_of_the_paper_profile_are_read_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Key.from_root(PAPER, ROOT)
    sent, decoy = hide(b"x", key), make_decoy(key)
    monkeypatch.setattr("csfnns.extras.has", lambda extra: extra != "network")
    assert reveal(sent, key).content == b"x"
    with pytest.raises(UsageError, match="needs the extra 'network'"):
        reveal(decoy.picture, key)


# Albums


def test_revealing_registers_the_picture_and_does_not_depend_on_the_register(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album, ours = tmp_path / "album", tmp_path / "ours"
    album.mkdir()
    for i in range(3):
        Image.fromarray(scene(70, 80, i)).save(album / f"{i}.png")
    profile = make_profile(
        width=64,
        height=64,
        generator="folder",
        album=FolderCovers(album, 64, 64).album_fingerprint,
    )
    key = Key.from_root(profile, ROOT)
    AlbumRegister().make_writer(key.id)
    sent = hide(b"x", key, covers=album)
    monkeypatch.setenv("CSFNNS_HOME", str(ours))
    assert reveal(sent, key, covers=album).content == b"x"
    assert len(AlbumRegister().used(key.id)) == 1
    (ours / "albums.sqlite3").write_bytes(b"damaged")
    assert reveal(sent, key, covers=album).content == b"x"
    with pytest.raises(CoverError):
        hide(b"x", key, covers=album)
    with pytest.raises(CoverError):
        reveal(sent, key)

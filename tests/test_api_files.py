"""Files through hide_file and reveal: byte for byte, or an error that says why not."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    HiddenFile,
    Key,
    Ledger,
    Revealed,
    RevealedFile,
    api,
    capacity,
    hide,
    hide_file,
    make_cover,
    make_profile,
    reveal,
    ways,
)
from csfnns.covers.folder import FolderCovers
from csfnns.errors import (
    CapacityError,
    CoverError,
    CsfnnsError,
    DamagedError,
    KeyFileError,
    NoMessageError,
    PictureError,
    SearchError,
    UsageError,
)
from csfnns.measure import psnr
from csfnns.payloads.file import Kind, pack
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct import Direct
from csfnns.search import preset
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
Scene = Callable[..., Picture]


@pytest.fixture
def key() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> HiddenFile:
    """500 bytes, hidden once for the tests that only look at it: number 1 of the key."""
    ledger = Ledger(tmp_path_factory.mktemp("sender") / "ledger.sqlite3")
    return hide_file(noise(500), Key.from_root(SMALL, ROOT), name="report.pdf", ledger=ledger)


def noise(n: int, label: str = "") -> bytes:
    """Bytes that nothing compresses."""
    return ROOT.derive(f"test/files/{label}").stream().take(n)


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def found_in(stego: Any, key: Key, **options: Any) -> RevealedFile:
    found = reveal(stego, key, **options)
    assert isinstance(found, RevealedFile)
    return found


# Round trips


@pytest.mark.parametrize("content", [b"", b"x", noise(300), noise(2200), bytes(20_000)], ids=len)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_file_comes_back_byte_for_byte(content: bytes, suffix: str, key: Key, tmp_path: Path) -> None:
    source, out = tmp_path / "report.pdf", tmp_path / f"stego{suffix}"
    source.write_bytes(content)
    sent = hide_file(source, key, out=out)
    found = found_in(out, key)
    assert found.content == sent.sent["main"].content == content
    assert (found.name, found.kind, found.receiver) == ("report.pdf", Kind.FILE, "main")
    assert found.message == sent.message == 1
    assert np.array_equal(read_picture(out), sent.picture)
    assert Ledger().seen(key.id, "main") == {1}


@pytest.mark.parametrize("form", ["hidden", "array", "bytes", "path"])
def test_a_stego_may_be_given_in_any_form(form: str, sent: HiddenFile, key: Key, tmp_path: Path) -> None:
    path = tmp_path / "stego.png"
    sent.save(path)
    forms = {"hidden": sent, "array": sent.picture, "bytes": path.read_bytes(), "path": path}
    assert found_in(forms[form], key).content == noise(500)


def test_changes_are_of_one_level_and_few(sent: HiddenFile, key: Key) -> None:
    cover = make_cover(key, 1).picture
    assert sent.stego.max_abs == 1
    assert sent.stego.psnr == psnr(cover, sent.picture) > 58


@pytest.mark.parametrize("name", ["standard", "robust", "paper"])
def test_files_go_with_every_profile(name: str) -> None:
    key = Key.from_root(make_profile(name, width=64, height=96), ROOT)
    assert found_in(hide_file(noise(900), key, exact=True), key).content == noise(900)


def test_files_and_pictures_of_one_key_are_told_apart(key: Key, scene: Scene) -> None:
    quick = replace(preset(SMALL), steps=60)
    stegos = [hide_file(b"one", key), hide(scene(40, 40), key, search=quick), hide_file(b"three", key)]
    found = [reveal(each, key) for each in stegos]
    assert [type(each) for each in found] == [RevealedFile, Revealed, RevealedFile]
    assert [each.message for each in found] == [1, 2, 3]
    assert psnr(found[1].picture, scene(40, 40)) > 20


def test_an_album_gives_covers_for_files(tmp_path: Path, scene: Scene) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for i in range(3):
        Image.fromarray(scene(80, 90, i)).save(album / f"{i}.png")
    fingerprint = FolderCovers(album, 64, 64).album_fingerprint
    key = Key.from_root(make_profile(width=64, height=64, generator="folder", album=fingerprint), ROOT)
    with pytest.raises(CoverError):
        hide_file(b"x", key)
    stego = hide_file(noise(400), key, album=album)
    assert found_in(stego, key, album=album).content == noise(400)
    assert stego.message == 1


def test_receivers_get_their_own_and_nobody_elses() -> None:
    key = Key.from_root(SMALL, ROOT, ["ann", "bob", "eve"])
    sent = hide_file({"ann": noise(900, "ann"), "bob": noise(40, "bob")}, key)
    for name, n in (("ann", 900), ("bob", 40)):
        found = found_in(sent, key.for_receiver(name))
        assert (found.content, found.receiver) == (noise(n, name), name)
        assert found_in(sent, key, receiver=name).content == noise(n, name)
    with pytest.raises(DamagedError):
        reveal(sent, key.for_receiver("eve"), message=1)


# Refused: for people who reveal


def test_another_key_finds_nothing(sent: HiddenFile) -> None:
    for message in (None, 1):
        with pytest.raises(NoMessageError) as caught:
            reveal(sent, Key.new(SMALL), message=message)
        assert caught.value.hint
    with pytest.raises(DamagedError):
        reveal(sent, Key.from_root(SMALL, ROOT, ["other"]), message=1)


@pytest.mark.parametrize("amount", [1, 20, 150])
def test_changed_pixels_are_damage_and_no_other_bytes(amount: int, sent: HiddenFile, key: Key) -> None:
    changed = sent.picture.copy().reshape(-1)
    cover = make_cover(key, 1).picture.reshape(-1)
    touched = np.flatnonzero(changed != cover)[:amount]
    changed[touched] = cover[touched]
    with pytest.raises(DamagedError) as caught:
        reveal(changed.reshape(sent.picture.shape), key, message=1)
    assert caught.value.hint


def test_a_jpeg_copy_is_damage(sent: HiddenFile, key: Key) -> None:
    buffer = io.BytesIO()
    Image.fromarray(sent.picture).save(buffer, "JPEG", quality=95)
    with pytest.raises(DamagedError):
        reveal(buffer.getvalue(), key, message=1)


def test_a_large_change_of_one_level_is_named_as_damage(sent: HiddenFile, key: Key) -> None:
    """Levels that differ by more than one are looked at as a picture's first, and as a file's then."""
    changed = sent.picture.copy()
    changed[-1, -1] ^= 64
    with pytest.raises(DamagedError):
        reveal(changed, key, message=1)


def planted(data: bytes, key: Key, message: int = 1) -> Picture:
    """Stego with any bytes where a frame should be, from somebody who has the key."""
    seeds = ReceiverSeeds(key.decoder_seed("main", message), key.header_seed("main", message))
    return Direct().embed(make_cover(key, message).picture, {seeds: data})


@pytest.mark.parametrize("at", [0, 1, 2])
def test_versions_kinds_and_methods_of_the_future_are_told(at: int, key: Key) -> None:
    frame = bytearray(pack(b"hello"))
    frame[at] = 77
    with pytest.raises(NoMessageError, match="77") as caught:
        reveal(planted(bytes(frame), key), key)
    assert "Update" in caught.value.hint
    assert Ledger().seen(key.id, "main") == set()


def test_a_file_that_unpacks_to_more_than_it_says_is_refused(key: Key) -> None:
    frame = bytearray(pack(bytes(50_000)))
    frame[4:8] = (10).to_bytes(4, "big")
    with pytest.raises(DamagedError):
        reveal(planted(bytes(frame), key), key)


# Refused: for people who hide


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        ("missing", PictureError),
        ("folder", PictureError),
        ("huge", CapacityError),
        ("unequal", CapacityError),
        ("lossy", PictureError),
        ("taken", PictureError),
        ("input", PictureError),
        ("nobody", UsageError),
        ("stranger", UsageError),
        ("no picture", PictureError),
        ("receiver", KeyFileError),
    ],
)
def test_what_cannot_be_costs_no_message_number(
    problem: str, error: type[CsfnnsError], tmp_path: Path
) -> None:
    key = Key.from_root(SMALL, ROOT, ["ann", "bob"])
    (tmp_path / "taken.png").write_bytes(b"precious")
    cases: dict[str, tuple[Any, Key, dict[str, Any]]] = {
        "missing": ({"ann": tmp_path / "missing.pdf"}, key, {}),
        "folder": ({"ann": tmp_path}, key, {}),
        "huge": ({"ann": noise(2600)}, key, {}),
        "unequal": ({"ann": noise(2300), "bob": noise(310)}, key, {}),
        "lossy": ({"ann": b"x"}, key, {"out": tmp_path / "stego.gif"}),
        "taken": ({"ann": b"x"}, key, {"out": tmp_path / "taken.png"}),
        "input": (
            {"ann": tmp_path / "taken.png"},
            key,
            {"out": tmp_path / "taken.png", "overwrite": True},
        ),
        "nobody": ({}, key, {}),
        "stranger": ({"dan": b"x"}, key, {}),
        "no picture": ({"ann": b"x"}, key, {"avif": "always"}),
        "receiver": (b"x", key.for_receiver("ann"), {}),
    }
    source, sender, options = cases[problem]
    with pytest.raises(error) as caught:
        hide_file(source, sender, **options)
    assert caught.value.hint
    assert Ledger().highest(key.id) == 0
    assert [path.name for path in tmp_path.glob("*.*")] == ["taken.png"]
    assert (tmp_path / "taken.png").read_bytes() == b"precious"


def test_a_little_too_much_leaves_no_file(key: Key, tmp_path: Path) -> None:
    with pytest.raises(CapacityError) as caught:
        hide_file(noise(2440), key, out=tmp_path / "stego.png")
    assert caught.value.hint
    assert not list(tmp_path.glob("stego*"))


def test_what_was_written_wrong_is_not_sent(
    key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault on the way into the file is put in: it must be noticed before there is one."""
    write = ways.encode_picture

    def faulty(picture: Picture, suffix: str) -> bytes:
        return write(np.where(np.arange(64)[:, None, None] > 30, picture, picture ^ 1), suffix)

    monkeypatch.setattr(ways, "encode_picture", faulty)
    with pytest.raises(SearchError):
        hide_file(noise(2000), key, out=tmp_path / "stego.png")
    assert not list(tmp_path.glob("stego*"))


# Saving


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("report.pdf", "report.pdf"),
        ("../../.ssh/authorized_keys", "authorized_keys"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("con.txt", "_con.txt"),
        ("gpj.\u202efdp.exe", "gpj.fdp.exe"),
        ("..", "message-1.bin"),
    ],
)
def test_a_folder_gets_the_file_under_a_safe_name(name: str, saved: str, key: Key, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    found = found_in(hide_file(b"content", key, name=name), key)
    assert found.save(folder) == folder / saved
    assert (folder / saved).read_bytes() == b"content"
    assert [path.name for path in folder.iterdir()] == [saved]


def test_saving_never_replaces_a_file_unless_told(sent: HiddenFile, key: Key, tmp_path: Path) -> None:
    found, path = found_in(sent, key), tmp_path / "report.pdf"
    path.write_bytes(b"precious")
    for place in (path, tmp_path):
        with pytest.raises(PictureError, match="already exists"):
            found.save(place)
    assert path.read_bytes() == b"precious"
    assert found.save(tmp_path, overwrite=True) == path
    assert path.read_bytes() == noise(500)
    with pytest.raises(PictureError):
        found.save(tmp_path / "nowhere" / "report.pdf")


def test_a_picture_that_was_searched_goes_into_a_folder_too(key: Key, scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    hidden = hide(scene(30, 40), key, search=replace(preset(SMALL), steps=60))
    path = reveal(hidden, key).save(tmp_path / "in")
    assert path.name == "message-1.png"
    assert read_picture(path).shape == (30, 40, 3)


# Pictures, exactly


@pytest.fixture
def photo(scene: Scene, tmp_path: Path) -> Path:
    """36 kB: too much for a cover of 128x128."""
    path = tmp_path / "photo.png"
    path.write_bytes(png(scene(120, 160)))
    assert path.stat().st_size > 20_000
    return path


@pytest.fixture
def middle() -> Key:
    return Key.from_root(make_profile(width=128, height=128), ROOT)


def test_a_picture_that_fits_keeps_its_own_bytes(middle: Key, scene: Scene) -> None:
    small = png(scene(24, 24))
    sent = hide_file(small, middle, avif="needed")
    assert sent.sent["main"].content == small
    assert sent.recovered == {}
    assert found_in(sent, middle).kind is Kind.PICTURE


@pytest.mark.parametrize("avif", ["needed", "always"])
def test_a_picture_goes_as_the_best_avif_that_fits(avif: Any, middle: Key, photo: Path) -> None:
    sent = hide_file(photo, middle, avif=avif)
    assert sent.stego.psnr == pytest.approx(ways.AVIF_STEGO["pixels"], abs=0.5)
    found = found_in(sent, middle)
    assert (found.kind, found.name) == (Kind.PICTURE, "photo.avif")
    shown, original = found.picture, read_picture(photo)
    figures = sent.recovered["main"]
    assert figures.psnr == psnr(shown, fit(original, *shown.shape[:2])) > 30


def test_a_picture_that_is_much_too_large_is_scaled_down(key: Key, scene: Scene) -> None:
    photo = scene(300, 400)
    shown = found_in(hide_file(png(photo), key, avif="needed"), key).picture
    height, width = shown.shape[:2]
    assert 60 <= height < 300
    assert width / height == pytest.approx(4 / 3, rel=0.1)
    assert psnr(shown, fit(photo, height, width)) > 22


def test_a_picture_that_fits_in_no_size_is_refused(scene: Scene) -> None:
    key = Key.from_root(SMALL, ROOT, [f"reader-{i}" for i in range(8)])
    with pytest.raises(CapacityError, match="small copy"):
        hide_file(dict.fromkeys(key.names, png(scene(300, 400))), key, avif="always")


def test_a_file_that_is_no_picture_goes_beside_one_that_is(middle: Key, photo: Path, tmp_path: Path) -> None:
    key = Key.from_root(middle.profile, ROOT, ["ann", "bob"])
    sent = hide_file({"ann": photo, "bob": noise(1000)}, key, avif="needed")
    assert set(sent.recovered) == {"ann"}
    assert found_in(sent, key, receiver="bob").content == noise(1000)
    assert found_in(sent, key, receiver="ann").picture.ndim == 3


def test_a_picture_is_saved_as_what_its_name_says(middle: Key, photo: Path, tmp_path: Path) -> None:
    found = found_in(hide_file(photo, middle, avif="always"), middle)
    png_file, avif_file = found.save(tmp_path / "back.png"), found.save(tmp_path / "back.avif")
    assert png_file.read_bytes()[:4] == b"\x89PNG"
    assert np.array_equal(read_picture(png_file), found.picture)
    assert avif_file.read_bytes() == found.content
    assert found.save(tmp_path).name == "photo.avif"


def test_what_was_sent_as_a_file_is_never_converted(sent: HiddenFile, key: Key, tmp_path: Path) -> None:
    assert found_in(sent, key).save(tmp_path / "back.png").read_bytes() == noise(500)


def test_pictures_are_told_by_name_and_content(photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "photo.dat"
    other.write_bytes(photo.read_bytes())
    text = tmp_path / "P6 notes.txt"
    text.write_bytes(b"P6 is a runway, and no picture")
    assert all(map(api.is_picture, [photo, other, photo.read_bytes(), "missing.jpg"]))
    assert not any(map(api.is_picture, [text, b"BM", b"", "missing.pdf", tmp_path]))


# Capacity


def test_the_capacity_is_what_fits(key: Key) -> None:
    found = capacity(key, (60, 55))
    full = hide_file(noise(found.most), key, name="a name of 24 letters.pdf")
    assert found_in(full, key).content == noise(found.most)
    for level, size in found.at.items():
        assert hide_file(noise(size), key).stego.psnr > level - 0.4


def test_a_receiver_may_ask_for_the_capacity(key: Key) -> None:
    team = Key.from_root(SMALL, ROOT, ["ann"])
    assert capacity(team.for_receiver("ann")) == capacity(team)

"""Files and pictures through hide and reveal: byte for byte, as the best that fits, or an error that says why not."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    Hidden,
    Key,
    Ledger,
    Revealed,
    RevealedFile,
    api,
    capacity,
    hide,
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
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
Scene = Callable[..., Picture]


@pytest.fixture
def key() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    """500 bytes, hidden once for the tests that only look at it: number 1 of the key."""
    ledger = Ledger(tmp_path_factory.mktemp("sender") / "ledger.sqlite3")
    return hide(noise(500), Key.from_root(SMALL, ROOT), name="report.pdf", ledger=ledger)


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
    sent = hide(source, key, out=out)
    found, arrival = found_in(out, key), sent.receivers["main"]
    assert arrival.file is not None
    assert found.content == arrival.file.content == content
    assert (sent.carrier, arrival.method, arrival.width, arrival.figures) == ("pixels", "exact", None, None)
    assert (found.name, found.kind, found.receiver) == ("report.pdf", Kind.FILE, "main")
    assert found.message == sent.message == 1
    assert np.array_equal(read_picture(out), sent.picture)
    assert Ledger().seen(key.id, "main") == {1}


@pytest.mark.parametrize("form", ["hidden", "array", "bytes", "path"])
def test_a_stego_may_be_given_in_any_form(form: str, sent: Hidden, key: Key, tmp_path: Path) -> None:
    path = tmp_path / "stego.png"
    sent.save(path)
    forms = {"hidden": sent, "array": sent.picture, "bytes": path.read_bytes(), "path": path}
    assert found_in(forms[form], key).content == noise(500)


def test_changes_are_of_one_level_and_few(sent: Hidden, key: Key) -> None:
    cover = make_cover(key, 1).picture
    assert sent.stego.max_abs == 1
    assert sent.stego.psnr == psnr(cover, sent.picture) > 58


@pytest.mark.parametrize("name", ["standard", "robust", "paper"])
def test_files_go_with_every_profile(name: str) -> None:
    key = Key.from_root(make_profile(name, width=64, height=96), ROOT)
    assert found_in(hide(noise(900), key, exact=True), key).content == noise(900)


def test_files_and_pictures_of_one_key_are_told_apart(key: Key, scene: Scene) -> None:
    stegos = [hide(b"one", key), hide(scene(40, 40), key, send_as="picture"), hide(b"three", key)]
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
        hide(b"x", key)
    stego = hide(noise(400), key, album=album)
    assert found_in(stego, key, album=album).content == noise(400)
    assert stego.message == 1


def test_receivers_get_their_own_and_nobody_elses() -> None:
    key = Key.from_root(SMALL, ROOT, ["ann", "bob", "eve"])
    sent = hide({"ann": noise(900, "ann"), "bob": noise(40, "bob")}, key)
    assert sent.least_recovered == float("inf")
    for name, n in (("ann", 900), ("bob", 40)):
        found = found_in(sent, key.for_receiver(name))
        assert (found.content, found.receiver) == (noise(n, name), name)
        assert found_in(sent, key, receiver=name).content == noise(n, name)
    with pytest.raises(DamagedError):
        reveal(sent, key.for_receiver("eve"), message=1)


# Refused: for people who reveal


def test_another_key_finds_nothing(sent: Hidden) -> None:
    with pytest.raises(NoMessageError) as caught:
        reveal(sent, Key.new(SMALL), message=1)
    assert caught.value.hint
    with pytest.raises(DamagedError):
        reveal(sent, Key.from_root(SMALL, ROOT, ["other"]), message=1)


@pytest.mark.parametrize("amount", [1, 20, 150])
def test_changed_pixels_are_damage_and_no_other_bytes(amount: int, sent: Hidden, key: Key) -> None:
    changed = sent.picture.copy().reshape(-1)
    cover = make_cover(key, 1).picture.reshape(-1)
    touched = np.flatnonzero(changed != cover)[:amount]
    changed[touched] = cover[touched]
    with pytest.raises(DamagedError) as caught:
        reveal(changed.reshape(sent.picture.shape), key, message=1)
    assert caught.value.hint


def test_a_jpeg_copy_is_damage(sent: Hidden, key: Key) -> None:
    buffer = io.BytesIO()
    Image.fromarray(sent.picture).save(buffer, "JPEG", quality=95)
    with pytest.raises(DamagedError):
        reveal(buffer.getvalue(), key, message=1)


def test_a_large_change_of_one_level_is_named_as_damage(sent: Hidden, key: Key) -> None:
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
        "no picture": ({"ann": b"x"}, key, {"send_as": "picture"}),
        "receiver": (b"x", key.for_receiver("ann"), {}),
    }
    source, sender, options = cases[problem]
    with pytest.raises(error) as caught:
        hide(source, sender, **options)
    assert caught.value.hint
    assert Ledger().highest(key.id) == 0
    assert [path.name for path in tmp_path.glob("*.*")] == ["taken.png"]
    assert (tmp_path / "taken.png").read_bytes() == b"precious"


def test_a_little_too_much_leaves_no_file(key: Key, tmp_path: Path) -> None:
    with pytest.raises(CapacityError) as caught:
        hide(noise(2440), key, out=tmp_path / "stego.png")
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
        hide(noise(2000), key, out=tmp_path / "stego.png")
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
    found = found_in(hide(b"content", key, name=name), key)
    assert found.save(folder) == folder / saved
    assert (folder / saved).read_bytes() == b"content"
    assert [path.name for path in folder.iterdir()] == [saved]


def test_saving_never_replaces_a_file_unless_told(sent: Hidden, key: Key, tmp_path: Path) -> None:
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


def test_a_picture_goes_into_a_folder_too(key: Key, scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    hidden = hide(scene(30, 40), key, send_as="picture")
    path = reveal(hidden, key).save(tmp_path / "in")
    assert path.name == "message-1.png"
    assert read_picture(path).shape == (30, 40, 3)


# What is chosen for a picture


MIDDLE = make_profile(width=128, height=128)


@pytest.fixture
def middle() -> Key:
    return Key.from_root(MIDDLE, ROOT)


@pytest.fixture(scope="module")
def photo(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Too much for a cover of 128x128, byte for byte."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    path.write_bytes(png(scene(90, 120)))
    assert path.stat().st_size > 12_000
    return path


@pytest.fixture(scope="module")
def avif(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    """The photo by its own bytes' way, which it is too large for."""
    ledger = Ledger(tmp_path_factory.mktemp("avif") / "ledger.sqlite3")
    return hide(photo, Key.from_root(MIDDLE, ROOT), exact=True, ledger=ledger)


def drawing() -> Picture:
    """As a screenshot is: few colours, straight edges, far more pixels than a photograph could have."""
    page = np.full((150, 200, 3), 250, np.uint8)
    page[:20] = 40, 90, 160
    for line in range(35, 140, 12):
        page[line : line + 3, 10 : 60 + 7 * (line % 19)] = 30
    return page


@pytest.mark.parametrize("form", ["array", "png", "bmp"])
def test_a_drawing_comes_back_pixel_for_pixel(form: str, middle: Key) -> None:
    """As the shortest lossless copy, unless it is its own bytes."""
    buffer = io.BytesIO()
    Image.fromarray(drawing()).save(buffer, "BMP")
    sources: dict[str, Any] = {"array": drawing(), "png": png(drawing()), "bmp": buffer.getvalue()}
    sent = hide(sources[form], middle)
    arrival, found = sent.receivers["main"], found_in(sent, middle)
    assert (arrival.method, arrival.width, arrival.height) == ("exact", 200, 150)
    assert (arrival.figures, arrival.original_psnr) == (None, float("inf"))
    assert sent.stego.psnr > 60
    assert found.kind is Kind.PICTURE
    assert np.array_equal(found.picture, drawing())


def test_a_small_photograph_goes_by_the_trellis_decoder(middle: Key, scene: Scene) -> None:
    grainy = ROOT.stream().integers(32 * 32 * 3, 256).reshape(32, 32, 3).astype(np.uint8)
    for secret in (scene(56, 56), grainy):
        sent = hide(secret, middle)
        assert sent.receivers["main"].method == "trellis"
        assert sent.least_recovered == pytest.approx(38, abs=0.8)
        assert isinstance(reveal(sent, middle), Revealed)


def test_a_photograph_too_large_for_that_goes_as_avif(middle: Key, photo: Path) -> None:
    sent = hide(photo, middle)
    arrival, found = sent.receivers["main"], found_in(sent, middle)
    assert (arrival.method, found.kind, found.name) == ("avif", Kind.PICTURE, "photo.avif")
    assert sent.stego.psnr > 55.9
    original = read_picture(photo)
    assert arrival.original_psnr == psnr(fit(found.picture, *original.shape[:2]), original)
    by_trellis = hide(photo, middle, send_as="picture").receivers["main"]
    assert by_trellis.original_psnr is not None
    assert arrival.original_psnr > by_trellis.original_psnr


def test_a_picture_sent_as_a_picture_goes_by_the_trellis_decoder(middle: Key) -> None:
    sent = hide(drawing(), middle, send_as="picture")
    assert sent.receivers["main"].method == "trellis"
    assert reveal(sent, middle).picture.shape == (150, 200, 3)


def test_a_picture_sent_as_a_file_keeps_its_bytes_and_is_no_picture(
    middle: Key, scene: Scene, tmp_path: Path
) -> None:
    source = tmp_path / "photo.png"
    source.write_bytes(png(scene(40, 40)))
    sent = hide(source, middle, send_as="file")
    found = found_in(sent, middle)
    assert (found.content, found.kind, found.name) == (source.read_bytes(), Kind.FILE, "photo.png")
    assert (sent.receivers["main"].method, sent.receivers["main"].width) == ("exact", None)


def test_a_picture_that_shall_be_exact_keeps_its_own_bytes(middle: Key, scene: Scene) -> None:
    """One that would go by the trellis decoder otherwise."""
    small = png(scene(40, 40))
    sent = hide(small, middle, exact=True)
    assert sent.receivers["main"].method == "exact"
    assert sent.least_recovered == float("inf")
    found = found_in(sent, middle)
    assert (found.content, found.kind) == (small, Kind.PICTURE)


def test_a_picture_too_large_for_its_own_bytes_goes_as_the_best_avif_that_fits(
    avif: Hidden, middle: Key, photo: Path
) -> None:
    assert avif.stego.psnr == pytest.approx(ways.AVIF_STEGO["pixels"], abs=0.5)
    found, arrival = found_in(avif, middle), avif.receivers["main"]
    assert (arrival.method, found.kind, found.name) == ("avif", Kind.PICTURE, "photo.avif")
    shown, original = found.picture, read_picture(photo)
    assert arrival.figures is not None
    assert arrival.figures.psnr == avif.least_recovered == psnr(shown, fit(original, *shown.shape[:2])) > 30


def test_a_picture_may_go_as_avif_where_its_bytes_would_fit(middle: Key, scene: Scene) -> None:
    small = png(scene(40, 40))
    sent = hide(small, middle, exact=True, send_as="picture")
    assert sent.receivers["main"].method == "avif"
    assert found_in(sent, middle).content != small


def test_a_picture_that_is_much_too_large_is_scaled_down(key: Key, scene: Scene) -> None:
    photo = scene(300, 400)
    shown = found_in(hide(png(photo), key, exact=True), key).picture
    height, width = shown.shape[:2]
    assert 60 <= height < 300
    assert width / height == pytest.approx(4 / 3, rel=0.1)
    assert psnr(shown, fit(photo, height, width)) > 22


def test_a_picture_that_fits_in_no_size_is_refused(scene: Scene) -> None:
    key = Key.from_root(SMALL, ROOT, [f"reader-{i}" for i in range(8)])
    with pytest.raises(CapacityError, match="small copy"):
        hide(dict.fromkeys(key.names, png(scene(300, 400))), key, exact=True, send_as="picture")


def test_a_file_that_is_no_picture_goes_beside_one_that_is(middle: Key, photo: Path) -> None:
    key = Key.from_root(middle.profile, ROOT, ["ann", "bob"])
    sent = hide({"ann": photo, "bob": noise(1000)}, key, exact=True)
    assert {name: each.method for name, each in sent.receivers.items()} == {"ann": "avif", "bob": "exact"}
    assert found_in(sent, key, receiver="bob").content == noise(1000)
    assert found_in(sent, key, receiver="ann").picture.ndim == 3


def test_a_picture_is_saved_as_what_its_name_says(avif: Hidden, middle: Key, tmp_path: Path) -> None:
    found = found_in(avif, middle)
    png_file, avif_file = found.save(tmp_path / "back.png"), found.save(tmp_path / "back.avif")
    assert png_file.read_bytes()[:4] == b"\x89PNG"
    assert np.array_equal(read_picture(png_file), found.picture)
    assert avif_file.read_bytes() == found.content
    assert found.save(tmp_path).name == "photo.avif"


def test_what_was_sent_as_a_file_is_never_converted(sent: Hidden, key: Key, tmp_path: Path) -> None:
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
    full = hide(noise(found.most), key, name="a name of 24 letters.pdf")
    assert found_in(full, key).content == noise(found.most)
    for level, size in found.at.items():
        assert hide(noise(size), key).stego.psnr > level - 0.4


def test_a_receiver_may_ask_for_the_capacity(key: Key) -> None:
    team = Key.from_root(SMALL, ROOT, ["ann"])
    assert capacity(team.for_receiver("ann")) == capacity(team)

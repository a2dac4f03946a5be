"""Results: what they save and show, and what their one line of text leaves out."""

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
    PictureError,
    Revealed,
    check_cover,
    hide,
    make_decoy,
    make_profile,
    reveal,
    text,
)
from csfnns.images.header import picture_suffixes
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr
from csfnns.messages.results import KindName
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
CONTENT = ROOT.derive("test/results").stream().take(400)
Scene = Callable[..., Picture]


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture(scope="module")
def file(key: Key, fixed_nonces: None) -> Hidden:
    return hide(CONTENT, key, name="report.pdf")


@pytest.fixture(scope="module")
def picture(key: Key, scene: Scene, fixed_nonces: None) -> Hidden:
    """Through a decoder."""
    return hide(scene(24, 20), key, method="trellis")


@pytest.fixture(scope="module")
def avif(scene: Scene, fixed_nonces: None) -> Revealed:
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    return reveal(hide(scene(90, 120), key, name="photo.png", method="direct"), key)


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("report.pdf", "report.pdf"),
        ("../../.ssh/authorized_keys", "authorized_keys"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("con.txt", "_con.txt"),
        ("gpj.\u202efdp.exe", "gpj.fdp.exe.bin"),
        ("..", None),
        (None, None),
    ],
)
def test_a_folder_gets_the_file_under_a_safe_name(
    name: str | None, saved: str | None, key: Key, tmp_path: Path
) -> None:
    (tmp_path / "inbox").mkdir()
    found = reveal(hide(b"content", key, name=name), key)
    saved = saved or f"message-{found.id}.bin"
    assert found.save(tmp_path / "inbox") == tmp_path / "inbox" / saved
    assert (tmp_path / "inbox" / saved).read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == [saved]


def test_saving_replaces_no_file_without_overwrite(file: Hidden, key: Key, tmp_path: Path) -> None:
    found, path = reveal(file, key), tmp_path / "report.pdf"
    path.write_bytes(b"precious")
    for place, overwrite in ((path, False), (tmp_path, False), (tmp_path, True)):  # the sender's name replaces nothing
        with pytest.raises(PictureError, match="already exists"):
            found.save(place, overwrite=overwrite)
    assert path.read_bytes() == b"precious"
    assert found.save(path, overwrite=True) == path
    assert path.read_bytes() == CONTENT
    with pytest.raises(PictureError):
        found.save(tmp_path / "nowhere" / "report.pdf")


def test_pictures_and_text_have_names_of_their_own(picture: Hidden, key: Key, tmp_path: Path) -> None:
    found = reveal(picture, key)
    path = found.save(tmp_path)
    assert path.name == f"message-{picture.id}.png"
    assert np.array_equal(read_picture(path), found.picture)
    line = reveal(hide(text("hello"), key), key)
    assert line.save(tmp_path).name == f"message-{line.id}.txt"


def test_a_picture_is_saved_in_the_format_of_its_name(avif: Revealed, tmp_path: Path) -> None:
    assert (avif.kind, avif.name, avif.pixels) == ("picture", "photo.avif", None)
    png_file, avif_file = avif.save(tmp_path / "back.png"), avif.save(tmp_path / "back.avif")
    assert png_file.read_bytes()[:4] == b"\x89PNG"
    assert np.array_equal(read_picture(png_file), avif.picture)
    assert avif_file.read_bytes() == avif.content
    assert avif.save(tmp_path).name == "photo.avif"
    assert [avif.is_converted(name) for name in ("a.png", "a.webp", "a.avif")] == [True, True, False]


def test_a_file_is_never_converted(file: Hidden, key: Key, tmp_path: Path) -> None:
    found = reveal(file, key)
    assert found.save(tmp_path / "back.txt").read_bytes() == CONTENT
    with pytest.raises(PictureError, match="no picture"):
        found.save(tmp_path / "back.png")


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".png"])
def test_a_picture_is_saved_as_jpeg_too(suffix: str, avif: Revealed, picture: Hidden, key: Key, tmp_path: Path) -> None:
    for number, found in enumerate((avif, reveal(picture, key))):
        path = found.save(tmp_path / f"{number}{suffix}")
        assert suffix in picture_suffixes(path.read_bytes())
        assert psnr(read_picture(path), found.picture) > (25 if "j" in suffix else 99)
        assert found.is_converted(path) == (found is avif or "j" in suffix)


def revealed(content: bytes, name: str | None, kind: KindName = "file") -> Revealed:
    return Revealed(kind, content, None, name, "id", "receiver", None, None)


def moving() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "saved"),
    [
        (b"%PDF-1.7", "report.pdf", "report.pdf"),
        (b"%PDF-1.7", "report.png", "report.bin"),
        (b"\xff\xd8\xff\xe0", "photo.JPEG", "photo.JPEG"),
        (b"\xff\xd8\xff\xe0", "photo.png", "photo.jpg"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "photo.jpg", "photo.avif"),
        (b"GIF89a", None, "message-id.gif"),
        (b"II*\0", "IMG_1.NEF", "IMG_1.NEF"),
    ],
)
def test_nothing_is_saved_under_a_suffix_that_is_not_its_format(
    content: bytes, name: str | None, saved: str, tmp_path: Path
) -> None:
    path = revealed(content, name).save(tmp_path)
    assert (path.name, path.read_bytes()) == (saved, content)


@pytest.mark.parametrize(
    ("content", "suffix", "hint"),
    [
        (CONTENT, ".png", ".pdf"),
        (b"text", ".jpg", ".pdf"),
        (moving(), ".png", ".gif"),
        (moving(), ".jpg", ".gif"),
    ],
)
def test_files_and_animations_are_no_single_pictures(content: bytes, suffix: str, hint: str, tmp_path: Path) -> None:
    found = revealed(content, "report.pdf")
    assert not found.is_converted(f"back{suffix}")
    with pytest.raises(PictureError, match="cannot be saved") as caught:
        found.save(tmp_path / f"back{suffix}")
    assert caught.value.hint == f"Name the file {hint}."
    assert list(tmp_path.glob("back*")) == []


def test_a_picture_keeps_its_name(scene: Scene, key: Key, tmp_path: Path) -> None:
    for name, shown in (
        ("Ferien ☀.jpg", "Ferien ☀.png"),
        ("a/b.png", "b.png"),
        ("x" * 60 + ".png", "x" * 32 + ".png"),
    ):
        found = reveal(hide(scene(24, 20), key, name=name, method="trellis"), key)
        assert found.unchanged
        assert (found.content, found.name) == (None, shown)
        assert found.save(tmp_path).name == shown


def test_content_text_and_picture_of_each_kind(picture: Hidden, file: Hidden, key: Key) -> None:
    shown, sent = reveal(picture, key), reveal(file, key)
    assert shown.content is None
    with pytest.raises(PictureError, match="not text"):
        _ = shown.text
    with pytest.raises(PictureError):
        _ = sent.picture
    assert sent.pixels is None


def test_a_stego_is_saved_losslessly_only(file: Hidden, key: Key, tmp_path: Path) -> None:
    file.save(tmp_path / "a.png")
    file.save(tmp_path / "a.webp")
    for name in ("a.png", "a.webp"):
        assert reveal(tmp_path / name, key).content == CONTENT
    for name, said in (("b.jpg", "lossy"), ("b.gif", "256 colours"), ("b", "names no picture format")):
        with pytest.raises(PictureError, match=said):
            file.save(tmp_path / name)
    with pytest.raises(PictureError, match="already exists"):
        file.save(tmp_path / "a.png")


def test_a_message_in_coefficients_is_saved_as_jpg_only(tmp_path: Path) -> None:
    pytest.importorskip("jpeglib", reason="needs the extra jpeg")
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    hidden = hide(CONTENT[:60], key, method="jpeg")
    hidden.save(tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == hidden.data
    for suffix in (".png", ".webp"):
        with pytest.raises(PictureError, match="coefficients"):
            hidden.save(tmp_path / f"a{suffix}")
    assert reveal(tmp_path / "a.jpg", key).content == CONTENT[:60]


def test_results_are_one_line_without_pixels_content_or_seeds(
    file: Hidden, picture: Hidden, avif: Revealed, key: Key
) -> None:
    line = hide(text("attack at dawn"), key)
    results: list[Any] = [
        file,
        picture,
        avif,
        line,
        reveal(file, key),
        reveal(picture, key),
        reveal(line, key),
    ]
    results += [
        make_decoy(key),
        check_cover(key),
        key,
        Key.from_root(SMALL, ROOT, ["ann"]).for_receiver("ann"),
    ]
    results += [each.receivers for each in (file, picture, line)]
    results += [file.receivers["receiver"].file, line.receivers["receiver"].file, text("attack at dawn")]
    for each in results:
        shown = repr(each)
        assert "\n" not in shown
        assert len(shown) < 250
        for secret in ("array(", "dawn", "\\x", ROOT.data.hex(), repr(CONTENT[:8])[2:-1]):
            assert secret not in shown
    for each in (file, reveal(file, key)):
        assert each.id in repr(each)
    assert f"{file.stego.psnr:.1f} dB" in repr(file)
    assert "24 bytes" not in repr(line)


def test_notebooks_show_pictures(file: Hidden, picture: Hidden, avif: Revealed, key: Key) -> None:
    for each in (file, picture, avif, reveal(picture, key), make_decoy(key), check_cover(key)):
        data = each._repr_png_()
        assert data is not None
        assert np.array_equal(read_picture(data), each.picture)
    assert reveal(file, key)._repr_png_() is None

import contextlib
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageOps

from csfnns.errors import PictureError, UsageError
from csfnns.images.io import (
    Picture,
    fit,
    read_picture,
    restore,
    restored_shape,
)
from csfnns.images.metrics import psnr
from csfnns.images.output import check_output_name, write_atomically, write_picture

SIDES = st.integers(1, 65535)
SMALL = hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


def noise(height: int = 13, width: int = 19, channels: int = 3) -> Picture:
    return np.random.default_rng(5).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height: int, width: int) -> Picture:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(3 * x / width + c) + np.cos((4 + c) * y / height) for c in range(3)]
    return (127.5 + 60 * np.stack(waves, axis=-1)).astype(np.uint8)


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        parts += [struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(name + data))]
    return b"".join(parts)


def png_chunks(data: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        names.append(data[at + 4 : at + 8])
        at += 12 + length
    return names


def over_white(colour: Picture, alpha: Picture) -> Picture:
    share = alpha.astype(float) / 255
    return np.floor(colour * share + 255 * (1 - share) + 0.5 + 1e-9).astype(np.uint8)


# Reading


def test_importing_the_module_loads_no_pillow() -> None:
    code = "import csfnns.images.io, sys; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_lossless_files_give_their_very_levels(format_name: str, tmp_path: Path) -> None:
    options = {"lossless": True} if format_name == "WEBP" else {}
    data = encoded(Image.fromarray(noise()), format_name, **options)
    path = tmp_path / "a picture"
    path.write_bytes(data)
    for source in (path, str(path), data, Image.open(io.BytesIO(data)), noise()):
        got = read_picture(source)
        assert got.dtype == np.uint8
        assert got.flags.writeable
        assert got.flags.c_contiguous
        assert (got == noise()).all()


@pytest.mark.parametrize("format_name", ["JPEG", "AVIF", "WEBP"])
def test_lossy_files_are_read_as_pillow_reads_them(format_name: str) -> None:
    data = encoded(Image.fromarray(smooth(32, 48)), format_name)
    assert (read_picture(data) == np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))).all()


def test_what_is_read_from_an_array_is_a_copy() -> None:
    array = noise()
    read_picture(array)[:] = 0
    assert (array == noise()).all()


def test_grey_and_black_and_white_become_three_equal_channels() -> None:
    bits = noise()[..., 0] > 127
    assert (read_picture(encoded(Image.fromarray(bits), "PNG")) == np.where(bits, 255, 0)[..., None]).all()
    grey = noise()[..., 0]
    expected = np.stack([grey] * 3, axis=-1)
    for source in (grey, grey[..., None], encoded(Image.fromarray(grey), "PNG")):
        assert (read_picture(source) == expected).all()


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_greys_are_rounded_to_eight(format_name: str) -> None:
    levels = np.array([[0, 128, 129, 257, 32767, 32768], [65406, 65407, 65535, 1000, 40000, 514]], np.uint16)
    expected = np.rint(levels / 257).astype(np.uint8)
    for source in (levels, encoded(Image.fromarray(levels), format_name)):
        assert (read_picture(source) == expected[..., None]).all()


def test_levels_without_a_known_white_are_refused() -> None:
    for image in (
        Image.fromarray(np.ones((4, 4), np.float32)),
        Image.fromarray(np.full((4, 4), 70000, np.int32)),
    ):
        with pytest.raises(PictureError, match="no known white"):
            read_picture(encoded(image, "TIFF"))


def test_alpha_is_laid_over_white() -> None:
    rgba = noise(channels=4)
    expected = over_white(rgba[..., :3], rgba[..., 3:])
    for source in (rgba, encoded(Image.fromarray(rgba), "PNG"), Image.fromarray(rgba)):
        assert (read_picture(source) == expected).all()
    la = rgba[..., :2]
    grey = np.repeat(over_white(la[..., :1], la[..., 1:]), 3, axis=2)
    for source in (la, encoded(Image.merge("LA", [Image.fromarray(la[..., c]) for c in range(2)]), "PNG")):
        assert (read_picture(source) == grey).all()


def test_a_clear_level_or_colour_is_white() -> None:
    levels = encoded(Image.fromarray(np.array([[1000, 1001]], np.uint16)), "PNG", transparency=1000)
    assert read_picture(levels)[0, :, 0].tolist() == [255, 4]
    colours = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    data = encoded(colours, "PNG", transparency=(4, 5, 6))
    assert read_picture(data).tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_a_palette_gives_its_colours_and_its_clear_entry_white() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert read_picture(encoded(image, "PNG")).tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    one_clear = encoded(image, "PNG", transparency=1)
    assert read_picture(one_clear).tolist() == [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]
    each_its_own = encoded(image, "PNG", transparency=bytes([255, 0, 255]))
    assert (read_picture(each_its_own) == read_picture(one_clear)).all()


def test_cmyk_becomes_rgb() -> None:
    image = Image.fromarray(smooth(16, 16)).convert("CMYK")
    assert (read_picture(encoded(image, "TIFF")) == smooth(16, 16)).all()
    assert psnr(read_picture(encoded(image, "JPEG", quality=95)), smooth(16, 16)) > 30


@pytest.mark.parametrize(("format_name", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_an_animation_gives_its_first_frame(format_name: str, options: dict[str, Any]) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    data = encoded(frames[0], format_name, save_all=True, append_images=frames[1:], **options)
    assert (read_picture(data) == [255, 0, 0]).all()


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_honoured(format_name: str, orientation: int) -> None:
    image = Image.fromarray(noise())
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(image, format_name, exif=exif, **({"lossless": True} if format_name == "WEBP" else {}))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (read_picture(data) == np.asarray(expected)).all()
    assert read_picture(data).shape == ((19, 13, 3) if orientation > 4 else (13, 19, 3))


def test_exif_data_that_cannot_be_read_say_nothing() -> None:
    for exif in (b"Exif\0\0junk", b"Exif\0\0MM\0*\0\0\0\x08\0", b"\xff" * 40):
        data = encoded(Image.fromarray(noise()), "PNG", exif=exif)
        assert (read_picture(data) == noise()).all()


def srgb_profile() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def test_an_icc_profile_is_converted_to_srgb() -> None:
    swapped = srgb_profile().replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    got = read_picture(encoded(Image.fromarray(smooth(20, 20)), "PNG", icc_profile=swapped))
    assert np.abs(got.astype(int) - smooth(20, 20)[..., [1, 0, 2]]).max() <= 2


def test_a_profile_that_is_srgb_itself_changes_no_byte() -> None:
    data = encoded(Image.fromarray(noise(64, 64)), "PNG", icc_profile=srgb_profile())
    assert (read_picture(data) == noise(64, 64)).all()


@pytest.mark.parametrize("profile", [b"junk", srgb_profile()[:300]])
def test_a_broken_profile_and_one_for_other_channels_are_ignored(profile: bytes) -> None:
    data = encoded(Image.fromarray(noise()), "PNG", icc_profile=profile)
    assert (read_picture(data) == noise()).all()
    grey = encoded(Image.fromarray(noise()[..., 0]), "PNG", icc_profile=srgb_profile())
    assert (read_picture(grey) == noise()[..., :1]).all()


# Refusing


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="There is no file"):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="not a regular file"):
        read_picture(tmp_path / "pipe.png")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"plain text", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match="not a picture") as caught:
        read_picture(path)
    assert str(path) in caught.value.message
    assert "PNG" in caught.value.hint


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM"])
def test_a_file_cut_short_is_refused_unless_its_pixels_are_whole(format_name: str) -> None:
    data = encoded(Image.fromarray(smooth(24, 32)), format_name)
    whole = read_picture(data)
    refused = 0
    for end in range(0, len(data), 3):
        try:
            assert (read_picture(data[:end]) == whole).all()
        except PictureError:
            refused += 1
    assert refused >= len(range(0, len(data), 3)) - 10


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM"]), st.data())
def test_a_damaged_file_gives_a_picture_or_a_picture_error(format_name: str, data: st.DataObject) -> None:
    damaged = bytearray(encoded(Image.fromarray(smooth(16, 16)), format_name))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PictureError):
        assert read_picture(bytes(damaged)).size > 0


@pytest.mark.parametrize(("width", "height"), [(20000, 20000), (16001, 16000), (65536, 1), (1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    bomb = png(
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    )
    with pytest.raises(PictureError, match="larger than 256 megapixels or 65535"):
        read_picture(bomb)
    if height < 2**17:
        for source in (np.broadcast_to(np.uint8(0), (height, width, 3)), Image.new("1", (65536, 1))):
            with pytest.raises(PictureError, match="larger than"):
                read_picture(source)


def test_a_size_that_pillow_warns_of_gives_no_warning() -> None:
    header = struct.pack(">IIBBBBB", 9500, 10000, 1, 0, 0, 0, 0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(PictureError, match="cannot be decoded"):
            read_picture(png((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")))
    assert caught == []


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (0, 0)])
def test_no_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="no pixels"):
        read_picture(np.zeros(shape, np.uint8))
    with pytest.raises(PictureError, match="no pixels"):
        read_picture(Image.new("RGB", (shape[1], shape[0])))


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 3), bool),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros(4, np.uint8),
        7,
        None,
    ],
)
def test_what_holds_no_levels_is_refused(source: Any) -> None:
    with pytest.raises(PictureError, match="is no picture"):
        read_picture(source)


# Output names


@pytest.mark.parametrize("name", ["a.png", "a.webp", "A.PNG", "a.b.WebP"])
def test_lossless_names_are_allowed(tmp_path: Path, name: str) -> None:
    assert check_output_name(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.jpg", "lossy"),
        ("a.JPEG", "lossy"),
        ("a.avif", "lossy"),
        ("a.gif", "256 colours"),
        ("a.bmp", "does not write .bmp"),
        ("a.png.txt", "does not write .txt"),
        ("a", "no picture format"),
        (".png", "no picture format"),
    ],
)
def test_other_names_are_refused_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(PictureError, match=reason) as caught:
        check_output_name(tmp_path / name)
    assert ".png" in caught.value.hint
    with pytest.raises(PictureError, match=reason):
        write_picture(noise(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_names_in_missing_folders_and_of_folders_and_dangling_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    for name, reason in (("missing/a.png", "There is no folder"), ("folder.png", "is a folder")):
        with pytest.raises(PictureError, match=reason):
            check_output_name(tmp_path / name, overwrite=True)
    for overwrite in (False, True):
        with pytest.raises(PictureError, match="is a symbolic link"):
            check_output_name(tmp_path / "link.png", overwrite=overwrite)


def test_an_existing_file_is_refused_unless_overwriting(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    for attempt in (check_output_name, lambda p: write_picture(noise(), p)):
        with pytest.raises(PictureError, match="already exists"):
            attempt(path)
    assert path.read_bytes() == b"mine"
    check_output_name(path, overwrite=True)
    write_picture(noise(), path, overwrite=True)
    assert (read_picture(path) == noise()).all()


def test_an_input_is_never_overwritten_under_any_of_its_names(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    write_picture(noise(), source)
    (tmp_path / "link.png").symlink_to(source)
    for name in ("in.png", "link.png", f"../{tmp_path.name}/in.png"):
        with pytest.raises(PictureError, match="one of the inputs"):
            check_output_name(tmp_path / name, overwrite=True, inputs=[tmp_path / "missing.png", source])
    check_output_name(tmp_path / "out.png", inputs=[source, tmp_path / "missing.png"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PictureError, match="Nothing can be written"):
        check_output_name(tmp_path / "a.png")


# Writing


@settings(max_examples=40, deadline=None)
@given(SMALL, st.sampled_from(["a.png", "a.webp"]))
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, picture: Picture, name: str) -> None:
    path = tmp_path_factory.mktemp("written") / name
    write_picture(picture, path)
    assert (read_picture(path) == picture).all()
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_a_png_holds_pixels_and_nothing_else(tmp_path: Path) -> None:
    for i, picture in enumerate((noise(300, 300), np.zeros((9, 9, 3), np.uint8), np.full((9, 9, 3), 7, np.uint8))):
        write_picture(picture, tmp_path / f"{i}.png")
        chunks = png_chunks((tmp_path / f"{i}.png").read_bytes())
        assert (chunks[0], chunks[-1]) == (b"IHDR", b"IEND")
        assert set(chunks[1:-1]) == {b"IDAT"}
        with Image.open(tmp_path / f"{i}.png") as image:
            assert (image.mode, image.info) == ("RGB", {})


def test_a_webp_is_one_lossless_chunk(tmp_path: Path) -> None:
    write_picture(noise(), tmp_path / "a.webp")
    data = (tmp_path / "a.webp").read_bytes()
    assert (data[:4], data[8:16]) == (b"RIFF", b"WEBPVP8L")
    (length,) = struct.unpack_from("<I", data, 16)
    assert len(data) == 20 + length + length % 2


def test_webp_sides_end_at_16383(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="16383") as caught:
        write_picture(np.zeros((1, 16384, 3), np.uint8), tmp_path / "a.webp")
    assert ".png" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_a_wrong_array_is_not_written(tmp_path: Path, array: Any) -> None:
    with pytest.raises(UsageError, match="no RGB picture"):
        write_picture(array, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_write_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, overwrite: bool
) -> None:
    def fail(_: int) -> None:
        raise failure

    if overwrite:
        (tmp_path / "a.png").write_bytes(b"mine")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((KeyboardInterrupt, PictureError)) as caught:
        write_picture(noise(), tmp_path / "a.png", overwrite=overwrite)
    assert isinstance(caught.value, KeyboardInterrupt) or "No space left" in str(caught.value)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([b"mine"] if overwrite else [])


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"theirs")
    with pytest.raises(PictureError, match="already exists"):
        write_atomically(b"mine", tmp_path / "a")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"theirs"]


def test_a_file_system_without_hard_links_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_atomically(b"mine", tmp_path / "a")
    with pytest.raises(PictureError, match="already exists"):
        write_atomically(b"other", tmp_path / "a")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"mine"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_picture(noise(), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


# Sizes


@settings(max_examples=60, deadline=None)
@given(SMALL, st.integers(1, 40), st.integers(1, 40))
def test_fit_fills_the_grid_whatever_the_aspect(picture: Picture, height: int, width: int) -> None:
    fitted, same = fit(picture, height, width), fit(picture, *picture.shape[:2])
    assert (fitted.shape, fitted.dtype) == ((height, width, 3), np.uint8)
    assert (same == picture).all()
    assert not np.shares_memory(same, picture)


def test_rows_first_gives_the_levels_of_one_resize() -> None:
    for shape in ((300, 20), (20, 300), (300, 300), (9, 9)):
        once = Image.fromarray(smooth(*shape)).resize((70, 50), Image.Resampling.LANCZOS)
        assert np.abs(fit(smooth(*shape), 50, 70).astype(int) - np.asarray(once)).max() <= 2  # rounded twice


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (64, 64), (5, 200), (3, 3), (1, 1), (1000, 30)])
def test_a_smooth_secret_survives_the_grid(shape: tuple[int, int]) -> None:
    secret = smooth(*shape)
    back = restore(fit(secret, 64, 64), restored_shape(*shape, 64, 64))
    assert psnr(back, fit(secret, *back.shape[:2])) > 30


@pytest.mark.parametrize(("height", "width"), [(0, 4), (4, -1), (65536, 4)])
def test_sides_that_no_picture_has_are_refused(height: int, width: int) -> None:
    with pytest.raises(UsageError, match="1…65535"):
        fit(noise(), height, width)
    with pytest.raises(UsageError, match="1…65535"):
        restored_shape(height, width, 8, 8)


@given(SIDES, SIDES, st.integers(1, 4096), st.integers(1, 4096))
def test_the_restored_shape_is_true_within_four_grids(h: int, w: int, grid_h: int, grid_w: int) -> None:
    rows, columns = restored_shape(h, w, grid_h, grid_w)
    limit = 4 * grid_h * grid_w
    assert 1 <= rows <= h
    assert 1 <= columns <= w
    assert rows * columns <= limit
    if h * w <= limit:
        assert (rows, columns) == (h, w)
        return
    (short, long), (true_short, true_long) = sorted((rows, columns)), sorted((h, w))
    assert (short + 1) ** 2 * true_long > limit * true_short  # one more would be too many
    if limit * true_short >= true_long:  # otherwise the short side cannot be less than 1
        assert abs(long * true_short - short * true_long) <= true_short  # off by at most a pixel
    assert restored_shape(w, h, grid_h, grid_w) == (columns, rows)


def test_known_restored_shapes() -> None:
    assert restored_shape(1080, 1920, 256, 256) == (384, 682)  # 384 x 683 is over the limit
    assert restored_shape(512, 512, 256, 256) == (512, 512)
    assert restored_shape(4000, 4000, 128, 128) == (256, 256)
    assert restored_shape(1, 65535, 16, 16) == (1, 1024)

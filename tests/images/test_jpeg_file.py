import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns.coding.jpeg import Coefficients, compress, standard_tables
from csfnns.errors import NoMessageError, PictureError, UsageError
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import is_jpeg, read_coefficients, write_coefficients
from csfnns.search.channel import encode_jpeg

Scene = Callable[..., Picture]


def saved(picture: Any, mode: str = "RGB", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(buffer, "JPEG", **settings)
    return buffer.getvalue()


def same(a: Coefficients, b: Coefficients) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("shape", [(64, 64), (101, 93), (17, 33), (1, 1)])
def test_a_file_is_written_as_most_programs_write_it(subsampling: str, shape: tuple[int, int], scene: Scene) -> None:
    """To the last byte: no marker, table or number tells it from a file of Pillow's."""
    file = encode_jpeg(scene(*shape, 3), 90, subsampling)
    assert write_coefficients(read_coefficients(file)) == file


def test_what_is_written_is_read(scene: Scene) -> None:
    cover = compress(scene(40, 56, 1), standard_tables(75), "420").file
    noisy = Coefficients(cover.shape, cover.subsampling, cover.tables, tuple(p - np.int16(1) for p in cover.planes))
    assert same(read_coefficients(write_coefficients(noisy)), noisy)


@pytest.mark.parametrize(
    "settings",
    [
        {"progressive": True},
        {"optimize": True},
        {"comment": b"nice"},
        {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"},
        {"restart_marker_rows": 1},
    ],
    ids=str,
)
def test_how_a_file_is_packed_does_not_matter(settings: dict[str, Any], scene: Scene) -> None:
    picture = scene(61, 75, 2)
    assert same(
        read_coefficients(saved(picture, quality=90, **settings)),
        read_coefficients(saved(picture, quality=90)),
    )


def test_any_amount_of_metadata_is_left_aside(scene: Scene) -> None:
    file = saved(scene(32, 32, 2), quality=90)
    much = file[:2] + b"\xff\xfe\x00\x06hide" * 3000 + file[2:]
    assert same(read_coefficients(much), read_coefficients(file))


def test_what_is_no_sound_jpeg_file_is_refused(scene: Scene) -> None:
    picture = scene(64, 64, 2)
    file = saved(picture, quality=90)
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    assert is_jpeg(file)
    assert not is_jpeg(png.getvalue())
    for data in (
        b"",
        b"\xff\xd8\xff",
        png.getvalue(),
        file[:200],
        file[: len(file) // 2],
        file[:2] + file[30:],
    ):
        with pytest.raises(PictureError):
            read_coefficients(data)


def test_kinds_of_files_that_are_never_written_hold_nothing(scene: Scene) -> None:
    picture = scene(64, 64, 2)
    odd = [np.full(64, 300).tolist(), np.full(64, 7).tolist()]
    others = (
        saved(picture, "L"),
        saved(picture, "CMYK"),
        saved(picture, subsampling="4:2:2"),
        saved(picture, qtables=odd),
        saved(picture, qtables=[[3] * 64, [4] * 64, [5] * 64]),
    )
    for data in others:
        with pytest.raises(NoMessageError, match="kind"):
            read_coefficients(data)


def test_nothing_is_left_behind(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    write_coefficients(read_coefficients(saved(scene(32, 32, 2), subsampling="4:2:0")))
    assert list(folder.iterdir()) == []


def test_without_jpeglib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    with pytest.raises(UsageError, match=r"csfnns\[jpeg\]"):
        read_coefficients(b"")

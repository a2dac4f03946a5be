import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from csfnns.covers.folder import FolderCovers
from csfnns.errors import CoverError, UsageError
from csfnns.output import write_picture
from csfnns.picture import Picture
from csfnns.stream import Seed

KEY = Seed(bytes(range(32)))
OTHER = Seed(bytes(range(1, 33)))


def noise(height: int, width: int, seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(6):
        write_picture(noise(40 + i, 50 - i, i), folder / f"{i}.png")
    return folder


def cut(picture: Picture, height: int, width: int) -> Picture:
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def test_every_picture_is_a_cover_once_cut_to_its_middle(album: Path) -> None:
    covers = FolderCovers(album, 32, 40)
    made = [covers(KEY, message).tobytes() for message in range(len(covers))]
    assert sorted(made) == sorted(cut(noise(40 + i, 50 - i, i), 32, 40).tobytes() for i in range(6))


def test_covers_have_the_size_asked_for(album: Path) -> None:
    cover = FolderCovers(album, 32, 40)(KEY, 0)
    assert cover.shape == (32, 40, 3)
    assert cover.dtype == np.uint8


def test_the_key_alone_decides_the_order(album: Path) -> None:
    def order(key: Seed) -> list[bytes]:
        covers = FolderCovers(album, 32, 32)
        return [covers(key, message).tobytes() for message in range(6)]

    assert order(KEY) == order(KEY)
    assert order(KEY) != order(OTHER)


def test_the_order_is_the_permutation_of_the_sorted_identities(album: Path) -> None:
    def identity(cover: Picture) -> bytes:
        size = b"".join(side.to_bytes(4, "big") for side in cover.shape[:2])
        return hashlib.sha256(b"csfnns/1/picture" + size + cover.tobytes()).digest()

    covers = FolderCovers(album, 32, 32)
    identities = [identity(covers(KEY, message)) for message in range(6)]
    order = KEY.derive("csfnns/1/cover/folder").stream().permutation(6)
    assert identities == [sorted(identities)[i] for i in order]
    digest = hashlib.sha256(b"csfnns/1/album" + bytes([0, 0, 0, 32] * 2) + b"".join(sorted(identities)))
    assert covers.album_fingerprint == digest.hexdigest()


def test_names_formats_times_and_copies_do_not_matter(album: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for i in range(6):
        write_picture(noise(40 + i, 50 - i, i), other / f"{9 - i}.webp")
    shutil.copy(album / "0.png", other / "again.png")
    here, there = FolderCovers(album, 32, 32), FolderCovers(other, 32, 32, fingerprint=None)
    assert len(there) == 6
    assert here.album_fingerprint == there.album_fingerprint
    assert all((here(KEY, m) == there(KEY, m)).all() for m in range(6))


def test_the_fingerprint_depends_on_pictures_and_on_the_cover_size(album: Path) -> None:
    before = FolderCovers(album, 32, 32).album_fingerprint
    assert FolderCovers(album, 32, 32, fingerprint=before).album_fingerprint == before
    assert FolderCovers(album, 32, 16).album_fingerprint != before
    write_picture(noise(40, 40, 99), album / "new.png")
    assert FolderCovers(album, 32, 32).album_fingerprint != before


def test_an_album_that_differs_is_refused_with_its_number_of_pictures(album: Path) -> None:
    fingerprint = FolderCovers(album, 32, 32).album_fingerprint
    (album / "3.png").unlink()
    with pytest.raises(CoverError, match="5 different pictures") as caught:
        FolderCovers(album, 32, 32, fingerprint)
    assert "Copy the other end's folder" in caught.value.hint


def test_other_files_hidden_files_folders_and_small_pictures_are_left_out(album: Path) -> None:
    before = FolderCovers(album, 32, 32).album_fingerprint
    (album / "notes.txt").write_text("no picture")
    (album / ".hidden.png").write_bytes(b"no picture")
    (album / "folder.png").mkdir()
    write_picture(noise(64, 31, 7), album / "narrow.png")
    write_picture(noise(31, 64, 8), album / "low.png")
    assert FolderCovers(album, 32, 32).album_fingerprint == before


def test_a_picture_of_exactly_the_cover_size_is_used(tmp_path: Path) -> None:
    write_picture(noise(32, 48, 0), tmp_path / "a.png")
    assert (FolderCovers(tmp_path, 32, 48)(KEY, 0) == noise(32, 48, 0)).all()


def test_an_album_of_small_pictures_says_how_many(album: Path) -> None:
    with pytest.raises(CoverError, match="at least 512x512: 6 are smaller"):
        FolderCovers(album, 512, 512)


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CoverError, match="has no picture"):
        FolderCovers(tmp_path, 32, 32)
    with pytest.raises(CoverError, match="cannot be read"):
        FolderCovers(tmp_path / "missing", 32, 32)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_damaged_picture_is_named(album: Path, content: bytes) -> None:
    (album / "4.png").write_bytes(content)
    with pytest.raises(CoverError, match=r"4\.png"):
        FolderCovers(album, 32, 32)


def test_a_picture_cut_short_is_named(album: Path) -> None:
    whole = (album / "2.png").read_bytes()
    (album / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CoverError, match=r"2\.png"):
        FolderCovers(album, 32, 32)


def test_an_album_is_used_up_after_its_last_picture(album: Path) -> None:
    covers = FolderCovers(album, 32, 32)
    covers(KEY, 5)
    for message in (6, 7, 10**6):
        with pytest.raises(CoverError, match="used up: its 6 pictures"):
            covers(KEY, message)
        with pytest.raises(CoverError, match="messages 1 to 5"):
            covers.probe(KEY, message, np.zeros(1, np.int64), np.zeros(1, np.int64))


def test_an_album_of_one_picture_has_a_check_cover_and_no_message(tmp_path: Path) -> None:
    write_picture(noise(32, 32, 0), tmp_path / "a.png")
    covers = FolderCovers(tmp_path, 32, 32)
    covers(KEY, 0)
    with pytest.raises(CoverError, match="check cover and no more"):
        covers(KEY, 1)


def test_messages_count_from_zero(album: Path) -> None:
    with pytest.raises(UsageError, match="no message -1"):
        FolderCovers(album, 32, 32)(KEY, -1)


@pytest.mark.parametrize(("height", "width"), [(0, 32), (32, -1)])
def test_a_size_of_nothing_is_refused(album: Path, height: int, width: int) -> None:
    with pytest.raises(UsageError, match="No cover is"):
        FolderCovers(album, height, width)


def test_a_probe_gives_the_colours_of_the_cover(album: Path) -> None:
    covers = FolderCovers(album, 32, 40)
    rows, columns = np.array([0, 31, 7, 7]), np.array([39, 0, 12, 12])
    for message in (5, 0, 3, 1, 2, 4, 5, 0):
        assert (covers.probe(KEY, message, rows, columns) == covers(KEY, message)[rows, columns]).all()


def test_a_cover_that_the_caller_changes_is_whole_the_next_time(album: Path) -> None:
    covers = FolderCovers(album, 32, 32)
    first = covers(KEY, 1)
    untouched = first.copy()
    first[:] = 0
    assert (covers(KEY, 1) == untouched).all()


def test_a_picture_that_changes_after_the_album_was_read_is_refused(album: Path) -> None:
    covers = FolderCovers(album, 32, 32)
    for path in album.iterdir():
        write_picture(noise(40, 40, 77), path, overwrite=True)
    with pytest.raises(CoverError, match="has changed since"):
        covers(KEY, 0)
    for path in album.iterdir():
        path.unlink()
    with pytest.raises(CoverError, match="There is no file"):
        covers(KEY, 0)

import hashlib
import shutil
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.covers.folder import FolderCovers, choose_nonce, scale_to_cover
from csfnns.covers.register import AlbumRegister
from csfnns.errors import CoverError, UsageError
from csfnns.images.io import Picture
from csfnns.images.output import write_picture
from csfnns.stream import Seed

KEY = Seed(bytes(range(32)))


def seed_of(message: int) -> Seed:
    return KEY.derive(str(message))


def noise(height: int, width: int, seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(6):
        write_picture(noise(40 + i, 50 - i, i), folder / f"{i}.png")
    return folder


def test_every_picture_is_scaled_and_the_seed_chooses_one(album: Path) -> None:
    covers = FolderCovers(album, 32, 40)
    scaled = [scale_to_cover(noise(40 + i, 50 - i, i), 32, 40) for i in range(6)]

    def identity(cover: Picture) -> bytes:
        size = b"".join(side.to_bytes(4, "big") for side in cover.shape[:2])
        return hashlib.sha256(b"csfnns/2/picture" + size + cover.tobytes()).digest()

    scaled.sort(key=identity)
    chosen = [int(seed_of(m).derive("csfnns/2/cover/folder").stream().integers(1, 6)[0]) for m in range(40)]
    assert [covers.index(seed_of(m)) for m in range(40)] == chosen
    assert set(chosen) == set(range(6))
    assert all(np.array_equal(covers(seed_of(m)), scaled[i]) for m, i in enumerate(chosen[:12]))
    digest = hashlib.sha256(b"csfnns/2/album" + bytes([0, 0, 0, 32, 0, 0, 0, 40]))
    digest.update(b"".join(map(identity, scaled)))
    assert covers.album_fingerprint == digest.hexdigest()


def test_names_formats_copies_other_files_and_small_pictures_do_not_matter(album: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for i in range(6):
        write_picture(noise(40 + i, 50 - i, i), other / f"{9 - i}.webp")
    shutil.copy(album / "0.png", other / "again.png")
    for name in ("notes.txt", ".hidden.png"):
        (other / name).write_text("no picture")
    (other / "folder.png").mkdir()
    write_picture(noise(64, 31, 7), other / "narrow.png")
    write_picture(noise(31, 64, 8), other / "low.png")
    here, there = FolderCovers(album, 32, 32), FolderCovers(other, 32, 32)
    assert len(there) == 6
    assert here.album_fingerprint == there.album_fingerprint
    assert all((here(seed_of(m)) == there(seed_of(m))).all() for m in range(6))


def test_an_album_that_differs_is_refused_with_its_number_of_pictures(album: Path) -> None:
    before = FolderCovers(album, 32, 32).album_fingerprint
    assert FolderCovers(album, 32, 32, fingerprint=before).album_fingerprint == before
    assert FolderCovers(album, 32, 16).album_fingerprint != before
    (album / "3.png").unlink()
    with pytest.raises(CoverError, match="5 different pictures") as caught:
        FolderCovers(album, 32, 32, before)
    assert "Copy the other end's folder" in caught.value.hint


def test_albums_without_pictures_are_refused(album: Path, tmp_path: Path) -> None:
    with pytest.raises(CoverError, match="at least 512x512: 6 are smaller"):
        FolderCovers(album, 512, 512)
    with pytest.raises(CoverError, match="has no picture"):
        FolderCovers(tmp_path, 32, 32)
    with pytest.raises(CoverError, match="cannot be read"):
        FolderCovers(tmp_path / "missing", 32, 32)
    with pytest.raises(UsageError, match="at least 1x1, got 32x0"):
        FolderCovers(album, 0, 32)


def test_damaged_and_changed_pictures_are_named(album: Path) -> None:
    covers, whole = FolderCovers(album, 32, 32), (album / "4.png").read_bytes()
    for content in (b"", b"no picture", whole[: len(whole) // 2]):
        (album / "4.png").write_bytes(content)
        with pytest.raises(CoverError, match=r"4\.png"):
            FolderCovers(album, 32, 32)
    for path in album.iterdir():
        write_picture(noise(40, 40, 77), path, overwrite=True)
    with pytest.raises(CoverError, match="has changed since"):
        covers(KEY)
    for path in album.iterdir():
        path.unlink()
    with pytest.raises(CoverError, match="There is no file"):
        covers(KEY)


# Scaling


@pytest.mark.parametrize(("shape", "size"), [((9, 13), (4, 5)), ((13, 9), (4, 5)), ((8, 6), (6, 6))])
def test_scaling_is_the_exact_area_average(shape: tuple[int, int], size: tuple[int, int]) -> None:
    scale = min(Fraction(n, m) for n, m in zip(shape, size, strict=True))

    def overlaps(n: int, m: int) -> Any:
        starts = [(n - m * scale) / 2 + i * scale for i in range(m)]
        return np.array([[max(0, min(k + 1, s + scale) - max(k, s)) for k in range(n)] for s in starts])

    picture = noise(*shape, 3)
    total = np.einsum("ik,jl,klc->ijc", overlaps(shape[0], size[0]), overlaps(shape[1], size[1]), picture)
    expected = [floor(value / scale**2 + Fraction(1, 2)) for value in total.ravel()]
    assert scale_to_cover(picture, *size).ravel().tolist() == expected


# Nonces


def drawn(covers: FolderCovers, register: AlbumRegister, check: int = 0) -> int:
    """Picture of the next message."""
    nonces = map(bytes, np.random.default_rng(0).integers(0, 256, (10**4, 16), np.uint8))
    make, seed = (lambda: next(nonces)), (lambda nonce: KEY.derive(nonce.hex()))
    return covers.index(seed(choose_nonce(make, seed, covers, register, "key", check)))


def test_every_picture_but_the_check_cover_s_is_used_once(album: Path) -> None:
    covers, register = FolderCovers(album, 32, 32), AlbumRegister()
    register.make_writer("key")
    register.mark("other key", 3)
    assert {drawn(covers, register, check=2) for _ in range(5)} == {0, 1, 3, 4, 5}
    with pytest.raises(CoverError, match="no unused picture is left of its 6"):
        drawn(covers, register, check=2)


def test_shares_are_disjoint(album: Path, tmp_path: Path) -> None:
    covers, pictures = FolderCovers(album, 32, 32), {1: {2, 4}, 2: {1, 3, 5}}
    for i in (1, 2):
        register = AlbumRegister(tmp_path / str(i))
        register.take_share("key", (i, 2))
        assert {drawn(covers, register) for _ in pictures[i]} == pictures[i]
        with pytest.raises(CoverError, match=f"no unused picture of share {i}/2"):
            drawn(covers, register)

"""Files over several pictures: any k of n give all back, and what cannot be restored says what is missing."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import csfnns
from csfnns import Key, LongHidden, make_profile, workers
from csfnns.covers import AlbumRegister, FolderCovers
from csfnns.errors import Cancelled, CoverError, DamagedError, NoMessageError, PictureError, UsageError
from csfnns.images.io import read_picture
from csfnns.images.output import write_picture
from csfnns.keys import write_key
from csfnns.messages.results import Revealed, RevealedPart
from csfnns.messages.split import Splitter
from csfnns.payloads.part import Division, Part
from csfnns.stream import Seed

KEY = Key.from_root(make_profile(width=128, height=96), Seed(bytes(range(32))))
SENT = random.Random(3).randbytes(9001)


class Recorded(workers.Worker):
    """A worker that tests know of."""

    all: list["Recorded"] = []  # noqa: RUF012 - emptied by each test

    def __init__(self, module: str, count: int) -> None:
        super().__init__(module, count)
        self.all.append(self)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Workers that the test started."""
    monkeypatch.setattr(workers, "Worker", Recorded)
    Recorded.all.clear()
    return Recorded.all


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> LongHidden:
    folder = tmp_path_factory.mktemp("long")
    (folder / "big.zip").write_bytes(SENT)
    return csfnns.hide_long(folder / "big.zip", KEY, folder / "holiday")


@pytest.fixture
def pictures(hidden: LongHidden, tmp_path: Path) -> list[Path]:
    """A copy of the pictures."""
    copy = tmp_path / "in"
    shutil.copytree(hidden.pictures[0].parent, copy)
    return sorted(copy.iterdir())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def collector() -> tuple[list[Any], Callable[[Any, Any], None]]:
    came: list[Any] = []
    return came, lambda picture, found: came.append(found)


def test_pictures_are_named_after_their_folder_and_keep_56_db(hidden: LongHidden) -> None:
    count = len(hidden.pictures)
    assert hidden.spare == 2
    assert count >= 5
    assert [path.name for path in hidden.pictures] == [f"holiday-{i:04}.png" for i in range(1, count + 1)]
    assert sorted(hidden.pictures[0].parent.iterdir()) == list(hidden.pictures)
    assert hidden.least_psnr >= 56


def test_missing_shuffled_twice_foreign_and_damaged_pictures(pictures: list[Path], out: Path) -> None:
    count = len(pictures)
    pictures[1].unlink()
    changed = read_picture(pictures[0])
    changed[::2, ::2] ^= 1
    write_picture(changed, pictures[0], overwrite=True)
    order = [pictures[0], *pictures[2:], pictures[3], pictures[-1]]
    random.Random(4).shuffle(order)
    foreign = csfnns.hide(b"of another key", Key.new(KEY.profile)).data
    came, each = collector()
    (found,) = csfnns.reveal_long([foreign, *order, b"no picture"], KEY, out, each=each)
    assert found.error is None
    assert found.path == out / "big.zip"
    assert found.path.read_bytes() == SENT
    assert (found.missing, found.parts, found.needed, found.length) == ((1, 2), count, count - 2, len(SENT))
    assert os.listdir(out) == ["big.zip"]
    assert sum(isinstance(each, RevealedPart) for each in came) == len(order) - 1
    assert sum(isinstance(each, NoMessageError) for each in came) == 2
    assert isinstance(came[-1], PictureError)


def test_too_many_missing_are_named_and_nothing_is_written(pictures: list[Path], out: Path) -> None:
    for i in (0, 2, 3):
        pictures[i].unlink()
    (found,) = csfnns.reveal_long(pictures[0].parent, KEY, out)
    assert found.path is None
    assert found.missing == (1, 3, 4)
    assert isinstance(found.error, DamagedError)
    assert f"3 of the {len(pictures)} parts of big.zip are missing: 1, 3, 4." in str(found.error)
    assert "Ask for 1 of them" in found.error.hint
    assert not os.listdir(out)


def test_two_files_and_another_message_in_one_folder(pictures: list[Path], out: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"short")
    folder = pictures[0].parent
    csfnns.hide_long(tmp_path / "notes.txt", KEY, folder, spare=1, name="other.txt")
    csfnns.hide(csfnns.text("hello"), KEY, out=folder / "alone.png")
    (folder / "in-0002.png").unlink()
    pictures[-1].unlink()
    came, each = collector()
    found = csfnns.reveal_long(folder, KEY, out, each=each)
    assert {each.path: each.missing for each in found} == {
        out / "big.zip": (len(pictures),),
        out / "other.txt": (2,),
    }
    assert (out / "big.zip").read_bytes() == SENT
    assert (out / "other.txt").read_bytes() == b"short"
    assert [each.text for each in came if isinstance(each, Revealed)] == ["hello"]


def test_a_picture_alone_says_which_part_it_is(hidden: LongHidden) -> None:
    with pytest.raises(UsageError, match=f"part 3 of {len(hidden.pictures)} of big.zip"):
        csfnns.reveal(hidden.pictures[2], KEY)


def test_nothing_is_replaced_unless_it_is_named(hidden: LongHidden, out: Path) -> None:
    (out / "big.zip").write_bytes(b"mine")
    (found,) = csfnns.reveal_long(hidden.pictures, KEY, out, overwrite=True)
    assert isinstance(found.error, PictureError)
    assert (out / "big.zip").read_bytes() == b"mine"
    with pytest.raises(PictureError, match="already exists"):
        csfnns.reveal_long(hidden.pictures, KEY, out / "big.zip")
    (found,) = csfnns.reveal_long(hidden.pictures, KEY, out / "big.zip", overwrite=True)
    assert (out / "big.zip").read_bytes() == SENT
    assert os.listdir(out) == ["big.zip"]
    with pytest.raises(PictureError, match="already exists"):
        csfnns.hide_long(out / "big.zip", KEY, hidden.pictures[0].parent)


@pytest.mark.parametrize("length", [0, 1])
def test_the_shortest_files(length: int, out: Path, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(SENT[:length])
    hidden = csfnns.hide_long(tmp_path / "short", KEY, tmp_path / "in", spare=1)
    assert len(hidden.pictures) == 2
    (found,) = csfnns.reveal_long([hidden.pictures[1]], KEY, out)
    assert found.path is not None
    assert found.path.read_bytes() == SENT[:length]


def test_parts_that_do_not_make_the_file_give_none(out: Path) -> None:
    splitter = Splitter(KEY, receiver=None, method=None, suffix=".png", covers=None, name="a.bin", dated=False)
    hidden = splitter.hide(Part(Division(bytes(16), 1, 1, 4, bytes(32)), 0, b"abcd"))
    (found,) = csfnns.reveal_long([hidden.data], KEY, out)
    assert isinstance(found.error, DamagedError)
    assert not os.listdir(out)


def test_a_cover_that_holds_too_little_is_drawn_again() -> None:
    splitter = Splitter(KEY, receiver=None, method=None, suffix=".png", covers=None, name="a.bin", dated=False)
    length = splitter.room * 56 // 50 // 2 * 2  # more than is sent: two covers of five do not hold it
    parts = [Part(Division(bytes(16), 8, 8, 8 * length, bytes(32)), i, random.randbytes(length)) for i in range(8)]
    assert min(splitter.hide(part).stego.psnr for part in parts) >= 56


@pytest.fixture(params=[1, 2])
def count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Processes that hide."""
    processes: int = request.param
    monkeypatch.setattr("csfnns.messages.split.cores", lambda: processes)
    return processes


def test_workers_change_nothing_but_the_time(count: int, tmp_path: Path, out: Path, started: list[Recorded]) -> None:
    (tmp_path / "big.zip").write_bytes(SENT)
    told: list[tuple[int, int, int]] = []
    folder = tmp_path / "in"

    def progress(done: int, parts: int) -> None:
        told.append((done, parts, len(os.listdir(folder))))

    hidden = csfnns.hide_long(tmp_path / "big.zip", KEY, folder, progress=progress)
    assert told == [(i + 1, len(hidden.pictures), i + 1) for i in range(len(hidden.pictures))]
    assert sorted(folder.iterdir()) == list(hidden.pictures)
    assert (hidden.method, hidden.length) == ("direct", len(SENT))
    assert hidden.least_psnr >= 56
    came, each = collector()
    csfnns.reveal_long(hidden.pictures, KEY, out, each=each)
    assert [revealed.part.number for revealed in came] == list(range(len(hidden.pictures)))
    assert (out / "big.zip").read_bytes() == SENT
    assert len(started) == (0 if count == 1 else 2)
    assert all(worker.process.returncode is not None for worker in started)


def test_how_many_processes_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    def splitter(**changes: Any) -> Splitter:
        about = {"receiver": None, "method": None, "suffix": ".png", "covers": None, "name": "a", "dated": False}
        return Splitter(KEY, **(about | changes))

    usual = splitter()
    monkeypatch.setattr("csfnns.messages.split.cores", lambda: 8)
    monkeypatch.setattr("csfnns.messages.split.free_memory", lambda: 1e12)
    assert [usual.workers(parts) for parts in (1, 3, 4, 9)] == [1, 1, 4, 8]
    monkeypatch.setattr("csfnns.messages.split.free_memory", lambda: 2e8)
    assert usual.workers(9) == 3
    monkeypatch.setattr("csfnns.messages.split.free_memory", lambda: 1e7)
    assert usual.workers(9) == 1
    monkeypatch.setattr("csfnns.messages.split.free_memory", lambda: 1e12)
    monkeypatch.setattr("csfnns.messages.split.can_start", lambda: False)
    assert usual.workers(9) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_worker_that_is_killed_costs_nothing(
    tmp_path: Path, out: Path, started: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csfnns.messages.split.cores", lambda: 2)
    (tmp_path / "big.zip").write_bytes(SENT)

    def kill(done: int, parts: int) -> None:
        if done < 3:
            started[-1].process.kill()

    hidden = csfnns.hide_long(tmp_path / "big.zip", KEY, tmp_path / "in", progress=kill)
    assert len(started) > 2
    (found,) = csfnns.reveal_long(hidden.pictures, KEY, out)
    assert (found.error, found.missing) == (None, ())
    assert (out / "big.zip").read_bytes() == SENT


def test_a_part_that_fails_leaves_nothing(count: int, tmp_path: Path, started: list[Recorded]) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for i in range(7):  # the check cover's, and a picture for each of six parts
        write_picture(np.random.default_rng(i).integers(99, 120, (64, 64, 3), np.uint8), album / f"{i}.png")
    profile = make_profile(width=64, height=64, generator="folder", album=FolderCovers(album, 64, 64).album_fingerprint)
    key = Key.new(profile)
    AlbumRegister().make_writer(key.id)
    (tmp_path / "big.zip").write_bytes(SENT)
    done: list[int] = []
    with pytest.raises(CoverError, match="The album is used up"):
        csfnns.hide_long(
            tmp_path / "big.zip",
            key,
            tmp_path / "in",
            covers=album,
            progress=lambda number, _: done.append(number),
        )
    assert done
    assert done == [*range(1, len(done) + 1)]
    assert len(started) == (0 if count == 1 else 2)
    assert not (tmp_path / "in").exists()
    assert all(worker.process.returncode is not None for worker in started)


def test_what_is_stopped_leaves_nothing(count: int, tmp_path: Path, started: list[Recorded]) -> None:
    (tmp_path / "big.zip").write_bytes(SENT)

    def interrupt(done: int, parts: int) -> bool:
        raise KeyboardInterrupt

    for stop, error in ((lambda done, parts: done < 2, Cancelled), (interrupt, KeyboardInterrupt)):
        with pytest.raises(error):
            csfnns.hide_long(tmp_path / "big.zip", KEY, tmp_path / "in", progress=stop)
        assert os.listdir(tmp_path) == ["big.zip"]
        assert all(worker.process.returncode is not None for worker in started)


def test_a_file_that_changes_meanwhile_leaves_nothing(count: int, tmp_path: Path) -> None:
    sent = SENT * 3  # of which less than half is read before the first picture is there
    (tmp_path / "big.zip").write_bytes(sent)

    def change(done: int, parts: int) -> None:
        (tmp_path / "big.zip").write_bytes(sent[::-1])

    with pytest.raises(PictureError, match="changed while it was read"):
        csfnns.hide_long(tmp_path / "big.zip", KEY, tmp_path / "in", progress=change)
    assert os.listdir(tmp_path) == ["big.zip"]


@pytest.mark.parametrize("method", ["grain", "jpeg"])
def test_other_methods(method: str, tmp_path: Path, out: Path) -> None:
    if method == "jpeg":
        pytest.importorskip("jpeglib")
    sent = SENT[:300]  # a JPEG of this size holds some 120 bytes
    (tmp_path / "big.zip").write_bytes(sent)
    suffix: Any = "jpg" if method == "jpeg" else "png"
    hidden = csfnns.hide_long(tmp_path / "big.zip", KEY, tmp_path / "in", spare=1, method=method, format=suffix)
    (found,) = csfnns.reveal_long(hidden.pictures[1:], KEY, out)
    assert (out / "big.zip").read_bytes() == sent
    assert found.missing == (1,)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_kill_leaves_whole_pictures_of_a_set_that_is_clearly_incomplete(tmp_path: Path, out: Path) -> None:
    write_key(KEY, tmp_path / "mine.key")
    (tmp_path / "big.zip").write_bytes(SENT * 9)
    command = [sys.executable, "-m", "csfnns", "hide", tmp_path / "big.zip", "-k", tmp_path / "mine.key"]
    folder = tmp_path / "in"
    process = subprocess.Popen([*command, "-o", f"{folder}/", "-q"])
    while process.poll() is None and not (folder / "in-0003.png").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [path for path in folder.iterdir() if path.suffix == ".png"]
    came, each = collector()
    (found,) = csfnns.reveal_long(left, KEY, out, each=each)
    assert all(isinstance(each, RevealedPart) for each in came)
    assert isinstance(found.error, DamagedError)
    assert found.missing == tuple(range(len(left) + 1, found.parts + 1))
    assert np.all([read_picture(path).shape == (96, 128, 3) for path in left])

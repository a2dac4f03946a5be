import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from csfnns.errors import KeyFileError, UsageError
from csfnns.keys import Key, KeyFileWarning, read_key, receiver_path, render_key, write_key
from csfnns.keys.files import MAX_BYTES
from csfnns.profile import make_profile
from csfnns.stream import Seed

KEY = Key.from_root(make_profile(), Seed(bytes(range(32))), ("bob", "carol"))
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


@pytest.fixture(params=["links", "no links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder on a file system with or, like FAT, without hard links."""

    def link(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "no links":
        monkeypatch.setattr(os, "link", link)
    return tmp_path


def test_a_key_is_read_back_from_its_file_and_nothing_else_is_left_behind(folder: Path) -> None:
    for name, key in {"team.key": KEY, "team.bob.key": KEY.for_receiver("bob")}.items():
        write_key(key, folder / name)
        assert read_key(folder / name) == key
    assert len(os.listdir(folder)) == 2


@posix
def test_a_key_file_is_its_owners_alone_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        write_key(KEY, folder / "team.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "team.key").stat().st_mode) == 0o600


def test_an_existing_file_is_never_overwritten(folder: Path) -> None:
    path = saved(folder / "team.key", b"precious")
    with pytest.raises(KeyFileError, match="exists already"):
        write_key(KEY, path)
    assert path.read_bytes() == b"precious"
    assert os.listdir(folder) == ["team.key"]


@posix
def test_a_link_that_leads_nowhere_is_not_followed(folder: Path) -> None:
    (folder / "team.key").symlink_to(folder / "elsewhere")
    with pytest.raises(KeyFileError, match="exists already"):
        write_key(KEY, folder / "team.key")
    assert os.listdir(folder) == ["team.key"]


@posix
@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(KeyFileError, match="No space left"):
        write_key(KEY, tmp_path / "team.key")
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_get_at_is_read_with_a_warning(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "team.key"
    write_key(KEY, path)
    path.chmod(mode)
    with pytest.warns(KeyFileWarning, match="chmod 600"):
        assert read_key(path) == KEY


@posix
def test_a_key_is_read_from_a_pipe() -> None:
    code = "from csfnns.keys import read_key; print(read_key('/dev/stdin').id)"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, input=render_key(KEY), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == KEY.id


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (render_key(KEY).encode("utf-16"), "not in UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "not in UTF-8"),
        (b"", "is not a key file"),
        (render_key(KEY).encode() + b"#" * MAX_BYTES, "too large"),
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    path = saved(tmp_path / "team.key", data)
    with pytest.raises(KeyFileError, match=problem) as caught:
        read_key(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_places_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="There is no key file"):
        read_key(tmp_path / "team.key")
    with pytest.raises(KeyFileError, match="cannot be read: Is a directory"):
        read_key(tmp_path)
    with pytest.raises(KeyFileError, match="cannot be written: No such file"):
        write_key(KEY, tmp_path / "nowhere" / "team.key")


def test_a_receivers_file_lies_next_to_the_senders() -> None:
    names = {
        "team.key": "team.bob.key",
        "a/team.key": "a/team.bob.key",
        "x": "x.bob",
        "x.y.key": "x.y.bob.key",
    }
    assert {name: str(receiver_path(name, "bob")) for name in names} == names
    with pytest.raises(UsageError, match="cannot be named"):
        receiver_path("team.key", "../bob")

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


def test_a_key_is_read_back_from_its_file(tmp_path: Path) -> None:
    for name, key in {"team.key": KEY, "team.bob.key": KEY.for_receiver("bob")}.items():
        write_key(key, tmp_path / name)
        assert read_key(tmp_path / name) == key


@posix
def test_a_key_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_key(KEY, tmp_path / "team.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "team.key").stat().st_mode) == 0o600


def test_only_the_key_file_is_left_behind(tmp_path: Path) -> None:
    write_key(KEY, tmp_path / "team.key")
    assert os.listdir(tmp_path) == ["team.key"]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = saved(tmp_path / "team.key", b"precious")
    with pytest.raises(KeyFileError, match="exists already"):
        write_key(KEY, path)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["team.key"]


@posix
def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "team.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="exists already"):
        write_key(KEY, tmp_path / "team.key")
    assert os.listdir(tmp_path) == ["team.key"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_of_many_writers_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        forbid_links(monkeypatch)
    rivals = [Key.new() for _ in range(4)]
    refused = []
    for key in rivals:
        try:
            write_key(key, tmp_path / "team.key")
        except KeyFileError:
            refused.append(key)
    assert refused == rivals[1:]
    assert read_key(tmp_path / "team.key") == rivals[0]
    assert os.listdir(tmp_path) == ["team.key"]


def forbid_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this file system answer like FAT, which has no hard links."""

    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


@posix
def test_where_there_are_no_links_a_key_is_written_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_links(monkeypatch)
    write_key(KEY, tmp_path / "team.key")
    assert read_key(tmp_path / "team.key") == KEY
    assert stat.S_IMODE((tmp_path / "team.key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["team.key"]


@posix
@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(KeyFileError, match="No space left"):
        write_key(KEY, tmp_path / "team.key")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be written: No such file"):
        write_key(KEY, tmp_path / "nowhere" / "team.key")


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
    code = (
        "from pathlib import Path; from csfnns.keys import read_key; print(read_key(Path('/dev/stdin')).id)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=render_key(KEY),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == KEY.id


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (render_key(KEY).encode("utf-16"), "not in UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "not in UTF-8"),
        (b"# \xff", "not in UTF-8"),
        (b"", "'format' is missing"),
        (render_key(KEY).encode() + b"#" * MAX_BYTES, "too large"),
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    path = saved(tmp_path / "team.key", data)
    with pytest.raises(KeyFileError, match=problem) as caught:
        read_key(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="There is no key file"):
        read_key(tmp_path / "team.key")
    with pytest.raises(KeyFileError, match="cannot be read: Is a directory"):
        read_key(tmp_path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert read_key(saved(tmp_path / "team.key", render_key(KEY).encode("utf-8-sig"))) == KEY


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [
        ("team.key", "team.bob.key"),
        ("a/team.key", "a/team.bob.key"),
        ("team", "team.bob"),
        ("x.y.key", "x.y.bob.key"),
    ],
)
def test_a_receivers_file_lies_next_to_the_senders(sender: str, receiver: str) -> None:
    assert receiver_path(Path(sender), "bob") == Path(receiver)


def test_a_receivers_name_cannot_lead_elsewhere() -> None:
    with pytest.raises(UsageError, match="cannot be named"):
        receiver_path(Path("team.key"), "../bob")

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from csfnns.covers.register import AlbumRegister, parse_share
from csfnns.errors import CoverError, UsageError

KEY = "key-a"


@pytest.fixture
def register(home: Path) -> AlbumRegister:
    return AlbumRegister()


def test_claims_and_marks_are_kept_by_key(register: AlbumRegister, home: Path) -> None:
    assert register.claim(KEY, 5)
    assert not register.claim(KEY, 5)
    register.mark(KEY, 7)
    register.mark(KEY, 7)
    assert not register.claim(KEY, 7)
    again = AlbumRegister(home / "albums.sqlite3")
    assert again.used(KEY) == {5, 7}
    assert again.used("key-b") == set()
    assert again.claim("key-b", 5)
    assert (home / "albums.sqlite3").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["albums.sqlite3"]


def test_claims_survive_a_power_cut(register: AlbumRegister) -> None:
    """SQLite syncs the folder, too, after it has deleted a rollback journal, in mode 3 (EXTRA) alone."""
    with register._transaction() as db:
        settings = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "fullfsync", "journal_mode")]
    assert settings == [3, 1, "delete"]


def test_only_the_maker_writes_without_a_share(register: AlbumRegister) -> None:
    assert register.share(KEY) is None
    with pytest.raises(CoverError, match=r"share KEY 1/2' at one end and .* share KEY 2/2' at the other"):
        register.take_share(KEY)
    register.make_writer(KEY)
    assert register.share(KEY) == register.take_share(KEY) == (1, 1)


def test_another_share_than_before_is_refused(register: AlbumRegister) -> None:
    assert register.take_share(KEY, (2, 3)) == register.take_share(KEY) == register.share(KEY) == (2, 3)
    register.make_writer(KEY)  # changes nothing
    with pytest.raises(CoverError, match=r"must be 2/3, .*, got 1/3"):
        register.take_share(KEY, (1, 3))


def test_the_maker_may_take_a_share_until_their_first_message(register: AlbumRegister) -> None:
    for key_id in (KEY, "key-b"):
        register.make_writer(key_id)
        register.mark(key_id, 1)  # from the other end, which has share 2/2
    assert register.take_share(KEY, (1, 2)) == (1, 2)
    register.claim("key-b", 0)
    with pytest.raises(CoverError, match="share must be 1/1"):
        register.take_share("key-b", (1, 2))


def test_another_writer_in_the_same_share_is_noticed(register: AlbumRegister) -> None:
    register.make_writer(KEY)
    register.claim(KEY, 4)
    register.mark(KEY, 4)  # a message of one's own
    assert register.take_share(KEY) == (1, 1)
    register.mark(KEY, 5)
    with pytest.raises(CoverError, match="Another computer has used pictures"):
        register.take_share(KEY)


def _claim(path: Path, index: int) -> bool:
    return AlbumRegister(path).claim(KEY, index)


def test_processes_never_claim_the_same_picture(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        assert sum(pool.map(_claim, [tmp_path / "albums.sqlite3"] * 100, [*range(25)] * 4)) == 25


def test_a_register_that_is_damaged_lost_or_not_writable_is_refused(register: AlbumRegister) -> None:
    register.make_writer(KEY)
    whole = register.path.read_bytes()
    for damaged in (b"no database " * 1000, whole[:-4096] + os.urandom(4096), whole[:5000]):
        register.path.write_bytes(damaged)
        for use in (register.claim, register.mark):
            with pytest.raises(CoverError, match="register of used pictures"):
                use(KEY, 1)
    register.path.write_bytes(b"")
    with pytest.raises(CoverError, match="may not hide"):
        register.take_share(KEY)
    with pytest.raises(CoverError, match="register of used pictures"):
        AlbumRegister(register.path / "file" / "albums.sqlite3").used(KEY)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/2/3", "1/101", "a/b", " 1/2", "01/2"])
def test_shares_are_parsed(text: str) -> None:
    assert parse_share("2/3") == (2, 3)
    with pytest.raises(UsageError, match="share must be I/N"):
        parse_share(text)

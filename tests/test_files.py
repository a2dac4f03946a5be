import os
from pathlib import Path

import pytest

from csfnns.files import write_whole


def test_the_file_holds_all_and_has_the_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"all of it", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"all of it"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_name_that_is_taken_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    write_whole(tmp_path / "a", b"third", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"third"


def test_where_neither_links_nor_renames_work_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="not on this"):
        write_whole(tmp_path / "a", b"data")
    assert not list(tmp_path.iterdir())

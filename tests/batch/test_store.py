import math
import sqlite3
from pathlib import Path

import pytest

from csfnns.batch.store import FILE, Store
from csfnns.errors import UsageError


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    row = {"values": {"here": {"stego_psnr": math.inf, "stego_ssim": 0.1 + 0.2, "stego_lpips": "none"}}}
    Store(tmp_path / "new").add("a", row)
    assert Store(tmp_path / "new").rows() == {"a": row}


def test_the_first_of_two_rows_stays(tmp_path: Path) -> None:
    one, other = Store(tmp_path), Store(tmp_path)
    one.add("a", {"who": "one"})
    other.add("a", {"who": "other"})
    assert one.rows() == {"a": {"who": "one"}}


def test_a_row_that_was_not_committed_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add("a", {})
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("INSERT INTO rows VALUES ('b', '{')")
    connection.close()  # as the end of a process does: without a commit
    assert store.rows() == {"a": {}}


def test_no_number_that_is_none_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Store(tmp_path).add("a", {"x": math.nan})
    assert Store(tmp_path).rows() == {}


def test_another_file_of_that_name_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("my notes, and quite a lot of them")
    with pytest.raises(UsageError, match="cannot be used"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_text().startswith("my notes")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be created"):
        Store(tmp_path / "file" / "out")
    with pytest.raises(UsageError, match="No run is stored"):
        Store(tmp_path, must_exist=True)
    assert not (tmp_path / FILE).exists()

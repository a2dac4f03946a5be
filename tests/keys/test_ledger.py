import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from csfnns.errors import LedgerError, UsageError
from csfnns.keys import LAST_MESSAGE, Ledger

posix = pytest.mark.skipif(os.name != "posix", reason="file modes and SIGKILL are POSIX")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "home" / "ledger.sqlite3", busy_seconds=10.0)


def start(code: str, path: Path) -> subprocess.Popen[str]:
    """Start a Python that runs `code` on the ledger at `path`."""
    lines = ["import sys", "from pathlib import Path", "from csfnns.keys import Ledger"]
    program = "\n".join([*lines, "book = Ledger(Path(sys.argv[1]))", code])
    return subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str]) -> list[int]:
    output, _ = process.communicate(timeout=60)
    return [int(line) for line in output.split()]


def test_numbers_are_given_out_one_after_the_other(ledger: Ledger) -> None:
    assert [ledger.claim("a") for _ in range(4)] == [1, 2, 3, 4]


def test_each_key_has_its_own_numbers(ledger: Ledger) -> None:
    assert [ledger.claim(key) for key in "aabab"] == [1, 2, 1, 3, 2]
    assert (ledger.highest("a"), ledger.highest("b"), ledger.highest("c")) == (3, 2, 0)


def test_another_ledger_on_the_same_file_goes_on_where_the_first_stopped(ledger: Ledger) -> None:
    ledger.claim("a")
    assert Ledger(ledger.path).claim("a") == 2


def test_a_chosen_number_is_given_once(ledger: Ledger) -> None:
    assert ledger.claim("a", 5) == 5
    with pytest.raises(LedgerError, match="number 5 of key a was used before"):
        ledger.claim("a", 5)
    assert ledger.claim("b", 5) == 5


def test_after_a_chosen_number_the_next_is_higher(ledger: Ledger) -> None:
    ledger.claim("a", 5)
    assert ledger.claim("a") == 6
    assert ledger.claim("a", 2) == 2
    assert ledger.claim("a") == 7


def test_a_number_revealed_here_is_never_sent_from_here(ledger: Ledger) -> None:
    ledger.mark_seen("a", "main", 3)
    assert ledger.highest("a") == 0
    with pytest.raises(LedgerError, match="used before"):
        ledger.claim("a", 3)
    assert ledger.claim("a") == 4


def test_the_numbers_seen_are_kept_for_each_key_and_receiver(ledger: Ledger) -> None:
    for receiver, number in [("bob", 2), ("bob", 1), ("bob", 2), ("carol", 7)]:
        ledger.mark_seen("a", receiver, number)
    assert ledger.seen("a", "bob") == {1, 2}
    assert ledger.seen("a", "carol") == {7}
    assert ledger.seen("b", "bob") == set()


def test_a_message_to_oneself_is_no_conflict(ledger: Ledger) -> None:
    assert ledger.claim("a") == 1
    ledger.mark_seen("a", "main", 1)
    assert ledger.claim("a") == 2


@pytest.mark.parametrize("number", [0, -1, LAST_MESSAGE + 1])
def test_a_number_that_cannot_be_is_refused(ledger: Ledger, number: int) -> None:
    with pytest.raises(UsageError, match="no message number"):
        ledger.claim("a", number)
    with pytest.raises(UsageError, match="no message number"):
        ledger.mark_seen("a", "bob", number)


def test_the_numbers_end(ledger: Ledger) -> None:
    assert ledger.claim("a", LAST_MESSAGE) == LAST_MESSAGE
    with pytest.raises(LedgerError, match="no message numbers left"):
        ledger.claim("a")


def test_eight_processes_at_once_get_forty_different_numbers(ledger: Ledger) -> None:
    code = "for _ in range(5): print(book.claim('a'))"
    processes = [start(code, ledger.path) for _ in range(8)]
    assert sorted(number for process in processes for number in lines(process)) == list(range(1, 41))


def test_threads_at_once_get_different_numbers(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: ledger.claim("a"), range(40)))
    assert sorted(numbers) == list(range(1, 41))


@posix
def test_a_process_killed_while_claiming_leaves_a_ledger_that_goes_on(ledger: Ledger) -> None:
    process = start("while True: print(book.claim('a'), flush=True)", ledger.path)
    assert process.stdout is not None
    given = [int(process.stdout.readline()) for _ in range(20)]
    process.kill()
    given += lines(process)
    assert process.returncode == -signal.SIGKILL
    assert given == list(range(1, len(given) + 1))
    assert ledger.claim("a") in (given[-1] + 1, given[-1] + 2)  # the last one may have been lost unprinted


@posix
def test_a_process_killed_in_the_middle_of_a_transaction_leaves_a_ledger_that_goes_on(ledger: Ledger) -> None:
    ledger.claim("a")
    code = """if True:
        import os, signal, sqlite3
        db = sqlite3.connect(book.path, isolation_level=None)
        db.execute("PRAGMA cache_size = 1")  # spills unfinished pages into the file
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO claimed VALUES ('a', ?)", ((n,) for n in range(2, 20000)))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    before = ledger.path.stat().st_size
    assert lines(start(code, ledger.path)) == []
    assert ledger.path.stat().st_size > before  # half of it is in the file, and the journal beside it
    assert ledger.path.with_name("ledger.sqlite3-journal").exists()
    assert ledger.claim("a") == 2


def test_a_claim_that_fails_claims_nothing(ledger: Ledger) -> None:
    ledger.claim("a")
    with pytest.raises(LedgerError):
        ledger.claim("a", 1)
    assert ledger.claim("a") == 2


@posix
def test_folder_and_file_are_their_owners_alone_whatever_the_umask(ledger: Ledger) -> None:
    before = os.umask(0)
    try:
        ledger.claim("a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700


def test_at_rest_the_ledger_is_one_file(ledger: Ledger) -> None:
    ledger.claim("a")
    assert os.listdir(ledger.path.parent) == ["ledger.sqlite3"]


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSFNNS_HOME", str(tmp_path / "here"))
    assert Ledger().path == tmp_path / "here" / "ledger.sqlite3"
    monkeypatch.setenv("CSFNNS_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Ledger().path.parent.name == "csfnns"


def test_a_path_with_odd_characters_works(tmp_path: Path) -> None:
    path = tmp_path / "100 % [ä]?mode=memory#.sqlite3"
    assert Ledger(path).claim("a") == 1
    assert path.exists()


def refused(ledger: Ledger, match: str) -> LedgerError:
    """Every use of this ledger fails, and changes nothing."""
    before = ledger.path.read_bytes()
    uses: list[Callable[[], object]] = [
        lambda: ledger.claim("a"),
        lambda: ledger.claim("a", 9),
        lambda: ledger.highest("a"),
        lambda: ledger.seen("a", "bob"),
        lambda: ledger.mark_seen("a", "bob", 1),
    ]
    for use in uses:
        with pytest.raises(LedgerError, match=match) as caught:
            use()
        assert caught.value.hint
    assert ledger.path.read_bytes() == before
    return caught.value


def test_an_emptied_ledger_is_never_started_anew(ledger: Ledger) -> None:
    ledger.claim("a")
    ledger.path.write_bytes(b"")
    assert "send with new keys only" in refused(ledger, "was emptied").hint


def test_a_ledger_overwritten_with_something_else_is_refused(ledger: Ledger) -> None:
    ledger.claim("a")
    ledger.path.write_bytes(b"not a database, but long enough to look like one. " * 100)
    assert "send with new keys only" in refused(ledger, "is damaged").hint


def test_a_ledger_cut_short_is_refused(ledger: Ledger) -> None:
    ledger.claim("a")
    ledger.path.write_bytes(ledger.path.read_bytes()[:-4096])
    refused(ledger, "is damaged")


@pytest.mark.parametrize("page", [1, 2])
def test_a_ledger_with_a_page_lost_is_refused(ledger: Ledger, page: int) -> None:
    ledger.claim("a")
    data = bytearray(ledger.path.read_bytes())
    data[4096 * page : 4096 * (page + 1)] = bytes(4096)
    ledger.path.write_bytes(data)
    refused(ledger, "is damaged")


def test_another_programs_database_is_refused(ledger: Ledger) -> None:
    ledger.path.parent.mkdir()
    with sqlite3.connect(ledger.path) as db:
        db.execute("CREATE TABLE claimed (key_id, number)")
    db.close()
    refused(ledger, "no ledger of csfnns")


def test_a_newer_ledger_is_refused_with_what_to_do(ledger: Ledger) -> None:
    ledger.claim("a")
    with sqlite3.connect(ledger.path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    assert refused(ledger, "has version 2; this csfnns knows version 1").hint == "Update csfnns."


def test_a_ledger_held_by_another_program_is_an_error_in_the_end(ledger: Ledger) -> None:
    ledger.claim("a")
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match="Another program held the ledger"):
        Ledger(ledger.path, busy_seconds=0.05).claim("a")
    other.close()
    assert ledger.claim("a") == 2


def test_a_ledger_that_is_a_folder_or_lies_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be"):
        Ledger(tmp_path).claim("a")
    with pytest.raises(LedgerError, match="cannot be"):
        Ledger(tmp_path / "file" / "ledger.sqlite3").claim("a")

"""The ledger: which message numbers were used, so that no cover is ever used twice.

Two stego pictures on one cover differ by δ1 - δ2, which gives both away. So a number counts as used from
the moment it is handed out, whatever becomes of the message: it is on disk before `claim` returns, and a
number lost to a crash is never handed out again.

SQLite keeps it, with a rollback journal rather than a write-ahead log: the ledger is one file at rest, so a
copy or a move can't leave the latest numbers behind in a second one, and home folders on a network work. In
this mode only `synchronous = EXTRA` makes a commit survive a power cut: FULL does not sync the folder after
the journal is deleted, and a journal that comes back undoes the claim.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from csfnns.errors import LedgerError
from csfnns.files import write_whole
from csfnns.keys.material import LAST_MESSAGE, check_message

VERSION = 1
BUSY_SECONDS = 30.0

_APPLICATION = int.from_bytes(b"csfn", "big")
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE claimed (
    key_id TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key_id, number)
) WITHOUT ROWID;
CREATE TABLE seen (
    key_id TEXT NOT NULL, number INTEGER NOT NULL, receiver TEXT NOT NULL,
    PRIMARY KEY (key_id, number, receiver)
) WITHOUT ROWID;
"""
_DAMAGED = (
    "Covers of earlier messages may be used again if it is replaced by an empty or an older one. "
    "Move the file away and send with new keys only; old keys still reveal."
)


class Ledger:
    """Message numbers claimed and seen on this computer, for any number of threads and processes at once.

    `path` is the SQLite file, by default ledger.sqlite3 in the folder CSFNNS_HOME or the user's data
    folder. It is made (0600, in a folder of 0700) at the first use. Every method raises LedgerError when
    the file is damaged, from a newer csfnns, not writable, or locked by another program for more than
    `busy_seconds`.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self.path = default_path() if path is None else Path(path)
        self._busy_seconds = busy_seconds

    def claim(self, key_id: str, number: int | None = None) -> int:
        """Take a message number of that key, never to be given again: the next one, or `number`.

        The next is one more than the highest ever claimed or seen here. Raises UsageError for a `number` that
        cannot be and LedgerError for one that was claimed or seen before.
        """
        if number is not None:
            number = check_message(number)
        with self._transaction() as db:
            if number is None:
                number = 1 + max(_highest(db, "claimed", key_id), _highest(db, "seen", key_id))
                if number > LAST_MESSAGE:
                    raise LedgerError(f"Key {key_id} has no message numbers left.", "Make a new key.")
            elif _used(db, key_id, number):
                hint = "Leave the choice of the number to the ledger: a cover must never be used twice."
                raise LedgerError(f"Message number {number} of key {key_id} was used before.", hint)
            db.execute("INSERT INTO claimed VALUES (?, ?)", (key_id, number))
        return number

    def highest(self, key_id: str) -> int:
        """Highest number claimed here with that key, 0 if none."""
        with self._transaction() as db:
            return _highest(db, "claimed", key_id)

    def seen(self, key_id: str, receiver: str) -> set[int]:
        """Numbers of the messages that were revealed here for that receiver of the key."""
        with self._transaction() as db:
            query = "SELECT number FROM seen WHERE key_id = ? AND receiver = ?"
            return {number for (number,) in db.execute(query, (key_id, receiver))}

    def mark_seen(self, key_id: str, receiver: str, number: int) -> None:
        """Note that the message was revealed here for that receiver; twice is once. Raises UsageError too."""
        number = check_message(number)
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (key_id, number, receiver))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Exclusive right to the ledger, given up when the block ends; what it wrote is on disk then.

        Each has its own connection, so threads and forked processes share nothing.
        """
        self._make()
        uri = self.path.absolute().as_uri() + "?mode=rw"  # opens, never makes
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=self._busy_seconds, isolation_level=None)
            with closing(connection) as db:
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache as well
                db.execute("BEGIN IMMEDIATE")
                self._check(db)
                yield db
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _make(self) -> None:
        """Make the file whole or not at all, so that an empty one is always a sign of damage."""
        try:
            if self.path.exists():
                return
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.path, _empty(), mode=0o600)
        except FileExistsError:
            return  # another process was quicker
        except OSError as error:
            hint = "Check the folder's permissions and its free space."
            raise LedgerError(f"The ledger {self.path} cannot be made: {error.strerror}.", hint) from error

    def _check(self, db: sqlite3.Connection) -> None:
        version = _pragma(db, "user_version")
        if _pragma(db, "application_id") != _APPLICATION:
            raise LedgerError(f"{self.path} is no ledger of csfnns, or it was emptied.", _DAMAGED)
        if version != VERSION:
            message = f"The ledger {self.path} has version {version}; this csfnns knows version {VERSION}."
            raise LedgerError(message, "Update csfnns.")
        if _pragma(db, "quick_check(1)") != "ok":
            raise LedgerError(f"The ledger {self.path} is damaged.", _DAMAGED)

    def _explain(self, error: sqlite3.Error) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            message = f"Another program held the ledger {self.path} for {self._busy_seconds:.0f} seconds."
            return LedgerError(message, "Try again; if that does not help, find the program that hangs.")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return LedgerError(f"The ledger {self.path} is damaged: {error}.", _DAMAGED)
        hint = "Check the permissions of the file and its folder, and the free space."
        return LedgerError(f"The ledger {self.path} cannot be used: {error}.", hint)


def default_path() -> Path:
    """Where the ledger is: in the folder CSFNNS_HOME if that is set, else in the user's data folder."""
    from platformdirs import user_data_dir

    home = os.environ.get("CSFNNS_HOME") or user_data_dir("csfnns", appauthor=False)
    return Path(home).expanduser() / "ledger.sqlite3"


def _pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def _empty() -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return db.serialize()


def _highest(db: sqlite3.Connection, table: str, key_id: str) -> int:
    (number,) = db.execute(f"SELECT max(number) FROM {table} WHERE key_id = ?", (key_id,)).fetchone()
    return int(number or 0)


def _used(db: sqlite3.Connection, key_id: str, number: int) -> bool:
    query = (
        "SELECT EXISTS (SELECT 1 FROM claimed WHERE key_id = ? AND number = ?)"
        " OR EXISTS (SELECT 1 FROM seen WHERE key_id = ? AND number = ?)"
    )
    return bool(db.execute(query, (key_id, number, key_id, number)).fetchone()[0])

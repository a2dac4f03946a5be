"""The register of used pictures: which pictures of an album carried a message, so that none carries two.

Two stego pictures on one cover give both messages away, and an album is too small for random nonces to differ. Either
one end writes with a key, or each end has its own share of the pictures. A picture counts as used from the moment it is
claimed, even if the message is never finished: the claim is on disk before `claim` returns.

SQLite with a rollback journal keeps the register in one file and works in home folders on a network. In this mode only
`synchronous = EXTRA` makes a commit survive a power cut: FULL does not sync the folder after deleting the journal.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from csfnns.errors import CoverError, UsageError
from csfnns.files import own_folder

Share: TypeAlias = tuple[int, int]
"""(i, n) with 1 ≤ i ≤ n: the pictures whose number is i - 1 modulo n. (1, 1) is the whole album."""

BUSY_SECONDS = 30.0
LARGEST = 100  # shares of an album

_SCHEMA = """
CREATE TABLE IF NOT EXISTS share (key_id TEXT PRIMARY KEY, i INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used (
    key_id TEXT NOT NULL, picture INTEGER NOT NULL, claimed INTEGER NOT NULL, PRIMARY KEY (key_id, picture)
) WITHOUT ROWID;
"""
_DAMAGE = """
SELECT 1 FROM share WHERE typeof(i) != 'integer' OR typeof(n) != 'integer' OR NOT (1 <= i AND i <= n)
UNION ALL SELECT 1 FROM used WHERE typeof(picture) != 'integer'
"""
_HOW = "'csfnns key share KEY 1/2' at one end and 'csfnns key share KEY 2/2' at the other, before the first message"


class AlbumRegister:
    """Used pictures of the albums on this computer, for any number of threads and processes at once.

    `path` is the SQLite file, by default albums.sqlite3 in the folder CSFNNS_HOME or the user's data folder. It is
    created (0600) when it is first used. Every method raises CoverError for a register that is damaged, not writable or
    locked by another program for 30 seconds.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = _default_path() if path is None else Path(path)

    def make_writer(self, key_id: str) -> None:
        """Give this computer the whole album of a key that was just made here."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO share VALUES (?, 1, 1)", (key_id,))

    def share(self, key_id: str) -> Share | None:
        """The share of this computer, or None if it may not write with the key."""
        with self._transaction() as db:
            return _share(db, key_id)

    def take_share(self, key_id: str, share: Share | None = None) -> Share:
        """The share to write in: `share`, remembered from now on, or the one that is known.

        Raises CoverError where none is known, where `share` is not the known one (the whole album may be reduced to a
        share until the first claim), and where another computer has used a picture of this share.
        """
        with self._transaction() as db:
            known = _share(db, key_id)
            if share is not None and share != known:
                unused = not db.execute("SELECT 1 FROM used WHERE key_id = ? AND claimed", (key_id,)).fetchone()
                if known is not None and not (known == (1, 1) and unused):
                    raise CoverError(
                        f"The share must be {_text(known)}, as for the earlier messages of this key, got {_text(share)}.",
                        "Leave it out, or make a new key: a cover must never be used twice.",
                    )
                db.execute("INSERT OR REPLACE INTO share VALUES (?, ?, ?)", (key_id, *share))
            current = share or known
            if current is None:
                raise CoverError(
                    "This computer may not hide with this key: its covers come from an album, and the key was made "
                    "elsewhere.",
                    f"Run {_HOW}. If messages were already sent without shares, make a new key.",
                )
            query = "SELECT 1 FROM used WHERE key_id = ? AND picture % ? = ? AND NOT claimed"
            if db.execute(query, (key_id, current[1], current[0] - 1)).fetchone():
                raise CoverError(
                    f"Another computer has used pictures of this key's album in share {_text(current)}, "
                    "or this computer's register was lost.",
                    f"Make a new key with new pictures, and run {_HOW}.",
                )
        return current

    def used(self, key_id: str) -> set[int]:
        """Numbers of the pictures that were claimed or marked."""
        with self._transaction() as db:
            rows = db.execute("SELECT picture FROM used WHERE key_id = ?", (key_id,))
            return {picture for (picture,) in rows}

    def claim(self, key_id: str, index: int) -> bool:
        """Take a picture for a message: False if it was claimed or marked before. Durable when this returns."""
        return self._add(key_id, index, claimed=True)

    def mark(self, key_id: str, index: int) -> None:
        """Note that a received message used this picture. Durable when this returns; twice is once."""
        self._add(key_id, index, claimed=False)

    def _add(self, key_id: str, index: int, *, claimed: bool) -> bool:
        with self._transaction() as db:
            row = (key_id, index, claimed)
            return db.execute("INSERT OR IGNORE INTO used VALUES (?, ?, ?)", row).rowcount == 1

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Exclusive access to the register; what the block wrote is on disk when it ends.

        Each transaction has its own connection, so threads and forked processes share nothing.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache as well
                db.execute("BEGIN IMMEDIATE")
                if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                    raise sqlite3.DatabaseError("its structure is damaged")
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    db.execute(statement)
                if db.execute(_DAMAGE).fetchone():
                    raise sqlite3.DatabaseError("it holds values that no version writes")
                yield db
                db.execute("COMMIT")
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:  # a damaged text is not always UTF-8
            reason = error.strerror if isinstance(error, OSError) else error
            raise CoverError(
                f"The register of used pictures {self.path} cannot be used: {reason}.",
                "Check its permissions and the free space. If it is damaged, remove it and make new keys for albums.",
            ) from error


def parse_share(text: str) -> Share:
    """Share from a text such as 1/2. Raises UsageError."""
    match = re.fullmatch(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})", text)
    i, n = map(int, match.groups()) if match else (0, 0)
    if not 1 <= i <= n <= LARGEST:
        raise UsageError(f"share must be I/N with 1 ≤ I ≤ N ≤ {LARGEST}, such as 1/2, got {text!r}.", f"Run {_HOW}.")
    return i, n


def _text(share: Share) -> str:
    return f"{share[0]}/{share[1]}"


def _share(db: sqlite3.Connection, key_id: str) -> Share | None:
    found: Share | None = db.execute("SELECT i, n FROM share WHERE key_id = ?", (key_id,)).fetchone()
    return found


def _default_path() -> Path:
    try:
        return own_folder("data") / "albums.sqlite3"
    except UsageError as error:
        raise CoverError(error.message, error.hint) from None

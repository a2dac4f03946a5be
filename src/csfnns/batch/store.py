"""Rows on disk: one a job, committed to SQLite as soon as it is known. A kill loses only the row in work.

Processes that share a folder claim a job before they do it, so that none is done twice. A claim ends with its row, with
its process, or, on another computer, when it has not been renewed for a minute.
"""

import json
import math
import os
import platform
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from csfnns.errors import UsageError
from csfnns.files import write_result

FILE = "rows.sqlite"
VERSION = 2
"""Of the JSON files beside the rows."""

_RENEWED = 10.0  # seconds between two signs of life
_STALE = 60.0  # seconds without one after which a claim of another computer ends

T = TypeVar("T")
Row = Mapping[str, Any]
"""What was measured, with the settings and the machine; see docs/experiments.md."""


class Store:
    """Rows of one folder by id. Several processes may use it at once: the first of two rows with one id stays."""

    def __init__(self, folder: Path, name: str = FILE, *, must_exist: bool = False) -> None:
        """Open the store, or create it; with `must_exist`, open it to be read, without any change.

        Raises UsageError for a file that is no store or cannot be written.
        """
        self.folder, self.name = folder, name
        self._path = folder / name
        if must_exist:
            if not self._path.is_file():
                raise UsageError(f"No run is stored in {folder}.", "Check --out, or run the experiment first.")
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder} cannot be created: {error.strerror}.", "Choose another --out.") from error
        with self.opened() as rows:
            rows.execute("CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, row TEXT NOT NULL)")
            rows.execute(
                "CREATE TABLE IF NOT EXISTS claims"
                " (id TEXT PRIMARY KEY, node TEXT, process TEXT, seen REAL, attempts INTEGER)"
            )

    def rows(self) -> dict[str, Row]:
        """Every row by its id."""
        with self.opened() as rows:
            return {key: _decoded(json.loads(text)) for key, text in rows.execute("SELECT id, row FROM rows")}

    def ids(self) -> set[str]:
        """Id of every row."""
        with self.opened() as rows:
            return {key for (key,) in rows.execute("SELECT id FROM rows")}

    def add(self, key: str, row: Row) -> None:
        """Write a row, and end the claim of its job; it is on disk when this returns. Raises ValueError for NaN."""
        text = json.dumps(_encoded(row), allow_nan=False)
        with self.opened() as rows:
            rows.execute("INSERT OR IGNORE INTO rows VALUES (?, ?)", (key, text))
            rows.execute("DELETE FROM claims WHERE id = ?", (key,))

    def remove(self, keys: Iterable[str]) -> None:
        """Forget rows, so that their jobs are done again."""
        with self.opened() as rows:
            rows.executemany("DELETE FROM rows WHERE id = ?", [(key,) for key in keys])

    def claim(self, key: str) -> int:
        """Claim a job for this process; return how often it was claimed, 0 where it is done or somebody else's."""
        node, process = _this()
        now = time.time()
        with self.opened() as rows:
            found = rows.execute(
                "INSERT INTO claims SELECT :id, :node, :process, :now, 1"
                " WHERE NOT EXISTS (SELECT 1 FROM rows WHERE id = :id)"
                " ON CONFLICT (id) DO UPDATE SET node = :node, process = :process, seen = :now, attempts = attempts + 1"
                " WHERE seen < :stale RETURNING attempts",
                {"id": key, "node": node, "process": process, "now": now, "stale": now - _STALE},
            ).fetchone()
        return found[0] if found else 0

    def claimed(self) -> int:
        """Number of jobs that somebody does."""
        self.end_dead_claims()
        with self.opened() as rows:
            count: int = rows.execute(
                "SELECT COUNT(*) FROM claims WHERE seen >= ?", (time.time() - _STALE,)
            ).fetchone()[0]
        return count

    def release(self, key: str, *, failed: bool = False) -> None:
        """Give back a job that is not finished; it counts as an attempt where it `failed`."""
        with self.opened() as rows:
            rows.execute("UPDATE claims SET seen = 0, attempts = attempts - ? WHERE id = ?", (not failed, key))

    def merge(self, other: "Store") -> int:
        """Add the rows of another store whose ids this one lacks; return how many these are."""
        found = other.rows()
        with self.opened() as rows:
            query = "INSERT OR IGNORE INTO rows VALUES (?, ?)"
            encoded = [(key, json.dumps(_encoded(row), allow_nan=False)) for key, row in found.items()]
            return rows.executemany(query, encoded).rowcount

    def end_dead_claims(self) -> None:
        """End the claims of processes of this computer that are gone."""
        node, _ = _this()
        with self.opened() as rows:
            held = rows.execute("SELECT DISTINCT process FROM claims WHERE node = ? AND seen > 0", (node,)).fetchall()
            dead = [(node, process) for (process,) in held if not _is_alive(process)]
            rows.executemany("UPDATE claims SET seen = 0 WHERE node = ? AND process = ?", dead)

    @contextmanager
    def renewed_claims(self) -> Iterator[None]:
        """Show other computers, in a thread, that the claims of this process still hold."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(_RENEWED):
                with suppress(UsageError), self.opened() as rows:
                    own = "UPDATE claims SET seen = ? WHERE node = ? AND process = ? AND seen > 0"
                    rows.execute(own, (time.time(), *_this()))

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The database in a transaction. Raises UsageError where it cannot be used."""
        try:
            connection = sqlite3.connect(self._path, timeout=60)
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            hint = "Choose another --out, or move this file away."
            raise UsageError(f"{self._path} cannot be used: {error}.", hint) from error


def write_json(path: Path, content: Any) -> None:
    """Write a dataclass as JSON, with the version of its layout. Raises UsageError when the disk refuses."""
    text = json.dumps({"version": VERSION, **_encoded(asdict(content))}, indent=1, allow_nan=False)
    write_result(path, text.encode(), hint="Choose another --out.")


def read_json(path: Path, kind: type[T], missing: str, hint: str) -> T:
    """The `kind` that `write_json` wrote. Raises UsageError for a missing file, with that message, and for others."""
    try:
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict) and content.pop("version", None) != VERSION:
            raise UsageError(f"{path} was written by another version of csfnns.", hint)
        return TypeAdapter(kind).validate_python(content)
    except OSError as error:
        raise UsageError(missing, hint) from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise UsageError(f"{path} is damaged: {where or 'no JSON object'}.", hint) from error
    except ValueError as error:
        raise UsageError(f"{path} is damaged: no JSON.", hint) from error


_INFINITY = "Infinity"
"""Stands for infinity, which JSON does not have."""


def _encoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _encoded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(each) for each in value]
    return _INFINITY if isinstance(value, float) and value == math.inf else value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decoded(each) for key, each in value.items()}
    return math.inf if value == _INFINITY else value


def _this() -> tuple[str, str]:
    """Name of this computer, and of this process on it."""
    return _node(), f"{os.getpid()} {_started(os.getpid())}"


@cache
def _node() -> str:
    """Name within which numbers of processes mean something: of a computer, and of a container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{platform.node()} {boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _is_alive(process: str) -> bool:
    """Whether a process of this computer still runs; True where that is not known."""
    if os.name == "nt":  # signal 0 would interrupt it
        return True
    pid, _, started = process.partition(" ")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        pass
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process began, so that another one with its number is not taken for it; empty where that is not known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "ended" if fields[0] in "ZX" else fields[19]

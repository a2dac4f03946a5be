"""Rows on disk: one a measurement, committed to SQLite as soon as it is known. A kill loses only the row in work."""

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from csfnns.errors import UsageError
from csfnns.files import write_result

FILE = "rows.sqlite"
VERSION = 2
"""Of the JSON files beside the rows."""

T = TypeVar("T")
Row = Mapping[str, Any]
"""What was measured, with the settings and the machine; see docs/experiments.md."""


class Store:
    """Rows of one folder by id. Several processes may use it at once: the first of two rows with one id stays."""

    def __init__(self, folder: Path, *, must_exist: bool = False) -> None:
        """Open the store, or create it. Raises UsageError for a file that is no store or cannot be written."""
        self.folder = folder
        self._path = folder / FILE
        if must_exist and not self._path.is_file():
            raise UsageError(f"No run is stored in {folder}.", "Check --out, or run the experiment first.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder} cannot be created: {error.strerror}.", "Choose another --out.") from error
        with self._open() as rows:
            rows.execute("CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, row TEXT NOT NULL)")

    def rows(self) -> dict[str, Row]:
        """Every row by its id."""
        with self._open() as rows:
            return {key: _decoded(json.loads(text)) for key, text in rows.execute("SELECT id, row FROM rows")}

    def add(self, key: str, row: Row) -> None:
        """Write a row; it is on disk when this returns. Raises ValueError for NaN."""
        text = json.dumps(_encoded(row), allow_nan=False)
        with self._open() as rows:
            rows.execute("INSERT OR IGNORE INTO rows VALUES (?, ?)", (key, text))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
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

"""Where rows are kept: one a picture, written at once, in SQLite, so that a kill at any moment breaks nothing."""

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from csfnns.errors import UsageError

FILE = "rows.sqlite"

Row = Mapping[str, Any]
"""What was measured of one picture, and under which settings; see docs/experiments.md."""


class Store:
    """Rows of one folder. Several processes may use it at once: the first of two equal rows stays."""

    def __init__(self, folder: Path, *, must_exist: bool = False) -> None:
        """Open it, made if it is missing. Raises UsageError for a file that is none or cannot be written."""
        self.folder = folder
        self._path = folder / FILE
        if must_exist and not self._path.is_file():
            raise UsageError(f"No run is stored in {folder}.", "Check --out, or run the experiment first.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{folder} cannot be made: {error.strerror}.", "Choose another --out."
            ) from error
        with self._open() as rows:
            rows.execute("CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, row TEXT NOT NULL)")

    def rows(self) -> dict[str, Row]:
        """Every row by its id."""
        with self._open() as rows:
            return {key: _decoded(json.loads(text)) for key, text in rows.execute("SELECT id, row FROM rows")}

    def add(self, key: str, row: Row) -> None:
        """Write a row; it is on disk when this returns."""
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


def _encoded(value: Any) -> Any:
    """The same with "inf" for infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _encoded(each) for key, each in value.items()}
    return "inf" if isinstance(value, float) and math.isinf(value) else value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decoded(each) for key, each in value.items()}
    return math.inf if value == "inf" else value

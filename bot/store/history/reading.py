"""The reading connection, beside the writer's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.store.store import StoreError


class Reading:
    """A connection that only reads; several threads may share it, one works at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=30
        )
        connection.execute("PRAGMA mmap_size=2147418112")
        connection.execute("PRAGMA cache_size=-32000")
        self._reader = Database(connection)
        self._lock = threading.Lock()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of one query; StoreError if the file cannot be read."""
        with self._lock:
            try:
                return list(self._reader.query(sql, values))
            except sqlite3.Error as error:
                raise StoreError(f"The store {self._path} cannot be read: {error}.") from error

    def tuples(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `rows`, without the columns' names: for tens of thousands of rows."""
        with self._lock:
            try:
                found: list[tuple[Any, ...]] = self._reader.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"The store {self._path} cannot be read: {error}.") from error
            return found

    def close(self) -> None:
        """Closes the connection; the store stays open."""
        with self._lock:
            self._reader.close()

"""Transactions of an SQLite file: one writer at a time, of all threads and processes."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from bot.errors import SurroundingsError
from bot.store.deliveries import Change
from bot.store.records import Row

LOG = logging.getLogger(__name__)


class StoreError(SurroundingsError):
    """The store cannot be read or written: a full disk, a broken file, no permission."""


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StoreError: the file cannot be read."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"The store {path} cannot be read: {error}.") from error


class Transactions:
    """An open file with separate reading and transactional writing. Safe for all threads.

    Reading has a connection of its own, so that it does not wait for writes, nor webhooks for
    reads. Within a transaction, its thread reads what it has written so far.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, reading: sqlite3.Connection
    ) -> None:
        """`connection` writes; `reading` is another to the same file, in WAL."""
        self.path = path
        self._db = Database(connection)
        self._lock = threading.RLock()
        # The thread with an open transaction.
        self._writer: int | None = None
        self._reader = Database(reading)
        self._reading = threading.Lock()

    def vacuum(self) -> None:
        """Rewrite the file without its free pages. Raises StoreError if the disk cannot hold it."""
        with self._lock:
            try:
                self._db.execute("vacuum")
            except sqlite3.Error as error:
                raise StoreError(f"The store {self.path} cannot be packed: {error}.") from error

    def close(self) -> None:
        """Close the file. The store must not be used afterwards."""
        with self._lock, self._reading:
            self._reader.close()
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """Open a transaction as the only writer of all threads and processes.

        Raises StoreError if the disk cannot store it; then nothing was written.
        """
        with self._lock:
            connection = self._db.conn
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._writer = threading.get_ident()
                try:
                    yield self._db
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                finally:
                    self._writer = None
            except sqlite3.Error as error:
                raise StoreError(
                    f"The store {self.path} cannot be written: {error}.",
                    "Check that its disk has room and that the bot may write there.",
                ) from error

    def write_together(self, changes: Sequence[Change[Any]]) -> list[Any]:
        """Make changes in one transaction; return what each returns, or the error that it raises.

        One that raises is undone alone. Raises StoreError if the disk cannot store them; then none
        is made.
        """
        try:
            with self.writing() as db:
                return [change(db) for change in changes]
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                raise  # the disk failed, not one of the changes
        except Exception as error:  # noqa: BLE001 - each is answered with its own below
            LOG.debug("%d changes are made one by one: %s", len(changes), error)
        with self.writing() as db:
            return [self._one_of_many(db, change) for change in changes]

    def _one_of_many(self, db: Database, change: Change[Any]) -> Any:
        db.execute("savepoint change")
        try:
            result = change(db)
        except sqlite3.OperationalError:
            raise  # the disk failed, not this change
        except Exception as error:  # noqa: BLE001 - it is given to who asked for this change
            db.execute("rollback to change")
            result = error
        db.execute("release change")
        return result

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query. Raises StoreError if the file cannot be read."""
        within = self._writer == threading.get_ident()
        with self._lock if within else self._reading, reading_errors(self.path):
            return list((self._db if within else self._reader).query(sql, values))

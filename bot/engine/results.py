"""Where runs store the results of checks: in the store, or in a shared engine's database.

A result never changes: another one has another id. A worker on another machine has no store, so
with Postgres it leaves its results there, and the server brings each to the store once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from bot.engine.database import RESULTS, database_engine
from bot.engine.values import StoredResult
from bot.errors import SurroundingsError, UsageError
from bot.model.result import CheckResult, check_from_json, check_to_store
from bot.report.render import status_line
from bot.settings.values import Settings
from bot.store.store import Store, now, open_store, result_id_of, utc_text


class SharedResults:
    """The store's methods for results, on a table in the engine's database.

    SurroundingsError while it does not answer.
    """

    def __init__(self, url: str) -> None:
        self._engine = database_engine(url)
        with self._connection() as connection:
            RESULTS.create(connection, checkfirst=True)

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise SurroundingsError(f"The engine's database does not answer: {error}.") from error

    def add_result(self, check: str, body: str) -> str:
        """Store a result of a check; return its id, the same for the same result."""
        result_id = result_id_of(check, body)
        known = sa.select(RESULTS.c.id).where(RESULTS.c.id == result_id)
        row = {"id": result_id, "check_id": check, "stored": now(), "body": body}
        with self._connection() as connection:
            if connection.execute(known).first() is None:
                connection.execute(sa.insert(RESULTS).values(row))
        return result_id

    def result(self, result_id: str) -> str | None:
        """The JSON of a stored result."""
        query = sa.select(RESULTS.c.body).where(RESULTS.c.id == result_id)
        with self._connection() as connection:
            return connection.execute(query).scalar()

    def forget_results(self, days: int) -> None:
        """Delete the results older than `days`: by then the store has them."""
        before = utc_text(datetime.now(UTC) - timedelta(days=days))
        with self._connection() as connection:
            connection.execute(sa.delete(RESULTS).where(RESULTS.c.stored < before))


class Results:
    """The results that runs store and read. Blocking; safe for several threads."""

    def __init__(self, table: Store | SharedResults) -> None:
        self._table = table

    def add(self, check: str, result: CheckResult) -> StoredResult:
        """Store a result of a check; the same again is stored once."""
        body = json.dumps(check_to_store(result), separators=(",", ":"))
        title, summary = status_line(result)
        return StoredResult(self._table.add_result(check, body), result.verdict, title, summary)

    def get(self, result_id: str) -> CheckResult:
        """A stored result; UsageError if it is not stored any more."""
        body = self._table.result(result_id)
        if body is None:
            raise UsageError(
                f"The result {result_id} is not stored any more.", "Run the check again."
            )
        return check_from_json(json.loads(body))

    def bring(self, store: Store, check: str, result_id: str) -> None:
        """Store in `store` a result that a worker left in the engine's database."""
        if self._table is not store and not store.has_result(result_id):
            body = self._table.result(result_id)
            if body is not None:
                store.add_result(check, body)

    def forget(self, days: int) -> None:
        """Delete results older than `days` that nobody needs."""
        self._table.forget_results(days)


def open_results(settings: Settings, store: Store | None = None) -> Results:
    """The results of this engine: in the store, but in a shared engine's Postgres.

    `store` is the server's own; a worker on the same machine opens it as well.
    """
    database = settings.engine_database()
    if isinstance(database, Path):
        return Results(store or open_store(settings.data))
    return Results(SharedResults(database))

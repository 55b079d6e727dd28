"""Storage of the results of checks: in the store, or in a shared engine's database. A result never
changes: another one has another id. A worker on another machine has no store, so with Postgres
results are stored in the engine's database, and the server copies each to its store once.

Runs of a release before typed steps (WORKFLOW_VERSION 1, with plain objects and another order of
steps) are read if they had concluded. Others begin again from their jobs under the same ids, which
leads to the same comment and status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot.engine.database import RESULTS, create_tables, database_engine, transaction
from bot.engine.job import CheckJob, Line, Reply
from bot.engine.values import Progress, StoredResult
from bot.errors import UsageError
from bot.model.result import CheckResult
from bot.model.result_json import check_from_json, check_to_store
from bot.report.render import status_line
from bot.settings.values import Settings
from bot.store.store import Store, now, open_store, result_id_of


class SharedResults:
    """A table of results in the engine's database, with the store's methods for results.

    They raise SurroundingsError if the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._engine = database_engine(url)
        create_tables(self._engine, RESULTS.metadata)

    def add_result(self, check: str, body: str) -> str:
        """Store a result of a check, once; return its id, which is the same for the same result."""
        result_id = result_id_of(check, body)
        query = sa.select(RESULTS.c.id).where(RESULTS.c.id == result_id)
        row = {"id": result_id, "check_id": check, "stored": now(), "body": body}
        with transaction(self._engine) as connection:
            if connection.execute(query).first() is None:
                connection.execute(sa.insert(RESULTS).values(row))
        return result_id

    def result(self, result_id: str) -> str | None:
        """The JSON of a stored result; null if it is not stored."""
        query = sa.select(RESULTS.c.body).where(RESULTS.c.id == result_id)
        with transaction(self._engine) as connection:
            return connection.execute(query).scalar()

    def forget_results(self, before: str) -> None:
        """Delete results stored before an RFC 3339 time; the server has copies in its store."""
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(RESULTS).where(RESULTS.c.stored < before))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


class Results:
    """The results of checks, for runs to store and read. Blocking; safe for several threads."""

    def __init__(self, table: Store | SharedResults, *, lent: bool = False) -> None:
        """`lent`: `close` leaves `table` open, which its owner closes."""
        self._table = table
        self._lent = lent

    def close(self) -> None:
        """Close the table, unless it is lent."""
        if not self._lent:
            self._table.close()

    def add(self, check: str, result: CheckResult) -> StoredResult:
        """Store a result of a check, once."""
        body = json.dumps(check_to_store(result), separators=(",", ":"))
        title, summary = status_line(result)
        return StoredResult(self._table.add_result(check, body), result.verdict, title, summary)

    def get(self, result_id: str) -> CheckResult:
        """The result with this id; UsageError if it is not stored any more."""
        body = self._table.result(result_id)
        if body is None:
            raise UsageError(
                f"The result {result_id} is not stored any more.", "Run the check again."
            )
        return check_from_json(json.loads(body))

    def bring(self, store: Store, check: str, result_id: str) -> None:
        """Copy a result that a worker left in the engine's database to `store`."""
        if self._table is not store and not store.has_result(result_id):
            body = self._table.result(result_id)
            if body is not None:
                store.add_result(check, body)

    def forget(self, before: str) -> None:
        """Delete workers' results stored before an RFC 3339 time; the store has its own
        retention."""
        if isinstance(self._table, SharedResults):
            self._table.forget_results(before)


def open_results(settings: Settings, store: Store | None = None) -> Results:
    """The results of this engine: in the store, or, if the engine's database is a Postgres, there.
    `store` is the server's own; a worker on the same machine opens it itself."""
    database = settings.engine_database()
    if isinstance(database, Path):
        return Results(store or open_store(settings.data), lent=store is not None)
    return Results(SharedResults(database))


OlderValue = Mapping[str, Any]
_JOB = TypeAdapter(CheckJob)
_PROGRESS = TypeAdapter(Progress)


def older_job(value: OlderValue) -> CheckJob:
    """The job in the first argument of an older release's run."""
    return _JOB.validate_python(value.get("job", value))


def older_arguments(
    name: str, args: tuple[Any, ...], results: Results
) -> tuple[CheckJob, tuple[Any, ...]]:
    """The job and the other arguments of an older release's run of the workflow `name`, as this
    release has them."""
    job = older_job(args[0])
    if name == "reply":
        fields = {key: value for key, value in args[0].items() if key != "job"}
        lines = tuple(Line(line["text"], line["said"]) for line in fields["lines"])
        return job, (Reply(**{**fields, "lines": lines}),)
    if name == "publish":
        stored = results.add(job.id, check_from_json(args[1]["result"]))
        return job, (stored, "verdict" in args[1])
    return job, args[1:]


def older_progress(value: OlderValue, check: str, results: Results) -> Progress:
    """The progress of an older release's run; its result is stored."""
    result = value.get("result")
    stored = None if result is None else results.add(check, check_from_json(result)).id
    fields = {key: field for key, field in value.items() if field is not None}
    if "comment" in fields:
        fields["comment"] = (fields["comment"]["id"], fields["comment"]["url"])
    return _PROGRESS.validate_python({**fields, "result": stored})

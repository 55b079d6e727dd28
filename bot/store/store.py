"""Reading and writing the store: SQLite in WAL, synchronous FULL, one writer at a time.

Every public method is one transaction and may be called from any thread. Times are RFC 3339 UTC.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Unpack

from sqlite_utils import Database, Migrations

from bot.store import FILE
from bot.store.deliveries import (
    LONGEST_PAUSE,
    add_delivery,
    postpone_delivery,
    settle_delivery,
)
from bot.store.records import (
    HIDDEN,
    NEVER_STARTED,
    CheckChanges,
    CheckRecord,
    CommentRecord,
    Delivery,
    DeliveryState,
    NewDelivery,
    Receipt,
    Row,
    StepRecord,
)
from bot.store.schema import migrations
from bot.store.transactions import StoreError, Transactions

_BUSY_MS = 30_000


class Store(Transactions):
    """The open store, made by `open_store`."""

    # Deliveries

    def add_deliveries(self, deliveries: Iterable[NewDelivery]) -> list[Receipt]:
        """Store deliveries in one transaction; a repeat (same id, or same object) is not stored."""
        with self.writing() as db:
            return [add_delivery(db, delivery, now()) for delivery in deliveries]

    def new_deliveries(
        self,
        limit: int = 50,
        *,
        without: Collection[int] = (),
        without_forges: Collection[str] = (),
    ) -> list[Delivery]:
        """Deliveries that wait to be handled and are due, oldest first; without the ids `without`
        and the forges `without_forges`."""
        # Ids first: sorting rows with their bodies takes long in a backlog.
        rows = self.rows(
            "select id, forge, event, delivery, received, body, state, reason, attempts, misses"
            " from deliveries where id in (select id from deliveries where state = 'new'"
            " and due not between ? and ? and id not in (select value from json_each(?))"
            " and forge not in (select value from json_each(?)) order by id limit ?) order by id",
            [
                time.time(),
                time.time() + LONGEST_PAUSE,
                json.dumps(list(without)),
                json.dumps(list(without_forges)),
                limit,
            ],
        )
        return [Delivery(**row) for row in rows]

    def settle_delivery(self, delivery: int, state: DeliveryState, reason: str) -> None:
        """Record the outcome of a delivery; it is not handled again."""
        with self.writing() as db:
            settle_delivery(db, delivery, state, reason, now())

    def postpone_delivery(
        self,
        delivery: int,
        reason: str,
        seconds: float,
        *,
        counted: bool = True,
        missed: bool = False,
    ) -> None:
        """Postpone a delivery to another try after `seconds`.

        `counted`: this try counts as failed; `missed`: because the forge does not have its subject.
        """
        with self.writing() as db:
            postpone_delivery(db, delivery, reason, seconds, counted=counted, missed=missed)

    def has_delivery(self, forge: str, delivery: str) -> bool:
        """Return whether a delivery with this id is stored and did not fail."""
        sql = "select 1 from deliveries where forge = ? and delivery = ? and state != 'failed'"
        return bool(self.rows(sql, [forge, delivery]))

    def delivery_counts(self) -> dict[str, int]:
        """The number of deliveries in each state."""
        rows = self.rows("select state, count(*) as n from deliveries group by state")
        return {row["state"]: row["n"] for row in rows}

    def oldest_new_delivery(self) -> str | None:
        """The time when the oldest delivery that waits to be handled was received."""
        rows = self.rows("select min(received) as oldest from deliveries where state = 'new'")
        return rows[0]["oldest"]  # type: ignore[no-any-return]

    # Checks

    def add_check(self, check: CheckRecord) -> bool:
        """Add a new check; False (and nothing changed) if its id is known."""
        with self.writing() as db:
            if check.result is not None:
                result_id = _add_result(db, check.id, _json(check.result))
                check = replace(check, result_id=result_id)
            row = _row(replace(check, created=check.created or now()))
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" for _ in row)
            cursor = db.execute(
                f"insert or ignore into checks ({names}) values ({marks})",
                list(row.values()),
            )
            return cursor.rowcount == 1

    def reopen_check(self, check: str) -> None:
        """Reopen a check that was closed because it had never been started."""
        with self.writing() as db:
            db.execute(
                "update checks set open = 1, stage = 'waiting', problem = null, finished = null"
                " where id = ? and open = 0 and problem = ?",
                [check, NEVER_STARTED],
            )

    def update_check(self, check: str, **changes: Unpack[CheckChanges]) -> None:
        """Change the named fields of one check."""
        with self.writing() as db:
            self._update(db, check, changes)

    def _update(self, db: Database, check: str, changes: CheckChanges) -> None:
        fields = {name: value for name, value in changes.items() if name != "result"}
        if "result" in changes:
            fields["result_id"] = _add_result(db, check, _json(changes["result"]))
        db.table("checks").update(check, fields)

    def update_open_check(self, check: str, **changes: Unpack[CheckChanges]) -> bool:
        """Change fields of a check if it is open; return whether it was."""
        with self.writing() as db:
            row = db.execute("select open from checks where id = ?", [check]).fetchone()
            if row is None or not row[0]:
                return False
            self._update(db, check, changes)
            return True

    def check(self, check: str) -> CheckRecord | None:
        """One check by its id, with its result."""
        rows = self.rows(
            "select checks.*, results.body as result from checks"
            " left join results on results.id = checks.result_id where checks.id = ?",
            [check],
        )
        return _check(rows[0]) if rows else None

    def open_checks(self) -> list[CheckRecord]:
        """The checks that the engine has not finished, oldest first."""
        return [
            _check(row)
            for row in self.rows(f"{_WITHOUT_RESULT} where open = 1 order by created, rowid")
        ]

    def record_first(
        self, check: str, what: Literal["first_status", "first_comment"]
    ) -> CheckRecord | None:
        """Record that the forge has a status or comment of a check; return the check if it is the
        first."""
        with self.writing() as db:
            update = db.execute(
                f"update checks set {what} = ? where id = ? and {what} is null", [now(), check]
            )
            if not update.rowcount:
                return None
        return self.check(check)

    def store_steps(self, check: str, steps: Sequence[StepRecord]) -> None:
        """Store the steps of a check, replacing those that it has."""
        with self.writing() as db:
            db.execute("delete from run_steps where check_id = ?", [check])
            db.table("run_steps").insert_all({"check_id": check, **asdict(step)} for step in steps)

    def steps(self, check: str) -> list[StepRecord]:
        """The stored steps of a check, in their order."""
        rows = self.rows("select * from run_steps where check_id = ? order by number", [check])
        return [StepRecord(**{n: v for n, v in row.items() if n != "check_id"}) for row in rows]

    def checks_of(self, forge: str, repository: str, number: int) -> list[CheckRecord]:
        """All checks of one pull request, oldest first, without their results."""
        rows = self.rows(
            f"{_WITHOUT_RESULT} where forge = ? and repository = ? and number = ?"
            " order by created, rowid",
            [forge, repository, number],
        )
        return [_check(row) for row in rows]

    def newest_check_of_commit(
        self, forge: str, repository: str | None, head_sha: str
    ) -> CheckRecord | None:
        """The newest check of a commit, without its result; `repository` None: of any
        repository."""
        rows = self.rows(
            f"{_WITHOUT_RESULT} where forge = ? and ? in (repository, '') and head_sha = ?"
            " order by created desc, rowid desc limit 1",
            [forge, repository or "", head_sha],
        )
        return _check(rows[0]) if rows else None

    def recent_checks(
        self,
        limit: int = 50,
        *,
        offset: int = 0,
        private: bool = False,
        until: str | None = None,
    ) -> list[CheckRecord]:
        """Checks, newest first, without their results; with `private` also hidden ones.

        `until`: those requested until the end of a day, or until an RFC 3339 time.
        """
        where = "" if private else f"not {HIDDEN} and"
        end = "~" if until is None else f"{until}~" if len(until) == len("2027-03-01") else until
        rows = self.rows(
            f"{_WITHOUT_RESULT} where {where} created <= ?"
            " order by created desc, rowid desc limit ? offset ?",
            [end, limit, offset],
        )
        return [_check(row) for row in rows]

    def check_counts(self) -> dict[str, int]:
        """The number of checks in each stage."""
        rows = self.rows("select stage, count(*) as n from checks group by stage")
        return {row["stage"]: row["n"] for row in rows}

    # Results

    def add_result(self, check: str, body: str) -> str:
        """Store a result of a check, CONTRACT's `check` object as JSON; return its id.

        The same result of the same check is stored once, under one id.
        """
        with self.writing() as db:
            return _add_result(db, check, body)

    def result(self, result_id: str) -> str | None:
        """The JSON of a stored result."""
        rows = self.rows("select body from results where id = ?", [result_id])
        return str(rows[0]["body"]) if rows else None

    def has_result(self, result_id: str) -> bool:
        """Return whether a result is stored."""
        return bool(self.rows("select 1 from results where id = ?", [result_id]))

    # Comments

    def record_comment(self, comment: CommentRecord) -> None:
        """Store the address of a pull request's comment; the newest record stays."""
        with self.writing() as db:
            db.table("comments").upsert(asdict(comment), pk=("forge", "repository", "number"))

    def comment(self, forge: str, repository: str, number: int) -> CommentRecord | None:
        """The comment of a pull request, as last written."""
        rows = self.rows(
            "select * from comments where forge = ? and repository = ? and number = ?",
            [forge, repository, number],
        )
        return CommentRecord(**rows[0]) if rows else None


_FIELDS = [name for name in CheckRecord.__slots__ if name != "result"]
_WITHOUT_RESULT = "select " + ", ".join(f'"{name}"' for name in _FIELDS) + " from checks"


def utc_text(moment: datetime) -> str:
    """A moment in UTC in the store's format: RFC 3339 with microseconds, so that it sorts."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> str:
    """The present moment in the store's format."""
    return utc_text(datetime.now(UTC))


def result_id_of(check: str, body: str) -> str:
    """The id of a result: its check's, and a digest of its JSON."""
    return f"{check}-{hashlib.sha256(body.encode()).hexdigest()[:16]}"


def _add_result(db: Database, check: str, body: str) -> str:
    result_id = result_id_of(check, body)
    db.execute(
        "insert or ignore into results (id, check_id, stored, body) values (?, ?, ?, ?)",
        [result_id, check, now(), body],
    )
    return result_id


def _json(result: dict[str, Any]) -> str:
    return json.dumps(result, separators=(",", ":"))


def _row(check: CheckRecord) -> Row:
    return {name: getattr(check, name) for name in _FIELDS}


def _check(row: Row) -> CheckRecord:
    result = row.pop("result", None)
    for name in ("private", "open", "narrowed", "over"):
        row[name] = bool(row[name])
    return CheckRecord(**row, result=json.loads(result) if result else None)


def own_file(path: Path) -> None:
    """Make a file, new or existing, readable and writable by its owner only; raises OSError.

    SQLite gives the files beside a database the same permissions. An existing file is not opened: a
    process that closes a file loses all its locks on it, SQLite's too
    (https://sqlite.org/howtocorrupt.html, 2.2), and two would write at once.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def open_store(data: Path) -> Store:
    """Open the store in the folder `data`; create or migrate it. Raises StoreError if that fails.

    The file is `minimize.sqlite`. A file that a newer release wrote is refused.
    """
    path = data / FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        own_file(path)
        connection, reader = (
            sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=_BUSY_MS / 1000
            )
            for _ in range(2)
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"The store {path} cannot be opened: {error}.",
            "Check that the data folder exists and is writable.",
        ) from error
    store = Store(path, connection, reader)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        reader.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        reader.execute("PRAGMA query_only=1")
        database = Database(connection)
        pending_migrations(path, database, migrations)
        migrations.apply(database)
    except sqlite3.Error as error:
        store.close()
        raise StoreError(f"The store {path} cannot be used: {error}.") from error
    except BaseException:
        store.close()
        raise
    return store


def pending_migrations(path: Path, database: Database, migrations: Migrations) -> frozenset[str]:
    """The names of the migrations that the database lacks; StoreError if it has some that this
    release does not know."""
    with closing(sqlite3.connect(":memory:")) as empty:
        known = {migration.name for migration in migrations.pending(Database(empty))}
    applied = {migration.name for migration in migrations.applied(database)}
    if newer := applied - known:
        raise StoreError(
            f"The store {path} was written by a newer release of minimize ({min(newer)}).",
            "Update minimize, or name another data folder.",
        )
    return frozenset(known - applied)

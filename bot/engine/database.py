"""The engine's database beside DBOS: its file, its release, and the locks on a data directory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from dbos._migration import get_dbos_migrations, sqlite_migrations

from bot.errors import SurroundingsError, UsageError
from bot.locks import free_lock, holder
from bot.settings.values import Settings
from bot.store.store import own_file

# DBOS's on Postgres.
SCHEMA = "dbos"
# Bytes of SQLite's heap, of all connections of the process, above which it frees cached pages; the
# system caches the file as well.
_SQLITE_BYTES = 12_000_000
# Seconds for a connection to Postgres. On a busy machine DBOS's own ten are not enough: to prove a
# password takes thousands of hashes on each side.
_CONNECT_SECONDS = 60
_METADATA = sa.MetaData()
# Results that workers without a store leave here; the server copies them to its store.
RESULTS = sa.Table(
    "minimize_results",
    _METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("check_id", "stored", "body")),
)


def workflow_columns(engine: sa.Engine) -> Any:
    """The columns of DBOS's table of workflows that the bot reads, as attributes."""
    names = (
        "workflow_uuid name status queue_name executor_id priority application_version created_at"
    )
    columns: tuple[sa.ColumnClause[Any], ...] = tuple(map(sa.column, names.split()))
    return sa.table("workflow_status", *columns, schema=dbos_schema(engine)).c


def dbos_schema(engine: sa.Engine) -> str | None:
    """The schema of DBOS's tables; null on SQLite, which has none."""
    return SCHEMA if engine.dialect.name == "postgresql" else None


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection in a transaction; SurroundingsError if the database does not answer."""
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise SurroundingsError(f"The engine's database does not answer: {error}.") from error


def lock_data(data: Path) -> ExitStack:
    """Lock a data directory for the one server that may use it, whatever its executor id.

    The lock ends when the returned value is closed; UsageError while another process has it.
    """
    return _lock(
        data / "server",
        f"A server works on the data directory {data} already",
        "Stop it, or give this one its own data directory; `minimize worker` may run beside it.",
    )


def lock_name(data: Path, executor: str) -> ExitStack:
    """Lock an executor id on this machine: two processes with one id would both run its runs.

    The lock ends when the returned value is closed; UsageError while another process has it.
    """
    return _lock(
        data / "executors" / executor,
        f"{executor} runs already with the data directory {data}",
        "Stop it, or give this one its own engine.executor_id.",
    )


def _lock(path: Path, taken: str, hint: str) -> ExitStack:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = ExitStack()
    if lock.enter_context(free_lock(path)):
        return lock
    lock.close()
    raise UsageError(f"{taken}: {holder(path)}.", hint)


def prepared_url(settings: Settings) -> str:
    """The database's URL; an SQLite file is created if missing, and set to WAL mode. Postgres has
    a minute to take a connection, unless the settings say otherwise.

    UsageError for a URL of another database, SurroundingsError if the file cannot be opened or does
    not wait for the disk.
    """
    database = settings.engine_database()
    if isinstance(database, str):
        if not database.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            raise UsageError(
                "The engine's database URL does not begin with postgresql://.",
                "Leave engine.database out for SQLite.",
            )
        address = sa.make_url(database)
        if "connect_timeout" not in address.query:
            address = address.update_query_dict({"connect_timeout": str(_CONNECT_SECONDS)})
        return address.render_as_string(hide_password=False)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        own_file(database)
        connection = sqlite3.connect(database, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            # This counts for the whole process: some 25 connections would cache 2 MB of pages each.
            connection.execute(f"PRAGMA soft_heap_limit={_SQLITE_BYTES}")
            # SQLite's default, which DBOS does not set; some builds of SQLite differ.
            (level,) = connection.execute("PRAGMA synchronous").fetchone()
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise SurroundingsError(
            f"The engine's database {database} cannot be opened: {error}.",
            "See that its folder is there and may be written.",
        ) from error
    if level < 2:
        raise SurroundingsError(
            f"This SQLite does not wait for the disk (synchronous is {level}): runs could be lost.",
            "Use another build of SQLite, or Postgres.",
        )
    return f"sqlite:///{database}"


async def connection_problem(url: str) -> str:
    """Why the database takes no connection just now, in one line; empty if it takes one."""
    if url.startswith("sqlite"):
        return ""
    address = sa.make_url(url).set(drivername="postgresql")
    try:
        async with await psycopg.AsyncConnection.connect(
            address.render_as_string(hide_password=False)
        ):
            return ""
    except psycopg.Error as error:
        return " ".join(str(error).split())


def create_tables(engine: sa.Engine, tables: sa.MetaData) -> None:
    """Create those of `tables` that are missing. Processes that start at once do it by turns, or
    the second would fail. SurroundingsError if the database does not answer."""
    with transaction(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(7164653)"))
        tables.create_all(connection, checkfirst=True)


def database_engine(url: str) -> sa.Engine:
    """An SQLAlchemy engine for the engine's database, beside DBOS's own."""
    # psycopg is the driver that DBOS brings.
    address = sa.make_url(url)
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    options = {"timeout": 30} if address.drivername.startswith("sqlite") else {}
    return sa.create_engine(address, pool_pre_ping=True, connect_args=options)


def refuse_newer(url: str) -> None:
    """UsageError if a newer release of the engine has changed the database's tables."""
    engine = database_engine(url)
    try:
        with engine.connect() as connection:
            schema = dbos_schema(engine)
            if not sa.inspect(connection).has_table("dbos_migrations", schema=schema):
                return
            table = sa.table("dbos_migrations", sa.column("version"), schema=schema)
            version = connection.execute(sa.select(sa.func.max(table.c.version))).scalar() or 0
    finally:
        engine.dispose()
    known = len(sqlite_migrations if schema is None else get_dbos_migrations(schema, True))
    if version > known:
        raise UsageError(
            f"The engine's database was written by a newer release of minimize: its tables have the"
            f" version {version}, this release knows {known}.",
            "Use that release or a newer one, or restore a backup from before.",
        )

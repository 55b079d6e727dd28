"""The engine's database beside DBOS: its file, the processes that work on it, their heartbeats.

A worker that never comes back leaves its claims; a process that sees its silence requeues them.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from bot.errors import SurroundingsError, UsageError
from bot.locks import free_lock, holder
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
BEAT = 20.0
SILENCE = 180.0

_METADATA = sa.MetaData()
# The results that workers without a store leave; the server brings them to the store.
RESULTS = sa.Table(
    "minimize_results",
    _METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("check_id", "stored", "body")),
)
_WORKERS = sa.Table(
    "minimize_workers",
    _METADATA,
    sa.Column("executor_id", sa.Text, primary_key=True),
    sa.Column("seen", sa.Float, nullable=False),
)


def lock_name(data: Path, executor: str) -> ExitStack:
    """Lock a name on this machine: two processes of one name would run the same runs.

    The lock ends when the returned value is closed; UsageError while another process has it.
    """
    path = data / "executors" / executor
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = ExitStack()
    if lock.enter_context(free_lock(path)):
        return lock
    lock.close()
    raise UsageError(
        f"{executor} runs already with the data folder {data}: {holder(path)}.",
        "Stop it, or give this one its own engine.executor_id.",
    )


def prepared_url(settings: Settings) -> str:
    """The database's URL; an SQLite file is made and put in WAL, which it then stays in."""
    database = settings.engine_database()
    if isinstance(database, str):
        if not database.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            raise UsageError(
                "The engine's database URL does not begin with postgresql://.",
                "Leave engine.database out for SQLite.",
            )
        return database
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(database, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            # SQLite's own default, which DBOS leaves alone; a build of SQLite may differ.
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


def database_engine(url: str) -> sa.Engine:
    """Connections to the engine's database, beside DBOS's own."""
    # psycopg is the driver that DBOS brings.
    given = sa.make_url(url)
    if given.drivername in ("postgresql", "postgres"):
        given = given.set(drivername="postgresql+psycopg")
    options = {"timeout": 30} if given.drivername.startswith("sqlite") else {}
    return sa.create_engine(given, pool_pre_ping=True, connect_args=options)


class Heartbeat:
    """A heartbeat in a thread of its own, so that no busy event loop stops it."""

    def __init__(
        self, url: str, executor: str, *, beat: float = BEAT, silence: float = SILENCE
    ) -> None:
        self._engine = database_engine(url)
        self._executor = executor
        self._beat = beat
        self._silence = silence
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Create the table where it is missing, and begin."""
        _WORKERS.create(self._engine, checkfirst=True)
        self._beat_once()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End without a trace: after a proper stop the restart takes up the runs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
            self.forget(self._executor)
        self._engine.dispose()

    def silent(self) -> list[str]:
        """The other processes without a heartbeat for `silence` seconds."""
        query = (
            sa.select(_WORKERS.c.executor_id)
            .where(_WORKERS.c.seen < time.time() - self._silence)
            .where(_WORKERS.c.executor_id != self._executor)
            .order_by(_WORKERS.c.executor_id)
        )
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def forget(self, executor: str) -> None:
        """Remove a process from the table."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_WORKERS).where(_WORKERS.c.executor_id == executor))

    def _beat_once(self) -> None:
        with self._engine.begin() as connection:
            updated = connection.execute(
                sa.update(_WORKERS)
                .where(_WORKERS.c.executor_id == self._executor)
                .values(seen=time.time())
            )
            if updated.rowcount == 0:
                connection.execute(
                    sa.insert(_WORKERS).values(executor_id=self._executor, seen=time.time())
                )

    def _run(self) -> None:
        while not self._stop.wait(self._beat):
            try:
                self._beat_once()
            except sa.exc.SQLAlchemyError as error:
                LOG.warning("the heartbeat could not be written: %s", error)

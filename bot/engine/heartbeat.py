"""Heartbeats of processes in the engine's database.

A worker that never comes back leaves its claims; a process that sees its silence requeues them.
"""

from __future__ import annotations

import logging
import threading
import time

import sqlalchemy as sa

LOG = logging.getLogger(__name__)
BEAT = 20.0
SILENCE = 180.0

_METADATA = sa.MetaData()
_WORKERS = sa.Table(
    "minimize_workers",
    _METADATA,
    sa.Column("executor_id", sa.Text, primary_key=True),
    sa.Column("seen", sa.Float, nullable=False),
)


class Heartbeat:
    """A heartbeat in a thread of its own, so that no busy event loop stops it."""

    def __init__(
        self, url: str, executor: str, *, beat: float = BEAT, silence: float = SILENCE
    ) -> None:
        # psycopg is the driver that DBOS brings.
        given = sa.make_url(url)
        if given.drivername in ("postgresql", "postgres"):
            given = given.set(drivername="postgresql+psycopg")
        options = {"timeout": 30} if given.drivername.startswith("sqlite") else {}
        self._engine = sa.create_engine(given, pool_pre_ping=True, connect_args=options)
        self._executor = executor
        self._beat = beat
        self._silence = silence
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Create the table where it is missing, and begin."""
        _METADATA.create_all(self._engine)
        self._say()
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

    def _say(self) -> None:
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
                self._say()
            except sa.exc.SQLAlchemyError as error:
                LOG.warning("the heartbeat could not be written: %s", error)

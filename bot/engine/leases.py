"""The leases of an engine's processes: which are alive, by the database's clock. A lease also has
the process's build places.

Each process renews its own in a thread, independently of the event loop, and looks for expired
leases of others. A jump of the clock alone expires no lease: the observer must also have seen no
renewal for as long, by its monotonic clock.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from bot.engine.build_places import BuildPlace
from bot.engine.database import create_tables
from bot.locks import LEASE, RENEWAL

LOG = logging.getLogger(__name__)

_METADATA = sa.MetaData()
_LEASES = sa.Table(
    "minimize_leases",
    _METADATA,
    sa.Column("executor_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("renewed", sa.Float, nullable=False),
    sa.Column("taker", sa.Text),
    sa.Column("taken", sa.Float),
    # The process's build places, as JSON; null from a release that had none.
    sa.Column("builds", sa.Text),
)


@dataclass(slots=True)
class _Observation:
    renewed: float
    since: float


@dataclass(slots=True)
class Leases:
    """The leases in an engine's database, and this process's own."""

    engine: sa.Engine
    executor: str
    version: str
    builds: Collection[BuildPlace] = ()
    lease: float = LEASE
    renewal: float = RENEWAL
    clock: Callable[[], float] = time.monotonic
    _observations: dict[str, _Observation] = field(default_factory=dict, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Create the table where it is missing, take the lease, and renew it until `stop`."""
        create_tables(self.engine, _METADATA)
        self._add_column()
        self.renew()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def _add_column(self) -> None:
        """Add the column that older releases did not have."""
        table, column = _LEASES.name, _LEASES.c.builds.name
        names = {row["name"] for row in sa.inspect(self.engine).get_columns(table)}
        if column not in names:
            # Another process may do the same just now.
            with contextlib.suppress(sa.exc.DBAPIError), self.engine.begin() as connection:
                connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column} TEXT"))

    def stop(self) -> None:
        """Give the lease back, so that others take over this process's runs at once."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self.forget(self.executor)

    def renew(self) -> None:
        """Take or renew the own lease."""
        values = {
            "version": self.version,
            "renewed": self._now(),
            "taker": None,
            "taken": None,
            "builds": json.dumps(sorted(place.queue for place in self.builds)),
        }
        own = _LEASES.c.executor_id == self.executor
        with self.engine.begin() as connection:
            if connection.execute(sa.update(_LEASES).where(own).values(values)).rowcount == 0:
                row = values | {"executor_id": self.executor}
                connection.execute(sa.insert(_LEASES).values(row))

    def lost(self) -> list[str]:
        """The names of the other processes whose lease has expired."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(
                    _LEASES.c.executor_id,
                    _LEASES.c.renewed,
                    (_LEASES.c.renewed < self._now() - self.lease).label("over"),
                ).order_by(_LEASES.c.executor_id)
            ).all()
        now = self.clock()
        for row in rows:
            observation = self._observations.get(row.executor_id)
            if observation is None or observation.renewed != row.renewed:
                self._observations[row.executor_id] = _Observation(row.renewed, now)
        return [
            row.executor_id
            for row in rows
            if row.over
            and row.executor_id != self.executor
            and now - self._observations[row.executor_id].since >= self.lease
        ]

    def living(self) -> dict[str, str]:
        """The version of each process that has a lease."""
        with self.engine.connect() as connection:
            query = sa.select(_LEASES.c.executor_id, _LEASES.c.version)
            return {row.executor_id: row.version for row in connection.execute(query)}

    def build_places(self) -> frozenset[BuildPlace]:
        """The build places of living processes of this release."""
        query = (
            sa.select(_LEASES.c.builds)
            .where(_LEASES.c.version == self.version)
            .where(_LEASES.c.renewed >= self._now() - self.lease)
            .where(_LEASES.c.builds.is_not(None))
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).scalars().all()
        return frozenset(BuildPlace.of_queue(queue) for row in rows for queue in json.loads(row))

    @contextmanager
    def taking_over(self, executor: str) -> Iterator[bool]:
        """Claim the takeover of a lost process, whose lease is removed after it; false if another
        has it.

        The claim expires after a lease's time; then another process may take over.
        """
        unclaimed = sa.or_(_LEASES.c.taker.is_(None), _LEASES.c.taken < self._now() - self.lease)
        with self.engine.begin() as connection:
            claimed = connection.execute(
                sa.update(_LEASES)
                .where(_LEASES.c.executor_id == executor)
                .where(_LEASES.c.renewed < self._now() - self.lease)
                .where(unclaimed)
                .values(taker=self.executor, taken=self._now())
            ).rowcount
        yield bool(claimed)
        if claimed:
            self.forget(executor)

    def forget(self, executor: str) -> None:
        """Remove the lease of a process."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(_LEASES).where(_LEASES.c.executor_id == executor))

    def _now(self) -> sa.ColumnElement[float]:
        """The database's time, seconds since 1970."""
        if self.engine.dialect.name == "postgresql":
            return sa.extract("epoch", sa.func.clock_timestamp()).cast(sa.Float)
        return (sa.func.julianday("now") - 2440587.5) * 86400.0

    def _run(self) -> None:
        while not self._stop.wait(self.renewal):
            try:
                self.renew()
            except sa.exc.SQLAlchemyError as error:
                LOG.warning("the lease could not be renewed: %s", error)

"""Retention: the periodic job that deletes data by age and size, as the settings say."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count

import sqlalchemy as sa
from dbos import DBOS

from bot.build.buildroot import sweep_roots
from bot.distro.cache import Cache, SweptFiles, sweep_entries, sweep_metadata, sweep_remains
from bot.engine.database import dbos_schema
from bot.engine.engine import OVER, Engine
from bot.engine.inspection import run_of
from bot.engine.outbox import Outbox
from bot.engine.takeover import workflow_ids
from bot.errors import MinimizeError
from bot.git.mirror import sweep_mirrors
from bot.settings.operation import RetentionRule
from bot.settings.values import Settings
from bot.store import FILE
from bot.store.retention import (
    Swept,
    reclaim,
    shown_logs,
    sweep_checks,
    sweep_deliveries,
)
from bot.store.store import Store, utc_text
from bot.telemetry.metrics import REMOVED, RETAINED_BYTES, SWEEPS

LOG = logging.getLogger(__name__)
EVERY = 3600.0  # seconds between two sweeps
_DAY = 86_400.0
_RUNS_AT_ONCE = 200
Removal = Swept | SweptFiles


@dataclass(frozen=True, slots=True)
class ServerRetention:
    """The data of a server outside of its cache."""

    store: Store
    engine: Engine
    outbox: Outbox


class Retention:
    """The retention of one process: a server's covers all data, a worker's its own cache.

    `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        server: ServerRetention | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._server = server
        self._clock = clock
        self._next = 0.0

    async def sweep_if_due(self) -> None:
        """Sweep if the last sweep was an hour ago, or the clock was set back. To be called
        often."""
        if not self._clock() < self._next <= self._clock() + EVERY:
            self._next = self._clock() + EVERY
            await self.sweep()

    async def sweep(self) -> dict[str, Removal]:
        """Delete all data that exceeds the rules; return what was removed and remains, by kind.

        A kind that fails is logged, and the others are still swept.
        """
        needed: frozenset[str] = frozenset()
        swept: dict[str, Removal] = {}
        if self._server is not None:
            store = self._server.store
            for kind, work in self._server_kinds(self._server).items():
                await self._sweep_kind(swept, kind, work)
            needed = await asyncio.to_thread(shown_logs, store)
            try:
                await asyncio.to_thread(reclaim, store)
            except MinimizeError as error:
                # A full disk has no room to rewrite the file; sweeping the cache makes some.
                LOG.warning("%s could not be vacuumed: %s", store.path, error)
        elif (self._settings.data / FILE).exists():
            return swept  # the server on this machine sweeps it
        for kind, call in self._cache_kinds(needed).items():
            await self._sweep_kind(swept, kind, partial(asyncio.to_thread, call))
        return swept

    def _cache_kinds(self, needed: frozenset[str]) -> dict[str, Callable[[], SweptFiles]]:
        rules, cache, now = self._settings.retention, self._settings.cache, self._clock()

        def entries(folder: str, rule: RetentionRule) -> Callable[[], SweptFiles]:
            before = self._before(rule)
            return partial(sweep_entries, cache / folder, before, rule.bytes, now, needed)

        files = Cache(cache)
        return {
            "logs": entries("build-logs", rules.logs),
            "builds": entries("builds", rules.builds),
            "git": partial(self._git, rules.git),
            "metadata": partial(
                sweep_metadata, files, self._before(rules.metadata), rules.metadata.bytes, now
            ),
            "roots": partial(sweep_roots, files, self._before(rules.roots), rules.roots.bytes, now),
            "remains": partial(
                sweep_remains, cache, self._before(rules.remains), rules.remains.bytes, now
            ),
        }

    def _server_kinds(self, server: ServerRetention) -> dict[str, Callable[[], Awaitable[Swept]]]:
        rules, runs = self._settings.retention, self._settings.runs_rule
        superseded = self._text(runs)
        return {
            "deliveries": lambda: asyncio.to_thread(
                sweep_deliveries, server.store, self._text(rules.deliveries), rules.deliveries.bytes
            ),
            "checks": lambda: asyncio.to_thread(
                sweep_checks, server.store, self._text(rules.checks), superseded, rules.checks.bytes
            ),
            "runs": lambda: self._runs(server, runs),
        }

    async def _sweep_kind(
        self,
        swept: dict[str, Removal],
        kind: str,
        work: Callable[[], Awaitable[Removal]],
    ) -> None:
        try:
            result = await work()
        except (MinimizeError, OSError, sa.exc.SQLAlchemyError):
            LOG.exception("%s could not be swept", kind)
            SWEEPS.labels(kind, "failed").inc()
            return
        swept[kind] = result
        SWEEPS.labels(kind, "done").inc()
        REMOVED.labels(kind).inc(result.removed)
        RETAINED_BYTES.labels(kind).set(result.bytes)
        if result.removed:
            LOG.info("%d of %s were deleted, %d bytes remain", result.removed, kind, result.bytes)

    async def _runs(self, server: ServerRetention, rule: RetentionRule) -> Swept:
        checks = await asyncio.to_thread(server.store.open_checks)
        going_on = {check.id for check in checks}
        swept = await sweep_runs(server.engine.database, self._text(rule), rule.bytes, going_on)
        await asyncio.to_thread(server.engine.results.forget, self._text(rule))
        await asyncio.to_thread(server.outbox.forget, rule.days)
        return swept

    def _git(self, rule: RetentionRule) -> SweptFiles:
        result = sweep_mirrors(self._settings.cache / "git", self._before(rule), rule.bytes)
        return SweptFiles(result.removed, result.bytes)

    def _before(self, rule: RetentionRule) -> float:
        return self._clock() - rule.days * _DAY

    def _text(self, rule: RetentionRule) -> str:
        return utc_text(datetime.fromtimestamp(self._before(rule), UTC))


async def sweep_runs(
    database: sa.Engine, before: str, most: int, going_on: Collection[str] = ()
) -> Swept:
    """Delete the engine's workflows that ended before an RFC 3339 time, then the oldest until the
    values of steps take at most `most` bytes; none of the runs `going_on`, of which other workflows
    have not ended. Must run in a process of the engine."""
    removed = 0
    while ids := await _finished_runs(going_on, completed_before=before):
        await DBOS.delete_workflows_async(ids)
        removed += len(ids)
    size = await asyncio.to_thread(_values_bytes, database)
    while size > most and (ids := await _finished_runs(going_on)):
        await DBOS.delete_workflows_async(ids)
        removed += len(ids)
        size = await asyncio.to_thread(_values_bytes, database)
    await asyncio.to_thread(_reclaim_file, database)
    return Swept(removed, size)


async def _finished_runs(
    going_on: Collection[str], completed_before: str | None = None
) -> list[str]:
    """The ids of the oldest ended workflows, except those of the runs `going_on`."""
    for start in count(0, _RUNS_AT_ONCE):
        finished = await workflow_ids(
            status=list(OVER), completed_before=completed_before, limit=_RUNS_AT_ONCE, offset=start
        )
        ids = [workflow for workflow in finished if run_of(workflow) not in going_on]
        if ids or not finished:
            return ids
    raise AssertionError


def _values_bytes(database: sa.Engine) -> int:
    table = sa.table("operation_outputs", sa.column("output"), schema=dbos_schema(database))
    outputs = table.c.output
    with database.connect() as connection:
        query = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(outputs)), 0))
        return int(connection.execute(query).scalar_one())


def _reclaim_file(database: sa.Engine, share: float = 0.25, least: int = 20_000_000) -> None:
    """Vacuum an SQLite file if at least `share` of its pages and `least` bytes are free; Postgres
    does it itself."""
    if database.dialect.name != "sqlite":
        return
    with database.connect() as connection:
        size, free, pages = (
            int(connection.exec_driver_sql(f"pragma {name}").scalar_one())
            for name in ("page_size", "freelist_count", "page_count")
        )
    if size * free >= least and free >= share * pages:
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum")

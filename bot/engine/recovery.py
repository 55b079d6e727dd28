"""Recovery of runs that no process runs: of lost processes, of other releases, and dropped ones.
Each process of an engine looks for them every two seconds.

Builds of a lost worker stay in the queue of its build place, for other workers of that place. If
there is none for long, builds for single architectures go to another place, or end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping

import sqlalchemy as sa
from dbos import DBOS

from bot.engine.build_places import BuildPlace, build_id, check_of_build, plan_of
from bot.engine.database import workflow_columns
from bot.engine.leases import Leases
from bot.engine.queues import Queues
from bot.engine.results import Results
from bot.engine.takeover import (
    CHECKS,
    LongKnown,
    StrandedRun,
    orphans,
    requeue_runs,
    stranded_runs,
    unfinished_claims,
    workflow_ids,
)
from bot.engine.values import BuildEnd
from bot.engine.workflows import BUILT, part_id
from bot.errors import UsageError
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
# Seconds between two searches.
_WATCH = 2.0
# Function that queues a run with a priority, under its own id.
Enqueue = Callable[[StrandedRun, int], Awaitable[None]]


class Recovery:
    """The recovery loop of one process."""

    def __init__(
        self,
        settings: Settings,
        database: sa.Engine,
        leases: Leases,
        queues: Queues,
        results: Results,
        in_progress: Collection[str],
        enqueue: Enqueue,
        *,
        moves_builds: bool,
    ) -> None:
        """`in_progress` is the live set of the ids of this process's workflows; `moves_builds`:
        this process also moves abandoned builds (one does)."""
        self._settings = settings
        self._database = database
        self._leases = leases
        self._queues = queues
        self._results = results
        self._in_progress = in_progress
        self._enqueue = enqueue
        self._moves_builds = moves_builds
        self.orphans = LongKnown(leases.lease)
        self.abandoned = LongKnown(settings.engine.wait_for_worker)
        self.dropped = LongKnown(leases.lease)

    async def run(self) -> None:
        """Look for lost runs until cancelled."""
        while True:
            await asyncio.sleep(_WATCH)
            search = asyncio.create_task(self._search())
            try:
                await asyncio.shield(search)
            except asyncio.CancelledError:
                # A thread of it would go on, and open the database after that was closed.
                await asyncio.wait([search])
                raise

    async def _search(self) -> None:
        try:
            await self.take_over()
        except Exception:
            # The loop must go on: the database may be back next time.
            LOG.exception("lost processes could not be looked for")

    async def take_over(self) -> list[str]:
        """Queue the runs of lost processes again; return the processes' names.

        Runs of another release that no process will run begin again from their jobs; abandoned
        builds go to another place, or end.
        """
        lost = []
        executor, version = self._leases.executor, self._leases.version
        for process in await asyncio.to_thread(self._leases.lost):
            with self._leases.taking_over(process) as claimed:
                if claimed:
                    await self._requeue_lost(process)
                    lost.append(process)
        living = await asyncio.to_thread(self._leases.living)
        claims = await asyncio.to_thread(unfinished_claims, self._database)
        for process in self.orphans.of(orphans(claims, executor, living)):
            await self._requeue_lost(process)
            lost.append(process)
        if any(claim.claimed and claim.executor == executor for claim in claims):
            await self._requeue_dropped()
        if self._moves_builds:
            await move_abandoned(
                self._database, self.abandoned, self._leases.build_places, self._queues
            )
        if any(claim.version != version for claim in claims):
            await self._begin_again(living)
        return lost

    async def requeue(self, executor: str) -> int:
        """Queue the unfinished runs that `executor` had claimed again; return their number."""
        if executor == self._leases.executor:
            raise UsageError(
                f"{executor} is this process itself.", "A restart continues its own runs."
            )
        count = await asyncio.to_thread(requeue_runs, self._settings, executor)
        self._queues.queued()
        return count

    async def _requeue_lost(self, executor: str) -> None:
        count = await self.requeue(executor)
        LOG.warning("%s is lost: %d of its runs are queued again", executor, count)

    async def _requeue_dropped(self) -> None:
        """Queue this process's runs again that it does not run: the database did not answer, or the
        disk was full, when it began one or recorded a step."""
        executor = self._leases.executor
        claimed = await workflow_ids(
            status="PENDING", executor_id=executor, app_version=self._leases.version
        )
        dropped = self.dropped.of(set(claimed).difference(self._in_progress))
        if dropped:
            LOG.warning("runs that had stopped are queued again: %s", ", ".join(dropped))
            await asyncio.to_thread(requeue_runs, self._settings, executor, dropped)
            self._queues.queued()

    async def _begin_again(self, living: Mapping[str, str]) -> None:
        executor, version = self._leases.executor, self._leases.version
        for run in await stranded_runs(executor, version, living, self._results):
            LOG.info("%s of another release begins again", run.run)
            builds = await builds_of(run.job.id) if run.name == "check" else []
            await DBOS.delete_workflows_async([*run.parts, *builds])
            await self._enqueue(run, await self._queues.turn(CHECKS, run.job.urgency, run.job))


async def builds_of(check: str) -> list[str]:
    """The ids of a check's build workflows for single architectures."""
    return await workflow_ids(workflow_id_prefix=build_id(check))


async def move_abandoned(
    database: sa.Engine,
    known: LongKnown,
    places_of: Callable[[], Collection[BuildPlace]],
    queues: Queues,
) -> None:
    """Move builds from places without a worker for long to another place of their architecture; end
    those that have none, so that the runs that gather them go on.

    `places_of` returns the build places of living processes, `known` remembers how long queues have
    been abandoned.
    """
    waiting = await asyncio.to_thread(_queues_with_builds, database)
    places = await asyncio.to_thread(places_of) if waiting else ()
    for queue in known.of({q for q in waiting if BuildPlace.of_queue(q) not in places}):
        arch = BuildPlace.of_queue(queue).arch
        ids = await workflow_ids(queue_name=queue, name="build", status="ENQUEUED")
        if targets := plan_of([arch], places):
            await DBOS.resume_workflows_async(ids, queue_name=targets[0].queue)
            queues.queued()
            LOG.warning("%d builds wait in %s now, not in %s", len(ids), targets[0].queue, queue)
            continue
        why = f"There is no worker for {arch} any more."
        LOG.warning("%d builds end: %s", len(ids), why)
        await DBOS.cancel_workflows_async(ids)
        for build in ids:
            run = part_id(check_of_build(build), "final")
            end = BuildEnd(arch, problem=why)
            await DBOS.send_async(run, end, BUILT, idempotency_key=f"{build}-lost")


def _queues_with_builds(database: sa.Engine) -> frozenset[str]:
    """The queues in which builds for single architectures wait."""
    runs = workflow_columns(database)
    query = sa.select(runs.queue_name).where(runs.status == "ENQUEUED", runs.name == "build")
    with database.connect() as connection:
        return frozenset(connection.execute(query.distinct()).scalars())

"""Builds that wait where nobody builds any more: they go to another place, or end.

A worker that is lost leaves its builds in the queue of its place, for others of the same. Where
there is none for long, a build for several architectures must not wait for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

import sqlalchemy as sa
from dbos import DBOS

from bot.engine.build_places import BuildPlace, check_of_build, plan_of
from bot.engine.database import SCHEMA
from bot.engine.queues import Queues
from bot.engine.takeover import LongKnown
from bot.engine.values import BuildEnd
from bot.engine.workflows import BUILT, part_id

LOG = logging.getLogger(__name__)


async def move_abandoned(
    database: sa.Engine,
    known: LongKnown,
    places_of: Callable[[], Collection[BuildPlace]],
    queues: Queues,
) -> None:
    """Move builds from places where nobody has built for long to another place of their
    architecture; end those that have none, for the runs that gather them to go on.

    `places_of` finds where living processes build, `known` remembers what was abandoned before.
    """
    waiting = await asyncio.to_thread(_queues_with_builds, database)
    places = await asyncio.to_thread(places_of) if waiting else ()
    for queue in known.of({q for q in waiting if BuildPlace.of_queue(q) not in places}):
        arch = BuildPlace.of_queue(queue).arch
        builds = await DBOS.list_workflows_async(
            queue_name=queue, name="build", status="ENQUEUED", load_input=False, load_output=False
        )
        ids = [one.workflow_id for one in builds]
        if others := plan_of([arch], places):
            await DBOS.resume_workflows_async(ids, queue_name=others[0].queue)
            queues.queued()
            LOG.warning("%d builds wait in %s now, not in %s", len(ids), others[0].queue, queue)
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
    schema = SCHEMA if database.dialect.name == "postgresql" else None
    names = ("status", "name", "queue_name")
    runs = sa.table("workflow_status", *(sa.column(name) for name in names), schema=schema).c
    query = sa.select(runs.queue_name).where(runs.status == "ENQUEUED", runs.name == "build")
    with database.connect() as connection:
        return frozenset(connection.execute(query.distinct()).scalars())

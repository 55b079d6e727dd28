"""Runs that nobody runs any more: of a process that was lost, and of another release.

A lost process's runs are queued again and go on from their last step. Those of a release whose
order of steps was another begin again, from their jobs, under the same ids, which leads to the same
comments and statuses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from bot.engine.database import SCHEMA, prepared_url
from bot.engine.job import CheckJob
from bot.engine.results import Results, older_arguments, older_job
from bot.engine.values import ValueSerializer
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
APPLICATION = "minimize"
# Builds have a queue for each place (`bot.engine.build_places`).
CHECKS = "checks"
# Checks of changes that nobody trusted here stands for: they never take every place.
STRANGERS = "strangers"
# Its runs mostly sleep, so as many as there may be.
WAITS = "waits"
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
# The workflows of a check, which begins again as a whole, and the ends of their ids.
_PARTS = {"check": "", "wait": "-wait", "finish": "-final", "gather": "-final", "build": "-build-"}


class StrandedRun(NamedTuple):
    """A run to begin again as `run` of the workflow `name`; `parts` are the ids that it had."""

    name: str
    run: str
    job: CheckJob
    args: tuple[Any, ...]
    parts: tuple[str, ...]


async def stranded_runs(
    executor: str, version: str, living: Mapping[str, str], results: Results
) -> list[StrandedRun]:
    """The unfinished runs of another version that no living process will run, each once.

    `living` has the version of each living process, `executor` is this one's name. What cannot be
    read is cancelled, and logged.
    """
    unfinished = await DBOS.list_workflows_async(status=_UNFINISHED, load_output=False)
    found: dict[str, StrandedRun] = {}
    for one in unfinished:
        if one.app_version == version or not _is_left(one, executor, living):
            continue
        try:
            begun = await asyncio.to_thread(_begun_again, one, results)
        except (ValueError, KeyError, TypeError, IndexError):
            LOG.exception("%s of the version %s cannot be read", one.workflow_id, one.app_version)
            await DBOS.cancel_workflow_async(one.workflow_id)
            continue
        found[begun.run] = begun
    return list(found.values())


def _is_left(one: Any, executor: str, living: Mapping[str, str]) -> bool:
    if one.status == "PENDING":
        return bool(one.executor_id == executor)
    others = {version for name, version in living.items() if name != executor}
    return one.app_version not in others


def _begun_again(one: Any, results: Results) -> StrandedRun:
    args = one.input["args"]
    job = args[0] if isinstance(args[0], CheckJob) else older_job(args[0])
    if one.name in _PARTS:
        # Those on an architecture, whose ids end with it, are found by their beginning.
        ends = dict.fromkeys(end for end in _PARTS.values() if end and not end.endswith("-"))
        return StrandedRun("check", job.id, job, (), (job.id, *(job.id + end for end in ends)))
    if isinstance(args[0], CheckJob):
        others = tuple(args[1:])
    else:
        job, others = older_arguments(one.name, args, results)
    return StrandedRun(one.name, one.workflow_id, job, others, (one.workflow_id,))


class Claim(NamedTuple):
    """A kind of unfinished runs that there are: whether claimed, by whom, of which version."""

    claimed: bool
    executor: str
    version: str


def unfinished_claims(database: sa.Engine) -> frozenset[Claim]:
    """The kinds of unfinished runs in the engine's database; cheap, however many there are."""
    schema = SCHEMA if database.dialect.name == "postgresql" else None
    names = ("status", "executor_id", "application_version")
    runs = sa.table("workflow_status", *(sa.column(name) for name in names), schema=schema).c
    columns = (runs.status, runs.executor_id, runs.application_version)
    query = sa.select(*columns).where(runs.status.in_(_UNFINISHED)).distinct()
    with database.connect() as connection:
        return frozenset(
            Claim(status == "PENDING", executor or "", version or "")
            for status, executor, version in connection.execute(query)
        )


def orphans(claims: Collection[Claim], executor: str, living: Collection[str]) -> set[str]:
    """The processes that have claimed runs and have no lease: they were stopped, or killed before
    there were leases."""
    names = {claim.executor for claim in claims if claim.claimed and claim.executor}
    return names - set(living) - {executor}


class LongKnown:
    """The names that have been found each time for `seconds`: what is starting is not lost."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[str, float] = {}

    def of(self, found: Collection[str]) -> list[str]:
        """Of those that are found now, sorted."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in sorted(found)}
        return [name for name, since in self._since.items() if now - since >= self._seconds]


def requeue_runs(settings: Settings, executor: str, only: Collection[str] | None = None) -> int:
    """Queue again the runs that `executor` had claimed (or `only` these of them), from outside the
    bot; their number."""
    url = prepared_url(settings)
    DBOS.migrate(url)
    client = engine_client(url)
    try:
        claimed = client.list_workflows(
            status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        claimed = [one for one in claimed if only is None or one.workflow_id in only]
        for queue in {status.queue_name for status in claimed}:
            ids = [status.workflow_id for status in claimed if status.queue_name == queue]
            client.resume_workflows(ids, queue_name=queue or CHECKS)
        return len(claimed)
    finally:
        client.destroy()


def engine_client(url: str) -> DBOSClient:
    """The engine from outside: its tables, without running anything."""
    return DBOSClient(
        system_database_url=url, serializer=ValueSerializer(), application_name=APPLICATION
    )

"""Runs that no process runs any more: those of lost processes, and of other releases. A lost
process's runs are queued again and continue from their last step.

Runs of a release with another order of steps begin again from their jobs under the same ids, which
leads to the same comments and statuses.
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
# Checks of untrusted changes, which are limited to a part of the slots.
STRANGERS = "strangers"
# Its runs mostly sleep, so it has a high limit.
WAITS = "waits"
_UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
# The workflows of a check, which begins again as a whole, and the suffixes of their ids.
_PARTS = {"check": "", "wait": "-wait", "finish": "-final", "gather": "-final", "build": "-build-"}


class StrandedRun(NamedTuple):
    """A run to begin again as workflow `name` with the id `run`; `parts` are its old workflows'
    ids."""

    name: str
    run: str
    job: CheckJob
    args: tuple[Any, ...]
    parts: tuple[str, ...]


async def stranded_runs(
    executor: str, version: str, living: Mapping[str, str], results: Results
) -> list[StrandedRun]:
    """The unfinished runs of other versions that no living process will run, each once.

    `living` maps living processes to their versions, `executor` is this one's name. Runs that
    cannot be read are logged and cancelled.
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
        # The builds for single architectures are found by their prefix instead.
        ends = dict.fromkeys(end for end in _PARTS.values() if end and not end.endswith("-"))
        return StrandedRun("check", job.id, job, (), (job.id, *(job.id + end for end in ends)))
    if isinstance(args[0], CheckJob):
        others = tuple(args[1:])
    else:
        job, others = older_arguments(one.name, args, results)
    return StrandedRun(one.name, one.workflow_id, job, others, (one.workflow_id,))


class Claim(NamedTuple):
    """A group of unfinished runs: whether they are claimed, by which process, and their version."""

    claimed: bool
    executor: str
    version: str


def unfinished_claims(database: sa.Engine) -> frozenset[Claim]:
    """The groups of unfinished runs in the engine's database; cheap for any number of runs."""
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
    """The names of other processes that have claimed runs but have no lease: they were stopped, or
    are of a release without leases."""
    names = {claim.executor for claim in claims if claim.claimed and claim.executor}
    return names - set(living) - {executor}


class LongKnown:
    """Memory of names that were found at each look for `seconds`, so that a starting process is not
    taken for lost."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[str, float] = {}

    def of(self, found: Collection[str]) -> list[str]:
        """Those of the names `found` now that were found at each look for `seconds`, sorted."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in sorted(found)}
        return [name for name, since in self._since.items() if now - since >= self._seconds]


def requeue_runs(settings: Settings, executor: str, only: Collection[str] | None = None) -> int:
    """Queue the runs that `executor` had claimed (or `only` these) again, from outside the engine;
    return their number."""
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
    """A client of the engine's database, which runs no workflows."""
    return DBOSClient(
        system_database_url=url, serializer=ValueSerializer(), application_name=APPLICATION
    )

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

from bot.engine.database import prepared_url, workflow_columns
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
    runs: dict[str, StrandedRun] = {}
    for workflow in unfinished:
        if workflow.app_version == version or not _is_left(workflow, executor, living):
            continue
        try:
            run = await asyncio.to_thread(_restart, workflow, results)
        except (ValueError, KeyError, TypeError, IndexError):
            LOG.exception(
                "%s of the version %s cannot be read", workflow.workflow_id, workflow.app_version
            )
            await DBOS.cancel_workflow_async(workflow.workflow_id)
            continue
        runs[run.run] = run
    return list(runs.values())


def _is_left(workflow: Any, executor: str, living: Mapping[str, str]) -> bool:
    if workflow.status == "PENDING":
        return bool(workflow.executor_id == executor)
    others = {version for name, version in living.items() if name != executor}
    return workflow.app_version not in others


def _restart(workflow: Any, results: Results) -> StrandedRun:
    args = workflow.input["args"]
    job = args[0] if isinstance(args[0], CheckJob) else older_job(args[0])
    if workflow.name in _PARTS:
        # The builds for single architectures are found by their prefix instead.
        ends = dict.fromkeys(end for end in _PARTS.values() if end and not end.endswith("-"))
        return StrandedRun("check", job.id, job, (), (job.id, *(job.id + end for end in ends)))
    if isinstance(args[0], CheckJob):
        others = tuple(args[1:])
    else:
        job, others = older_arguments(workflow.name, args, results)
    return StrandedRun(workflow.name, workflow.workflow_id, job, others, (workflow.workflow_id,))


class Claim(NamedTuple):
    """A group of unfinished runs: whether they are claimed, by which process, and their version."""

    claimed: bool
    executor: str
    version: str


def unfinished_claims(database: sa.Engine) -> frozenset[Claim]:
    """The groups of unfinished runs in the engine's database; cheap for any number of runs."""
    runs = workflow_columns(database)
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

    def of(self, names: Collection[str]) -> list[str]:
        """Those of `names` that were among the names of each look for `seconds`, sorted."""
        now = self._clock()
        self._since = {name: self._since.get(name, now) for name in sorted(names)}
        return [name for name, since in self._since.items() if now - since >= self._seconds]


def requeue_runs(settings: Settings, executor: str, only: Collection[str] | None = None) -> int:
    """Queue the runs that `executor` had claimed (or `only` these) again, from outside the engine;
    return their number."""
    url = prepared_url(settings)
    DBOS.migrate(url)
    client = engine_client(url)
    try:
        workflows = client.list_workflows(
            status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        workflows = [
            workflow for workflow in workflows if only is None or workflow.workflow_id in only
        ]
        for queue in {status.queue_name for status in workflows}:
            ids = [status.workflow_id for status in workflows if status.queue_name == queue]
            client.resume_workflows(ids, queue_name=queue or CHECKS)
        return len(workflows)
    finally:
        client.destroy()


async def workflow_ids(**filters: Any) -> list[str]:
    """The ids of the workflows that DBOS's `list_workflows` finds by these arguments."""
    workflows = await DBOS.list_workflows_async(load_input=False, load_output=False, **filters)
    return [workflow.workflow_id for workflow in workflows]


def engine_client(url: str) -> DBOSClient:
    """A client of the engine's database, which runs no workflows."""
    return DBOSClient(
        system_database_url=url, serializer=ValueSerializer(), application_name=APPLICATION
    )

"""DBOS: start and stop, queues, runs by id, and recovery of a dead worker's runs.

Only the MIT core is used: no Conductor, no telemetry. What was learnt is beside each line.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, Literal

from dbos import (
    DBOS,
    DBOSClient,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetEnqueueOptions,
    SetWorkflowID,
)

from bot.engine.heartbeat import Heartbeat
from bot.engine.job import CheckJob
from bot.engine.outcome import RetryPolicy, Values
from bot.engine.replies import Reply
from bot.engine.steps import CheckSteps
from bot.engine.waiting import LOOK
from bot.engine.workflows import (
    BUILDS,
    CHECKS,
    PROGRESS,
    WAITS,
    WITHDRAW_PRIORITY,
    WORKFLOW_VERSION,
    Workflows,
    final_id,
    queued_id,
    wait_id,
    withdraw_id,
)
from bot.errors import SurroundingsError, UsageError
from bot.settings.values import Settings

LOG = logging.getLogger(__name__)
Role = Literal["server", "worker"]
_NAME = "minimize"
_POLL = 0.1
_MAX_PRIORITY = 1_000_000
# Beside a pull request's first check: who comments a lot must not hold up the checks.
_REPLY_PRIORITY = 10
_QUEUE_OF = {
    "check": CHECKS,
    "withdraw": CHECKS,
    "publish": CHECKS,
    "reply": CHECKS,
    "finish": BUILDS,
    "wait": WAITS,
    "queued": WAITS,
}
# More than a forge has open changes of one server's repositories; each mostly sleeps.
_MOST_WAITING = 1000
# Seconds: most requests to a forge are over by the first, all by the second.
_ON_ITS_WAY = (1.5, 60.0)
_OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


@dataclass(frozen=True, slots=True)
class Running:
    """A check as the engine has it: DBOS's status of its first and its last workflow, and its
    progress."""

    status: str | None
    final: str | None
    progress: Values

    @property
    def over(self) -> bool:
        """Return whether nothing more will come of it."""
        if self.status not in _OVER:
            return False
        return bool(self.progress.get("done")) or self.final in _OVER or self.status != "SUCCESS"


class Engine:
    """DBOS with the checks' workflows. One at a time in a process: DBOS is a singleton."""

    def __init__(
        self, steps: CheckSteps, settings: Settings, role: Role, *, pause: float = 2.0
    ) -> None:
        self._settings = settings
        self._role = role
        self._executor = settings.executor_id(role)
        self._lock: IO[str] | None = None
        self._url = _prepared_url(settings)
        config: DBOSConfig = {
            "name": _NAME,
            "system_database_url": self._url,
            # Unique and stable: a restart finds its own runs by it.
            "executor_id": self._executor,
            # Pinned, or changed code would strand the runs in flight.
            "application_version": settings.engine.application_version or WORKFLOW_VERSION,
            "log_level": "WARNING",
            "enable_otlp": False,
            # How long stopping waits for DBOS's listener, and a waiting run for its hook. On SQLite
            # each waiting run is a query at each turn: at 0.2 s, 100 runs took 9 % of a core.
            "notification_listener_polling_interval_sec": 0.5,
            # JSON, not pickle: a shared database must not be able to run code here.
            "serializer": DBOSPortableJSONSerializer(),
        }
        DBOS(config=config)
        self._workflows = Workflows(steps, RetryPolicy(settings.engine.attempts, pause))
        self._heartbeat = Heartbeat(self._url, self._executor)

    @property
    def executor_id(self) -> str:
        """The name of this process in the engine."""
        return self._executor

    async def launch(self) -> None:
        """Start DBOS and go on with this process's own runs. Call it before serving."""
        self._lock = _hold_name(self._settings.data, self._executor)
        logging.getLogger("dbos").addFilter(_without_cancellations)
        engine = self._settings.engine
        waits = _MOST_WAITING if engine.predictions else 0
        wanted = {CHECKS: engine.predictions, BUILDS: engine.builds, WAITS: waits}
        listening = [name for name, limit in wanted.items() if limit > 0]
        DBOS.listen_queues(listening)
        await asyncio.to_thread(_register_queues, self._url, wanted, listening)
        # It blocks for up to a third of a second, so not on the event loop.
        await asyncio.to_thread(DBOS.launch)
        await asyncio.to_thread(self._heartbeat.start)

    async def stop(self, seconds: int = 0) -> None:
        """Stop; runs in flight go on after the next start. `seconds` to wait for them."""
        await asyncio.to_thread(self._heartbeat.stop)
        await asyncio.to_thread(
            DBOS.destroy, destroy_registry=True, workflow_completion_timeout_sec=seconds
        )
        logging.getLogger("dbos").removeFilter(_without_cancellations)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def start_check(self, job: CheckJob, priority: int) -> None:
        """Queue a check; the same id again is the same check. A lower priority runs first."""
        number = min(max(priority, WITHDRAW_PRIORITY + 1), _MAX_PRIORITY)
        with SetWorkflowID(job.id), SetEnqueueOptions(priority=number):
            await DBOS.enqueue_workflow_async(CHECKS, self._workflows.check, job.to_json())

    async def say_it_waits(self, job: CheckJob) -> None:
        """Set the commit's status: the check was queued behind others."""
        # Not in their queue, which is full at this moment.
        options = SetEnqueueOptions(priority=WITHDRAW_PRIORITY)
        with SetWorkflowID(queued_id(job.id)), options:
            await DBOS.enqueue_workflow_async(WAITS, self._workflows.queued, job.to_json())

    async def cancel_check(self, check: str) -> None:
        """Stop a check, whatever part of it runs or waits; one that is over stays as it is."""
        waiting = await self._waits(check)
        await DBOS.cancel_workflows_async([check, wait_id(check), final_id(check)])
        if waiting is not None:
            # It sleeps, and sees that it was cancelled when it wakes.
            await DBOS.send_async(wait_id(check), "cancelled", LOOK)

    async def wake(self, check: str, names: Collection[str], reason: str) -> bool:
        """Wake a check that waits for a check of one of these names (none: of any).

        The same `reason` wakes it once. Return whether it waits for such a one.
        """
        waiting = await self._waits(check)
        if waiting is None or not (not names or any(fnmatchcase(n, waiting) for n in names)):
            return False
        destination = wait_id(check)
        await DBOS.send_async(destination, reason, LOOK, idempotency_key=f"{destination}-{reason}")
        return True

    async def _waits(self, check: str) -> str | None:
        """The glob on the checks that a check's run waits for; null if it does not."""
        destination = wait_id(check)
        found = await DBOS.list_workflows_async(
            workflow_ids=[destination], status="PENDING", load_input=False, load_output=False
        )
        if not found:
            return None
        events = await DBOS.get_all_events_async(destination)
        glob = (events.get(PROGRESS) or {}).get("waiting")
        return None if glob is None else str(glob)

    async def withdraw(self, job: CheckJob, title: str, summary: str) -> None:
        """Conclude the status of a check that was stopped: neutral, with the reason.

        Again a moment later, and once more: what the run had on its way may come after it. A
        narrowed one has no status: its answer says so, once.
        """
        for number, seconds in enumerate((None, *(() if job.narrowed else _ON_ITS_WAY))):
            id_ = withdraw_id(job.id) + (f"-{number}" if number else "")
            options = SetEnqueueOptions(priority=WITHDRAW_PRIORITY, delay_seconds=seconds)
            with SetWorkflowID(id_), options:
                await DBOS.enqueue_workflow_async(
                    CHECKS, self._workflows.withdraw, job.to_json(), title, summary
                )

    async def publish(self, job: CheckJob, found: Values, reason: str) -> None:
        """Write a finished check's comment and status again; the same reason once."""
        with (
            SetWorkflowID(f"{job.id}-{reason}"),
            SetEnqueueOptions(priority=WITHDRAW_PRIORITY),
        ):
            await DBOS.enqueue_workflow_async(CHECKS, self._workflows.publish, job.to_json(), found)

    async def start_reply(self, reply: Reply) -> None:
        """Queue the answer to a comment; the same id again is the same answer."""
        with SetWorkflowID(reply.job.id), SetEnqueueOptions(priority=_REPLY_PRIORITY):
            await DBOS.enqueue_workflow_async(CHECKS, self._workflows.reply, reply.to_json())

    async def running(self, checks: Collection[str]) -> dict[str, Running]:
        """The state of these checks in the engine."""
        if not checks:
            return {}
        ids = [*checks, *map(wait_id, checks), *map(final_id, checks)]
        found = await DBOS.list_workflows_async(
            workflow_ids=ids, load_input=False, load_output=False
        )
        statuses = {status.workflow_id: str(status.status) for status in found}
        known: dict[str, Running] = {}
        for check in checks:
            progress: Values = {}
            for workflow in (check, wait_id(check), final_id(check)):
                # One that still waits has no progress yet.
                if statuses.get(workflow) not in (None, "ENQUEUED", "DELAYED"):
                    events = await DBOS.get_all_events_async(workflow)
                    progress |= _done_of_last(events.get(PROGRESS) or {}, progress)
            waited = statuses.get(wait_id(check))
            # One that waited well is followed by the build, or has concluded itself.
            final = statuses.get(final_id(check)) or (waited if waited != "SUCCESS" else None)
            known[check] = Running(statuses.get(check), final, progress)
        return known

    async def queue_lengths(self) -> dict[str, int]:
        """The number of runs that wait in each queue."""
        waiting = await DBOS.list_workflows_async(
            status="ENQUEUED", load_input=False, load_output=False
        )
        lengths = {CHECKS: 0, BUILDS: 0, WAITS: 0}
        for status in waiting:
            name = status.queue_name or CHECKS
            lengths[name] = lengths.get(name, 0) + 1
        return lengths

    async def requeue(self, executor: str) -> int:
        """Queue the runs that `executor` had claimed and never finished; return their number."""
        if executor == self._executor:
            raise UsageError(
                f"{executor} is this process itself.", "A restart goes on with its own runs."
            )
        claimed = await DBOS.list_workflows_async(
            status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        for name, queue in _QUEUE_OF.items():
            ids = [status.workflow_id for status in claimed if status.name == name]
            if ids:
                await DBOS.resume_workflows_async(ids, queue_name=queue)
        return len(claimed)

    async def requeue_silent(self) -> list[str]:
        """Requeue the runs of every worker whose heartbeat has stopped; return the workers."""
        silent = await asyncio.to_thread(self._heartbeat.silent)
        for executor in silent:
            count = await self.requeue(executor)
            LOG.warning("%s has not been heard of: %d runs are queued again", executor, count)
            await asyncio.to_thread(self._heartbeat.forget, executor)
        return silent

    async def forget_finished(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
        """Delete runs that ended more than `keep_days` ago; return their number."""
        before = (now() - timedelta(days=self._settings.engine.keep_days)).isoformat()
        deleted = 0
        while True:
            old = await DBOS.list_workflows_async(
                status=list(_OVER),
                completed_before=before,
                limit=200,
                load_input=False,
                load_output=False,
            )
            if not old:
                return deleted
            await DBOS.delete_workflows_async([status.workflow_id for status in old])
            deleted += len(old)


def requeue_runs(settings: Settings, executor: str) -> int:
    """Queue again the runs that `executor` had claimed, from outside the bot; their number."""
    url = _prepared_url(settings)
    DBOS.migrate(url)
    client = _client(url)
    try:
        claimed = client.list_workflows(
            status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        for name, queue in _QUEUE_OF.items():
            ids = [status.workflow_id for status in claimed if status.name == name]
            if ids:
                client.resume_workflows(ids, queue_name=queue)
        return len(claimed)
    finally:
        client.destroy()


def _done_of_last(news: Values, before: Values) -> Values:
    """The second workflow's progress over the first's: its problem too, if it has none."""
    return {**news, "problem": news.get("problem")} if before else news


def _without_cancellations(record: logging.LogRecord) -> bool:
    """DBOS logs a cancelled run as an error with a traceback; a superseded check is none."""
    if "was cancelled during execution" in record.getMessage():
        return False
    error: Any = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "DBOSAwaitedWorkflowCancelledError"


def _prepared_url(settings: Settings) -> str:
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


def _register_queues(url: str, limits: Mapping[str, int], listening: Collection[str]) -> None:
    """Writes the queues' rows before DBOS starts: it looks for new ones only once a second, and
    the first webhook should not wait for that."""
    DBOS.migrate(url)
    client = _client(url)
    try:
        for name, limit in limits.items():
            # The limit counts for each process and is one row for all: who works, says it.
            client.register_queue(
                name,
                worker_concurrency=max(limit, 1),
                polling_interval_sec=_POLL,
                on_conflict="always_update" if name in listening else "never_update",
                application_name=_NAME,
            )
    finally:
        client.destroy()


def _client(url: str) -> DBOSClient:
    """The engine from outside: its tables, without running anything."""
    return DBOSClient(
        system_database_url=url, serializer=DBOSPortableJSONSerializer(), application_name=_NAME
    )


def _hold_name(data: Path, executor: str) -> IO[str]:
    """Lock the name on this machine: two processes of one name would run the same runs."""
    folder = data / "executors"
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / executor).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise UsageError(
            f"Another process runs as {executor} with the data folder {data}.",
            "Stop it, or give this one its own engine.executor_id.",
        ) from error
    return file

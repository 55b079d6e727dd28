"""DBOS: start and stop, queues, and runs by id.

Only DBOS's MIT core is used: no Conductor, no telemetry.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID

from bot.engine.build_places import BuildPlace, places_here
from bot.engine.database import (
    database_engine,
    lock_data,
    lock_name,
    prepared_url,
    refuse_newer,
    transaction,
)
from bot.engine.inspection import EngineFigures, engine_figures, run_with_steps
from bot.engine.job import CheckJob, Reply
from bot.engine.leases import Leases
from bot.engine.outcome import AWAY_TRIES, RetryPolicy
from bot.engine.queues import MOST_WAITING, WITHDRAW_PRIORITY, Queues
from bot.engine.recovery import Recovery, builds_of
from bot.engine.results import older_job, older_progress
from bot.engine.run_reports import PROGRESS
from bot.engine.steps import CheckSteps
from bot.engine.takeover import (
    APPLICATION,
    CHECKS,
    STRANGERS,
    WAITS,
    workflow_ids,
)
from bot.engine.values import Progress, ValueSerializer
from bot.engine.waiting import LOOK
from bot.engine.wakeups import STOPPED, PostgresWakeups, SocketWakeups, Wakeups
from bot.engine.workflows import (
    WORKFLOW_VERSION,
    Part,
    Workflows,
    part_id,
)
from bot.errors import MinimizeError
from bot.sandbox.emulation import native_architecture
from bot.settings.values import Settings
from bot.store.records import StepRecord

LOG = logging.getLogger(__name__)
Role = Literal["server", "worker"]
# The workflows of a check beside its first, in their order.
_PARTS: tuple[Part, ...] = ("wait", "final")
_LENGTHS = (3, 30, 300)
_BATCH = _LENGTHS[-1]
OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


@dataclass(frozen=True, slots=True)
class Running:
    """A check's state in the engine: its progress, and DBOS's status of its first and last
    workflow."""

    status: str | None
    final: str | None
    progress: Progress

    @property
    def over(self) -> bool:
        """Return whether the check has ended."""
        if self.status not in OVER:
            return False
        return self.progress.done or self.final in OVER or self.status != "SUCCESS"

    @property
    def cancelled(self) -> bool:
        """Return whether the check was cancelled before it had concluded."""
        return "CANCELLED" in (self.status, self.final) and not self.progress.done


class Engine:
    """DBOS with the checks' workflows. One at a time in a process: DBOS is a singleton."""

    def __init__(
        self,
        steps: CheckSteps,
        settings: Settings,
        role: Role,
        *,
        pause: float = 2.0,
        away: int = AWAY_TRIES,
    ) -> None:
        """`pause` is the seconds before the second try of a step, `away` the number of tries while
        a forge is unavailable."""
        self._settings = settings
        self._role = role
        self._executor = settings.executor_id(role)
        self._locks = ExitStack()
        self._url = prepared_url(settings)
        refuse_newer(self._url)
        self._version = _version(settings)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._url,
            # Unique and stable: after a restart the process finds its runs by it.
            "executor_id": self._executor,
            # Pinned, or changed code would strand the runs in flight.
            "application_version": self._version,
            "log_level": "WARNING",
            "enable_otlp": False,
            # How long a stop waits for DBOS's listener, and the delay until a waiting run sees a
            # message. On SQLite each waiting run polls: at 0.2 s, 100 runs took 9 % of a core.
            "notification_listener_polling_interval_sec": 0.5,
            "serializer": ValueSerializer(),
        }
        DBOS(config=config)
        self.results = steps.results
        self.forges = tuple(settings.forges)
        self._steps = steps
        self._computing = steps.computing
        self.publisher = steps.publisher
        self._database = database_engine(self._url)
        self._wakeups = self._make_wakeups()
        self._queues = Queues(self._database, self._wakeups)
        policy = RetryPolicy(settings.engine.attempts, pause, away)
        self._leases = Leases(self._database, self._executor, self._version)
        self._workflows = Workflows(steps, policy, self._queues, self._leases.build_places)
        self.recovery = Recovery(
            settings,
            self._database,
            self._leases,
            self._queues,
            self.results,
            self._workflows.in_progress,
            lambda run, turn: self._enqueue(run.name, run.run, turn, run.job, *run.args),
            moves_builds=role == "server",
        )
        self._recovering: asyncio.Task[None] | None = None
        self._stopped = False

    def _make_wakeups(self) -> Wakeups:
        if self._database.dialect.name == "postgresql":
            return PostgresWakeups(self._database)
        return SocketWakeups(self._settings.data / "wake-ups", self._executor)

    @property
    def database(self) -> sa.Engine:
        """The SQLAlchemy engine of the engine's database, beside DBOS's own."""
        return self._database

    @property
    def executor_id(self) -> str:
        """The name of this process in the engine."""
        return self._executor

    @property
    def builds(self) -> str:
        """The architectures that this process builds for, as the end of a sentence."""
        modes = {"native": "", "emulated": " (emulated)"}
        names = ", ".join(f"{place.arch}{modes[place.mode]}" for place in self._leases.builds)
        return f", and builds for {names}" if names else ", and builds nothing"

    async def launch(self) -> None:
        """Start DBOS and go on with this process's own runs. Call it before serving."""
        if self._role == "server":
            self._locks.enter_context(lock_data(self._settings.data))
        self._locks.enter_context(lock_name(self._settings.data, self._executor))
        logging.getLogger("dbos").addFilter(_without_cancellations)
        engine = self._settings.engine
        waits = MOST_WAITING if engine.predictions else 0
        places = await asyncio.to_thread(places_here, self._settings)
        self._leases.builds = places
        # Where nobody builds yet, builds wait in the queue of this machine's architecture.
        limits = {
            CHECKS: engine.predictions,
            # At most half of the slots (at least one) are for untrusted changes, whose checks may
            # take long on purpose.
            STRANGERS: min(max(engine.predictions // 2, 1), engine.predictions),
            WAITS: waits,
            BuildPlace(native_architecture()).queue: 0,
        }
        limits |= {place.queue: engine.builds for place in places}
        listening = [name for name, limit in limits.items() if limit > 0]
        DBOS.listen_queues(listening)
        await asyncio.to_thread(self._queues.listen, self._url, limits, listening)
        await asyncio.to_thread(self._leases.start)
        # It blocks for up to a third of a second, so not on the event loop.
        await asyncio.to_thread(DBOS.launch)
        self._wakeups.start(self._on_wakeup)
        await self.recovery.take_over()
        self._recovering = asyncio.create_task(self.recovery.run(), name="recovery")

    async def stop(self, seconds: int = 0) -> None:
        """Stop after waiting up to `seconds` for workflows; runs in flight continue after a
        restart."""
        if self._stopped:
            return
        self._stopped = True
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.wait([self._recovering])
        await asyncio.to_thread(self._wakeups.stop)
        await asyncio.to_thread(self._leases.stop)
        await asyncio.to_thread(
            DBOS.destroy, destroy_registry=True, workflow_completion_timeout_sec=seconds
        )
        # DBOS has shut down its executor, which was the event loop's.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        await asyncio.to_thread(self._computing.close)
        self._database.dispose()
        await asyncio.to_thread(self.results.close)
        logging.getLogger("dbos").removeFilter(_without_cancellations)
        self._locks.close()

    def _on_wakeup(self, message: str) -> None:
        """Handle a message of another process; called in a thread."""
        if message.startswith(STOPPED):
            self._computing.end(message.removeprefix(STOPPED))
        else:
            self._queues.wake()

    async def start_check(self, job: CheckJob) -> None:
        """Queue a check behind those of its repository; the same id again is the same check."""
        queue = CHECKS if await self._is_trusted(job) else STRANGERS
        priority = await self._queues.turn(queue, job.urgency, job)
        await self._enqueue("check", job.id, priority, job, queue=queue)

    async def _is_trusted(self, job: CheckJob) -> bool:
        with suppress(MinimizeError):
            return (await self._steps.trust(job)).trusted
        return False

    async def _enqueue(
        self, name: str, run: str, priority: int, *args: object, queue: str = CHECKS
    ) -> None:
        with SetWorkflowID(run), SetEnqueueOptions(priority=priority):
            workflow = self._workflows.named[name]
            await DBOS.enqueue_workflow_async(queue, workflow, *args)
        self._queues.queued()

    async def cancel_check(self, check: str) -> None:
        """Cancel all workflows of a check; one that has ended stays as it is."""
        waiting = await self._waits(check)
        parts = [part_id(check, part) for part in _PARTS]
        await DBOS.cancel_workflows_async([check, *parts, *await builds_of(check)])
        await asyncio.to_thread(self._computing.end, check)
        await asyncio.to_thread(self._wakeups.send, f"{STOPPED}{check}")
        if waiting is not None:
            # A sleeping run notices its cancellation when it wakes.
            await DBOS.send_async(part_id(check, "wait"), "cancelled", LOOK)

    async def wake(self, check: str, names: Collection[str], reason: str) -> bool:
        """Wake a run that waits for a commit's check with one of these names (none: any name). The
        same `reason` wakes it once.

        Return whether it waits for such a check.
        """
        waiting = await self._waits(check)
        if waiting is None or not (not names or any(fnmatchcase(n, waiting) for n in names)):
            return False
        destination = part_id(check, "wait")
        await DBOS.send_async(destination, reason, LOOK, idempotency_key=f"{destination}-{reason}")
        return True

    async def _waits(self, check: str) -> str | None:
        """The glob of the check names that a run waits for; null if it waits for none."""
        destination = part_id(check, "wait")
        if not await workflow_ids(workflow_ids=[destination], status="PENDING"):
            return None
        return (await self._progress(check, destination)).waiting

    async def withdraw(self, job: CheckJob, title: str, summary: str) -> None:
        """Report that a check was stopped, with the reason: in the commit's status, or in a
        narrowed check's answer."""
        run = part_id(job.id, "withdraw")
        await self._enqueue("withdraw", run, WITHDRAW_PRIORITY, job, title, summary)

    async def start_reply(self, job: CheckJob, reply: Reply) -> None:
        """Queue the answer to a comment; the same id of the job again is the same answer.

        Questions evaluate the head commit; by or about strangers they run in the strangers' queue.
        """
        queue = CHECKS
        if reply.questions:
            asker = replace(job, author=reply.user, pusher=reply.user, allowed="")
            if not (await self._is_trusted(job) and await self._is_trusted(asker)):
                queue = STRANGERS
        priority = await self._queues.turn(queue, "chat", job)
        await self._enqueue("reply", job.id, priority, job, reply, queue=queue)

    async def job_of(self, run: str) -> CheckJob | None:
        """The job of a run; null if the engine does not have it (any more)."""
        workflows = await DBOS.list_workflows_async(workflow_ids=[run], load_output=False)
        if not workflows or workflows[0].input is None:
            return None
        job = workflows[0].input["args"][0]
        return job if isinstance(job, CheckJob) else older_job(job)

    async def running(self, checks: Collection[str]) -> dict[str, Running]:
        """The state of these checks in the engine."""
        if not checks:
            return {}
        ids = [*checks, *(part_id(c, p) for c in checks for p in _PARTS)]
        statuses: dict[str, str] = {}
        for batch in even_batches(ids):
            workflows = await DBOS.list_workflows_async(
                workflow_ids=batch, load_input=False, load_output=False
            )
            statuses |= {status.workflow_id: str(status.status) for status in workflows}
        states: dict[str, Running] = {}
        for check in checks:
            progress = Progress()
            for workflow in (check, *(part_id(check, part) for part in _PARTS)):
                # One that still waits has no progress yet.
                if statuses.get(workflow) not in (None, "ENQUEUED", "DELAYED"):
                    progress = progress.then(await self._progress(check, workflow))
            waited = statuses.get(part_id(check, "wait"))
            # After a successful wait comes the build, or the check has concluded.
            final = statuses.get(part_id(check, "final")) or (
                waited if waited != "SUCCESS" else None
            )
            states[check] = Running(statuses.get(check), final, progress)
        return states

    async def _progress(self, check: str, workflow: str) -> Progress:
        events = await DBOS.get_all_events_async(workflow)
        progress = events.get(PROGRESS, Progress())
        if isinstance(progress, Progress):
            return progress
        return await asyncio.to_thread(older_progress, progress, check, self.results)

    def answers(self) -> None:
        """Send a trivial query to the engine's database; SurroundingsError if it fails."""
        with transaction(self._database) as connection:
            connection.execute(sa.select(1))

    async def figures(self) -> EngineFigures:
        """The state of the queues, the runs and the processes, for metrics."""
        return await asyncio.to_thread(engine_figures, self._database, self._leases.living)

    async def steps_of(self, check: str) -> tuple[StepRecord, ...]:
        """The steps of a check, as far as they are recorded."""
        run = await asyncio.to_thread(run_with_steps, DBOS, check)
        return () if run is None else run.steps


def even_batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """Batches of `ids` that have one of a few lengths; the last is padded with its last id.

    A statement has a placeholder for each id, and a connection caches its hundred newest
    statements: with lists of every length that took 130 kB for each check of a backlog.
    """
    for start in range(0, len(ids), _BATCH):
        batch = list(ids[start : start + _BATCH])
        length = next(size for size in _LENGTHS if size >= len(batch))
        yield batch + batch[-1:] * (length - len(batch))


def _version(settings: Settings) -> str:
    """The application version: WORKFLOW_VERSION, followed by the settings' own."""
    suffix = settings.engine.application_version
    return f"{WORKFLOW_VERSION}-{suffix}" if suffix else WORKFLOW_VERSION


def _without_cancellations(record: logging.LogRecord) -> bool:
    """Filter DBOS's error messages about cancelled runs: a superseded check is no error."""
    message = record.getMessage()
    if "was cancelled during execution" in message or "no longer owned by this" in message:
        return False
    error: Any = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "DBOSAwaitedWorkflowCancelledError"

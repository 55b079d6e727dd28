"""The queues: priorities of runs, and wake-ups of the threads that claim them.

For each queue DBOS has a thread that polls for work at an interval. Here its wait ends early when a
process has queued work or a slot became free.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from dbos import DBOS, _dbos, _workflow_commands
from dbos._queue import queue_worker_thread

from bot.engine.database import transaction, workflow_columns
from bot.engine.job import CheckJob, Urgency, run_prefix
from bot.engine.takeover import APPLICATION, engine_client
from bot.engine.wakeups import QUEUED, Wakeups

# More than the open pull requests of one server's repositories; waiting runs mostly sleep.
MOST_WAITING = 1000

# Lower priorities run first; without one a run would be before all.
WITHDRAW_PRIORITY = 1
# Each urgency has a range of priorities, in which repositories take turns.
_RANGES: dict[Urgency, tuple[int, int]] = {
    "chat": (10, 99_999),
    "push": (100_000, 999_999),
    "scheduled": (1_000_000, 1_999_999),
}
# Seconds between polls without a wake-up, as one may be lost.
_LONGEST_WAIT = 5.0
# Seconds to collect a burst of wake-ups into one poll.
_BURST = 0.01
# Seconds from a workflow's end until DBOS has freed its slot: usually, and at the latest.
_COUNTED_OUT = (0.05, 0.5)
# Seconds between DBOS's polls for delayed and timed-out workflows. The bot has neither; DBOS's
# default of one second took a third of an idle server's processor time. On Postgres, a session that
# holds their lock for 5 s is ended.
_DELAY_LOOKS = 4.0


class Queues:
    """The queues of one process. Like DBOS a singleton; made before DBOS is launched."""

    def __init__(self, database: sa.Engine, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups
        self._stops: list[_WakeableEvent] = []

    def listen(self, url: str, limits: Mapping[str, int], listening: Collection[str]) -> None:
        """Have `DBOS.launch` claim work of the queues `listening`, at most `limits` of each at a
        time. Blocking.

        Writes the queues' rows before DBOS starts, so that the first webhook does not wait for it.
        """
        DBOS.migrate(url)
        client = engine_client(url)
        try:
            for name, limit in limits.items():
                # The limit is per process, but one row for all: processes that work on the queue
                # write it.
                client.register_queue(
                    name,
                    worker_concurrency=max(limit, 1),
                    polling_interval_sec=_LONGEST_WAIT,
                    on_conflict="always_update" if name in listening else "never_update",
                    application_name=APPLICATION,
                )
        finally:
            client.destroy()
        self._stops = [_WakeableEvent() for _ in listening]
        events = dict(zip(listening, self._stops, strict=True))

        def claim(stop: threading.Event, dbos: DBOS) -> None:
            _claim(stop, dbos, events)

        # DBOS's own thread polls for new queues each second, and offers no wake-up.
        setattr(_dbos, "queue_thread", claim)  # noqa: B010  (mypy: it is not exported)
        _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _DELAY_LOOKS

    def wake(self) -> None:
        """Let every queue of this process poll for work now. From any thread."""
        for stop in self._stops:
            stop.wake()

    def queued(self) -> None:
        """Let every process poll for work, after some was queued."""
        self.wake()
        self._wakeups.send(QUEUED)

    def place_freed(self) -> None:
        """Let every queue of this process poll once DBOS has counted the end of a workflow."""
        loop = asyncio.get_running_loop()
        for pause in _COUNTED_OUT:
            loop.call_later(pause, self.wake)

    async def turn(self, queue: str, urgency: Urgency, job: CheckJob) -> int:
        """The priority of a repository's next run (the lowest runs first): repositories take turns.

        It is behind the repository's own waiting runs, and not before the first waiting run of all.
        SurroundingsError if the database does not answer.
        """
        low, high = _RANGES[urgency]
        prefix = run_prefix(job.key)
        runs = workflow_columns(self._database)
        own = sa.case((sa.func.substr(runs.workflow_uuid, 1, len(prefix)) == prefix, runs.priority))
        waiting = (
            sa.select(sa.func.min(runs.priority), sa.func.max(own))
            .where(runs.queue_name == queue, runs.status == "ENQUEUED")
            .where(runs.priority.between(low, high))
        )

        def look() -> int:
            with transaction(self._database) as connection:
                first, last = connection.execute(waiting).one()
            return min(max(first or low, (last or low - 1) + 1), high)

        return await asyncio.to_thread(look)


def _claim(stop: threading.Event, dbos: DBOS, events: Mapping[str, _WakeableEvent]) -> None:
    """Claim work in a thread for each queue until `stop`; replaces DBOS's function."""
    threads = []
    for name, event in events.items():
        queue = dbos._sys_db.get_queue(name)
        assert queue is not None, name
        arguments = (event, dbos, queue)
        thread = threading.Thread(
            target=queue_worker_thread, args=arguments, name=f"queue-{name}", daemon=True
        )
        thread.start()
        threads.append(thread)
        event.wake()
    stop.wait()
    for event in events.values():
        event.set()
    for thread in threads:
        thread.join(10.0)


class _WakeableEvent(threading.Event):
    """An event whose `wait` also ends when woken, as if it had timed out."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Event()

    def set(self) -> None:
        super().set()
        self._changed.set()

    def wake(self) -> None:
        self._changed.set()

    def wait(self, timeout: float | None = None) -> bool:
        if self._changed.wait(timeout) and not self.is_set():
            time.sleep(_BURST)
        self._changed.clear()
        return self.is_set()

"""The queues: in whose turn they run, and claimed when woken instead of ten times a second.

DBOS has a thread for each queue that looks for work, waits for an interval, and looks again. Here
the wait ends early when work was queued, by any process, or a place became free.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from dbos import DBOS, _dbos, _workflow_commands
from dbos._queue import queue_worker_thread

from bot.engine.database import SCHEMA
from bot.engine.job import CheckJob, Urgency, run_prefix
from bot.engine.takeover import APPLICATION, engine_client
from bot.engine.wakeups import QUEUED, Wakeups
from bot.errors import SurroundingsError

# More than a forge has open changes of one server's repositories; each mostly sleeps.
MOST_WAITING = 1000

# Lower runs first, and unset would beat all.
WITHDRAW_PRIORITY = 1
# Each urgency has a range of priorities, in which repositories take turns.
_RANGES: dict[Urgency, tuple[int, int]] = {
    "chat": (10, 99_999),
    "push": (100_000, 999_999),
    "scheduled": (1_000_000, 1_999_999),
}
# Seconds between two looks that nothing has asked for: a wake-up may be lost.
_LONGEST_WAIT = 5.0
# Of a burst of wake-ups, one look follows.
_BURST = 0.01
# Seconds from the end of a workflow until DBOS has counted it out: mostly, and at the latest.
_COUNTED_OUT = (0.05, 0.5)
# Seconds between DBOS's looks for workflows whose delay or time is over. None of ours has either;
# once a second, as DBOS looks by itself, they took a third of what an idle server takes. Postgres
# ends who holds their lock for 5 s.
_DELAY_LOOKS = 4.0


class Queues:
    """The queues of one process. One at a time, as DBOS; made before it is launched."""

    def __init__(self, database: sa.Engine, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups
        self._stops: list[_WakeableEvent] = []
        schema = SCHEMA if database.dialect.name == "postgresql" else None
        self._runs = sa.table(
            "workflow_status",
            *(sa.column(name) for name in ("workflow_uuid", "status", "queue_name", "priority")),
            schema=schema,
        )

    def listen(self, url: str, limits: Mapping[str, int], listening: Collection[str]) -> None:
        """Have `DBOS.launch` claim work of these queues here, at most `limits` at a time. Blocks.

        The queues' rows are written before DBOS starts: the first webhook should not wait for it.
        """
        DBOS.migrate(url)
        client = engine_client(url)
        try:
            for name, limit in limits.items():
                # The limit counts for each process and is one row for all: who works, says it.
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
        named = dict(zip(listening, self._stops, strict=True))

        def claim(stop: threading.Event, dbos: DBOS) -> None:
            _claim(stop, dbos, named)

        # DBOS's own looks once a second for new queues, and offers no wake-up.
        setattr(_dbos, "queue_thread", claim)  # noqa: B010  (mypy: it is not exported)
        _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _DELAY_LOOKS

    def wake(self) -> None:
        """Have every queue of this process look for work now. From any thread."""
        for stop in self._stops:
            stop.wake()

    def queued(self) -> None:
        """Have every process look for work: some was queued."""
        self.wake()
        self._wakeups.send(QUEUED)

    def place_freed(self) -> None:
        """Have every queue of this process look for work once what has just ended is counted."""
        loop = asyncio.get_running_loop()
        for pause in _COUNTED_OUT:
            loop.call_later(pause, self.wake)

    async def turn(self, queue: str, urgency: Urgency, job: CheckJob) -> int:
        """The priority of a repository's next run, so that repositories take turns.

        It comes behind those of its own repository that wait, and behind the first of all.
        """
        low, high = _RANGES[urgency]
        prefix = run_prefix(job.key)
        runs = self._runs.c
        own = sa.case((sa.func.substr(runs.workflow_uuid, 1, len(prefix)) == prefix, runs.priority))
        waiting = (
            sa.select(sa.func.min(runs.priority), sa.func.max(own))
            .where(runs.queue_name == queue, runs.status == "ENQUEUED")
            .where(runs.priority.between(low, high))
        )

        def look() -> int:
            try:
                with self._database.connect() as connection:
                    first, last = connection.execute(waiting).one()
            except sa.exc.SQLAlchemyError as error:
                raise SurroundingsError(
                    f"The engine's database does not answer: {error}."
                ) from error
            return min(max(first or low, (last or low - 1) + 1), high)

        return await asyncio.to_thread(look)


def _claim(stop: threading.Event, dbos: DBOS, named: Mapping[str, _WakeableEvent]) -> None:
    """A thread for each queue, until `stop`; takes the place of DBOS's own of this kind."""
    threads = []
    for name, own in named.items():
        queue = dbos._sys_db.get_queue(name)
        assert queue is not None, name
        arguments = (own, dbos, queue)
        thread = threading.Thread(
            target=queue_worker_thread, args=arguments, name=f"queue-{name}", daemon=True
        )
        thread.start()
        threads.append(thread)
        own.wake()
    stop.wait()
    for own in named.values():
        own.set()
    for thread in threads:
        thread.join(10.0)


class _WakeableEvent(threading.Event):
    """An event whose `wait` ends early, and as if in vain, when it is woken."""

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

"""Writing of deliveries: each change as SQL, and one writer that combines many changes.

A write to the disk takes milliseconds whatever its size: changes requested during one are written
together by the next. Outcomes of deliveries and new deliveries are written in the order of
requests.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from sqlite_utils import Database

from bot.errors import SurroundingsError
from bot.store.records import DeliveryState, NewDelivery, Receipt

if TYPE_CHECKING:
    from bot.store.store import Store

LOG = logging.getLogger(__name__)
T = TypeVar("T")
Change = Callable[[Database], T]
# Seconds. A forge gives up after ten, of which receiving the body may have taken some.
_LONGEST_WAIT = 8.0
DAY = 86_400.0
# Seconds, longer than any pause: a later due time was set before the clock was set back.
LONGEST_PAUSE = 25_200.0


def add_delivery(db: Database, new: NewDelivery, received: str) -> Receipt:
    """Store a delivery.

    A repeat (same id, or same object) is not stored; but one that failed at first becomes new
    again.
    """
    earlier = next(
        db.query(
            "select id, state from deliveries where forge = ? and (delivery = ? or object = ?)"
            " order by id limit 1",
            [new.forge, new.delivery, new.object],
        ),
        None,
    )
    if earlier is not None:
        if earlier["state"] != "failed":
            return Receipt(earlier["id"], repeat=True)
        db.execute(
            "update deliveries set state = 'new', attempts = 0, due = 0, body = ?,"
            " reason = null where id = ?",
            [new.body, earlier["id"]],
        )
        return Receipt(earlier["id"], repeat=False)
    row = db.execute(
        "insert into deliveries (forge, event, delivery, object, received, body, state)"
        " values (?, ?, ?, ?, ?, ?, 'new') returning id",
        [new.forge, new.event, new.delivery, new.object, received, new.body],
    ).fetchone()
    return Receipt(row[0], repeat=False)


def settle_delivery(
    db: Database, delivery: int, state: DeliveryState, reason: str, handled: str
) -> None:
    """Record the outcome of a delivery; it is not handled again."""
    db.execute(
        "update deliveries set state = ?, reason = ?, handled = ? where id = ?",
        [state, reason, handled, delivery],
    )


def postpone_delivery(
    db: Database, delivery: int, reason: str, seconds: float, *, counted: bool, missed: bool = False
) -> None:
    """Postpone a delivery to another try after `seconds`.

    `counted`: this try counts as failed. `missed`: the forge did not have the delivery's subject;
    counted once a day.
    """
    now = time.time()
    if missed:
        db.execute(
            "update deliveries set misses = misses + 1, missed = ? where id = ?"
            " and coalesce(missed, 0) not between ? and ?",
            [now, delivery, now - DAY, now + DAY],
        )
    db.execute(
        "update deliveries set attempts = attempts + ?, reason = ?, due = ? where id = ?",
        [int(counted), reason, now + seconds, delivery],
    )


@dataclass(frozen=True, slots=True)
class _QueuedChange:
    change: Change[Any]
    future: asyncio.Future[Any]


class GroupWriter:
    """Group commit: changes are gathered while the previous group is written to the disk.

    The writing thread takes the next group itself, so that a busy event loop delays no write.
    `on_written` is called after each group, on the event loop.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.on_written: Callable[[], None] = lambda: None
        # None: the last.
        self._queue: SimpleQueue[_QueuedChange | None] = SimpleQueue()

    async def write(self, change: Change[T]) -> T:
        """Return what `change` returns once it is on disk.

        Raises what it raises, StoreError if the disk cannot store it, SurroundingsError if that
        takes longer than a forge waits; it may still be written later.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_QueuedChange(change, future))
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                return await future
        except TimeoutError as error:
            raise SurroundingsError("The disk is too slow: the write took too long.") from error

    async def run(self) -> None:
        """Write waiting changes forever; when cancelled, write the rest first."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "deliveries") as thread:
            writing = loop.run_in_executor(thread, self._write_all, loop)
            try:
                await asyncio.shield(writing)
            finally:
                self._queue.put(None)
                await writing

    def _write_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write one group after the other until the last; runs in a thread."""
        last = False
        while not last:
            queued = [self._queue.get()]
            with suppress(Empty):
                while True:
                    queued.append(self._queue.get_nowait())
            group = [item for item in queued if item is not None]
            last = len(group) < len(queued)
            loop.call_soon_threadsafe(self._answer, group, self._write_group(group))

    def _write_group(self, group: list[_QueuedChange]) -> list[Any]:
        """The result of each change, or its error."""
        try:
            return self._store.write_together([item.change for item in group])
        except SurroundingsError as error:
            LOG.error("%d changes could not be written: %s", len(group), error)  # noqa: TRY400 - the sentence has it all
            return [error for _ in group]
        except Exception as error:
            # A bug in one group must not stop the writer.
            LOG.exception("%d changes could not be written", len(group))
            return [error for _ in group]

    def _answer(self, group: list[_QueuedChange], results: list[Any]) -> None:
        for item, result in zip(group, results, strict=True):
            if item.future.done():  # the caller may have stopped waiting
                continue
            if isinstance(result, Exception):
                item.future.set_exception(result)
            else:
                item.future.set_result(result)
        self.on_written()

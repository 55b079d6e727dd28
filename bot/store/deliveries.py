"""Writing deliveries: each change as SQL, and the one writer that many changes share.

A write to the disk takes milliseconds whatever is in it: what is asked for while one is on its way
is written together by the next. A delivery's outcome waits in the same line as the next delivery.
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
# A forge gives up after ten seconds, of which the body may have taken some.
_LONGEST_WAIT = 8.0
DAY = 86_400.0
# Longer than any pause: one that is due later was postponed before the clock was set back.
LONGEST_PAUSE = 25_200.0


def add_delivery(db: Database, new: NewDelivery, received: str) -> Receipt:
    """Store a delivery. A repeat (same id, or same object) is not stored; one whose first try
    failed is new again."""
    known = next(
        db.query(
            "select id, state from deliveries where forge = ? and (delivery = ? or object = ?)"
            " order by id limit 1",
            [new.forge, new.delivery, new.object],
        ),
        None,
    )
    if known is not None:
        if known["state"] != "failed":
            return Receipt(known["id"], repeat=True)
        db.execute(
            "update deliveries set state = 'new', attempts = 0, due = 0, body = ?,"
            " reason = null where id = ?",
            [new.body, known["id"]],
        )
        return Receipt(known["id"], repeat=False)
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
    """Postpone a delivery to another try after `seconds`; `counted`: this one failed. `missed`: the
    forge did not have what it is about, which counts once a day."""
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
class _Waiting:
    change: Change[Any]
    done: asyncio.Future[Any]


class GroupWriter:
    """Group commit: while one write is on its way to the disk, the next changes gather.

    The thread that writes takes the next group itself, so that a busy event loop keeps no group
    from the disk. `on_written` is called after each, on the event loop.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.on_written: Callable[[], None] = lambda: None
        # None: the last.
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()

    async def write(self, change: Change[T]) -> T:
        """Return what `change` returns once it is on disk.

        Raises what it raises, StoreError if the disk cannot keep it, SurroundingsError where that
        takes longer than a forge waits; it may be written later then.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(change, done))
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                return await done
        except TimeoutError as error:
            raise SurroundingsError("The disk is too slow for what is to be written.") from error

    async def run(self) -> None:
        """Write waiting changes for ever; when cancelled, write the rest first."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "deliveries") as thread:
            writing = loop.run_in_executor(thread, self._write_all, loop)
            try:
                await asyncio.shield(writing)
            finally:
                self._waiting.put(None)
                await writing

    def _write_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write one group after the other, in a thread, until the last."""
        last = False
        while not last:
            gathered = [self._waiting.get()]
            with suppress(Empty):
                while True:
                    gathered.append(self._waiting.get_nowait())
            group = [one for one in gathered if one is not None]
            last = len(group) < len(gathered)
            loop.call_soon_threadsafe(self._answer, group, self._written(group))

    def _written(self, group: list[_Waiting]) -> list[Any]:
        """The result of each change, or the error that it is answered with."""
        try:
            return self._store.write_together([one.change for one in group])
        except SurroundingsError as error:
            LOG.error("%d changes could not be written: %s", len(group), error)  # noqa: TRY400 - the sentence has it all
            return [error for _ in group]
        except Exception as error:
            # A bug that one group meets must not end the writing of the next ones.
            LOG.exception("%d changes could not be written", len(group))
            return [error for _ in group]

    def _answer(self, group: list[_Waiting], written: list[Any]) -> None:
        for one, result in zip(group, written, strict=True):
            if one.done.done():  # who asked for it may be gone
                continue
            if isinstance(result, Exception):
                one.done.set_exception(result)
            else:
                one.done.set_result(result)
        self.on_written()

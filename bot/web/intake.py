"""The intake of deliveries: written to disk before they are acknowledged, many at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot.store.records import NewDelivery, Receipt
from bot.store.store import Store, StoreError

LOG = logging.getLogger(__name__)
Waiting = tuple[NewDelivery, "asyncio.Future[Receipt]"]


class Intake:
    """Group commit: while one write is on its way to the disk, the next ones gather."""

    def __init__(self, store: Store, on_stored: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._on_stored = on_stored
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()

    async def keep(self, delivery: NewDelivery) -> Receipt:
        """Return once the delivery is on disk; StoreError if it cannot be written."""
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((delivery, done))
        return await done

    async def run(self) -> None:
        """Write waiting deliveries for ever; when cancelled, write the rest first."""
        try:
            while True:
                await self._write([await self._waiting.get()])
        finally:
            if not self._waiting.empty():
                await self._write([])

    async def _write(self, batch: list[Waiting]) -> None:
        while not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        try:
            receipts = await asyncio.shield(
                asyncio.to_thread(self._store.add_deliveries, [new for new, _ in batch])
            )
        except StoreError as error:
            LOG.error("%d deliveries could not be kept: %s", len(batch), error)  # noqa: TRY400 - the sentence says it all
            _fail(batch, error)
            return
        except Exception as error:
            # A bug that one batch meets must not end the intake of the next ones.
            LOG.exception("%d deliveries could not be kept", len(batch))
            _fail(batch, error)
            return
        for (_, done), receipt in zip(batch, receipts, strict=True):
            if not done.done():  # the sender may have disconnected
                done.set_result(receipt)
        self._on_stored()


def _fail(batch: list[Waiting], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)

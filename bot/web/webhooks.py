"""`POST /webhook/{type}`: 202 once the delivery is on disk, and never before; many are written at
once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from bot.forge.protocol import Forge
from bot.forge.values import WebhookRefusedError
from bot.store.records import NewDelivery, Receipt
from bot.store.store import Store, StoreError
from bot.web.metrics import Metrics

_BODY_SECONDS = 30.0


class Webhooks:
    """The routes of the forges that the settings name."""

    def __init__(
        self,
        forges: Mapping[str, Sequence[Forge]],
        intake: Intake,
        metrics: Metrics,
        most_bytes: int,
    ) -> None:
        self._forges = forges
        self._intake = intake
        self._metrics = metrics
        self._most = most_bytes

    async def receive(self, request: web.Request) -> web.Response:
        """Verify and store a delivery; the response's body has whether it is a repeat."""
        kind = request.match_info["type"]
        forges = self._forges.get(kind, ())
        if not forges:
            return _answer(404, error=f"No forge of the type {kind} is configured.")
        started = time.monotonic()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
            started = time.monotonic()
            new = _accepted(forges, request, body)
            receipt = await self._intake.store(new)
            word = "repeat" if receipt.repeat else "accepted"
            answer = _answer(202, status=word, delivery=new.delivery)
        except web.HTTPRequestEntityTooLarge:
            answer = _answer(413, error=f"More than {self._most} bytes.")
        except WebhookRefusedError as error:
            answer = _answer(error.status, error=str(error))
        except TimeoutError:
            answer = _answer(408, error="The body did not come.")
        except StoreError:
            # The log has it; the forge or an operator may send the delivery again.
            answer = _answer(503, error="The delivery cannot be stored at the moment.")
            answer.headers["Retry-After"] = "60"
        repeat = str(answer.status == 202 and receipt.repeat).lower()
        self._metrics.webhooks.labels(kind, str(answer.status), repeat).inc()
        self._metrics.webhook_seconds.observe(time.monotonic() - started)
        return answer


def _accepted(forges: Sequence[Forge], request: web.Request, body: bytes) -> NewDelivery:
    """The delivery as accepted by the first forge that knows its signature."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    refused: list[WebhookRefusedError] = []
    for forge in forges:
        try:
            return forge.accept(headers, body)
        except WebhookRefusedError as error:
            refused.append(error)
    # The lowest status: a forge that knew the signature but rejects the body comes first.
    raise min(refused, key=lambda error: error.status)


def _answer(code: int, **content: str) -> web.Response:
    return web.json_response(content, status=code)


LOG = logging.getLogger(__name__)
Waiting = tuple[NewDelivery, "asyncio.Future[Receipt]"]


class Intake:
    """Group commit: while one write is on its way to the disk, the next ones gather."""

    def __init__(self, store: Store, on_stored: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._on_stored = on_stored
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()

    async def store(self, delivery: NewDelivery) -> Receipt:
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
            LOG.error("%d deliveries could not be stored: %s", len(batch), error)  # noqa: TRY400 - the sentence has it all
            _fail(batch, error)
            return
        except Exception as error:
            # A bug that one batch meets must not end the intake of the next ones.
            LOG.exception("%d deliveries could not be stored", len(batch))
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

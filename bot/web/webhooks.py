"""`POST /webhook/{type}`: 202 once the delivery is on disk, and never before; many are written at
once."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from aiohttp import web

from bot.errors import SurroundingsError
from bot.forge.bodies import Verification, reduced
from bot.forge.protocol import Forge
from bot.forge.values import WebhookRefusedError
from bot.limited.call import CallLimits, LimitError, call_limited
from bot.limited.forker import UnreadableError
from bot.store.records import NewDelivery, Receipt
from bot.store.store import Store, StoreError
from bot.web.metrics import Metrics

# A forge gives up after ten seconds.
_BODY_SECONDS = 9.0
# Larger bodies go to a file while they come, some at a time; the limit counts bytes.
_IN_MEMORY = 64 * 1024
_FILES = 8
_LARGE = 1024 * 1024
_CHUNK = 64 * 1024
_FORM = "application/x-www-form-urlencoded"
_READING = CallLimits(seconds=_BODY_SECONDS, memory=1024 * 1024 * 1024)


class Webhooks:
    """The routes of the forges that the settings name.

    A body is hashed as it comes, and in memory only where it is small: who has no secret of ours
    can make us hold none of it.
    """

    def __init__(
        self,
        forges: Mapping[str, Sequence[Forge]],
        intake: Intake,
        metrics: Metrics,
        most_bytes: int,
        spool: Path | None = None,
    ) -> None:
        """`spool` is the directory of the files, on a disk; by default that of temporary files."""
        self._forges = forges
        self._intake = intake
        self._metrics = metrics
        self._most = most_bytes
        self._spool = spool
        self._files = asyncio.Semaphore(_FILES)
        self._reading = asyncio.Semaphore(1)

    async def receive(self, request: web.Request) -> web.Response:
        """Verify and store a delivery; the response's body has whether it is a repeat."""
        kind = request.match_info["type"]
        forges = self._forges.get(kind, ())
        if not forges:
            return _answer(404, error=f"No forge of the type {kind} is configured.")
        started = time.monotonic()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                new = await self._delivery(forges, request)
            started = time.monotonic()
            receipt = await self._intake.store(new)
            word = "repeat" if receipt.repeat else "accepted"
            answer = _answer(202, status=word, delivery=new.delivery)
        except WebhookRefusedError as error:
            answer = _answer(error.status, error=str(error))
        except TimeoutError:
            if request.content.at_eof():
                answer = _later("Others are before it.")
            else:
                answer = _answer(408, error="The body did not come in time.")
        except (StoreError, SurroundingsError):
            # The log has it; the forge or an operator may send the delivery again.
            answer = _later("The delivery cannot be stored at the moment.")
        repeat = str(answer.status == 202 and receipt.repeat).lower()
        self._metrics.webhooks.labels(kind, str(answer.status), repeat).inc()
        self._metrics.webhook_seconds.observe(time.monotonic() - started)
        return answer

    async def _delivery(self, forges: Sequence[Forge], request: web.Request) -> NewDelivery:
        """The delivery as accepted by the first forge that knows its signature."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        # Before the body: who did not sign it is not listened to.
        begun, refused = _begun(forges, headers)
        if not begun:
            raise _most_telling(refused)
        if (request.content_length or 0) > self._most:
            raise self._too_large()
        async with self._body(request, [verification for _, verification in begun]) as body:
            for forge, verification in begun:
                try:
                    verification.finish()
                    return forge.read(*await self._readable(headers, body))
                except WebhookRefusedError as error:
                    refused.append(error)
        raise _most_telling(refused)

    @asynccontextmanager
    async def _body(
        self, request: web.Request, verifications: Sequence[Verification]
    ) -> AsyncIterator[IO[bytes]]:
        """The whole body, in memory or in a file, once each of `verifications` has had it."""
        async with AsyncExitStack() as stack:
            held: IO[bytes] = BytesIO()
            size = 0
            async for part in request.content.iter_chunked(_CHUNK):
                size += len(part)
                if size > self._most:
                    raise self._too_large()
                if size > _IN_MEMORY and isinstance(held, BytesIO):
                    await stack.enter_async_context(self._files)
                    small = held
                    held = stack.enter_context(TemporaryFile(dir=self._spool))  # noqa: SIM115 - the stack closes it
                    held.write(small.getbuffer())
                for verification in verifications:
                    verification.update(part)
                held.write(part)
            yield held

    async def _readable(
        self, headers: Mapping[str, str], body: IO[bytes]
    ) -> tuple[Mapping[str, str], bytes]:
        """The headers and a body of some MiB at most; a larger one is cut, in another process."""
        size = body.seek(0, os.SEEK_END)
        body.seek(0)
        if size <= _LARGE:
            return headers, body.read()
        body.flush()
        form = headers.get("content-type", "").lower().startswith(_FORM)
        work = partial(call_limited, reduced, form, limits=_READING, descriptors=[body.fileno()])
        async with self._reading:
            try:
                content = await asyncio.to_thread(work)
            except LimitError as error:
                raise WebhookRefusedError(413, f"The body is too large: {error}.") from error
            except UnreadableError as error:
                raise WebhookRefusedError(400, str(error)) from error
        return {**headers, "content-type": "application/json"}, content

    def _too_large(self) -> WebhookRefusedError:
        return WebhookRefusedError(413, f"More than {self._most} bytes.")


def _begun(
    forges: Sequence[Forge], headers: Mapping[str, str]
) -> tuple[list[tuple[Forge, Verification]], list[WebhookRefusedError]]:
    """The forges that may have sent these headers, with their checks, and the others' refusals."""
    begun: list[tuple[Forge, Verification]] = []
    refused: list[WebhookRefusedError] = []
    for forge in forges:
        try:
            begun.append((forge, forge.begin(headers)))
        except WebhookRefusedError as error:
            refused.append(error)
    return begun, refused


def _most_telling(refused: Sequence[WebhookRefusedError]) -> WebhookRefusedError:
    """The refusal of the lowest status: a forge that knew the signature but rejects the body comes
    first."""
    return min(refused, key=lambda error: error.status)


def _answer(code: int, **content: str) -> web.Response:
    return web.json_response(content, status=code)


def _later(error: str) -> web.Response:
    answer = _answer(503, error=error)
    answer.headers["Retry-After"] = "60"
    return answer


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

"""`POST /webhook/{type}`: 202 only once the delivery is on disk; many are written at once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from aiohttp import StreamReader, web

from bot import limits
from bot.errors import SurroundingsError
from bot.forge.bodies import Verification, reduced
from bot.forge.protocol import Forge
from bot.forge.values import WebhookRefusedError
from bot.limited.call import CallLimits, LimitError, call_limited
from bot.limited.forker import UnreadableError
from bot.store.deliveries import GroupWriter, add_delivery
from bot.store.records import NewDelivery
from bot.store.store import now
from bot.web.metrics import Metrics

# The seconds that a body may pause in all, and the number of bytes that give one second back.
# Time in which it waits for us does not count.
_BODY_SECONDS = 9.0
_BYTES_A_SECOND = 128 * 1024
# Larger bodies go to a file while they arrive, some at a time; some more wait, unread.
_IN_MEMORY = 64 * 1024
_FILES = 8
_WAITING = 64
_WAITING_SECONDS = 120.0
_CHUNK = 64 * 1024
_FORM = "application/x-www-form-urlencoded"
_READING = CallLimits(seconds=9.0, memory=1024 * 1024 * 1024)


class CrowdedError(Exception):
    """More large bodies arrive at once than are accepted."""


class Webhooks:
    """The routes of the forges in the settings.

    A body is hashed while it arrives, and in memory only if it is small: a client without our
    secret cannot fill the memory.
    """

    def __init__(
        self,
        forges: Mapping[str, Sequence[Forge]],
        writer: GroupWriter,
        metrics: Metrics,
        most_bytes: int,
        spool: Path | None = None,
    ) -> None:
        """`spool` is the directory of files for large bodies; by default that of temporary
        files."""
        self._forges = forges
        self._writer = writer
        self._metrics = metrics
        self._most = most_bytes
        self._spool = spool
        self._files = _Slots(_FILES, _WAITING, _WAITING_SECONDS)
        self._reading = asyncio.Semaphore(1)

    async def receive(self, request: web.Request) -> web.Response:
        """Verify and store a delivery; the response says whether it is a repeat."""
        kind = request.match_info["type"]
        forges = self._forges.get(kind, ())
        if not forges:
            return _response(404, error=f"No forge of the type {kind} is configured.")
        started = time.monotonic()
        try:
            new = await self._delivery(forges, request)
            started = time.monotonic()
            receipt = await self._writer.write(lambda db: add_delivery(db, new, now()))
            word = "repeat" if receipt.repeat else "accepted"
            response = _response(202, status=word, delivery=new.delivery)
        except WebhookRefusedError as error:
            response = _response(error.status, error=str(error))
        except TimeoutError:
            response = _response(408, error="The body did not come in time.")
        except CrowdedError:
            response = _unavailable("Too many large deliveries come at once.")
        except SurroundingsError:
            # The error is in the log; the forge or an operator may send the delivery again.
            response = _unavailable("The delivery cannot be stored at the moment.")
        repeat = str(response.status == 202 and receipt.repeat).lower()
        self._metrics.webhooks.labels(kind, str(response.status), repeat).inc()
        self._metrics.webhook_seconds.observe(time.monotonic() - started)
        return response

    async def _delivery(self, forges: Sequence[Forge], request: web.Request) -> NewDelivery:
        """The delivery as accepted by the first forge that knows its signature."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        # Before the body: unsigned requests are refused unread.
        verifications, refusals = _begin_verifications(forges, headers)
        if not verifications:
            raise _lowest_status(refusals)
        if (request.content_length or 0) > self._most:
            raise self._too_large()
        async with self._body(request, [verification for _, verification in verifications]) as body:
            for forge, verification in verifications:
                try:
                    verification.finish()
                    return forge.read(*await self._readable(headers, body))
                except WebhookRefusedError as error:
                    refusals.append(error)
        raise _lowest_status(refusals)

    @asynccontextmanager
    async def _body(
        self, request: web.Request, verifications: Sequence[Verification]
    ) -> AsyncIterator[IO[bytes]]:
        """The whole body, in memory or in a file, once each of `verifications` has read it.

        Raises TimeoutError if it is too slow.
        """
        async with AsyncExitStack() as stack:
            body: IO[bytes] = BytesIO()
            size = 0
            async for part in _parts(request.content):
                size += len(part)
                if size > self._most:
                    raise self._too_large()
                if size > _IN_MEMORY and isinstance(body, BytesIO):
                    await stack.enter_async_context(self._files.slot())
                    small = body
                    body = stack.enter_context(TemporaryFile(dir=self._spool))  # noqa: SIM115 - the stack closes it
                    body.write(small.getbuffer())
                for verification in verifications:
                    verification.update(part)
                body.write(part)
            yield body

    async def _readable(
        self, headers: Mapping[str, str], body: IO[bytes]
    ) -> tuple[Mapping[str, str], bytes]:
        """The headers and a body of some MiB at most; a larger one is cut down in another
        process."""
        size = body.seek(0, os.SEEK_END)
        body.seek(0)
        if size <= limits.WEBHOOK_WHOLE:
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


class _Slots:
    """Limited slots, with a limited queue; raises CrowdedError beyond it."""

    def __init__(self, count: int, waiting: int, seconds: float) -> None:
        """`seconds`: the longest wait for a slot."""
        self._free = asyncio.Semaphore(count)
        self._may_wait = waiting
        self._seconds = seconds

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it."""
        if self._free.locked() and not self._may_wait:
            raise CrowdedError
        self._may_wait -= 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise CrowdedError from error
        finally:
            self._may_wait += 1
        try:
            yield
        finally:
            self._free.release()


async def _parts(content: StreamReader) -> AsyncIterator[bytes]:
    """The parts of a body while it arrives; TimeoutError if it is slower than allowed."""
    left = _BODY_SECONDS
    while True:
        started = time.monotonic()
        async with asyncio.timeout(left):
            part = await content.read(_CHUNK)
        if not part:
            return
        spent = time.monotonic() - started
        left = min(_BODY_SECONDS, left - spent + len(part) / _BYTES_A_SECOND)
        yield part


def _begin_verifications(
    forges: Sequence[Forge], headers: Mapping[str, str]
) -> tuple[list[tuple[Forge, Verification]], list[WebhookRefusedError]]:
    """The forges that may have sent these headers, with their verifications; and the refusals of
    the others."""
    verifications: list[tuple[Forge, Verification]] = []
    refusals: list[WebhookRefusedError] = []
    for forge in forges:
        try:
            verifications.append((forge, forge.begin(headers)))
        except WebhookRefusedError as error:
            refusals.append(error)
    return verifications, refusals


def _lowest_status(refusals: Sequence[WebhookRefusedError]) -> WebhookRefusedError:
    """The refusal with the lowest status: a forge that knew the signature but rejects the body
    comes first."""
    return min(refusals, key=lambda error: error.status)


def _response(code: int, **content: str) -> web.Response:
    return web.json_response(content, status=code)


def _unavailable(error: str) -> web.Response:
    response = _response(503, error=error)
    response.headers["Retry-After"] = "60"
    return response

"""`POST /webhook/{type}`: 202 once the delivery is on disk, and never before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from aiohttp import web

from bot.forge.protocol import Forge
from bot.forge.values import WebhookRefusedError
from bot.store.records import NewDelivery
from bot.store.store import StoreError
from bot.web.intake import Intake
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
            receipt = await self._intake.keep(new)
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
            answer = _answer(503, error="The delivery cannot be kept at the moment.")
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

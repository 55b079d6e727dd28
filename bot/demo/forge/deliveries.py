"""Webhook deliveries, each with the answer it got."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

# GitHub ends a delivery that has no answer after ten seconds.
ANSWER_SECONDS = 10.0


@dataclass(slots=True)
class Delivery:
    """One delivery: `status` is the answer's, null where nobody answered (`error` says why).

    `seconds` is how long the answer took.
    """

    id: str
    event: str
    action: str | None
    body: bytes
    headers: dict[str, str]
    at: datetime
    status: int | None = None
    answer: str = ""
    error: str = ""
    seconds: float = 0.0
    url: str | None = None


@dataclass(slots=True)
class Deliverer:
    """Sends deliveries and has them, oldest first."""

    deliveries: list[Delivery] = field(default_factory=list)

    async def send(
        self, url: str | None, identity: str, event: str, action: str | None, body: bytes,
        headers: dict[str, str],
    ) -> Delivery:  # fmt: skip
        """Sends a body with its headers to an address."""
        made = Delivery(identity, event, action, body, headers, datetime.now(UTC), url=url)
        self.deliveries.append(made)
        await self._send(made)
        return made

    async def redeliver(self, old: Delivery, url: str | None = None) -> Delivery:
        """Sends a delivery again, byte for byte, with the same id, as a forge's button does."""
        where = url or old.url
        return await self.send(where, old.id, old.event, old.action, old.body, old.headers)

    async def _send(self, delivery: Delivery) -> None:
        if delivery.url is None:
            delivery.error = "the App has no webhook address"
            return
        started = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    delivery.url,
                    data=delivery.body,
                    headers=delivery.headers,
                    allow_redirects=False,
                ) as response,
            ):
                delivery.status = response.status
                delivery.answer = await response.text(errors="replace")
        except (TimeoutError, aiohttp.ClientError) as error:
            delivery.error = str(error) or type(error).__name__
        delivery.seconds = time.monotonic() - started

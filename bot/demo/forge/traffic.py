"""Requests to the local forge's APIs, planned failures, and deliveries to webhooks of a repository,
its owner or the whole forge, as GitLab and Forgejo have them. GitHub's go to Apps."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from bot.demo.forge.access import ApiError
from bot.demo.forge.values import Json, Repository, WebHook
from bot.outbound.authorities import tls_context

MOST_PER_PAGE = 100
LARGEST_REQUEST = 512 * 1024 * 1024  # bytes, for pushes of source archives
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refusal = Callable[[ApiError | web.HTTPException], web.StreamResponse]
"""The response of an API to an error."""


@dataclass(slots=True)
class Fault:
    """A planned failure, for tests: the requests, the answer, and the number of times left."""

    method: str
    path: re.Pattern[str]
    status: int
    message: str
    headers: dict[str, str]
    times: int


@dataclass(slots=True)
class Traffic:
    """The requests that the APIs answered, and the planned faults."""

    requests: list[tuple[str, str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def meet_fault(self, request: web.Request) -> None:
        """Raise the planned ApiError for this request, if there is one."""
        for fault in self.faults:
            if fault.times > 0 and fault.method in ("*", request.method):
                if fault.path.search(request.path_qs) is None:
                    continue
                fault.times -= 1
                raise ApiError(fault.status, fault.message, headers=fault.headers)

    async def answer(
        self, request: web.Request, handler: Handler, refusal: Refusal
    ) -> web.StreamResponse:
        """Return the response of `handler`, or the refusal of its error or of a planned fault.

        The request is recorded with the status.
        """
        try:
            self.meet_fault(request)
            response = await handler(request)
        except (ApiError, web.HTTPException) as error:
            response = refusal(error)
        self.requests.append((request.method, request.path_qs, response.status))
        return response


TRAFFIC: web.AppKey[Traffic] = web.AppKey("traffic", Traffic)


def slice_of(items: Sequence[Any], page: int, per_page: int) -> tuple[Sequence[Any], int]:
    """One page of a list, and the number of the last page."""
    per_page = min(per_page, MOST_PER_PAGE)
    return items[(page - 1) * per_page : page * per_page], max(1, -(-len(items) // per_page))


def link_header(request: web.Request, targets: Mapping[str, int], **query: str) -> str:
    """The Link header to other pages by their relation; `query` is added to their addresses."""
    return ", ".join(
        f'<{request.url.update_query(page=str(number), **query)}>; rel="{name}"'
        for name, number in targets.items()
    )


# Seconds after which GitHub ends a delivery without an answer.
ANSWER_SECONDS = 10.0


@dataclass(slots=True)
class Delivery:
    """A delivery; `status` is the answer's, None without an answer (`error` says why). `seconds` is
    the time until the answer; `again`: it was sent before."""

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
    again: bool = False


@dataclass(slots=True)
class Deliverer:
    """Sender of deliveries, which it stores, oldest first."""

    deliveries: list[Delivery] = field(default_factory=list)
    tasks: set[asyncio.Task[object]] = field(default_factory=set)

    async def send(
        self, url: str | None, identity: str, event: str, action: str | None, body: bytes,
        headers: dict[str, str], *, again: bool = False,
    ) -> Delivery:  # fmt: skip
        """Send a body with its headers to an address."""
        at = datetime.now(UTC)
        delivery = Delivery(identity, event, action, body, headers, at, url=url, again=again)
        self.deliveries.append(delivery)
        await self._send(delivery)
        return delivery

    async def redeliver(self, old: Delivery, url: str | None = None) -> Delivery:
        """Send a delivery again, byte for byte, with the same id, as a forge's button does."""
        address = url or old.url
        values = (old.id, old.event, old.action, old.body, old.headers)
        return await self.send(address, *values, again=True)

    def redeliver_later(self, old: Delivery) -> None:
        """Send a delivery again, after the answer to the request for it."""
        task: asyncio.Task[object] = asyncio.ensure_future(self.redeliver(old))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

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
                    ssl=tls_context(),
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


DELIVERER: web.AppKey[Deliverer] = web.AppKey("deliverer", Deliverer)


@dataclass(frozen=True, slots=True)
class WebHooks:
    """The hooks of a forge; `events` are the default events of a hook."""

    events: ClassVar[Sequence[str]] = ()

    deliverer: Deliverer
    hooks: list[WebHook] = field(default_factory=list, kw_only=True)

    def add_hook(
        self,
        url: str,
        secret: str | None = None,
        *,
        place: str = "",
        events: Sequence[str] | None = None,
    ) -> WebHook:
        """Add a hook of a repository or its owner (`place` is the name), or of all (no place)."""
        names = tuple(self.events if events is None else events)
        hook = WebHook(url, secret or secrets.token_hex(20), place, names)
        self.hooks.append(hook)
        return hook


@dataclass(frozen=True, slots=True)
class PlacedHooks(WebHooks, ABC):
    """Sender of payloads to the hooks with an event; `indent` is the JSON's indentation."""

    indent: ClassVar[int | None] = None

    @abstractmethod
    def signed(self, event: str, body: bytes, hook: WebHook) -> tuple[str, dict[str, str]]:
        """The id of a delivery to a hook, and its headers."""

    async def deliver(self, repository: Repository, event: str, payload: Json) -> list[Delivery]:
        """Deliver a payload to each hook with the event."""
        separators = (",", ":") if self.indent is None else None
        body = json.dumps(payload, indent=self.indent, separators=separators).encode()
        action = payload.get("object_attributes", payload).get("action")
        deliveries = []
        for hook in self.hooks:
            if hook.hears(repository, event):
                identity, headers = self.signed(event, body, hook)
                arguments = (hook.url, identity, event, action, body, headers)
                deliveries.append(await self.deliverer.send(*arguments))
        return deliveries

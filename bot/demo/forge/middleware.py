"""Common parts of the API's answers: identity, pages, entity tags, limits, faults."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.access import ApiError, caller_of

PER_PAGE = 30
MOST_PER_PAGE = 100
HOURLY_LIMIT = 5000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Fault:
    """A failure to answer with, for tests: which requests, what answer, how often more."""

    method: str
    path: re.Pattern[str]
    status: int
    message: str
    headers: dict[str, str]
    times: int


@dataclass(slots=True)
class Traffic:
    """The requests that the API answered, and the faults it is still to answer with."""

    requests: list[tuple[str, str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def meet_fault(self, request: web.Request) -> None:
        """Raises the ApiError that the next request like this one is to be answered with."""
        for fault in self.faults:
            if fault.times > 0 and fault.method in ("*", request.method):
                if fault.path.search(request.path_qs) is None:
                    continue
                fault.times -= 1
                raise ApiError(fault.status, fault.message, headers=fault.headers)


TRAFFIC: web.AppKey[Traffic] = web.AppKey("traffic", Traffic)
API_PREFIX = "/api/v3"


@web.middleware
async def api_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Knows the caller, answers errors in GitHub's shape, adds rate limit and ETag headers."""
    if not request.path.startswith(f"{API_PREFIX}/"):
        return await handler(request)
    traffic = request.app[TRAFFIC]
    response: web.StreamResponse
    try:
        traffic.meet_fault(request)
        caller_of(request)  # refuses bad credentials everywhere
        response = await handler(request)
    except ApiError as error:
        response = error.response()
    except web.HTTPException as error:
        response = ApiError(error.status, error.reason).response()
    response.headers.setdefault("X-GitHub-Media-Type", "github.v3; format=json")
    response.headers.setdefault("X-RateLimit-Limit", str(HOURLY_LIMIT))
    response.headers.setdefault("X-RateLimit-Remaining", str(HOURLY_LIMIT - 1))
    response.headers.setdefault("X-RateLimit-Used", "1")
    response.headers.setdefault("X-RateLimit-Reset", str(int(time.time()) + 3600))
    response.headers.setdefault("X-RateLimit-Resource", "core")
    if request.method == "GET" and response.status == HTTPStatus.OK:
        response = _with_entity_tag(request, response)
    traffic.requests.append((request.method, request.path_qs, response.status))
    return response


def _with_entity_tag(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Answers 304 when the caller has this very body."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    links = response.headers.get("Link", "").encode()
    tag = f'"{hashlib.sha256(response.body + links).hexdigest()}"'
    given = request.headers.get("If-None-Match", "")
    if tag in [part.strip().removeprefix("W/") for part in given.split(",")]:
        kept = {k: v for k, v in response.headers.items() if k.startswith("X-RateLimit")}
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={**kept, "ETag": tag})
    response.headers["ETag"] = tag
    return response


def page_of(
    request: web.Request, items: Sequence[Any], shape: Callable[[Any], Any], key: str | None = None
) -> web.Response:
    """One page of a list (`per_page`, `page`), with the Link header to the others.

    `key` is the field that holds the list where GitHub wraps it beside a `total_count`.
    """
    per_page = min(_positive(request, "per_page", PER_PAGE), MOST_PER_PAGE)
    page = _positive(request, "page", 1)
    last = max(1, -(-len(items) // per_page))
    shown = [shape(item) for item in items[(page - 1) * per_page : page * per_page]]
    targets = {"prev": page - 1 if page > 1 else None, "next": page + 1 if page < last else None}
    if page < last:
        targets["last"] = last
    if page > 1:
        targets["first"] = 1
    links = [
        f'<{request.url.update_query(page=str(number))}>; rel="{name}"'
        for name, number in targets.items()
        if number is not None
    ]
    body = shown if key is None else {"total_count": len(items), key: shown}
    return web.json_response(body, headers={"Link": ", ".join(links)} if links else {})


def _positive(request: web.Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else otherwise

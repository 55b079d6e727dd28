"""Requests of the tests' GitHub clients and answers of local forges, by GitHub's description.

Exchanges are recorded at two places: by the bot's GitHub client, with any server, and by the local
forge, with any client (of other processes too). All requests of the client must be valid. Of the
requests to the forge only those that it accepts are checked: tests send invalid ones on purpose.
The answers of a test's own server may lack fields, but have no others than GitHub's.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pytest
from aiohttp import web

from bot.demo.forge import server
from bot.demo.forge.github.api import API_PREFIX, api_middleware
from bot.forge.github.client import GitHubClient
from tests.forge.github_description import Description

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Exchange(NamedTuple):
    """A request and its answer; `path` is below the API, with its query; bodies as JSON."""

    method: str
    path: str
    sent: Any
    status: int
    said: Any


@dataclass(frozen=True)
class Heard:
    """One exchange, and which side recorded it."""

    by: Literal["client", "forge"]
    exchange: Exchange

    def problems(self, description: Description) -> list[str]:
        """Return the parts that GitHub's description lacks."""
        method, path, sent, status, said = self.exchange
        if path.endswith("/graphql"):
            return []  # the description is REST's
        found = []
        if self.by == "client" or status < 400:
            found += description.request_problems(method, path, sent)
        return found + description.answer_problems(
            method, path, status, said, whole=self.by == "forge"
        )


@contextmanager
def listening(heard: list[Heard]) -> Iterator[None]:
    """Record every exchange of this process's GitHub clients and local forges in `heard`."""
    plain = GitHubClient._request

    async def request(
        self: GitHubClient, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        status, given, answer = await plain(self, method, url, headers, body)
        path = url.removeprefix(str(self.base_url))
        heard.append(Heard("client", Exchange(method, path, _json(body), status, _json(answer))))
        return status, given, answer

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(f"{API_PREFIX}/"):
            return await api_middleware(request, handler)
        body = await request.read()
        response = await api_middleware(request, handler)
        answer = response.body if isinstance(response, web.Response) else b""
        assert isinstance(answer, bytes | None)
        # A file's own bytes are no JSON, and asked for as such.
        if response.content_type == "application/json" or not answer:
            path = request.raw_path.removeprefix(API_PREFIX)
            one = Exchange(request.method, path, _json(body), response.status, _json(answer or b""))
            heard.append(Heard("forge", one))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GitHubClient, "_request", request)
        patch.setattr(server, "api_middleware", middleware)
        yield


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode("utf-8", "replace")

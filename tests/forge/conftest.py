"""A server that answers as GitHub where tests set it up, and records every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.forge.github.app import AppAuth, TokenAuth
from bot.forge.github.forge import GitHub
from bot.forge.values import ForgeError, ForgeGoneError, ForgeRefusedError
from bot.settings.forges import ForgeSettings
from tests.forge.pagure_server import PagureServer, running_pagure

# The errors that statuses of either forge stand for.
REFUSALS: tuple[tuple[int, type[ForgeError]], ...] = (
    (404, ForgeGoneError),
    (410, ForgeGoneError),
    (401, ForgeRefusedError),
    (403, ForgeRefusedError),
)


class TinyGitHub:
    """A server with answers by (method, path), in pages by `?page=`; `requests` are recorded."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any, str]] = []
        self.answers: dict[tuple[str, str], Any] = {}
        self.lists: dict[str, list[Any]] = {}
        self.page_size = 100
        self.url = ""
        self.raw_paths: list[str] = []

    def answer(self, method: str, path: str, *answers: Any) -> None:
        """Set the answers of a path, one a request, then the last.

        Each is a value, or a (status, headers, value).
        """
        self.answers[method, path] = list(answers)

    def seen(self, method: str, path: str) -> list[Any]:
        return [body for m, p, body, _ in self.requests if (m, p) == (method, path)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.raw_paths.append(request.rel_url.raw_path)
        text = await request.text()
        body = json.loads(text) if text else None
        authorization = request.headers.get("Authorization", "")
        self.requests.append((request.method, request.path, body, authorization))
        if request.method == "GET" and request.path in self.lists:
            return self.page(request)
        answers = self.answers.get((request.method, request.path))
        if not answers:
            return web.json_response({"message": "Not Found"}, status=404)
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(found):
            found = found(body)
        status, headers, value = found if isinstance(found, tuple) else (200, {}, found)
        if status == 204:
            return web.Response(status=204)
        return web.json_response(value, status=status, headers=headers)

    def page(self, request: web.Request) -> web.Response:
        items = self.lists[request.path]
        page = int(request.query.get("page", "1"))
        part = items[(page - 1) * self.page_size : page * self.page_size]
        headers = {}
        if page * self.page_size < len(items):
            following = request.url.update_query(page=page + 1)
            headers["Link"] = f'<{following}>; rel="next"'
        key = "check_runs" if request.path.endswith("/check-runs") else None
        return web.json_response({key: part} if key else part, headers=headers)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagureServer]:
    """A Pagure, started once for the tests of the xdist group `pagure`."""
    with running_pagure(tmp_path_factory.mktemp("pagure")) as made:
        yield made


@pytest.fixture
async def tiny():
    github = TinyGitHub()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", github.handle)
    server = TestServer(application)
    await server.start_server()
    github.url = str(server.make_url("")).rstrip("/")
    yield github
    await server.close()


@pytest.fixture
async def forge_on(tiny: TinyGitHub):
    made: list[GitHub] = []

    def make(*, app: tuple[str, str] | None = None, **settings: Any) -> GitHub:
        fields = ForgeSettings.model_validate(
            {
                "type": "github",
                "api_url": tiny.url,
                "webhook_secrets": [{"env": "X"}],
                "token": {"env": "X"},
                **settings,
            }
        )
        auth = AppAuth() if app else TokenAuth("s3cret")
        forge = GitHub("gh", fields, auth=auth, secrets=("old", "new"), app=app)
        made.append(forge)
        return forge

    yield make
    for forge in made:
        await forge.close()


@pytest.fixture
async def forge(forge_on: Callable[..., GitHub], tiny: TinyGitHub) -> GitHub:
    tiny.answer("GET", "/user", {"login": "minimize-bot"})
    return forge_on()

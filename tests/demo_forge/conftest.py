"""A local forge with one repository and a pull request that changes its spec file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from gidgethub.aiohttp import GitHubAPI

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import App, Installation, Pull, Repository

SPEC = "Name: nginx\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Hook:
    """A receiver of webhooks that records the deliveries."""

    url: str = ""
    status: int = 202
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append((headers, await request.read()))
        return web.Response(status=self.status, text="taken")


@dataclass
class World:
    forge: LocalForge
    repository: Repository
    app: App
    installation: Installation
    pull: Pull
    hook: Hook


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    application = web.Application(client_max_size=10_000_000)
    application.router.add_post("/webhook/github", made.take)
    server = TestServer(application)
    await server.start_server()
    made.url = str(server.make_url("/webhook/github"))
    yield made
    await server.close()


@pytest.fixture
async def world(tmp_path: Path, hook: Hook) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as forge:
        repository = forge.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": SPEC, "notes/a.txt": "a\n"}, "Start", at=AT)
        app = forge.add_app("minimize", hook_url=hook.url)
        installation = forge.install(app, "rpms")
        repository.git.commit(
            "xslt", {"nginx.spec": SPEC + "Requires: perl\n"}, "Need perl",
            start="main", at=AT,
        )  # fmt: skip
        forge.set_role(repository, "maria", "write")
        pull = await forge.open_pull(repository, "xslt", user="alice", title="Need perl")
        yield World(forge, repository, app, installation, pull, hook)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def as_user(world: World, session: aiohttp.ClientSession):
    """A function that makes an API client of a user; anonymous for None."""

    def make(login: str | None) -> GitHubAPI:
        token = world.forge.token(login) if login else None
        return GitHubAPI(session, "tests", oauth_token=token, base_url=world.forge.api_url)

    return make


@pytest.fixture
async def as_app(world: World, session: aiohttp.ClientSession) -> GitHubAPI:
    """An API client with a token of the App's installation, requested as an App does."""
    from gidgethub.apps import get_installation_access_token

    anonymous = GitHubAPI(session, "tests", base_url=world.forge.api_url)
    answer = await get_installation_access_token(
        anonymous,
        installation_id=str(world.installation.id),
        app_id=str(world.app.id),
        private_key=world.app.private_key,
    )
    return GitHubAPI(session, "tests", oauth_token=answer["token"], base_url=world.forge.api_url)

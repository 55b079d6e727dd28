"""A GitLab below a path (https://host/gitlab/): every request and address stays below it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.forge import GitLab
from bot.forge.gitlab.webhooks import signed_headers
from bot.forge.values import PullRequestKey, StatusReport, WebhookRefusedError
from bot.git.mirror import open_mirror
from bot.report.render import COMMENT_MARKER as MARKER
from bot.settings.forges import ForgeSettings

PATH = "acme/tools/rpms/nginx"


@dataclass
class World:
    local: LocalForge
    pull: Pull
    gitlab: GitLab
    url: str
    strays: list[str]


async def no_waiting(_: float) -> None:
    """Waits nothing."""


@pytest.fixture(params=["/gitlab", "/a/b"])
async def world(request, tmp_path: Path) -> AsyncIterator[World]:
    """The local forge behind a proxy that knows nothing outside the prefix."""
    strays: list[str] = []
    async with LocalForge(tmp_path / "forge") as local, aiohttp.ClientSession() as session:

        async def forward(asked: web.Request) -> web.Response:
            if not asked.rel_url.raw_path.startswith(request.param + "/"):
                strays.append(asked.rel_url.raw_path)
                return web.Response(status=404)
            target = local.url + asked.rel_url.raw_path_qs.removeprefix(request.param)
            kept = ("authorization", "content-type", "accept", "git-protocol", "content-encoding")
            headers = {n: v for n, v in asked.headers.items() if n.lower() in kept}
            async with session.request(
                asked.method,
                URL(target, encoded=True),
                headers=headers,
                data=await asked.read(),
                allow_redirects=False,
            ) as answer:
                shown = {
                    n: v.replace(local.url, base + request.param)
                    for n, v in answer.headers.items()
                    if n.lower() in ("content-type", "link", "location", "x-next-page")
                }
                content = await answer.read()
                return web.Response(status=answer.status, headers=shown, body=content)

        application = web.Application(client_max_size=64_000_000)
        application.router.add_route("*", "/{path:.*}", forward)
        server = TestServer(application)
        await server.start_server()
        base = str(server.make_url("")).rstrip("/")
        repository = local.add_repository("rpms/nginx")
        repository.gitlab_path = PATH
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: nginx\n# 1\n"}, "1", start="main")
        local.set_role(repository, "minimize-bot", "write")
        pull = await local.open_pull(repository, "topic", user="jonas", title="t")
        url = base + request.param
        fields = {"type": "gitlab", "api_url": url, "token": {"env": "X"}}
        settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
        token = local.token("minimize-bot")
        client = GitLabClient(url, token, no_waiting)
        gitlab = GitLab("gl", settings, token=token, secrets=("s3cret",), client=client)
        yield World(local, pull, gitlab, url, strays)
        await gitlab.close()
        await server.close()


async def test_everything_stays_below_the_path(world: World, tmp_path: Path) -> None:
    key = PullRequestKey("gl", PATH, world.pull.number)
    for number in range(120):
        await world.local.comment(world.pull, f"comment {number}", user="jonas")
    pull = await world.gitlab.pull_request(key)
    assert pull.head_repository == PATH
    made = await world.gitlab.put_comment(key, MARKER, f"{MARKER} one")
    again = await world.gitlab.put_comment(key, MARKER, f"{MARKER} two")
    assert again.id == made.id  # found on the second page, whose link is followed below the path
    assert made.url == f"{world.url}/{PATH}/-/merge_requests/1#note_{made.id}"
    await world.gitlab.set_status(key, pull.head_sha, StatusReport("c", "success", "Fine"))
    assert await world.gitlab.role_of(key, "minimize-bot") == "write"
    await world.gitlab.react(key, made.id, "eyes")
    assert [file.path for file in await world.gitlab.changed_files(key)] == ["nginx.spec"]
    source = await world.gitlab.source(key, "main")
    assert source.url == f"{world.url}/{PATH}.git"
    mirror = open_mirror(tmp_path / "cache", source.url, source.credential)
    base = await asyncio.to_thread(
        lambda: mirror.fetch(pull.head_sha, pull.base_sha, refs=source.refs)
    )
    assert base == pull.base_sha
    assert world.strays == []


@pytest.mark.parametrize("api", ["https://host/gitlab/", "https://host/gitlab/api/v4"])
def test_the_settings_take_either_address(api: str) -> None:
    fields = {"type": "gitlab", "api_url": api, "token": {"env": "X"}}
    settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
    assert settings.clone_url == "https://host/gitlab"


def test_a_delivery_names_the_instance_without_its_path() -> None:
    fields = {"type": "gitlab", "api_url": "https://host:8443/gitlab", "token": {"env": "X"}}
    settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
    gitlab = GitLab("gl", settings, token="t", secrets=("s3cret",))
    body = b'{"object_kind": "issue"}'
    made = signed_headers("issue", body, "s3cret", delivery="d")
    headers = {name.lower(): value for name, value in made.items()}
    for instance in ("https://host:8443", "https://host:8443/gitlab", "https://HOST"):
        assert gitlab.accept({**headers, "x-gitlab-instance": instance}, body).event == "issue"
    with pytest.raises(WebhookRefusedError, match="other"):
        gitlab.accept({**headers, "x-gitlab-instance": "https://other"}, body)

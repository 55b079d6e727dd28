"""The local forge as Pagure: held against a real one's answers and webhooks, and met by the bot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.forge.pagure.forge import Pagure
from bot.forge.values import (
    IgnoredEvent,
    PullRequestKey,
)
from bot.settings.forges import ForgeSettings
from tests.forge.pagure_server import ANN, BOT, EVE, OWNER, PagureServer
from tests.forge.places import Hook

pytestmark = pytest.mark.xdist_group("pagure")
NAME, KEY = "rpms/nginx", "k" * 40


@dataclass
class World:
    local: LocalForge
    pull: Pull
    forge: Pagure

    @property
    def key(self) -> PullRequestKey:
        return PullRequestKey("it", NAME, self.pull.number)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository(NAME)
        local.set_role(repository, OWNER, "admin")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        fork = local.add_repository(f"{ANN}/nginx", parent=repository, owner_kind="User")
        fork.git.commit("topic", {"nginx.spec": "Name: n\n"}, "Go", start="main")
        local.pagure.add_hook("http://127.0.0.1:9/", KEY, place="rpms")
        pull = await local.open_pull(repository, "topic", user=ANN, title="t", head_repository=fork)
        fields = {"type": "pagure", "api_url": f"{local.url}/api/0", "token": {"env": "X"}}
        settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
        forge = Pagure("it", settings, token=local.token(BOT), secrets=(KEY,))
        yield World(local, pull, forge)
        await forge.close()


def events(world: World) -> list[Any]:
    """The events of the deliveries so far, but those that ask nothing."""
    found = []
    for sent in world.local.deliveries:
        headers = {name.lower(): text for name, text in sent.headers.items()}
        new = world.forge.accept(headers, sent.body)
        found.append(world.forge.event(new.event, new.body))
    return [one for one in found if not isinstance(one, IgnoredEvent)]


def shape(value: object) -> object:
    """The keys and types of an answer; a list has its first item's, an empty one none."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


def misfits(here: object, real: object, place: str = "") -> list[str]:
    """Where an answer of ours has other keys or types than a real one; what is null or empty in
    either may be anything in the other."""
    if isinstance(here, dict) and isinstance(real, dict):
        odd = sorted(here.keys() - real.keys())
        found = [f"{place}/{name}" for name in odd if not place.endswith("diffstats")]
        for name in sorted(here.keys() & real.keys()):
            found += misfits(here[name], real[name], f"{place}/{name}")
        return found
    if isinstance(here, list) and isinstance(real, list):
        return misfits(here[0], real[0], f"{place}[]") if here and real else []
    return [] if here == real or "NoneType" in (here, real) else [place]


async def test_answers_and_webhooks_have_the_shape_of_a_real_ones(
    server: PagureServer, world: World
) -> None:
    hook = Hook()
    name = server.project("compared")
    server.hook(name, hook.url)
    fork = server.fork(name)
    head = server.push(fork, "topic", {"nginx.spec": "Name: n\n"}, user=ANN)
    number = server.open_pull(name, "topic", user=ANN)
    server.api(f"{name}/pull-request/{number}/comment", EVE, comment="c")
    server.push(name, "main", {"other": "1"}, user=OWNER)
    server.settle()
    flag = {"username": "ci", "comment": "x", "url": "https://ci.example.org/", "status": "success"}
    real_flag = server.api(f"{name}/c/{head}/flag", EVE, **flag)
    await world.local.comment(world.pull, "c", user=EVE)
    await world.local.push(world.pull.repository, "main", {"other": "1"}, "1", user=OWNER)
    token = world.local.token(EVE)

    def ask(path: str, **fields: object) -> Any:
        ours = PagureServer(server.folder, world.local.url, {EVE: token})
        return ours.api(path, EVE, **fields)

    here = await asyncio.to_thread(ask, f"{NAME}/c/{world.pull.head_sha}/flag", **flag)
    assert misfits(shape(here), shape(real_flag)) == []
    pull, ours = f"pull-request/{number}", f"pull-request/{world.pull.number}"
    for path, own in (
        ("", ""), ("/git/branches?with_commits=true", "/git/branches?with_commits=true"),
        (f"/{pull}", f"/{ours}"), (f"/{pull}/diffstats", f"/{ours}/diffstats"),
        ("/pull-requests", "/pull-requests"), (f"/c/{head}/flag", f"/c/{world.pull.head_sha}/flag"),
        ("/issues", "/issues"),
    ):  # fmt: skip
        real = server.api(f"{name}{path}")
        here = await asyncio.to_thread(ask, f"{NAME}{own}")
        assert misfits(shape(here), shape(real), path) == []
    announced = {json.loads(body)["topic"]: json.loads(body) for _, body in hook.came}
    compared = 0
    for sent in world.local.deliveries:
        body = json.loads(sent.body)
        real = announced.get(body["topic"])
        if real is not None:
            assert misfits(shape(body), shape(real), body["topic"]) == []
            compared += 1
    assert compared >= 3
    hook.close()

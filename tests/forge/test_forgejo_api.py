"""Forgejo's API, as the bot asks it: on the local forge, and on answers that it does not give."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.forge.forgejo.client import is_agit, pull_request_of
from bot.forge.forgejo.forge import Forgejo
from bot.forge.protocol import Forge
from bot.forge.values import (
    ForgeDeniedError,
    ForgeError,
    ForgeGoneError,
    PullRequestKey,
    StatusReport,
)
from bot.settings.forges import ForgeSettings
from tests.forges import BOT, forge_on

MARKER = "<!-- minimize -->"


@dataclass
class World:
    local: LocalForge
    pull: Pull
    forge: Forge

    @property
    def key(self) -> PullRequestKey:
        return PullRequestKey("it", "rpms/nginx", self.pull.number)

    def statuses(self) -> list[tuple[str, str | None]]:
        made = self.local.state.statuses_of(self.pull.repository, self.pull.head_sha)
        return [(one.state, one.description) for one in made]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        fork = local.add_repository("ann/nginx", parent=repository, owner_kind="User")
        files = {f"f{number:02}": "x" for number in range(60)}
        fork.git.commit("topic", {"nginx.spec": "Name: n\n", **files}, "Go", start="main")
        pull = await local.open_pull(
            repository, "topic", user="ann", title="t", head_repository=fork
        )
        forge = forge_on(local, "forgejo", repository)
        yield World(local, pull, forge)
        await forge.close()


async def test_the_pull_request_and_all_pages_of_its_files(world: World) -> None:
    found = await world.forge.pull_request(world.key)
    assert (found.author, found.head_repository, found.base_ref) == ("ann", "ann/nginx", "main")
    assert (found.head_sha, found.open, found.private) == (world.pull.head_sha, True, False)
    assert found.base_sha == world.pull.repository.git.branch("main")
    assert found.url == f"{world.local.url}/rpms/nginx/pulls/{world.pull.number}"
    assert len(await world.forge.changed_files(world.key)) == 61
    (listed,) = await world.forge.open_pulls("rpms/nginx")
    assert (listed.number, listed.head_sha) == (world.pull.number, world.pull.head_sha)
    assert listed.updated.endswith("Z")
    with pytest.raises(ForgeGoneError):
        await world.forge.pull_request(PullRequestKey("it", "rpms/nginx", 99))


async def test_one_comment_is_found_by_its_marker_and_author(world: World) -> None:
    await world.local.comment(world.pull, f"{MARKER} theirs", user="mallory")
    assert await world.forge.find_comment(world.key, MARKER) is None
    made = await world.forge.put_comment(world.key, MARKER, f"{MARKER}\none")
    again = await world.forge.put_comment(world.key, MARKER, f"{MARKER}\ntwo")
    assert (again.id, await world.forge.find_comment(world.key, MARKER)) == (made.id, again)
    ours = [c for c in world.local.state.comments_of(world.pull) if c.user.login == BOT]
    assert [c.body for c in ours] == [f"{MARKER}\ntwo"]
    writes = [r for r in world.local.requests if r[0] != "GET"]
    await world.forge.put_comment(world.key, MARKER, f"{MARKER}\ntwo")
    assert [r for r in world.local.requests if r[0] != "GET"] == writes


async def test_a_reaction_twice_is_one(world: World) -> None:
    comment = await world.local.comment(world.pull, "/minimize check", user="ann")
    for _ in range(2):
        await world.forge.react(world.key, str(comment.id), "eyes")
    assert [r.content for r in comment.reactions] == ["eyes"]


@pytest.mark.parametrize(
    ("state", "written", "words"),
    [
        ("pending", "pending", "t"),
        ("success", "success", "t"),
        ("failure", "failure", "t"),
        ("neutral", "success", "not evaluated: t"),
        ("action_required", "pending", "t"),
    ],
)
async def test_a_status_is_written_once(world: World, state: Any, written: str, words: str) -> None:
    report = StatusReport("c1", state, "t", url="https://m.example/checks/1")
    for _ in range(2):
        await world.forge.set_status(world.key, world.pull.head_sha, report)
    assert world.statuses() == [(written, words)]
    (check,) = await world.forge.checks_of(world.key, world.pull.head_sha)
    assert (check.name, check.word, check.url) == ("minimize", written, report.url)


async def test_a_long_title_is_cut(world: World) -> None:
    await world.forge.set_status(
        world.key, world.pull.head_sha, StatusReport("c1", "success", "t" * 400)
    )
    ((_, text),) = world.statuses()
    assert text is not None and len(text) == 255 and text.endswith("…")


@pytest.mark.parametrize(
    ("given", "role"),
    [("none", "none"), ("read", "read"), ("write", "write"), ("admin", "admin")],
)
async def test_the_role_is_the_permission(world: World, given: str, role: str) -> None:
    world.local.add_user("zoe")
    world.local.set_role(world.pull.repository, "zoe", given)
    assert await world.forge.role_of(world.key, "zoe") == role


async def test_the_owner_administers_and_nobody_has_nothing(world: World) -> None:
    assert await world.forge.role_of(world.key, "rpms") == "admin"
    assert await world.forge.role_of(world.key, "nobody") == "none"


async def test_without_the_right_to_ask_nobody_has_a_role_and_it_says_what_to_do(
    world: World,
) -> None:
    world.local.set_role(world.pull.repository, BOT, "write")
    with pytest.raises(ForgeDeniedError, match="may administer the repository"):
        await world.forge.role_of(world.key, "rpms")


async def test_a_push_to_refs_for_is_its_authors(world: World) -> None:
    # Whoever may read may make one; its head is in the repository, where else only members push.
    world.pull.head_repository = world.pull.repository
    world.pull.head_branch = f"refs/pull/{world.pull.number}/head"
    assert await world.forge.pusher_of(world.key, world.pull.head_sha) == "ann"
    assert (await world.forge.pull_request(world.key)).head_repository is None


@pytest.mark.parametrize(
    ("ref", "repository", "flow", "agit"),
    [
        ("fix", 1, {"flow": 0}, False),
        ("refs/pull/7/head", 1, {"flow": 0}, False),
        ("refs/pull/7/head", 1, {"flow": 1}, True),
        # Gitea's API does not say it.
        ("fix", 1, {}, False),
        ("refs/pull/7/head", 1, {}, True),
        ("refs/pull/7/head", 2, {}, False),
        ("refs/pull/7/head", None, {}, False),
    ],
)
def test_a_push_to_refs_for_is_known_on_gitea_too(
    ref: str, repository: int | None, flow: dict[str, int], agit: bool
) -> None:
    head = {"ref": ref, "repo": None if repository is None else {"id": repository}}
    assert is_agit({"head": head, "base": {"ref": "main", "repo": {"id": 1}}, **flow}) is agit


async def test_the_commits_are_fetched_with_the_token_as_a_password(world: World) -> None:
    source = await world.forge.source(world.key, "main")
    assert source.url == f"{world.local.url}/rpms/nginx.git"
    assert source.refs == (f"refs/pull/{world.pull.number}/head", "refs/heads/main")
    assert source.credential is not None
    token = world.local.state.tokens[source.credential.secret]
    assert token.user.login == BOT


async def test_a_limit_is_waited_for_as_it_says(world: World) -> None:
    headers = {"Retry-After": "90"}
    world.local.fail_next("/pulls/", 429, message="slow down", headers=headers)
    with pytest.raises(ForgeError, match="Forgejo limits further requests") as caught:
        await world.forge.pull_request(world.key)
    assert caught.value.wait == 90
    with pytest.raises(ForgeError, match="limits further requests"):
        await world.forge.pull_request(world.key)
    assert sum("/pulls/" in path for _, path, _ in world.local.requests) == 1


@pytest.mark.parametrize(
    ("owner", "private", "shown"),
    [
        ("public", False, (False, False)),
        ("public", True, (True, False)),
        ("limited", False, (True, True)),  # every user of the forge may read it
        ("private", False, (True, False)),
    ],
)
def test_who_may_read_a_repository_is_its_owners_matter_too(
    owner: str, private: bool, shown: tuple[bool, bool]
) -> None:
    base = {"full_name": "o/r", "private": private, "owner": {"visibility": owner}}
    pull = {
        "state": "open",
        "base": {"ref": "main", "sha": "b", "repo": base},
        "head": {"ref": "topic", "sha": "a", "repo": None},
        "user": None,
    }
    found = pull_request_of(pull, PullRequestKey("it", "o/r", 1))
    assert (found.private, found.internal) == shown
    assert (found.author, found.head_repository) == ("ghost", None)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Forgejo, dict[str, Any]]]:
    """A Gitea that answers by path, and that believes to be at another address."""
    answers: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.Response:
        found = answers.get(request.path_qs)
        if found is None:
            return web.json_response({"message": "gone"}, status=404)
        value, following = found if isinstance(found, tuple) else (found, "")
        link = f'<https://gitea.example{following}>; rel="next"'
        return web.json_response(value, headers={"Link": link} if following else {})

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    server = TestServer(application)
    await server.start_server()
    fields = {"type": "gitea", "token": {"env": "X"}, "webhook_secrets": [{"env": "X"}]}
    url = str(server.make_url("/api/v1"))
    settings = ForgeSettings.model_validate({**fields, "api_url": url})
    forge = Forgejo("it", settings, token="t", secrets=())
    yield forge, answers
    await forge.close()
    await server.close()


async def test_pages_are_asked_at_the_address_of_the_settings(served: Any) -> None:
    forge, answers = served
    pulls = "/api/v1/repos/o/r/pulls?state=open&sort=recentupdate&limit=50"
    one = {"number": 1, "head": {"sha": "a"}, "base": {"ref": "m"}}
    answers[pulls] = [{**one, "updated_at": "2026-01-01T00:00:00Z"}], f"{pulls}&page=2"
    answers[f"{pulls}&page=2"] = [{**one, "number": 2, "updated_at": "2026-01-01T00:00:00Z"}]
    assert [pull.number for pull in await forge.open_pulls("o/r")] == [1, 2]


async def test_a_member_of_a_team_is_asked_for_by_the_teams_number(served: Any) -> None:
    forge, answers = served
    search = "/api/v1/orgs/rpms/teams/search?q=sig&limit=50"
    answers[search] = {"ok": True, "data": [{"id": 8, "name": "sig-web"}, {"id": 9, "name": "SIG"}]}
    answers["/api/v1/teams/9/members/ann"] = {"login": "ann"}
    key = PullRequestKey("it", "rpms/nginx", 1)
    assert await forge.is_member(key, "rpms/sig", "ann")
    assert not await forge.is_member(key, "rpms/sig", "zoe")
    with pytest.raises(ForgeGoneError, match="Gitea does not have"):
        await forge.is_member(key, "others/sig", "ann")


async def test_accounts_of_the_forge_itself_are_programs(served: Any) -> None:
    forge, _ = served
    key = PullRequestKey("it", "o/r", 1)
    named = ["forgejo-actions", "Gitea-Actions", "renovate[bot]", "ann"]
    assert [await forge.is_bot(key, name) for name in named] == [True, True, True, False]

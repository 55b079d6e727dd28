"""Pagure as the bot meets it, on a real one: Debian's, which runs for the tests of this file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import pytest

from bot.forge.events import ChecksEvent, CommentEvent, PushEvent
from bot.forge.pagure.forge import Pagure
from bot.forge.values import (
    CheckState,
    CommitCheck,
    ForgeDeniedError,
    ForgeGoneError,
    IgnoredEvent,
    PullRequestEvent,
    PullRequestKey,
    StatusReport,
    WebhookRefusedError,
)
from bot.store.records import NewDelivery
from tests.forge.pagure_server import ANN, BOT, EVE, OWNER, PagureServer
from tests.forge.places import Hook

# One server for all of them, whoever runs them.
pytestmark = pytest.mark.xdist_group("pagure")
MARKER = "<!-- minimize:comment -->"
BODY = f"""{MARKER}
### `nginx` grows by 3 MB

See [the page](https://m.example.org/c/1).

<details><summary>Builds and metadata</summary>

| a |
|---|
</details>

<sub>1111111..2222222 · [full report](https://m.example.org/c/1)</sub>
"""


@dataclass
class Project:
    """A project with a fork of ann's, whose branch `topic` is a pull request."""

    server: PagureServer
    name: str
    fork: str
    head: str
    number: int
    forge: Pagure = field(init=False)

    @property
    def key(self) -> PullRequestKey:
        return PullRequestKey("dist-git", self.name, self.number)

    def comments(self) -> list[str]:
        pull = self.server.api(f"{self.name}/pull-request/{self.number}")
        return [comment["comment"] for comment in pull["comments"]]


def project(server: PagureServer, name: str) -> Project:
    whole = server.project(name)
    fork = server.fork(whole)
    head = server.push(fork, "topic", {f"{name}.spec": "Name: n\n", "new": "x"}, user=ANN)
    return Project(server, whole, fork, head, server.open_pull(whole, "topic", user=ANN))


@pytest.fixture(scope="module")
def shared_project(server: PagureServer) -> Project:
    return project(server, "nginx")


@pytest.fixture
async def world(shared_project: Project) -> AsyncIterator[Project]:
    shared_project.forge = shared_project.server.forge()
    yield shared_project
    await shared_project.forge.close()


async def test_a_flag_is_of_its_commit_and_the_same_twice_changes_nothing(world: Project) -> None:
    report = StatusReport("c1", "pending", "Waits for its turn")
    await world.forge.set_status(world.key, world.head, report)
    (first,) = await world.forge.checks_of(world.key, world.head)
    # Without an address of the bot's, a flag leads to the pull request.
    page = (await world.forge.pull_request(world.key)).url
    assert first == CommitCheck("minimize", "pending", "pending", page)
    done = replace(report, state="neutral", title="+3 MB", url="https://m.example.org/c/1")
    for _ in range(2):
        await world.forge.set_status(world.key, world.head, done)
    shown = world.server.api(f"{world.name}/pull-request/{world.number}/flag")["flags"]
    assert [(flag["status"], flag["comment"], flag["url"]) for flag in shown] == [
        ("success", "not evaluated: +3 MB", "https://m.example.org/c/1")
    ]
    updated = shown[0]["date_updated"]
    await world.forge.set_status(world.key, world.head, done)
    shown = world.server.api(f"{world.name}/pull-request/{world.number}/flag")["flags"]
    assert [flag["date_updated"] for flag in shown] == [updated]


async def test_a_fork_has_flags_of_its_own(world: Project) -> None:
    report = StatusReport("c1", "success", "+3 MB", url="https://m.example.org/c/1")
    await world.forge.set_status(world.key, world.head, report)
    there = replace(world.key, repository=world.fork)
    await world.forge.set_status(there, world.head, replace(report, state="failure"))
    states = [(await world.forge.checks_of(key, world.head))[0].state for key in (world.key, there)]
    assert states == ["success", "failure"]


@pytest.mark.parametrize(
    ("word", "state"), [("error", "failure"), ("canceled", "failure"), ("success", "success")]
)
async def test_the_flags_of_others(world: Project, word: str, state: CheckState) -> None:
    fields = {"username": f"CI {word}", "comment": "x", "url": "https://ci.example.org/"}
    path = f"{world.name}/c/{world.head}/flag"
    world.server.api(path, EVE, status=word, **fields)
    checks = await world.forge.checks_of(world.key, world.head)
    wanted = CommitCheck(f"CI {word}", state, word, "https://ci.example.org/")
    assert wanted in checks


async def test_a_comment_is_written_again_only_where_what_matters_changed(world: Project) -> None:
    first = await world.forge.put_comment(world.key, MARKER, BODY)
    assert await world.forge.find_comment(world.key, MARKER) == first
    assert "<details>" not in first.body
    assert "<sub>" not in first.body
    page = world.server.ask(f"/{world.name}/pull-request/{world.number}")
    assert "grows by 3 MB" in page
    assert "minimize:" not in page.split("grows by 3 MB")[1]
    # Another commit, another page, other builds: the same answer.
    same = BODY.replace("2222222", "3333333").replace("/c/1", "/c/2").replace("| a |", "| b |")
    assert await world.forge.put_comment(world.key, MARKER, same) == first
    more = await world.forge.put_comment(world.key, MARKER, BODY.replace("3 MB", "4 MB"))
    assert int(more.id) > int(first.id)
    assert await world.forge.find_comment(world.key, MARKER) == more
    again = await world.forge.put_comment(world.key, MARKER, BODY)
    assert again.id not in (first.id, more.id)
    texts = [text for text in world.comments() if MARKER in text]
    assert ["3 MB" in text for text in texts] == [True, False, True]


async def test_roles_by_name_and_by_group(server: PagureServer) -> None:
    name = server.project("roles")
    key, forge = PullRequestKey("dist-git", name, 1), server.forge()
    roles = [await forge.role_of(key, user) for user in (OWNER, BOT, "nobody")]
    assert roles == ["admin", "read", "none"]
    for access, role in (
        ("ticket", "triage"), ("commit", "write"), ("admin", "admin"),
    ):  # fmt: skip
        server.give(name, "user", EVE, access)
        assert await forge.role_of(key, EVE) == role
    server.group("packagers", ANN)
    server.give(name, "group", "packagers", "commit")
    assert await forge.role_of(key, ANN) == "write"
    assert await forge.is_member(key, "packagers", ANN)
    assert not await forge.is_member(key, "packagers", EVE)
    assert not await forge.is_member(key, "nobodies", EVE)
    await forge.close()


async def test_what_is_not_there_and_what_a_token_may_not(world: Project) -> None:
    with pytest.raises(ForgeGoneError, match="Pull-Request not found"):
        await world.forge.pull_request(replace(world.key, number=99))
    with pytest.raises(ForgeGoneError, match="Project not found"):
        await world.forge.open_pulls("rpms/absent")
    stranger = world.server.forge()
    stranger._token = "no-such-token"
    with pytest.raises(ForgeDeniedError, match="Invalid token") as caught:
        await stranger.login()
    assert "commit_flag" in caught.value.hint
    await stranger.close()
    assert await world.forge.moved("rpms/absent", "main", "1" * 40) is None
    tip = world.server.git(world.name).branch("main") or ""
    assert await world.forge.moved(world.name, "main", tip) is None
    assert await world.forge.moved(world.name, "gone", tip) is None
    moved = await world.forge.moved(world.name, "main", "1" * 40)
    assert moved is not None
    assert (moved.after, moved.default_branch) == (tip, "main")
    assert world.server.ask(f"{moved.commits_url}/{tip}".removeprefix(world.server.url))


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


async def test_every_webhook_that_counts(server: PagureServer, hook: Hook) -> None:
    name = server.project("hooks")
    key = server.hook(name, hook.url)
    forge, fork = server.forge("other", key), server.fork(name)
    first = server.push(fork, "topic", {"a": "1"}, user=ANN)
    pull = PullRequestKey("dist-git", name, server.open_pull(name, "topic", user=ANN))

    def events() -> list[object]:
        """The events that came since, but those that ask nothing."""
        deliveries = [forge.accept(*delivery) for delivery in hook.came]
        assert len({delivery.delivery for delivery in deliveries}) == len(deliveries)
        hook.came.clear()
        events = [forge.event(delivery.event, delivery.body) for delivery in deliveries]
        return [event for event in events if not isinstance(event, IgnoredEvent)]

    opened = PullRequestEvent(pull, "check", first, "opened", base_ref="main")
    assert events() == [opened]
    second = server.push(fork, "topic", {"a": "2"}, user=ANN)
    assert events() == [replace(opened, head_sha=second, action="synchronize")]
    path = f"{name}/pull-request/{pull.number}"
    server.api(f"{path}/comment", EVE, comment="/minimize check")
    server.settle()
    (comment,) = events()
    assert isinstance(comment, CommentEvent)
    assert (comment.key, comment.sender, comment.body, comment.action) == (
        pull, EVE, "/minimize check", "created",
    )  # fmt: skip
    (listed,) = await forge.comments_since(pull, "2020-01-01T00:00:00Z")
    assert listed == comment
    flag = {"username": "ci", "comment": "x", "url": "https://ci.example.org/"}
    for status in ("pending", "success"):
        server.api(f"{name}/c/{second}/flag", EVE, status=status, uid="1", **flag)
    server.settle()
    assert events() == [ChecksEvent("dist-git", name, second, ("ci",))]
    before = server.git(name).branch("main") or ""
    after = server.push(name, "main", {"b": "1"}, user=OWNER)
    push = PushEvent("dist-git", name, "main", before, after, commits_url=f"{server.url}/{name}/c")
    assert push in events()
    server.api(f"{path}/close", OWNER, method="POST")
    server.settle()
    stopped = PullRequestEvent(pull, "stop", second, "closed")
    assert events() == [stopped]
    server.api(f"{path}/reopen", OWNER, method="POST")
    server.settle()
    assert events() == [replace(opened, head_sha=second, action="reopened")]
    server.api(f"{path}/merge", OWNER, method="POST", wait=True)
    server.settle()
    now = await forge.pull_request(pull)
    assert now.merged
    assert replace(stopped, merged=now.merged) in events()
    assert await forge.pull_of(name, "main", second) == pull.number
    assert await forge.pull_of(name, "main", after) is None
    await forge.close()


def test_a_webhook_that_is_not_signed_is_refused(server: PagureServer, hook: Hook) -> None:
    name = server.project("signed")
    key = server.hook(name, hook.url)
    server.api(f"{name}/c/{server.git(name).branch('main')}/flag", EVE, status="success",
               username="ci", comment="x", url="https://ci.example.org/")  # fmt: skip
    server.settle()
    headers, body = hook.came[-1]
    assert isinstance(server.forge(key).accept(headers, body), NewDelivery)
    plain = {k: v for k, v in headers.items() if k != "x-pagure-signature-256"}
    for forge, given, content in (
        (server.forge("other"), headers, body),
        (server.forge(key), headers, body + b" "),
        (server.forge(key), plain, body),
    ):
        with pytest.raises(WebhookRefusedError) as caught:
            forge.accept(given, content)
        assert caught.value.status == 401
    other = {**headers, "x-pagure-topic": "git.receive"}
    with pytest.raises(WebhookRefusedError, match="not a notification of Pagure") as refused:
        server.forge(key).accept(other, body)
    assert refused.value.status == 400
    assert json.loads(body)["topic"] == "commit.flag.added"

"""What every forge must do, on the local forge as each kind and on a real Pagure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from bot.demo.forge.gitstore import BareRepository
from bot.forge.events import CommentEvent, IssueText, PushEvent
from bot.forge.values import (
    ForgeGoneError,
    ForgeRefusedError,
    PullRequestEvent,
    StatusReport,
    WebhookRefusedError,
)
from tests.forge.pagure_server import ANN, EVE, OWNER
from tests.forge.places import Place, local_place, pagure_place
from tests.forges import KINDS, edits_comments

MARKER = "<!-- minimize:comment -->"
BODY = f"{MARKER}\n### `nginx` grows by 3 MB\n"
_NUMBERS = count(1)


@pytest.fixture(
    params=[
        *KINDS,
        pytest.param("real", id="pagure's own", marks=pytest.mark.xdist_group("pagure")),
    ]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "real":
        server = request.getfixturevalue("server")
        async with pagure_place(server, f"every{next(_NUMBERS)}") as place:
            yield place
    else:
        async with local_place(request.param, tmp_path) as place:
            yield place


async def test_a_pull_request_its_files_and_its_commits(place: Place, tmp_path: Path) -> None:
    pull = await place.forge.pull_request(place.key)
    assert (pull.title, pull.author, pull.open, pull.merged) == ("Change topic", ANN, True, "")
    assert (pull.base_ref, pull.head_sha, pull.default_branch) == ("main", place.head, "main")
    assert pull.head_repository not in (None, place.name)
    files = await place.forge.changed_files(place.key)
    assert {file.path for file in files} == {"new", "nginx.spec"}
    assert [pull.head_sha for pull in await place.forge.open_pulls(place.name)] == [place.head]
    source = await place.forge.source(place.key, "main")
    clone = BareRepository.create(tmp_path / "clone.git")
    if source.credential is None:
        refs = [f"{ref}:{ref}" for ref in source.refs]
        await asyncio.to_thread(clone.git, "fetch", "--quiet", source.url, *refs)
        assert [clone.resolve(ref) for ref in source.refs] == [place.head, pull.base_sha]
    assert await place.forge.login() == place.bot


async def test_a_status_is_of_its_commit_and_the_same_twice_writes_nothing(place: Place) -> None:
    report = StatusReport("c1", "pending", "Waits", url="https://m.example.org/c/1")
    await place.forge.set_status(place.key, place.head, report)
    for _ in range(2):
        await place.forge.set_status(place.key, place.head, replace(report, state="failure"))
    checks = await place.forge.checks_of(place.key, place.head)
    states = [check.state for check in checks if check.name == "minimize"]
    assert states == (["failure"] if place.can.statuses else [])


async def test_the_comment_with_our_marker_is_found_and_says_what_was_put_last(
    place: Place,
) -> None:
    await place.comment(f"{MARKER} of somebody else", user=EVE)
    assert await place.forge.find_comment(place.key, MARKER) is None
    first = await place.forge.put_comment(place.key, MARKER, BODY)
    assert await place.forge.put_comment(place.key, MARKER, BODY) == first
    more = await place.forge.put_comment(place.key, MARKER, BODY.replace("3 MB", "4 MB"))
    assert "4 MB" in more.body
    assert await place.forge.find_comment(place.key, MARKER) == more
    assert (more.id == first.id) is edits_comments(place.kind)
    with pytest.raises(ValueError, match="marker"):
        await place.forge.put_comment(place.key, MARKER, "no marker")


async def test_roles_are_asked_of_the_forge_each_time(place: Place) -> None:
    assert await place.forge.role_of(place.key, OWNER) == "admin"
    assert await place.forge.role_of(place.key, EVE) == "read"
    assert await place.forge.role_of(place.key, "nobody-of-this-name") in ("none", "read")
    for role in ("write", "admin"):
        await place.give(EVE, role)
        assert await place.forge.role_of(place.key, EVE) == role


async def test_who_pushed_and_who_is_a_program(place: Place) -> None:
    assert await place.forge.pusher_of(place.key, place.head) == ANN
    head = await place.push("topic", {"a": "2"}, user=ANN)
    assert await place.forge.pusher_of(place.key, head) == ANN
    assert not await place.forge.is_bot(place.key, ANN)


async def test_an_issue_has_one_text_that_counts(place: Place) -> None:
    if place.can.role == "triage":  # the least that closes an issue of one's own there
        await place.give(place.bot, "triage")
    text = IssueText("nginx is too large", f"{MARKER}\nIt is 71 MB.", "open")
    issues = place.forge.issues
    assert await issues.put(place.name, MARKER, replace(text, state="closed")) is None
    first = await issues.put(place.name, MARKER, text)
    assert first is not None
    larger = replace(text, body=f"{MARKER}\nIt is 72 MB.")
    for wanted in (text, larger, larger, replace(larger, state="closed"), text):
        await issues.put(place.name, MARKER, wanted)
        issue = await issues.find(place.name, MARKER)
        assert issue == replace(first, body=wanted.body, state=wanted.state or "open")


async def test_every_webhook_that_counts(place: Place) -> None:
    pull, forge = place.key, place.forge
    (opened,) = (event for event in place.events() if isinstance(event, PullRequestEvent))
    assert (opened.key, opened.wish, opened.head_sha, opened.base_ref) == (
        pull, "check", place.head, "main",
    )  # fmt: skip
    second = await place.push("topic", {"a": "2"}, user=ANN)
    (pushed,) = (event for event in place.events() if isinstance(event, PullRequestEvent))
    assert (pushed.key, pushed.wish, pushed.head_sha) == (pull, "check", second)
    await place.comment("/minimize check", user=EVE)
    (comment,) = place.events()
    assert isinstance(comment, CommentEvent)
    assert (comment.key, comment.sender, comment.body) == (pull, EVE, "/minimize check")
    (listed,) = await forge.comments_since(pull, "2020-01-01T00:00:00Z")
    assert (listed.sender, listed.body, listed.comment) == (EVE, comment.body, comment.comment)
    await forge.react(pull, comment.comment, "eyes")
    before = (await forge.pull_request(pull)).base_sha
    after = await place.push("main", {"b": "1"}, user=OWNER)
    (push,) = (event for event in place.events() if isinstance(event, PushEvent))
    assert (push.repository, push.branch, push.before, push.after) == (
        place.name, "main", before, after,
    )  # fmt: skip
    moved = await forge.moved(place.name, "main", before)
    assert moved is not None
    assert moved.after == after
    assert await forge.moved(place.name, "main", after) is None
    for how, wish in (("close", "stop"), ("reopen", "check")):
        await place.end(how)
        (event,) = (event for event in place.events() if isinstance(event, PullRequestEvent))
        assert (event.wish, event.head_sha) == (wish, second)


async def test_a_merge_is_told_and_its_commit_is_the_pull_requests(place: Place) -> None:
    place.events()
    start = (await place.forge.pull_request(place.key)).base_sha
    await place.end("merge")
    (stopped,) = (event for event in place.events() if isinstance(event, PullRequestEvent))
    now = await place.forge.pull_request(place.key)
    assert (stopped.wish, now.open, bool(now.merged)) == ("stop", False, True)
    assert stopped.merged == now.merged
    assert await place.forge.pull_of(place.name, "main", place.head) == place.number
    assert await place.forge.pull_of(place.name, "main", start) is None


async def test_a_webhook_of_another_is_refused_and_a_repeat_is_known(place: Place) -> None:
    headers, body = place.came()[0]
    first, again = (place.forge.accept(headers, body) for _ in range(2))
    assert (first.delivery, first.object) == (again.delivery, again.object)
    signed = {name: "0" * 64 for name in headers if "signature" in name or "token" in name}
    for given, content in (({**headers, **signed}, body), ({}, body)):
        with pytest.raises(WebhookRefusedError) as caught:
            place.forge.accept(given, content)
        assert caught.value.status in (400, 401)


async def test_what_is_not_there_and_what_a_credential_may_not(place: Place) -> None:
    with pytest.raises(ForgeGoneError):
        await place.forge.pull_request(replace(place.key, number=99))
    with pytest.raises(ForgeGoneError):
        await place.forge.open_pulls("rpms/absent")
    stranger = await place.stranger()
    with pytest.raises(ForgeRefusedError):
        await stranger.put_comment(place.key, MARKER, BODY)
    if stranger is not place.forge:
        await stranger.close()

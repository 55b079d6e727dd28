"""The bot's issues on every forge: one for each subject, found again, edited, closed, reopened."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.demo.forge.server import LocalForge
from bot.forge.events import Issue, IssueText
from bot.forge.protocol import Forge
from bot.forge.values import ForgeError
from tests.forges import ABILITIES, KINDS, forge_on

MARKER = "<!-- minimize:issue drift 1 -->"
TEXT = IssueText("nginx is too large", f"{MARKER}\nIt is 71 MB.", "open")
REPOSITORY = "rpms/nginx"


@pytest.fixture(params=KINDS)
async def places(request: pytest.FixtureRequest, tmp_path: Path):
    """The local forge, two of our processes on it, and its kind."""
    forges: list[Forge] = []
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository(REPOSITORY)
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        permissions = {"issues": "write", "metadata": "read"}
        forges += [
            forge_on(local, request.param, repository, permissions=permissions, role="triage")
            for _ in range(2)
        ]
        yield local, forges, request.param
        for forge in forges:
            await forge.close()


async def test_an_issue_is_written_once_and_then_edited_closed_and_reopened(places: Any) -> None:
    local, (forge, other), kind = places
    assert await forge.issues.find(REPOSITORY, MARKER) is None
    assert await forge.issues.put(REPOSITORY, MARKER, replace(TEXT, state="closed")) is None
    issue = await forge.issues.put(REPOSITORY, MARKER, TEXT)
    assert await other.issues.find(REPOSITORY, MARKER) == issue
    assert (issue.title, issue.body, issue.state) == (TEXT.title, TEXT.body, "open")
    asked = len(local.requests)
    assert await forge.issues.put(REPOSITORY, MARKER, TEXT) == issue
    assert {method for method, _, _ in local.requests[asked:]} == {"GET"}
    texts = [
        replace(TEXT, body=f"{MARKER}\nIt is 72 MB."),
        IssueText("nginx is small again", f"{MARKER}\nIt is met again.", "closed"),
        TEXT,
    ]
    for text in texts:
        put = await other.issues.put(REPOSITORY, MARKER, text)
        title = text.title if ABILITIES[kind].titles else TEXT.title
        assert (put.id, put.title, put.body, put.state) == (issue.id, title, text.body, text.state)
    assert len(local.state.issues) == 1
    assert issue.url.startswith(local.url)


async def test_a_state_of_none_is_peoples(places: Any) -> None:
    local, (forge, _), kind = places
    text = replace(TEXT, state=None)
    await forge.issues.put(REPOSITORY, MARKER, text)
    (issue,) = local.state.issues
    issue.change(issue.title, issue.body, "closed")
    edited = replace(text, title="other", body=f"{MARKER}\nIt is 72 MB.")
    assert (await forge.issues.put(REPOSITORY, MARKER, edited)).state == "closed"
    assert issue.body == edited.body
    assert issue.title == ("other" if ABILITIES[kind].titles else TEXT.title)


async def test_it_is_found_behind_many_others_and_other_peoples_are_never_ours(
    places: Any,
) -> None:
    local, (forge, _), _ = places
    issue = await forge.issues.put(REPOSITORY, MARKER, TEXT)
    ours = local.state.issues[0]
    for number in range(250):
        mine = replace(ours, number=1000 + number, versions=[(f"{number}", "other", "open")])
        local.state.issues.append(mine)
    theirs = replace(ours, number=0, user=local.add_user("mallory"))
    local.state.issues.insert(0, theirs)
    ours.number = 5000
    moved = await forge.issues.find(REPOSITORY, MARKER)
    assert moved == replace(issue, id="5000", url=issue.url.rsplit("/", 1)[0] + "/5000")
    pages = [path for _, path, _ in local.requests if "page=3" in path]
    assert pages


async def test_two_that_write_at_once_leave_one_open(places: Any) -> None:
    local, forges, _ = places
    put = await asyncio.gather(*(forge.issues.put(REPOSITORY, MARKER, TEXT) for forge in forges))
    assert all(isinstance(issue, Issue) for issue in put)
    # Whoever comes next closes what came twice.
    await forges[0].issues.put(REPOSITORY, MARKER, TEXT)
    still = [issue for issue in local.state.issues if issue.state == "open"]
    assert [issue.body for issue in still] == [TEXT.body]
    assert all(MARKER not in issue.body for issue in local.state.issues if issue not in still)


async def test_one_that_came_twice_is_closed_and_named(places: Any) -> None:
    local, (forge, _), _ = places
    issue = await forge.issues.put(REPOSITORY, MARKER, TEXT)
    first = local.state.issues[0]
    again = replace(first, number=first.number + 1, versions=list(first.versions))
    local.state.issues.append(again)
    assert await forge.issues.put(REPOSITORY, MARKER, TEXT) == issue
    second = local.state.issues[1]
    assert (second.state, MARKER in second.body) == ("closed", False)
    assert f"#{issue.id}" in second.body


async def test_a_text_without_its_marker_is_refused(places: Any) -> None:
    _, (forge, _), _ = places
    with pytest.raises(ValueError, match="marker"):
        await forge.issues.put(REPOSITORY, MARKER, IssueText("t", "no marker", "open"))


async def test_what_the_forge_refuses_is_one_of_our_errors(places: Any) -> None:
    local, (forge, _), _ = places
    local.fail_next("/(issues|new_issue)", 403, method="POST", message="Issues has been disabled")
    with pytest.raises(ForgeError, match="writing the issue in rpms/nginx"):
        await forge.issues.put(REPOSITORY, MARKER, TEXT)
    assert local.state.issues == []

"""What a GitLab does that is busy, has moved a project, or leads out of TLS."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from bot.forge.gitlab.client import GitLabClient, GitLabProjects
from bot.forge.values import ForgeError, ForgeRefusedError, PullRequestKey, StatusReport
from bot.report.render import COMMENT_MARKER as MARKER
from tests.forge.gitlab_world import PATH, World, gitlab_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with gitlab_world(tmp_path) as made:
        yield made


async def test_a_conflict_was_not_done_so_it_is_asked_again_also_where_that_is_not_safe(
    world: World,
) -> None:
    world.local.fail_next(r"/notes", 409, method="POST", times=2, message="Resource lock")
    await world.gitlab.put_comment(world.key, MARKER, f"{MARKER} x")
    assert world.waits == [1.0, 2.0]
    assert len(world.local.state.comments) == 1
    # Not for ever: the engine tries the step again later.
    world.local.fail_next(r"/statuses/", 409, method="POST", times=9, message="Resource lock")
    with pytest.raises(ForgeError, match="busy with another write") as caught:
        report = StatusReport("c", "success", "fine")
        await world.gitlab.set_status(world.key, world.pull.head_sha, report)
    assert not isinstance(caught.value, ForgeRefusedError)
    assert world.waits[2:] == [1.0, 2.0, 4.0]


async def test_a_path_that_means_another_project_now_is_asked_for_again(world: World) -> None:
    await world.gitlab.pull_request(world.key)
    # Renamed, and another made in its place: no hook tells a worker of it.
    world.repository.gitlab_path = "rpms/web/older"
    other = world.local.add_repository("rpms/newer")
    other.gitlab_path = PATH
    world.local.set_role(other, "minimize-bot", "write")
    other.git.commit("main", {"a.spec": "Name: a\n"}, "Start")
    other.git.commit("topic", {"a.spec": "Name: b\n"}, "Go", start="main")
    for _ in range(world.pull.number + 1):
        made = await world.local.open_pull(other, "topic", user="jonas", title="Another")
    # A number that the old one does not have.
    key = PullRequestKey("gl", PATH, made.number)
    assert (await world.gitlab.pull_request(key)).title == "Another"
    assert (await world.gitlab.pull_request(world.key)).title == "Another"


def test_what_a_path_means_is_remembered_for_ten_minutes() -> None:
    class Client:
        asked = 0

        @property
        def projects(self) -> Any:
            return self

        def get(self, path: str) -> Any:
            self.asked += 1
            return SimpleNamespace(id=self.asked)

    now = [0.0]
    client: Any = Client()
    projects = GitLabProjects(lambda: now[0])
    found = []
    for at in (0, 599, 601, 700):
        now[0] = at
        found.append(projects.number(client, "a/b"))
    projects.learn("a/b", 9)
    assert [*found, projects.number(client, "a/b")] == [1, 1, 2, 2, 9]


@pytest.mark.parametrize(
    ("address", "target", "followed"),
    [
        ("https://git.example", "http://git.example/api/v4/projects/1", False),
        ("https://git.example", "https://git.example/api/v4/projects/1", True),
        ("https://git.example", "/api/v4/projects/1", True),
        ("http://git.example", "https://git.example/api/v4/projects/1", True),
    ],
)
async def test_no_redirect_is_followed_from_https_to_http(
    address: str, target: str, followed: bool
) -> None:
    asked: list[str] = []

    class Answers(requests.adapters.BaseAdapter):
        def send(self, request: Any, **_: Any) -> requests.Response:
            asked.append(request.url)
            response = requests.Response()
            response.url, response.request = request.url, request
            response.status_code = 302 if len(asked) == 1 else 200
            response.headers["Content-Type"] = "application/json"
            response.headers["Location"] = target
            response.raw = io.BytesIO(b'{"id": 1}')
            return response

        def close(self) -> None:
            pass

    client = GitLabClient(address, "t")

    def ask(gitlab: Any) -> int:
        for scheme in ("http://", "https://"):
            gitlab.session.mount(scheme, Answers())
        return gitlab.projects.get("o/r").id

    try:
        if followed:
            assert await client.ask("asking", ask) == 1
        else:
            with pytest.raises(ForgeRefusedError, match="without TLS"):
                await client.ask("asking", ask)
    finally:
        await client.close()
    assert len(asked) == (2 if followed else 1)

"""A merge request from a fork whose commits take no status from us: what it hears, and where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pipeline, Pull, Repository
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.forge import GitLab
from bot.forge.values import ForgeError, PullRequestKey, StatusReport
from bot.report.render import COMMENT_MARKER as MARKER
from bot.settings.forges import ForgeSettings

PENDING = StatusReport("c", "pending", "Working")
FINE = StatusReport("c", "success", "No image changes", url="https://m/checks/c")
BROKEN = StatusReport("c", "failure", "Over limit")


@dataclass
class World:
    local: LocalForge
    target: Repository
    fork: Repository
    pull: Pull
    gitlab: GitLab

    @property
    def key(self) -> PullRequestKey:
        return PullRequestKey("gl", "rpms/nginx", self.pull.number)

    async def say(self, *reports: StatusReport) -> None:
        for report in reports:
            await self.gitlab.set_status(self.key, self.pull.head_sha, report)

    def marks(self) -> list[tuple[str, str]]:
        made = self.local.state.pull_reactions.get(self.pull.id, [])
        return [(one.user.login, one.content) for one in made]

    def statuses(self, repository: Repository) -> list[tuple[str, str | None]]:
        made = self.local.state.statuses.get(repository.id, [])
        return [(status.state, status.description) for status in made]

    def bodies(self) -> list[str]:
        return [comment.body for comment in self.local.state.comments_of(self.pull)]

    def run_pipeline(self, repository: Repository, ref: str, sha: str | None = None) -> None:
        made = Pipeline(
            next(self.local.state.ids), repository, sha or self.pull.head_sha, ref, "success", "u"
        )
        self.local.state.pipelines.append(made)

    def requests_of(self, method: str, part: str) -> list[str]:
        return [path for m, path, _ in self.local.requests if m == method and part in path]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        target = local.add_repository("rpms/nginx")
        target.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        local.set_role(target, "minimize-bot", "write")
        fork = local.add_repository("jonas/nginx", parent=target)
        fork.git.commit("mine", {"nginx.spec": "x"}, "Mine", start="main")
        pull = await local.open_pull(target, "mine", user="jonas", title="t", head_repository=fork)
        token = local.token("minimize-bot")
        settings = ForgeSettings.model_validate(
            {
                "type": "gitlab", "api_url": local.url, "token": {"env": "X"},
                "webhook_secrets": [{"env": "X"}],
            }
        )  # fmt: skip

        async def sleep(seconds: float) -> None:
            pass

        client = GitLabClient(local.url, token, sleep)
        gitlab = GitLab("gl", settings, token=token, secrets=(), client=client)
        yield World(local, target, fork, pull, gitlab)
        await gitlab.close()


async def test_a_merge_request_where_nothing_changes_is_marked_and_gets_no_comment(world) -> None:
    await world.say(PENDING)
    assert world.marks() == [("minimize-bot", "eyes")]
    await world.say(FINE, FINE)
    assert world.marks() == [("minimize-bot", "hooray")]  # white_check_mark, on this forge
    assert len(world.requests_of("POST", "/award_emoji")) == 2
    assert world.bodies() == []
    assert world.statuses(world.target) == world.statuses(world.fork) == []
    # The next push begins again.
    await world.say(PENDING)
    assert world.marks() == [("minimize-bot", "eyes")]


async def test_a_failure_is_words_and_no_mark_says_otherwise(world) -> None:
    await world.say(PENDING, BROKEN)
    assert world.marks() == []
    (body,) = world.bodies()
    assert "failed: `Over limit`" in body
    assert MARKER in body
    await world.say(FINE)
    assert world.marks() == [("minimize-bot", "hooray")]
    assert "succeeded" in world.bodies()[0]


async def test_what_a_person_must_allow_is_words_and_no_tick(world) -> None:
    await world.say(PENDING, StatusReport("c", "action_required", "Not built"))
    (body,) = world.bodies()
    assert "waits for somebody to allow it: `Not built`" in body
    assert world.marks() == [("minimize-bot", "eyes")]


async def test_a_status_that_a_person_must_allow_stays_open(world) -> None:
    world.local.set_role(world.fork, "minimize-bot", "write")
    await world.say(StatusReport("c", "action_required", "Not built"))
    assert world.statuses(world.fork) == [("pending", "Not built")]


async def test_others_emoji_are_left_alone(world) -> None:
    jonas = GitLabClient(world.local.url, world.local.token("jonas"))

    def like(client) -> None:
        merge = client.projects.get("rpms/nginx").mergerequests.get(world.pull.number)
        merge.awardemojis.create({"name": "eyes"})

    await jonas.ask("liking", like)
    await jonas.close()
    await world.say(PENDING, FINE)
    assert world.marks() == [("jonas", "eyes"), ("minimize-bot", "hooray")]


async def test_the_pipeline_of_the_merge_request_takes_the_status(world) -> None:
    ref = f"refs/merge-requests/{world.pull.number}/head"
    world.run_pipeline(world.target, ref)
    await world.say(PENDING, FINE, FINE)
    assert world.statuses(world.target) == [("success", "No image changes")]
    assert (world.marks(), world.bodies()) == ([], [])
    await world.say(BROKEN)
    assert world.statuses(world.target)[-1] == ("failed", "Over limit")
    assert world.bodies() == []


async def test_a_pipeline_that_comes_later_takes_the_mark_s_place(world) -> None:
    await world.say(PENDING)
    world.run_pipeline(world.target, f"refs/merge-requests/{world.pull.number}/head")
    await world.say(FINE)
    assert world.statuses(world.target) == [("success", "No image changes")]
    assert world.marks() == []


async def test_other_pipelines_are_not_written_in(world) -> None:
    ref = f"refs/merge-requests/{world.pull.number}/head"
    world.run_pipeline(world.fork, "mine")
    world.run_pipeline(world.target, ref, sha="0" * 40)
    world.run_pipeline(world.target, "mine")
    await world.say(FINE)
    assert world.statuses(world.target) == world.statuses(world.fork) == []
    assert world.marks() == [("minimize-bot", "hooray")]


async def test_a_forge_without_emoji_is_no_error(world) -> None:
    world.local.fail_next("award_emoji", 404, times=2)
    await world.say(PENDING)
    assert world.marks() == []
    world.local.fail_next("award_emoji", 403, method="POST")
    await world.say(FINE)
    assert world.marks() == []
    assert world.bodies() == []


async def test_a_forge_that_fails_is_asked_again(world) -> None:
    world.local.fail_next("award_emoji", 502, times=2)
    await world.say(FINE)
    assert world.marks() == [("minimize-bot", "hooray")]
    world.local.fail_next("award_emoji", 502, times=50)
    with pytest.raises(ForgeError):
        await world.say(PENDING)


async def test_an_older_head_marks_nothing(world) -> None:
    await world.gitlab.set_status(world.key, "0" * 40, FINE)
    assert world.marks() == []


async def test_a_fork_that_lets_us_has_no_mark(world) -> None:
    world.local.set_role(world.fork, "minimize-bot", "write")
    await world.say(PENDING, FINE)
    assert world.statuses(world.fork) == [("success", "No image changes")]
    assert world.marks() == []
    assert world.requests_of("GET", "/award_emoji") == []

"""Suggestions on lines of a diff, on both forges: written once, moved, taken back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.state import line_now, suggestion_text
from bot.demo.forge.values import Comment, Pull, Repository
from bot.forge.github.app import AppAuth
from bot.forge.github.forge import GitHub
from bot.forge.gitlab.forge import GitLab
from bot.forge.protocol import Forge
from bot.forge.values import LineSuggestion, PullRequestKey, suggestion_body, suggestion_in
from bot.settings.forges import ForgeSettings

BASE = "Name: nginx\n" + "".join(f"# {n}\n" for n in range(20)) + "%description\n"
HEAD = BASE.replace("# 3\n", "# 3\nRequires: perl\n")
PERL = LineSuggestion("e1", "nginx.spec", 6, "Saves 57 MB.", "Recommends: perl", "nginx.spec")


@dataclass
class World:
    local: LocalForge
    repository: Repository
    pull: Pull
    forge: Forge
    key: PullRequestKey

    @property
    def comments(self) -> list[Comment]:
        return self.local.state.line_comments_of(self.pull)

    async def put(self, *suggestions: LineSuggestion) -> None:
        await self.forge.put_suggestions(self.key, self.pull.head_sha, suggestions)

    def writes(self) -> list[tuple[str, str, int]]:
        return [
            request
            for request in self.local.requests
            if request[0] != "GET" and "token" not in request[1]
        ]


@pytest.fixture(params=["github", "gitlab"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": BASE}, "Start")
        repository.git.commit("topic", {"nginx.spec": HEAD}, "Perl", start="main")
        pull = await local.open_pull(repository, "topic", user="jonas", title="Perl")
        forge: Forge
        if request.param == "github":
            app = local.add_app("minimize")
            local.install(app, "rpms")
            fields = {"type": "github", "api_url": local.api_url, "token": {"env": "X"}}
            named = (str(app.id), app.private_key)
            settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
            forge = GitHub("f", settings, auth=AppAuth(), secrets=(), app=named)
        else:
            local.set_role(repository, "minimize", "write")
            fields = {"type": "gitlab", "api_url": f"{local.url}/api/v4", "token": {"env": "X"}}
            settings = ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}]})
            forge = GitLab("f", settings, token=local.token("minimize"), secrets=())
        yield World(local, repository, pull, forge, PullRequestKey("f", "rpms/nginx", pull.number))
        await forge.close()


async def test_a_suggestion_is_on_its_line_and_can_be_applied(world: World) -> None:
    await world.put(PERL)
    (comment,) = world.comments
    assert comment.line is not None
    assert (comment.line.path, comment.line.number) == ("nginx.spec", 6)
    assert suggestion_text(comment) == "Recommends: perl"
    assert world.local.state.comments_of(world.pull) == []


async def test_the_same_again_writes_nothing_and_another_text_edits(world: World) -> None:
    await world.put(PERL)
    before = len(world.writes())
    await world.put(PERL)
    assert len(world.writes()) == before
    await world.put(replace(PERL, text="Saves 60 MB."))
    (comment,) = world.comments
    assert len(comment.versions) == 2
    assert "60 MB" in comment.body


async def test_a_push_elsewhere_moves_the_suggestion_and_repeats_it_not(world: World) -> None:
    await world.put(PERL)
    files = {"nginx.spec": HEAD.replace("# 1\n", "# 1\n# more\n")}
    await world.local.push(world.repository, "topic", files, "More", user="jonas")
    await world.put(replace(PERL, line=7))
    (comment,) = world.comments
    assert len(comment.versions) == 1
    now = line_now(comment)
    assert now is not None
    assert now.number == 7


async def test_a_suggestion_that_is_gone_is_deleted_or_resolved(world: World) -> None:
    await world.put(PERL)
    await world.put()
    assert all(
        comment.resolved and suggestion_in(comment.body) is None for comment in world.comments
    )
    assert len(world.comments) == (0 if isinstance(world.forge, GitHub) else 1)
    # What was taken back is not looked at again.
    before = len(world.writes())
    await world.put()
    assert len(world.writes()) == before


async def test_an_answered_one_stays_and_says_that_it_holds_no_more(world: World) -> None:
    await world.put(PERL)
    (comment,) = world.comments
    jonas = world.local.add_user("jonas")
    world.local.state.add_comment(world.pull, jonas, "Why?", line=comment.line, thread=comment.id)
    await world.put()
    assert [comment.user.login for comment in world.comments][1:] == ["jonas"]
    assert suggestion_text(comment) is None
    assert "Not suggested any more" in comment.body


async def test_a_changed_line_has_a_new_suggestion_in_the_place_of_the_old(world: World) -> None:
    await world.put(PERL)
    files = {"nginx.spec": HEAD.replace("Requires: perl\n", "Requires: perl >= 5\n")}
    await world.local.push(world.repository, "topic", files, "Version", user="jonas")
    await world.put(replace(PERL, replacement="Recommends: perl >= 5"))
    open_ = [
        comment
        for comment in world.comments
        if suggestion_in(comment.body) and not comment.resolved
    ]
    assert [suggestion_text(comment) for comment in open_] == ["Recommends: perl >= 5"]
    assert line_now(open_[0]) is not None


async def test_an_unchanged_line_that_the_diff_shows_takes_one_others_do_not(world: World) -> None:
    shown = replace(PERL, name="e2", line=7, base_line=6, replacement="# four")
    far = replace(PERL, name="e3", line=20, base_line=19, replacement="# far")
    await world.put(shown, far)
    assert [suggestion_text(comment) for comment in world.comments] == ["# four"]


async def test_a_strangers_suggestion_with_our_marker_is_not_ours(world: World) -> None:
    jonas = world.local.add_user("jonas")
    await world.put(PERL)
    (ours,) = world.comments
    theirs = world.local.state.add_comment(world.pull, jonas, ours.body, line=ours.line)
    await world.put()
    assert theirs in world.comments
    assert len(theirs.versions) == 1


def test_a_line_with_backticks_stays_in_its_block() -> None:
    hostile = replace(PERL, replacement="Recommends: a\n```\n# Owned\n````x")
    body = suggestion_body(hostile, "suggestion")
    assert "\n`````suggestion\n" in body
    assert body.endswith("\n`````\n")

"""Who pushed the head of a pull request, as each forge has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository
from bot.forge.protocol import Forge, forge_module
from bot.forge.values import ForgeError, PullRequestKey
from tests.forges import ABILITIES, BOT, KINDS, plain_settings


@dataclass
class World:
    local: LocalForge
    target: Repository
    fork: Repository
    forge: Forge
    kind: str

    def key(self, pull: Pull) -> PullRequestKey:
        return PullRequestKey("f", "rpms/nginx", pull.number)

    async def pusher(self, pull: Pull) -> str | None:
        return await self.forge.pusher_of(self.key(pull), pull.head_sha)

    async def pull(self, repository: Repository, user: str = "jonas") -> Pull:
        repository.git.commit("mine", {"nginx.spec": "x"}, "Mine", start="main")
        head = None if repository is self.target else repository
        return await self.local.open_pull(
            self.target, "mine", user=user, title="t", head_repository=head
        )

    def known(self, user: str, owner: str | None = "jonas") -> str | None:
        """The pusher `user`, or the fork's `owner` where the forge does not tell who pushed."""
        return user if ABILITIES[self.kind].pushers else owner

    def hide_pushes(self, status: int, times: int = 9) -> None:
        """Hide what tells of pushes: of a forge that tells of none, what tells of the fork."""
        paths = {"github": "/activity", "gitlab": "/events", "forgejo": "/feeds"}
        path = paths.get(self.kind, "/pull-request/")
        self.local.fail_next(path, status, times=times)


@pytest.fixture(params=KINDS)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        target = local.add_repository("rpms/nginx")
        target.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        local.set_role(target, BOT, "admin")
        fork = local.add_repository("jonas/nginx", parent=target, owner_kind="User")
        monkeypatch.setenv("X", local.token(BOT))
        kind = str(request.param)
        forge: Forge = forge_module(kind, "forge").open_forge("f", plain_settings(local, kind))
        yield World(local, target, fork, forge, kind)
        await forge.close()


async def test_the_newest_push_to_the_head_names_its_user(world: World) -> None:
    pull = await world.pull(world.fork)
    await world.local.push(world.fork, "mine", {"a": "1"}, "1", user="jonas")
    await world.local.push(world.fork, "mine", {"a": "2"}, "2", user="eve")
    assert await world.pusher(pull) == world.known("eve")


async def test_a_push_to_another_branch_says_nothing_of_the_head(world: World) -> None:
    pull = await world.pull(world.fork)
    await world.local.move_branch(world.fork, "other", pull.head_sha, user="eve")
    assert await world.pusher(pull) == "jonas"


async def test_the_author_of_the_commit_counts_for_nothing(world: World) -> None:
    pull = await world.pull(world.fork)
    world.fork.git.commit("mine", {"a": "1"}, "1", author="Maria <m@example.org>")
    await world.local.push(world.fork, "mine", {"a": "2"}, "2", user="eve")
    assert await world.pusher(pull) == world.known("eve")


@pytest.mark.parametrize("status", [403, 404])
async def test_where_the_forge_shows_no_pushes_the_owner_of_the_fork_is_named(
    world: World, status: int
) -> None:
    if not ABILITIES[world.kind].pushers:
        pytest.skip("it never shows any")
    pull = await world.pull(world.fork, user="maria")
    await world.local.push(world.fork, "mine", {"a": "1"}, "1", user="eve")
    world.hide_pushes(status)
    assert await world.pusher(pull) == "jonas"


async def test_in_the_repository_itself_only_members_push(world: World) -> None:
    pull = await world.pull(world.target)
    assert await world.pusher(pull) is None
    await world.local.push(world.target, "mine", {"a": "1"}, "1", user="eve")
    assert await world.pusher(pull) == world.known("eve", owner=None)


async def test_a_fork_that_is_gone_has_an_owner_that_nobody_trusts(world: World) -> None:
    pull = await world.pull(world.fork)
    pull.head_repository = None
    found = await world.pusher(pull)
    assert found in ("jonas", "ghost")


async def test_a_forge_that_is_away_is_no_answer(world: World) -> None:
    pull = await world.pull(world.fork)
    world.hide_pushes(429)
    with pytest.raises(ForgeError):
        await world.pusher(pull)

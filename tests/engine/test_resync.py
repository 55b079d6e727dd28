"""What no webhook told of is found by comparing the forges with the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull
from bot.engine.missed_events import found_event
from bot.engine.resync import Resync, Turns, is_missed
from bot.forge.events import CommentEvent, PushEvent
from bot.forge.values import FailedDelivery, ForgeGoneError, ForgeRefusedError, OpenPull
from bot.store.history.history import open_history
from bot.store.records import NEVER_STARTED, CheckRecord, NewDelivery
from bot.store.repositories import KnownRepository, NewestCheck, Repositories
from bot.store.store import Store, open_store, utc_text
from tests.engine.conftest import settings_in
from tests.forges import ABILITIES, KINDS, SECRET, forge_on

NAME = "rpms/nginx"


class World:
    """A local forge with a pull request, and the comparison with a store that knows nothing."""

    def __init__(self, kind: str, local: LocalForge, pull: Pull, forge: Any, where: Path) -> None:
        self.local, self.pull, self.forge = local, pull, forge
        self.store: Store = open_store(where)
        self.history = open_history(self.store)  # which makes its tables
        settings = settings_in(where)
        types = {"gh": settings.forges["gh"].model_copy(update={"type": kind})}
        public = "http://127.0.0.1:9"
        self.settings = settings.model_copy(update={"forges": types, "public_url": public})
        self.woken = 0
        # Its own clock stands still: an hour, of which each finding is one, ends in no test.
        self.made, self.ahead = time.time(), 3600.0
        self.resync = Resync(
            self.store, {"gh": forge}, self.settings, self._wake, clock=lambda: self.now
        )

    @property
    def now(self) -> float:
        """A time at which nothing can be on its way any more."""
        return self.made + self.ahead

    def _wake(self) -> None:
        self.woken += 1

    @property
    def repository(self) -> KnownRepository:
        return KnownRepository(NAME, utc_text(datetime.now(UTC) - timedelta(days=1)), False)

    def check(self, **changes: Any) -> None:
        plain = CheckRecord(
            "c1", "gh", NAME, self.pull.number, self.pull.head_sha, base_ref="main",
            created=utc_text(datetime.now(UTC)), stage="final", open=False,
        )  # fmt: skip
        self.store.add_check(replace(plain, **changes))

    async def compare_once(self) -> list[str]:
        """Compare once; the names of our own new deliveries."""
        known = {row["id"] for row in self.store.rows("select id from deliveries")}
        await self.resync.compare(self.forge, self.repository)
        rows = self.store.rows("select id, delivery from deliveries order by id")
        return [str(row["delivery"]) for row in rows if row["id"] not in known]


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository(NAME)
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: n\n"}, "Go", start="main")
        app = local.add_app("minimize", hook_url="http://127.0.0.1:9/webhook/github", secret=SECRET)
        local.gitlab.add_hook("http://127.0.0.1:9/webhook/gitlab", place=NAME)
        local.install(app, "rpms")
        pull = await local.open_pull(repository, "topic", user="jonas", title="t")
        forge = forge_on(local, request.param, repository, "gh", role="maintain")
        world = World(request.param, local, pull, forge, tmp_path)
        yield world
        world.history.close()
        world.store.close()
        await forge.close()


async def test_a_head_without_a_check_is_found_once_an_hour(world: World) -> None:
    (found,) = await world.compare_once()
    assert found.startswith(f"found {NAME}#{world.pull.number} {world.pull.head_sha} main")
    assert world.woken == 1
    assert await world.compare_once() == []
    world.ahead += 3600
    assert len(await world.compare_once()) == 1


async def test_a_head_with_a_check_is_not_found_and_one_that_was_pushed_unseen_is(
    world: World,
) -> None:
    world.check()
    assert await world.compare_once() == []
    await world.local.push(world.pull.repository, "topic", {"a": "b"}, "Push", user="jonas")
    (found,) = await world.compare_once()
    assert world.pull.head_sha in found


async def test_a_pull_request_that_changed_just_now_is_left_to_its_webhook(world: World) -> None:
    world.ahead = 0.0
    assert await world.resync.compare(world.forge, world.repository)
    assert world.store.rows("select id from deliveries") == []


@pytest.mark.parametrize("merged", [False, True])
async def test_one_that_was_closed_unseen_is_found_until_that_is_known(
    world: World, merged: bool
) -> None:
    world.check(open=True, stage="waiting")
    if merged:
        await world.local.merge_pull(world.pull, user="jonas")
    else:
        await world.local.close_pull(world.pull, user="jonas")
    assert len(await world.compare_once()) == 1
    Repositories(world.store).record_over("gh", NAME, world.pull.number)
    world.ahead += 3600
    assert await world.compare_once() == []


async def test_a_command_that_no_webhook_brought_is_found_once(world: World) -> None:
    world.check()
    await world.local.comment(world.pull, "I like it", user="jonas")
    await world.local.comment(world.pull, "/minimize check", user="jonas")
    (name,) = await world.compare_once()
    assert name.startswith(f"comment {NAME}#{world.pull.number} ")
    (delivery,) = world.store.new_deliveries()
    event = found_event("gh", delivery.event, delivery.body)
    assert isinstance(event, CommentEvent)
    assert (event.author, event.sender, event.body) == ("jonas", "jonas", "/minimize check")
    world.ahead += 7200
    assert await world.compare_once() == []


async def test_a_comment_that_somebody_edited_is_not_taken_for_its_author_s(world: World) -> None:
    world.check()
    comment = await world.local.comment(world.pull, "fine", user="jonas")
    await asyncio.sleep(1.1)  # the forges' times have whole seconds
    state = world.local.state
    state.edit_comment(comment, state.user("maria"), "/minimize accept fine")
    assert await world.compare_once() == []


async def test_a_base_branch_that_moved_unseen_is_found_once(world: World) -> None:
    git = world.pull.repository.git
    before = git.branch("main")
    world.check(base_sha=before)
    assert await world.compare_once() == []
    await world.local.push(world.pull.repository, "main", {"a": "b"}, "Push", user="maria")
    after = git.branch("main")
    assert await world.compare_once() == [f"push {NAME} main {before} {after}"]
    (delivery,) = world.store.new_deliveries()
    event = found_event("gh", delivery.event, delivery.body)
    assert isinstance(event, PushEvent)
    assert (event.branch, event.before, event.after) == ("main", before, after)
    assert (event.default_branch, event.private) == ("main", False)
    assert await world.compare_once() == []


def pull(head: str = "a", base: str = "main", updated: str = "2026-01-02T00:00:00Z") -> OpenPull:
    return OpenPull(7, head, base, updated)


def newest(**changes: Any) -> NewestCheck:
    plain = NewestCheck("c", 7, "a", "main", "b", "final", False, "2026-01-01T00:00:00Z", False, "")
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("check", "since", "missed"),
    [
        (None, "2026-01-01T00:00:00Z", True),
        # It was there before us, and nobody has touched it since.
        (None, "2026-01-03T00:00:00Z", False),
        (newest(), "", False),
        (newest(head_sha="older"), "", True),
        (newest(base_ref="f40"), "", True),
        (newest(stage="stopped"), "", False),  # somebody said cancel
        (newest(stage="stopped", over=True), "", True),  # opened again
        (newest(stage="stopped", problem=NEVER_STARTED), "", True),
        (newest(over=True), "", False),
    ],
)
def test_which_heads_are_missed(check: NewestCheck | None, since: str, missed: bool) -> None:
    assert is_missed(pull(), check, since) is missed


async def test_deliveries_that_nobody_took_are_sent_again(world: World) -> None:
    of = None if world.forge._settings.type == "github" else NAME
    failed = [d for d in world.local.deliveries if d.status is None]
    ours = "X-GitHub-Event" if of is None else "X-Gitlab-Event"
    names = {d.id for d in failed if ours in d.headers}
    assert names
    if not ABILITIES[world.forge._settings.type].deliveries:
        # It has no list of deliveries: what did not come is found by the open pull requests.
        assert await world.resync.send_again(world.forge, NAME) == 0
        return
    assert await world.resync.send_again(world.forge, of) == len(names)
    await world.local.settled()
    while world.local.deliverer.tasks:
        await asyncio.sleep(0.01)
    again = [d.id for d in world.local.deliveries if d.again]
    assert sorted(again) == sorted(names)
    # The second pause is twice as long as the first.
    world.ahead = 300.0
    assert await world.resync.send_again(world.forge, of) == 0
    # What came, though its answer was lost, is not sent again.
    world.ahead = 3600.0
    world.store.add_deliveries([NewDelivery("gh", "x", name, b"{}") for name in names])
    assert await world.resync.send_again(world.forge, of) == 0


async def test_a_delivery_that_cannot_be_sent_again_holds_up_no_comparison(world: World) -> None:
    refused = [ForgeRefusedError("422 The hook URL has changed")]
    one = FailedDelivery("guid-1", "/nowhere", 1, 0.0)
    sent: list[str] = []

    async def failed(repository: str | None, *_: Any) -> Any:
        return (one, replace(one, delivery="guid-2")) if repository is None else ()

    async def send(delivery: FailedDelivery) -> None:
        if refused:
            raise refused.pop()
        sent.append(delivery.delivery)

    async def listed() -> Any:
        raise ForgeRefusedError("403 Resource not accessible")

    world.forge.failed_deliveries, world.forge.send_again = failed, send
    world.forge.repositories = listed

    async def compare(_: Any, repository: KnownRepository) -> bool:
        compared.append(repository.name)
        return False

    compared: list[str] = []
    world.resync.compare = compare  # type: ignore[method-assign]
    Repositories(world.store).add("gh", [NAME])
    await world.resync.step(world.forge, Turns())
    assert (sent, compared) == (["guid-2"], [NAME])


async def test_repositories_of_the_app_are_learnt_and_tokens_tell_none(world: World) -> None:
    await world.resync.list_repositories(world.forge)
    known = [repository.name for repository in Repositories(world.store).known("gh")]
    assert known == ([NAME] if world.forge._settings.type == "github" else [])


async def test_a_repository_is_gone_after_three_misses_a_day_apart(world: World) -> None:
    async def gone(_: str) -> Any:
        raise ForgeGoneError("404 Not Found")

    Repositories(world.store).add("gh", [NAME])
    world.forge.open_pulls = gone
    for days in (0, 0, 1.1, 2.2):
        assert len(Repositories(world.store).known("gh")) == 1
        world.ahead = days * 86_400
        await world.resync.compare(world.forge, world.repository)
    assert Repositories(world.store).known("gh") == []
    Repositories(world.store).add("gh", [NAME])  # installed again
    assert len(Repositories(world.store).known("gh")) == 1


# The order of repositories


class Clock:
    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


def known(name: str, unfinished: bool = False) -> KnownRepository:
    return KnownRepository(name, "2026-01-01T00:00:00Z", unfinished)


def test_one_with_an_unfinished_check_comes_first_and_every_five_minutes() -> None:
    clock = Clock()
    turns, all_ = Turns(clock), [known("a"), known("b"), known("c", unfinished=True)]
    order = []
    while (one := turns.next(all_)) is not None:
        order.append(one.name)
        turns.looked(one)
        clock.now += 1
    assert order == ["c", "a", "b"]
    clock.now += 300
    assert turns.next(all_) == all_[2]
    turns.looked(all_[2])
    assert turns.next(all_) is None
    clock.now += 3600
    turns.looked(all_[2])
    assert turns.next(all_) == all_[0]  # the longest unseen


def test_what_is_on_its_way_is_looked_for_in_a_minute_and_no_busy_repository_at_once() -> None:
    clock = Clock()
    turns, quiet, busy = Turns(clock), known("a"), known("b", unfinished=True)
    for one in (quiet, busy):
        turns.looked(one)
        turns.look_soon(one)
    assert turns.next([quiet, busy]) is None
    clock.now += 61
    assert turns.next([quiet, busy]) == quiet
    turns.looked(quiet)
    clock.now += 238
    assert turns.next([quiet, busy]) is None
    clock.now += 2
    assert turns.next([quiet, busy]) == busy


def test_a_tenth_of_the_quota_is_kept_but_each_is_seen_daily() -> None:
    clock = Clock()
    turns = Turns(clock)
    taken = sum(turns.allowed(7.2, 10) for _ in range(100))
    assert taken == 25  # what may come at once
    clock.now += 14.3
    assert not turns.allowed(7.2, 10)
    clock.now += 0.2
    assert turns.allowed(7.2, 10)
    # So many that a tenth is not enough: one each 4.32 s is what a day needs.
    clock.now += 4.4
    assert turns.allowed(720.0, 20_000)


async def test_what_is_due_is_done_in_its_order(world: World) -> None:
    clock = Clock()
    turns = Turns(clock)
    world.check(id="c0", head_sha="older", open=True, stage="waiting")
    assert await world.resync.step(world.forge, turns) == 0.0
    assert await world.resync.step(world.forge, turns) > 0
    rows = world.store.rows("select delivery from deliveries where event = 'minimize found'")
    assert len(rows) == 1
    before = len(world.local.requests)
    clock.now += 299
    await world.resync.step(world.forge, turns)
    assert len(world.local.requests) == before
    clock.now += 2
    assert await world.resync.step(world.forge, turns) == 0.0
    assert len(world.local.requests) > before

"""The reconciler on a forge that is away, refuses, is slow, or whose writer was killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.state import suggestion_text
from bot.demo.forge.values import Pull
from bot.engine.database import prepared_url
from bot.engine.desired import Claim, Phase
from bot.engine.job import CheckJob
from bot.engine.outbox import Outbox
from bot.engine.publishing import Publisher
from bot.engine.reconciler import Pauses, Reconciler
from bot.engine.results import open_results
from bot.forge.github.forge import GitHub
from bot.model.advice import Evidence
from bot.model.spec import SpecLine
from bot.model.suggestion import DiffLine, Saving, Suggestion
from bot.settings.values import RepositoryRule
from bot.store.store import open_store
from tests.engine.conftest import result_of, settings_in
from tests.engine.test_outbox import shift
from tests.forges import forge_on


class World:
    """A local GitHub with a pull request, an outbox, and reconcilers that write its wishes."""

    def __init__(self, local: LocalForge, pull: Pull, forge: GitHub, where: Path) -> None:
        self.local, self.pull, self.forge = local, pull, forge
        self.settings = settings_in(where)
        self.url = prepared_url(self.settings)
        self.store = open_store(where)
        self.results = open_results(self.settings, self.store)
        self.outboxes: list[Outbox] = []
        self.publisher = Publisher(self.outbox("recorder"), self.results, self.settings)
        key = ("gh", "rpms/nginx", pull.number)
        self.job = CheckJob("c", *key, "main", pull.base_sha, pull.head_sha, "jonas")

    def outbox(self, holder: str) -> Outbox:
        self.outboxes.append(Outbox(self.url, holder))
        return self.outboxes[-1]

    def reconciler(self, holder: str = "server") -> Reconciler:
        pauses = Pauses(first=0.01, away=0.05, refused=0.05)
        forges: Any = {"gh": self.forge}
        return Reconciler(self.outbox(holder), forges, self.settings, pauses=pauses)

    async def conclude(self) -> None:
        stored = self.results.add("c", result_of(self.job, "final", True))
        await self.publisher.comment(self.job, Phase.CONCLUDED, stored.id)
        await self.publisher.status(self.job, Phase.CONCLUDED, "success", "fine", "", stored.id)

    async def settle(self, reconciler: Reconciler) -> None:
        async with asyncio.timeout(60):
            while not reconciler._outbox.settled():
                await reconciler.reconcile()
                await asyncio.sleep(0.01)

    def conclusions_and_comments(self) -> tuple[list[str | None], int]:
        """The conclusions of the commit's check runs, and the number of comments."""
        runs = [run.conclusion for run in self.local.state.check_runs]
        return runs, len(self.local.state.comments_of(self.pull))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/nginx")
        repository.git.commit("main", {"nginx.spec": "Name: nginx\n"}, "Start")
        repository.git.commit("topic", {"nginx.spec": "Name: nginx\n# 1\n"}, "1", start="main")
        pull = await local.open_pull(repository, "topic", user="jonas", title="t")
        forge = forge_on(local, "github", repository, "gh")
        world = World(local, pull, forge, tmp_path)
        yield world
        for outbox in world.outboxes:
            outbox.close()
        world.store.close()
        await forge.close()


async def test_a_forge_that_fails_for_long_says_it_all_when_it_is_back(world: World) -> None:
    reconciler = world.reconciler()
    world.local.fail_next("", 500, times=10_000)
    await world.conclude()
    for _ in range(3):
        await reconciler.reconcile()
    assert world.conclusions_and_comments() == ([], 0)
    assert world.publisher.outbox.backlog()["gh"].waiting == 2
    world.local.traffic.faults.clear()
    await world.settle(reconciler)
    assert world.conclusions_and_comments() == (["success"], 1)


async def test_what_a_stopped_run_records_of_a_removed_repository_is_not_written(
    world: World,
) -> None:
    gone = [("gh", "rpms/nginx")]
    forges: Any = {"gh": world.forge}
    reconciler = Reconciler(
        world.outbox("server"), forges, world.settings, is_gone=lambda *name: name in gone
    )
    await world.conclude()
    await reconciler.reconcile()
    assert world.conclusions_and_comments() == ([], 0)
    assert world.publisher.outbox.backlog() == {}
    gone.clear()
    await world.publisher.status(world.job, Phase.ACCEPTED, "success", "fine again")
    await reconciler.reconcile()
    assert world.conclusions_and_comments() == (["success"], 0)


async def test_the_forges_own_wait_is_kept(world: World) -> None:
    reconciler = world.reconciler()
    headers = {"Retry-After": "3000"}
    world.local.fail_next("check-runs", 429, headers=headers)
    await world.publisher.status(world.job, Phase.CONCLUDED, "success", "fine")
    await reconciler.reconcile()
    await world.conclude()  # a newer version is no reason to ask before
    before = len(world.local.requests)
    assert await reconciler.reconcile() == 0
    assert len(world.local.requests) == before
    assert reconciler._wait_until["gh"] > 0


async def test_a_write_whose_answer_was_lost_is_found_again(world: World, monkeypatch) -> None:
    """The forge has made it, and its writer was killed before it knew."""
    lost = world.reconciler("lost")

    async def killed(claim: Claim) -> None:
        await lost._put(claim)

    monkeypatch.setattr(lost, "_attempt", killed)
    await world.conclude()
    await lost.reconcile()
    assert world.conclusions_and_comments() == (["success"], 1)
    assert not world.publisher.outbox.settled()
    shift(world.url, 21)
    following = world.reconciler("next")
    await following.reconcile()
    shift(world.url, 61)
    await world.settle(following)
    assert world.conclusions_and_comments() == (["success"], 1)


async def test_many_reconcilers_make_one_check_run_and_one_comment(world: World) -> None:
    reconcilers = [world.reconciler(f"p{n}") for n in range(5)]

    async def record() -> None:
        await world.publisher.queued(world.job)
        for title in ("Predicting", "Nearly"):
            await world.publisher.status(world.job, Phase.PREDICTING, "pending", title)
        await world.conclude()

    async def drive(reconciler: Reconciler) -> None:
        for _ in range(25):
            await reconciler.reconcile()

    await asyncio.gather(record(), *map(drive, reconcilers))
    await world.settle(reconcilers[0])
    assert world.conclusions_and_comments() == (["success"], 1)


async def test_an_older_heads_comment_is_never_written(world: World) -> None:
    reconciler = world.reconciler()
    await world.conclude()
    text = {"nginx.spec": "Name: nginx\n# 2\n"}
    await world.local.push(world.pull.repository, "topic", text, "2", user="jonas")
    await world.settle(reconciler)
    assert world.conclusions_and_comments() == (["success"], 0)


async def test_a_write_that_is_refused_is_given_up_after_days_while_others_succeed(
    world: World, caplog
) -> None:
    reconciler = world.reconciler()
    world.local.fail_next("/comments", 404, times=10_000)
    await world.conclude()
    for _ in range(3):
        await reconciler.reconcile()
        shift(world.url, 90_000)
        assert "is given up" not in caplog.text
    await reconciler.reconcile()
    assert "is given up" in caplog.text
    assert world.publisher.outbox.settled()
    assert world.conclusions_and_comments() == (["success"], 0)


async def test_a_stopped_reconciler_leaves_its_rows_to_the_next(world: World) -> None:
    reconciler, entered = world.reconciler(), asyncio.Event()

    async def slow(*_: Any) -> None:
        entered.set()
        await asyncio.sleep(600)

    plain, world.forge.set_status = world.forge.set_status, slow  # type: ignore[method-assign]
    running = asyncio.create_task(reconciler.run())
    await world.publisher.status(world.job, Phase.CONCLUDED, "success", "fine")
    async with asyncio.timeout(90):
        await entered.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    world.forge.set_status = plain  # type: ignore[method-assign]
    await world.settle(world.reconciler("next"))  # at once: no lease to wait for
    assert world.conclusions_and_comments()[0] == ["success"]


async def suggest(world: World, verdict: str = "success", *, safe: bool = True) -> None:
    """Conclude the check of the head with a suggestion for its second line."""
    result = result_of(world.job, "final", True)
    evidence = Evidence(() if safe else ("/usr/bin/x",), True, looked_into="files")
    suggestion = Suggestion(
        SpecLine("nginx.spec", 2, "# 1"),
        "Recommends: perl",
        (Saving(result.images[0].key, 3, 57_000_000),),
        ("nginx:perl",),
        evidence=evidence,
        diff_line=DiffLine("nginx.spec", None),
    )
    made = replace(result, suggestions=(suggestion,), verdict=verdict)
    stored = world.results.add(world.job.id, made)
    await world.publisher.comment(world.job, Phase.CONCLUDED, stored.id)


async def test_a_suggestion_is_written_once_and_says_what_it_saves(world: World) -> None:
    reconciler = world.reconciler()
    for _ in range(2):
        await suggest(world)
        await world.settle(reconciler)
    (made,) = world.local.state.line_comments_of(world.pull)
    assert made.line is not None
    assert made.line.number == 2
    assert "57" in made.body
    assert "`/minimize decline nginx:perl REASON`" in made.body
    assert suggestion_text(made) == "Recommends: perl"


@pytest.mark.parametrize("why", ["a stranger's", "a trace", "the settings", "silent"])
async def test_no_suggestion_where_none_may_be(world: World, why: str) -> None:
    rule = RepositoryRule(match="*", documents=("d",), suggestions=why != "the settings")
    if why == "silent":
        rule = rule.model_copy(update={"mode": "silent"})
    settings = world.settings.model_copy(update={"repositories": (rule,)})
    world.publisher._settings = settings
    verdict = "action_required" if why == "a stranger's" else "success"
    await suggest(world, verdict, safe=why != "a trace")
    reconciler = world.reconciler()
    await world.settle(reconciler)
    assert world.local.state.line_comments_of(world.pull) == []
    # The forge is not even asked.
    assert not [request for request in world.local.requests if "/pulls/1/comments" in request[1]]


async def test_a_suggestion_for_an_older_head_is_not_written(world: World) -> None:
    await suggest(world)
    files = {"nginx.spec": "Name: nginx\n# 2\n"}
    await world.local.push(world.pull.repository, "topic", files, "2", user="jonas")
    await world.settle(world.reconciler())
    assert world.local.state.line_comments_of(world.pull) == []


async def test_a_declined_suggestion_is_taken_back_at_once(world: World) -> None:
    reconciler = world.reconciler()
    await suggest(world)
    await world.settle(reconciler)
    await world.publisher.decline(world.job.key, "nginx:lua")
    await world.settle(reconciler)
    assert len(world.local.state.line_comments_of(world.pull)) == 1
    await world.publisher.decline(world.job.key, "nginx:perl")
    await world.settle(reconciler)
    assert world.local.state.line_comments_of(world.pull) == []


async def test_where_no_comment_is_edited_a_check_comments_at_its_end_alone(world: World) -> None:
    own = world.settings.forges["gh"].model_copy(update={"type": "pagure"})
    settings = world.settings.model_copy(update={"forges": {"gh": own}})
    world.publisher = Publisher(world.outbox("other"), world.results, settings)
    stored = world.results.add("c", result_of(world.job, "predicted", True))
    await world.publisher.comment(world.job, Phase.WAITING, stored.id)
    assert await world.reconciler().reconcile() == 0
    await world.conclude()
    await world.settle(world.reconciler("again"))
    assert world.conclusions_and_comments() == (["success"], 1)

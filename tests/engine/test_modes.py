"""The modes of a repository rule on both forges: silent, comment, enforce."""

import asyncio
import time
from pathlib import Path

import pytest

from bot.forge.values import StatusState
from bot.settings.values import RepositoryRule
from bot.store.store import open_store
from tests.engine.conftest import Bot
from tests.engine.test_strangers_on_forges import World, world
from tests.forges import KINDS


def written_by_the_bot(made: World) -> list[object]:
    """All that the bot has written on the forge."""
    state = made.local.state
    comments = [c for c in state.comments_of(made.pull) if c.user.login not in ("jonas", "maria")]
    statuses = [s for status in state.statuses.values() for s in status]
    marks = [m for several in state.pull_reactions.values() for m in several]
    return [*comments, *state.check_runs, *statuses, *marks]


async def concluded(home: Path) -> None:
    """Until a check of the server's store is over."""
    deadline = time.monotonic() + 180
    store = open_store(home / "data")
    try:
        while store.check_counts().get("final", 0) == 0 or store.open_checks():
            assert time.monotonic() < deadline, store.check_counts()
            await asyncio.sleep(0.1)
    finally:
        store.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_silent_records_the_check_and_writes_nothing(tmp_path: Path, kind: str) -> None:
    async with world(tmp_path, kind, mode="silent") as made:
        await made.say("/minimize why perl", "maria")
        await concluded(tmp_path)
        await asyncio.sleep(1.5)  # more than the reconciler's pause
        assert written_by_the_bot(made) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_comment_has_the_comment_and_a_status_that_never_fails(
    tmp_path: Path, kind: str
) -> None:
    async with world(tmp_path, kind, mode="comment") as made:
        await concluded(tmp_path)
        # A stranger's change, which waits for somebody's line where it is enforced.
        await made.until(lambda: made.state(made.pull.head_sha) == "success")
        await made.until(lambda: "/minimize allow" in made.comment())
        if kind == "github":
            assert (
                made.local.state.check_runs[-1]
                .fields["output"]["title"]
                .startswith("Not enforced: ")
            )


@pytest.mark.parametrize(
    ("mode", "state"), [("comment", "success"), ("enforce", "failure"), ("silent", None)]
)
async def test_a_broken_objective_fails_only_where_it_is_enforced(
    bot: Bot, mode: str, state: StatusState | None
) -> None:
    rule = RepositoryRule.model_validate({"match": "o/*", "documents": ["demo"], "mode": mode})
    await bot.engine.stop()
    bot.outbox.close()
    bot.settings = bot.settings.model_copy(update={"repositories": (rule,)})
    bot.make()
    bot.checker.over = True
    await bot.engine.launch()
    bot.push({"nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    (check,) = bot.checks()
    assert (check.stage, check.verdict) == ("final", "failure")
    last = bot.forge.statuses[-1][1] if bot.forge.statuses else None
    assert (last.state if last else None) == state
    assert bool(bot.forge.comments) == (mode != "silent")
    if mode == "comment":
        assert last is not None
        assert last.title.startswith("Not enforced: ")

"""An edit that a stopped run had on its way arrives after the newest run's own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest

from bot.engine.collector import Collector
from bot.engine.comment_writer import LATEST, CommentWriter
from bot.engine.merged import MergedChanges

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
OTHER = {"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"}


class Late:
    """Holds the first comment that is written: the forge has it, and does it when it pleases."""

    def __init__(self, bot: Any) -> None:
        self.bot = bot
        self.sent: list[tuple[str, str]] = []
        self.plain = bot.forge.put_comment
        bot.forge.put_comment = self.put_comment

    async def put_comment(self, key: Any, marker: str, body: str) -> Any:
        if self.sent:
            return await self.plain(key, marker, body)
        self.sent.append((self.bot.forge.pull.head_sha, body))
        await asyncio.sleep(600)  # until the run is stopped

    def arrive(self) -> None:
        self.bot.forge.comments.append(self.sent[0])


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def with_clock(bot: Any) -> Clock:
    clock = Clock()
    merged_changes = MergedChanges(bot.store, bot.history, bot.settings)
    comment_writer = CommentWriter(bot.store, bot.engine, clock=clock)
    bot.collector = Collector(bot.store, bot.engine, merged_changes, comment_writer=comment_writer)
    return clock


async def raced(bot: Any) -> tuple[Late, str]:
    """A run whose edit is on its way, stopped for a newer head's, which ends."""
    late = Late(bot)
    bot.push(SPEC)
    await bot.deliver()
    await bot.until(lambda: bool(late.sent))
    newer = bot.push(OTHER)
    await bot.deliver()
    await bot.settled()
    return late, newer


async def test_the_newest_heads_words_are_written_again_over_a_late_edit(bot) -> None:
    clock = with_clock(bot)
    late, newer = await raced(bot)
    wanted = bot.forge.comments[-1]
    assert wanted[0] == newer
    late.arrive()
    assert bot.forge.comments[-1] != wanted
    await bot.collector.collect()
    clock.time = LATEST + 1
    await bot.until(lambda: bot.forge.comments[-1] == wanted)


async def test_where_nothing_came_late_nothing_is_written(bot) -> None:
    clock = with_clock(bot)
    _, newer = await raced(bot)
    before, statuses = list(bot.forge.comments), len(bot.forge.states(newer))
    looks: list[str] = []
    plain = bot.engine.publish

    async def publish(job: Any, result: Any, reason: str, *, with_status: bool) -> None:
        looks.append(reason)
        await plain(job, result, reason, with_status=with_status)

    bot.engine.publish = publish
    clock.time = LATEST + 1
    for _ in range(3):
        await bot.collector.collect()
    assert looks == ["settled"]
    await bot.until(lambda: ended(bot, "settled"))
    assert bot.forge.comments == before
    assert len(bot.forge.states(newer)) == statuses


async def test_a_restart_finds_again_what_was_to_be_looked_at(bot) -> None:
    with_clock(bot)
    late, _ = await raced(bot)
    wanted = bot.forge.comments[-1]
    late.arrive()
    clock = with_clock(bot)  # nothing is remembered of the one before
    await bot.collector.collect()
    clock.time = LATEST + 1
    await bot.until(lambda: bot.forge.comments[-1] == wanted)


async def test_who_ran_alone_is_not_looked_at_again(bot) -> None:
    clock = with_clock(bot)
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    clock.time = LATEST + 1
    assert await bot.collector._comment_writer.write() == 0


async def test_what_was_accepted_meanwhile_stays_accepted(bot) -> None:
    clock = with_clock(bot)
    bot.checker.over = True
    late, newer = await raced(bot)
    await bot.comment("/minimize accept SHA worth it", updated="2999-01-01T00:00:00Z")
    await bot.until(lambda: bot.forge.states(newer)[-1] == "success")
    wanted = bot.forge.comments[-1]
    assert "worth it" in wanted[1]
    late.arrive()
    clock.time = LATEST + 1
    await bot.until(lambda: bot.forge.comments[-1] == wanted)
    assert bot.forge.states(newer)[-1] == "success"


@pytest.mark.parametrize("again", ["same head", "newer head"])
async def test_a_check_that_came_later_has_the_word(bot, again: str) -> None:
    clock = with_clock(bot)
    await raced(bot)
    head = bot.push(SPEC) if again == "newer head" else bot.forge.pull.head_sha
    bot.checker.hold[head] = threading.Event()
    await bot.deliver(action="reopened")
    published: list[str] = []

    async def publish(job: Any, result: Any, reason: str, *, with_status: bool) -> None:
        published.append(reason)

    bot.engine.publish = publish
    clock.time = LATEST + 1
    await bot.collector.collect()
    assert published == []
    bot.checker.hold[head].set()
    await bot.settled()


def ended(bot: Any, reason: str) -> bool:
    with closing(sqlite3.connect(bot.settings.data / "engine.sqlite")) as database:
        rows = database.execute(
            "select status from workflow_status where workflow_uuid like ?", [f"%-{reason}"]
        ).fetchall()
    return [status for (status,) in rows] == ["SUCCESS"]


async def test_a_status_that_a_stopped_run_had_on_its_way_is_ended_again(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", head) in bot.checker.calls)
    await bot.comment("/minimize cancel", "ann")
    await bot.until(lambda: bot.forge.states(head)[-1] == "neutral")
    pending = next(r for s, r in bot.forge.statuses if r.state == "pending")
    bot.forge.statuses.append((head, pending))
    await bot.until(lambda: bot.forge.states(head)[-1] == "neutral")
    bot.checker.hold[head].set()

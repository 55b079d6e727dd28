"""A run that has said its last word on its commit is neither stopped nor contradicted there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from bot.engine.desired import Phase
from bot.engine.runs import job_of

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
OTHER = {"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"}


async def without_the_collector(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not (await found if asyncio.iscoroutine(found := true()) else found):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_push_before_the_store_knows_of_the_end(bot) -> None:
    bot.checker.over = True
    head = bot.push(SPEC)
    await bot.deliver()
    (check,) = bot.checks()

    async def done() -> bool:
        return (await bot.engine.running([check.id]))[check.id].progress.done

    await without_the_collector(done)
    newer = bot.push(OTHER)
    await bot.deliver()
    await bot.settled()
    first, second = bot.checks()
    assert (first.stage, first.verdict, first.problem) == ("final", "failure", None)
    assert (second.stage, second.head_sha) == ("final", newer)
    assert bot.forge.states(head)[-1] == "failure"


async def test_what_is_concluded_and_not_written_yet_is_not_withdrawn(bot) -> None:
    bot.checker.over, bot.publisher.eager = True, False
    head = bot.push(SPEC)
    await bot.deliver()
    (check,) = bot.checks()

    async def done() -> bool:
        return (await bot.engine.running([check.id]))[check.id].progress.stage == "final"

    await without_the_collector(done)
    bot.push(OTHER)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head) == ["failure"]


async def test_what_is_still_open_is_ended_and_a_late_record_changes_nothing(bot) -> None:
    bot.publisher.eager = False
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(
        lambda: ("predict", head) in bot.checker.calls and bot.forge.states(head) == ["pending"]
    )
    (check,) = bot.checks()
    bot.push(OTHER)
    await bot.deliver()
    await bot.until(lambda: bot.forge.states(head) == ["pending", "neutral"])
    # The worker was frozen, and does not know that its run was stopped.
    await bot.publisher.status(job_of(check), Phase.CONCLUDED, "success", "Fine")
    bot.checker.hold[head].set()
    await bot.settled()
    assert bot.forge.states(head) == ["pending", "neutral"]

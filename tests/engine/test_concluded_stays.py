"""A run that has said its last word on its commit is neither stopped nor contradicted there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from dbos import DBOS

from bot.engine.workflows import part_id

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
OTHER = {"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"}


async def without_the_collector(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not (await found if asyncio.iscoroutine(found := true()) else found):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def withdrawn(check: str) -> bool:
    found = await DBOS.list_workflows_async(workflow_ids=[part_id(check, "withdraw")])
    return bool(found) and found[0].status == "SUCCESS"


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
    assert await DBOS.list_workflows_async(workflow_ids=[part_id(check.id, "withdraw")]) == []


async def test_a_push_between_the_last_status_and_the_runs_own_end(bot) -> None:
    bot.checker.over = True
    plain, held = bot.forge.set_status, asyncio.Event()

    async def set_status(key: Any, sha: str, report: Any) -> None:
        await plain(key, sha, report)
        if report.state == "failure" and not held.is_set():
            held.set()
            await asyncio.sleep(600)  # the forge has it, and the run does not know

    bot.forge.set_status = set_status
    head = bot.push(SPEC)
    await bot.deliver()
    await without_the_collector(held.is_set)
    (check,) = bot.checks()
    bot.push(OTHER)
    await bot.deliver()
    await without_the_collector(lambda: withdrawn(check.id))
    assert bot.forge.states(head)[-1] == "failure"


async def test_what_is_still_open_is_ended(bot) -> None:
    plain, held = bot.forge.set_status, asyncio.Event()

    async def set_status(key: Any, sha: str, report: Any) -> None:
        await plain(key, sha, report)
        if not held.is_set():
            held.set()
            await asyncio.sleep(600)

    bot.forge.set_status = set_status
    head = bot.push(SPEC)
    await bot.deliver()
    await without_the_collector(held.is_set)
    bot.push(OTHER)
    await bot.deliver()
    await without_the_collector(lambda: bot.forge.states(head) == ["pending", "neutral"])

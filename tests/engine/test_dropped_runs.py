"""Runs that their own process stopped running, and a forge that is away for long."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from bot.engine import recovery
from bot.engine.leases import Leases
from bot.engine.outcome import RetryPolicy
from bot.engine.takeover import LongKnown
from bot.forge.values import ForgeError

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


async def test_a_run_that_stopped_without_an_end_is_queued_again(bot, monkeypatch, caplog) -> None:
    """As where the engine could not record a step: its workflow is gone, its row is not."""
    plain, broken = bot.engine._workflows.steps.fetch, [True]

    async def fetch(job: Any) -> Any:
        if broken[0]:
            broken[0] = False
            raise asyncio.CancelledError  # goes through every handler, and no end is recorded
        return await plain(job)

    monkeypatch.setattr(bot.engine._workflows.steps, "fetch", fetch)
    monkeypatch.setattr(bot.engine.recovery, "dropped", LongKnown(0.2))
    head = bot.push(SPEC)
    await bot.deliver()
    async with asyncio.timeout(60):
        while "queued again" not in caplog.text:
            await bot.engine.recovery.take_over()
            await asyncio.sleep(0.05)
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"


async def test_a_run_that_takes_long_is_not_queued_again(bot, monkeypatch, caplog) -> None:
    plain, started, go_on = bot.engine._workflows.steps.fetch, asyncio.Event(), asyncio.Event()
    calls = []

    async def fetch(job: Any) -> Any:
        calls.append(job.id)
        started.set()
        await go_on.wait()
        return await plain(job)

    monkeypatch.setattr(bot.engine._workflows.steps, "fetch", fetch)
    head = bot.push(SPEC)
    await bot.deliver()
    await asyncio.wait_for(started.wait(), 60)
    with monkeypatch.context() as impatient:
        # Not before or after: a run that is claimed and has not begun yet would be dropped, too.
        impatient.setattr(bot.engine.recovery, "dropped", LongKnown(0.0))
        for _ in range(3):
            await bot.engine.recovery.take_over()
    go_on.set()
    await bot.settled()
    assert "queued again" not in caplog.text
    assert len(calls) == 1
    assert bot.forge.states(head)[-1] == "success"


async def test_a_search_that_is_under_way_is_over_before_the_engine_stops(bot, monkeypatch) -> None:
    """Its thread would go on, and open the database again after that was closed."""
    begun, go_on, order = threading.Event(), threading.Event(), []
    plain, stop = recovery.unfinished_claims, Leases.stop

    def slow(database: Any) -> Any:
        begun.set()
        go_on.wait(60)
        claims = plain(database)
        order.append("searched")
        return claims

    monkeypatch.setattr(recovery, "unfinished_claims", slow)
    monkeypatch.setattr(Leases, "stop", lambda own: (order.append("stopped"), stop(own)))
    await bot.until(begun.is_set)
    asyncio.get_running_loop().call_later(0.5, go_on.set)
    await bot.engine.stop()
    assert order == ["searched", "stopped"]


async def test_a_forge_that_is_away_does_not_end_a_run(bot) -> None:
    policy = bot.engine._workflows.retry_policy
    bot.engine._workflows.retry_policy = RetryPolicy(policy.attempts, 0.001, 100)
    bot.forge.roles["ann"] = "write"
    bot.forge.fail["pusher_of"] = [ForgeError("502")] * 8
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"
    assert not bot.forge.fail["pusher_of"]


@pytest.mark.parametrize(
    ("attempt", "wait", "pause"), [(1, 0.0, 2.0), (3, 0.0, 8.0), (30, 0.0, 20.0), (200, 0, 300)]
)
def test_pauses_while_a_forge_is_away(attempt: int, wait: float, pause: float) -> None:
    assert RetryPolicy().away_pause(attempt, wait) == pause


def test_a_forge_that_says_how_long_is_not_asked_before() -> None:
    assert RetryPolicy().away_pause(1, 90.0) == 90.0


def test_all_tries_of_a_forge_that_is_away_take_hours() -> None:
    policy = RetryPolicy()
    seconds = sum(policy.away_pause(number, 0.0) for number in range(1, policy.away))
    assert 4 * 3600 < seconds < 6 * 3600

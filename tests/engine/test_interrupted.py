"""Work that was interrupted between two writes that belong together: no status stays pending."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from bot.engine import collector
from bot.store.records import NEVER_STARTED

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


class Killed(BaseException):
    """The end of the process, here."""


async def test_a_stop_that_is_cut_off_after_the_cancellation_is_concluded(bot, monkeypatch) -> None:
    monkeypatch.setattr(collector, "_CANCELLED", 0.0)
    first = bot.push(SPEC)
    bot.checker.hold[first] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: ("predict", first) in bot.checker.calls)

    async def killed(*_: Any) -> None:
        raise Killed

    second = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    with monkeypatch.context() as dying:
        dying.setattr(bot.engine, "withdraw", killed)
        with pytest.raises(Killed):
            await bot.deliver()
    bot.dispatcher._handling.clear()
    await bot.until(lambda: not bot.checks()[0].open)
    await bot.dispatcher.handle_new()
    await bot.settled()
    await bot.until(lambda: bot.forge.states(first)[-1] == "neutral")
    assert second[:12] in bot.checks()[0].problem
    assert bot.forge.states(second)[-1] == "success"


async def test_a_broken_run_is_concluded_before_its_record_is_closed(bot, monkeypatch) -> None:
    head = bot.push(SPEC)

    async def broken(*_: Any) -> None:
        raise RuntimeError("a mistake")

    async def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(bot.engine._workflows.steps, "fetch", broken)
    monkeypatch.setattr(bot.publisher, "status", broken)
    monkeypatch.setattr(bot.engine, "withdraw", killed)
    monkeypatch.setattr("bot.engine.workflows._Run._give_up", broken)
    await bot.deliver()
    with pytest.raises(Killed):
        await bot.until(lambda: False)
    monkeypatch.undo()
    await bot.until(lambda: "neutral" in bot.forge.states(head))
    await bot.settled()
    assert bot.checks()[0].stage == "stopped"


async def test_a_check_that_was_closed_before_its_start_is_open_again(bot, monkeypatch) -> None:
    """The engine's database was away for so long that the collector had given it up."""
    monkeypatch.setattr(collector, "_STRAY", 0.0)
    head = bot.push(SPEC)
    faults = [sa.exc.OperationalError("select", None, Exception("away")) for _ in range(9)]

    async def away(*_: Any) -> int:
        raise faults.pop()

    with monkeypatch.context() as without:
        without.setattr(bot.engine, "start_check", away)
        await bot.deliver()
        await bot.until(lambda: not bot.checks()[0].open)
        assert bot.checks()[0].problem == NEVER_STARTED
        while faults:
            bot.all_due()
            await bot.dispatcher.handle_new()
    # Never given up for what passes.
    assert bot.store.delivery_counts() == {"new": 1}
    bot.all_due()
    await bot.dispatcher.handle_new()
    await bot.settled()
    (check,) = bot.checks()
    assert (check.stage, check.problem) == ("final", None)
    assert bot.forge.states(head)[-1] == "success"


async def test_a_check_that_cannot_be_stored_stops_no_other(bot, monkeypatch, caplog) -> None:
    first = bot.push(SPEC)
    bot.checker.hold[first] = threading.Event()
    await bot.deliver()
    older = bot.checks()[0].id
    plain = bot.collector._collect_check

    async def collect(record: Any, running: Any) -> None:
        if record.id == older:
            raise ValueError("not JSON")
        await plain(record, running)

    monkeypatch.setattr(bot.collector, "_collect_check", collect)
    with bot.store.writing() as db:
        db.execute("update checks set number = 8")
    second = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"})
    await bot.deliver()
    await bot.until(lambda: any(not check.open for check in bot.checks()))
    assert bot.checks()[0].head_sha == second
    assert f"the progress of {older} could not be stored" in caplog.text
    bot.checker.hold[first].set()

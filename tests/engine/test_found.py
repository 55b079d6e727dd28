"""Deliveries of the bot's own, base branches that move, and repositories that come and go."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from dbos import DBOS

from bot.engine.missed_events import FoundAction, comment_delivery, found_delivery, found_event
from bot.forge.events import CommentEvent, PushEvent, RepositoriesEvent
from bot.forge.values import (
    ForgeDeniedError,
    ForgeError,
    ForgeGoneError,
    ForgeRefusedError,
    PullRequestEvent,
)
from bot.store import deliveries as store_deliveries
from bot.store.records import NewDelivery
from bot.store.repositories import Repositories
from tests.engine.conftest import KEY

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


def test_a_delivery_of_our_own_is_read_as_it_was_written() -> None:
    delivery = found_delivery(KEY, "a" * 40, "main", "base moved", base_sha="b" * 40, at=0.0)
    assert found_event("gh", delivery.event, delivery.body) == PullRequestEvent(
        KEY, "check", "a" * 40, "base moved", base_ref="main", base_sha="b" * 40
    )


async def find(bot: Any, action: FoundAction = "found", base: str = "") -> str:
    """Handle a delivery of our own about the head; its reason."""
    bot.deliveries += 1
    head, at = bot.forge.pull.head_sha, bot.deliveries * 3600.0
    new = found_delivery(KEY, head, "main", action, base_sha=base, at=at)
    (receipt,) = bot.store.add_deliveries([new])
    await bot.dispatcher.handle_new()
    (row,) = bot.store.rows("select reason from deliveries where id = ?", [receipt.id])
    return str(row["reason"])


async def test_a_head_that_was_missed_is_checked_once(bot) -> None:
    head = bot.push(SPEC)
    assert (await find(bot)).endswith(" started.")
    assert "has this head commit already" in await find(bot)
    await bot.settled()
    assert "has this head commit already" in await find(bot)
    assert bot.forge.states(head)[-1] == "success"
    assert len(bot.checks()) == 1


async def test_one_that_was_closed_unseen_stops(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    bot.show(head, open=False)
    assert "is closed by now" in await find(bot)
    (check,) = bot.checks()
    assert (check.open, check.stage, check.over) == (False, "stopped", True)
    bot.show(head, open=True)
    assert (await find(bot)).endswith(" started.")
    assert not bot.checks()[-1].over


def moved(bot: Any, before: str, files: dict[str, str]) -> str:
    after = bot.repository.commit("main", files)
    bot.forge.events["push"] = PushEvent("gh", "o/r", "main", before, after, "main")
    return after


async def push_base(bot: Any, files: dict[str, str]) -> str:
    """Move the base branch, tell of it, and handle what follows; the push's reason."""
    moved(bot, bot.repository.git("rev-parse", "main"), files)
    bot.deliveries += 1
    new = NewDelivery("gh", "push", f"push-{bot.deliveries}", b"{}")
    (receipt,) = bot.store.add_deliveries([new])
    while await bot.dispatcher.handle_new():
        pass
    (row,) = bot.store.rows("select reason from deliveries where id = ?", [receipt.id])
    return str(row["reason"])


async def test_a_base_that_moved_matters_where_the_check_read_it(bot) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert "begin again" not in await push_base(bot, {"other/other.spec": "Name: other\n"})
    assert "begin again" not in await push_base(bot, {"nginx/README": "more\n"})
    assert "1 checks begin again" in await push_base(bot, {".minimize.yaml": "workloads: []\n"})
    await bot.settled()
    first, second = bot.checks()
    assert first.head_sha == second.head_sha
    assert second.base_sha == bot.repository.git("rev-parse", "main")
    assert second.stage == "final"
    # It has what that push brought.
    assert "begin again" not in await push_base(bot, {"other/other.spec": "Name: o\n"})


async def test_a_base_that_took_commits_of_the_pull_request_matters(bot) -> None:
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: one\n"})
    one = bot.repository.git("rev-parse", "topic")
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    bot.repository.git("switch", "-q", "main")
    bot.repository.git("merge", "-q", "--ff-only", one)
    assert "1 checks begin again" in await push_base(bot, {"README": "x\n"})


async def test_a_base_that_moves_while_the_check_runs_matters_too(bot) -> None:
    head = bot.push(SPEC)
    held = bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: bot.checker.calls != [])
    assert "1 checks begin again" in await push_base(bot, {".minimize.yaml": "workloads: []\n"})
    held.set()
    await bot.settled()
    assert [check.stage for check in bot.checks()] == ["stopped", "final"]


async def test_a_pull_request_that_is_over_is_not_checked_again(bot) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    bot.show(head, open=False)
    assert "begin again" not in await push_base(bot, {".minimize.yaml": "workloads: []\n"})


# What the forge refuses


def days_pass(bot: Any, days: float) -> None:
    with bot.store.writing() as db:
        db.execute("update deliveries set due = 0, missed = missed - ?", [days * 86_400])


async def tried(bot: Any) -> str:
    await bot.dispatcher.handle_new()
    (row,) = bot.store.rows("select state from deliveries order by id desc limit 1")
    return str(row["state"])


@pytest.mark.parametrize("error", [ForgeDeniedError("401 Bad credentials"), ForgeError("502")])
async def test_a_delivery_is_never_given_up_for_a_passing_reason(bot, error: Exception) -> None:
    head = bot.push(SPEC)
    await bot.deliver()  # the forge has other things
    await bot.settled()  # or the comment would be written meanwhile, and meet errors of these
    bot.forge.fail["pull_request"] = [error] * 12
    await bot.deliver()
    for _ in range(11):
        days_pass(bot, 2.0)
        assert await tried(bot) == "new"
    days_pass(bot, 2.0)
    assert await tried(bot) in ("done", "ignored")
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"


@pytest.mark.parametrize("error", [ForgeGoneError("404"), ForgeRefusedError("422")])
async def test_a_delivery_about_nothing_is_given_up_after_three_days_of_it(
    bot, error: Exception
) -> None:
    bot.push(SPEC)
    await bot.deliver()
    bot.forge.fail["pull_request"] = [error] * 50
    await bot.deliver()
    for _ in range(5):  # again and again on one day
        days_pass(bot, 0.01)
        assert await tried(bot) == "new"
    states = []
    for _ in range(3):
        days_pass(bot, 1.0)
        states.append(await tried(bot))
    assert states == ["new", "new", "failed"]


async def test_one_of_a_repository_that_was_taken_from_us_is_ignored_at_once(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    bot.forge.events["installation"] = RepositoriesEvent("gh", removed=("o/r",))
    bot.store.add_deliveries([NewDelivery("gh", "installation", "i", b"{}")])
    await bot.dispatcher.handle_new()
    assert [check.stage for check in bot.checks()] == ["stopped"]
    before = list(bot.forge.statuses)
    (run,) = [check.id for check in bot.checks()]
    (withdrawal,) = await DBOS.list_workflows_async(workflow_ids=[f"{run}-withdraw"])
    await (await DBOS.retrieve_workflow_async(withdrawal.workflow_id)).get_result()
    await bot.settled()
    assert bot.forge.statuses == before
    assert Repositories(bot.store).known("gh") == []
    bot.forge.fail["pull_request"] = [ForgeGoneError("404")]
    await bot.deliver()
    (row,) = bot.store.rows("select state, reason from deliveries order by id desc limit 1")
    assert row == {"state": "ignored", "reason": "o/r is no longer there for the bot."}
    # Whoever sends deliveries of it again has given it back.
    await bot.deliver()
    assert [repository.name for repository in Repositories(bot.store).known("gh")] == ["o/r"]


async def test_a_clock_that_is_set_back_holds_nothing_up(bot, monkeypatch) -> None:
    bot.push(SPEC)
    bot.forge.fail["pull_request"] = [ForgeError("502")]
    await bot.deliver()
    assert await bot.dispatcher.handle_new() == 0  # it has its pause
    real = time.time

    class Back:
        @staticmethod
        def time() -> float:
            return real() - 86_400

    monkeypatch.setattr("bot.store.store.time", Back)
    monkeypatch.setattr(store_deliveries, "time", Back)
    assert await bot.dispatcher.handle_new() == 1


SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


async def test_a_found_command_is_answered_and_its_late_webhook_not_again(bot: Any) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    event = CommentEvent(
        KEY, "41", "maria", "maria", False, "/minimize help", "created", "2026-01-01T00:00:00Z"
    )
    bot.store.add_deliveries([comment_delivery(event)])
    assert await bot.dispatcher.handle_new() == 1
    await bot.until(lambda: len(bot.forge.answers()) == 1)
    late = await bot.comment("/minimize help", updated="2026-01-01T00:00:00Z")
    assert late == ("ignored", "The comment has no new command.")
    await bot.settled()
    assert len(bot.forge.answers()) == 1

"""A forge that fails at one step of a run, in each way: the run ends, the log says so in one line,
and the pull request is told where it can be."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from bot.forge.values import ForgeError, ForgeGoneError, ForgeRefusedError

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
ERRORS = {
    "5xx": ForgeError("GitHub failed (doing it): 502 Bad Gateway."),
    "limit": ForgeError("GitHub limits further requests of the bot (doing it).", "", 0.001),
    "refused": ForgeRefusedError("GitHub refused (doing it): 403 Resource not accessible."),
    "archived": ForgeRefusedError("GitHub refused (doing it): Repository was archived."),
    "gone": ForgeGoneError("GitHub does not have what was requested (doing it): 404."),
}
STEPS = ("source", "role_of")
WRITES = ("set_status", "put_comment", "find_comment", "react")


def break_(bot: Any, method: str, error: Exception) -> list[int]:
    """Makes a method of the forge fail, always; how often it was tried."""
    tried = [0]

    async def fail(*_: Any, **__: Any) -> Any:
        tried[0] += 1
        raise error

    setattr(bot.forge, method, fail)
    return tried


def lines(caplog: Any, error: Exception) -> list[str]:
    said = str(error).split(" (")[0]
    return [
        r.getMessage()
        for r in caplog.records
        if r.levelno >= logging.WARNING and said in r.getMessage()
    ]


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("step", STEPS)
async def test_a_run_ends_with_a_line_and_a_word(bot, caplog, step: str, kind: str) -> None:
    error = ERRORS[kind]
    tried = break_(bot, step, error)
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    (check,) = bot.checks()
    assert not check.open
    # One line for a step that was given up.
    assert len(lines(caplog, error)) == 1
    queued = step == "role_of"  # a check's queue is by whose change it is
    assert tried[0] == queued + (3 if kind in ("5xx", "limit") else 1)
    last = bot.forge.statuses[-1][1]
    if step == "role_of":
        # What was found out is told by the status all the same.
        assert last.state == "action_required"
        assert "Not built: /minimize allow" in last.title
    elif kind == "gone":
        assert bot.forge.states(head) == ["pending"]  # there is nobody to tell
        assert check.problem == str(error)
    else:
        assert (last.state, last.title) == ("neutral", str(error))


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_is_tried_until_it_succeeds(bot, caplog, write: str, kind: str) -> None:
    """More often than any step of a run: the run ends long before it."""
    bot.publisher.eager = False
    if write == "find_comment":
        bot.checker.changed = False
    error, plain = ERRORS[kind], getattr(bot.forge, write)
    tried = break_(bot, write, error)
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.until(lambda: not bot.store.open_checks())
    assert bot.checks()[0].stage == "final"
    if write == "react":
        assert (await bot.comment("/minimize help"))[0] == "done"
    await bot.until(lambda: tried[0] >= 12)
    # One line for each problem of a status or comment, not for each try.
    assert len(lines(caplog, error)) <= 2
    setattr(bot.forge, write, plain)
    if write == "react":
        # The answer's run is no check, and may come to its end later than what is settled now.
        await bot.until(lambda: bool(bot.forge.answers()))
    await bot.settled()
    assert bot.forge.states(head)[-1] == "success"
    found = {body.split("\n")[0] for _, body in bot.forge.comments}
    assert len(found) == (0 if write == "find_comment" else 1 + (write == "react"))
    assert len(bot.forge.reactions) == (write == "react")


async def test_a_question_that_cannot_be_answered_is_answered_with_the_reason(bot) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    break_(bot, "source", ERRORS["5xx"])
    await bot.comment("/minimize why perl")
    await bot.until(lambda: bool(bot.forge.answers()))
    assert "doing it" in bot.forge.answers()[-1].replace("`", "")


async def test_a_forge_that_asks_to_wait_is_left_alone_so_long(bot) -> None:
    bot.publisher.eager = False
    bot.forge.fail["set_status"] = [ForgeError("Enough requests.", "", 123.0)]
    head = bot.push(SPEC)
    # There is no comment yet that could be written beside the first status.
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    await bot.until(lambda: not bot.forge.fail["set_status"])
    bot.checker.hold[head].set()
    await bot.until(lambda: not bot.store.open_checks())
    assert await bot.reconciler.reconcile() == 0
    assert bot.forge.statuses == bot.forge.comments == []
    bot.reconciler._wait_until.clear()  # the time is over
    bot.postpone_nothing()
    await bot.settled()
    assert bot.forge.states(head) == ["success"]

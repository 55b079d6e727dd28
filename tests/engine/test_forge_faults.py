"""A forge that fails at one step of a run, in each way: the run ends, the log says so in one line,
and the pull request is told where it can be."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bot.forge.values import ForgeError, ForgeGoneError, ForgeRefusedError

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
ERRORS = {
    "5xx": ForgeError("GitHub failed (doing it): 502 Bad Gateway."),
    "limit": ForgeError("GitHub has had enough requests from us (doing it).", "", 0.001),
    "refused": ForgeRefusedError("GitHub refused (doing it): 403 Resource not accessible."),
    "archived": ForgeRefusedError("GitHub refused (doing it): Repository was archived."),
    "gone": ForgeGoneError("GitHub does not have what was requested (doing it): 404."),
}
STEPS = ("set_status", "source", "role_of", "put_comment", "find_comment")


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
    if step == "find_comment":
        bot.checker.changed = False
    tried = break_(bot, step, error)
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    (check,) = bot.checks()
    assert not check.open
    again = 3 if kind in ("5xx", "limit") else 1
    if step == "set_status":
        # Nothing can be said there; the comment still is, unless all of it is gone.
        assert bool(bot.forge.comments) is (kind != "gone")
        assert tried[0] >= again
        assert lines(caplog, error) != []
        return
    # One line for each step that was given up: a comment is tried for both stages.
    steps = 2 if step in ("put_comment", "find_comment") else 1
    assert len(lines(caplog, error)) == steps
    assert tried[0] == again * steps
    last = bot.forge.statuses[-1][1]
    if step == "source":
        if kind == "gone":
            assert bot.forge.states(head) == ["pending"]  # there is nobody to tell
            assert check.problem == str(error)
        else:
            assert (last.state, last.title) == ("neutral", str(error))
    else:
        # What was found out is told by the status all the same.
        assert last.state == ("action_required" if step == "role_of" else "success")
        assert ("Not built: /minimize allow" in last.title) is (step == "role_of")
        assert ("finish", head) in bot.checker.calls or step == "role_of"


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("step", ["react", "put_comment", "source"])
async def test_an_answer_that_cannot_be_given_is_one_line(bot, caplog, step, kind) -> None:
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    caplog.clear()
    tried = break_(bot, step, ERRORS[kind])
    await bot.comment("/minimize why perl")
    await bot.until(lambda: bool(lines(caplog, ERRORS[kind])))
    if step == "source":
        # The question has no answer, and that is said.
        await bot.until(lambda: bool(bot.forge.answers()))
        assert "doing it" in bot.forge.answers()[-1].replace("`", "")
    elif step == "react":
        await bot.until(lambda: bool(bot.forge.answers()))
    assert len(lines(caplog, ERRORS[kind])) == 1
    assert tried[0] == (3 if kind in ("5xx", "limit") else 1)


async def test_a_wait_that_the_forge_asks_for_is_kept(bot, monkeypatch) -> None:
    from bot.engine import outcome

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(outcome.DBOS, "sleep_async", sleep)
    bot.forge.fail["put_comment"] = [ForgeError("Enough requests.", "", 123.0)]
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    assert slept == [123.0]
    assert len(bot.forge.comments) == 2

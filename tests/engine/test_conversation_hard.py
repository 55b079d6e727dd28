"""Comments at bad moments: two versions at once, roles that are lost, heads that move, crashes."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from bot.engine import publishing
from bot.errors import SurroundingsError, UsageError
from bot.forge.values import ForgeGoneError, ForgeRefusedError
from bot.report.render import COMMENT_LIMIT, COMMENT_MARKER
from bot.store.commands import Commands
from bot.store.records import NewDelivery
from bot.store.store import now

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
OTHER = {"nginx/nginx.spec": "Name: nginx\nRequires: python3\n"}


async def checked(bot: Any, files: dict[str, str] = SPEC) -> str:
    head = bot.push(files)
    await bot.deliver()
    await bot.settled()
    return head


async def answered(bot: Any, count: int = 1) -> str:
    await bot.until(lambda: len(bot.forge.answers()) >= count)
    return bot.forge.answers()[-1]


def versions(bot: Any, *texts: str, user: str = "maria", updated: str = "") -> None:
    """Versions of one comment, kept and not yet looked at."""
    new = []
    for number, text in enumerate(texts):
        bot.deliveries += 1
        body = {
            "comment": "41",
            "author": user,
            "sender": user,
            "author_is_bot": False,
            "body": text,
            "action": "edited" if number else "created",
            "updated": updated or now(),
            "url": "https://forge/7#41",
        }
        content = json.dumps(body).encode()
        new.append(NewDelivery("gh", "issue_comment", f"guid-{bot.deliveries}", content))
    bot.store.add_deliveries(new)


@pytest.mark.parametrize("turn", [1, -1])
async def test_a_comment_and_its_edit_at_once_are_obeyed_once_for_each_command(bot, turn) -> None:
    await checked(bot)
    texts = ["/minimize check", "/minimize check\n/minimize why perl"][::turn]
    versions(bot, *texts, user="ann")
    assert await bot.dispatcher.handle_new() == 2
    await bot.settled()
    text = await answered(bot)
    assert "`/minimize why perl`" in text
    assert len(bot.checks()) == 2
    heard = bot.store.rows("select text from commands order by text")
    assert [row["text"] for row in heard] == ["/minimize check", "/minimize why perl"]
    assert len(bot.forge.answers()) == 1


async def test_two_hooks_with_the_same_comment_are_one_command(bot) -> None:
    await checked(bot)
    versions(bot, "/minimize check\n/minimize help", "/minimize check\n/minimize help", user="ann")
    await bot.dispatcher.handle_new()
    await bot.settled()
    await answered(bot)
    assert len(bot.checks()) == 2
    assert len(bot.forge.answers()) == 1


async def test_a_comment_that_was_deleted_meanwhile_is_answered_without_a_reaction(
    bot, caplog
) -> None:
    await checked(bot)
    bot.forge.fail["react"] = [ForgeGoneError("There is no such comment.")] * 10_000
    await bot.comment("/minimize why perl")
    assert "`/minimize why perl`" in await answered(bot)
    assert bot.forge.reactions == []
    assert [r.getMessage() for r in caplog.records if "no such comment" in r.getMessage()] != []


async def test_who_cannot_be_asked_for_is_told_so_and_questions_are_answered(bot, caplog) -> None:
    await checked(bot)

    async def refused(key: Any, user: str) -> str:
        raise ForgeRefusedError("GitHub refused: Resource not accessible by integration.")

    bot.forge.role_of = refused
    state, _ = await bot.comment("/minimize allow SHA\n/minimize why perl")
    assert state == "done"
    text = await answered(bot)
    assert "Your role here is not known: GitHub refused: Resource not accessible" in text
    assert "`/minimize why perl`" in text
    assert Commands(bot.store).decision("allow", "gh", "o/r", 7, bot.forge.pull.head_sha) is None
    assert len([r for r in caplog.records if "not accessible" in r.getMessage()]) == 1
    # An author needs no role for their own.
    await bot.comment("/minimize check", "ann", comment="42")
    assert len(bot.checks()) == 2
    await bot.settled()


@pytest.mark.parametrize("command", ["check", "accept SHA because", "allow SHA", "cancel"])
async def test_a_role_that_is_lost_before_the_comment_is_read_counts_no_more(bot, command) -> None:
    bot.checker.over = True
    bot.forge.roles["ann"] = "read"
    head = await checked(bot)
    bot.forge.roles["maria"] = "admin"
    versions(bot, f"/minimize {command}")
    bot.forge.roles["maria"] = "none"
    await bot.dispatcher.handle_new()
    assert "maria has no role in this repository" in await answered(bot)
    assert len(bot.checks()) == 1
    for kind in ("accept", "allow"):
        assert Commands(bot.store).decision(kind, "gh", "o/r", 7, head) is None


async def test_a_push_between_allow_and_the_look_is_not_built(bot) -> None:
    bot.forge.roles["ann"] = "read"
    first = await checked(bot)
    versions(bot, f"/minimize allow {first}")
    second = await checked(bot, OTHER)  # looks at the comment too, after the push
    assert f"The head of this pull request is `{second}`, not `{first}`" in await answered(bot)
    assert [call for call in bot.checker.calls if call[0] == "finish"] == []
    for head in (first, second):
        assert Commands(bot.store).decision("allow", "gh", "o/r", 7, head) is None


async def test_a_cancel_that_is_heard_again_after_a_crash_is_still_taken(bot) -> None:
    head = bot.push(SPEC)
    bot.checker.hold[head] = threading.Event()
    await bot.deliver()
    start = bot.engine.start_reply
    crashes = iter([True])

    async def crashing(job: Any, reply: Any) -> None:
        if next(crashes, False):
            raise SurroundingsError("The power is gone.")
        await start(job, reply)

    bot.engine.start_reply = crashing
    await bot.comment("/minimize cancel", "ann")
    bot.all_due()
    await bot.dispatcher.handle_new()
    await bot.until(lambda: bot.forge.reactions == [("41", "eyes")])
    assert bot.forge.answers() == []
    assert bot.checks()[0].problem == "ann cancelled it."


async def test_an_unknown_workload_is_answered_and_the_status_stays(bot) -> None:
    await checked(bot)
    states = list(bot.forge.statuses)
    bot.checker.predicting = [UsageError("There is no workload ngnix.", "Did you mean nginx?")]
    await bot.comment("/minimize check ngnix", "ann")
    await bot.settled()
    text = await answered(bot)
    assert "`/minimize check ngnix`" in text
    assert "There is no workload ngnix. Did you mean nginx?" in text
    assert bot.forge.statuses == states


async def test_nothing_that_the_bot_writes_is_a_command_to_it(bot) -> None:
    bot.checker.over = True
    bot.forge.roles["ann"] = "read"
    await checked(bot)
    said = "\n".join(
        f"/minimize {command}"
        for command in ("help", "why perl", "what-if drop perl", "objectives", "chek", "allow x")
    )
    await bot.comment(said)
    await answered(bot)
    await bot.comment("/minimize check nginx --arch s390x", comment="42")
    await bot.settled()
    await bot.comment("/minimize accept SHA because", "ann", comment="43")
    await answered(bot, 3)
    bodies = {body for _, body in bot.forge.comments}
    assert len(bodies) >= 4
    for number, body in enumerate(bodies):
        # With a token the bot is a user like others, and so are its words.
        state, reason = await bot.comment(body, "minimize-bot", comment=str(100 + number))
        assert (state, reason) == ("ignored", "The comment is a bot's.")


async def test_what_is_refused_is_one_line_of_the_log(bot, caplog) -> None:
    bot.forge.fail["put_comment"] = [ForgeRefusedError("The token may not comment.")]
    bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    lines = [r.getMessage() for r in caplog.records if "may not comment" in r.getMessage()]
    assert len(lines) == 1
    assert "again later: The token may not comment." in lines[0]


async def test_many_comments_of_one_pull_request_are_heard_one_after_the_other(bot) -> None:
    await checked(bot)
    inside: list[int] = [0, 0]
    plain = bot.forge.pull_request

    async def slow(key: Any) -> Any:
        inside[0] += 1
        inside[1] = max(inside)
        await asyncio.sleep(0)
        inside[0] -= 1
        return await plain(key)

    bot.forge.pull_request = slow
    versions(bot, *(f"/minimize why p{n}" for n in range(12)))
    await bot.dispatcher.handle_new()
    assert inside == [0, 1]
    heard = bot.store.rows("select count(*) as n from commands")
    assert heard[0]["n"] == 12


async def test_the_answer_of_a_narrowed_check_keeps_to_the_limit(bot, monkeypatch) -> None:
    """A renderer that takes all the room it is given leaves enough for the longer marker."""

    def full(result: Any, *, limit: int = COMMENT_LIMIT, **_: Any) -> str:
        return COMMENT_MARKER + "x" * (limit - len(COMMENT_MARKER))

    await checked(bot)
    monkeypatch.setattr(publishing, "render_comment", full)
    await bot.comment("/minimize check nginx", "ann", comment="9" * 40)
    await bot.settled()
    text = await answered(bot)
    assert COMMENT_LIMIT - 100 < len(text) <= COMMENT_LIMIT


async def test_a_bot_that_only_the_forge_knows_as_one_is_not_obeyed(bot) -> None:
    await checked(bot)
    bot.forge.bots = ("releng",)
    versions(bot, "/minimize help", user="releng")
    assert await bot.dispatcher.handle_new() == 1
    assert bot.forge.answers() == []
    assert bot.store.delivery_counts()["ignored"] == 1

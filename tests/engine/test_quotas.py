"""What one author, repository or user asks for within an hour is bounded, and nothing is lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.engine.quotas import Quotas
from bot.errors import SurroundingsError
from bot.settings.values import Limits
from bot.store.commands import Commands, HandledCommand
from bot.store.records import CheckRecord
from bot.store.store import open_store, utc_text
from tests.engine.conftest import pull_request

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}
PULL = pull_request("b" * 40, "a" * 40)


def ago(minutes: float) -> str:
    return utc_text(datetime.now(UTC) - timedelta(minutes=minutes))


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


def check(name: str, minutes: float, **fields: Any) -> CheckRecord:
    known = {"author": "ann", "created": ago(minutes), **fields}
    return CheckRecord(name, "gh", known.pop("repository", "o/r"), 7, "a" * 40, **known)


def test_the_checks_of_an_author_are_counted_over_all_repositories(store) -> None:
    quotas = Quotas(store, Limits(author_checks=2))
    store.add_check(check("c1", 61))
    store.add_check(check("c2", 30, repository="o/other"))
    store.add_check(check("c3", 20, author="zoe"))
    assert quotas.of_check(PULL) is None
    store.add_check(check("c4", 10))
    excess = quotas.of_check(PULL)
    assert excess is not None
    assert excess.sentence.startswith(
        "`ann` has had 2 checks within an hour (limits.author_checks)"
    )
    assert 29 * 60 < excess.seconds <= 30 * 60


def test_the_checks_of_a_repository_are_counted_over_all_authors(store) -> None:
    quotas = Quotas(store, Limits(repository_checks=2))
    for number, author in enumerate(("ann", "zoe")):
        store.add_check(check(f"c{number}", 50, author=author))
    assert "`o/r` has had 2 checks" in quotas.of_check(PULL).sentence
    elsewhere = replace(PULL, key=replace(PULL.key, repository="o/other"))
    assert quotas.of_check(elsewhere) is None


def test_the_commands_of_a_user_are_counted_where_they_were_taken(store) -> None:
    quotas = Quotas(store, Limits(user_questions=1))
    command = HandledCommand("gh", "o/r", 7, "41", "k", "/minimize why a", "bob", "refused", ago(1))
    Commands(store).add([command, replace(command, command="k2", heard=ago(70), outcome="taken")])
    assert quotas.of_question("gh", "bob") is None
    Commands(store).add([replace(command, command="k3", outcome="taken")])
    assert "`bob` has asked 1 times" in quotas.of_question("gh", "bob").sentence


@pytest.fixture
async def limited(stopped_bot):
    def start(**limits: int) -> Any:
        bot = stopped_bot
        own = bot.settings.limits.model_copy(update=limits)
        bot.settings = bot.settings.model_copy(update={"limits": own})
        bot.make()
        return bot

    return start


async def checked(limited: Any, **limits: int) -> tuple[Any, str]:
    """A bot with these limits, and the head of its pull request, which it has checked."""
    bot = limited(**limits)
    await bot.engine.launch()
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    return bot, head


async def test_a_check_too_many_waits_in_words_and_comes_later(limited) -> None:
    bot, first = await checked(limited, author_checks=1)
    second = bot.push({**SPEC, "more": "x"})
    await bot.deliver()
    assert [c.head_sha for c in bot.checks()] == [first]
    last = bot.forge.statuses[-1]
    assert (last[0], last[1].state) == (second, "pending")
    assert last[1].title.startswith("`ann` has had 1 checks within an hour")
    (waiting,) = bot.store.rows("select state, attempts, due from deliveries where state = 'new'")
    assert waiting["attempts"] == 0
    await bot.comment("/minimize check", "ann")
    await bot.until(lambda: bool(bot.forge.answers()))
    assert "has had 1 checks within an hour" in bot.forge.answers()[-1].replace("`", "")
    # An hour later.
    with bot.store.writing() as db:
        db.execute("update checks set created = ?", [ago(61)])
    bot.all_due()
    await bot.dispatcher.handle_new()
    await bot.settled()
    assert bot.forge.states(second)[-1] == "success"


@pytest.mark.parametrize("end", ["push", "close"])
async def test_what_waited_for_room_and_comes_no_more_is_pending_no_more(limited, end) -> None:
    bot, _ = await checked(limited, author_checks=1)
    waiting = bot.push({**SPEC, "more": "x"})
    await bot.deliver()
    assert bot.forge.states(waiting) == ["pending"]
    if end == "push":
        newest = bot.push({**SPEC, "more": "y"})
        await bot.deliver()
        assert bot.forge.states(newest) == ["pending"]
    else:
        bot.show(waiting, open=False)
    bot.all_due()
    await bot.dispatcher.handle_new()
    await bot.until(lambda: bot.forge.states(waiting)[-1] == "neutral")


async def test_a_check_that_a_crash_has_begun_twice_counts_once(limited, monkeypatch) -> None:
    bot, _ = await checked(limited, author_checks=2)
    add, crashes = Commands.add, iter([True])

    def crashing(self: Commands, commands: Any) -> None:
        if next(crashes, False):
            raise SurroundingsError("The power is gone.")
        add(self, commands)

    monkeypatch.setattr(Commands, "add", crashing)
    await bot.comment("/minimize check nginx", "ann")
    bot.all_due()
    await bot.dispatcher.handle_new()
    await bot.settled()
    (command,) = bot.store.rows("select outcome from commands")
    assert command["outcome"] == "taken"
    assert len(bot.checks()) == 2
    assert not any("within an hour" in answer for answer in bot.forge.answers())


async def test_a_question_too_many_is_answered_with_when_to_ask_again(limited) -> None:
    bot, head = await checked(limited, user_questions=1)
    await bot.comment("/minimize why perl", "bob")
    await bot.comment("/minimize why gcc", "bob", comment="42")
    await bot.until(lambda: len(bot.forge.answers()) == 2)
    texts = [answer.replace("`", "") for answer in bot.forge.answers()]
    assert any("bob has asked 1 times within an hour" in text for text in texts)
    assert bot.checker.calls.count(("ask", head)) == 1


async def test_a_change_of_too_many_specs_is_not_evaluated_and_says_so(limited) -> None:
    bot = limited(specs=2)
    await bot.engine.launch()
    head = bot.push({f"p{n}/p{n}.spec": "Name: p\n" for n in range(3)})
    await bot.deliver()
    await bot.settled()
    assert bot.checker.calls == []
    last = bot.forge.statuses[-1][1]
    assert (last.state, last.title.split(",")[0]) == ("neutral", "This change touches 3 spec files")
    assert bot.forge.states(head)[-1] == "neutral"

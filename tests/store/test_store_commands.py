"""Commands are heard once; decisions hold for one head commit."""

from dataclasses import replace
from pathlib import Path

from bot.store.commands import Commands, Decision, HandledCommand
from bot.store.records import CheckRecord
from bot.store.store import open_store

HANDLED = HandledCommand("gh", "o/r", 7, "41", "k1", "/minimize check", "ann", "taken", "2026")
ACCEPT = Decision(
    "gh", "o/r", 7, "a" * 40, "accept", "maria", "write", "worth it", "2026-11-24", "41"
)


def test_a_command_is_heard_once_and_stays_as_it_was(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    commands = Commands(store)
    commands.add([HANDLED, replace(HANDLED, command="k2")])
    commands.add([replace(HANDLED, outcome="refused")])
    assert commands.handled("gh", "o/r", "41") == {"k1", "k2"}
    assert commands.handled("gh", "o/r", "42") == frozenset()
    assert commands.handled("gl", "o/r", "41") == frozenset()
    assert store.rows("select outcome from commands where command = 'k1'") == [{"outcome": "taken"}]
    store.close()


def test_a_decision_is_for_one_head_commit_and_the_newest_counts(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    commands = Commands(store)
    commands.decide(ACCEPT)
    commands.decide(ACCEPT)
    newer = replace(ACCEPT, comment="42", reason="still")
    commands.decide(newer)
    assert store.rows("select count(*) as n from decisions") == [{"n": 2}]
    where = ("gh", "o/r", 7)
    assert commands.decision("accept", *where, "a" * 40) == newer
    assert commands.decision("accept", *where, "b" * 40) is None
    assert commands.decision("allow", *where, "a" * 40) is None
    assert commands.decision("accept", "gh", "o/r", 8, "a" * 40) is None
    store.close()


def test_a_narrowed_check_is_known_as_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add_check(CheckRecord("c1", "gh", "o/r", 7, "a" * 40, narrowed=True))
    store.add_check(CheckRecord("c2", "gh", "o/r", 7, "a" * 40))
    assert [check.narrowed for check in store.checks_of("gh", "o/r", 7)] == [True, False]
    store.close()

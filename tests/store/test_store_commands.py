"""Commands are heard once; decisions hold for one head commit."""

from dataclasses import replace
from pathlib import Path

from sqlite_utils import Database

from bot.store.commands import Commands, Decision, HandledCommand
from bot.store.records import CheckRecord
from bot.store.schema import migrations
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


def test_what_an_earlier_release_let_through_counts_no_more_and_stays_on_record(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "minimize.sqlite")
    migrations.apply(database, stop_before="m007_trust")
    columns = {"id": "c1", "forge": "gh", "repository": "o/r", "number": 7, "head_sha": "a" * 40}
    database.table("checks").insert(
        {**columns, "author": "Ann", "stage": "final", "created": "2026", "open": 0, "private": 0}
    )
    for kind, user in (("accept", "ann"), ("accept", "maria"), ("allow", "maria")):
        row = {"kind": kind, "user": user, "time": "2026", "comment": f"{kind} {user}"}
        where = {name: value for name, value in columns.items() if name != "id"}
        database.table("decisions").insert(
            {**where, **row, "reason": "", "role": "write", "url": ""}
        )
    database.close()

    store = open_store(tmp_path)
    counted = store.rows("select kind, user from decisions where counts = 1")
    assert counted == [{"kind": "accept", "user": "maria"}]
    assert store.rows("select count(*) as n from decisions") == [{"n": 3}]
    commands, where = Commands(store), ("gh", "o/r", 7, "a" * 40)
    assert commands.decision("allow", *where) is None
    assert commands.decision("accept", *where).user == "maria"
    store.close()

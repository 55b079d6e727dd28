"""The store: deliveries once, checks in order, and what a full disk does."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from bot.store.deliveries import add_delivery
from bot.store.records import (
    CheckRecord,
    CommentRecord,
    NewDelivery,
    check_is_hidden,
    pull_request_is_hidden,
    repository_is_hidden,
)
from bot.store.store import Store, open_store, own_file
from bot.store.transactions import StoreError


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "data")
    yield opened
    opened.close()


def delivery(number: int, thing: str | None = None) -> NewDelivery:
    return NewDelivery("github", "pull_request", f"guid-{number}", b"{}", thing)


def check(name: str, **fields) -> CheckRecord:
    known = {"forge": "github", "repository": "o/r", "number": 7, "head_sha": "a"}
    return CheckRecord(id=name, **{**known, **fields})


def test_a_delivery_is_kept_once_by_id_and_by_object(store: Store) -> None:
    first, again, twin, other = store.add_deliveries(
        [delivery(1, "pr7"), delivery(1, "pr7"), delivery(2, "pr7"), delivery(3, None)]
    )
    assert (first.repeat, again.repeat, twin.repeat, other.repeat) == (False, True, True, False)
    assert again.id == twin.id == first.id
    assert [d.id for d in store.new_deliveries()] == [first.id, other.id]
    assert store.add_deliveries([delivery(4, None)])[0].repeat is False


def test_a_settled_delivery_is_not_handled_again_and_still_repeats(store: Store) -> None:
    (receipt,) = store.add_deliveries([delivery(1)])
    store.settle_delivery(receipt.id, "ignored", "no spec")
    assert store.new_deliveries() == []
    assert store.add_deliveries([delivery(1)])[0].repeat
    assert store.delivery_counts() == {"ignored": 1}


def test_a_failed_delivery_sent_again_is_new(store: Store) -> None:
    (receipt,) = store.add_deliveries([delivery(1)])
    store.settle_delivery(receipt.id, "failed", "forge away")
    assert store.add_deliveries([delivery(1)])[0].repeat is False
    assert [d.attempts for d in store.new_deliveries()] == [0]


def test_a_postponed_delivery_waits(store: Store) -> None:
    (receipt,) = store.add_deliveries([delivery(1)])
    store.postpone_delivery(receipt.id, "forge away", 60)
    assert store.new_deliveries() == []
    store.postpone_delivery(receipt.id, "forge away", -1)
    assert [d.attempts for d in store.new_deliveries()] == [2]


def test_a_failing_batch_keeps_nothing_of_itself(store: Store) -> None:
    broken = NewDelivery("github", "x", "guid", b"", None)
    object.__setattr__(broken, "event", None)
    with pytest.raises(StoreError, match="cannot be written"):
        store.add_deliveries([delivery(1), broken])
    assert store.new_deliveries() == []
    assert store.add_deliveries([delivery(1)])[0].repeat is False


def test_deliveries_are_there_after_opening_again(tmp_path: Path) -> None:
    first = open_store(tmp_path)
    first.add_deliveries([delivery(1)])
    first.close()
    second = open_store(tmp_path)
    assert [d.body for d in second.new_deliveries()] == [b"{}"]
    second.close()


def test_the_file_is_in_wal_and_fully_synchronous(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    one, two = open_store(tmp_path), open_store(tmp_path)
    entered = threading.Event()
    order = []

    def second() -> None:
        entered.set()
        two.add_deliveries([delivery(1)])
        order.append("second")

    thread = threading.Thread(target=second)
    with one.writing():
        thread.start()
        entered.wait(90)
        order.append("first")
    thread.join(90)
    assert order == ["first", "second"]
    one.close()
    two.close()


def test_reading_waits_for_no_writer_and_a_writer_reads_what_it_has_written(store: Store) -> None:
    store.add_deliveries([delivery(1)])
    seen: list[dict[str, int]] = []
    with store.writing() as db:
        add_delivery(db, delivery(2), "2026-11-28T10:00:00Z")
        reader = threading.Thread(target=lambda: seen.append(store.delivery_counts()))
        reader.start()
        reader.join(90)
        assert seen == [{"new": 1}]
        assert store.delivery_counts() == {"new": 2}
    assert store.delivery_counts() == {"new": 2}


def test_checks_are_kept_with_their_result(store: Store) -> None:
    assert store.add_check(check("c1", title="Add perl"))
    assert not store.add_check(check("c1", title="other"))
    store.add_check(check("c2", private=True, repository="o/private"))
    assert [c.id for c in store.open_checks()] == ["c1", "c2"]
    store.update_check("c1", stage="final", verdict="success", result={"images": []}, open=False)
    assert [c.id for c in store.open_checks()] == ["c2"]
    record = store.check("c1")
    assert record is not None
    assert (record.title, record.result, record.open) == ("Add perl", {"images": []}, False)
    assert store.check("gone") is None
    assert [c.id for c in store.checks_of("github", "o/r", 7)] == ["c1"]
    assert [c.id for c in store.recent_checks()] == ["c1"]
    assert [c.id for c in store.recent_checks(private=True)] == ["c2", "c1"]
    assert store.check_counts() == {"final": 1, "waiting": 1}


def test_one_comment_record_for_each_pull_request(store: Store) -> None:
    for number in ("1", "2"):
        store.record_comment(CommentRecord("github", "o/r", 7, number, "u", "c1", "t"))
    record = store.comment("github", "o/r", 7)
    assert record is not None
    assert record.comment == "2"
    assert store.comment("github", "o/r", 8) is None


def test_a_store_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "minimize.sqlite")
    Database(connection).table("_sqlite_migrations").insert(
        {"migration_set": "minimize", "name": "m999_future", "applied_at": "now"}
    )
    connection.close()
    with pytest.raises(StoreError, match="newer release"):
        open_store(tmp_path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(tmp_path / "file")
    (tmp_path / "minimize.sqlite").write_text("this is not a database, it is a text " * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(tmp_path)


def test_a_repository_that_is_private_now_hides_its_older_checks(store: Store) -> None:
    for name, time, private in (("a", "1", False), ("b", "2", True), ("c", "3", False)):
        store.add_check(check(name, created=time, private=private))
    assert [c.id for c in store.recent_checks()] == ["c", "a"]  # public again, "b" stays hidden
    assert pull_request_is_hidden(store.rows, "github", "o/r", 7)
    assert not repository_is_hidden(store.rows, "github", "o/r")
    store.add_check(check("d", created="4", private=True))
    assert store.recent_checks() == []
    assert [check_is_hidden(store.rows, name) for name in "abcdx"] == [True] * 5
    assert repository_is_hidden(store.rows, "github", "o/r")
    assert pull_request_is_hidden(store.rows, "github", "o/r", 8)
    assert not pull_request_is_hidden(store.rows, "gitlab", "o/r", 7)


def test_deliveries_in_hand_are_not_listed_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add_deliveries([NewDelivery("gh", "x", f"guid-{n}", b"{}") for n in range(5)])
    first, second, *_ = store.new_deliveries()
    assert [
        new_delivery.id for new_delivery in store.new_deliveries(2, without=[first.id, second.id])
    ] == [3, 4]
    store.close()


def test_the_file_is_its_owner_s_alone_also_one_of_an_older_release(tmp_path: Path) -> None:
    file = tmp_path / "minimize.sqlite"
    file.touch(mode=0o644)
    with closing(open_store(tmp_path)):
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("minimize.sqlite*")} == {
            0o600
        }
        assert len(list(tmp_path.glob("minimize.sqlite*"))) == 3  # the log and its index too


WRITES = """\
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("begin immediate")
"""


def test_a_database_keeps_its_locks_when_its_permissions_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    own_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("create table t (x)")
        connection.execute("begin immediate")
        own_file(path)
        assert path.stat().st_mode & 0o777 == 0o600
        other = subprocess.run(
            [sys.executable, "-c", WRITES, str(path)], capture_output=True, text=True, check=False
        )
        assert "database is locked" in other.stderr

"""What leaves the store with age and size, and what stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.store.history.history import open_history
from bot.store.records import CheckRecord, NewDelivery, StepRecord
from bot.store.repositories import Repositories
from bot.store.retention import (
    reclaim,
    shown_logs,
    sweep_checks,
    sweep_deliveries,
)
from bot.store.store import Store, open_store

NOW = "2026-11-28T00:00:00.000000Z"
MUCH = 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    history = open_history(store)
    yield store
    history.close()
    store.close()


def delivered(store: Store, day: int, state: str = "done", size: int = 1000) -> int:
    new = NewDelivery("gh", "push", f"guid-{day}", b"x" * size)
    (receipt,) = store.add_deliveries([new])
    with store.writing() as db:
        db.execute(
            "update deliveries set state = ?, received = ? where id = ?",
            [state, f"2026-11-{day:02}T00:00:00.000000Z", receipt.id],
        )
    return receipt.id


def ids(store: Store, table: str) -> list[object]:
    return [row["id"] for row in store.rows(f"select id from {table} order by id")]


def test_handled_deliveries_leave_with_their_age_and_others_stay(store: Store) -> None:
    delivered(store, 1)
    waits, young = delivered(store, 2, "new"), delivered(store, 20)
    swept = sweep_deliveries(store, "2026-11-10", MUCH)
    assert (swept.removed, swept.bytes) == (1, 2000)
    assert ids(store, "deliveries") == [waits, young]
    # What left is new again, what stayed is a repeat.
    again = [NewDelivery("gh", "push", f"guid-{day}", b"x") for day in (1, 20)]
    assert [add_delivery.repeat for add_delivery in store.add_deliveries(again)] == [False, True]


def test_the_oldest_deliveries_leave_until_the_size_is_enough(store: Store) -> None:
    made = [delivered(store, day) for day in (1, 2, 3, 4)]
    waits = delivered(store, 5, "new", 5000)
    swept = sweep_deliveries(store, "2026-01-01", 7500)
    assert (swept.removed, swept.bytes) == (2, 7000)
    assert ids(store, "deliveries") == [*made[2:], waits]
    assert sweep_deliveries(store, "2026-01-01", 1).bytes == 5000  # what waits stays


def checked(store: Store, number: int, day: int = 1, **fields: object) -> str:
    check = f"c{number}-{day}"
    builds = [{"side": "head", "log": f"/cache/build-logs/{check}.log"}]
    known = {"created": f"2026-01-{day:02}T00:00:00.000000Z", "open": False, "stage": "final"}
    result = {"pad": "x" * 1000, "builds": builds}
    record = CheckRecord(check, "gh", "o/r", number, "a" * 40, result=result, **{**known, **fields})
    store.add_check(record)
    store.store_steps(check, [StepRecord(1, "check", "fetch", NOW, 1.0)])
    return check


def over(store: Store, number: int) -> None:
    Repositories(store).record_over("gh", "o/r", number)


def merged(store: Store, check: str) -> None:
    with store.writing() as db:
        db.execute(
            "insert into merged_changes (forge, repository, number, title, author, url, head_sha,"
            " sources, merged, check_id) values ('gh', 'o/r', 3, 't', 'a', 'u', 'h', '[]', ?, ?)",
            [NOW, check],
        )


def test_checks_of_pull_requests_that_are_over_leave_with_their_age(store: Store) -> None:
    checked(store, 1)
    young = checked(store, 1, 20)
    shown, unknown, named = checked(store, 2), checked(store, 4), checked(store, 3)
    running = checked(store, 5, open=True)
    for number in (1, 3, 5):
        over(store, number)
    merged(store, named)
    swept = sweep_checks(store, "2026-01-10", "2026-01-01", MUCH)
    assert swept.removed == 1
    assert ids(store, "checks") == sorted([young, shown, named, unknown, running])
    assert {row["check_id"] for row in store.rows("select check_id from results")} == {
        young, shown, named, unknown, running,
    }  # fmt: skip
    assert store.steps("c1-1") == []
    assert store.steps(young) != []
    # The pull request is closed: its page is linked from no open one any more.
    over(store, 2)
    assert sweep_checks(store, "2026-01-10", "2026-01-01", MUCH).removed == 1


def test_the_oldest_checks_leave_until_the_size_is_enough(store: Store) -> None:
    made = [checked(store, 1, day) for day in (1, 2, 3)]
    kept = checked(store, 2)
    over(store, 1)
    size = sweep_checks(store, "2025-01-01", "2025-01-01", MUCH).bytes
    swept = sweep_checks(store, "2025-01-01", "2025-01-01", size - 1)
    assert swept.removed == 1
    assert ids(store, "checks") == sorted([*made[1:], kept])
    assert sweep_checks(store, "2025-01-01", "2025-01-01", 1).bytes > 1000
    assert ids(store, "checks") == [kept]


def test_a_superseded_result_leaves_earlier_than_its_check(store: Store) -> None:
    check = checked(store, 1)
    predicted = store.check(check).result_id
    store.update_check(check, result={"final": True})
    assert sweep_checks(store, "2025-01-01", "2999-01-01", MUCH).removed == 1
    assert not store.has_result(predicted)
    assert store.check(check).result == {"final": True}


def test_logs_that_a_page_shows_are_those_of_pull_requests_that_may_be_open(store: Store) -> None:
    checked(store, 1)
    shown = checked(store, 2)
    over(store, 1)
    assert shown_logs(store) == {f"/cache/build-logs/{shown}.log"}


def test_a_pull_request_that_was_opened_again_has_all_its_checks(store: Store) -> None:
    checked(store, 1)
    over(store, 1)
    checked(store, 1, 2)
    assert sweep_checks(store, "2026-01-20", "2026-01-01", MUCH).removed == 0


def test_checks_of_a_repository_that_is_gone_leave(store: Store) -> None:
    checked(store, 1)
    Repositories(store).remove("gh", "o/r")
    assert sweep_checks(store, "2026-01-20", "2026-01-01", MUCH).removed == 1


def test_free_pages_go_back_to_the_file_system(store: Store) -> None:
    for day in range(1, 29):
        delivered(store, day, size=100_000)
    before = store.path.stat().st_size
    assert not reclaim(store, least=1_000_000)
    sweep_deliveries(store, "2027-01-01", MUCH)
    assert reclaim(store, least=1_000_000)
    store.rows("pragma wal_checkpoint(truncate)")
    assert store.path.stat().st_size < before / 5

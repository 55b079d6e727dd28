"""Deletion of rows by age and size: deliveries, results, checks of closed pull requests.

Rows that history names, or that a pull request may still show, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from bot.store.records import Row
from bot.store.store import Store

# Rows deleted in one transaction: others write in between.
_AT_ONCE = 500
# A check that may be deleted: not open, of a pull request that is over, and of no merged change.
_OVER = """checks.open = 0 and checks.id not in (
    select check_id from merged_changes where check_id is not null
) and (not exists (
    select 1 from checks as other where other.forge = checks.forge
    and other.repository = checks.repository and other.number = checks.number and other.over = 0
) or exists (
    select 1 from repositories as gone where gone.forge = checks.forge
    and gone.repository = checks.repository and gone.gone != ''
))"""


Delete = Callable[[Sequence[object]], None]


@dataclass(frozen=True, slots=True)
class Swept:
    """The number of deleted rows, and the bytes left of their kind."""

    removed: int
    bytes: int


def sweep_deliveries(store: Store, before: str, most: int) -> Swept:
    """Delete handled deliveries received before an RFC 3339 time, then the oldest until `most`
    bytes are left."""

    def delete(ids: Sequence[object]) -> None:
        with store.writing() as db:
            _delete_rows(db, "deliveries", "id", ids)

    handled = "select id, length(body) as size from deliveries where state != 'new'"
    removed = _delete_all(store, f"{handled} and received < ? order by id", [before], delete)
    size = _number(store, "select coalesce(sum(length(body)), 0) from deliveries")
    return _shrink(store, f"{handled} order by id", delete, Swept(removed, size), most)


def sweep_checks(store: Store, before: str, superseded: str, most: int) -> Swept:
    """Delete checks, with their results and steps, that were requested before a time, then the
    oldest until `most` bytes are left. Results that no check names are deleted if stored before
    `superseded`."""

    def delete_results(ids: Sequence[object]) -> None:
        with store.writing() as db:
            _delete_rows(db, "results", "id", ids)

    def delete_checks(ids: Sequence[object]) -> None:
        with store.writing() as db:
            _delete_rows(db, "results", "check_id", ids)
            _delete_rows(db, "run_steps", "check_id", ids)
            _delete_rows(db, "checks", "id", ids)

    unnamed = (
        "select id from results where stored < ?"
        " and id not in (select result_id from checks where result_id is not null)"
    )
    removed = _delete_all(store, unnamed, [superseded], delete_results)
    old = f"select id from checks where created < ? and {_OVER} order by created"
    removed += _delete_all(store, old, [before], delete_checks)
    size = _number(store, "select coalesce(sum(length(body)), 0) from results")
    oldest = (
        "select checks.id, (select coalesce(sum(length(body)), 0) from results"
        f" where results.check_id = checks.id) as size from checks where {_OVER} order by created"
    )
    return _shrink(store, oldest, delete_checks, Swept(removed, size), most)


def shown_logs(store: Store) -> frozenset[str]:
    """The paths of build logs in checks of pull requests that may be open."""
    rows = store.rows(
        "select distinct value ->> 'log' as log from checks"
        " join results on results.id = checks.result_id, json_each(results.body, '$.builds')"
        f" where not ({_OVER}) and value ->> 'log' is not null"
    )
    return frozenset(row["log"] for row in rows)


def reclaim(store: Store, share: float = 0.25, least: int = 20_000_000) -> bool:
    """Give free pages back to the file system if they are at least a `share` of the file and
    `least` bytes; return whether that was done. Other writers wait meanwhile."""
    size, free, pages = (
        _number(store, f"select * from pragma_{name}")
        for name in ("page_size", "freelist_count", "page_count")
    )
    if size * free < least or free < share * pages:
        return False
    store.vacuum()
    return True


def _delete_all(store: Store, query: str, values: Sequence[str], delete: Delete) -> int:
    """Delete what a query of ids finds, in portions; return the number."""
    removed = 0
    while rows := store.rows(f"{query} limit ?", [*values, _AT_ONCE]):
        delete([row["id"] for row in rows])
        removed += len(rows)
    return removed


def _shrink(store: Store, query: str, delete: Delete, swept: Swept, most: int) -> Swept:
    """Delete what a query of ids and sizes finds, the first rows first, until `most` bytes are
    left; `swept` is the state before."""
    removed, size = swept.removed, swept.bytes
    while size > most and (rows := store.rows(f"{query} limit ?", [_AT_ONCE])):
        doomed = _until(rows, size - most)
        delete([row["id"] for row in doomed])
        removed += len(doomed)
        size -= sum(row["size"] for row in doomed)
    return Swept(removed, size)


def _delete_rows(db: Database, table: str, key: str, values: Sequence[object]) -> None:
    marks = ", ".join("?" for _ in values)
    db.execute(f"delete from {table} where {key} in ({marks})", list(values))


def _until(rows: Iterable[Row], wanted: int) -> list[Row]:
    """The first rows that have `wanted` bytes together."""
    first = []
    for row in rows:
        if wanted <= 0:
            break
        first.append(row)
        wanted -= row["size"]
    return first


def _number(store: Store, query: str) -> int:
    (row,) = store.rows(query)
    return int(next(iter(row.values())))

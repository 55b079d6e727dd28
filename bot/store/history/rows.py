"""The reading connection, its rows as values, and queries for rows that hold at a run.

A query must not read all rows that ever held: a row holds from `from_run` until just before
`until_run`, and its fork is the number within that time that is divisible by the highest power of
two: one node of a binary tree over all runs. Every row that holds at a run has its fork on the
run's way to the tree's root, so an index on forks finds them (H.-P. Kriegel, M. Pötke, T. Seidl:
Managing Intervals Efficiently in Object-Relational Databases, VLDB 2000).
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from bot.model.closure import Edge, RepositoryState, SnapshotState, UnsolvableCause
from bot.model.image import ImageKey
from bot.model.nevra import Nevra, parse_nevra
from bot.model.surface import Surface
from bot.store.history.values import Cause, ClosureFacts, Evaluation, MergedChange, Run
from bot.store.records import Row
from bot.store.transactions import reading_errors

KEY = "images.workload, images.environment, images.repository, images.arch"
# An image's number by `key_values`.
IS_KEY = (
    "images.workload = ? and images.environment = ? and images.repository = ? and images.arch = ?"
)
IMAGE = f"(select id from images where {IS_KEY})"
FACTS = (
    "status",
    "packages",
    "installed_size",
    "known_size",
    "installed_size_nodocs",
    "download_size",
    "layer_size",
    "problems",
    "missing",
    "causes",
)
_CAUSES = TypeAdapter(tuple[UnsolvableCause, ...])
_CHAIN = TypeAdapter(tuple[Edge, ...])
SURFACE = TypeAdapter(Surface)
# libsolv's texts (solver_problemruleinfo2str): all that version 0.1.0 stored of causes.
_TEXTS = (
    re.compile(r"nothing provides (?P<capability>.+) needed by (?P<nevra>\S+-\S+-\S+\.\w+)"),
    re.compile(
        r"package (?P<nevra>\S+-\S+-\S+\.\w+) requires (?P<capability>.+),"
        r" but none of the providers can be installed"
    ),
)
NEVRA = (
    "{0}.name || '-' || {0}.epoch || ':' || {0}.version || '-' || {0}.release || '.' || {0}.arch"
)


class Reading:
    """A connection that only reads; several threads may share it, one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=30
        )
        connection.execute("PRAGMA mmap_size=2147418112")
        connection.execute("PRAGMA cache_size=-32000")
        self._reader = Database(connection)
        self._lock = threading.Lock()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of one query. Raises StoreError if the file cannot be read."""
        with self._lock, reading_errors(self._path):
            return list(self._reader.query(sql, values))

    def tuples(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `rows`, without column names: for tens of thousands of rows."""
        with self._lock, reading_errors(self._path):
            return list(self._reader.execute(sql, values))

    def close(self) -> None:
        """Close the connection; the store stays open."""
        with self._lock:
            self._reader.close()


def key_of(row: Row) -> ImageKey:
    """The image of a row with KEY's columns."""
    return ImageKey(row["workload"], row["environment"], row["repository"], row["arch"])


def key_values(key: ImageKey) -> list[str]:
    """The values of KEY's columns."""
    return [key.workload, key.environment, key.repository, key.arch]


def facts_columns(table: str, prefix: str = "") -> str:
    """The columns of a closure's facts, each named with a prefix."""
    return ", ".join(f"{table}.{name} as {prefix}{name}" for name in FACTS)


def facts_of(row: Row, prefix: str = "") -> ClosureFacts:
    """A closure's facts from a row with `facts_columns`."""
    values = {name: row[prefix + name] for name in FACTS}
    values["problems"] = tuple(json.loads(values["problems"] or "[]"))
    values["missing"] = tuple(json.loads(values["missing"] or "[]"))
    values["causes"] = (
        _CAUSES.validate_json(values["causes"])
        if values["causes"]
        else _causes_in(values["problems"], values["missing"])
    )
    return ClosureFacts(**values)


def causes_text(causes: tuple[UnsolvableCause, ...]) -> str | None:
    """The text of the column of causes; null if there are none."""
    return _CAUSES.dump_json(causes).decode() if causes else None


def _causes_in(problems: Iterable[str], missing: Iterable[str]) -> tuple[UnsolvableCause, ...]:
    """The causes in the texts that an earlier release stored."""
    causes = [UnsolvableCause("missing", request, None) for request in missing]
    for match in (m for text in problems for pattern in _TEXTS if (m := pattern.fullmatch(text))):
        needed_by = parse_nevra(match["nevra"])
        causes.append(UnsolvableCause("missing", match["capability"], needed_by))
    return tuple(causes)


def evaluations_sql(source: str) -> str:
    """A select for `evaluation_of` from a source that has `images` and `evaluations`."""
    return (
        f"select {KEY}, evaluations.run, runs.started, evaluations.closure,"
        f" snapshots.digest as snapshot_digest, snapshots.repositories,"
        f" {facts_columns('closures')} from {source}"
        " join runs on runs.id = evaluations.run"
        " join snapshots on snapshots.id = evaluations.snapshot"
        " join closures on closures.id = evaluations.closure"
    )


def evaluation_of(row: Row) -> Evaluation:
    """An image at one run from a row of `evaluations_sql`."""
    states = tuple(RepositoryState(**state) for state in json.loads(row["repositories"]))
    snapshot = SnapshotState(row["snapshot_digest"], states)
    return Evaluation(row["run"], row["started"], snapshot, row["closure"], facts_of(row))


def run_of(row: Row) -> Run:
    """A run from its row."""
    failed = tuple(json.loads(row["failed"] or "[]"))
    fields = {name: row[name] for name in Run.__slots__}
    return Run(**{**fields, "failed": failed})


def causes_sql(source: str = "causes") -> str:
    """A select for `cause_of` from a source that has `causes`."""
    return (
        "select causes.image, causes.run, causes.package, causes.change, causes.delta,"
        " causes.known_delta, causes.kind, causes.mover, causes.merged_change, causes.chain,"
        f" {NEVRA.format('old')} as before, {NEVRA.format('new')} as after from {source}"
        " left join packages as old on old.id = causes.before_package"
        " left join packages as new on new.id = causes.after_package"
    )


def cause_of(row: Row) -> Cause:
    """A cause from a row of `causes_sql`."""
    fields = {name: row[name] for name in Cause.__slots__}
    nevras = {name: _nevra(row[name]) for name in ("before", "after", "mover")}
    return Cause(**{**fields, **nevras, "chain": _CHAIN.validate_json(row["chain"] or "[]")})


def _nevra(text: str | None) -> Nevra | None:
    return None if text is None else parse_nevra(text)


def chain_text(chain: tuple[Edge, ...]) -> str | None:
    """The text of the column of a chain; null if there is none."""
    return _CHAIN.dump_json(chain).decode() if chain else None


def merged_of(row: Row) -> MergedChange:
    """A merged pull request from its row, without its effects."""
    values = {
        **row,
        "sources": json.loads(row["sources"]),
        "documents": tuple(json.loads(row["documents"])),
        "private": bool(row["private"]),
    }
    return MergedChange(**values)


# Runs are numbered from 1; 2 ** 24 of them are one an hour for 1,900 years.
_LEVELS = 24


def fork(table: str = "") -> str:
    """The fork of a row that has ended, as an SQL expression; the same text makes the index."""
    first, end = (f"{table}{name}" for name in ("from_run", "until_run"))
    levels = (
        f" when ({first} - 1) >> {k + 1} = ({end} - 1) >> {k + 1} then ({end} - 1) >> {k} << {k}"
        for k in range(_LEVELS)
    )
    return f"(case{''.join(levels)} end)"


def forks(run: int) -> tuple[int, ...]:
    """The possible forks of rows that hold at a run."""
    return tuple(dict.fromkeys((run >> (k + 1) << (k + 1)) | (1 << k) for k in range(_LEVELS)))


def holding(table: str, columns: str, run: int | None) -> str:
    """A select of the rows of a table with intervals that hold at a run; null is the present."""
    now = f"select {columns} from {table} where until_run is null"
    if run is None:
        return now
    run = int(run)
    nodes = ", ".join(map(str, forks(run)))
    return (
        f"{now} and from_run <= {run} union all select {columns} from {table}"
        f" indexed by idx_{table}_fork where until_run is not null"
        f" and {fork()} in ({nodes}) and from_run <= {run} and until_run > {run}"
    )


def held_at(run: int | None) -> str:
    """A condition on a row with an interval: it holds at a run; null is the present."""
    if run is None:
        return "until_run is null"
    return f"from_run <= {int(run)} and (until_run is null or until_run > {int(run)})"


def described(run: int | None) -> str:
    """A condition on `images`: some document described it at a run."""
    if run is None:
        return "images.gone_run is null"
    return f"(images.gone_run is null or images.gone_run > {int(run)})"


def moment(at: str | None) -> str:
    """An RFC 3339 time as it is stored; a date is the end of that day, null is after all times."""
    if at is None:
        return "~"
    return f"{at}T23:59:59.999999Z" if len(at) == len("2027-03-01") else at

"""The repositories of a forge that the bot serves: since when, and which are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.store.store import Store, now

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class KnownRepository:
    """A served repository, since an RFC 3339 UTC time; `unfinished`: a check of it is open."""

    name: str
    since: str
    unfinished: bool


@dataclass(frozen=True, slots=True)
class NewestCheck:
    """The newest whole check of a pull request; `over`: the pull request is known not to be
    open."""

    id: str
    number: int
    head_sha: str
    base_ref: str
    base_sha: str
    stage: str
    open: bool
    created: str
    over: bool
    problem: str | None


class Repositories:
    """The repositories in an open store. Blocking."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """`clock` is seconds since 1970."""
        self._store = store
        self._clock = clock

    def known(self, forge: str) -> list[KnownRepository]:
        """The repositories that are not gone: those with checks, and those that were added."""
        rows = self._store.rows(
            "select named.repository as name, min(named.since) as since,"
            " max(named.unfinished) as unfinished from ("
            " select repository, created as since, open as unfinished from checks where forge = ?"
            " union all select repository, since, 0 from repositories where forge = ?"
            ") as named where not exists (select 1 from repositories as gone"
            " where gone.forge = ? and gone.repository = named.repository and gone.gone != '')"
            " group by named.repository order by max(named.unfinished) desc, named.repository",
            [forge, forge, forge],
        )
        return [KnownRepository(r["name"], r["since"], bool(r["unfinished"])) for r in rows]

    def add(self, forge: str, names: Iterable[str]) -> None:
        """Record repositories that a forge serves us, from now on if they are new or were gone."""
        with self._store.writing() as db:
            for name in names:
                db.execute(
                    "insert into repositories (forge, repository, since) values (?, ?, ?)"
                    " on conflict (forge, repository) do update set misses = 0, gone = '',"
                    " since = case when gone = '' then since else excluded.since end",
                    [forge, name, now()],
                )

    def remove(self, forge: str, name: str) -> None:
        """Record that a repository is gone: deleted, or no longer served."""
        with self._store.writing() as db:
            db.execute(
                "insert into repositories (forge, repository, since, gone) values (?, ?, ?, ?)"
                " on conflict (forge, repository) do update set gone = excluded.gone",
                [forge, name, now(), now()],
            )

    def is_gone(self, forge: str, name: str) -> bool:
        """Return whether a repository is gone."""
        sql = "select 1 from repositories where forge = ? and repository = ? and gone != ''"
        return bool(self._store.rows(sql, [forge, name]))

    def restore(self, forge: str, name: str) -> None:
        """Record that a repository is not gone: the forge reported it, and has it."""
        if self.is_gone(forge, name):
            self.add(forge, [name])

    def record_found(self, forge: str, name: str) -> None:
        """Record that the forge has the repository."""
        with self._store.writing() as db:
            db.execute(
                "update repositories set misses = 0, missed = null"
                " where forge = ? and repository = ? and misses > 0",
                [forge, name],
            )

    def record_missing(self, forge: str, name: str) -> int:
        """Record that the forge does not have it; return the number of such records, at least a day
        apart."""
        at = self._clock()
        with self._store.writing() as db:
            db.execute(
                "insert into repositories (forge, repository, since) values (?, ?, ?)"
                " on conflict (forge, repository) do nothing",
                [forge, name, now()],
            )
            db.execute(
                "update repositories set misses = misses + 1, missed = ? where forge = ?"
                " and repository = ? and coalesce(missed, 0) not between ? and ?",
                [at, forge, name, at - _DAY, at + _DAY],
            )
            sql = "select misses from repositories where forge = ? and repository = ?"
            return int(db.execute(sql, [forge, name]).fetchone()[0])

    def read_until(self, forge: str, name: str) -> str:
        """The time until which news of a repository were read, RFC 3339 UTC; empty: never."""
        sql = "select looked from repositories where forge = ? and repository = ?"
        rows = self._store.rows(sql, [forge, name])
        return str(rows[0]["looked"]) if rows else ""

    def record_read_until(self, forge: str, name: str, until: str) -> None:
        """Record the time until which news of a repository were read."""
        with self._store.writing() as db:
            db.execute(
                "insert into repositories (forge, repository, since, looked) values (?, ?, ?, ?)"
                " on conflict (forge, repository) do update set looked = excluded.looked",
                [forge, name, now(), until],
            )

    def branch_read(self, forge: str, name: str, branch: str) -> str:
        """The commit at which `.minimize.yaml` of a branch was last read; empty: never."""
        sql = (
            "select commit_sha from repository_files"
            " where forge = ? and repository = ? and branch = ?"
        )
        rows = self._store.rows(sql, [forge, name, branch])
        return str(rows[0]["commit_sha"]) if rows else ""

    def newest_checks(self, forge: str, name: str) -> dict[int, NewestCheck]:
        """The newest whole check of each pull request, by its number."""
        rows = self._store.rows(
            "select id, number, head_sha, base_ref, base_sha, stage, open, created, over, problem"
            " from checks"
            " where forge = ? and repository = ? and narrowed = 0 order by created, rowid",
            [forge, name],
        )
        return {
            r["number"]: NewestCheck(**{**r, "open": bool(r["open"]), "over": bool(r["over"])})
            for r in rows
        }

    def record_over(self, forge: str, name: str, number: int) -> None:
        """Record that a pull request was closed or merged."""
        with self._store.writing() as db:
            db.execute(
                "update checks set over = 1 where forge = ? and repository = ? and number = ?",
                [forge, name, number],
            )

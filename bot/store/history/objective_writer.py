"""Writing of objectives, merged changes, accepted growth and issues."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from sqlite3 import Cursor
from typing import Any

from sqlite_utils import Database

from bot.model.amount import stored
from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.store.history.rows import key_values
from bot.store.history.values import (
    Acceptance,
    BranchFile,
    DriftIssue,
    Heading,
    MergedChange,
    ObjectiveState,
)
from bot.store.store import Store


class ObjectiveWriter:
    """The part of the recorder that does not write closures."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._forget()

    def _forget(self) -> None:
        """Drop cached ids of rows that a failed transaction did not write."""
        self._images: dict[ImageKey, int] = {}
        self._snapshots: dict[str, int] = {}
        self._packages: dict[tuple[Any, ...], int] = {}
        self._nevras: dict[Nevra, int] = {}
        self._texts: dict[str, int] = {}
        self._known_links: set[tuple[int, int, int, str]] = set()

    def _image(self, db: Database, key: ImageKey) -> int:
        number = self._images.get(key)
        if number is None:
            db.execute(
                "insert or ignore into images (workload, environment, repository, arch)"
                " values (?, ?, ?, ?)",
                key_values(key),
            )
            number = db.execute(
                "select id from images where workload = ? and environment = ?"
                " and repository = ? and arch = ?",
                key_values(key),
            ).fetchone()[0]
            assert isinstance(number, int)
            self._images[key] = number
        return number

    def record_merged(self, change: MergedChange) -> int:
        """Store a merged change with its check's figures; return its id.

        For a known one, a later check of the same head replaces the figures until the change has
        landed, and adds those of images that landed without a measurement.
        """
        with self._writing() as db:
            return self._record_merged(db, change)

    @contextmanager
    def _writing(self) -> Iterator[Database]:
        """A transaction; if it fails, cached ids of rows are dropped."""
        try:
            with self._store.writing() as db:
                yield db
        except BaseException:
            self._forget()
            raise

    def _record_merged(self, db: Database, change: MergedChange) -> int:
        same = (
            "(forge, repository, branch, commit_sha) where number is null"
            if change.number is None
            else "(forge, repository, number)"
        )
        fields = {name: getattr(change, name) for name in _MERGED}
        fields["sources"] = json.dumps(dict(change.sources))
        fields["documents"] = json.dumps(list(change.documents))
        row = write(
            db, "merged_changes", fields,
            f"on conflict {same} do update set {_excluded(_AGAIN)} returning id, landed_run",
        ).fetchone()  # fmt: skip
        if row[1] is None:
            db.execute("delete from merged_effects where change = ?", [row[0]])
        for effect in change.effects:
            figures = {name: getattr(effect, name) for name in _MEASURED}
            figures["names"] = json.dumps(dict(effect.names))
            write(
                db, "merged_effects",
                {"change": row[0], "image": self._image(db, effect.key), **figures},
                # Figures that a check measured before the change landed stay.
                f"on conflict (change, image) do update set {_excluded(figures)}"
                " where merged_effects.evidence = 'landed'",
            )  # fmt: skip
        return int(row[0])

    def _record_arrivals(
        self, db: Database, run: int, arrivals: Collection[tuple[int, ImageKey]]
    ) -> None:
        """Record the images in which merged changes arrived with this run."""
        for change, key in arrivals:
            db.execute(
                "update merged_changes set landed_run = coalesce(landed_run, ?) where id = ?",
                [run, change],
            )
            db.execute(
                "insert into merged_effects (change, image, evidence, names, landed_run)"
                " values (?, ?, 'landed', '{}', ?)"
                " on conflict (change, image) do update set"
                " landed_run = coalesce(landed_run, excluded.landed_run)",
                [change, self._image(db, key), run],
            )

    def _objectives(
        self,
        db: Database,
        run: int,
        headings: Mapping[str, Heading],
        states: Iterable[ObjectiveState],
        renames: Mapping[str, str],
    ) -> None:
        """Store the state of every objective; a row is written only for one that changed.

        `renames` has the former ids of objectives by their new ones: their past goes with them.
        """
        for new, old in renames.items():
            _rename(db, old, new)
        self._headings(db, run, headings)
        wanted = {(s.objective, self._image(db, s.key), s.metric): s for s in states}
        rows = {
            (row["objective"], row["image"], row["metric"]): row
            for row in db.query("select * from objective_values where until_run is null")
        }
        for place, row in rows.items():
            state = wanted.get(place)
            if state is not None and _values(state) == tuple(row[c] for c in _COLUMNS):
                del wanted[place]
                continue
            db.execute(
                "update objective_values set until_run = ? where objective = ? and image = ?"
                " and metric = ? and from_run = ?",
                [run, *place, row["from_run"]],
            )
        for place, state in wanted.items():
            fields = dict(zip(("objective", "image", "metric"), place, strict=True))
            values = dict(zip(_COLUMNS, _values(state), strict=True))
            write(db, "objective_values", {**fields, "from_run": run, **values}, verb=REPLACE)

    def _headings(self, db: Database, run: int, headings: Mapping[str, Heading]) -> None:
        texts = ("name", "description", "maintainer", "workload")
        for id_, heading in headings.items():
            # An objective renamed meanwhile keeps the subject of its issue.
            other = db.execute(
                "select 1 from objectives where subject = ? and id <> ?", [id_, id_]
            ).fetchone()
            fields = {
                **{name: getattr(heading, name) for name in texts},
                "document": json.dumps(heading.document, default=str),
                "place": heading.place,
                "private": int(heading.private),
            }
            subject = id_ if other is None else f"{id_}#{run}"
            write(
                db, "objectives", {"id": id_, **fields, "first_run": run, "subject": subject},
                f"on conflict (id) do update set {_excluded(fields)}, gone_run = null",
            )  # fmt: skip
        for (id_,) in list(db.execute("select id from objectives where gone_run is null")):
            if id_ not in headings:
                db.execute("update objectives set gone_run = ? where id = ?", [run, id_])

    def record_acceptance(self, acceptance: Acceptance) -> None:
        """Store accepted growth; it counts once for an objective and a head commit, with the last
        reason."""
        row = {**asdict(acceptance), "private": int(acceptance.private)}
        key = row.pop("key")
        row |= {name: stored(row[name]) for name in ("before", "value", "limit")}
        row |= {**key, "image_repository": key["repository"], "repository": acceptance.repository}
        with self._store.writing() as db:
            # A check may have the objective's id from before a rename.
            row_of_objective = db.execute(
                "select id from objectives where id = ? or subject = ? order by id <> ? limit 1",
                [acceptance.objective] * 3,
            ).fetchone()
            row["objective"] = (
                row_of_objective[0] if row_of_objective is not None else acceptance.objective
            )
            # Replaced by its other unique columns: the objective and head commit.
            write(db, "accepted_growth", row, verb=REPLACE)

    def record_file(self, file: BranchFile) -> None:
        """Store a repository's `.minimize.yaml` on a branch, replacing the one before.

        If its files of requests were not read, the stored ones stay.
        """
        row = {**asdict(file), "documents": json.dumps(list(file.documents))}
        row["private"] = int(file.private)
        if file.requests is None:
            del row["requests"]
        else:
            row["requests"] = json.dumps(dict(file.requests))
        with self._store.writing() as db:
            db.table("repository_files").upsert(row, pk=("forge", "repository", "branch"))

    def record_issue(self, issue: DriftIssue) -> None:
        """Store the address and text of the issue about a subject."""
        row = {**asdict(issue), **asdict(issue.place), "private": int(issue.private)}
        del row["place"]
        with self._store.writing() as db:
            write(db, "drift_issues", row, verb=REPLACE)


def write(
    db: Database, table: str, row: Mapping[str, Any], conflict: str = "", *, verb: str = "insert"
) -> Cursor:
    """Insert a row, given by its columns; `conflict` is SQL that follows the values."""
    columns = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    return db.execute(
        f"{verb} into {table} ({columns}) values ({marks}) {conflict}", [*row.values()]
    )


def _excluded(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}" = excluded."{name}"' for name in columns)


def _rename(db: Database, old: str, new: str) -> None:
    """Give an objective a new id, unless another ever had it."""
    if db.execute("select 1 from objectives where id = ?", [new]).fetchone() is None:
        db.execute("update objectives set id = ? where id = ?", [new, old])
        db.execute("update objective_values set objective = ? where objective = ?", [new, old])
        db.execute("update accepted_growth set objective = ? where objective = ?", [new, old])


REPLACE = "insert or replace"
_MERGED = (
    "forge", "repository", "number", "title", "author", "url", "head_sha", "merged", "check_id",
    "sources", "commit_sha", "branch", "documents", "private",
)  # fmt: skip
# The columns that a later check of the same head replaces.
_AGAIN = ("title", "check_id", "sources", "commit_sha", "documents", "private")
_MEASURED = (
    "evidence", "packages_before", "packages_after", "size_before", "size_after", "names",
)  # fmt: skip
_COLUMNS = ("value", "limit", "target", "target_by", "met", "reason")


def _values(state: ObjectiveState) -> tuple[Any, ...]:
    met = None if state.met is None else int(state.met)
    value, limit = stored(state.value), stored(state.limit)
    return (value, limit, state.target, state.target_by, met, state.reason)

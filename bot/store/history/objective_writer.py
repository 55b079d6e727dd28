"""Writing objectives, merged pull requests, accepted growth and issues."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlite_utils import Database

from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.store.history.rows import key_values
from bot.store.history.values import (
    Acceptance,
    BranchFile,
    DriftIssue,
    MergedChange,
    ObjectiveState,
)
from bot.store.store import Store

Heading = Mapping[str, str]
"""Of an objective: `name`, `description`, `maintainer`, `workload`, and its `document` as JSON.

One of a repository's `.minimize.yaml` has `place` too, `FORGE:REPOSITORY`, and `private` (not
empty) where that is not for everybody.
"""


class ObjectiveWriter:
    """The part of the recorder that is not about closures."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._forget()

    def _forget(self) -> None:
        """Drop cached ids of rows that a failed transaction may not have written."""
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
        """Store a merged pull request with its check's figures; return its id. Again is nothing
        new: a later check of the same head replaces the figures until the change has landed, and
        gives those of images where none had been measured after that."""
        try:
            with self._store.writing() as db:
                return self._record_merged(db, change)
        except BaseException:
            self._forget()
            raise

    def _record_merged(self, db: Database, change: MergedChange) -> int:
        same = (
            "(forge, repository, branch, commit_sha) where number is null"
            if change.number is None
            else "(forge, repository, number)"
        )
        row = db.execute(
            "insert into merged_changes (forge, repository, number, title, author, url, head_sha,"
            " merged, check_id, sources, commit_sha, branch, documents, private)"
            f" values ({', '.join('?' * 14)}) on conflict {same} do update set"
            " title = excluded.title, check_id = excluded.check_id, sources = excluded.sources,"
            " commit_sha = excluded.commit_sha, documents = excluded.documents,"
            " private = excluded.private returning id, landed_run",
            [
                change.forge,
                change.repository,
                change.number,
                change.title,
                change.author,
                change.url,
                change.head_sha,
                change.merged,
                change.check_id,
                json.dumps(dict(change.sources)),
                change.commit_sha,
                change.branch,
                json.dumps(list(change.documents)),
                int(change.private),
            ],
        ).fetchone()
        if row[1] is None:
            db.execute("delete from merged_effects where change = ?", [row[0]])
        for effect in change.effects:
            db.execute(
                "insert into merged_effects (change, image, evidence, packages_before,"
                " packages_after, size_before, size_after, names) values (?, ?, ?, ?, ?, ?, ?, ?)"
                " on conflict (change, image) do update set evidence = excluded.evidence,"
                " packages_before = excluded.packages_before,"
                " packages_after = excluded.packages_after, size_before = excluded.size_before,"
                " size_after = excluded.size_after, names = excluded.names"
                # Figures that a check measured before the arrival stay.
                " where merged_effects.evidence = 'landed'",
                [
                    row[0],
                    self._image(db, effect.key),
                    effect.evidence,
                    effect.packages_before,
                    effect.packages_after,
                    effect.size_before,
                    effect.size_after,
                    json.dumps(dict(effect.names)),
                ],
            )
        return int(row[0])

    def record_landed(self, run: int, landed: Collection[tuple[int, ImageKey]]) -> None:
        """Record the images in which merged changes arrived with this run."""
        with self._store.writing() as db:
            self._landed(db, run, landed)

    def _landed(self, db: Database, run: int, landed: Collection[tuple[int, ImageKey]]) -> None:
        for change, key in landed:
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

    def record_objectives(
        self,
        run: int,
        headings: Mapping[str, Heading],
        states: Iterable[ObjectiveState],
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """Store the state of every objective; a row is written only for one that changed.

        `renamed` has the former ids of objectives by their new ones: their past goes with them.
        """
        with self._store.writing() as db:
            self._objectives(db, run, headings, states, renamed or {})

    def _objectives(
        self,
        db: Database,
        run: int,
        headings: Mapping[str, Heading],
        states: Iterable[ObjectiveState],
        renamed: Mapping[str, str],
    ) -> None:
        for new, old in renamed.items():
            _rename(db, old, new)
        self._headings(db, run, headings)
        wanted = {(s.objective, self._image(db, s.key), s.metric): s for s in states}
        there = {
            (row["objective"], row["image"], row["metric"]): row
            for row in db.query("select * from objective_values where until_run is null")
        }
        for place, row in there.items():
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
            db.execute(
                "insert or replace into objective_values (objective, image, metric, from_run,"
                ' value, "limit", target, target_by, met, reason)'
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [*place, run, *_values(state)],
            )

    def _headings(self, db: Database, run: int, headings: Mapping[str, Heading]) -> None:
        for id_, heading in headings.items():
            db.execute(
                "insert into objectives (id, name, description, maintainer, workload, document,"
                " first_run, place, private, subject)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, case when exists"
                # One that was renamed since keeps the subject of its issue.
                " (select 1 from objectives where subject = ? and id <> ?)"
                " then ? || '#' || ? else ? end)"
                " on conflict (id) do update set"
                " name = excluded.name, description = excluded.description,"
                " maintainer = excluded.maintainer, workload = excluded.workload,"
                " document = excluded.document, place = excluded.place,"
                " private = excluded.private, gone_run = null",
                [
                    id_,
                    heading["name"],
                    heading["description"],
                    heading["maintainer"],
                    heading["workload"],
                    heading["document"],
                    run,
                    heading.get("place"),
                    int(bool(heading.get("private"))),
                    *(id_, id_, id_, run, id_),
                ],
            )
        for (id_,) in list(db.execute("select id from objectives where gone_run is null")):
            if id_ not in headings:
                db.execute("update objectives set gone_run = ? where id = ?", [run, id_])

    def record_acceptance(self, acceptance: Acceptance) -> None:
        """Store accepted growth; the same objective of the same head commit counts once, the last
        reason stays."""
        row = asdict(acceptance)
        key: ImageKey = acceptance.key
        # Its visibility is decided when it is read.
        del row["key"], row["private"]
        row["workload"], row["environment"] = key.workload, key.environment
        row["image_repository"], row["arch"] = key.repository, key.arch
        row["private"] = int(acceptance.private)
        with self._store.writing() as db:
            # A check may have known the objective by the name that its document had then.
            named = db.execute(
                "select id from objectives where id = ? or subject = ? order by id <> ? limit 1",
                [acceptance.objective] * 3,
            ).fetchone()
            row["objective"] = named[0] if named is not None else acceptance.objective
            db.execute(
                "delete from accepted_growth where forge = ? and repository = ? and number = ?"
                " and head_sha = ? and objective = ? and workload = ? and environment = ?"
                " and image_repository = ? and arch = ? and metric = ?",
                [
                    acceptance.forge,
                    acceptance.repository,
                    acceptance.number,
                    acceptance.head_sha,
                    row["objective"],
                    *key_values(key),
                    acceptance.metric,
                ],
            )
            db.table("accepted_growth").insert(row)

    def record_file(self, file: BranchFile) -> None:
        """Store a repository's `.minimize.yaml` on a branch, in place of the one before."""
        row = {**asdict(file), "documents": json.dumps(list(file.documents))}
        row["private"] = int(file.private)
        with self._store.writing() as db:
            db.table("repository_files").upsert(row, pk=("forge", "repository", "branch"))

    def record_issue(self, issue: DriftIssue) -> None:
        """Store the address and text of the issue about a subject."""
        with self._store.writing() as db:
            db.execute(
                "insert or replace into drift_issues (subject, forge, repository, issue, url,"
                " state, opened, changed, body, private) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    issue.subject,
                    issue.place.forge,
                    issue.place.repository,
                    issue.issue,
                    issue.url,
                    issue.state,
                    issue.opened,
                    issue.changed,
                    issue.body,
                    int(issue.private),
                ],
            )


def _rename(db: Database, old: str, new: str) -> None:
    """Give an objective a new id, unless another had it once."""
    if db.execute("select 1 from objectives where id = ?", [new]).fetchone() is None:
        db.execute("update objectives set id = ? where id = ?", [new, old])
        db.execute("update objective_values set objective = ? where objective = ?", [new, old])
        db.execute("update accepted_growth set objective = ? where objective = ?", [new, old])


_COLUMNS = ("value", "limit", "target", "target_by", "met", "reason")


def _values(state: ObjectiveState) -> tuple[Any, ...]:
    met = None if state.met is None else int(state.met)
    return (state.value, state.limit, state.target, state.target_by, met, state.reason)

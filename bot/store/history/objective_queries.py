"""Queries on objectives, accepted growth, merged changes and issues."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from bot.model.amount import restored
from bot.model.image import ImageKey
from bot.store.history.rows import (
    IMAGE,
    KEY,
    Reading,
    held_at,
    holding,
    key_of,
    key_values,
    merged_of,
    moment,
)
from bot.store.history.values import (
    Acceptance,
    BranchFile,
    DriftIssue,
    Heading,
    MergedChange,
    MergedEffect,
    ObjectiveState,
    Place,
)
from bot.store.records import Row, pull_request_is_hidden, repository_is_hidden

T = TypeVar("T", MergedChange, Acceptance)


def _states_sql(source: str = "objective_values") -> str:
    """A select of states from a source that has `objective_values`."""
    return (
        f'select {KEY}, objective, metric, value, "limit", target, target_by, met, reason,'
        f" first.started as since, last.started as until from {source}"
        " join images on images.id = objective_values.image"
        " join runs as first on first.id = objective_values.from_run"
        " left join runs as last on last.id = objective_values.until_run"
    )


class ObjectiveQueries(Reading):
    """Queries on objectives and on people's decisions."""

    def objective_headings(
        self, *, gone: bool = False, run: int | None = None, private: bool = False
    ) -> tuple[Heading, ...]:
        """The headings of objectives; with `gone` also those that are no longer described.

        With a run, those that were described then; with `private` also those of private
        repositories.
        """
        where = "1" if gone else "gone_run is null"
        if run is not None:
            where = f"first_run <= {int(run)}"
            where += "" if gone else f" and (gone_run is null or gone_run > {int(run)})"
        rows = self.rows(f"select * from objectives where {where} order by name, id")
        places = {row["place"] for row in rows if row["place"]}
        hidden = {p for p in places if repository_is_hidden(self.rows, *p.split(":", 1))}
        names = [field.name for field in fields(Heading)]
        headings = (
            Heading(
                **{name: row[name] for name in names}
                | {
                    "document": json.loads(row["document"]),
                    "private": bool(row["private"]) or row["place"] in hidden,
                }
            )
            for row in rows
        )
        return tuple(heading for heading in headings if private or not heading.private)

    def objective_states(
        self, objective: str | None = None, run: int | None = None
    ) -> tuple[ObjectiveState, ...]:
        """The states of objectives as of a run (null: the last), by objective, image and metric.

        Those of private repositories too: `objective_headings` says which.
        """
        if objective is not None:
            return self._states(f"objective = ? and {held_at(run)}", [objective])
        table = f"({holding('objective_values', '*', run)}) as objective_values"
        return self._states("true", [], table)

    def objective_history(
        self,
        objective: str,
        key: ImageKey | None = None,
        metric: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> tuple[ObjectiveState, ...]:
        """The states of an objective, each with the time that it lasted, oldest first.

        `until` is null for states that held at the end of the requested time.
        """
        where, values = "objective = ?", [objective]
        if key is not None:
            where += f" and objective_values.image = {IMAGE}"
            values += key_values(key)
        if metric is not None:
            where, values = f"{where} and metric = ?", [*values, metric]
        if since is not None:
            where += " and (last.started is null or last.started > ?)"
            values.append(since)
        if until is None:
            return self._states(where, values)
        end = moment(until)
        states = self._states(f"{where} and first.started <= ?", [*values, end])
        return tuple(replace(s, until=None) if (s.until or "") > end else s for s in states)

    def _states(
        self, where: str, values: Sequence[Any], source: str = "objective_values"
    ) -> tuple[ObjectiveState, ...]:
        states = []
        for row in self.rows(f"{_states_sql(source)} where {where}", values):
            key = key_of(row)
            columns = {name: row[name] for name in ObjectiveState.__slots__ if name in row}
            columns |= {name: restored(row[name]) for name in ("value", "limit")}
            columns["met"] = None if row["met"] is None else bool(row["met"])
            states.append(ObjectiveState(**{**columns, "key": key, "reason": row["reason"] or ""}))
        return tuple(sorted(states, key=lambda s: (s.objective, s.key, s.metric, s.since or "")))

    def acceptances(
        self, objective: str | None = None, limit: int = 200, until: str | None = None
    ) -> tuple[Acceptance, ...]:
        """Accepted growth at or before a time, newest first."""
        where, values = "where accepted <= ?", [moment(until)]
        if objective is not None:
            where, values = f"{where} and objective = ?", [*values, objective]
        rows = self.rows(
            f"select * from accepted_growth {where} order by accepted desc, id desc limit ?",
            [*values, limit],
        )
        acceptances = []
        for row in rows:
            del row["id"]
            row["private"] = bool(row["private"])
            row |= {name: restored(row[name]) for name in ("before", "value", "limit")}
            names = ("workload", "environment", "image_repository", "arch")
            key = ImageKey(*(row.pop(name) for name in names))
            acceptance = Acceptance(**row, key=key)
            acceptances.append(self._visible(acceptance, ("accepted_by", "reason"), number=0))
        return tuple(acceptances)

    def merged_changes(
        self, *, landed: bool | None = None, limit: int = 100
    ) -> tuple[MergedChange, ...]:
        """Merged changes, newest first, without their effects; `landed` selects those that have,
        or have not, arrived in some image."""
        where = {None: "", True: "where landed_run is not null", False: "where landed_run is null"}
        rows = self.rows(
            f"select * from merged_changes {where[landed]} order by merged desc, id desc limit ?",
            [limit],
        )
        return tuple(self._without_private(merged_of(row)) for row in rows)

    def merged_change(self, number: int) -> MergedChange | None:
        """One merged change, with what its check measured in each image; null if there is none."""
        changes = self.rows("select * from merged_changes where id = ?", [number])
        if not changes:
            return None
        rows = self.rows(
            f"select {KEY}, merged_effects.* from merged_effects"
            " join images on images.id = merged_effects.image where change = ?",
            [number],
        )
        figures = [name for name in MergedEffect.__slots__ if name not in ("key", "names")]
        effects = [
            MergedEffect(
                key_of(row), **{n: row[n] for n in figures}, names=json.loads(row["names"])
            )
            for row in rows
        ]
        merged = self._without_private(merged_of(changes[0]))
        return replace(merged, effects=tuple(sorted(effects, key=lambda effect: effect.key)))

    def merged_pull(self, forge: str, repository: str, number: int) -> MergedChange | None:
        """A merged pull request, without its effects, or null; private ones too."""
        rows = self.rows(
            "select * from merged_changes where forge = ? and repository = ? and number = ?",
            [forge, repository, number],
        )
        return merged_of(rows[0]) if rows else None

    def repository_files(self) -> tuple[BranchFile, ...]:
        """The `.minimize.yaml` of every repository and branch, as last read."""
        rows = self.rows("select * from repository_files order by forge, repository, branch")
        for row in rows:
            row["private"] = bool(row["private"])
            row["documents"] = tuple(json.loads(row["documents"]))
            row["requests"] = json.loads(row["requests"])
        return tuple(BranchFile(**row) for row in rows)

    def waiting_changes(self, since: str) -> tuple[MergedChange, ...]:
        """The changes merged at or after a time, oldest first, with their effects: candidates for
        the causes of a step."""
        rows = self.rows(
            "select id from merged_changes where merged >= ? order by merged, id", [since]
        )
        changes = (self.merged_change(row["id"]) for row in rows)
        return tuple(change for change in changes if change is not None)

    def issue(self, subject: str, place: Place) -> DriftIssue | None:
        """The issue about a subject in a place, or null if there never was one."""
        rows = self.rows(
            "select * from drift_issues where subject = ? and forge = ? and repository = ?",
            [subject, place.forge, place.repository],
        )
        return _issue(rows[0]) if rows else None

    def issues(self, *, state: str = "open", at: str | None = None) -> tuple[DriftIssue, ...]:
        """The bot's issues that are open (or closed), by subject. At a time: those opened before
        and not yet closed then; `state` is ignored."""
        where, values = "state = ?", [state]
        if at is not None:
            where = "opened <= ? and (state = 'open' or changed > ?)"
            values = [moment(at), moment(at)]
        rows = self.rows(
            f"select * from drift_issues where {where} order by subject, forge, repository", values
        )
        return tuple(_issue(row) for row in rows)

    def issue_is_hidden(self, issue: DriftIssue) -> bool:
        """Return whether an issue lies in a repository that is private now, or is about one."""
        return issue.private or repository_is_hidden(
            self.rows, issue.place.forge, issue.place.repository
        )

    def _without_private(self, change: MergedChange) -> MergedChange:
        texts = ("title", "author", "branch", "commit_sha")
        number = None if change.number is None else 0
        return self._visible(change, texts, number=number, check_id=None)

    def _visible(self, record: T, texts: Sequence[str], **fields: Any) -> T:
        """The record as it is; if it is private now, with empty `texts` and with these `fields`,
        so that no page has to hide them."""
        place = (record.forge, record.repository, record.number)
        if not record.private and not pull_request_is_hidden(self.rows, *place):
            return record
        empty = dict.fromkeys(("forge", "repository", "url", "head_sha", *texts), "")
        return replace(record, **{**empty, **fields, "private": True})


def _issue(row: Row) -> DriftIssue:
    place = Place(row.pop("forge"), row.pop("repository"))
    row["private"] = bool(row["private"])
    return DriftIssue(**row, place=place)
